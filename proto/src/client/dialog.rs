//! A question-and-answer login over one stream in each direction. Dropping it closes both, and
//! the other end stops the program.

use std::fmt;

use async_trait::async_trait;
use ferryd_control_plane::{DialogStart, DialogStep, LoginDialog};
use ferryd_domain::{Fault, Secret};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::reachability::Reachability;
use super::{Client, LOGIN_LIMIT, within};
use crate::wire;
use crate::wire::dialog_input::Input;

/// A dialog whose program runs at the other end.
pub(super) struct GrpcDialog {
    inputs: mpsc::Sender<wire::DialogInput>,
    steps: Streaming<wire::DialogStep>,
}

/// Starts a dialog; the answer comes when the other end has started its program.
pub(super) async fn start(
    mut client: Client,
    reachability: &Reachability,
    start: DialogStart,
) -> Result<GrpcDialog, Fault> {
    let (inputs, sent) = mpsc::channel(2);
    send(&inputs, Input::Start(start.into())).await?;
    let answer = reachability.watch(client.dialog(ReceiverStream::new(sent)));
    let answer = within(LOGIN_LIMIT, answer).await?;
    Ok(GrpcDialog { inputs, steps: answer.into_inner() })
}

async fn send(inputs: &mpsc::Sender<wire::DialogInput>, input: Input) -> Result<(), Fault> {
    let sent = inputs.send(wire::DialogInput { input: Some(input) }).await;
    sent.map_err(|_| lost())
}

fn lost() -> Fault {
    Fault::unavailable("the control plane has closed the dialog")
}

#[async_trait]
impl LoginDialog for GrpcDialog {
    async fn next(&mut self, answers: Vec<Secret<String>>) -> Result<DialogStep, Fault> {
        // A dialog that is over drops its receiver; why it is over is on the other stream.
        let sent = send(&self.inputs, Input::Answers(answers.into())).await;
        match within(LOGIN_LIMIT, self.steps.message()).await? {
            Some(step) => step.try_into(),
            None => Err(sent.err().unwrap_or_else(lost)),
        }
    }
}

impl fmt::Debug for GrpcDialog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GrpcDialog")
    }
}
