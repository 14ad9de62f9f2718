//! What the programs are made of: licences, origins, packages that must not be there and packages
//! that are there in two versions. The rules are those of `.deny.toml`, for whoever has cargo-deny;
//! this test needs nothing but the metadata of cargo.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use cargo_metadata::{MetadataCommand, Package};
use ferryd_tests::binaries::workspace;
use toml::{Table, Value};

/// As the `graph` of the rules says; the other target has the same packages.
const TARGET: &str = "x86_64-unknown-linux-gnu";

fn rules() -> Table {
    std::fs::read_to_string(workspace().join(".deny.toml")).unwrap().parse().unwrap()
}

/// Returns the words of a list: strings, or tables that hold one under `key`.
fn list(rules: &Table, section: &str, name: &str, key: &str) -> BTreeSet<String> {
    let word = |entry: &Value| match entry {
        Value::Table(table) => table[key].as_str().unwrap().to_owned(),
        entry => entry.as_str().unwrap().to_owned(),
    };
    rules[section][name].as_array().unwrap().iter().map(word).collect()
}

/// Returns name and version of the packages that are compiled, with build and test dependencies.
/// The metadata alone name more: optional ones that no feature asks for.
fn compiled() -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .current_dir(workspace())
        .args(["tree", "--offline", "--locked", "--workspace", "--target", TARGET])
        .args(["--edges", "normal,build,dev", "--prefix", "none", "--format", "{p}"])
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).unwrap();
    let named = |line: &str| {
        let mut words = line.split(' ');
        let name = words.next()?;
        let version = words.next()?.strip_prefix('v')?;
        Some(format!("{name} {version}"))
    };
    text.lines().filter_map(named).collect()
}

fn packages() -> Vec<Package> {
    let mut command = MetadataCommand::new();
    command.current_dir(workspace());
    command
        .other_options(["--offline", "--locked", "--filter-platform", TARGET].map(str::to_owned));
    let compiled = compiled();
    let named = |package: &Package| format!("{} {}", package.name, package.version);
    let mut packages = command.exec().unwrap().packages;
    packages.retain(|package| compiled.contains(&named(package)));
    assert_eq!(packages.len(), compiled.len());
    packages
}

/// Tells whether an SPDX expression can be met with the allowed licences alone. Older packages
/// write `/` for `OR`.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let met = any(&mut rest, allowed);
    assert!(rest.is_empty(), "{expression} is no licence expression");
    met
}

fn any(rest: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut met = all(rest, allowed);
    while let ["OR", after @ ..] = rest {
        *rest = after;
        met |= all(rest, allowed);
    }
    met
}

fn all(rest: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut met = one(rest, allowed);
    while let ["AND", after @ ..] = rest {
        *rest = after;
        met &= one(rest, allowed);
    }
    met
}

fn one(rest: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    match *rest {
        ["(", after @ ..] => {
            *rest = after;
            let met = any(rest, allowed);
            *rest = rest.strip_prefix(&[")"]).expect("a closing bracket");
            met
        }
        [name, "WITH", exception, after @ ..] => {
            *rest = after;
            allowed.contains(&format!("{name} WITH {exception}"))
        }
        [name, after @ ..] => {
            *rest = after;
            allowed.contains(*name)
        }
        [] => panic!("a licence is missing"),
    }
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = BTreeSet::from(["MIT".to_owned(), "Apache-2.0 WITH LLVM-exception".to_owned()]);
    for met in [
        "MIT",
        "GPL-3.0 OR MIT",
        "GPL-3.0/MIT",
        "MIT AND (GPL-3.0 OR MIT)",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(is_met(met, &allowed), "{met}");
    }
    for unmet in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND ISC", "Apache-2.0"] {
        assert!(!is_met(unmet, &allowed), "{unmet}");
    }
}

#[test]
fn every_licence_is_an_allowed_one() {
    let allowed = list(&rules(), "licenses", "allow", "name");
    let packages = packages();
    assert!(packages.len() > 100, "{}", packages.len());
    for package in packages {
        let licence = package.license.as_deref().unwrap_or_default();
        assert!(is_met(licence, &allowed), "{} has licence {licence:?}", package.name);
    }
}

#[test]
fn every_package_comes_from_the_registry_or_this_tree() {
    for package in packages() {
        match &package.source {
            Some(source) => assert!(source.is_crates_io(), "{}: {source}", package.name),
            None => assert!(package.manifest_path.starts_with(workspace()), "{}", package.name),
        }
    }
}

#[test]
fn no_package_is_there_that_is_banned() {
    let banned = list(&rules(), "bans", "deny", "crate");
    assert!(!banned.is_empty());
    for package in packages() {
        assert!(!banned.contains(package.name.as_str()), "{} is banned", package.name);
    }
}

/// Both ways: a second version is named with its reason, and a name goes when its reason is gone.
#[test]
fn packages_in_two_versions_are_named() {
    let named = list(&rules(), "bans", "skip", "crate");
    let mut versions: BTreeMap<String, BTreeSet<_>> = BTreeMap::new();
    for package in packages() {
        versions.entry(package.name.to_string()).or_default().insert(package.version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    let found: BTreeSet<String> = versions.into_keys().collect();
    assert_eq!(found, named);
}
