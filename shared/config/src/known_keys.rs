//! The keys that exist, taken from the defaults of the owners, and the nearest one to a mistake.

use ferryd_domain::Fault;
use serde::Serialize;
use serde_json::Value;

/// Every key with its default.
#[derive(Clone, Debug)]
pub(crate) struct KnownKeys(Value);

impl KnownKeys {
    /// Takes the keys from a value that has all of them.
    pub(crate) fn of<T: Serialize>(defaults: &T) -> Result<Self, Fault> {
        serde_json::to_value(defaults)
            .map(Self)
            .map_err(|error| Fault::internal("defaults have no serialised form").because(error))
    }

    /// Returns the tree of keys and defaults.
    pub(crate) fn root(&self) -> &Value {
        &self.0
    }

    /// Returns the line that warns of an unknown key.
    pub(crate) fn unknown(&self, shown: &str, path: &[String]) -> String {
        match self.nearest(path) {
            Some(nearest) => {
                format!("unknown configuration key {shown:?} is ignored; did you mean {nearest:?}?")
            }
            None => format!("unknown configuration key {shown:?} is ignored"),
        }
    }

    /// Returns the names of variables without their prefix, as `SFTPD__BIND_PORT`.
    pub(crate) fn variables(&self) -> Vec<String> {
        let mut all = Vec::new();
        collect(&self.0, &mut Vec::new(), &mut all);
        let keys = all.into_iter().filter(|path| path.len() > 1);
        keys.map(|path| path.join("__").to_uppercase()).collect()
    }

    /// A misspelled key has its like beside it; a key in the wrong section has it elsewhere.
    fn nearest(&self, path: &[String]) -> Option<String> {
        let (name, parents) = path.split_last()?;
        let mut all = Vec::new();
        collect(&self.0, &mut Vec::new(), &mut all);
        all.into_iter()
            .min_by_key(|candidate| {
                let (last, section) = candidate
                    .split_last()
                    .map_or(("", &[][..]), |(last, section)| (last.as_str(), section));
                (strsim::osa_distance(name, last), section != parents)
            })
            .map(|candidate| candidate.join("."))
    }
}

fn collect(value: &Value, path: &mut Vec<String>, all: &mut Vec<Vec<String>>) {
    let Value::Object(map) = value else { return };
    for (key, value) in map {
        path.push(key.clone());
        all.push(path.clone());
        collect(value, path, all);
        path.pop();
    }
}

/// Returns the spelling of a key among its siblings. Case does not count, and neither do
/// underscores: manuals spell `connectionstring` as well as `connection_string`.
pub(crate) fn spelling<'a>(
    known: &'a serde_json::Map<String, Value>,
    key: &str,
) -> Option<&'a str> {
    let bare = |key: &str| key.replace(['_', '-'], "").to_lowercase();
    let wanted = bare(key);
    known.keys().find(|known| bare(known) == wanted).map(String::as_str)
}
