use super::*;

#[test]
fn nothing_stored_is_nothing() {
    for column in ["", "  ", "null", "{}", "[]"] {
        assert_eq!(filters(column), Ok(Filters::default()), "{column:?}");
        assert_eq!(filesystem(column), Ok(StorageSettings::default()), "{column:?}");
        assert_eq!(public_keys(column), Ok(Vec::new()), "{column:?}");
        assert_eq!(virtual_folders(column), Ok(Vec::new()), "{column:?}");
        assert!(permissions(column).unwrap().values().all(Vec::is_empty), "{column:?}");
    }
}

#[test]
fn what_a_current_version_writes_is_read_as_it_is() {
    let stored = Filters {
        allowed_ip: vec!["10.0.0.0/8".into()],
        denied_ip: vec!["2001:db8::/32".into()],
        denied_login_methods: vec!["password".into()],
        file_extensions: vec![ExtensionFilter {
            path: "/a".into(),
            allowed_extensions: vec![".jpg".into()],
            denied_extensions: vec![".zip".into(), "".into()],
        }],
    };
    assert_eq!(filters(&json(&stored)).unwrap(), stored);
    let s3config = S3Settings {
        bucket: "b".into(),
        access_secret: Secret::new("$aes$k$b".into()),
        ..S3Settings::default()
    };
    let gcsconfig = GcsSettings { automatic_credentials: 1, ..GcsSettings::default() };
    let stored = StorageSettings { provider: StorageProvider::S3, s3config, gcsconfig };
    assert_eq!(filesystem(&json(&stored)).unwrap(), stored);
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

#[test]
fn old_forms_of_filters_are_read_when_they_mean_one_thing() {
    for (column, allowed, denied) in [
        (r#"{"allowed_ip":"10.0.0.0/8"}"#, vec!["10.0.0.0/8"], vec![]),
        (
            r#"{"denied_ip":["10.0.0.1",null," 2001:db8::1 "]}"#,
            vec![],
            vec!["10.0.0.1/32", "2001:db8::1/128"],
        ),
        (r#"{"Allowed_IP":["10.0.0.0/8"],"denied_ip":{}}"#, vec!["10.0.0.0/8"], vec![]),
        (r#"{"allowed_ip":"","denied_ip":[],"file_patterns":null,"hooks":{}}"#, vec![], vec![]),
    ] {
        let read = filters(column).unwrap();
        assert_eq!(
            (read.allowed_ip, read.denied_ip),
            (
                allowed.into_iter().map(String::from).collect(),
                denied.into_iter().map(String::from).collect(),
            ),
            "{column}"
        );
    }
    let one = r#"{"file_extensions":{"path":"/","denied_extensions":".zip"}}"#;
    let [filter] = filters(one).unwrap().file_extensions.try_into().unwrap();
    assert_eq!((filter.path.as_str(), filter.denied_extensions), ("/", vec![".zip".to_owned()]));
}

#[test]
fn filters_that_are_not_understood_are_never_no_filters() {
    for column in [
        "allowed",
        r#""10.0.0.0/8""#,
        "7",
        "true",
        r#"["10.0.0.0/8"]"#,
        r#"[["10.0.0.0/8"]]"#,
        r#"{"allowed_ip":"10.0.0.0/8,192.168.0.0/16"}"#,
        r#"{"allowed_ip":{"0":"10.0.0.0/8"}}"#,
        r#"{"allowed_ip":[7]}"#,
        r#"{"denied_ip":["somewhere"]}"#,
        r#"{"denied_login_methods":["Password"]}"#,
        r#"{"denied_login_methods":true}"#,
        r#"{"file_extensions":[["/",[".zip"]]]}"#,
        r#"{"file_extensions":{"/":[".zip"]}}"#,
        r#"{"file_extensions":[{"path":"/a","denied_extensions":".zip,.rar"}]}"#,
        r#"{"file_extensions":[{"path":"/a"},{"path":"/a/"}]}"#,
        r#"{"file_extensions":[{"path":"/a","patterns":["*"]}]}"#,
        r#"{"file_patterns":[{"path":"/"}]}"#,
        r#"{"allowed_ip":["10.0.0.0/8"],"allowed_ip":[]}"#,
        r#"{"allowed_ip":["10.0.0.0/8"],"Allowed_IP":[]}"#,
        r#"{"allowed_ip":["10.0.0.0/8"]"#,
        &"[".repeat(100_000),
    ] {
        assert!(filters(column).is_err(), "{}", column.get(..60).unwrap_or(column));
    }
}

#[test]
fn storage_that_is_not_understood_is_never_a_local_one() {
    for column in [
        "s3",
        r#""s3""#,
        "[1]",
        r#"{"provider":"s3"}"#,
        r#"{"provider":7}"#,
        r#"{"provider":true}"#,
        r#"{"provider":1.5}"#,
        r#"{"provider":1,"provider":0}"#,
        r#"{"provider":1,"s3config":["bucket"]}"#,
        r#"{"provider":1,"s3config":{"bucket":["b"]}}"#,
    ] {
        assert!(filesystem(column).is_err(), "{column}");
    }
    for column in [r#"{"provider":"1"}"#, r#"{"Provider":1.0,"s3config":[],"gcsconfig":null}"#] {
        assert_eq!(filesystem(column).unwrap().provider, StorageProvider::S3, "{column}");
    }
    let numeric = r#"{"provider":1,"s3config":{"access_key":12345}}"#;
    assert_eq!(filesystem(numeric).unwrap().s3config.access_key, "12345");
}

#[test]
fn an_entry_with_several_lines_holds_several_keys() {
    let column = r##"["ssh-rsa AAAA a\r\nssh-ed25519 BBBB b\n\n# none\n","  ecdsa CCCC",null]"##;
    let expected = ["ssh-rsa AAAA a", "ssh-ed25519 BBBB b", "ecdsa CCCC"];
    assert_eq!(public_keys(column).unwrap(), expected);
    assert_eq!(public_keys(r#""ssh-rsa AAAA, b""#).unwrap(), ["ssh-rsa AAAA, b"]);
    assert_eq!(public_keys("ssh-rsa AAAA"), Ok(Vec::new()));
    for column in ["7", "[7]", r#"{"a":"ssh-rsa AAAA"}"#] {
        assert!(public_keys(column).is_err(), "{column}");
    }
}

#[test]
fn folders_are_a_list_of_objects_or_one() {
    let one = r#"{"virtual_path":"/v","mapped_path":"/m"}"#;
    let list = format!("[{one}]");
    let folder = VirtualFolder { virtual_path: "/v".into(), mapped_path: "/m".into() };
    for column in [one, &list] {
        assert_eq!(virtual_folders(column).unwrap(), std::slice::from_ref(&folder));
    }
    assert_eq!(virtual_folders("/v:/m"), Ok(Vec::new()));
    for column in [r#"["/v","/m"]"#, r#"[["/v","/m"]]"#, r#"[{"virtual_path":["/v"]}]"#, "7"] {
        assert!(virtual_folders(column).is_err(), "{column}");
    }
}

#[test]
fn permissions_of_any_age_are_read_and_others_are_not() {
    for (column, path, names) in [
        (r#"["list","download"]"#, "/", vec!["list", "download"]),
        (r#""*""#, "/", vec!["*"]),
        (r#"{"/":["*"],"/a":"list"}"#, "/a", vec!["list"]),
        (r#"{"/":["*"],"/a":null}"#, "/a", vec![]),
    ] {
        assert_eq!(permissions(column).unwrap()[path], names, "{column}");
    }
    for column in [
        "list",
        "7",
        r#""list,download""#,
        r#"{"/":["*"],"/secret":5}"#,
        r#"{"/":["*"],"/secret":[5]}"#,
        r#"{"/":["*"],"/":[]}"#,
        r#"{"/a":["*"],"/a/":["list"]}"#,
    ] {
        assert!(permissions(column).is_err(), "{column}");
    }
}
