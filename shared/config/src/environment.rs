//! Variables `FERRYD_SECTION__KEY` (and `SFTPGO_SECTION__KEY`, which lose against the former) over
//! what the file says. Every key can be set; lists are separated by commas or numbered.

use std::ffi::OsString;

use ferryd_domain::Fault;
use serde_json::{Map, Value};

use crate::adopt;
use crate::known_keys::{KnownKeys, spelling};

/// Prefixes of variables, the stronger one last.
pub(crate) const PREFIXES: [&str; 2] = ["SFTPGO_", "FERRYD_"];

/// Longer lists than this come from a mistyped number.
const MAX_LIST: usize = 1000;

/// Writes variables into the document.
pub(crate) fn apply(
    known: &KnownKeys,
    environment: impl Iterator<Item = (OsString, OsString)>,
    document: &mut Value,
    warnings: &mut Vec<String>,
) -> Result<(), Fault> {
    let variables: Vec<_> = environment.filter_map(text).collect();
    for (name, _) in &variables {
        warnings.extend(misspelled(known, name));
    }
    for prefix in PREFIXES {
        let mut settings: Vec<_> =
            variables.iter().filter_map(|variable| Setting::of(variable, prefix)).collect();
        settings.sort_by(|a, b| a.order().cmp(&b.order()));
        for setting in settings {
            if write(known.root(), document, &setting, &setting.path)? == Written::Unknown {
                warnings.push(known.unknown(setting.variable, &setting.path));
            }
        }
    }
    Ok(())
}

/// Variables of flags.
const FLAGS: [&str; 8] = [
    "CONFIG_DIR",
    "CONFIG_FILE",
    "LOG_FILE_PATH",
    "LOG_MAX_SIZE",
    "LOG_MAX_BACKUPS",
    "LOG_MAX_AGE",
    "LOG_COMPRESS",
    "LOG_VERBOSE",
];

/// Returns the warning about a variable without `__` that nearly is one of ours. Others with the same
/// prefix are none of our business: container platforms make some from the names of services.
fn misspelled(known: &KnownKeys, name: &str) -> Option<String> {
    let prefix = PREFIXES.into_iter().find(|prefix| name.starts_with(prefix))?;
    let rest = name.strip_prefix(prefix)?;
    if rest.contains("__") || FLAGS.contains(&rest) {
        return None;
    }
    let bare = |name: &str| name.replace("__", "_").to_uppercase();
    let meant = known
        .variables()
        .into_iter()
        .chain(FLAGS.map(str::to_owned))
        .map(|candidate| (strsim::osa_distance(&bare(rest), &bare(&candidate)), candidate))
        .min()?;
    let (distance, meant) = meant;
    (distance <= 2)
        .then(|| format!("unknown variable {name:?} is ignored; did you mean \"{prefix}{meant}\"?"))
}

/// Names of ours are plain; others may be in any encoding and are none of our business.
fn text((name, value): (OsString, OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}

struct Setting<'a> {
    variable: &'a str,
    path: Vec<String>,
    value: &'a str,
}

impl<'a> Setting<'a> {
    fn of((name, value): &'a (String, String), prefix: &str) -> Option<Self> {
        let rest = name.strip_prefix(prefix)?;
        let path: Vec<_> = rest.split("__").map(str::to_lowercase).collect();
        (path.len() > 1).then_some(Self { variable: name, path, value })
    }

    /// Numbers of list elements go up, so that each finds its predecessor.
    fn order(&self) -> Vec<(usize, &str)> {
        self.path.iter().map(|part| (part.parse().unwrap_or(0), part.as_str())).collect()
    }
}

#[derive(PartialEq, Eq)]
enum Written {
    Yes,
    Unknown,
}

fn write(
    known: &Value,
    target: &mut Value,
    setting: &Setting<'_>,
    path: &[String],
) -> Result<Written, Fault> {
    let Some((head, rest)) = path.split_first() else {
        *target = adopt::text(known, setting.variable, setting.value)?;
        return Ok(Written::Yes);
    };
    match known {
        Value::Object(keys) => {
            let Some(key) = spelling(keys, head) else { return Ok(Written::Unknown) };
            let known = keys.get(key).unwrap_or(&Value::Null);
            let Some(section) = section(target) else { return Ok(Written::Unknown) };
            let slot = section.entry(key.to_owned()).or_insert(Value::Null);
            write(known, slot, setting, rest)
        }
        Value::Array(_) => element(target, setting, head, rest),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(Written::Unknown),
    }
}

fn section(target: &mut Value) -> Option<&mut Map<String, Value>> {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    target.as_object_mut()
}

/// `KEYS__0__PRIVATE_KEY=id_rsa`: an element of a list, which may have keys of its own.
fn element(
    target: &mut Value,
    setting: &Setting<'_>,
    number: &str,
    rest: &[String],
) -> Result<Written, Fault> {
    if !target.is_array() {
        *target = Value::Array(Vec::new());
    }
    let Some(list) = target.as_array_mut() else { return Ok(Written::Unknown) };
    let Ok(number) = number.parse::<usize>() else { return Ok(Written::Unknown) };
    if number > list.len() || number >= MAX_LIST {
        let text = format!("{}: expected number {} next", setting.variable, list.len());
        return Err(Fault::invalid(text));
    }
    if number == list.len() {
        list.push(Value::Null);
    }
    let mut slot = list.get_mut(number);
    for key in rest {
        let inner = slot.and_then(section);
        slot = inner.map(|map| map.entry(key.clone()).or_insert(Value::Null));
    }
    if let Some(slot) = slot {
        *slot = Value::String(setting.value.to_owned());
    }
    Ok(Written::Yes)
}
