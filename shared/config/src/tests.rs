//! Files of each format, the environment over them, and what is said about mistakes.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    sftpd: Sftpd,
    data_provider: DataProvider,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Sftpd {
    bind_port: u16,
    umask: String,
    enable_scp: bool,
    actions: Actions,
    keys: Vec<Key>,
    ciphers: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Actions {
    execute_on: Vec<String>,
    command: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Key {
    private_key: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct DataProvider {
    connection_string: String,
    password: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sftpd: Sftpd {
                bind_port: 2022,
                umask: "0022".to_owned(),
                enable_scp: false,
                actions: Actions::default(),
                keys: Vec::new(),
                ciphers: Vec::new(),
            },
            data_provider: DataProvider::default(),
        }
    }
}

impl Default for Sftpd {
    fn default() -> Self {
        Settings::default().sftpd
    }
}

fn load_with(
    files: &[(&str, &str)],
    variables: &[(&str, &str)],
) -> Result<Loaded<Settings>, Fault> {
    let dir = TempDir::new().unwrap();
    for (name, text) in files {
        write(&dir.path().join(name), text);
    }
    let options = ConfigOptions { config_dir: dir.path().to_owned(), ..ConfigOptions::default() };
    let variables =
        variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    load_from(&options, None, variables)
}

#[expect(clippy::disallowed_methods, reason = "makes the files of the tests")]
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

fn loaded(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Settings {
    load_with(files, variables).unwrap().settings
}

const JSON: &str = r#"{"sftpd": {"bind_port": 3022, "UMASK": "0077", "keys": [{"Private_Key": "a"}],
    "actions": {"execute_on": ["upload"]}}, "data_provider": {"connectionstring": "x"}}"#;
const TOML: &str = "[SFTPD]\nbind_port = 3022\numask = \"0077\"\n[[sftpd.keys]]\nprivate_key = 'a'\n\
    [sftpd.actions]\nexecute_on = ['upload']\n[data_provider]\nconnection_string = 'x'\n";
const YAML: &str = "sftpd:\n  bind_port: 3022\n  umask: '0077'\n  keys:\n    - private_key: a\n  \
    actions:\n    execute_on: [upload]\ndata_provider:\n  connection_string: x\n";

const PROPERTIES: &str = "sftpd.bind_port=3022\nsftpd.umask=0077\nsftpd.keys.0.private_key=a\n\
    sftpd.actions.execute_on=upload\ndata_provider.connectionstring=x\n";
const HCL: &str = "sftpd {\n  bind_port = 3022\n  UMASK = \"0077\"\n  keys {\n    private_key = \"a\"\n  }\n  \
    actions {\n    execute_on = [\"upload\"]\n  }\n}\n\
    data_provider {\n  connection_string = \"x\"\n}\n";
const ENVFILE: &str = "SFTPD__BIND_PORT=3022\nSFTPD__UMASK='0077'\nSFTPD__KEYS__0__PRIVATE_KEY=a\n\
    SFTPD__ACTIONS__EXECUTE_ON=upload\nDATA_PROVIDER__CONNECTION_STRING=x\n";

#[test]
fn the_same_configuration_in_every_format_gives_the_same_settings() {
    let wanted = loaded(&[("ferryd.json", JSON)], &[]);
    assert_eq!(wanted.sftpd.bind_port, 3022);
    assert_eq!(wanted.sftpd.umask, "0077");
    assert_eq!(wanted.sftpd.keys, [Key { private_key: "a".to_owned() }]);
    assert_eq!(wanted.data_provider.connection_string, "x");
    assert_eq!(loaded(&[("ferryd.toml", TOML)], &[]), wanted);
    assert_eq!(loaded(&[("ferryd.yaml", YAML)], &[]), wanted);
    assert_eq!(loaded(&[("sftpgo.yml", YAML)], &[]), wanted);
    assert_eq!(loaded(&[("ferryd.properties", PROPERTIES)], &[]), wanted);
    assert_eq!(loaded(&[("sftpgo.env", ENVFILE)], &[]), wanted);
    assert_eq!(loaded(&[("ferryd.hcl", HCL)], &[]), wanted);
}

#[test]
fn without_a_file_the_defaults_count_and_no_file_is_named() {
    let loaded = load_with(&[], &[]).unwrap();
    assert_eq!(loaded.settings, Settings::default());
    assert_eq!(loaded.file, None);
    assert!(loaded.warnings.is_empty());
}

