//! Which peers may connect, and where plain text is allowed.

use std::path::Path;

use ferryd_domain::{FaultKind, Secret};
use ferryd_proto::{GrpcClientConfig, GrpcControlPlane, GrpcServer, GrpcServerConfig};

use crate::setup::{certificates, client, client_with, login, on_free_port, serve};

const TOKEN: &str = "0123456789abcdef0123";

fn token(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn encrypted() -> GrpcServerConfig {
    GrpcServerConfig {
        certificate_file: "control-api.pem".into(),
        certificate_key_file: "control-api.key.pem".into(),
        ..on_free_port()
    }
}

fn trusting(url: &str) -> GrpcClientConfig {
    GrpcClientConfig {
        url: url.to_owned(),
        ca_file: "authority.pem".into(),
        ..GrpcClientConfig::default()
    }
}

#[tokio::test]
async fn a_node_without_the_token_is_unavailable_not_refused() {
    let served = serve(&GrpcServerConfig { node_token: token(TOKEN), ..on_free_port() }).await;
    let with = |node_token| GrpcClientConfig {
        url: served.url.clone(),
        node_token,
        ..GrpcClientConfig::default()
    };
    login(&client_with(with(token(TOKEN)))).await.unwrap();
    for wrong in [Secret::default(), token("0123456789abcdefXXXX")] {
        let fault = login(&client_with(with(wrong))).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Unavailable);
        assert!(fault.to_string().contains("refuses this node"), "{fault}");
        assert!(!fault.to_string().contains(TOKEN));
    }
    served.stop().await;
}

#[tokio::test]
async fn nodes_are_known_by_their_certificate() {
    let config = GrpcServerConfig { client_ca_file: "authority.pem".into(), ..encrypted() };
    let served = serve(&config).await;
    let with = |name: &str| GrpcClientConfig {
        certificate_file: format!("{name}.pem"),
        certificate_key_file: format!("{name}.key.pem"),
        ..trusting(&served.url)
    };
    login(&client_with(with("node"))).await.unwrap();
    let stranger = login(&client_with(with("stranger"))).await.unwrap_err();
    assert_eq!(stranger.kind(), FaultKind::Unavailable);
    let nobody = login(&client_with(trusting(&served.url))).await.unwrap_err();
    assert_eq!(nobody.kind(), FaultKind::Unavailable);
    served.stop().await;
}

#[tokio::test]
async fn the_control_plane_must_show_the_right_certificate() {
    let served = serve(&GrpcServerConfig { node_token: token(TOKEN), ..encrypted() }).await;
    let good = GrpcClientConfig { node_token: token(TOKEN), ..trusting(&served.url) };
    login(&client_with(good.clone())).await.unwrap();
    let named = GrpcClientConfig { server_name: "control-api.test".into(), ..good.clone() };
    login(&client_with(named)).await.unwrap();
    for bad in [
        GrpcClientConfig { server_name: "other.test".into(), ..good.clone() },
        GrpcClientConfig { ca_file: "other-authority.pem".into(), ..good.clone() },
    ] {
        let fault = login(&client_with(bad)).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Unavailable);
    }
    served.stop().await;
}

#[tokio::test]
async fn a_unix_socket_serves_and_is_taken_over_from_a_dead_process() {
    let directory = tempfile::tempdir().unwrap();
    let config = GrpcServerConfig {
        bind_address: format!("unix:{}", directory.path().join("grpc.sock").display()),
        ..on_free_port()
    };
    let first = serve(&config).await;
    login(&client(&first.url)).await.unwrap();
    assert!(GrpcServer::bind(&config, Path::new(".")).await.is_err(), "a live socket is kept");
    first.stop().await;
    let second = serve(&config).await;
    login(&client(&second.url)).await.unwrap();
    second.stop().await;
}

#[tokio::test]
async fn plain_text_beyond_this_host_is_refused_at_the_start() {
    for bind_address in ["0.0.0.0", "::", "[::]", ""] {
        let config = GrpcServerConfig { bind_address: bind_address.into(), ..on_free_port() };
        let fault = GrpcServer::bind(&config, &certificates()).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::InvalidInput, "{bind_address}: {fault}");
    }
    for url in ["http://192.0.2.1:50051", "http://control-api:50051", "ftp://x", "", "127.0.0.1"] {
        let config = GrpcClientConfig { url: url.into(), ..GrpcClientConfig::default() };
        let fault = GrpcControlPlane::new(&config, &certificates()).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::InvalidInput, "{url}: {fault}");
    }
}

#[tokio::test]
async fn tls_that_knows_no_node_is_refused_at_the_start() {
    let fault = GrpcServer::bind(&encrypted(), &certificates()).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::InvalidInput);
    assert!(fault.public().contains("client_ca_file or node_token"), "{fault}");
}

#[tokio::test]
async fn a_taken_port_is_told_with_its_address() {
    let served = serve(&on_free_port()).await;
    let port = served.url.rsplit(':').next().unwrap().parse().unwrap();
    let config = GrpcServerConfig { bind_port: port, ..on_free_port() };
    let fault = GrpcServer::bind(&config, &certificates()).await.unwrap_err();
    assert!(fault.public().contains(&format!("127.0.0.1:{port}")), "{fault}");
    served.stop().await;
}
