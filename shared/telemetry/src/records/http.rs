//! Requests of the REST API.

use std::time::Duration;

use super::{millis, write_record};

/// An HTTP request that was answered.
#[derive(Clone, Copy, Debug)]
pub struct HttpRecord<'a> {
    /// Address and port of the client.
    pub remote_addr: &'a str,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub proto: &'a str,
    /// Method.
    pub method: &'a str,
    /// Header of this name.
    pub user_agent: &'a str,
    /// Scheme, host, path and query.
    pub uri: &'a str,
    /// Status of the answer.
    pub resp_status: u16,
    /// Bytes of the answer.
    pub resp_size: u64,
    /// From the request to the answer.
    pub elapsed: Duration,
    /// Identifies the request.
    pub request_id: &'a str,
}

/// Writes an HTTP record.
pub fn http(record: &HttpRecord<'_>) {
    write_record!(
        info, "http request",
        sender: "httpd",
        remote_addr: record.remote_addr,
        proto: record.proto,
        method: record.method,
        user_agent: record.user_agent,
        uri: record.uri,
        resp_status: record.resp_status,
        resp_size: record.resp_size,
        elapsed_ms: millis(record.elapsed),
        request_id: record.request_id,
    );
}
