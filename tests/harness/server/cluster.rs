//! Further nodes of a split server, with folders of their own and the same disks for users.

use std::net::SocketAddr;

use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::{Server, loopback};
use crate::files::temporary_folder;
use crate::program::{Orphans, Program};
use crate::terminal::Terminal;
use crate::topology::Topology;
use crate::wait::until;

/// A node beside the first one.
#[derive(Debug)]
pub struct Node {
    sftp: SocketAddr,
    program: Option<Program>,
    folder: TempDir,
}

impl Server {
    /// Adds a node and returns its address. One process has no nodes: its own address.
    pub async fn add_node(&mut self) -> SocketAddr {
        if self.topology() == Topology::Single {
            return self.sftp();
        }
        let text = std::fs::read_to_string(self.folder().join("ferryd.json")).unwrap();
        let mut config: Value = serde_json::from_str(&text).unwrap();
        let sftp = loopback();
        config["sftpd"]["bind_port"] = sftp.port().into();
        config["telemetry"]["bind_port"] = loopback().port().into();
        let folder = temporary_folder("node");
        std::fs::write(folder.path().join("ferryd.json"), config.to_string()).unwrap();
        let mut node = Node { sftp, program: None, folder };
        node.start().await;
        self.others.push(node);
        sftp
    }

    /// Ends a further node without giving it a chance to do anything.
    pub fn kill_node(&mut self, sftp: SocketAddr) {
        let node = self.others.iter_mut().find(|node| node.sftp == sftp).unwrap();
        node.program.take().unwrap().kill();
    }

    /// Keeps a further node from talking to anybody; its connections stay open.
    pub fn pause_node(&self, sftp: SocketAddr) {
        self.running_node(sftp).pause();
    }

    /// Lets a further node go on after [`Self::pause_node`].
    pub fn resume_node(&self, sftp: SocketAddr) {
        self.running_node(sftp).resume();
    }

    fn running_node(&self, sftp: SocketAddr) -> &Program {
        let node = self.others.iter().find(|node| node.sftp == sftp).unwrap();
        node.program.as_ref().unwrap()
    }

    /// Starts a further node again after [`Self::kill_node`].
    pub async fn revive_node(&mut self, sftp: SocketAddr) {
        let node = self.others.iter_mut().find(|node| node.sftp == sftp).unwrap();
        node.start().await;
    }
}

impl Node {
    async fn start(&mut self) {
        self.program = Some(Program::start(
            "sftp-node",
            self.folder.path(),
            Terminal::File,
            Orphans::GoToInit,
        ));
        let address = self.sftp;
        until("SFTP of a node", async || TcpStream::connect(address).await.ok().map(drop)).await;
    }
}
