//! The link to the control plane: attaches, reports what is going on, obeys commands; attaches
//! again when it breaks.

use std::sync::Arc;
use std::time::Duration;

use ferryd_control_plane::{NodeCommand, NodeCommands, NodeInfo, NodeReport};
use ferryd_domain::Fault;
use ferryd_runtime::{Backoff, ticks};
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::context::NodeContext;
use crate::quota_scans::QuotaScans;

/// How often a report renews the leases of the sessions.
const REPORT_EVERY: Duration = Duration::from_secs(2);
/// How long a report waits for usage changes to arrive; who asks for one waits for a second.
const COUNT_PATIENCE: Duration = Duration::from_millis(300);
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(3);

/// Keeps the node attached until `shutdown`.
pub(crate) async fn run(context: Arc<NodeContext>, shutdown: CancellationToken) {
    let mut backoff = Backoff::new(FIRST_RETRY, LAST_RETRY);
    let mut outage = Outage::Unsaid;
    let mut scans = QuotaScans::default();
    while !shutdown.is_cancelled() {
        match context.control.attach_node(info(&context)).await {
            Ok(commands) => {
                backoff.reset();
                outage = Outage::Unsaid;
                tracing::info!(sender = "sftpd", "attached to the control plane");
                obey(&context, commands, &mut scans).await;
                tracing::warn!(sender = "sftpd", "the control plane went away");
            }
            Err(fault) => outage = outage.tell(&fault),
        }
        backoff.pause(&shutdown).await;
    }
}

/// Whether the log knows already that the control plane is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outage {
    Unsaid,
    Said,
}

impl Outage {
    /// Warns once; each further attempt would say the same.
    fn tell(self, fault: &Fault) -> Self {
        match self {
            Self::Unsaid => {
                tracing::warn!(sender = "sftpd", error = %fault, "cannot attach to the control plane");
            }
            Self::Said => {
                tracing::debug!(sender = "sftpd", error = %fault, "still cannot attach to the control plane");
            }
        }
        Self::Said
    }
}

fn info(context: &NodeContext) -> NodeInfo {
    NodeInfo {
        node: context.node().clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sessions: context.registry.statuses(),
    }
}

/// Obeys commands and reports until the stream ends or a report is refused.
async fn obey(context: &Arc<NodeContext>, mut commands: NodeCommands, scans: &mut QuotaScans) {
    let mut reports = ticks(REPORT_EVERY);
    loop {
        tokio::select! {
            command = commands.next() => match command {
                Some(command) => run_command(context, command, scans).await,
                None => return,
            },
            _ = reports.tick() => if !report(context, 0).await { return },
        }
    }
}

async fn run_command(context: &Arc<NodeContext>, command: NodeCommand, scans: &mut QuotaScans) {
    match command {
        NodeCommand::Report { number } => {
            report(context, number).await;
        }
        NodeCommand::CloseConnection(connection) => context.registry.kill(&connection),
        NodeCommand::SweepUploads { account } => context.files.sweep.visit(&account),
        NodeCommand::ScanQuota { scan, account } => {
            scans.start(context, scan, account);
        }
    }
}

/// Reports; returns whether the control plane took it. Whoever looks at a report may count on what
/// was done before it being counted.
async fn report(context: &NodeContext, number: u64) -> bool {
    let _ = tokio::time::timeout(COUNT_PATIENCE, context.files.outbox.all_told()).await;
    let sessions = context.registry.statuses();
    let report = NodeReport { node: context.node().clone(), number, sessions };
    match context.control.report(report).await {
        Ok(()) => true,
        Err(fault) => {
            tracing::warn!(sender = "sftpd", error = %fault, "report refused");
            false
        }
    }
}
