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
    settle_quota(&state).await;
    let users = state.accounts.list(&page).await?;
    let shown: Vec<Account> = users.iter().map(Account::without_secrets).collect();
    Ok(data(&shown))
}

pub(super) async fn show(State(state): State<RestState>, UserId(id): UserId) -> Answer {
    settle_quota(&state).await;
    Ok(data(&state.accounts.get(id).await?.without_secrets()))
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

/// Counters and times of logins are written behind; answers show them as they are now. A store that does not answer
/// fails the read that follows.
async fn settle_quota(state: &RestState) {
    state.last_logins.flush().await;
    if let Err(fault) = state.quota.flush().await {
        tracing::warn!(sender = "httpd", error = %fault, "used quota could not be written");
    }
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
