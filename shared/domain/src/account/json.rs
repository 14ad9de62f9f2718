//! JSON habits of the account: what is accepted, empty members are left out.

use serde_json::Value;

use crate::{Account, Fault, Secret};

/// Tells whether a secret is empty, so that it is left out.
pub(crate) fn is_blank(secret: &Secret<String>) -> bool {
    secret.expose().is_empty()
}

/// Reads an account from a request body or a program's answer.
///
/// # Errors
/// `InvalidInput` unless the text is a JSON object whose fields have the right types.
pub fn parse_account(text: &[u8]) -> Result<Account, Fault> {
    serde_json::from_value(parse_object(text)?).map_err(invalid_json)
}

/// Reads a JSON object.
///
/// # Errors
/// `InvalidInput` for anything else: an empty body, `null`, a list, a bare string.
pub fn parse_object(text: &[u8]) -> Result<Value, Fault> {
    let value: Value = serde_json::from_slice(text).map_err(invalid_json)?;
    if value.is_object() { Ok(value) } else { Err(Fault::invalid("a JSON object is expected")) }
}

/// Returns the fault for text that is not the JSON that was expected.
pub fn invalid_json(error: serde_json::Error) -> Fault {
    Fault::invalid(format!("invalid JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_counts_as_empty_and_unknown_fields_are_ignored() {
        let account = parse_account(
            br#"{"username":"u","permissions":null,"filters":null,"public_keys":null,"x":1,
                 "filesystem":{"provider":null,"s3config":null}}"#,
        )
        .unwrap();
        assert_eq!(account.username.as_str(), "u");
        assert!(account.permissions.is_empty() && account.public_keys.is_empty());
        let account = parse_account(br#"{"permissions":{"/":["*"],"/a":null}}"#).unwrap();
        assert_eq!(account.permissions["/a"], Vec::<String>::new());
    }

    #[test]
    fn wrong_types_are_refused() {
        for text in [
            "",
            "null",
            "[]",
            "\"x\"",
            r#"{"status":"1"}"#,
            r#"{"uid":1.5}"#,
            r#"{"quota_size":99999999999999999999}"#,
            r#"{"permissions":["*"]}"#,
            r#"{"filters":[]}"#,
            r#"{"filesystem":[0]}"#,
            r#"{"filesystem":{"s3config":[]}}"#,
            &"[".repeat(100_000),
        ] {
            assert!(parse_account(text.as_bytes()).is_err(), "{}", &text[..text.len().min(40)]);
        }
    }

    #[test]
    fn empty_members_are_left_out_of_answers() {
        let text = serde_json::to_string(&Account::default()).unwrap();
        for absent in ["password", "public_keys", "virtual_folders", "allowed_ip", "bucket"] {
            assert!(!text.contains(absent), "{absent} in {text}");
        }
        assert!(text.contains(r#""filters":{}"#) && text.contains(r#""s3config":{}"#), "{text}");
    }
}
