//! Section `sftpd`: where the SFTP server listens and how it treats its clients.
//! Numbers stay as in the file; [`SftpdConfig::normalized`] mends what the seed only warned about.

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize};

use ferryd_domain::Fault;

/// Section `sftpd` of the configuration. Relative paths are relative to the config directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SftpdConfig {
    /// TCP port.
    pub bind_port: u16,
    /// Empty: all addresses.
    pub bind_address: String,
    /// Minutes without traffic after which a connection is closed, 0: never.
    pub idle_timeout: u64,
    /// Login attempts per connection; 0: 6, negative: no limit.
    pub max_auth_tries: i64,
    /// Octal; permission bits that new files and directories do not get.
    pub umask: String,
    /// What follows `SSH-2.0-`; empty: name and version.
    pub banner: String,
    /// 0: uploads go straight to the file, 1: atomic, 2: atomic, broken uploads are kept.
    pub upload_mode: i64,
    /// What happens when files change.
    pub actions: ActionsConfig,
    /// Host keys; empty: `id_rsa`, `id_ecdsa` and `id_ed25519`, made when missing.
    pub keys: Vec<HostKeyConfig>,
    /// Not built; true ends the start.
    pub enable_scp: bool,
    /// Key exchange algorithms in the order of preference; empty: defaults.
    pub kex_algorithms: Vec<String>,
    /// Signature algorithms of host keys in the order of preference; empty: defaults.
    pub host_key_algorithms: Vec<String>,
    /// Signature algorithms of the keys of users; empty: defaults.
    pub public_key_algorithms: Vec<String>,
    /// Ciphers in the order of preference; empty: defaults.
    pub ciphers: Vec<String>,
    /// MACs in the order of preference; empty: defaults.
    pub macs: Vec<String>,
    /// Text that clients see before they log in; empty: none.
    pub login_banner_file: String,
    /// 0: attributes are set, 1: such requests are ignored and answered with success.
    pub setstat_mode: i64,
    /// Commands of exec channels; `*`: all.
    pub enabled_ssh_commands: Vec<String>,
    /// Program that asks the questions of keyboard-interactive logins; absolute path.
    pub keyboard_interactive_auth_program: String,
    /// PROXY header: 0: off; 1 and 2 are not built and end the start.
    pub proxy_protocol: i64,
    /// Addresses and ranges that may send a PROXY header; empty: all.
    pub proxy_allowed: Vec<String>,
    /// Seconds for the login.
    pub login_grace_time: u64,
    /// Connections at a time, 0: no limit.
    pub max_connections: usize,
    /// Seconds that running transfers get when the server is stopped.
    pub drain_timeout: u64,
    /// Clients that can do AES-GCM get nothing slower, unless `ciphers` says otherwise.
    pub prefer_aes_gcm: bool,
    /// Keys are exchanged anew after this many bytes in one direction; at least 1 MiB.
    pub rekey_bytes: u64,
}

impl Default for SftpdConfig {
    fn default() -> Self {
        Self {
            bind_port: 2022,
            bind_address: String::new(),
            idle_timeout: 15,
            max_auth_tries: 0,
            umask: "0022".to_owned(),
            banner: String::new(),
            upload_mode: 0,
            actions: ActionsConfig::default(),
            keys: Vec::new(),
            enable_scp: false,
            kex_algorithms: Vec::new(),
            host_key_algorithms: Vec::new(),
            public_key_algorithms: Vec::new(),
            ciphers: Vec::new(),
            macs: Vec::new(),
            login_banner_file: String::new(),
            setstat_mode: 0,
            enabled_ssh_commands: ["md5sum", "sha1sum", "cd", "pwd"].map(str::to_owned).to_vec(),
            keyboard_interactive_auth_program: String::new(),
            proxy_protocol: 0,
            proxy_allowed: Vec::new(),
            login_grace_time: 120,
            max_connections: 0,
            drain_timeout: 10,
            prefer_aes_gcm: true,
            rekey_bytes: 1 << 30,
        }
    }
}

/// When and whom to tell of what happened to files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActionsConfig {
    /// Names of the actions that are told.
    pub execute_on: Vec<String>,
    /// Program to start; absolute path, empty: none.
    pub command: String,
    /// Address to call, empty: none.
    pub http_notification_url: String,
}

/// A host key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HostKeyConfig {
    /// File of the private key.
    pub private_key: String,
}

impl<'de> Deserialize<'de> for HostKeyConfig {
    /// In a comma separated variable a key is only its file.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            File(String),
            Object { private_key: String },
        }
        let (Form::File(private_key) | Form::Object { private_key }) =
            Form::deserialize(deserializer)?;
        Ok(Self { private_key })
    }
}

const REKEY_BYTES_LEAST: u64 = 1 << 20;
/// What OpenSSH allows for ciphers with blocks of 128 bits (RFC 4344 section 3.2).
const REKEY_BYTES_MOST: u64 = 64 << 30;

