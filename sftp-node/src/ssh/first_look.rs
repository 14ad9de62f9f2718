//! A look at the first clear-text packets of a client before russh gets the socket: stock clients
//! ask for chacha20-poly1305 first although they can do AES-GCM, which costs both ends a third.
//! Our identification goes out at once; what has been read is replayed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::looked_stream::LookedStream;
use crate::connection::Connection;
use crate::key_exchange::kexinit::{self, Judgement, Seen};
use crate::key_exchange::offers::{Offer, Offers};

/// A client on a short path sends its KEXINIT within this time.
const SHORTEST_WAIT: Duration = Duration::from_millis(250);
/// A client that has sent nothing by then gets the full offer.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Identification and KEXINIT of stock clients fit in, so that few reads take them.
const USUAL: usize = 2048;

/// What was seen, and the socket as if nothing had been read.
pub(crate) struct Looked {
    /// The socket for russh.
    pub stream: LookedStream,
    /// Which offer suits the client.
    pub offer: Offer,
    /// The client's identification line, when it came in time.
    pub client: Option<String>,
}

/// Sends our identification, looks at a new connection.
///
/// # Errors
/// Those of the socket.
pub(crate) async fn look(
    mut socket: TcpStream,
    offers: &Offers,
    connection: &Arc<Connection>,
) -> io::Result<Looked> {
    let mut line = offers.identification.clone().into_bytes();
    line.extend_from_slice(b"\r\n");
    socket.write_all(&line).await?;
    let mut seen = Vec::with_capacity(USUAL);
    let judged = read_first(&mut socket, &mut seen, offers.steers).await?;
    tracing::debug!(
        sender = "sftpd",
        connection_id = %connection.id,
        client = judged.client.as_deref().unwrap_or_default(),
        hassh = judged.fingerprint.as_deref().unwrap_or_default(),
        offer = ?judged.offer,
        "client seen"
    );
    let offer = if offers.steers { judged.offer } else { Offer::Full };
    let login = Some(Arc::clone(connection));
    let stream = LookedStream::new(socket, seen.into(), line.into(), offer, login);
    Ok(Looked { stream, offer, client: judged.client })
}

/// Reads until the KEXINIT is there, or enough time has passed for it to come. The wait follows
/// the round trip, which the answer to our identification shows: nothing is known before it.
async fn read_first(socket: &mut TcpStream, seen: &mut Vec<u8>, steers: bool) -> io::Result<Seen> {
    let started = Instant::now();
    let longest = started + LONGEST_WAIT;
    // Most clients need no more: a timer that is put off costs less than one that comes earlier.
    let mut deadline = started + SHORTEST_WAIT;
    loop {
        match timeout_at(deadline, socket.read_buf(seen)).await {
            Err(_) if !seen.contains(&b'\n') && deadline < longest => deadline = longest,
            Err(_) => return Ok(kexinit::judge_at_deadline(seen)),
            Ok(Err(error)) => return Err(error),
            Ok(Ok(0)) => return Ok(kexinit::judge_at_deadline(seen)),
            Ok(Ok(_)) => {}
        }
        match kexinit::judge(seen) {
            Judgement::Done(judged) => return Ok(judged),
            Judgement::NeedMore if seen.len() > kexinit::MAX_SEEN => {
                return Ok(kexinit::judge_at_deadline(seen));
            }
            Judgement::NeedMore if seen.contains(&b'\n') => {
                let known = kexinit::judge_at_deadline(seen);
                if !steers {
                    return Ok(known);
                }
                deadline = started + wait_for_kexinit(started.elapsed());
            }
            Judgement::NeedMore => {}
        }
    }
}

/// Returns how long after the start a KEXINIT may come, when the identification took `first`.
/// A client may send its KEXINIT only after ours has reached it: one more round trip.
fn wait_for_kexinit(first: Duration) -> Duration {
    (first * 3 + Duration::from_millis(100)).clamp(SHORTEST_WAIT, LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_follows_the_round_trip_within_bounds() {
        let ms = Duration::from_millis;
        assert_eq!(wait_for_kexinit(ms(0)), SHORTEST_WAIT);
        assert_eq!(wait_for_kexinit(ms(200)), ms(700));
        assert_eq!(wait_for_kexinit(ms(5000)), LONGEST_WAIT);
    }
}
