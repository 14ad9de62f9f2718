//! Query parameters and ids in paths. What is wrong is named in the answer.

use std::collections::HashMap;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use ferryd_domain::Fault;

use super::problem::Problem;

/// The parameters of a query; of one that is given twice the last counts.
#[derive(Debug)]
pub(super) struct Parameters(HashMap<String, String>);

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(map)) => Ok(Self(map)),
            Err(_) => Err(Fault::invalid("the query cannot be read").into()),
        }
    }
}

impl Parameters {
    /// Returns a parameter as it is.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns a parameter that is a whole number, zero or more.
    ///
    /// # Errors
    /// `InvalidInput` for anything else, an empty value included.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Fault> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match i64::from_str(text).ok().and_then(|number| u64::try_from(number).ok()) {
            Some(number) => Ok(Some(number)),
            None => Err(Fault::invalid(format!("invalid {name}"))),
        }
    }

    /// Returns a parameter that is one of a few numbers, 0 when it is missing.
    ///
    /// # Errors
    /// `InvalidInput` for anything else.
    pub(super) fn choice<T: TryFrom<u8, Error = String>>(&self, name: &str) -> Result<T, Fault> {
        let number = self.number(name)?.unwrap_or_default();
        let number = u8::try_from(number).map_err(|_| Fault::invalid(format!("invalid {name}")))?;
        T::try_from(number).map_err(Fault::invalid)
    }
}

/// The last part of a path.
#[derive(Debug)]
pub(super) struct PathText(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for PathText {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(text)) => Ok(Self(text)),
            Err(_) => Err(Fault::invalid("the path cannot be read").into()),
        }
    }
}

/// The id of a user in a path.
#[derive(Debug)]
pub(super) struct UserId(pub(super) i64);

impl<S: Send + Sync> FromRequestParts<S> for UserId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let PathText(text) = PathText::from_request_parts(parts, state).await?;
        match text.parse() {
            Ok(id) => Ok(Self(id)),
            Err(_) => Err(Fault::invalid("the id of a user is a whole number").into()),
        }
    }
}
