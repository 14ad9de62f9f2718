//! What is offered in the key exchange: algorithms, host keys, login methods.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use ferryd_domain::Fault;
use russh::client::GexParams;
use russh::kex::dh::groups::{DH_GROUP14, DH_GROUP15, DH_GROUP16, DhGroup};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey};
use russh::server::Config;
use russh::{Limits, MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex, mac};

use crate::config::SftpdConfig;
use crate::intake;

/// Messages that wait for the connection's task.
const EVENT_BUFFER: usize = 32;
/// Keys are exchanged anew after an hour (RFC 4253 section 9), or the bytes of the configuration.
const REKEY_TIME: Duration = Duration::from_secs(3600);

/// Diffie-Hellman over whole numbers comes last, for clients that know nothing better: it keeps a
/// thread for up to 74 ms (decision 12), so a source gets a share of it only
/// ([`LoginTime`](crate::login_time::LoginTime)).
const DEFAULT_KEX: [kex::Name; 8] = [
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_G14_SHA256,
    kex::DH_G16_SHA512,
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
    /// Signature algorithms of the keys of users.
    user_keys: Vec<Algorithm>,
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
        let (keys, user_keys) = (host_keys(config, keys)?, user_keys(config)?);
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
            user_keys,
            steers: config.ciphers.is_empty() && config.prefer_aes_gcm,
            methods,
            identification,
        })
    }

    /// Tells whether a user may sign with this algorithm.
    pub fn takes_signature(&self, algorithm: &Algorithm) -> bool {
        self.user_keys.contains(algorithm)
    }

    /// Returns a prepared offer.
    pub fn choose(&self, offer: Offer) -> Arc<Config> {
        match offer {
            Offer::Full => Arc::clone(&self.full),
            Offer::GcmOnly => Arc::clone(&self.gcm_only),
        }
    }
}

/// Returns the group for a client that names the sizes it wants, in bits (RFC 4419 section 3): the
/// smallest that is large enough, of those that do not keep a thread for too long.
pub(crate) fn group_for(wanted: &GexParams) -> Option<DhGroup> {
    let sizes = wanted.min_group_size()..=wanted.max_group_size();
    let mut fitting = vec![DH_GROUP14, DH_GROUP15, DH_GROUP16];
    fitting.retain(|group| sizes.contains(&group.bit_size()));
    let enough = fitting.iter().find(|group| group.bit_size() >= wanted.preferred_group_size());
    enough.or(fitting.last()).cloned()
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
        key: Cow::Owned(key_algorithms(config)?),
        cipher: Cow::Owned(ciphers),
        mac: Cow::Owned(chosen("macs", &config.macs, &DEFAULT_MACS)?),
        compression: Cow::Borrowed(&[compression::NONE]),
        ..Preferred::default()
    })
}

/// Returns the algorithms of host keys and, in the order of the list, of users behind them. russh
/// has one list for the host keys and for what it tells clients of user keys (`server-sig-algs`,
/// RFC 8308 section 3.1).
fn key_algorithms(config: &SftpdConfig) -> Result<Vec<Algorithm>, Fault> {
    let mut all = host_key_algorithms(config)?;
    for algorithm in user_keys(config)? {
        if !all.contains(&algorithm) {
            all.push(algorithm);
        }
    }
    Ok(all)
}

fn host_key_algorithms(config: &SftpdConfig) -> Result<Vec<Algorithm>, Fault> {
    chosen_keys("host_key_algorithms", &config.host_key_algorithms)
}

fn user_keys(config: &SftpdConfig) -> Result<Vec<Algorithm>, Fault> {
    chosen_keys("public_key_algorithms", &config.public_key_algorithms)
}

