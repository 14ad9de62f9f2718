//! Whether an account may log in: status, expiration, home, method, address.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use crate::account::ACTIVE;
use crate::{Account, Fault, FaultKind};

/// Length of the prefix of all IPv4-mapped addresses, `::ffff:0:0/96`.
const MAPPED_PREFIX: u8 = 96;

/// An authentication method (RFC 4252, RFC 4256).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoginMethod {
    /// A key.
    PublicKey,
    /// A password.
    Password,
    /// Questions and answers.
    KeyboardInteractive,
}

impl LoginMethod {
    /// Every method.
    pub const ALL: [Self; 3] = [Self::PublicKey, Self::Password, Self::KeyboardInteractive];

    /// Returns the name of the method in SSH, in JSON and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PublicKey => "publickey",
            Self::Password => "password",
            Self::KeyboardInteractive => "keyboard-interactive",
        }
    }

    /// Returns the method with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}

/// Returns the fault of every refused login. The client learns nothing, the log the reason.
pub fn refused(reason: impl Into<std::borrow::Cow<'static, str>>) -> Fault {
    Fault::new(FaultKind::Unauthenticated, "login refused").context(reason)
}

/// Checks what counts before a credential is looked at. `now` is Unix time in milliseconds.
///
/// # Errors
/// `Unauthenticated` for a disabled or expired account, and for one that is not understood.
pub fn check_account(account: &Account, now: i64) -> Result<(), Fault> {
    if !account.unreadable.is_empty() {
        let fields = account.unreadable.join(", ");
        return Err(refused(format!("stored fields of the account are not understood: {fields}")));
    }
    if account.status != ACTIVE {
        return Err(refused("the account is disabled"));
    }
    if account.expiration_date > 0 && account.expiration_date <= now {
        return Err(refused("the account has expired"));
    }
    Ok(())
}

/// Checks that the home is usable.
///
/// # Errors
/// `Unauthenticated` for a home that is not absolute.
pub fn check_home(account: &Account) -> Result<(), Fault> {
    if account.home_dir.starts_with('/') {
        Ok(())
    } else {
        Err(refused("the home directory is not an absolute path"))
    }
}

/// Checks what counts after the credential: the method, then the address.
///
/// # Errors
/// `Unauthenticated` for a denied method or address.
pub fn check_way(account: &Account, method: LoginMethod, from: IpAddr) -> Result<(), Fault> {
    if account.filters.denied_login_methods.iter().any(|name| name == method.name()) {
        return Err(refused("the login method is denied for this account"));
    }
    if !address_allowed(account, from.to_canonical()) {
        return Err(refused("the address is not allowed for this account"));
    }
    Ok(())
}

fn address_allowed(account: &Account, from: IpAddr) -> bool {
    let within = |networks: &[String]| {
        networks.iter().filter_map(|n| network(n)).any(|network| network.contains(&from))
    };
    let filters = &account.filters;
    !within(&filters.denied_ip) && (filters.allowed_ip.is_empty() || within(&filters.allowed_ip))
}

/// Parses a network. One of IPv4-mapped addresses is a network of IPv4, as the address of a client
/// is (RFC 4291 section 2.5.5.2).
fn network(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().ok()?;
    let IpNet::V6(wide) = network else { return Some(network) };
    let mapped = wide.addr().to_ipv4_mapped().zip(wide.prefix_len().checked_sub(MAPPED_PREFIX));
    mapped.map_or(Some(network), |(address, length)| {
        Ipv4Net::new(address, length).ok().map(IpNet::V4)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(allowed: &[&str], denied: &[&str]) -> Account {
        let mut account = Account { status: ACTIVE, ..Account::default() };
        account.filters.allowed_ip = allowed.iter().map(|&n| n.into()).collect();
        account.filters.denied_ip = denied.iter().map(|&n| n.into()).collect();
        account
    }

    fn from(allowed: &[&str], denied: &[&str], address: &str) -> bool {
        let account = account(allowed, denied);
        check_way(&account, LoginMethod::Password, address.parse().unwrap()).is_ok()
    }

    #[test]
    fn denied_networks_win_and_an_allowed_list_shuts_out_the_rest() {
        assert!(from(&[], &[], "192.0.2.1"));
        assert!(!from(&["10.0.0.0/8"], &[], "127.0.0.1"));
        assert!(!from(&["10.0.0.0/8"], &["10.0.0.0/8"], "10.0.0.1"));
        assert!(from(&["2001:db8::/32"], &[], "2001:db8::1"));
    }

    #[test]
    fn an_ipv4_address_is_not_in_an_ipv6_network() {
        assert!(!from(&["::/0"], &[], "192.0.2.1"));
        assert!(from(&["192.0.2.0/24"], &[], "::ffff:192.0.2.1"));
    }

    #[test]
    fn a_network_of_mapped_addresses_is_one_of_ipv4() {
        for (network, inside, outside) in [
            ("::ffff:192.0.2.0/120", "192.0.2.7", "192.0.3.7"),
            ("::ffff:192.0.2.7/128", "192.0.2.7", "192.0.2.8"),
            ("::ffff:c000:200/120", "::ffff:192.0.2.7", "192.0.3.7"),
            ("::ffff:0:0/96", "192.0.2.7", "2001:db8::1"),
        ] {
            assert!(from(&[network], &[], inside), "{network}");
            assert!(!from(&[], &[network], inside), "{network}");
            assert!(!from(&[network], &[], outside), "{network}");
            assert!(from(&[], &[network], outside), "{network}");
        }
        assert!(from(&[], &["::/0", "::/96", "::ffff:0:0/95"], "192.0.2.7"), "wider ones are IPv6");
    }

    #[test]
    fn disabled_and_expired_accounts_are_refused() {
        let mut account = account(&[], &[]);
        assert!(check_account(&account, 1000).is_ok());
        account.expiration_date = 1000;
        assert!(check_account(&account, 999).is_ok());
        assert!(check_account(&account, 1000).is_err());
        account = Account { status: 0, ..account };
        assert!(check_account(&account, 0).is_err());
    }

    #[test]
    fn every_refusal_looks_the_same_to_the_client() {
        let disabled = check_account(&Account::default(), 0).unwrap_err();
        let relative = check_home(&Account::default()).unwrap_err();
        assert_eq!(disabled.public(), relative.public());
        assert_ne!(disabled.to_string(), relative.to_string());
    }
}
