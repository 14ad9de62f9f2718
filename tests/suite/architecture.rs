//! The rules of the tree: who may depend on whom, and that both topologies are tested alike.

mod circles;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use ferryd_tests::binaries::workspace;

/// The layers, lowest first. A package sees only packages of lower layers.
const LAYERS: [&[&str]; 8] = [
    // russh-cryptovec and russh-util stand below russh, which is not ours.
    &["ferryd-domain", "russh-cryptovec", "russh-util"],
    &["ferryd-control-plane", "ferryd-runtime"],
    &["ferryd-telemetry"],
    &["ferryd-config"],
    &["ferryd-proto", "ferryd-storage", "ferryd-data-provider", "ferryd-rest"],
    &["sftp-node", "control-api"],
    &["ferryd"],
    &["ferryd-tests"],
];

/// Crates that a package must not use: the other side's business.
const FOREIGN: [(&str, &[&str]); 6] = [
    ("ferryd-domain", &["tokio", "tonic", "sqlx", "axum", "russh", "reqwest"]),
    ("sftp-node", &["sqlx", "axum", "tonic", "prost"]),
    ("control-api", &["russh", "ferryd-storage", "tonic", "prost"]),
    ("ferryd-storage", &["russh", "sqlx", "axum", "tonic"]),
    ("ferryd-data-provider", &["russh", "axum", "tonic"]),
    ("ferryd", &["ferryd-proto", "tonic", "prost"]),
];

fn packages() -> Vec<Package> {
    let mut command = MetadataCommand::new();
    command.current_dir(workspace()).no_deps().other_options(["--offline".to_owned()]);
    command.exec().unwrap().packages
}

fn dependencies(package: &Package) -> impl Iterator<Item = &str> {
    let normal = |kind: &DependencyKind| *kind == DependencyKind::Normal;
    package.dependencies.iter().filter(move |d| normal(&d.kind)).map(|d| d.name.as_str())
}

#[test]
fn dependencies_point_to_lower_layers_only() {
    let layer_of: BTreeMap<&str, usize> = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(layer, names)| names.iter().map(move |name| (*name, layer)))
        .collect();
    for package in packages() {
        let name = package.name.as_str();
        let layer = *layer_of.get(name).unwrap_or_else(|| panic!("{name} has no layer"));
        for dependency in dependencies(&package) {
            if let Some(below) = layer_of.get(dependency) {
                assert!(*below < layer, "{name} must not depend on {dependency}");
            }
        }
    }
}

#[test]
fn no_package_minds_the_business_of_another() {
    for package in packages() {
        let name = package.name.as_str();
        let Some((_, foreign)) = FOREIGN.iter().find(|(known, _)| *known == name) else { continue };
        for dependency in dependencies(&package) {
            assert!(!foreign.contains(&dependency), "{name} must not use {dependency}");
        }
    }
}

#[test]
fn nothing_of_grpc_is_in_the_single_binary() {
    let tree = Command::new(env!("CARGO"))
        .current_dir(workspace())
        .args(["tree", "--offline", "--package", "ferryd", "--edges", "normal", "--prefix", "none"])
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).unwrap();
    let names: BTreeSet<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains("sftp-node") && names.contains("control-api"));
    assert!(!names.contains("ferryd-proto"), "{text}");
}

#[test]
fn no_clock_of_tests_is_in_a_program_that_is_shipped() {
    for program in ["ferryd", "sftp-node", "control-api"] {
        let tree = Command::new(env!("CARGO"))
            .current_dir(workspace())
            .args(["tree", "--offline", "--edges", "normal,features", "--prefix", "none"])
            .args(["--package", program])
            .output()
            .unwrap();
        let text = String::from_utf8(tree.stdout).unwrap();
        assert!(text.contains("tokio feature \"time\""), "{text}");
        for feature in ["tokio feature \"test-util\"", "feature \"testkit\""] {
            assert!(!text.contains(feature), "{program} has the {feature}");
        }
    }
}

/// `cargo test` runs this binary with its list as well, so a scenario that is only in one form
/// is noticed here.
#[test]
fn both_topologies_run_the_same_scenarios() {
    let list = Command::new(std::env::current_exe().unwrap()).arg("--list").output().unwrap();
    let text = String::from_utf8(list.stdout).unwrap();
    let scenarios = |form: &str| -> BTreeSet<String> {
        let part = format!("::{form}::");
        let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
        names.filter(|name| name.contains(&part)).map(|name| name.replace(&part, "::")).collect()
    };
    let (single, split) = (scenarios("single"), scenarios("split"));
    println!("scenarios: {} single, {} split", single.len(), split.len());
    assert_eq!(single, split);
    assert!(single.len() > 50, "{}", single.len());
    let count = |form: &str| text.lines().filter(|line| line.contains(form)).count();
    assert!(count("::split_only::") > 0 && count("::single_only::") > 0);
}
