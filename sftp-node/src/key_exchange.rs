//! What is agreed on before a login (RFC 4253): algorithms and host keys that are offered, what a
//! client tells of itself, the text that it sees.

pub(crate) mod banner;
pub(crate) mod kexinit;
pub(crate) mod offers;
