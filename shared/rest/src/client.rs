//! A client of the API: one method per endpoint.

use bytes::Bytes;
use ferryd_domain::{Account, Fault};
use http::{Method, Request, Response, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::transport::Transport;
use crate::{
    ApiResponse, ConnectionStatus, DumpQuery, LoadQuery, QuotaScan, UserQuery, VersionInfo, paths,
};

/// Asks the API over a [`Transport`]. Refusals come back as faults of the fitting kind.
#[derive(Clone, Debug)]
pub struct RestClient<T> {
    transport: T,
}

impl<T: Transport> RestClient<T> {
    /// Asks over this transport.
    pub fn new(transport: T) -> Self {
        Self { transport }
    }

    /// Returns the version of the server.
    ///
    /// # Errors
    /// `Unavailable`, and what the server refuses.
    pub async fn version(&self) -> Result<VersionInfo, Fault> {
        self.get(paths::VERSION).await
    }

    /// Checks that the data provider answers.
    ///
    /// # Errors
    /// As [`Self::version`].
    pub async fn provider_status(&self) -> Result<ApiResponse, Fault> {
        self.get(paths::PROVIDER_STATUS).await
    }

    /// Returns the connections.
    ///
    /// # Errors
    /// As [`Self::version`].
    pub async fn connections(&self) -> Result<Vec<ConnectionStatus>, Fault> {
        self.get(paths::CONNECTIONS).await
    }

    /// Closes a connection.
    ///
    /// # Errors
    /// `NotFound`; as [`Self::version`].
    pub async fn close_connection(&self, id: &str) -> Result<ApiResponse, Fault> {
        self.call(Method::DELETE, &paths::connection(id), Bytes::new()).await
    }

    /// Returns the quota scans that run.
    ///
    /// # Errors
    /// As [`Self::version`].
    pub async fn quota_scans(&self) -> Result<Vec<QuotaScan>, Fault> {
        self.get(paths::QUOTA_SCANS).await
    }

    /// Starts a quota scan.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`; as [`Self::version`].
    pub async fn start_quota_scan(&self, username: &str) -> Result<ApiResponse, Fault> {
        let body = to_json(&serde_json::json!({ "username": username }))?;
        self.call(Method::POST, paths::QUOTA_SCANS, body).await
    }

    /// Returns users, without their secrets.
    ///
    /// # Errors
    /// As [`Self::version`].
    pub async fn users(&self, query: &UserQuery) -> Result<Vec<Account>, Fault> {
        self.get(&with_query(paths::USERS, query)?).await
    }

    /// Returns one user, without its secrets.
    ///
    /// # Errors
    /// `NotFound`; as [`Self::version`].
    pub async fn user(&self, id: i64) -> Result<Account, Fault> {
        self.get(&paths::user(id)).await
    }

    /// Adds a user and returns it as stored.
    ///
    /// # Errors
    /// `InvalidInput`, `PermissionDenied`, `Conflict`; as [`Self::version`].
    pub async fn add_user(&self, user: &impl Serialize) -> Result<Account, Fault> {
        self.call(Method::POST, paths::USERS, to_json(user)?).await
    }

    /// Lays the fields of an object over a user.
    ///
    /// # Errors
    /// `InvalidInput`, `PermissionDenied`, `NotFound`; as [`Self::version`].
    pub async fn update_user(
        &self,
        id: i64,
        fields: &impl Serialize,
    ) -> Result<ApiResponse, Fault> {
        self.call(Method::PUT, &paths::user(id), to_json(fields)?).await
    }

    /// Removes a user.
    ///
    /// # Errors
    /// `PermissionDenied`, `NotFound`; as [`Self::version`].
    pub async fn delete_user(&self, id: i64) -> Result<ApiResponse, Fault> {
        self.call(Method::DELETE, &paths::user(id), Bytes::new()).await
    }

    /// Writes a backup on the server.
    ///
    /// # Errors
    /// `InvalidInput`; as [`Self::version`].
    pub async fn backup(&self, query: &DumpQuery) -> Result<ApiResponse, Fault> {
        self.call(Method::POST, &with_query(paths::BACKUP, query)?, Bytes::new()).await
    }

    /// Restores a backup of the server.
    ///
    /// # Errors
    /// `InvalidInput`, `PermissionDenied`; as [`Self::version`].
    pub async fn restore(&self, query: &LoadQuery) -> Result<ApiResponse, Fault> {
        self.call(Method::POST, &with_query(paths::RESTORE, query)?, Bytes::new()).await
    }

    async fn get<A: DeserializeOwned>(&self, uri: &str) -> Result<A, Fault> {
        self.call(Method::GET, uri, Bytes::new()).await
    }

    async fn call<A: DeserializeOwned>(
        &self,
        method: Method,
        uri: &str,
        body: Bytes,
    ) -> Result<A, Fault> {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|error| Fault::invalid("not a request").because(error))?;
        read(&self.transport.send(request).await?)
    }
}

fn read<A: DeserializeOwned>(answer: &Response<Bytes>) -> Result<A, Fault> {
    if answer.status().is_success() {
        return serde_json::from_slice(answer.body())
            .map_err(|error| Fault::unavailable("answer of the REST API").because(error));
    }
    let status = answer.status().as_u16();
    let refusal = serde_json::from_slice::<ApiResponse>(answer.body())
        .unwrap_or_else(|_| ApiResponse::failed(status, format!("HTTP status {status}")));
    Err(ApiResponse { status, ..refusal }.into_fault())
}

fn to_json(value: &impl Serialize) -> Result<Bytes, Fault> {
    serde_json::to_vec(value)
        .map(Bytes::from)
        .map_err(|error| Fault::internal("request body").because(error))
}

fn with_query(path: &str, query: &impl Serialize) -> Result<String, Fault> {
    let text = serde_urlencoded::to_string(query)
        .map_err(|error| Fault::internal("query").because(error))?;
    Ok(format!("{path}?{text}"))
}

#[cfg(test)]
mod tests;
