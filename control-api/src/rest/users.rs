//! `/user`: listing, showing, adding, changing and removing users. No answer carries a secret.

use axum::extract::State;
use axum::http::StatusCode;
use ferryd_data_provider::{Order, UserPage};
use ferryd_domain::{Account, Fault, Username};
use ferryd_rest::users::{DEFAULT_LIMIT, MAX_LIMIT};

use super::RestState;
use super::body::WholeBody;
use super::problem::{Answer, data, message};
use super::query::{Parameters, UserId};

pub(super) async fn list(State(state): State<RestState>, parameters: Parameters) -> Answer {
    let page = page(&parameters)?;
    Ok(data(&shown(&state, state.accounts.list(&page)).await?))
}

pub(super) async fn show(State(state): State<RestState>, UserId(id): UserId) -> Answer {
    let one = async { Ok(vec![state.accounts.get(id).await?]) };
    match shown(&state, one).await?.first() {
        Some(account) => Ok(data(account)),
        None => Err(Fault::not_found("user does not exist").into()),
    }
}

pub(super) async fn add(State(state): State<RestState>, WholeBody(body): WholeBody) -> Answer {
    Ok(data(&state.accounts.add(&body).await?.without_secrets()))
}

pub(super) async fn update(
    State(state): State<RestState>,
    UserId(id): UserId,
    WholeBody(body): WholeBody,
) -> Answer {
    state.accounts.update(id, &body).await?;
    Ok(message(StatusCode::OK, "User updated"))
}

pub(super) async fn remove(State(state): State<RestState>, UserId(id): UserId) -> Answer {
    state.accounts.delete(id).await?;
    Ok(message(StatusCode::OK, "User deleted"))
}

/// Counters and times of logins are written behind; answers show them as they are now, without
/// waiting for anything to be written.
async fn shown(
    state: &RestState,
    read: impl Future<Output = Result<Vec<Account>, Fault>>,
) -> Result<Vec<Account>, Fault> {
    let logins = state.last_logins.noted();
    let mut accounts = state.quota.shown(read).await?;
    for account in &mut accounts {
        let noted = logins.get(&account.username).copied().unwrap_or_default();
        account.last_login = account.last_login.max(noted);
        *account = account.without_secrets();
    }
    Ok(accounts)
}

fn page(parameters: &Parameters) -> Result<UserPage, Fault> {
    let limit = parameters.number("limit")?.unwrap_or(DEFAULT_LIMIT.into());
    let order = match parameters.text("order") {
        None | Some("ASC") => Order::Ascending,
        Some("DESC") => Order::Descending,
        Some(_) => return Err(Fault::invalid("invalid order")),
    };
    Ok(UserPage {
        limit: u32::try_from(limit).unwrap_or(MAX_LIMIT).min(MAX_LIMIT),
        offset: parameters.number("offset")?.unwrap_or_default(),
        order,
        username: parameters.text("username").filter(|name| !name.is_empty()).map(Username::stored),
    })
}
