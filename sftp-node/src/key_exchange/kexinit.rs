//! What the first clear-text bytes of a client tell: its identification line (RFC 4253 section
//! 4.2) and its KEXINIT (section 7.1). Pure; run again whenever more has arrived. It judges
//! nothing but which offer suits: russh stays the only judge of validity.

use md5::{Digest, Md5};

use super::offers::Offer;

/// Longest identification line, with its end.
const MAX_LINE: usize = 255;
/// Longest first packet that is looked at.
const MAX_PACKET: usize = 8 * 1024;
/// Most bytes that are ever looked at.
pub(crate) const MAX_SEEN: usize = MAX_LINE + 4 + MAX_PACKET;
/// Message number of KEXINIT.
const KEXINIT: u8 = 20;
/// Name lists of a KEXINIT that are looked at: up to the compression from the client.
const LISTS: usize = 7;

const GCM: [&[u8]; 2] = [b"aes128-gcm@openssh.com", b"aes256-gcm@openssh.com"];

/// What the bytes tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// More has to arrive.
    NeedMore,
    /// Nothing more will be learned.
    Done(Seen),
}

/// What was seen of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Which offer suits.
    pub offer: Offer,
    /// Identification line without its end.
    pub client: Option<String>,
    /// Fingerprint of the client's software: MD5 of its algorithm lists (HASSH).
    pub fingerprint: Option<String>,
}

/// Judges what has arrived so far.
pub(crate) fn judge(bytes: &[u8]) -> Judgement {
    let start = b"SSH-";
    if !bytes.iter().zip(start).all(|(seen, wanted)| seen == wanted) {
        return done(Offer::Full, None, None);
    }
    let line = bytes.get(..MAX_LINE.min(bytes.len())).unwrap_or_default();
    let Some(end) = line.iter().position(|byte| *byte == b'\n') else {
        return if bytes.len() < MAX_LINE {
            Judgement::NeedMore
        } else {
            done(Offer::Full, None, None)
        };
    };
    let client = identification(line.get(..end).unwrap_or_default());
    match lists_of(bytes.get(end + 1..).unwrap_or_default()) {
        Lists::NeedMore => Judgement::NeedMore,
        Lists::None => done(Offer::Full, Some(client), None),
        Lists::Found(lists) => done(offer_for(&lists), Some(client), Some(fingerprint(&lists))),
    }
}

/// Returns what is known of a client that sent no more in time.
pub(crate) fn judge_at_deadline(bytes: &[u8]) -> Seen {
    let line_end = bytes.iter().take(MAX_LINE).position(|byte| *byte == b'\n');
    let client = line_end
        .filter(|_| bytes.starts_with(b"SSH-"))
        .map(|end| identification(bytes.get(..end).unwrap_or_default()));
    Seen { offer: Offer::Full, client, fingerprint: None }
}

fn done(offer: Offer, client: Option<String>, fingerprint: Option<String>) -> Judgement {
    Judgement::Done(Seen { offer, client, fingerprint })
}

fn identification(line: &[u8]) -> String {
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()
}

enum Lists<'a> {
    NeedMore,
    None,
    Found([&'a [u8]; LISTS]),
}

/// Parses the first packet: length, padding length, message number, cookie, name lists.
fn lists_of(bytes: &[u8]) -> Lists<'_> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Lists::NeedMore };
    let length = u32::from_be_bytes(*length) as usize;
    if length > MAX_PACKET {
        return Lists::None;
    }
    if let Some(number) = rest.get(1)
        && *number != KEXINIT
    {
        return Lists::None;
    }
    let Some(packet) = rest.get(..length) else { return Lists::NeedMore };
    let Some(mut body) = packet.get(2 + 16..) else { return Lists::None };
    let mut lists = [b"".as_slice(); LISTS];
    for list in &mut lists {
        let Some((found, rest)) = name_list(body) else { return Lists::None };
        *list = found;
        body = rest;
    }
    Lists::Found(lists)
}

