//! Login attempts and their outcomes.

use ferryd_control_plane::{ConnectionId, Credential, LoginAttempt, LoginOutcome};
use ferryd_domain::policy::LoginMethod;
use ferryd_domain::{Fault, Secret};

use super::{address, bad_message, part, required, username};
use crate::wire;

impl From<LoginAttempt> for wire::LoginAttempt {
    fn from(attempt: LoginAttempt) -> Self {
        Self {
            username: Some(attempt.username.as_str().to_owned()),
            credential: Some(attempt.credential.into()),
            client_address: Some(attempt.client_address.to_string()),
            connection: Some(attempt.connection.0),
        }
    }
}

impl TryFrom<wire::LoginAttempt> for LoginAttempt {
    type Error = Fault;

    fn try_from(attempt: wire::LoginAttempt) -> Result<Self, Fault> {
        Ok(Self {
            username: username(attempt.username)?,
            credential: required(attempt.credential, "credential")?.into(),
            client_address: address(attempt.client_address)?,
            connection: ConnectionId(required(attempt.connection, "connection")?),
        })
    }
}

impl From<Credential> for wire::login_attempt::Credential {
    fn from(credential: Credential) -> Self {
        match credential {
            Credential::Password(password) => Self::Password(password.into_exposed()),
            Credential::PublicKey(line) => Self::PublicKey(line),
        }
    }
}

impl From<wire::login_attempt::Credential> for Credential {
    fn from(credential: wire::login_attempt::Credential) -> Self {
        use wire::login_attempt::Credential as Sent;
        match credential {
            Sent::Password(password) => Self::Password(Secret::new(password)),
            Sent::PublicKey(line) => Self::PublicKey(line),
        }
    }
}

impl From<LoginOutcome> for wire::LoginOutcome {
    fn from(outcome: LoginOutcome) -> Self {
        Self { account: Some(outcome.account.into()), version: Some(outcome.version) }
    }
}

impl TryFrom<wire::LoginOutcome> for LoginOutcome {
    type Error = Fault;

    fn try_from(outcome: wire::LoginOutcome) -> Result<Self, Fault> {
        Ok(Self {
            account: part(outcome.account, "account")?,
            version: required(outcome.version, "version")?,
        })
    }
}

impl From<LoginMethod> for wire::LoginMethod {
    fn from(method: LoginMethod) -> Self {
        match method {
            LoginMethod::PublicKey => Self::PublicKey,
            LoginMethod::Password => Self::Password,
            LoginMethod::KeyboardInteractive => Self::KeyboardInteractive,
        }
    }
}

impl TryFrom<wire::LoginMethod> for LoginMethod {
    type Error = Fault;

    fn try_from(method: wire::LoginMethod) -> Result<Self, Fault> {
        match method {
            wire::LoginMethod::Unspecified => required(None, "method"),
            wire::LoginMethod::PublicKey => Ok(Self::PublicKey),
            wire::LoginMethod::Password => Ok(Self::Password),
            wire::LoginMethod::KeyboardInteractive => Ok(Self::KeyboardInteractive),
        }
    }
}

/// Returns the method with this number.
pub(super) fn method(number: i32) -> Result<LoginMethod, Fault> {
    wire::LoginMethod::try_from(number)
        .map_err(|error| bad_message("unknown login method".to_owned()).because(error))?
        .try_into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::samples::{assert_round_trip, attempt, outcome};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_attempt_arrives_as_it_was_sent(attempt in attempt()) {
            assert_round_trip::<_, wire::LoginAttempt>(attempt)?;
        }

        #[test]
        fn an_outcome_arrives_as_it_was_sent(outcome in outcome()) {
            assert_round_trip::<_, wire::LoginOutcome>(outcome)?;
        }
    }

    #[test]
    fn an_attempt_without_credential_is_an_error() {
        let attempt = wire::LoginAttempt {
            username: Some("bob".into()),
            credential: None,
            client_address: Some("127.0.0.1:1".into()),
            connection: Some("c".into()),
        };
        assert!(LoginAttempt::try_from(attempt).is_err());
    }
}
