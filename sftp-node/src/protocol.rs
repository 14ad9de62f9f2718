//! What a channel speaks.

/// What a channel speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// The sftp subsystem.
    Sftp,
    /// A command.
    Ssh,
}

impl Protocol {
    /// Returns the name in logs and REST.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sftp => "SFTP",
            Self::Ssh => "SSH",
        }
    }
}
