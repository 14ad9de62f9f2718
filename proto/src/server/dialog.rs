//! A question-and-answer login as one stream in each direction. When the client goes away the
//! streams are dropped, and with them the dialog and the program behind it.

use std::time::Duration;

use ferryd_control_plane::{DialogStart, LoginDialog};
use ferryd_domain::{Fault, FaultKind, Secret};
use futures::stream::{Stream, try_unfold};
use tonic::{Status, Streaming};

use crate::convert::fault::to_status;
use crate::wire;
use crate::wire::dialog_input::Input;

/// How long a person may think about one question.
const PATIENCE: Duration = Duration::from_secs(300);

/// Returns the first message, which says who wants to log in.
pub(super) async fn start(
    inputs: &mut Streaming<wire::DialogInput>,
) -> Result<DialogStart, Status> {
    match next(inputs).await? {
        Some(Input::Start(start)) => start.try_into().map_err(|fault| to_status(&fault)),
        Some(Input::Answers(_)) | None => Err(out_of_order()),
    }
}

/// Returns one step for each message with answers.
pub(super) fn steps(
    dialog: Box<dyn LoginDialog>,
    inputs: Streaming<wire::DialogInput>,
) -> impl Stream<Item = Result<wire::DialogStep, Status>> + Send {
    try_unfold((dialog, inputs), |(mut dialog, mut inputs)| async move {
        let Some(answers) = answers(&mut inputs).await? else { return Ok(None) };
        let step = dialog.next(answers).await.map_err(|fault| to_status(&fault))?;
        Ok(Some((step.into(), (dialog, inputs))))
    })
}

async fn answers(
    inputs: &mut Streaming<wire::DialogInput>,
) -> Result<Option<Vec<Secret<String>>>, Status> {
    match next(inputs).await? {
        Some(Input::Answers(answers)) => Ok(Some(answers.into())),
        Some(Input::Start(_)) => Err(out_of_order()),
        None => Ok(None),
    }
}

/// Returns the next message, `None` at the end of the stream.
async fn next(inputs: &mut Streaming<wire::DialogInput>) -> Result<Option<Input>, Status> {
    let message = tokio::time::timeout(PATIENCE, inputs.message()).await;
    let message = message.map_err(|_| to_status(&too_slow()))??;
    message.map(|message| message.input.ok_or_else(out_of_order)).transpose()
}

fn too_slow() -> Fault {
    Fault::new(FaultKind::DeadlineExceeded, "login refused").context("no answers in time")
}

fn out_of_order() -> Status {
    let fault = Fault::new(FaultKind::BadMessage, "bad message");
    to_status(&fault.context("dialog message out of order"))
}
