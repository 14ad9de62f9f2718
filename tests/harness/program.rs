//! One server process: started with its log, ended with SIGTERM. Whoever drops it learns whether
//! it ended well: exit status 0 and no panic in what it wrote.

use std::fmt::Write as _;
use std::fs::File;
use std::io::PipeReader;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::binaries::binary;
use crate::terminal::Terminal;

const END: Duration = Duration::from_secs(20);

/// Whose children orphaned processes become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Orphans {
    /// Of the init process of the machine.
    #[default]
    GoToInit,
    /// Of the program, as if it were the init process of a container.
    GoToProgram,
}

/// Makes itself a subreaper (`PR_SET_CHILD_SUBREAPER`, prctl(2)) and becomes another program.
const SUBREAPER: &str = "import ctypes, os, sys
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])";

/// A running program.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    child: Child,
    output: PathBuf,
    log: PathBuf,
    /// Held so that the pipe has an end.
    _unread: Option<PipeReader>,
}

impl Program {
    /// Starts `NAME serve` with the configuration `ferryd.json` of a folder.
    pub fn start(name: &'static str, folder: &Path, terminal: Terminal, orphans: Orphans) -> Self {
        let log = folder.join(format!("{name}.log"));
        let output = folder.join(format!("{name}.out"));
        let (mut command, unread) = match orphans {
            Orphans::GoToInit => terminal.command(name, &output),
            Orphans::GoToProgram => (subreaper(name, &output), None),
        };
        let child = command
            .args(["serve", "-c"])
            .arg(folder)
            .args(["-f", "ferryd", "-l"])
            .arg(&log)
            .current_dir(folder)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { name, child, output, log, _unread: unread }
    }

    /// Fails when the program has ended by itself.
    pub fn assert_running(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("{} has ended by itself: {status}\n{}", self.name, self.tail());
        }
    }

    /// Returns where the log is.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// Returns the log so far.
    pub fn log(&self) -> String {
        read_lossy(&self.log)
    }

    /// Returns the resident memory in bytes.
    pub fn resident(&self) -> u64 {
        self.status("VmRSS:").trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Returns the number of threads.
    pub fn threads(&self) -> usize {
        self.status("Threads:").parse().unwrap()
    }

    fn status(&self, field: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim().to_owned()
    }

    /// Returns the id of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends the program without giving it a chance to do anything.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks the program to end and checks that it ends well.
    pub fn stop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            self.signal("TERM");
        }
        let status = self.wait_for_end();
        assert!(status.success(), "{} has ended with {status}\n{}", self.name, self.tail());
        let written = self.written();
        assert!(!written.contains("panicked at"), "{} has panicked\n{}", self.name, self.tail());
    }

    /// Stops the program where it is: its sockets stay open and nobody answers.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on after [`Self::pause`].
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Sends a signal by its name or number.
    pub fn signal(&self, signal: &str) {
        let sent =
            Command::new("kill").args(["-s", signal]).arg(self.child.id().to_string()).status();
        assert!(sent.unwrap().success());
    }

    fn wait_for_end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + END;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            if Instant::now() > deadline {
                self.kill();
                panic!("{} does not end\n{}", self.name, self.tail());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn written(&self) -> String {
        read_lossy(&self.output) + &self.log()
    }

    fn tail(&self) -> String {
        let mut text = String::new();
        for path in [&self.output, &self.log] {
            let written = read_lossy(path);
            let lines: Vec<&str> = written.lines().collect();
            let from = lines.len().saturating_sub(25);
            writeln!(text, "--- {}\n{}", path.display(), lines[from..].join("\n")).unwrap();
        }
        text
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.child.kill();
            let _ = self.child.wait();
            eprintln!("{}", self.tail());
        } else if !matches!(self.child.try_wait(), Ok(Some(status)) if !status.success()) {
            self.stop();
        }
    }
}

/// Returns a command that runs a program of ours as a subreaper.
fn subreaper(name: &str, file: &Path) -> Command {
    let output = File::options().create(true).append(true).open(file).unwrap();
    let mut command = Command::new("python3");
    command.args(["-c", SUBREAPER]).arg(binary(name));
    command.stdout(output.try_clone().unwrap()).stderr(output);
    command
}

fn read_lossy(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
