//! `expiry-time="..."` of a key: `YYYYMMDD[HHMM[SS]]`, of the server's clock or, with `Z` or `UTC`
//! behind it, of UTC (sshd(8)).

use std::borrow::Cow;

/// Whose clock a time is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// UTC's.
    Utc,
    /// The server's.
    Local,
}

/// When a key ends to be valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ExpiryTime {
    /// What the clock of the zone shows then, as seconds since it showed the start of 1970.
    seconds: i64,
    zone: Zone,
}

/// Digits of a date, of a time with minutes and of one with seconds.
const LENGTHS: [usize; 3] = [8, 12, 14];
/// Seconds.
const DAY: i64 = 86_400;

impl ExpiryTime {
    /// Reads the value of the option.
    pub(super) fn parse(text: &str) -> Result<Self, Cow<'static, str>> {
        Self::read(text).ok_or_else(|| {
            format!("expiry-time=: {text:?} is no YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS").into()
        })
    }

    fn read(text: &str) -> Option<Self> {
        let upper = text.to_ascii_uppercase();
        let utc = upper.strip_suffix("UTC").or_else(|| upper.strip_suffix('Z'));
        let (digits, zone) = utc.map_or((upper.as_str(), Zone::Local), |rest| (rest, Zone::Utc));
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        if !plain || !LENGTHS.contains(&digits.len()) {
            return None;
        }
        let part = |from: usize, to: usize| match digits.get(from..to) {
            Some(part) => part.parse::<i64>().ok(),
            None => Some(0),
        };
        let days = days(part(0, 4)?, part(4, 6)?, part(6, 8)?)?;
        let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
        let in_day = hour < 24 && minute < 60 && second <= 60;
        in_day.then_some(Self { seconds: days * DAY + hour * 3600 + minute * 60 + second, zone })
    }

    /// Returns whose clock counts.
    pub(super) const fn zone(self) -> Zone {
        self.zone
    }

    /// Tells whether the time has passed when the clock of the zone shows `now`.
    pub(super) const fn is_before(self, now: i64) -> bool {
        self.seconds < now
    }
}

/// Returns the days from 1970 on to a date of the Gregorian calendar, `None` for none.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    const LENGTH: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let index = usize::try_from(month).ok()?.checked_sub(1)?;
    let length = LENGTH.get(index)? + i64::from(leap && month == 2);
    if year < 1970 || !(1..=length).contains(&day) {
        return None;
    }
    let past = year - 1;
    let leap_days = past / 4 - past / 100 + past / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let this_year = BEFORE.get(index)? + i64::from(leap && month > 2) + day - 1;
    Some((year - 1970) * 365 + leap_days + this_year)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_date() {
        // date -u -d ... +%s
        for (text, seconds, zone) in [
            ("19700101Z", 0, Zone::Utc),
            ("20000229120000Z", 951_825_600, Zone::Utc),
            ("20240301", 1_709_251_200, Zone::Local),
            ("203801190314", 2_147_483_640, Zone::Local),
            ("20380119031407utc", 2_147_483_647, Zone::Utc),
            ("21000301", 4_107_542_400, Zone::Local),
        ] {
            assert_eq!(ExpiryTime::parse(text).unwrap(), ExpiryTime { seconds, zone }, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "Z",
            "2020",
            "202001",
            "20200132",
            "20200229Z1",
            "20210229",
            "20201301",
            "20200100",
            "202001012460",
            "2020010124",
            "+2020101",
            "20200101T",
            "19691231",
            "2020é101",
        ] {
            assert!(ExpiryTime::parse(text).is_err(), "{text:?}");
        }
    }
}
