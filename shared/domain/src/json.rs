//! JSON habits of all types: `null` counts as empty.

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads a field for which `null` means its default.
///
/// # Errors
/// Those of the field's own type.
pub fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The same for an object, also for each of its members.
///
/// # Errors
/// Those of the members' type.
pub fn nulls_as_default<'de, D, T>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    let members: BTreeMap<String, Option<T>> = null_as_default(deserializer)?;
    Ok(members.into_iter().map(|(name, member)| (name, member.unwrap_or_default())).collect())
}

/// Reads a field that is an object or `null`, which means its default. Without this a list would
/// do for an object, its members in the order of the fields.
///
/// # Errors
/// Those of the field's own type.
pub fn object_or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + DeserializeOwned,
{
    let object: Option<serde_json::Map<String, Value>> = Option::deserialize(deserializer)?;
    let read = |object| serde_json::from_value(Value::Object(object)).map_err(D::Error::custom);
    object.map_or_else(|| Ok(T::default()), read)
}
