//! The options in front of a key (sshd(8), "AUTHORIZED_KEYS FILE FORMAT"): which are obeyed, which
//! are met by a server that forwards and runs nothing, and which let nobody in.

use std::borrow::Cow;
use std::net::IpAddr;

use super::expiry_time::{ExpiryTime, Zone};
use super::from_patterns::FromPatterns;
use crate::Fault;
use crate::policy::login::refused;

/// What a line asks for beyond its key. Reading never fails: an option that cannot be obeyed, or
/// not be understood, lets nobody in, as the line may mean less than everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyOptions {
    from: Option<FromPatterns>,
    expiry: Vec<ExpiryTime>,
    unmet: Option<Cow<'static, str>>,
    idle: Option<&'static str>,
    touch: bool,
    verification: bool,
}

/// Options without a value that are met: nothing is forwarded and no terminal, shell or `rc` file
/// exists. Each may have `no-` before it.
const FORWARDING: [&str; 5] =
    ["port-forwarding", "agent-forwarding", "x11-forwarding", "pty", "user-rc"];
/// Options with a value that are met for the same reason.
const FORWARDING_TO: [&str; 3] = ["permitopen", "permitlisten", "tunnel"];

const COMMAND: &str = "command= cannot be obeyed, as no program runs for a key: remove it, or \
    limit the account with its permissions";
const AUTHORITY: &str = "cert-authority cannot be obeyed, as certificates are not looked at: \
    store the keys of the users themselves";
const PRINCIPALS: &str = "principals= cannot be obeyed, as certificates are not looked at: \
    remove it";
const ENVIRONMENT: &str = "environment= has no effect, as no program runs for a key: remove it";
const VERIFICATION: &str = "verify-required is set for the key and cannot be checked: remove it";
const TOUCH: &str = "touch-required is set for the key and cannot be checked: remove it";

impl KeyOptions {
    /// Reads the word before the key; empty without options.
    pub(super) fn parse(text: &str, algorithm: &str) -> Self {
        let mut options = Self::default();
        if text.is_empty() {
            return options;
        }
        for option in super::unquoted_parts(text, &[',']) {
            if let Err(reason) = options.take(option) {
                options.unmet.get_or_insert(reason);
            }
        }
        if algorithm.starts_with("sk-") {
            options.check_demands();
        }
        options
    }

    fn take(&mut self, option: &str) -> Result<(), Cow<'static, str>> {
        match option.split_once('=') {
            None => self.take_flag(&option.to_ascii_lowercase()),
            Some((name, value)) => {
                let name = name.to_ascii_lowercase();
                let value = dequoted(value)
                    .ok_or_else(|| format!("{name}= needs a value in double quotes"))?;
                self.take_value(&name, &value)
            }
        }
    }

    fn take_flag(&mut self, name: &str) -> Result<(), Cow<'static, str>> {
        let (bare, positive) = match name.strip_prefix("no-") {
            Some(bare) => (bare, false),
            None => (name, true),
        };
        match (bare, positive) {
            ("touch-required", _) => self.touch = positive,
            ("verify-required", _) => self.verification = positive,
            ("restrict", true) => {}
            ("cert-authority", true) => return Err(AUTHORITY.into()),
            _ if FORWARDING.contains(&bare) => {}
            _ => return Err(unknown(name)),
        }
        Ok(())
    }

    fn take_value(&mut self, name: &str, value: &str) -> Result<(), Cow<'static, str>> {
        match name {
            "from" if self.from.is_some() => return Err("from= is given twice".into()),
            "from" => self.from = Some(FromPatterns::parse(value)?),
            "expiry-time" => self.expiry.push(ExpiryTime::parse(value)?),
            "command" => return Err(COMMAND.into()),
            "principals" => return Err(PRINCIPALS.into()),
            "environment" => self.idle = Some(ENVIRONMENT),
            _ if FORWARDING_TO.contains(&name) => {}
            _ => return Err(unknown(name)),
        }
        Ok(())
    }

    /// The flags of a signature by a security key cannot be seen.
    fn check_demands(&mut self) {
        let demands = [(self.verification, VERIFICATION), (self.touch, TOUCH)];
        if let Some((_, reason)) = demands.into_iter().find(|(demanded, _)| *demanded) {
            self.unmet.get_or_insert(reason.into());
        }
    }

    /// Returns why a line with these options must not be stored anew.
    pub fn objection(&self) -> Option<&str> {
        self.unmet.as_deref().or(self.idle)
    }

    /// Returns what is said in vain, but keeps nobody out.
    pub const fn idle(&self) -> Option<&'static str> {
        self.idle
    }

    /// Checks whether the key lets a client in from this address now. `now` tells the seconds since
    /// 1970 that a clock of a zone shows.
    ///
    /// # Errors
    /// `Unauthenticated` with the option that keeps the client out.
    pub fn admit(&self, from: IpAddr, now: impl Fn(Zone) -> i64) -> Result<(), Fault> {
        if let Some(reason) = &self.unmet {
            return Err(refused(reason.clone()));
        }
        if self.expiry.iter().any(|expiry| expiry.is_before(now(expiry.zone()))) {
            return Err(refused("the key has expired (expiry-time=)"));
        }
        match &self.from {
            Some(patterns) if !patterns.admit(from) => {
                Err(refused("the key does not let in from this address (from=)"))
            }
            _ => Ok(()),
        }
    }
}