/// Commands of exec channels that exist, and all of them.
const SSH_COMMANDS: [&str; 8] =
    ["md5sum", "sha1sum", "sha256sum", "sha384sum", "sha512sum", "cd", "pwd", "*"];

/// Commands that SFTPGo has and this server lacks. Whoever names one counts on it.
const NOT_BUILT: [&str; 5] =
    ["scp", "git-receive-pack", "git-upload-pack", "git-upload-archive", "rsync"];

impl SftpdConfig {
    /// Returns usable settings and a line for each that was not; what only makes sense as it is
    /// written stays a fault.
    ///
    /// # Errors
    /// `InvalidInput` for an entry of `proxy_allowed` that is no address or range, `Unsupported` for
    /// what this server lacks.
    pub fn normalized(mut self) -> Result<(Self, Vec<String>), Fault> {
        let mut warnings = Vec::new();
        proxy_sources(&self.proxy_allowed)?;
        self.upload_mode = within("upload_mode", self.upload_mode, 2, &mut warnings);
        self.proxy_protocol = within("proxy_protocol", self.proxy_protocol, 2, &mut warnings);
        self.setstat_mode = within("setstat_mode", self.setstat_mode, 1, &mut warnings);
        self.check_rekey_bytes(&mut warnings);
        self.check_umask(&mut warnings);
        self.check_commands(&mut warnings);
        self.check_program(&mut warnings);
        self.check_built()?;
        Ok((self, warnings))
    }

    /// Who sets what is not there must not believe that it works.
    fn check_built(&self) -> Result<(), Fault> {
        let commands = self.enabled_ssh_commands.iter();
        let commands = commands.filter(|name| NOT_BUILT.contains(&name.as_str()));
        let mut lacking: Vec<_> = commands
            .map(|name| format!("sftpd.enabled_ssh_commands: {name} is not built, take it out"))
            .collect();
        if self.enable_scp {
            lacking.push("sftpd.enable_scp: scp is not built, set it to false".to_owned());
        }
        if self.proxy_protocol != 0 {
            lacking
                .push("sftpd.proxy_protocol: PROXY headers are not read, set it to 0".to_owned());
        }
        if lacking.is_empty() { Ok(()) } else { Err(Fault::unsupported(lacking.join("; "))) }
    }

    /// Tells whether an SSH command is in the list, by name or by `*`.
    pub fn is_ssh_command_enabled(&self, name: &str) -> bool {
        self.enabled_ssh_commands.iter().any(|enabled| enabled == name || enabled == "*")
    }

    /// Returns the permission bits that new files and directories do not get.
    pub fn umask_bits(&self) -> u32 {
        octal(&self.umask).unwrap_or_else(inherited_umask)
    }

    /// Returns the addresses and ranges that may send a PROXY header.
    ///
    /// # Errors
    /// `InvalidInput`, naming the entry that is neither.
    pub fn proxy_sources(&self) -> Result<Vec<IpNet>, Fault> {
        proxy_sources(&self.proxy_allowed)
    }

    /// With less, connections would do little else; with more, a key would be used for too long.
    fn check_rekey_bytes(&mut self, warnings: &mut Vec<String>) {
        let usable = self.rekey_bytes.clamp(REKEY_BYTES_LEAST, REKEY_BYTES_MOST);
        if usable != self.rekey_bytes {
            warnings.push(format!(
                "sftpd.rekey_bytes: {} is not within {REKEY_BYTES_LEAST} to {REKEY_BYTES_MOST}, {usable} is used",
                self.rekey_bytes
            ));
            self.rekey_bytes = usable;
        }
    }

    fn check_umask(&mut self, warnings: &mut Vec<String>) {
        if octal(&self.umask).is_none() {
            let inherited = format!("{:04o}", inherited_umask());
            warnings.push(format!(
                "sftpd.umask: {:?} is not octal, the inherited {inherited} is used",
                self.umask
            ));
            self.umask = inherited;
        }
    }

    fn check_commands(&mut self, warnings: &mut Vec<String>) {
        self.enabled_ssh_commands.retain(|name| {
            let known = [&SSH_COMMANDS[..], &NOT_BUILT].concat().contains(&name.as_str());
            if !known {
                warnings
                    .push(format!("sftpd.enabled_ssh_commands: {name:?} is not known and ignored"));
            }
            known
        });
    }

    fn check_program(&mut self, warnings: &mut Vec<String>) {
        let program = std::path::Path::new(&self.keyboard_interactive_auth_program);
        if program.as_os_str().is_empty() || (program.is_absolute() && program.is_file()) {
            return;
        }
        warnings.push(format!(
            "sftpd.keyboard_interactive_auth_program: {:?} is not the absolute path of a file, \
             keyboard-interactive logins are off",
            self.keyboard_interactive_auth_program
        ));
        self.keyboard_interactive_auth_program.clear();
    }
}

