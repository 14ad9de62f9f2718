//! `GET /user`: which users to list. The users themselves are `ferryd_domain::Account`.

use serde::{Deserialize, Serialize};

/// The most users in one answer.
pub const MAX_LIMIT: u32 = 500;
/// Users in an answer when no limit is asked for.
pub const DEFAULT_LIMIT: u32 = 100;

/// Order by name, in byte order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListOrder {
    /// From `a` on.
    #[default]
    #[serde(rename = "ASC")]
    Ascending,
    /// From `z` on.
    #[serde(rename = "DESC")]
    Descending,
}

/// The query of `GET /user`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserQuery {
    /// At most this many, 0 to 500.
    pub limit: u32,
    /// Skip this many.
    pub offset: u64,
    /// By name.
    pub order: ListOrder,
    /// Only this user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

impl Default for UserQuery {
    fn default() -> Self {
        Self { limit: DEFAULT_LIMIT, offset: 0, order: ListOrder::Ascending, username: None }
    }
}
