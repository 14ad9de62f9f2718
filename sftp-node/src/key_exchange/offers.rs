//! What is offered in the key exchange: algorithms, host keys, login methods.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use ferryd_domain::Fault;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey};
use russh::server::Config;
use russh::{Limits, MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex, mac};

use crate::config::SftpdConfig;
use crate::intake;

/// Messages that wait for the connection's task.
const EVENT_BUFFER: usize = 32;
/// Keys are exchanged anew after an hour (RFC 4253 section 9), or the bytes of the configuration.
const REKEY_TIME: Duration = Duration::from_secs(3600);

/// No Diffie-Hellman over whole numbers: a login with group 16 keeps a thread for 74 ms (decision 12).
const DEFAULT_KEX: [kex::Name; 6] = [
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
];

/// Names that a client or server adds to its key exchange list (RFC 8308, strict key exchange).
const KEX_EXTENSIONS: [kex::Name; 2] =
    [kex::EXTENSION_SUPPORT_AS_SERVER, kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER];

const DEFAULT_CIPHERS: [cipher::Name; 6] = [
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_128_CTR,
    cipher::AES_192_CTR,
    cipher::AES_256_CTR,
];

const DEFAULT_MACS: [mac::Name; 4] =
    [mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM, mac::HMAC_SHA256, mac::HMAC_SHA512];

/// What SFTPGo can be told to offer and we never do: too weak.
const REFUSED: [&str; 5] = ["3des-cbc", "arcfour", "arcfour128", "arcfour256", "hmac-sha1-96"];

/// Which of the prepared offers a connection gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// All algorithms.
    Full,
    /// AES-GCM only, for clients that can do it but would ask for something slower.
    GcmOnly,
}

/// The prepared offers.
pub(crate) struct Offers {
    full: Arc<Config>,
    gcm_only: Arc<Config>,
    /// Login methods.
    pub methods: Vec<MethodKind>,
    /// Whether clients may be led to AES-GCM.
    pub steers: bool,
    /// Our identification line, without its end.
    pub identification: String,
}

impl Offers {
    /// Prepares the offers.
    ///
    /// # Errors
    /// `InvalidInput` for an algorithm that does not exist.
    pub fn build(config: &SftpdConfig, keys: Vec<PrivateKey>) -> Result<Self, Fault> {
        let identification = identification(&config.banner);
        let methods = methods(config);
        let rekey_bytes = usize::try_from(config.rekey_bytes).unwrap_or(usize::MAX);
        let ciphers = chosen("ciphers", &config.ciphers, &DEFAULT_CIPHERS)?;
        let full =
            |ciphers: Vec<cipher::Name>, keys: Vec<PrivateKey>| -> Result<Arc<Config>, Fault> {
                Ok(Arc::new(Config {
                    server_id: SshId::Standard(Cow::Owned(identification.clone())),
                    methods: MethodSet::from(methods.as_slice()),
                    auth_rejection_time: Duration::ZERO,
                    auth_rejection_time_initial: Some(Duration::ZERO),
                    keys,
                    limits: Limits::new(rekey_bytes, rekey_bytes, REKEY_TIME),
                    window_size: intake::WINDOW,
                    maximum_packet_size: intake::PACKET,
                    channel_buffer_size: intake::MESSAGES,
                    event_buffer_size: EVENT_BUFFER,
                    preferred: preferred(config, ciphers)?,
                    max_auth_attempts: max_auth_attempts(config.max_auth_tries),
                    inactivity_timeout: None,
                    keepalive_interval: None,
                    ..Config::default()
                }))
            };
        let gcm = vec![cipher::AES_128_GCM, cipher::AES_256_GCM];
        Ok(Self {
            full: full(ciphers, keys.clone())?,
            gcm_only: full(gcm, keys)?,
            steers: config.ciphers.is_empty() && config.prefer_aes_gcm,
            methods,
            identification,
        })
    }

    /// Returns a prepared offer.
    pub fn choose(&self, offer: Offer) -> Arc<Config> {
        match offer {
            Offer::Full => Arc::clone(&self.full),
            Offer::GcmOnly => Arc::clone(&self.gcm_only),
        }
    }
}

fn identification(banner: &str) -> String {
    if banner.is_empty() {
        format!("SSH-2.0-ferryd_{}", env!("CARGO_PKG_VERSION"))
    } else {
        format!("SSH-2.0-{banner}")
    }
}

fn methods(config: &SftpdConfig) -> Vec<MethodKind> {
    let mut methods = vec![MethodKind::PublicKey, MethodKind::Password];
    if !config.keyboard_interactive_auth_program.is_empty() {
        methods.push(MethodKind::KeyboardInteractive);
    }
    methods
}

/// Returns how many tries to log in may fail: 0 means 6, a negative number means no limit.
pub(crate) fn allowed_tries(configured: i64) -> Option<u32> {
    match configured {
        0 => Some(6),
        number if number < 0 => None,
        number => Some(u32::try_from(number).unwrap_or(u32::MAX)),
    }
}

