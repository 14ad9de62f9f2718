//! `Fault`: the one error of ferryd. Clients see `public`, logs see the whole chain.

pub mod codes;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// What went wrong, as far as a caller can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The named thing does not exist.
    NotFound,
    /// Policy, ownership or a switched-off feature forbids it.
    PermissionDenied,
    /// The name is taken.
    AlreadyExists,
    /// A directory was needed.
    NotADirectory,
    /// A directory stands where a file was needed.
    IsADirectory,
    /// The directory still has entries.
    NotEmpty,
    /// The input breaks a rule; the message names the field.
    InvalidInput,
    /// A packet or message could not be parsed.
    BadMessage,
    /// A limit on stored bytes or files is reached.
    QuotaExceeded,
    /// This server or this storage cannot do it.
    Unsupported,
    /// The login is refused.
    Unauthenticated,
    /// The account has as many sessions as it may have.
    TooManySessions,
    /// A part of the service cannot be reached; trying again may help.
    Unavailable,
    /// It took longer than allowed.
    DeadlineExceeded,
    /// Another operation of the same kind is running.
    Conflict,
    /// Any other failure of an operation.
    Failed,
    /// A defect or an unexpected answer of a component.
    Internal,
}

/// An error with a kind, a text for the client and a chain for the log.
#[derive(Clone)]
pub struct Fault {
    kind: FaultKind,
    public: Cow<'static, str>,
    context: Vec<Cow<'static, str>>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Fault {
    /// Returns a fault of a kind with the text that the client may see.
    pub fn new(kind: FaultKind, public: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, public: public.into(), context: Vec::new(), source: None }
    }

    /// Returns an `InvalidInput` fault; the text names the field.
    pub fn invalid(public: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FaultKind::InvalidInput, public)
    }

    /// Returns a `NotFound` fault.
    pub fn not_found(public: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FaultKind::NotFound, public)
    }

    /// Returns a `PermissionDenied` fault.
    pub fn denied() -> Self {
        Self::new(FaultKind::PermissionDenied, "permission denied")
    }

    /// Returns a `Failed` fault.
    pub fn failed(public: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FaultKind::Failed, public)
    }

    /// Returns an `Unsupported` fault.
    pub fn unsupported(public: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FaultKind::Unsupported, public)
    }

    /// Returns an `Internal` fault whose cause only the log sees.
    pub fn internal(context: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FaultKind::Internal, "internal error").context(context)
    }

    /// Returns an `Unavailable` fault whose cause only the log sees.
    pub fn unavailable(context: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FaultKind::Unavailable, "service unavailable").context(context)
    }

    /// Adds what the caller knows; only the log shows it.
    #[must_use]
    pub fn context(mut self, context: impl Into<Cow<'static, str>>) -> Self {
        self.context.push(context.into());
        self
    }

    /// Keeps the error that caused this one; only the log shows it.
    #[must_use]
    pub fn because(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Returns what kind of failure it is.
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// Returns the text that a client may see.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// Returns what the callers added, innermost first. For logs only.
    pub fn contexts(&self) -> impl Iterator<Item = &str> {
        self.context.iter().map(AsRef::as_ref)
    }

    /// Returns the errors behind this one as one text. For logs only.
    pub fn cause(&self) -> Option<String> {
        let mut next = self.source.as_deref().map(|source| source as &(dyn StdError + 'static));
        let mut texts = Vec::new();
        while let Some(error) = next {
            texts.push(error.to_string());
            next = error.source();
        }
        (!texts.is_empty()).then(|| texts.join(": "))
    }

    /// Tells whether an error of this type caused it.
    pub fn is_because_of<E: StdError + 'static>(&self) -> bool {
        let source = self.source.as_deref().map(|source| source as &(dyn StdError + 'static));
        source.is_some_and(<dyn StdError>::is::<E>)
    }

    /// Tells whether trying again later may help.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, FaultKind::Unavailable | FaultKind::DeadlineExceeded)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for context in self.context.iter().rev() {
            write!(f, "{context}: ")?;
        }
        f.write_str(&self.public)?;
        self.cause().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fault({:?}: {self})", self.kind)
    }
}

impl StdError for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_sees_the_chain_and_the_client_does_not() {
        let io = std::io::Error::other("disk on fire");
        let fault = Fault::failed("write failed").because(io).context("upload of /a");
        assert_eq!(fault.public(), "write failed");
        assert_eq!(fault.to_string(), "upload of /a: write failed: disk on fire");
        assert!(fault.is_because_of::<std::io::Error>());
        assert!(!fault.is_because_of::<fmt::Error>() && !Fault::denied().is_because_of::<Fault>());
    }
}
