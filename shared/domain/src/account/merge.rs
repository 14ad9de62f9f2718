//! Lays a request body over a stored account: missing fields keep their values.

use serde_json::{Map, Value};

use super::json::{invalid_json, parse_object};
use crate::{Account, Fault};

/// Objects that are merged field by field; every other value is replaced as a whole.
const MERGED: [&str; 4] = ["filters", "filesystem", "s3config", "gcsconfig"];

/// Returns `stored` with the fields of `body` laid over it. `null` clears a list and keeps any
/// other value. What only the server may change and the name stay as they were; `permissions` that
/// are missing or empty keep the stored ones.
///
/// # Errors
/// `InvalidInput` for a body that is no JSON object or has a field of a wrong type.
pub fn merge(stored: &Account, body: &[u8]) -> Result<Account, Fault> {
    let Value::Object(overlay) = parse_object(body)? else {
        return Err(Fault::invalid("a JSON object is expected"));
    };
    let Value::Object(mut base) = serde_json::to_value(stored).map_err(invalid_json)? else {
        return Err(Fault::internal("an account is no JSON object"));
    };
    let unreadable = still_unreadable(stored, &overlay);
    lay_over(&mut base, overlay);
    let mut merged: Account = serde_json::from_value(Value::Object(base)).map_err(invalid_json)?;
    if merged.permissions.is_empty() {
        merged.permissions = stored.permissions.clone();
    }
    merged.username = stored.username.clone();
    merged.keep_server_fields_of(stored);
    merged.unreadable = unreadable;
    Ok(merged)
}

/// Returns the fields that the body does not give anew. An answer that is sent back as it was, with
/// the name of the field under `unreadable`, gives nothing.
fn still_unreadable(stored: &Account, body: &Map<String, Value>) -> Vec<String> {
    let named = body.get("unreadable").and_then(Value::as_array);
    let is_given = |field: &String| {
        let sent_back = named.is_some_and(|names| names.iter().any(|name| name == field));
        !sent_back && body.get(field).is_some_and(|value| !value.is_null())
    };
    stored.unreadable.iter().filter(|field| !is_given(field)).cloned().collect()
}

fn lay_over(base: &mut Map<String, Value>, overlay: Map<String, Value>) {
    for (name, value) in overlay {
        match (base.get_mut(&name), value) {
            (Some(Value::Object(below)), Value::Object(above))
                if MERGED.contains(&name.as_str()) =>
            {
                lay_over(below, above);
            }
            (Some(below), Value::Null) if !below.is_array() => {}
            (_, value) => {
                base.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ExtensionFilter, Username};

    fn stored() -> Account {
        let mut account = Account {
            id: 7,
            username: Username::stored("bob"),
            public_keys: vec!["k".into()],
            used_quota_size: 5,
            ..Account::default()
        };
        account.permissions.insert("/".into(), vec!["*".into()]);
        account.filters.allowed_ip = vec!["10.0.0.0/8".into()];
        account.filters.file_extensions =
            vec![ExtensionFilter { path: "/".into(), ..Default::default() }];
        account
    }

    #[test]
    fn missing_fields_keep_their_values() {
        let merged =
            merge(&stored(), br#"{"status":1,"filters":{"denied_ip":["1.2.3.0/24"]}}"#).unwrap();
        assert_eq!(merged.status, 1);
        assert_eq!(merged.public_keys, ["k"]);
        assert_eq!(merged.filters.allowed_ip, ["10.0.0.0/8"]);
        assert_eq!(merged.filters.denied_ip, ["1.2.3.0/24"]);
    }

    #[test]
    fn an_empty_list_clears_and_empty_permissions_keep() {
        let merged = merge(
            &stored(),
            br#"{"public_keys":[],"permissions":{},"filters":{"file_extensions":[]}}"#,
        )
        .unwrap();
        assert!(merged.public_keys.is_empty() && merged.filters.file_extensions.is_empty());
        assert_eq!(merged.permissions.len(), 1);
    }

    #[test]
    fn null_clears_a_list_and_keeps_what_is_none() {
        let stored = Account { status: 1, quota_size: 9, home_dir: "/home".into(), ..stored() };
        let nulls = br#"{"status":null,"quota_size":null,"home_dir":null,"permissions":null,
            "filters":null,"filesystem":null,"password":null,"public_keys":null}"#;
        let expected = Account { public_keys: Vec::new(), ..stored.clone() };
        assert_eq!(merge(&stored, nulls).unwrap(), expected);
        let merged = merge(&stored, br#"{"filters":{"allowed_ip":null}}"#).unwrap();
        assert!(merged.filters.allowed_ip.is_empty());
        assert_eq!(merged.filters.file_extensions, stored.filters.file_extensions);
    }

    #[test]
    fn a_field_that_is_not_understood_has_to_be_given_anew() {
        let stored = Account { unreadable: vec!["filters".into()], ..stored() };
        for body in [
            r#"{"status":1}"#,
            r#"{"filters":null}"#,
            r#"{"unreadable":[]}"#,
            r#"{"filters":{},"unreadable":["filters"]}"#,
        ] {
            assert_eq!(merge(&stored, body.as_bytes()).unwrap().unreadable, ["filters"], "{body}");
        }
        let given = br#"{"filters":{"denied_ip":["1.2.3.0/24"]}}"#;
        assert!(merge(&stored, given).unwrap().unreadable.is_empty());
    }

    #[test]
    fn name_and_server_fields_stay() {
        let merged = merge(&stored(), br#"{"username":"eve","id":1,"used_quota_size":0}"#).unwrap();
        assert_eq!((merged.username.as_str(), merged.id, merged.used_quota_size), ("bob", 7, 5));
    }
}
