//! Which sessions of an account have to go after a node was away, as pure arithmetic. A session is
//! an intruder when it could not have got its lease if all other leases had been known at that time.
//! For each intruder one reclaimed session is evicted: what got in instead stays.

use ferryd_control_plane::{Admission, ConnectionId};

/// Whether it is settled that a session may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is settled.
    Settled,
    /// Its node reclaimed the lease, and whether there is room for it has not been checked yet.
    Reclaimed,
}

/// A session of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub connection: ConnectionId,
    pub admission: Admission,
    pub standing: Standing,
}

/// A session that has to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eviction {
    /// The session.
    pub connection: ConnectionId,
    /// The intruder, if it is another session: it takes over the admission.
    pub heir: Option<ConnectionId>,
}

/// Tells whether there are intruders.
pub(super) fn is_crowded(mut members: Vec<Member>) -> bool {
    members.sort_by(in_order);
    intruder(&members).is_some()
}

/// Returns the sessions that have to go, the newest reclaimed one first. No session goes that the
/// limit of today has room for.
pub(super) fn evictions(mut members: Vec<Member>, max_sessions: i32) -> Vec<Eviction> {
    let mut gone = Vec::new();
    loop {
        members.sort_by(in_order);
        if most_sessions(max_sessions).is_none_or(|most| members.len() <= most) {
            return gone;
        }
        let Some(intruder) = intruder(&members).map(|member| member.connection.clone()) else {
            return gone;
        };
        let Some(newest) = members.iter().rposition(|m| m.standing == Standing::Reclaimed) else {
            return gone;
        };
        let goes = members.remove(newest);
        let heir = members.iter_mut().find(|member| member.connection == intruder);
        let heir = heir.map(|heir| {
            heir.admission = goes.admission;
            heir.connection.clone()
        });
        gone.push(Eviction { connection: goes.connection, heir });
    }
}

/// Returns what the admission of a member is when all may stay under this limit.
pub(super) fn confirmed(mut members: Vec<Member>, max_sessions: i32) -> Vec<Member> {
    members.sort_by(in_order);
    for (earlier, member) in members.iter_mut().enumerate() {
        if !had_room(member, earlier) {
            member.admission.max_sessions = max_sessions;
        }
        member.standing = Standing::Settled;
    }
    members
}

fn in_order(one: &Member, other: &Member) -> std::cmp::Ordering {
    (one.admission.at, &one.connection).cmp(&(other.admission.at, &other.connection))
}

/// Returns the last of those who had no room.
fn intruder(members: &[Member]) -> Option<&Member> {
    let (_, last) = members.iter().enumerate().rfind(|(earlier, m)| !had_room(m, *earlier))?;
    Some(last)
}

fn had_room(member: &Member, earlier: usize) -> bool {
    most_sessions(member.admission.max_sessions).is_none_or(|most| earlier < most)
}

/// Returns how many sessions an account may have, `None` for any number.
pub(super) fn most_sessions(max_sessions: i32) -> Option<usize> {
    usize::try_from(max_sessions).ok().filter(|most| *most > 0)
}

#[cfg(test)]
mod tests {
    use Standing::{Reclaimed, Settled};

    use super::*;

    /// In the order of their admission.
    fn members(of: &[(&str, i32, Standing)]) -> Vec<Member> {
        let member =
            |(at, (name, max_sessions, standing)): (usize, &(&str, i32, Standing))| Member {
                connection: ConnectionId((*name).to_owned()),
                admission: Admission {
                    at: i64::try_from(at).unwrap(),
                    max_sessions: *max_sessions,
                },
                standing: *standing,
            };
        of.iter().enumerate().map(member).collect()
    }

    fn gone(of: &[(&str, i32, Standing)], max_sessions: i32) -> Vec<String> {
        evictions(members(of), max_sessions).into_iter().map(|gone| gone.connection.0).collect()
    }

    #[test]
    fn the_newest_of_those_who_came_back_go_for_those_who_got_in() {
        let (a, b) = (("a", 2, Reclaimed), ("b", 2, Reclaimed));
        assert!(gone(&[a, b], 2).is_empty());
        assert_eq!(gone(&[a, b, ("c", 2, Settled)], 2), ["b"]);
        assert_eq!(gone(&[a, b, ("c", 2, Settled), ("d", 2, Settled)], 2), ["b", "a"]);
        assert_eq!(gone(&[("a", 2, Settled), ("b", 2, Settled), ("c", 2, Reclaimed)], 2), ["c"]);
    }

    #[test]
    fn a_limit_that_was_lowered_closes_nothing_and_one_that_was_raised_makes_room() {
        let (a, b, c) = (("a", 3, Reclaimed), ("b", 3, Reclaimed), ("c", 3, Reclaimed));
        assert!(gone(&[a, b, c], 1).is_empty());
        assert_eq!(gone(&[a, b, c, ("d", 1, Settled)], 1), ["c"], "the absence has made one more");
        assert!(gone(&[a, b, c, ("d", 3, Settled)], 4).is_empty());
        assert!(gone(&[a, b, c, ("d", 3, Settled)], 0).is_empty());
        let stay = confirmed(members(&[a, b, c, ("d", 3, Settled)]), 4);
        assert!(!is_crowded(stay.clone()));
        assert!(stay.iter().all(|member| member.standing == Settled));
    }

    #[test]
    fn an_intruder_is_one_only_once() {
        let of = members(&[("a", 3, Reclaimed), ("b", 3, Reclaimed), ("d", 1, Settled)]);
        let [a, b, mut d] = <[Member; 3]>::try_from(of).unwrap();
        let first = evictions(vec![a.clone(), d.clone()], 1);
        assert_eq!(
            first,
            [Eviction { connection: a.connection, heir: Some(d.connection.clone()) }]
        );
        d.admission = a.admission;
        assert!(evictions(vec![b, d], 1).is_empty());
    }

    #[test]
    fn nobody_is_closed_of_whom_nothing_is_known() {
        let all = ["a", "b", "c"].map(|name| Member {
            connection: ConnectionId(name.to_owned()),
            admission: Admission::default(),
            standing: Reclaimed,
        });
        assert!(!is_crowded(all.to_vec()));
        assert!(evictions(all.to_vec(), 1).is_empty());
    }
}