/// The limit of russh (0: none), which also sees the tries that it answers itself, with keys of a type
/// that it does not know. It counts the request for the methods, too, which is free.
fn max_auth_attempts(configured: i64) -> usize {
    allowed_tries(configured).map_or(0, |tries| (tries as usize).saturating_add(1))
}

fn preferred(config: &SftpdConfig, ciphers: Vec<cipher::Name>) -> Result<Preferred, Fault> {
    let mut kex = chosen("kex_algorithms", &config.kex_algorithms, &DEFAULT_KEX)?;
    kex.extend(KEX_EXTENSIONS);
    Ok(Preferred {
        kex: Cow::Owned(kex),
        key: Cow::Owned(key_algorithms()),
        cipher: Cow::Owned(ciphers),
        mac: Cow::Owned(chosen("macs", &config.macs, &DEFAULT_MACS)?),
        compression: Cow::Borrowed(&[compression::NONE]),
        ..Preferred::default()
    })
}

/// Host and user keys; no SHA-1 signatures.
fn key_algorithms() -> Vec<Algorithm> {
    vec![
        Algorithm::Ed25519,
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
        Algorithm::SkEd25519,
        Algorithm::SkEcdsaSha2NistP256,
        Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
        Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
    ]
}

/// Returns the names of a list, or the defaults for an empty one. Those of [`REFUSED`] are left out.
fn chosen<T>(field: &str, names: &[String], defaults: &[T]) -> Result<Vec<T>, Fault>
where
    T: Clone + for<'a> TryFrom<&'a str>,
{
    if names.is_empty() {
        return Ok(defaults.to_vec());
    }
    let offered = names.iter().filter(|name| !is_refused(field, name));
    let chosen: Vec<T> = offered
        .map(|name| {
            T::try_from(name.as_str())
                .map_err(|_| Fault::invalid(format!("{field}: unknown algorithm {name:?}")))
        })
        .collect::<Result<_, _>>()?;
    if chosen.is_empty() {
        return Err(Fault::invalid(format!("{field}: no algorithm is left")));
    }
    Ok(chosen)
}

fn is_refused(field: &str, name: &str) -> bool {
    let refused = REFUSED.contains(&name);
    if refused {
        tracing::warn!(
            sender = "sftpd",
            list = field,
            algorithm = name,
            "a weak algorithm is left out"
        );
    }
    refused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha1_is_not_offered_unless_configured() {
        let config = SftpdConfig::default();
        let offers = Offers::build(&config, Vec::new()).unwrap();
        let full = &offers.choose(Offer::Full).preferred;
        assert!(full.kex.iter().all(|name| !name.as_ref().ends_with("sha1")));
        assert!(full.kex.iter().all(|name| !name.as_ref().contains("group")), "slow ones");
        assert!(full.mac.iter().all(|name| !name.as_ref().contains("sha1")));
        assert!(full.cipher.iter().all(|name| !name.as_ref().contains("cbc")));
        assert!(full.key.iter().all(|key| *key != Algorithm::Rsa { hash: None }));
    }

    #[test]
    fn lists_keep_their_order_and_unknown_names_are_faults() {
        let lists = |kex: &[&str]| SftpdConfig {
            kex_algorithms: kex.iter().map(|&k| k.into()).collect(),
            ..SftpdConfig::default()
        };
        let config = lists(&["diffie-hellman-group14-sha1", "curve25519-sha256"]);
        let offers = Offers::build(&config, Vec::new()).unwrap();
        let kex = &offers.choose(Offer::Full).preferred.kex;
        assert_eq!(kex.first().map(AsRef::as_ref), Some("diffie-hellman-group14-sha1"));
        let Err(fault) = Offers::build(&lists(&["rot13"]), Vec::new()) else { panic!("accepted") };
        assert!(fault.public().contains("rot13"));
    }

    #[test]
    fn a_weak_algorithm_of_the_predecessor_is_left_out_unless_nothing_is_left() {
        let lists = |ciphers: &[&str]| SftpdConfig {
            ciphers: ciphers.iter().map(|&name| name.into()).collect(),
            ..SftpdConfig::default()
        };
        let config = lists(&["arcfour256", "aes256-ctr", "3des-cbc"]);
        let offers = Offers::build(&config, Vec::new()).unwrap();
        let ciphers = &offers.choose(Offer::Full).preferred.cipher;
        assert_eq!(ciphers.iter().map(AsRef::as_ref).collect::<Vec<_>>(), ["aes256-ctr"]);
        let Err(fault) = Offers::build(&lists(&["arcfour"]), Vec::new()) else {
            panic!("accepted")
        };
        assert!(fault.public().contains("ciphers"));
    }

    #[test]
    fn tries_default_to_six_and_negative_means_any_number() {
        assert_eq!([0, 3, -1].map(allowed_tries), [Some(6), Some(3), None]);
        assert_eq!([0, 3, -1].map(max_auth_attempts), [7, 4, 0]);
    }
}
