//! `from="..."` of a key: the addresses that may use it, by sshd's rules (ssh_config(5),
//! "PATTERNS", and `match_host_and_ip` of OpenSSH). Names of hosts are not looked up.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;

/// A list of patterns. A negated one that matches keeps out, whatever else matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FromPatterns(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    negated: bool,
    shape: Shape,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    /// An address or a network.
    Network(IpNet),
    /// Text of an address with `*` and `?`.
    Wildcard(String),
}

impl FromPatterns {
    /// Reads the value of the option.
    pub(super) fn parse(text: &str) -> Result<Self, Cow<'static, str>> {
        text.split(',').map(Pattern::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Tells whether a client at this address may use the key.
    pub(super) fn admit(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let text = address.to_string();
        let mut admitted = false;
        for pattern in self.0.iter().filter(|pattern| pattern.shape.matches(address, &text)) {
            if pattern.negated {
                return false;
            }
            admitted = true;
        }
        admitted
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, Cow<'static, str>> {
        let (negated, text) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        Ok(Self { negated, shape: Shape::parse(text)? })
    }
}

impl Shape {
    fn parse(text: &str) -> Result<Self, Cow<'static, str>> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Network(address.to_canonical().into()));
        }
        if let Ok(network) = text.parse::<IpNet>() {
            // sshd refuses the whole list for bits behind the mask.
            return match network == network.trunc() {
                true => Ok(Self::Network(network)),
                false => Err(format!("from=: {text:?} has bits behind its mask").into()),
            };
        }
        match is_address_pattern(text) {
            true => Ok(Self::Wildcard(text.to_ascii_lowercase())),
            false => Err(format!(
                "from=: {text:?} is no address, network or pattern of addresses (names of hosts \
                 are not looked up)"
            )
            .into()),
        }
    }

    fn matches(&self, address: IpAddr, text: &str) -> bool {
        match self {
            Self::Network(network) => network.contains(&address),
            Self::Wildcard(pattern) => wildcard_matches(pattern.as_bytes(), text.as_bytes()),
        }
    }
}

/// Letters without a colon belong to the name of a host.
fn is_address_pattern(text: &str) -> bool {
    let four = |byte: u8| byte.is_ascii_digit() || b".*?".contains(&byte);
    let six = |byte: u8| byte.is_ascii_hexdigit() || b":.*?".contains(&byte);
    let wild = text.contains(['*', '?']);
    wild && (text.bytes().all(four) || text.contains(':') && text.bytes().all(six))
}

/// `*` stands for any number of bytes, `?` for one. Goes back to the last `*` only, so that the time
/// grows with the product of the lengths.
fn wildcard_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen, mut star) = (0, 0, None);
    while let Some(byte) = text.get(seen) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(expected) if *expected == b'?' || expected == byte => {
                (at, seen) = (at + 1, seen + 1)
            }
            _ => {
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                (at, seen) = (star_at + 1, taken + 1);
            }
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_sshd() {
        for (patterns, address, admitted) in [
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "::ffff:192.0.2.7", true),
            ("192.0.2.7", "192.0.2.70", false),
            ("10.0.0.0/8,192.0.2.0/24", "192.0.2.7", true),
            ("192.0.2.0/24,!192.0.2.7", "192.0.2.7", false),
            ("!192.0.2.7,192.0.2.0/24", "192.0.2.7", false),
            ("!192.0.2.7,192.0.2.0/24", "192.0.2.8", true),
            ("!192.0.2.7", "192.0.2.8", false),
            ("!192.0.2.*,*", "192.0.2.7", false),
            ("!192.0.2.*,*", "198.51.100.7", true),
            ("192.0.2.?", "192.0.2.7", true),
            ("192.0.2.?", "192.0.2.70", false),
            ("*.7", "192.0.2.7", true),
            ("2001:db8::/32", "2001:db8::1", true),
            ("2001:DB8:*", "2001:db8::1", true),
            ("::/0", "192.0.2.7", false),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("*", "2001:db8::1", true),
        ] {
            let list = FromPatterns::parse(patterns).unwrap();
            assert_eq!(list.admit(address.parse().unwrap()), admitted, "{patterns} {address}");
        }
    }

    #[test]
    fn what_is_no_pattern_of_addresses_is_refused() {
        for patterns in [
            "",
            "192.0.2.7,",
            "!",
            "192.0.2.7/24",
            "192.0.2.0/33",
            "example.com",
            "*.example.com",
            "*.de",
            "!bad.example.com,*",
            "192.0.2",
            "192.0.2.0-192.0.2.9",
            " 192.0.2.7",
        ] {
            assert!(FromPatterns::parse(patterns).is_err(), "{patterns:?}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let pattern = "*1".repeat(2000);
        let list = FromPatterns::parse(&pattern).unwrap();
        assert!(!list.admit("1111:1111:1111:1111:1111:1111:1111:1111".parse().unwrap()));
    }
}
