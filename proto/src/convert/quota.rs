//! Usage, reservations and usage changes.

use ferryd_control_plane::{Certainty, ConnectionId, Grant, GrantRequest, TransferId, UsageChange};
use ferryd_domain::{Fault, QuotaUsage, Username};

use super::{bad_message, required, username};
use crate::wire;

impl From<&Username> for wire::QuotaUsageRequest {
    fn from(username: &Username) -> Self {
        Self { username: Some(username.as_str().to_owned()) }
    }
}

impl TryFrom<wire::QuotaUsageRequest> for Username {
    type Error = Fault;

    fn try_from(request: wire::QuotaUsageRequest) -> Result<Self, Fault> {
        username(request.username)
    }
}

impl From<QuotaUsage> for wire::QuotaUsage {
    fn from(usage: QuotaUsage) -> Self {
        Self { size: Some(usage.size), files: Some(usage.files) }
    }
}

impl TryFrom<wire::QuotaUsage> for QuotaUsage {
    type Error = Fault;

    fn try_from(usage: wire::QuotaUsage) -> Result<Self, Fault> {
        Ok(Self { size: required(usage.size, "size")?, files: required(usage.files, "files")? })
    }
}

impl From<GrantRequest> for wire::GrantRequest {
    fn from(request: GrantRequest) -> Self {
        Self {
            transfer: Some(request.transfer.0),
            connection: Some(request.connection.0),
            username: Some(request.username.as_str().to_owned()),
            bytes: Some(request.bytes),
            files: Some(request.files),
        }
    }
}

impl TryFrom<wire::GrantRequest> for GrantRequest {
    type Error = Fault;

    fn try_from(request: wire::GrantRequest) -> Result<Self, Fault> {
        Ok(Self {
            transfer: TransferId(required(request.transfer, "transfer")?),
            connection: ConnectionId(required(request.connection, "connection")?),
            username: username(request.username)?,
            bytes: required(request.bytes, "bytes")?,
            files: required(request.files, "files")?,
        })
    }
}

impl From<Grant> for wire::Grant {
    fn from(grant: Grant) -> Self {
        Self { bytes: Some(grant.bytes), files: Some(grant.files) }
    }
}

impl TryFrom<wire::Grant> for Grant {
    type Error = Fault;

    fn try_from(grant: wire::Grant) -> Result<Self, Fault> {
        let bytes = required(grant.bytes, "bytes")?;
        Ok(Self { bytes, files: grant.files.unwrap_or_default() })
    }
}

impl From<UsageChange> for wire::UsageChange {
    fn from(change: UsageChange) -> Self {
        Self {
            transfer: Some(change.transfer.0),
            username: Some(change.username.as_str().to_owned()),
            size: Some(change.size),
            files: Some(change.files),
            certainty: wire::Certainty::from(change.certainty).into(),
        }
    }
}

impl TryFrom<wire::UsageChange> for UsageChange {
    type Error = Fault;

    fn try_from(change: wire::UsageChange) -> Result<Self, Fault> {
        let certainty = wire::Certainty::try_from(change.certainty)
            .map_err(|error| bad_message("unknown certainty".to_owned()).because(error))?;
        Ok(Self {
            transfer: TransferId(required(change.transfer, "transfer")?),
            username: username(change.username)?,
            size: required(change.size, "size")?,
            files: required(change.files, "files")?,
            certainty: certainty.try_into()?,
        })
    }
}

impl From<Certainty> for wire::Certainty {
    fn from(certainty: Certainty) -> Self {
        match certainty {
            Certainty::Exact => Self::Exact,
            Certainty::Doubtful => Self::Doubtful,
        }
    }
}

impl TryFrom<wire::Certainty> for Certainty {
    type Error = Fault;

    fn try_from(certainty: wire::Certainty) -> Result<Self, Fault> {
        match certainty {
            wire::Certainty::Unspecified => required(None, "certainty"),
            wire::Certainty::Exact => Ok(Self::Exact),
            wire::Certainty::Doubtful => Ok(Self::Doubtful),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::samples::{assert_round_trip, grant_request, name, usage, usage_change};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_usage_arrives_as_it_was_sent(usage in usage()) {
            assert_round_trip::<_, wire::QuotaUsage>(usage)?;
        }

        #[test]
        fn a_request_arrives_as_it_was_sent(request in grant_request()) {
            assert_round_trip::<_, wire::GrantRequest>(request)?;
        }

        #[test]
        fn a_grant_arrives_as_it_was_sent(bytes: u64) {
            assert_round_trip::<_, wire::Grant>(Grant { bytes, files: 3 })?;
        }

        #[test]
        fn a_change_arrives_as_it_was_sent(change in usage_change()) {
            assert_round_trip::<_, wire::UsageChange>(change)?;
        }

        #[test]
        fn a_question_for_the_usage_arrives_as_it_was_sent(name in name()) {
            let back = Username::try_from(wire::QuotaUsageRequest::from(&name));
            prop_assert_eq!(back.unwrap(), name);
        }
    }

    #[test]
    fn a_grant_without_bytes_is_an_error() {
        assert!(Grant::try_from(wire::Grant { bytes: None, files: None }).is_err());
    }
}
