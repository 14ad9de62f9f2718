//! Question-and-answer logins.

use ferryd_control_plane::{ConnectionId, DialogStart, DialogStep, Prompt};
use ferryd_domain::{Fault, Secret};

use super::{address, list, required, username};
use crate::wire;

impl From<DialogStart> for wire::DialogStart {
    fn from(start: DialogStart) -> Self {
        Self {
            username: Some(start.username.as_str().to_owned()),
            client_address: Some(start.client_address.to_string()),
            connection: Some(start.connection.0),
        }
    }
}

impl TryFrom<wire::DialogStart> for DialogStart {
    type Error = Fault;

    fn try_from(start: wire::DialogStart) -> Result<Self, Fault> {
        Ok(Self {
            username: username(start.username)?,
            client_address: address(start.client_address)?,
            connection: ConnectionId(required(start.connection, "connection")?),
        })
    }
}

impl From<Vec<Secret<String>>> for wire::DialogAnswers {
    fn from(answers: Vec<Secret<String>>) -> Self {
        Self { answers: answers.into_iter().map(Secret::into_exposed).collect() }
    }
}

impl From<wire::DialogAnswers> for Vec<Secret<String>> {
    fn from(answers: wire::DialogAnswers) -> Self {
        answers.answers.into_iter().map(Secret::new).collect()
    }
}

impl From<DialogStep> for wire::DialogStep {
    fn from(step: DialogStep) -> Self {
        use wire::dialog_step::Step;
        let step = match step {
            DialogStep::Ask { instruction, prompts } => Step::Ask(wire::DialogQuestions {
                instruction: Some(instruction),
                prompts: prompts.into_iter().map(Into::into).collect(),
            }),
            DialogStep::Accepted(outcome) => Step::Accepted((*outcome).into()),
        };
        Self { step: Some(step) }
    }
}

impl TryFrom<wire::DialogStep> for DialogStep {
    type Error = Fault;

    fn try_from(step: wire::DialogStep) -> Result<Self, Fault> {
        use wire::dialog_step::Step;
        match required(step.step, "step")? {
            Step::Ask(questions) => Ok(Self::Ask {
                instruction: required(questions.instruction, "instruction")?,
                prompts: list(questions.prompts, "prompts")?,
            }),
            Step::Accepted(outcome) => Ok(Self::Accepted(Box::new(outcome.try_into()?))),
        }
    }
}

impl From<Prompt> for wire::Prompt {
    fn from(prompt: Prompt) -> Self {
        Self { text: Some(prompt.text), echo: Some(prompt.echo) }
    }
}

impl TryFrom<wire::Prompt> for Prompt {
    type Error = Fault;

    fn try_from(prompt: wire::Prompt) -> Result<Self, Fault> {
        Ok(Self { text: required(prompt.text, "text")?, echo: required(prompt.echo, "echo")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::samples::{assert_round_trip, dialog_start, dialog_step, text};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_start_arrives_as_it_was_sent(start in dialog_start()) {
            assert_round_trip::<_, wire::DialogStart>(start)?;
        }

        #[test]
        fn a_step_arrives_as_it_was_sent(step in dialog_step()) {
            assert_round_trip::<_, wire::DialogStep>(step)?;
        }

        #[test]
        fn answers_arrive_as_they_were_sent(answers in prop::collection::vec(text(), 0..4)) {
            let answers: Vec<_> = answers.into_iter().map(Secret::new).collect();
            let back: Vec<Secret<String>> = wire::DialogAnswers::from(answers.clone()).into();
            prop_assert_eq!(back, answers);
        }
    }

    #[test]
    fn an_empty_step_is_an_error() {
        assert!(DialogStep::try_from(wire::DialogStep { step: None }).is_err());
    }
}
