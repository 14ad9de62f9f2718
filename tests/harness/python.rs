//! Clients written in Python: paramiko and asyncssh, driven by the scripts in `tests/clients`.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tokio::process::Command;

use crate::binaries::workspace;
use crate::keys::client_key;
use crate::openssh::{Said, run};
use crate::server::Server;
use crate::users::User;

impl Server {
    /// Runs a script of `tests/clients` as a user.
    pub async fn python(&self, script: &str, user: &User, arguments: &[&str]) -> Said {
        let mut command = Command::new(interpreter());
        command.arg(workspace().join("tests/clients").join(script));
        command.args(["127.0.0.1", &self.sftp().port().to_string(), &user.name]);
        command.arg(&client_key().file).args(arguments);
        run(command, b"").await
    }
}

/// Returns a Python that has the clients: `FERRYD_TEST_PYTHON`, or one that `tests/setup/python`
/// makes below the target folder.
fn interpreter() -> &'static Path {
    static INTERPRETER: OnceLock<PathBuf> = OnceLock::new();
    INTERPRETER
        .get_or_init(|| std::env::var_os("FERRYD_TEST_PYTHON").map_or_else(make, PathBuf::from))
}

fn make() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let venv = exe.ancestors().nth(3).unwrap().join("venv");
    let setup = workspace().join("tests/setup/python");
    let made = std::process::Command::new(&setup).arg(&venv).status().unwrap();
    assert!(made.success(), "{} has failed", setup.display());
    venv.join("bin/python")
}
