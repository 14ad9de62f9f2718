//! Keyboard-interactive logins: a program asks, the client answers, strictly one after the other.
//! The program has 60 s for everything and is killed when the dialog is dropped.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ferryd_control_plane::{DialogStep, LoginDialog, Prompt};
use ferryd_domain::account::json::{invalid_json, parse_object};
use ferryd_domain::policy::login::{check_account, refused};
use ferryd_domain::{Account, Fault, Secret};
use serde::Deserialize;

use super::Auth;
use crate::programs::{Conversation, Invocation};

const LIMIT: Duration = Duration::from_secs(60);

/// A dialog that is going on.
#[derive(Debug)]
pub(super) struct Dialog {
    auth: Arc<Auth>,
    account: Account,
    address: IpAddr,
    conversation: Conversation,
    expected: Expected,
}

/// What the client was asked last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// So many answers for the program; none at first.
    Answers(usize),
    /// The account's password, which the program never sees.
    Password,
}

/// One line of the program.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    instruction: Option<String>,
    questions: Option<Vec<String>>,
    echos: Option<Vec<bool>>,
    check_password: Option<i64>,
    auth_result: Option<i64>,
}

/// What a line means.
enum Meaning {
    GoOn,
    Accepted,
    Refused,
    Questions { instruction: String, prompts: Vec<Prompt>, expected: Expected },
}

impl Dialog {
    pub(super) async fn start(
        auth: Arc<Auth>,
        account: Account,
        address: IpAddr,
        program: &Path,
    ) -> Result<Self, Fault> {
        let invocation = Invocation::new(program, LIMIT)
            .variable("AUTHD_USERNAME", account.username.as_str())
            .variable("AUTHD_PASSWORD", account.password.expose());
        let conversation = auth.dialogs.converse(&invocation).await.map_err(|f| failed(&f))?;
        Ok(Self { auth, account, address, conversation, expected: Expected::Answers(0) })
    }

    async fn take_answers(&mut self, answers: &[Secret<String>]) -> Result<(), Fault> {
        match (self.expected, answers) {
            (Expected::Password, [password]) => {
                self.check_password(password).await?;
                self.answer(&Secret::new("OK".to_owned())).await
            }
            (Expected::Answers(count), answers) if answers.len() == count => {
                for answer in answers {
                    self.answer(answer).await?;
                }
                Ok(())
            }
            _ => Err(refused("the number of answers is not the number of questions")),
        }
    }

    async fn answer(&mut self, answer: &Secret<String>) -> Result<(), Fault> {
        self.conversation.answer(answer).await.map_err(|fault| failed(&fault))
    }

    async fn check_password(&self, password: &Secret<String>) -> Result<(), Fault> {
        if password.expose().is_empty() {
            return Err(refused("the password is empty"));
        }
        let checked = self.auth.check_password(&self.account, self.address, password).await;
        check_account(&self.account, crate::clock::now_ms())?;
        checked.proven()
    }

    async fn next_step(&mut self) -> Result<DialogStep, Fault> {
        loop {
            let line = self.conversation.next_line().await.map_err(|fault| failed(&fault))?;
            let Some(line) = line else {
                return Err(refused("the program ended without a result"));
            };
            match meaning(&line)? {
                Meaning::GoOn => {}
                Meaning::Accepted => return self.accept().await,
                Meaning::Refused => return Err(refused("the program refused the login")),
                Meaning::Questions { instruction, prompts, expected } => {
                    self.expected = expected;
                    return Ok(DialogStep::Ask { instruction, prompts });
                }
            }
        }
    }

    async fn accept(&self) -> Result<DialogStep, Fault> {
        check_account(&self.account, crate::clock::now_ms())?;
        Ok(DialogStep::Accepted(Box::new(self.auth.admit(self.account.clone()).await?)))
    }
}

#[async_trait]
impl LoginDialog for Dialog {
    async fn next(&mut self, answers: Vec<Secret<String>>) -> Result<DialogStep, Fault> {
        let step = match self.take_answers(&answers).await {
            Ok(()) => self.next_step().await,
            Err(fault) => Err(fault),
        };
        if !matches!(step, Ok(DialogStep::Ask { .. })) {
            self.conversation.end();
        }
        step
    }
}

fn failed(fault: &Fault) -> Fault {
    refused(fault.to_string()).context("keyboard-interactive program")
}

/// Reads a line of the program. A result of 0 goes on; with questions they are asked.
fn meaning(line: &[u8]) -> Result<Meaning, Fault> {
    let line: Line = parse_object(line)
        .and_then(|value| serde_json::from_value(value).map_err(invalid_json))
        .map_err(|_| refused("the program wrote a line that is no JSON object"))?;
    match (line.auth_result, &line.questions) {
        (Some(1), _) => Ok(Meaning::Accepted),
        (Some(0), None) => Ok(Meaning::GoOn),
        (Some(0) | None, _) => questions(line),
        (Some(_), _) => Ok(Meaning::Refused),
    }
}

fn questions(line: Line) -> Result<Meaning, Fault> {
    let questions = line.questions.unwrap_or_default();
    let echos = line.echos.unwrap_or_default();
    if questions.is_empty() || questions.len() != echos.len() {
        return Err(refused("the program asked nothing, or not one echo for each question"));
    }
    let expected = match (line.check_password.unwrap_or(0), questions.len()) {
        (..=0, count) => Expected::Answers(count),
        (1.., 1) => Expected::Password,
        _ => return Err(refused("the program asked for more than the password at once")),
    };
    let prompts = questions.into_iter().zip(echos).map(|(text, echo)| Prompt { text, echo });
    Ok(Meaning::Questions {
        instruction: line.instruction.unwrap_or_default(),
        prompts: prompts.collect(),
        expected,
    })
}
