//! The stream of commands for this node. It ends with the connection; the node attaches again
//! with the sessions that it then has.

use ferryd_control_plane::{NodeCommand, NodeCommands, NodeInfo};
use ferryd_domain::Fault;
use futures::StreamExt;
use futures::stream::unfold;
use tonic::{Request, Streaming};

use super::reachability::Reachability;
use super::{CALL_LIMIT, Client, within};
use crate::wire;

/// Makes the node known and returns its commands.
pub(super) async fn attach(
    mut client: Client,
    reachability: &Reachability,
    node: NodeInfo,
) -> Result<NodeCommands, Fault> {
    let request = Request::new(wire::NodeInfo::from(node));
    let answer = within(CALL_LIMIT, reachability.watch(client.attach_node(request))).await?;
    Ok(unfold(answer.into_inner(), |mut commands| async move {
        next(&mut commands).await.map(|command| (command, commands))
    })
    .boxed())
}

/// Returns the next command that this version knows, `None` when the connection is lost.
async fn next(commands: &mut Streaming<wire::NodeCommand>) -> Option<NodeCommand> {
    loop {
        let message = match commands.message().await {
            Ok(message) => message?,
            Err(status) => {
                tracing::debug!(sender = "grpc", code = ?status.code(), "command stream broke");
                return None;
            }
        };
        match message.try_into() {
            Ok(command) => return Some(command),
            Err(fault) => {
                let fault: Fault = fault;
                tracing::warn!(sender = "grpc", error = %fault, "a command was not understood");
            }
        }
    }
}
