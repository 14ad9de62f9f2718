//! Faults as SSH_FXP_STATUS packets (draft section 7).

use ferryd_domain::Fault;

use super::packet;
use super::wire::PutFields;

/// `SSH_FX_OK`.
pub(super) const OK: u32 = 0;
/// `SSH_FX_EOF`.
pub(super) const EOF: u32 = 1;

/// Appends a status packet.
pub(super) fn put(buffer: &mut Vec<u8>, id: u32, code: u32, text: &str) {
    buffer.put_packet(packet::STATUS, id, |body| {
        body.put_u32(code);
        body.put_string(text.as_bytes());
        body.put_string(b"en");
    });
}

/// Appends "success".
pub(super) fn put_ok(buffer: &mut Vec<u8>, id: u32) {
    put(buffer, id, OK, "success");
}

/// Appends "end of file".
pub(super) fn put_eof(buffer: &mut Vec<u8>, id: u32) {
    put(buffer, id, EOF, "end of file");
}

/// Appends a fault; the client sees its public text only.
pub(super) fn put_fault(buffer: &mut Vec<u8>, id: u32, fault: &Fault) {
    put(buffer, id, fault.kind().codes().sftp, fault.public());
}

/// Appends success or a fault.
pub(super) fn put_result(buffer: &mut Vec<u8>, id: u32, result: &Result<(), Fault>) {
    match result {
        Ok(()) => put_ok(buffer, id),
        Err(fault) => put_fault(buffer, id, fault),
    }
}
