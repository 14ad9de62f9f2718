//! A server of either topology: configuration, start, what can be asked of it, end.

mod cluster;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ferryd_rest::{ConnectionStatus, HttpTransport, RestClient};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::files::temporary_folder;
use crate::keys::host_key;
use crate::ports::free_port;
use crate::program::{Orphans, Program};
use crate::terminal::Terminal;
use crate::topology::Topology;
use crate::wait::until;
use cluster::Node;

/// A running server. Dropping it ends its processes and checks that they end well.
#[derive(Debug)]
pub struct Server {
    sftp: SocketAddr,
    http: SocketAddr,
    /// Where a node of its own tells its metrics.
    telemetry: SocketAddr,
    /// Ended in this order.
    others: Vec<Node>,
    node: Option<Program>,
    control: Option<Program>,
    folder: TempDir,
    topology: Topology,
    terminal: Terminal,
    orphans: Orphans,
}

impl Server {
    /// Starts a server with the settings of most scenarios.
    pub async fn start(topology: Topology) -> Self {
        Self::with(topology, json!({})).await
    }

    /// Starts a server with some settings changed: an object of sections.
    pub async fn with(topology: Topology, changes: Value) -> Self {
        Self::prepared(topology, Terminal::File, Orphans::GoToInit, changes).await
    }

    /// Starts a server whose standard output and error are of a kind.
    pub async fn on(topology: Topology, terminal: Terminal) -> Self {
        Self::prepared(topology, terminal, Orphans::GoToInit, json!({})).await
    }

    /// Starts a server that gets the orphaned processes of its programs.
    pub async fn with_orphans(topology: Topology, changes: Value) -> Self {
        Self::prepared(topology, Terminal::File, Orphans::GoToProgram, changes).await
    }

    async fn prepared(
        topology: Topology,
        terminal: Terminal,
        orphans: Orphans,
        changes: Value,
    ) -> Self {
        let folder = temporary_folder("server");
        let (sftp, http, telemetry) = (loopback(), loopback(), loopback());
        let mut config = default_config(sftp, http, loopback());
        if topology == Topology::Split {
            let address = json!({ "bind_address": "127.0.0.1", "bind_port": telemetry.port() });
            config["telemetry"] = address;
        }
        lay_over(&mut config, changes);
        std::fs::write(folder.path().join("ferryd.json"), config.to_string()).unwrap();
        std::fs::create_dir(folder.path().join("homes")).unwrap();
        let mut server = Self {
            sftp,
            http,
            telemetry,
            others: Vec::new(),
            node: None,
            control: None,
            folder,
            topology,
            terminal,
            orphans,
        };
        server.start_control().await;
        server.start_node().await;
        server
    }

    /// Returns where SFTP is served.
    pub fn sftp(&self) -> SocketAddr {
        self.sftp
    }

    /// Returns which form this server has.
    pub fn topology(&self) -> Topology {
        self.topology
    }

    /// Returns the folder of the configuration, the database and the homes.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the home that a user of this name gets.
    pub fn home_of(&self, name: &str) -> PathBuf {
        self.folder.path().join("homes").join(name)
    }

    /// Returns a client of the REST API.
    pub fn rest(&self) -> RestClient<HttpTransport> {
        RestClient::new(HttpTransport::new(http_client(), &self.url("")))
    }

    /// Returns the address of a page.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    /// Returns a page as text.
    pub async fn get(&self, path: &str) -> String {
        http_client().get(self.url(path)).send().await.unwrap().text().await.unwrap()
    }

    /// Sends a request to the REST API and returns status and body.
    pub async fn call(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = http_client().request(method, self.url(path)).body(body.to_owned());
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Returns the connections of a user.
    pub async fn connections_of(&self, name: &str) -> Vec<ConnectionStatus> {
        let all = self.rest().connections().await.unwrap();
        all.into_iter().filter(|connection| connection.username == name).collect()
    }

    /// Returns the value of a metric without labels, summed up over the processes.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let mut pages = vec![self.url("/metrics")];
        if self.topology == Topology::Split {
            pages.push(format!("http://{}/metrics", self.telemetry));
        }
        let mut sum = None;
        for page in pages {
            let text = http_client().get(page).send().await.ok()?.text().await.ok()?;
            if let Some(value) = metric_in(&text, name) {
                sum = Some(sum.unwrap_or(0.0) + value);
            }
        }
        sum
    }

    /// Returns the resident memory of the process that serves SFTP.
    pub fn resident(&self) -> u64 {
        self.data_plane().resident()
    }

    /// Returns the resident memory of the process that runs the administrator's programs.
    pub fn resident_of_hooks(&self) -> u64 {
        self.control.as_ref().unwrap_or_else(|| self.data_plane()).resident()
    }

    /// Returns the number of threads of the process that serves SFTP.
    pub fn threads(&self) -> usize {
        self.data_plane().threads()
    }