#[test]
fn variables_set_every_key_also_without_a_file() {
    let settings = loaded(
        &[],
        &[
            ("SFTPGO_SFTPD__BIND_PORT", "1"),
            ("FERRYD_SFTPD__BIND_PORT", "4022"),
            ("SFTPGO_SFTPD__UMASK", "0027"),
            ("FERRYD_SFTPD__ENABLE_SCP", "1"),
            ("FERRYD_SFTPD__ACTIONS__EXECUTE_ON", "upload, download"),
            ("FERRYD_SFTPD__KEYS__1__PRIVATE_KEY", "b"),
            ("FERRYD_SFTPD__KEYS__0__PRIVATE_KEY", "a"),
        ],
    );
    assert_eq!(settings.sftpd.bind_port, 4022);
    assert_eq!(settings.sftpd.umask, "0027");
    assert!(settings.sftpd.enable_scp);
    assert_eq!(settings.sftpd.actions.execute_on, ["upload", "download"]);
    let keys: Vec<_> = settings.sftpd.keys.iter().map(|key| key.private_key.as_str()).collect();
    assert_eq!(keys, ["a", "b"]);
}

#[test]
fn an_empty_variable_counts_as_set() {
    let settings = loaded(
        &[("ferryd.json", JSON)],
        &[("FERRYD_SFTPD__UMASK", ""), ("FERRYD_SFTPD__ACTIONS__EXECUTE_ON", "")],
    );
    assert_eq!(settings.sftpd.umask, "");
    assert!(settings.sftpd.actions.execute_on.is_empty());
}

