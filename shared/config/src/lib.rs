//! Finds and reads the configuration: a file, then the environment over it, over the defaults of
//! the owners. Called once at the start of a process; nobody else reads the environment.

mod adopt;
mod environment;
mod find_file;
mod flags;
mod foreign;
mod formats;
mod known_keys;
mod paths;
mod start;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ferryd_domain::Fault;
use figment::Figment;
use figment::providers::Serialized;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use flags::{
    ConfigFlags, ConfigOptions, LogFlags, LogOptions, ServeFlags, flag_from_environment,
};
pub use paths::relative_to;
pub use start::Start;

use crate::known_keys::KnownKeys;

/// A configuration and what is to be said about how it came to be.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// The settings as the program's own type.
    pub settings: T,
    /// The file they come from; `None` when there is none and defaults are used.
    pub file: Option<PathBuf>,
    /// Keys that mean nothing, one line each.
    pub warnings: Vec<String>,
}

/// Reads the configuration of this process.
///
/// # Errors
/// `InvalidInput` for a file that cannot be read or parsed (with file, line and what was expected)
/// and for values of a wrong type (with the key).
pub fn load<T>(options: &ConfigOptions) -> Result<Loaded<T>, Fault>
where
    T: Serialize + DeserializeOwned + Default,
{
    let home = std::env::var_os("HOME").map(PathBuf::from);
    load_from(options, home.as_deref(), std::env::vars_os())
}

/// As [`load`], with a given home directory and environment.
///
/// # Errors
/// As [`load`].
pub fn load_from<T>(
    options: &ConfigOptions,
    home: Option<&Path>,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Loaded<T>, Fault>
where
    T: Serialize + DeserializeOwned + Default,
{
    let known = KnownKeys::of(&T::default())?;
    let mut warnings = Vec::new();
    let found = find_file::find(options, home)?;
    let mut document = match &found {
        Some(found) => adopt::document(&known, found.read()?, &mut warnings)
            .map_err(|fault| in_file(&fault, &found.path))?,
        None => Value::Object(serde_json::Map::new()),
    };
    environment::apply(&known, environment, &mut document, &mut warnings)?;
    let file = found.map(|found| found.path);
    let settings = extract(&document, file.as_deref())?;
    Ok(Loaded { settings, file, warnings })
}

fn in_file(fault: &Fault, file: &Path) -> Fault {
    Fault::invalid(format!("{}: {}", file.display(), fault.public()))
}

fn extract<T: DeserializeOwned>(document: &Value, file: Option<&Path>) -> Result<T, Fault> {
    Figment::from(Serialized::defaults(document)).extract().map_err(|error| {
        let lines: Vec<_> = error.into_iter().map(|error| describe(&error)).collect();
        let source = file.map_or_else(
            || "the environment".to_owned(),
            |file| format!("{} or the environment", file.display()),
        );
        Fault::invalid(format!("{source}: {}", lines.join("; ")))
    })
}

fn describe(error: &figment::Error) -> String {
    let key = error.path.join(".");
    let told = out_of_range(&error.kind).unwrap_or_else(|| error.kind.to_string());
    if key.is_empty() { told } else { format!("{key}: {told}") }
}

/// Names the range in place of the type that has it.
fn out_of_range(kind: &figment::error::Kind) -> Option<String> {
    use figment::error::{Actual, Kind};
    let (Kind::InvalidValue(found, expected) | Kind::InvalidType(found, expected)) = kind else {
        return None;
    };
    let most = match expected.as_str() {
        "u16" => u64::from(u16::MAX),
        "u32" => u64::from(u32::MAX),
        "u64" | "usize" => u64::MAX,
        _ => return None,
    };
    let found = match found {
        Actual::Unsigned(number) => number.to_string(),
        Actual::Signed(number) => number.to_string(),
        _ => return None,
    };
    Some(format!("{found} is not within 0 to {most}"))
}

#[cfg(test)]
mod tests;