fn unknown(name: &str) -> Cow<'static, str> {
    format!("{name:?} is no option of a key: remove it").into()
}

/// Returns what is between double quotes; a quote behind a backslash is part of it.
fn dequoted(text: &str) -> Option<String> {
    let mut rest = text.strip_prefix('"')?.chars().peekable();
    let mut value = String::new();
    loop {
        match rest.next()? {
            '\\' if rest.next_if_eq(&'"').is_some() => value.push('"'),
            '"' => return rest.next().is_none().then_some(value),
            letter => value.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "ssh-ed25519";
    const SECURITY: &str = "sk-ssh-ed25519@openssh.com";

    fn lets_in(options: &str, algorithm: &str) -> bool {
        let address = "192.0.2.7".parse().unwrap();
        KeyOptions::parse(options, algorithm).admit(address, |_| 1_700_000_000).is_ok()
    }

    #[test]
    fn what_concerns_forwarding_is_met() {
        for options in [
            "",
            "restrict",
            "no-pty,no-port-forwarding,no-agent-forwarding,no-X11-forwarding,no-user-rc",
            "restrict,pty,agent-forwarding",
            r#"permitopen="localhost:80",permitlisten="8080",tunnel="0""#,
        ] {
            assert!(lets_in(options, PLAIN), "{options}");
            assert_eq!(KeyOptions::parse(options, PLAIN).objection(), None, "{options}");
        }
    }

    #[test]
    fn what_cannot_be_obeyed_or_read_lets_nobody_in() {
        for options in [
            r#"command="/bin/false""#,
            "cert-authority",
            r#"cert-authority,principals="bob""#,
            r#"principals="bob""#,
            "unknown",
            "no-restrict",
            "no-pty,",
            "no-pty,,restrict",
            "from=192.0.2.7",
            r#"from="192.0.2.7"x"#,
            r#"from="192.0.2.7",from="192.0.2.7""#,
            r#"from="*.example.com""#,
            r#"expiry-time="tomorrow""#,
            r#"permitopen=x"#,
        ] {
            assert!(!lets_in(options, PLAIN), "{options}");
            assert!(KeyOptions::parse(options, PLAIN).objection().is_some(), "{options}");
        }
    }

    #[test]
    fn an_option_without_effect_keeps_nobody_out_but_is_told() {
        let options = KeyOptions::parse(r#"environment="A=\"b,c\"""#, PLAIN);
        assert!(options.idle().is_some() && options.objection().is_some());
        assert!(lets_in(r#"environment="A=b""#, PLAIN));
    }

    #[test]
    fn every_demand_must_be_met() {
        for (options, well) in [
            (r#"from="192.0.2.0/24""#, true),
            (r#"FROM="192.0.2.0/24",restrict"#, true),
            (r#"from="198.51.100.0/24""#, false),
            (r#"expiry-time="20231114221321Z""#, true),
            (r#"expiry-time="20231114221319Z""#, false),
            (r#"from="192.0.2.7",expiry-time="20200101Z""#, false),
            (r#"expiry-time="20200101Z",expiry-time="21000101Z""#, false),
            (r#"from="192.0.2.7",command="x""#, false),
        ] {
            assert_eq!(lets_in(options, PLAIN), well, "{options}");
        }
    }

    #[test]
    fn only_security_keys_can_be_asked_for_touch_and_verification() {
        for (options, well) in [
            ("no-touch-required", true),
            ("verify-required", false),
            ("no-pty,Verify-Required,restrict", false),
            ("touch-required", false),
            ("verify-required,no-verify-required", true),
            ("no-verify-required", true),
        ] {
            assert_eq!(lets_in(options, SECURITY), well, "{options}");
            assert!(lets_in(options, PLAIN), "{options}");
        }
    }
}
