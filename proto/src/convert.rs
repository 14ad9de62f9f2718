//! Between domain types and wire types: `From` outwards, `TryFrom` inwards, side by side.
//! A field that is missing is an error, never a default: a lost restriction would be a hole.

mod account;
mod dialog;
mod event;
pub(crate) mod fault;
mod login;
mod node;
mod quota;
#[cfg(test)]
pub(crate) mod samples;
mod session;

use std::net::{AddrParseError, SocketAddr};

use ferryd_domain::{Fault, FaultKind, RawPath, Secret, Username};

/// Returns the fault for a message that breaks the contract of the wire.
fn bad_message(what: String) -> Fault {
    Fault::new(FaultKind::BadMessage, "bad message").context(what)
}

/// Returns a field that must be there.
fn required<T>(value: Option<T>, field: &'static str) -> Result<T, Fault> {
    value.ok_or_else(|| bad_message(format!("field {field} is missing")))
}

/// Converts a message field that must be there.
fn part<W, D>(value: Option<W>, field: &'static str) -> Result<D, Fault>
where
    D: TryFrom<W, Error = Fault>,
{
    required(value, field)?.try_into().map_err(|fault: Fault| fault.context(field))
}

/// Converts each element of a list.
fn list<W, D>(values: Vec<W>, field: &'static str) -> Result<Vec<D>, Fault>
where
    D: TryFrom<W, Error = Fault>,
{
    let converted: Result<Vec<D>, Fault> = values.into_iter().map(D::try_from).collect();
    converted.map_err(|fault| fault.context(field))
}

/// Returns a user name as it was sent; whether it is a good one is for the control plane to say.
fn username(value: Option<String>) -> Result<Username, Fault> {
    required(value, "username").map(Username::stored)
}

fn secret(value: Option<String>, field: &'static str) -> Result<Secret<String>, Fault> {
    required(value, field).map(Secret::new)
}

fn address(value: Option<String>) -> Result<SocketAddr, Fault> {
    required(value, "client_address")?.parse().map_err(|error: AddrParseError| {
        bad_message("field client_address is no ip:port".to_owned()).because(error)
    })
}

/// Returns the text of a path and, when the text is not exact, its bytes: peers from before the
/// bytes were sent read the text only.
fn sent_path(path: RawPath) -> (Option<String>, Option<Vec<u8>>) {
    match String::from_utf8(path.into_bytes()) {
        Ok(text) => (Some(text), None),
        Err(error) => {
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            (Some(text), Some(error.into_bytes()))
        }
    }
}

/// Returns a path from its text and, when they were sent, its bytes.
fn received_path(
    text: Option<String>,
    bytes: Option<Vec<u8>>,
    field: &'static str,
) -> Result<RawPath, Fault> {
    let text = required(text, field)?;
    Ok(bytes.map_or_else(|| text.into(), RawPath::from))
}

impl From<()> for crate::wire::Done {
    fn from((): ()) -> Self {
        Self {}
    }
}

impl TryFrom<crate::wire::Done> for () {
    type Error = Fault;

    fn try_from(_: crate::wire::Done) -> Result<Self, Fault> {
        Ok(())
    }
}