fn within(key: &str, value: i64, most: i64, warnings: &mut Vec<String>) -> i64 {
    if (0..=most).contains(&value) {
        return value;
    }
    warnings.push(format!("sftpd.{key}: {value} is not within 0 to {most}, 0 is used"));
    0
}

fn octal(text: &str) -> Option<u32> {
    let digits = text.trim();
    let digits = digits.strip_prefix("0o").unwrap_or(digits);
    let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    let bits = plain.then(|| u32::from_str_radix(digits, 8).ok()).flatten()?;
    (bits <= 0o777).then_some(bits)
}

/// The umask of a process can only be read by setting it.
fn inherited_umask() -> u32 {
    use rustix::fs::Mode;
    let inherited = rustix::process::umask(Mode::from_raw_mode(0o077));
    rustix::process::umask(inherited);
    inherited.as_raw_mode()
}

fn proxy_sources(entries: &[String]) -> Result<Vec<IpNet>, Fault> {
    entries
        .iter()
        .map(|entry| {
            let text = entry.trim();
            text.parse::<IpNet>()
                .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
                .map_err(|_| {
                    Fault::invalid(format!("sftpd.proxy_allowed: {entry:?} is no address or range"))
                })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_need_no_mending() {
        let (config, warnings) = SftpdConfig::default().normalized().unwrap();
        assert_eq!(config, SftpdConfig::default());
        assert!(warnings.is_empty(), "{warnings:?}");
        assert_eq!(config.umask_bits(), 0o022);
    }

    #[test]
    fn modes_out_of_range_are_off_with_a_warning() {
        let config = SftpdConfig {
            upload_mode: 3,
            proxy_protocol: -1,
            setstat_mode: 2,
            ..Default::default()
        };
        let (config, warnings) = config.normalized().unwrap();
        assert_eq!((config.upload_mode, config.proxy_protocol, config.setstat_mode), (0, 0, 0));
        assert_eq!(warnings.len(), 3);
    }

    #[test]
    fn keys_are_renewed_neither_all_the_time_nor_never() {
        let sizes = [(0, 1 << 20), (1 << 20, 1 << 20), (64 << 30, 64 << 30), (u64::MAX, 64 << 30)];
        for (rekey_bytes, usable) in sizes {
            let config = SftpdConfig { rekey_bytes, ..SftpdConfig::default() };
            let (config, warnings) = config.normalized().unwrap();
            assert_eq!(config.rekey_bytes, usable);
            assert_eq!(warnings.len(), usize::from(rekey_bytes != usable));
        }
    }

    #[test]
    fn an_umask_that_is_not_octal_leaves_the_inherited_one() {
        for umask in ["0099", "", "-1", "+22", "1000", "rw"] {
            let config = SftpdConfig { umask: umask.to_owned(), ..Default::default() };
            let (config, warnings) = config.normalized().unwrap();
            assert_eq!(config.umask_bits(), inherited_umask());
            assert_eq!(warnings.len(), 1, "{umask}");
        }
    }

    #[test]
    fn unknown_commands_are_ignored() {
        let config = SftpdConfig {
            enabled_ssh_commands: vec!["pwd".to_owned(), "rm".to_owned(), "*".to_owned()],
            ..Default::default()
        };
        let (config, warnings) = config.normalized().unwrap();
        assert_eq!(config.enabled_ssh_commands, ["pwd", "*"]);
        assert_eq!(warnings.len(), 1);
    }

    #[test]
    fn what_is_not_built_is_refused_by_name() {
        let commands = |name: &str| SftpdConfig {
            enabled_ssh_commands: vec!["pwd".to_owned(), name.to_owned()],
            ..Default::default()
        };
        for name in NOT_BUILT {
            let fault = commands(name).normalized().unwrap_err();
            assert!(fault.public().contains(name), "{fault}");
        }
        let both = SftpdConfig { enable_scp: true, proxy_protocol: 1, ..commands("rsync") };
        let fault = both.normalized().unwrap_err();
        for name in ["enable_scp", "proxy_protocol", "rsync"] {
            assert!(fault.public().contains(name), "{fault}");
        }
    }

    #[test]
    fn a_range_that_is_none_is_a_fault() {
        let allowed = |entry: &str| SftpdConfig {
            proxy_allowed: vec![entry.to_owned()],
            ..Default::default()
        };
        for entry in ["10.0.0.1", "10.0.0.0/8", "2001:db8::/32", "::1"] {
            assert_eq!(allowed(entry).proxy_sources().unwrap().len(), 1, "{entry}");
        }
        assert!(allowed("10.0.0.0/33").normalized().is_err());
    }

    #[test]
    fn a_program_that_is_not_there_switches_the_method_off() {
        for program in ["relative", "/nowhere/program"] {
            let config = SftpdConfig {
                keyboard_interactive_auth_program: program.to_owned(),
                ..Default::default()
            };
            let (config, warnings) = config.normalized().unwrap();
            assert_eq!(config.keyboard_interactive_auth_program, "");
            assert_eq!(warnings.len(), 1);
        }
    }
}