    /// Returns the records that the data plane has logged so far.
    pub fn records(&self) -> Vec<Value> {
        let log = self.data_plane().log();
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        log.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(parse).collect()
    }

    /// Waits for a record of a sender for which the condition holds.
    pub async fn record(&self, sender: &str, fits: impl Fn(&Value) -> bool) -> Value {
        until(&format!("a record of {sender}"), async || {
            let mut records = self.records().into_iter();
            records.find(|record| record["sender"] == sender && fits(record))
        })
        .await
    }

    /// Returns what the process that runs the administrator's programs has logged so far.
    pub fn log_of_hooks(&self) -> String {
        self.control.as_ref().unwrap_or_else(|| self.data_plane()).log()
    }

    /// Returns the processes.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        self.node.iter().chain(&self.control)
    }

    /// Takes the control plane of a split server away.
    pub fn lose_control(&mut self) {
        assert_eq!(self.topology, Topology::Split);
        self.control.take().unwrap().kill();
    }

    /// Keeps the control plane of a split server from answering anybody.
    pub fn pause_control(&self) {
        self.control.as_ref().unwrap().pause();
    }

    /// Lets the control plane go on after [`Self::pause_control`].
    pub fn resume_control(&self) {
        self.control.as_ref().unwrap().resume();
    }

    /// Ends the data plane without giving it a chance to do anything.
    pub fn kill(&mut self) {
        self.node.take().unwrap().kill();
    }

    /// Ends the processes in order; the folder stays.
    pub fn end(&mut self) {
        self.node = None;
        self.control = None;
    }

    /// Starts the data plane again after [`Self::kill`].
    pub async fn revive(&mut self) {
        self.start_node().await;
    }

    /// Starts the control plane again.
    pub async fn regain_control(&mut self) {
        self.start_control().await;
    }

    /// Fails when a process has ended by itself.
    pub fn assert_running(&mut self) {
        for program in [&mut self.node, &mut self.control].into_iter().flatten() {
            program.assert_running();
        }
    }

    /// Ends everything in order.
    pub fn stop(&mut self) {
        self.others.clear();
        self.node = None;
        self.control = None;
    }

    /// Ends the data plane and starts it again, for instance after its configuration changed.
    pub async fn restart(&mut self) {
        self.node = None;
        self.control = None;
        self.start_control().await;
        self.start_node().await;
    }

    fn data_plane(&self) -> &Program {
        self.node.as_ref().expect("the data plane runs")
    }

    async fn start_control(&mut self) {
        if self.topology == Topology::Split {
            self.control = Some(Program::start(
                "control-api",
                self.folder.path(),
                self.terminal,
                self.orphans,
            ));
            self.wait_for_rest().await;
        }
    }

    async fn start_node(&mut self) {
        let name = match self.topology {
            Topology::Single => "ferryd",
            Topology::Split => "sftp-node",
        };
        self.node = Some(Program::start(name, self.folder.path(), self.terminal, self.orphans));
        self.wait_for_sftp().await;
        self.wait_for_rest().await;
    }

    async fn wait_for_sftp(&mut self) {
        let address = self.sftp;
        until("SFTP", async || {
            self.assert_running();
            TcpStream::connect(address).await.ok().map(drop)
        })
        .await;
    }

    async fn wait_for_rest(&mut self) {
        let rest = self.rest();
        until("the REST API", async || {
            self.assert_running();
            rest.version().await.ok().map(drop)
        })
        .await;
    }
}

fn metric_in(page: &str, name: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

pub(crate) fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}

fn default_config(sftp: SocketAddr, http: SocketAddr, grpc: SocketAddr) -> Value {
    json!({
        "sftpd": {
            "bind_address": "127.0.0.1",
            "bind_port": sftp.port(),
            "keys": [{ "private_key": host_key().file }],
            "drain_timeout": 1,
        },
        "httpd": { "bind_address": "127.0.0.1", "bind_port": http.port() },
        "data_provider": { "driver": "sqlite", "name": "ferryd.db", "track_quota": 1 },
        "grpc": { "bind_address": "127.0.0.1", "bind_port": grpc.port(), "node_token": "token-of-the-scenarios" },
        "control_plane": { "url": format!("http://{grpc}"), "node_token": "token-of-the-scenarios" },
    })
}

fn lay_over(config: &mut Value, changes: Value) {
    match (config, changes) {
        (Value::Object(config), Value::Object(changes)) => {
            for (key, change) in changes {
                lay_over(config.entry(key).or_insert(Value::Null), change);
            }
        }
        (config, change) => *config = change,
    }
}

fn http_client() -> reqwest::Client {
    static PROVIDER: OnceLock<()> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        // The first one that is installed counts.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    });
    // A client keeps connections that belong to the runtime of one test.
    reqwest::Client::new()
}
