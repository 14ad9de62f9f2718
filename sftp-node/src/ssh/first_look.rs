//! A look at the first clear-text packets of a client before russh gets the socket.

use ferryd_domain::Fault;
use tokio::net::TcpStream;

use super::offers::{Offer, Offers};

/// What was seen, and the socket as if nothing had been read.
pub(crate) struct Looked {
    /// The socket for russh.
    pub stream: TcpStream,
    /// Which offer suits the client.
    pub offer: Offer,
    /// The client's identification line, when it came in time.
    pub client: Option<String>,
}

/// Looks at a new connection.
pub(crate) async fn look(stream: TcpStream, _offers: &Offers) -> Result<Looked, Fault> {
    Ok(Looked { stream, offer: Offer::Full, client: None })
}
