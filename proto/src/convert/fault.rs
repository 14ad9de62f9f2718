//! Faults cross the wire as gRPC status with a trailer that restores the exact kind and chain.
//! A status without that trailer was made by the link itself, not by the control plane.

use std::fmt;

use ferryd_domain::{Fault, FaultKind};
use prost::Message;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

use crate::wire;

/// Name of the trailer.
const TRAILER: &str = "ferryd-fault-bin";

/// Longest text of one part; trailers share one header list of limited size.
const MAX_TEXT: usize = 1024;

/// Most context texts that are sent.
const MAX_CONTEXTS: usize = 4;

impl From<&Fault> for wire::Fault {
    fn from(fault: &Fault) -> Self {
        Self {
            kind: Some(fault.kind().codes().number),
            public: Some(shortened(fault.public())),
            context: fault.contexts().take(MAX_CONTEXTS).map(shortened).collect(),
            cause: fault.cause().as_deref().map(shortened),
        }
    }
}

/// Returns the status that carries a fault.
pub(crate) fn to_status(fault: &Fault) -> Status {
    let message = wire::Fault::from(fault);
    let mut status =
        Status::new(Code::from_i32(fault.kind().codes().grpc), shortened(fault.public()));
    let value = MetadataValue::from_bytes(&message.encode_to_vec());
    status.metadata_mut().insert_bin(TRAILER, value);
    status
}

/// Returns the fault that a status carries.
pub(crate) fn from_status(status: Status) -> Fault {
    match carried(&status) {
        Some(message) => from_wire(message, status.code()),
        None => of_the_link(status),
    }
}

/// Tells whether a status is an answer of the control plane, not of something on the way to it.
pub(crate) fn is_of_control_plane(status: &Status) -> bool {
    carried(status).is_some()
}

fn carried(status: &Status) -> Option<wire::Fault> {
    let bytes = status.metadata().get_bin(TRAILER)?.to_bytes().ok()?;
    wire::Fault::decode(bytes).ok()
}

fn from_wire(message: wire::Fault, code: Code) -> Fault {
    let known = message.kind.and_then(FaultKind::from_number);
    let kind = known.unwrap_or_else(|| FaultKind::from_grpc(i32::from(code)));
    let fault = Fault::new(kind, message.public.unwrap_or_else(|| "internal error".to_owned()));
    let fault = message.context.into_iter().fold(fault, Fault::context);
    match message.cause {
        Some(text) => fault.because(RemoteCause(text)),
        None => fault,
    }
}

/// Returns the fault for a failure that the control plane has not decided on. A refused node in
/// particular must not look like a refused login.
fn of_the_link(status: Status) -> Fault {
    match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => {
            Fault::unavailable("the control plane refuses this node")
        }
        Code::Cancelled | Code::Unknown | Code::Unavailable | Code::Aborted | Code::DataLoss => {
            Fault::unavailable("the control plane cannot be reached")
        }
        Code::DeadlineExceeded => deadline_exceeded(),
        Code::Unimplemented => Fault::unsupported("not supported by this control plane"),
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Internal => Fault::internal("unexpected answer of the control plane"),
    }
    .because(RemoteCause(described(&status)))
}

/// Returns the fault for a call that took too long.
pub(crate) fn deadline_exceeded() -> Fault {
    Fault::new(FaultKind::DeadlineExceeded, "service unavailable")
        .context("the control plane does not answer in time")
}

/// Returns code, message and sources of a status, each text once; its own `Display` shows all its
/// metadata.
fn described(status: &Status) -> String {
    let mut text = format!("{:?}: {}", status.code(), status.message());
    let mut next = std::error::Error::source(status);
    while let Some(error) = next {
        let added = error.to_string();
        if !text.contains(&added) {
            text.push_str(": ");
            text.push_str(&added);
        }
        next = error.source();
    }
    text
}

fn shortened(text: &str) -> String {
    let end = (0..=MAX_TEXT.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default().to_owned()
}

/// The errors behind a fault, as the other side told them.
#[derive(Debug)]
struct RemoteCause(String);

impl fmt::Display for RemoteCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RemoteCause {}

#[cfg(test)]
mod tests {
    use super::*;
    use ferryd_domain::fault::codes;

    #[test]
    fn every_kind_survives_with_its_whole_chain() {
        for kind in codes::ALL {
            let fault = Fault::new(kind, "für den Nutzer")
                .context("inner")
                .context("outer")
                .because(std::io::Error::other("disk on fire"));
            let restored = from_status(to_status(&fault));
            assert_eq!(restored.kind(), kind);
            assert_eq!(restored.public(), fault.public());
            assert_eq!(restored.to_string(), fault.to_string());
        }
    }

    #[test]
    fn an_unknown_kind_counts_as_its_grpc_code() {
        let mut status = to_status(&Fault::new(FaultKind::NotFound, "gone"));
        let newer =
            wire::Fault { kind: Some(9999), public: Some("gone".into()), ..Default::default() };
        status
            .metadata_mut()
            .insert_bin(TRAILER, MetadataValue::from_bytes(&newer.encode_to_vec()));
        assert_eq!(from_status(status).kind(), FaultKind::NotFound);
    }

    #[test]
    fn a_refused_node_does_not_look_like_a_refused_login() {
        let fault = from_status(Status::unauthenticated("node token"));
        assert_eq!(fault.kind(), FaultKind::Unavailable);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let fault = Fault::internal("ä".repeat(5000)).context("x".repeat(100_000));
        let status = to_status(&fault);
        assert!(status.metadata().get_bin(TRAILER).unwrap().as_encoded_bytes().len() < 8192);
        assert_eq!(from_status(status).kind(), FaultKind::Internal);
    }

    #[test]
    fn a_broken_trailer_counts_as_none() {
        let mut status = Status::not_found("x");
        status.metadata_mut().insert_bin(TRAILER, MetadataValue::from_bytes(&[0xff, 0xff]));
        assert_eq!(from_status(status).kind(), FaultKind::Internal);
    }
}
