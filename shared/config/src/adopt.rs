//! Brings what a file says into the shape of the known keys: their spelling, their types.

use ferryd_domain::Fault;
use serde_json::{Map, Value};

use crate::known_keys::{KnownKeys, spelling};

/// Returns a document with known keys only; the others are warned of.
pub(crate) fn document(
    known: &KnownKeys,
    given: Value,
    warnings: &mut Vec<String>,
) -> Result<Value, Fault> {
    let mut adoption = Adoption { known, warnings, path: Vec::new() };
    Ok(adoption.value(known.root(), given)?.unwrap_or_else(|| Value::Object(Map::new())))
}

/// Returns one value from the environment in the type of its key.
pub(crate) fn text(known: &Value, key: &str, text: &str) -> Result<Value, Fault> {
    match known {
        Value::Bool(_) => {
            truth(text).map(Value::Bool).ok_or_else(|| wrong(key, "true or false", text))
        }
        Value::Number(_) => number(text).ok_or_else(|| wrong(key, "a whole number", text)),
        Value::Array(_) => Ok(list(text)),
        Value::Object(_) => Err(wrong(key, "a key of this section", text)),
        Value::Null | Value::String(_) => Ok(Value::String(text.to_owned())),
    }
}

struct Adoption<'a> {
    known: &'a KnownKeys,
    warnings: &'a mut Vec<String>,
    path: Vec<String>,
}

impl Adoption<'_> {
    /// `None` stands for a key without a value: the default counts.
    fn value(&mut self, known: &Value, given: Value) -> Result<Option<Value>, Fault> {
        let key = self.path.join(".");
        Ok(Some(match (known, given) {
            (_, Value::Null) => return Ok(None),
            (Value::Object(known), Value::Object(given)) => self.section(known, given)?,
            (Value::Object(_), given) => return Err(wrong(&key, "a section", &shown(&given))),
            (Value::Array(_), Value::String(given)) => list(&given),
            (Value::Array(_), Value::Array(given)) => {
                Value::Array(given.into_iter().map(lower_keys).collect())
            }
            (Value::Array(_), Value::Object(given)) => one_or_numbered(given),
            (Value::Array(_), given) => Value::Array(vec![given]),
            (known, Value::String(given)) => text(known, &key, &given)?,
            (Value::Bool(_), Value::Number(given)) => text(known, &key, &given.to_string())?,
            (Value::String(_), Value::Number(given)) => Value::String(given.to_string()),
            (Value::Bool(_), given @ Value::Bool(_))
            | (Value::Number(_), given @ Value::Number(_))
            | (Value::Null, given) => given,
            (Value::Bool(_), given) => return Err(wrong(&key, "true or false", &shown(&given))),
            (Value::Number(_), given) => return Err(wrong(&key, "a number", &shown(&given))),
            (Value::String(_), given) => return Err(wrong(&key, "a text", &shown(&given))),
        }))
    }

    fn section(
        &mut self,
        known: &Map<String, Value>,
        given: Map<String, Value>,
    ) -> Result<Value, Fault> {
        let mut adopted = Map::new();
        for (key, value) in given {
            let Some(spelled) = spelling(known, &key) else {
                self.warn(&key);
                continue;
            };
            let Some(default) = known.get(spelled) else { continue };
            self.path.push(spelled.to_owned());
            if let Some(value) = self.value(default, value)? {
                merge(adopted.entry(spelled.to_owned()).or_insert(Value::Null), value);
            }
            self.path.pop();
        }
        Ok(Value::Object(adopted))
    }

    fn warn(&mut self, key: &str) {
        let mut path = self.path.clone();
        path.push(key.to_lowercase());
        self.warnings.push(self.known.unknown(&path.join("."), &path));
    }
}

/// Two spellings of a section are one section; of a key, the later one counts.
fn merge(target: &mut Value, added: Value) {
    match (target, added) {
        (Value::Object(target), Value::Object(added)) => {
            for (key, value) in added {
                merge(target.entry(key).or_insert(Value::Null), value);
            }
        }
        (target, added) => *target = added,
    }
}

fn wrong(key: &str, expected: &str, found: &str) -> Fault {
    // This text is printed and logged.
    let name = key.to_ascii_lowercase();
    let secret = ["password", "connection_string", "token", "secret"];
    let found = if secret.iter().any(|secret| name.contains(secret)) {
        "something else".to_owned()
    } else {
        format!("{found:?}")
    };
    Fault::invalid(format!("{key}: expected {expected}, found {found}"))
}

fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "a section".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        other => other.to_string(),
    }
}

/// An empty text is a value like any other: nothing, not the default.
pub(crate) fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "yes" | "on" => Some(true),
        "" | "0" | "f" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn number(text: &str) -> Option<Value> {
    match text.trim() {
        "" => Some(Value::from(0)),
        digits => digits.parse::<i64>().ok().map(Value::from),
    }
}

fn list(text: &str) -> Value {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
}

/// Formats without lists number the elements; a single block may stand for a list of one.
fn one_or_numbered(given: Map<String, Value>) -> Value {
    let numbered = given.keys().all(|key| key.parse::<usize>().is_ok()) && !given.is_empty();
    if !numbered {
        return Value::Array(vec![lower_keys(Value::Object(given))]);
    }
    let mut elements: Vec<_> = given
        .into_iter()
        .map(|(key, value)| (key.parse::<usize>().unwrap_or_default(), lower_keys(value)))
        .collect();
    elements.sort_by_key(|(number, _)| *number);
    Value::Array(elements.into_iter().map(|(_, value)| value).collect())
}

fn lower_keys(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter().map(|(key, value)| (key.to_lowercase(), lower_keys(value))).collect(),
        ),
        other => other,
    }
}
