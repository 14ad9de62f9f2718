//! Database errors as faults.

use ferryd_domain::{Fault, FaultKind};

/// Returns the conversion for a statement whose failure means that the database is not usable.
pub(crate) fn unavailable(action: &'static str) -> impl FnOnce(sqlx::Error) -> Fault {
    move |error| Fault::unavailable("data provider").context(action).because(error)
}

/// Returns the fault for an insert that failed.
pub(crate) fn insert_failed(error: sqlx::Error) -> Fault {
    match &error {
        sqlx::Error::Database(database) if database.is_unique_violation() => {
            Fault::new(FaultKind::AlreadyExists, "username is already taken").because(error)
        }
        _ => unavailable("add user")(error),
    }
}

/// Returns the fault for a user that is not there.
pub(crate) fn no_user() -> Fault {
    Fault::not_found("user does not exist")
}