fn name_list(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

/// A client is led to AES-GCM only when both of its cipher lists have the same GCM name first:
/// the cipher of both directions is then chosen from the list for one.
fn offer_for(lists: &[&[u8]; LISTS]) -> Offer {
    let [_, _, to_server, to_client, ..] = lists;
    let first = |list: &[u8]| GCM.into_iter().map(|gcm| position(list, gcm)).collect::<Vec<_>>();
    let earliest = |positions: &[Option<usize>]| {
        positions
            .iter()
            .enumerate()
            .filter_map(|(which, at)| at.map(|at| (at, which)))
            .min()
            .map(|(_, which)| which)
    };
    match (earliest(&first(to_server)), earliest(&first(to_client))) {
        (Some(server), Some(client)) if server == client => Offer::GcmOnly,
        _ => Offer::Full,
    }
}

fn position(list: &[u8], name: &[u8]) -> Option<usize> {
    list.split(|byte| *byte == b',').position(|entry| entry == name)
}

fn fingerprint(lists: &[&[u8]; LISTS]) -> String {
    let [kex, _, ciphers, _, macs, _, compression] = lists;
    let text = [*kex, *ciphers, *macs, *compression].join(&b';');
    hex::encode(Md5::digest(text))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const OPENSSH: &str =
        "chacha20-poly1305@openssh.com,aes128-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com";

    /// Returns what a client with these cipher lists sends.
    pub(crate) fn client(to_server: &str, to_client: &str) -> Vec<u8> {
        let mut payload = vec![KEXINIT];
        payload.extend([7; 16]);
        for list in [
            "curve25519-sha256",
            "ssh-ed25519",
            to_server,
            to_client,
            "m",
            "m",
            "none",
            "none",
            "",
            "",
        ] {
            payload.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
            payload.extend(list.as_bytes());
        }
        payload.extend([0; 5]);
        let mut bytes = b"SSH-2.0-Test_1\r\n".to_vec();
        bytes.extend(u32::try_from(payload.len() + 1 + 4).unwrap().to_be_bytes());
        bytes.push(4);
        bytes.extend(payload);
        bytes.extend([0; 4]);
        bytes
    }

    fn offer(bytes: &[u8]) -> Offer {
        match judge(bytes) {
            Judgement::Done(seen) => seen.offer,
            Judgement::NeedMore => panic!("more is wanted"),
        }
    }

    #[test]
    fn a_client_that_can_do_gcm_both_ways_is_led_to_it() {
        assert_eq!(offer(&client(OPENSSH, OPENSSH)), Offer::GcmOnly);
        assert_eq!(offer(&client("chacha20-poly1305@openssh.com", OPENSSH)), Offer::Full);
        assert_eq!(offer(&client("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")), Offer::Full);
        assert_eq!(offer(&client("aes256-ctr", "aes256-ctr")), Offer::Full);
    }

    #[test]
    fn the_client_is_known_by_name_and_fingerprint() {
        let Judgement::Done(seen) = judge(&client(OPENSSH, OPENSSH)) else {
            panic!("more is wanted")
        };
        assert_eq!(seen.client.as_deref(), Some("SSH-2.0-Test_1"));
        assert_eq!(seen.fingerprint.map(|text| text.len()), Some(32));
    }

    #[test]
    fn every_prefix_wants_more_and_never_panics() {
        let whole = client(OPENSSH, OPENSSH);
        let needed = (0..whole.len()).find(|end| judge(&whole[..*end]) != Judgement::NeedMore);
        assert!(needed.is_none_or(|end| end + 16 > whole.len()), "{needed:?}");
        for end in 0..=whole.len() {
            judge_at_deadline(&whole[..end]);
        }
    }

    #[test]
    fn every_single_byte_change_is_judged_without_panic() {
        let whole = client(OPENSSH, OPENSSH);
        for place in 0..whole.len() {
            for change in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                let mut changed = whole.clone();
                changed[place] ^= change;
                judge(&changed);
            }
        }
    }

    #[test]
    fn what_is_no_ssh_client_is_left_to_russh() {
        assert_eq!(offer(b"GET / HTTP/1.1\r\n"), Offer::Full);
        assert_eq!(offer(&[b"SSH-".as_slice(), &[b'x'; 300]].concat()), Offer::Full);
        assert_eq!(judge(b"SS"), Judgement::NeedMore);
        assert_eq!(judge(b""), Judgement::NeedMore);
    }
}