/// Leaves out the host keys whose type is not wanted.
fn host_keys(config: &SftpdConfig, mut keys: Vec<PrivateKey>) -> Result<Vec<PrivateKey>, Fault> {
    let wanted = host_key_algorithms(config)?;
    let before = keys.len();
    keys.retain(|key| {
        let of_its_type = |algorithm: &Algorithm| match algorithm {
            Algorithm::Rsa { .. } => key.algorithm().is_rsa(),
            other => key.algorithm() == *other,
        };
        wanted.iter().any(of_its_type)
    });
    if keys.is_empty() && before > 0 {
        return Err(Fault::invalid("host_key_algorithms: no host key is left"));
    }
    Ok(keys)
}

/// Returns the named signature algorithms, or the defaults.
fn chosen_keys(field: &str, names: &[String]) -> Result<Vec<Algorithm>, Fault> {
    #[derive(Clone)]
    struct Known(Algorithm);
    impl TryFrom<&str> for Known {
        type Error = ();

        fn try_from(name: &str) -> Result<Self, ()> {
            match Algorithm::new(name) {
                Ok(Algorithm::Other(_) | Algorithm::Dsa) | Err(_) => Err(()),
                Ok(algorithm) => Ok(Self(algorithm)),
            }
        }
    }
    let defaults: Vec<Known> = default_keys().into_iter().map(Known).collect();
    Ok(chosen(field, names, &defaults)?.into_iter().map(|Known(algorithm)| algorithm).collect())
}

/// No SHA-1 signatures.
fn default_keys() -> Vec<Algorithm> {
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
    let offered = offered.inspect(|name| warn_if_weak(field, name));
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

fn warn_if_weak(field: &str, name: &str) {
    let is_weak = name.contains("sha1") || name.contains("-cbc") || name == "ssh-rsa";
    if is_weak {
        tracing::warn!(
            sender = "sftpd",
            list = field,
            algorithm = name,
            "a weak algorithm is allowed"
        );
    }
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
        let names: Vec<&str> = full.kex.iter().map(AsRef::as_ref).collect();
        let slow = names.iter().position(|name| name.contains("group")).unwrap();
        assert_eq!(
            names[slow..slow + 2],
            ["diffie-hellman-group14-sha256", "diffie-hellman-group16-sha512"]
        );
        assert_eq!(slow + 2 + KEX_EXTENSIONS.len(), names.len(), "last");
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
    fn signatures_with_sha1_are_taken_when_they_are_named() {
        let old = Algorithm::Rsa { hash: None };
        let offers = Offers::build(&SftpdConfig::default(), Vec::new()).unwrap();
        assert!(!offers.takes_signature(&old));
        assert!(offers.takes_signature(&Algorithm::Ed25519));
        let lists = |names: &[&str]| SftpdConfig {
            public_key_algorithms: names.iter().map(|&name| name.into()).collect(),
            ..SftpdConfig::default()
        };
        let offers = Offers::build(&lists(&["rsa-sha2-512", "ssh-rsa"]), Vec::new()).unwrap();
        assert!(offers.takes_signature(&old) && !offers.takes_signature(&Algorithm::Ed25519));
        assert_eq!(offers.choose(Offer::Full).preferred.key.last(), Some(&old));
        for unknown in ["ssh-dss", "rot13@example.com"] {
            assert!(Offers::build(&lists(&[unknown]), Vec::new()).is_err(), "{unknown}");
        }
    }

    #[test]
    fn a_group_is_as_large_as_wanted_and_not_too_dear() {
        let bits = |min, wanted, max| {
            let wanted = GexParams::new(min, wanted, max).unwrap();
            group_for(&wanted).map(|group| group.bit_size())
        };
        assert_eq!(bits(2048, 2048, 8192), Some(2048));
        assert_eq!(bits(2048, 3072, 8192), Some(3072));
        assert_eq!(bits(2048, 8192, 8192), Some(4096));
        assert_eq!(bits(6144, 8192, 8192), None);
    }

    #[test]
    fn tries_default_to_six_and_negative_means_any_number() {
        assert_eq!([0, 3, -1].map(allowed_tries), [Some(6), Some(3), None]);
        assert_eq!([0, 3, -1].map(max_auth_attempts), [7, 4, 0]);
    }
}
