//! The open handles of a channel.

use std::sync::Arc;

use ferryd_domain::Fault;

use super::MAX_HANDLES;
use crate::files::{Directory, Download, Upload};

/// What a client sends to name a handle: eight bytes, place and generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HandleKey {
    place: u32,
    generation: u32,
}

impl HandleKey {
    const NOWHERE: Self = Self { place: u32::MAX, generation: u32::MAX };

    /// Parses a handle; anything that we did not give out leads nowhere.
    pub fn from_wire(bytes: &[u8]) -> Self {
        let Ok(bytes) = <[u8; 8]>::try_from(bytes) else { return Self::NOWHERE };
        let number = u64::from_be_bytes(bytes);
        let low = u32::try_from(number & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        let high = u32::try_from(number >> 32).unwrap_or(u32::MAX);
        Self { place: high, generation: low }
    }

    /// Returns the bytes for the client.
    pub fn to_wire(self) -> [u8; 8] {
        (u64::from(self.place) << 32 | u64::from(self.generation)).to_be_bytes()
    }
}

/// What is open.
#[derive(Clone, Debug)]
pub(super) enum Open {
    Download(Arc<Download>),
    Upload(Arc<Upload>),
    Directory(Arc<Directory>),
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    open: Option<Open>,
    /// Requests that read through this handle and wait for the writer.
    waiting: Arc<std::sync::atomic::AtomicUsize>,
}

/// The handles of one channel.
#[derive(Debug, Default)]
pub(super) struct Handles {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

/// Returns the fault of a handle that is closed, of another kind, or never was.
pub(super) fn invalid() -> Fault {
    Fault::failed("invalid handle")
}

impl Handles {
    /// Tells whether one more may be opened.
    ///
    /// # Errors
    /// `Failed` at the limit.
    pub fn check_room(&self) -> Result<(), Fault> {
        let open = self.slots.len() - self.free.len();
        if open < MAX_HANDLES { Ok(()) } else { Err(Fault::failed("too many open handles")) }
    }

    /// Adds something open.
    pub fn insert(&mut self, open: Open) -> HandleKey {
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let mut generation = 0;
        if let Some(slot) = self.slots.get_mut(place as usize) {
            slot.open = Some(open);
            generation = slot.generation;
        }
        HandleKey { place, generation }
    }

    /// Returns what a handle names.
    ///
    /// # Errors
    /// `Failed` for one that is not open.
    pub fn get(&self, key: HandleKey) -> Result<&Open, Fault> {
        self.slot(key).and_then(|slot| slot.open.as_ref()).ok_or_else(invalid)
    }

    /// Counts requests that read through a handle and wait.
    pub fn waiting(&self, key: HandleKey) -> Arc<std::sync::atomic::AtomicUsize> {
        self.slot(key).map(|slot| Arc::clone(&slot.waiting)).unwrap_or_default()
    }

    fn slot(&self, key: HandleKey) -> Option<&Slot> {
        self.slots.get(key.place as usize).filter(|slot| slot.generation == key.generation)
    }

    /// Takes a handle out; its number is not valid any more.
    ///
    /// # Errors
    /// `Failed` for one that is not open.
    pub fn remove(&mut self, key: HandleKey) -> Result<Open, Fault> {
        let slot = self
            .slots
            .get_mut(key.place as usize)
            .filter(|slot| slot.generation == key.generation)
            .ok_or_else(invalid)?;
        let open = slot.open.take().ok_or_else(invalid)?;
        slot.generation = slot.generation.wrapping_add(1);
        slot.waiting = Arc::default();
        self.free.push(key.place);
        Ok(open)
    }

    /// Ends everything that is still open as broken: the client went away.
    pub async fn abort_all(&mut self) {
        for slot in self.slots.drain(..) {
            match slot.open {
                Some(Open::Upload(upload)) => upload.abort().await,
                Some(Open::Download(download)) => download.abort(),
                Some(Open::Directory(_)) | None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_the_wire_and_foreign_ones_lead_nowhere() {
        let key = HandleKey { place: 7, generation: 9 };
        assert_eq!(HandleKey::from_wire(&key.to_wire()), key);
        for foreign in [b"".as_slice(), b"1", &[0xff; 8], &[0; 256]] {
            assert!(Handles::default().get(HandleKey::from_wire(foreign)).is_err());
        }
    }
}
