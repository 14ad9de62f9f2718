//! A dialog that asks for the password.

use async_trait::async_trait;
use ferryd_domain::policy::login::{check_account, check_home, refused};
use ferryd_domain::{Account, Fault, Secret};

use super::{check_credential, outcome};
use crate::{Credential, DialogStep, LoginDialog, Prompt};

/// Asks once.
#[derive(Debug)]
pub(super) struct FakeDialog {
    account: Account,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Start,
    Asked,
}

impl FakeDialog {
    pub(super) fn new(account: Account) -> Self {
        Self { account, step: Step::Start }
    }
}

#[async_trait]
impl LoginDialog for FakeDialog {
    async fn next(&mut self, answers: Vec<Secret<String>>) -> Result<DialogStep, Fault> {
        match (self.step, answers.as_slice()) {
            (Step::Start, []) => {
                self.step = Step::Asked;
                let prompts = vec![Prompt { text: "Password: ".to_owned(), echo: false }];
                Ok(DialogStep::Ask { instruction: String::new(), prompts })
            }
            (Step::Asked, [password]) => {
                check_account(&self.account, 0)?;
                check_credential(&self.account, &Credential::Password(password.clone()))?;
                check_home(&self.account)?;
                Ok(DialogStep::Accepted(Box::new(outcome(&self.account))))
            }
            (Step::Start | Step::Asked, _) => Err(refused("the number of answers is wrong")),
        }
    }
}
