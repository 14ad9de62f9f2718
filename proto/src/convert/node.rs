//! Nodes: what they say of themselves, what they are told, what they report.

use ferryd_control_plane::{
    ConnectionId, NodeCommand, NodeId, NodeInfo, NodeReport, ScanId, ScanOutcome,
};
use ferryd_domain::{Fault, QuotaUsage};

use super::{list, part, required, username};
use crate::wire;

impl From<NodeInfo> for wire::NodeInfo {
    fn from(info: NodeInfo) -> Self {
        Self {
            node: Some(info.node.0),
            version: Some(info.version),
            sessions: info.sessions.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<wire::NodeInfo> for NodeInfo {
    type Error = Fault;

    fn try_from(info: wire::NodeInfo) -> Result<Self, Fault> {
        Ok(Self {
            node: NodeId(required(info.node, "node")?),
            version: required(info.version, "version")?,
            sessions: list(info.sessions, "sessions")?,
        })
    }
}

impl From<NodeCommand> for wire::NodeCommand {
    fn from(command: NodeCommand) -> Self {
        use wire::node_command::Command;
        let command = match command {
            NodeCommand::Report { number } => {
                Command::Report(wire::ReportCommand { number: Some(number) })
            }
            NodeCommand::CloseConnection(connection) => {
                let connection = Some(connection.0);
                Command::CloseConnection(wire::CloseConnectionCommand { connection })
            }
            NodeCommand::ScanQuota { scan, account } => {
                let account = Some((*account).into());
                Command::ScanQuota(wire::ScanQuotaCommand { scan: Some(scan.0), account })
            }
            NodeCommand::SweepUploads { account } => {
                let account = Some((*account).into());
                Command::SweepUploads(wire::SweepUploadsCommand { account })
            }
        };
        Self { command: Some(command) }
    }
}

impl TryFrom<wire::NodeCommand> for NodeCommand {
    type Error = Fault;

    fn try_from(command: wire::NodeCommand) -> Result<Self, Fault> {
        use wire::node_command::Command;
        match required(command.command, "command")? {
            Command::Report(report) => {
                Ok(Self::Report { number: required(report.number, "number")? })
            }
            Command::CloseConnection(close) => {
                let connection = required(close.connection, "connection")?;
                Ok(Self::CloseConnection(ConnectionId(connection)))
            }
            Command::ScanQuota(scan) => Ok(Self::ScanQuota {
                scan: ScanId(required(scan.scan, "scan")?),
                account: Box::new(part(scan.account, "account")?),
            }),
            Command::SweepUploads(sweep) => {
                Ok(Self::SweepUploads { account: Box::new(part(sweep.account, "account")?) })
            }
        }
    }
}

impl From<NodeReport> for wire::NodeReport {
    fn from(report: NodeReport) -> Self {
        Self {
            node: Some(report.node.0),
            number: Some(report.number),
            sessions: report.sessions.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<wire::NodeReport> for NodeReport {
    type Error = Fault;

    fn try_from(report: wire::NodeReport) -> Result<Self, Fault> {
        Ok(Self {
            node: NodeId(required(report.node, "node")?),
            number: required(report.number, "number")?,
            sessions: list(report.sessions, "sessions")?,
        })
    }
}

impl From<ScanOutcome> for wire::ScanOutcome {
    fn from(outcome: ScanOutcome) -> Self {
        Self {
            scan: Some(outcome.scan.0),
            username: Some(outcome.username.as_str().to_owned()),
            usage: outcome.usage.map(Into::into),
        }
    }
}

impl TryFrom<wire::ScanOutcome> for ScanOutcome {
    type Error = Fault;

    fn try_from(outcome: wire::ScanOutcome) -> Result<Self, Fault> {
        Ok(Self {
            scan: ScanId(required(outcome.scan, "scan")?),
            username: username(outcome.username)?,
            usage: outcome.usage.map(QuotaUsage::try_from).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::samples::{
        assert_round_trip, node_command, node_info, node_report, scan_outcome,
    };
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_introduction_arrives_as_it_was_sent(info in node_info()) {
            assert_round_trip::<_, wire::NodeInfo>(info)?;
        }

        #[test]
        fn a_command_arrives_as_it_was_sent(command in node_command()) {
            assert_round_trip::<_, wire::NodeCommand>(command)?;
        }

        #[test]
        fn a_report_arrives_as_it_was_sent(report in node_report()) {
            assert_round_trip::<_, wire::NodeReport>(report)?;
        }

        #[test]
        fn a_scan_outcome_arrives_as_it_was_sent(outcome in scan_outcome()) {
            assert_round_trip::<_, wire::ScanOutcome>(outcome)?;
        }
    }

    #[test]
    fn a_command_of_a_newer_version_is_an_error() {
        assert!(NodeCommand::try_from(wire::NodeCommand { command: None }).is_err());
    }
}
