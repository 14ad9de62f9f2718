//! Where the standard output and error of a program go: to a file, or to nobody who would read.

use std::fs::File;
use std::io::{PipeReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::binaries::binary;

/// What a pipe holds until somebody reads.
const PIPE: usize = 64 * 1024;

/// A kind of standard output and error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// A file that the harness looks at.
    File,
    /// A disk without room.
    FullDisk,
    /// A pipe whose reader is gone.
    Gone,
    /// A pipe that is full and not read.
    Unread,
    /// Nothing at all: the descriptors are closed.
    Closed,
}

impl Terminal {
    /// Those that print nothing.
    pub const USELESS: [Self; 4] = [Self::FullDisk, Self::Gone, Self::Unread, Self::Closed];

    /// Returns a command that runs a program of ours on it, and what has to live as long.
    pub(crate) fn command(self, name: &str, file: &Path) -> (Command, Option<PipeReader>) {
        let mut command = Command::new(binary(name));
        let (output, reader) = match self {
            Self::File => (File::options().create(true).append(true).open(file).unwrap(), None),
            Self::FullDisk => (File::options().write(true).open("/dev/full").unwrap(), None),
            Self::Gone | Self::Unread => return self.on_pipe(command),
            Self::Closed => {
                command = Command::new("sh");
                command.args(["-c", "exec \"$0\" \"$@\" >&- 2>&-"]).arg(binary(name));
                (File::options().write(true).open("/dev/null").unwrap(), None)
            }
        };
        command.stdout(output.try_clone().unwrap()).stderr(output);
        (command, reader)
    }

    fn on_pipe(self, mut command: Command) -> (Command, Option<PipeReader>) {
        let (reader, mut writer) = std::io::pipe().unwrap();
        if self == Self::Unread {
            writer.write_all(&[b'x'; PIPE]).unwrap();
        }
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        (command, (self == Self::Unread).then_some(reader))
    }

    /// Runs a program of ours to its end.
    pub async fn run(self, name: &'static str, folder: &Path, arguments: &[&str]) -> ExitStatus {
        let (folder, file) = (folder.to_owned(), PathBuf::from("/dev/null"));
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let ended = tokio::task::spawn_blocking(move || {
            let (mut command, reader) = self.command(name, &file);
            command.args(arguments).arg("-c").arg(&folder).current_dir(&folder);
            let ended = command.stdin(Stdio::null()).status().unwrap();
            drop(reader);
            ended
        });
        crate::wait::soon("a program to end", ended).await.unwrap()
    }
}
