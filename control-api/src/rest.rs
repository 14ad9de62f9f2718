//! The REST API: which path and method leads to which handler, and who may go there.

mod backups;
mod basic_auth;
mod body;
pub mod config;
mod connections;
mod htpasswd;
mod port;
mod problem;
mod query;
mod quota_scans;
mod request_log;
pub mod server;
mod status;
mod users;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};
use ferryd_rest::{VersionInfo, paths};

use crate::accounts::Accounts;
use crate::logins::LastLogins;
use crate::nodes::Nodes;
use crate::quota::Quota;
use crate::quota_scans::QuotaScans;
pub use basic_auth::Guard;
pub use config::HttpdConfig;
pub use htpasswd::Htpasswd;
pub use port::HttpPort;
pub use server::serve;

/// The schema of the API.
const SCHEMA: &str = include_str!("../openapi.yaml");

/// What the handlers work with.
#[derive(Clone, Debug)]
pub struct RestState {
    /// Accounts.
    pub accounts: Arc<Accounts>,
    /// Times of logins that are not written yet.
    pub last_logins: Arc<LastLogins>,
    /// Used quota.
    pub quota: Arc<Quota>,
    /// Running quota scans.
    pub quota_scans: Arc<QuotaScans>,
    /// Nodes and their connections.
    pub nodes: Arc<Nodes>,
    /// Where dumps are written.
    pub backups: PathBuf,
    /// Which build this is.
    pub version: VersionInfo,
}

/// Returns the router of the API. Unknown paths, wrong methods, `/` and the schema are open,
/// everything else is the guard's.
pub fn router(state: RestState, guard: &Guard) -> Router {
    let mut router = Router::new()
        .route("/", get(to_web))
        .route(paths::OPENAPI, get(schema))
        .fallback(not_found);
    for (path, methods) in guarded() {
        router = router
            .route(path, methods.route_layer(from_fn_with_state(guard.clone(), basic_auth::check)));
    }
    // It counts for the routes that are there already.
    router.method_not_allowed_fallback(wrong_method).with_state(state)
}

/// The layer of a method router runs for its methods alone, so that a wrong method needs no
/// credentials.
fn guarded() -> [(&'static str, MethodRouter<RestState>); 13] {
    [
        (paths::VERSION, get(status::version)),
        (paths::PROVIDER_STATUS, get(status::provider)),
        (paths::CONNECTIONS, get(connections::list)),
        (paths::CONNECTION, delete(connections::close)),
        (paths::QUOTA_SCANS, get(quota_scans::list).post(quota_scans::start)),
        (paths::USERS, get(users::list).post(users::add)),
        (paths::USER, get(users::show).put(users::update).delete(users::remove)),
        (paths::DUMP_DATA, get(backups::dump)),
        (paths::LOAD_DATA, get(backups::load)),
        (paths::BACKUP, post(backups::dump)),
        (paths::RESTORE, post(backups::load)),
        (paths::METRICS, get(status::metrics)),
        (paths::WEB, get(to_web)),
    ]
}

async fn to_web() -> Response {
    (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, paths::WEB_USERS)]).into_response()
}

async fn schema() -> Response {
    ([(header::CONTENT_TYPE, "application/yaml; charset=utf-8")], SCHEMA).into_response()
}

async fn not_found(_uri: Uri) -> Response {
    problem::message(StatusCode::NOT_FOUND, "Not Found")
}

async fn wrong_method() -> Response {
    problem::message(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
}

#[cfg(test)]
mod tests;
