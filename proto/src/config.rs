//! Sections `grpc` (the control plane's end) and `control_plane` (the node's end).

use ferryd_domain::Secret;
use serde::{Deserialize, Serialize};

/// Port that the control plane listens on when none is set.
pub const DEFAULT_PORT: u16 = 50051;

/// Section `grpc`: where nodes reach the control plane. Relative paths count from the
/// configuration directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GrpcServerConfig {
    /// Address or host name, or `unix:/path/of/socket`. Anything but loopback needs a certificate.
    pub bind_address: String,
    /// TCP port; not used with a socket.
    pub bind_port: u16,
    /// Certificate chain in PEM.
    pub certificate_file: String,
    /// Its key in PEM.
    pub certificate_key_file: String,
    /// When set, nodes must show a certificate that this authority (PEM) has signed.
    pub client_ca_file: String,
    /// When set, nodes must show this token.
    pub node_token: Secret<String>,
    /// File that holds the token; used when `node_token` is empty.
    pub node_token_file: String,
}

impl Default for GrpcServerConfig {
    fn default() -> Self {
        Self {
            bind_address: "127.0.0.1".to_owned(),
            bind_port: DEFAULT_PORT,
            certificate_file: String::new(),
            certificate_key_file: String::new(),
            client_ca_file: String::new(),
            node_token: Secret::default(),
            node_token_file: String::new(),
        }
    }
}

/// Section `control_plane`: how a node reaches the control plane. Relative paths count from the
/// configuration directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GrpcClientConfig {
    /// `https://host:port`, `http://` on loopback only, or `unix:/path/of/socket`.
    pub url: String,
    /// Authority (PEM) that signed the control plane's certificate; mandatory with `https`.
    pub ca_file: String,
    /// This node's certificate chain in PEM.
    pub certificate_file: String,
    /// Its key in PEM.
    pub certificate_key_file: String,
    /// Token shown to the control plane.
    pub node_token: Secret<String>,
    /// File that holds the token; used when `node_token` is empty.
    pub node_token_file: String,
    /// Name in the control plane's certificate, when it is not the host of `url`.
    pub server_name: String,
}

impl Default for GrpcClientConfig {
    fn default() -> Self {
        Self {
            url: format!("http://127.0.0.1:{DEFAULT_PORT}"),
            ca_file: String::new(),
            certificate_file: String::new(),
            certificate_key_file: String::new(),
            node_token: Secret::default(),
            node_token_file: String::new(),
            server_name: String::new(),
        }
    }
}
