//! Programs whose standard output and error nobody can read: they do what they are there for.

use ferryd_tests::{Server, Terminal, Topology, both_topologies};

both_topologies!(
    a_server_that_cannot_print_serves,
    a_start_that_fails_without_a_terminal_has_its_own_exit_status,
    tables_are_made_without_a_terminal,
);

async fn a_server_that_cannot_print_serves(topology: Topology) {
    for terminal in Terminal::USELESS {
        let mut server = Server::on(topology, terminal).await;
        let alice = server.user("alice").await;
        server.sftp_of(&alice).await.put("/file", b"x").await.unwrap();
        server.assert_running();
        server.stop();
    }
}

async fn a_start_that_fails_without_a_terminal_has_its_own_exit_status(topology: Topology) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ferryd.json"), "{").unwrap();
    for terminal in Terminal::USELESS {
        for name in programs(topology) {
            let status = terminal.run(name, folder.path(), &["serve", "-f", "ferryd"]).await;
            assert_eq!(status.code(), Some(1), "{name} on {terminal:?}");
        }
    }
}

async fn tables_are_made_without_a_terminal(topology: Topology) {
    for terminal in Terminal::USELESS {
        let folder = tempfile::tempdir().unwrap();
        let name = programs(topology)[0];
        assert!(terminal.run(name, folder.path(), &["initprovider"]).await.success());
        assert!(folder.path().join("sftpgo.db").is_file(), "{terminal:?}");
    }
}

/// The first one has the data provider.
fn programs(topology: Topology) -> &'static [&'static str] {
    match topology {
        Topology::Single => &["ferryd"],
        Topology::Split => &["control-api", "sftp-node"],
    }
}
