//! Security keys without a device: signatures as an authenticator makes them (PROTOCOL.u2f of
//! OpenSSH), also those that a server must refuse.

use std::sync::atomic::{AtomicU32, Ordering};

use russh::keys::load_secret_key;
use russh::keys::ssh_key::public::{EcdsaPublicKey, KeyData, SkEcdsaSha2NistP256, SkEd25519};
use russh::keys::ssh_key::{Algorithm, PrivateKey, PublicKey, Signature, SigningKey};
use russh::keys::ssh_key::{encoding::Encode as _, sha2::Digest as _, sha2::Sha256};

use crate::keys;

/// Flags of a signature.
pub mod flags {
    /// Somebody has touched the key.
    pub const PRESENT: u8 = 1;
    /// The key knows who it was, by a PIN or a finger.
    pub const VERIFIED: u8 = 4;
}

const APPLICATION: &str = "ssh:";

/// The types of security keys.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `sk-ssh-ed25519@openssh.com`.
    Ed25519,
    /// `sk-ecdsa-sha2-nistp256@openssh.com`.
    Ecdsa,
}

/// What is wrong with the signatures of a key.
#[derive(Clone, Copy, Debug)]
pub enum Flaw {
    /// They are for a web site instead of SSH.
    Application,
    /// They are over something else than was asked for.
    Message,
    /// They tell of a touch that was not signed.
    Flags,
    /// They tell of another count than was signed.
    Counter,
}

/// A security key.
#[derive(Debug)]
pub struct SecurityKey {
    secret: PrivateKey,
    public: KeyData,
    flags: u8,
    flaw: Option<Flaw>,
    counter: AtomicU32,
}

impl SecurityKey {
    /// Makes a key that its owner touches for every signature.
    pub fn new(kind: Kind) -> Self {
        let made = match kind {
            Kind::Ed25519 => keys::make("ed25519", &[]),
            // The library reads no short numbers in OpenSSH's format, and one of 256 is short.
            Kind::Ecdsa => keys::make("ecdsa", &["-b", "256", "-m", "PEM"]),
        };
        let secret = load_secret_key(&made.file, None).unwrap();
        let public = match secret.public_key().key_data() {
            KeyData::Ed25519(key) => SkEd25519::new(*key, APPLICATION).into(),
            KeyData::Ecdsa(EcdsaPublicKey::NistP256(point)) => {
                SkEcdsaSha2NistP256::new(*point, APPLICATION).into()
            }
            other => panic!("{other:?}"),
        };
        Self { secret, public, flags: flags::PRESENT, flaw: None, counter: AtomicU32::new(1) }
    }

    /// Lets the signatures tell something else of the touch.
    #[must_use]
    pub fn with_flags(mut self, flags: u8) -> Self {
        self.flags = flags;
        self
    }

    /// Makes every signature wrong.
    #[must_use]
    pub fn with_flaw(mut self, flaw: Flaw) -> Self {
        self.flaw = Some(flaw);
        self
    }

    /// Returns the line of `authorized_keys`.
    pub fn line(&self) -> String {
        PublicKey::new(self.public.clone(), "security key").to_openssh().unwrap()
    }

    /// Returns the public key as it goes over the wire.
    pub fn blob(&self) -> Vec<u8> {
        let mut blob = Vec::new();
        self.public.encode(&mut blob).unwrap();
        blob
    }

    /// Signs a message and returns the signature as it goes over the wire.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let counter = self.counter.fetch_add(1, Ordering::Relaxed);
        let signed = self.signed_data(message, counter);
        let mut data = plain_signature(&self.secret, &signed);
        data.push(self.flags);
        data.extend(counter.to_be_bytes());
        let algorithm = match self.public {
            KeyData::SkEd25519(_) => Algorithm::SkEd25519,
            _ => Algorithm::SkEcdsaSha2NistP256,
        };
        let mut wire = Vec::new();
        Signature::new(algorithm, data).unwrap().encode(&mut wire).unwrap();
        wire
    }

    fn signed_data(&self, message: &[u8], counter: u32) -> Vec<u8> {
        let (application, message, flags, counter) = match self.flaw {
            None => (APPLICATION, message, self.flags, counter),
            Some(Flaw::Application) => ("https://example.com", message, self.flags, counter),
            Some(Flaw::Message) => (APPLICATION, &b"another message"[..], self.flags, counter),
            Some(Flaw::Flags) => (APPLICATION, message, 0, counter),
            Some(Flaw::Counter) => (APPLICATION, message, self.flags, counter + 1),
        };
        let mut signed = Sha256::digest(application).to_vec();
        signed.push(flags);
        signed.extend(counter.to_be_bytes());
        signed.extend(Sha256::digest(message));
        signed
    }
}

/// Signs as a key of the same kind without device does: that part of the format is the same.
fn plain_signature(key: &impl SigningKey, data: &[u8]) -> Vec<u8> {
    key.try_sign(data).unwrap().as_bytes().to_vec()
}