#[test]
fn an_unknown_key_is_named_with_its_nearest_like() {
    let text = r#"{"sftpd": {"bind_prot": 1}, "umask": "0"}"#;
    let variables = [("FERRYD_SFTPD__CIPHRES", "x"), ("FERRYD_CONFIG_DIR", ".")];
    let loaded = load_with(&[("ferryd.json", text)], &variables).unwrap();
    let warned = loaded.warnings.join("\n");
    assert!(warned.contains(r#""sftpd.bind_prot" is ignored; did you mean "sftpd.bind_port""#));
    assert!(warned.contains(r#""umask" is ignored; did you mean "sftpd.umask""#), "{warned}");
    assert!(warned.contains(r#"SFTPD__CIPHRES" is ignored; did you mean "sftpd.ciphers""#));
    assert_eq!(loaded.warnings.len(), 3);
}

#[test]
fn a_broken_file_ends_the_start_with_file_and_line() {
    for (name, text) in [
        ("ferryd.json", "{\n\"sftpd\": {\n\"bind_port\": ,\n"),
        ("ferryd.toml", "[sftpd]\n\nbind_port = = 3\n"),
        ("ferryd.yaml", "sftpd:\n  bind_port: 1\n  keys: [a\n"),
        ("ferryd.env", "SFTPD__BIND_PORT\n"),
    ] {
        let fault = load_with(&[(name, text)], &[]).unwrap_err();
        assert!(fault.public().contains(name), "{fault}");
        assert!(fault.public().contains("line "), "{fault}");
    }
    let fault = load_with(&[("ferryd.toml", "[sftpd]\n\nbind_port = = 3\n")], &[]).unwrap_err();
    assert!(fault.public().contains("line 3"), "{fault}");
}

#[test]
fn a_value_of_a_wrong_type_is_named_by_its_key() {
    for text in [
        r#"{"sftpd": {"bind_port": "many"}}"#,
        r#"{"sftpd": {"bind_port": 70000}}"#,
        r#"{"sftpd": {"bind_port": []}}"#,
        r#"{"sftpd": {"bind_port": -1}}"#,
    ] {
        let fault = load_with(&[("ferryd.json", text)], &[]).unwrap_err();
        assert!(fault.public().contains("sftpd.bind_port"), "{fault}");
    }
    let fault = load_with(&[], &[("FERRYD_SFTPD__BIND_PORT", "many")]).unwrap_err();
    assert!(fault.public().contains("FERRYD_SFTPD__BIND_PORT"), "{fault}");
}

#[test]
fn a_password_of_a_wrong_type_is_not_shown() {
    let text = r#"{"data_provider": {"password": ["hunter2"]}}"#;
    let fault = load_with(&[("ferryd.json", text)], &[]).unwrap_err();
    assert!(!fault.to_string().contains("hunter2"), "{fault}");
}

#[test]
fn the_home_directory_is_searched_after_the_config_dir() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join(".config/ferryd");
    std::fs::DirBuilder::new().recursive(true).create(&folder).unwrap();
    std::fs::DirBuilder::new().create(folder.join("empty")).unwrap();
    write(&folder.join("ferryd.toml"), "[sftpd]\nbind_port = 5022\n");
    let options =
        ConfigOptions { config_dir: folder.join("empty"), config_file: "ferryd".to_owned() };
    let loaded: Loaded<Settings> =
        load_from(&options, Some(dir.path()), std::iter::empty()).unwrap();
    assert_eq!(loaded.settings.sftpd.bind_port, 5022);
}

#[test]
fn a_path_as_file_name_is_refused() {
    let options = ConfigOptions { config_file: "../x".to_owned(), ..ConfigOptions::default() };
    let loaded: Result<Loaded<Settings>, _> = load_from(&options, None, std::iter::empty());
    assert!(loaded.unwrap_err().public().contains("--config-dir"));
}

#[test]
fn a_folder_that_does_not_exist_is_refused() {
    let config_dir = PathBuf::from("/nowhere/at/all");
    let options = ConfigOptions { config_dir, ..ConfigOptions::default() };
    let loaded: Result<Loaded<Settings>, _> = load_from(&options, None, std::iter::empty());
    assert!(loaded.unwrap_err().public().contains("/nowhere/at/all"));
}

#[test]
fn one_block_of_hcl_is_a_list_as_well_as_two() {
    let keys = |text: &str| loaded(&[("ferryd.hcl", text)], &[]).sftpd.keys.len();
    assert_eq!(keys("sftpd {\n  keys { private_key = \"a\" }\n}"), 1);
    let two = "keys { private_key = \"a\" }\n  keys { private_key = \"b\" }";
    assert_eq!(keys(&format!("sftpd {{\n  {two}\n}}")), 2);
    assert_eq!(keys("sftpd {\n  keys = [{ private_key = \"a\" }]\n}"), 1);
}

#[test]
fn broken_hcl_is_named_with_its_line_and_names_are_not_taken_for_texts() {
    let fault =
        |text: &str| load_with(&[("ferryd.hcl", text)], &[]).unwrap_err().public().to_owned();
    let text = fault("sftpd {\n  bind_port =\n}");
    assert!(text.contains("ferryd.hcl, line 2: "), "{text}");
    let text = fault("sftpd {\n  umask = relaxed\n}");
    assert!(text.contains("undefined variable `relaxed`"), "{text}");
}

#[test]
fn a_variable_that_is_nearly_ours_is_warned_about() {
    let directory = TempDir::new().unwrap();
    let options = ConfigOptions { config_dir: directory.path().to_owned(), ..Default::default() };
    let told = |name: &str| {
        let variables = [(name.into(), "1".into())];
        load_from::<Settings>(&options, None, variables.into_iter()).unwrap().warnings
    };
    for (name, meant) in [
        ("FERRYD_SFTPD_BIND_PORT", "\"FERRYD_SFTPD__BIND_PORT\""),
        ("SFTPGO_SFTPD_BIND_PORT", "\"SFTPGO_SFTPD__BIND_PORT\""),
        ("FERRYD_SFTPD_UMASKS", "\"FERRYD_SFTPD__UMASK\""),
        ("FERRYD_LOG_FILEPATH", "\"FERRYD_LOG_FILE_PATH\""),
        ("FERRYD_CONFIGDIR", "\"FERRYD_CONFIG_DIR\""),
    ] {
        let warnings = told(name);
        assert!(warnings.len() == 1 && warnings[0].contains(meant), "{name}: {warnings:?}");
    }
    for name in ["FERRYD_CONFIG_DIR", "FERRYD_SERVICE_HOST", "FERRYD_PORT_2022_TCP", "OTHER"] {
        assert!(told(name).is_empty(), "{name}");
    }
}

#[test]
fn a_number_that_is_too_large_is_told_with_its_range_and_file() {
    let directory = TempDir::new().unwrap();
    write(&directory.path().join("ferryd.json"), r#"{"sftpd":{"bind_port":70000}}"#);
    let options = ConfigOptions { config_dir: directory.path().to_owned(), ..Default::default() };
    let fault = load_from::<Settings>(&options, None, std::iter::empty()).unwrap_err();
    for told in ["ferryd.json", "sftpd.bind_port", "70000", "65535"] {
        assert!(fault.public().contains(told), "{fault}");
    }
}
