//! Members of a stored object, one by one, with the old forms of texts, numbers and lists.

use serde_json::{Map, Value};

use super::Misread;

/// The members of an object that were not read yet. Names count in any case, as in older versions.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Returns the members of an object; `null` and an empty list or text count as an empty one.
    pub fn of(value: Value) -> Result<Self, Misread> {
        let members = match value {
            Value::Object(members) => members,
            empty if is_empty(&empty) => Map::new(),
            _ => return Err(Misread("not an object")),
        };
        let count = members.len();
        let folded: Map<_, _> =
            members.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
        if folded.len() == count { Ok(Self(folded)) } else { Err(Misread("a name is there twice")) }
    }

    /// Returns a member, `null` for one that is missing.
    pub fn take(&mut self, name: &str) -> Value {
        self.0.remove(name).unwrap_or_default()
    }

    /// Checks that nothing is left that says something.
    pub fn end(self) -> Result<(), Misread> {
        match self.0.values().all(is_empty) {
            true => Ok(()),
            false => Err(Misread("unknown member")),
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Reads a text; a number is the text that shows it.
pub(super) fn text(value: Value) -> Result<String, Misread> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(Misread("not a text")),
    }
}

/// Reads a whole number; a text that shows one is one.
pub(super) fn number(value: Value) -> Result<i32, Misread> {
    let number = match &value {
        Value::Null => Some(0),
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.and_then(|number| i32::try_from(number).ok()).ok_or(Misread("not a whole number"))
}

/// Reads a list of texts; a text alone is a list of one, unless it could be several.
pub(super) fn texts(value: Value) -> Result<Vec<String>, Misread> {
    match value {
        Value::String(text) if text.contains([',', ';', '\n']) => Err(Misread("not a list")),
        Value::String(text) if !text.is_empty() => Ok(vec![text]),
        Value::Array(entries) => {
            entries.into_iter().filter(|entry| !entry.is_null()).map(only_text).collect()
        }
        empty if is_empty(&empty) => Ok(Vec::new()),
        _ => Err(Misread("not a list of texts")),
    }
}

fn only_text(value: Value) -> Result<String, Misread> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(Misread("not a list of texts")),
    }
}

/// Reads a list of objects; an object alone is a list of one.
pub(super) fn objects(value: Value) -> Result<Vec<Value>, Misread> {
    match value {
        Value::Array(entries) => match entries.iter().all(|entry| entry.is_object()) {
            true => Ok(entries),
            false => Err(Misread("not a list of objects")),
        },
        empty if is_empty(&empty) => Ok(Vec::new()),
        Value::Object(_) => Ok(vec![value]),
        _ => Err(Misread("not a list of objects")),
    }
}
