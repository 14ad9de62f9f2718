//! No circle of files inside a package: of two files, one at most may need the other, by whatever
//! way.
//!
//! A file uses another one when it imports or names by a path what is defined there, and it uses the
//! files of the modules that the path leads through. Names that are handed on (`pub use`) are
//! followed to the definition; handing on is itself a use only where the name occurs in the file once
//! more. These do not count: `mod` declarations, what is behind `#[cfg(test)]`, and what a module
//! uses of those it is a part of, since it is a piece of the same room.
//!
//! What it cannot see: methods, fields and associated items of values (of `session.kill()` only the
//! file that defines `Session` is seen, where it is named), traits that are used by their methods
//! alone through a `pub use`, paths that macros put together or that stand in strings, and a local
//! name that hides a module's.

mod modules;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use modules::{Crate, Use};

use super::packages;

/// Files that use one another, and by what.
struct Circle {
    files: BTreeSet<PathBuf>,
    uses: Vec<Use>,
}

/// Returns the circles of a crate.
fn circles(root: &Path) -> Vec<Circle> {
    let uses = Crate::read(root).uses();
    let mut graph: BTreeMap<&Path, BTreeSet<&Path>> = BTreeMap::new();
    for one in &uses {
        graph.entry(&one.user).or_default().insert(&one.owner);
        graph.entry(&one.owner).or_default();
    }
    let parts = Tarjan::default().components(&graph);
    let circles = parts.into_iter().filter(|part| part.len() > 1);
    circles
        .map(|part| Circle {
            uses: uses
                .iter()
                .filter(|one| {
                    part.contains(one.user.as_path()) && part.contains(one.owner.as_path())
                })
                .cloned()
                .collect(),
            files: part.into_iter().map(Path::to_owned).collect(),
        })
        .collect()
}

/// Tarjan's strongly connected components.
#[derive(Default)]
struct Tarjan<'a> {
    index: BTreeMap<&'a Path, usize>,
    low: BTreeMap<&'a Path, usize>,
    stack: Vec<&'a Path>,
    found: Vec<BTreeSet<&'a Path>>,
}

impl<'a> Tarjan<'a> {
    fn components(
        mut self,
        graph: &BTreeMap<&'a Path, BTreeSet<&'a Path>>,
    ) -> Vec<BTreeSet<&'a Path>> {
        for node in graph.keys() {
            if !self.index.contains_key(node) {
                self.visit(node, graph);
            }
        }
        self.found
    }

    fn visit(&mut self, node: &'a Path, graph: &BTreeMap<&'a Path, BTreeSet<&'a Path>>) {
        let number = self.index.len();
        self.index.insert(node, number);
        self.low.insert(node, number);
        self.stack.push(node);
        for next in &graph[node] {
            let low = match self.index.get(next) {
                None => {
                    self.visit(next, graph);
                    self.low[next]
                }
                Some(index) if self.stack.contains(next) => *index,
                Some(_) => continue,
            };
            self.low.entry(node).and_modify(|own| *own = low.min(*own));
        }
        if self.low[node] == number {
            let start = self.stack.iter().position(|on| *on == node).unwrap();
            self.found.push(self.stack.drain(start..).collect());
        }
    }
}

/// Tells the files of a circle, and who uses whom.
fn describe(circle: &Circle, base: &Path) -> String {
    let short = |path: &Path| path.strip_prefix(base).unwrap_or(path).display().to_string();
    let mut text = String::new();
    let files: Vec<_> = circle.files.iter().map(|file| short(file)).collect();
    writeln!(text, "circle of {} files: {}", files.len(), files.join(", ")).unwrap();
    let mut by: BTreeMap<(String, String), BTreeSet<&str>> = BTreeMap::new();
    for one in &circle.uses {
        by.entry((short(&one.user), short(&one.owner))).or_default().insert(&one.path);
    }
    for ((user, owner), paths) in by {
        let paths: Vec<_> = paths.into_iter().collect();
        writeln!(text, "  {user} uses {owner}: {}", paths.join(", ")).unwrap();
    }
    text
}

#[test]
fn no_files_of_a_package_use_one_another_in_a_circle() {
    let mut found = String::new();
    let mut roots = 0;
    for package in packages() {
        let base = package.manifest_path.parent().unwrap().as_std_path().to_owned();
        for target in package.targets.iter().filter(|target| !target.is_custom_build()) {
            roots += 1;
            for circle in circles(target.src_path.as_std_path()) {
                let text = describe(&circle, &base);
                write!(found, "{} ({}): {text}", package.name, target.name).unwrap();
            }
        }
    }
    assert!(found.is_empty(), "{found}");
    assert!(roots > 15, "only {roots} crates were looked at");
}

/// Writes the files of a crate; returns the circles in it, by the names of their files.
fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = directory.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let name = |file: &PathBuf| file.strip_prefix(directory.path()).unwrap().display().to_string();
    let names = |circle: Circle| circle.files.iter().map(name).collect::<Vec<_>>().join(" ");
    circles(&directory.path().join("lib.rs")).into_iter().map(names).collect()
}

#[test]
fn imports_and_inline_paths_make_a_circle() {
    let root = ("lib.rs", "mod a; mod b; mod c; mod d;");
    let found = circles_of(&[
        root,
        ("a.rs", "use crate::b::B; pub struct A(B);"),
        ("b.rs", "use super::{c::C as Other, d}; pub struct B(Other);"),
        ("c.rs", "pub struct C; fn f() -> C { Box::new(crate::a::A::new(1)) }"),
        ("d.rs", "use crate::a; fn g() { a::make() }"),
    ]);
    assert_eq!(found, ["a.rs b.rs c.rs d.rs"]);
}

#[test]
fn a_module_belongs_to_its_parents() {
    let parent = "mod child; pub struct P; fn f() { child::g() }";
    let child = ("a/child.rs", "use super::P; pub fn g() -> P { P }");
    assert!(circles_of(&[("lib.rs", "mod a;"), ("a.rs", parent), child]).is_empty());
    let root = ("lib.rs", "mod a; mod b;");
    let b = ("b.rs", "use crate::a::child; pub struct B; fn f() { child::g() }");
    let parent = "mod child; fn f(b: crate::b::B) {}";
    assert_eq!(circles_of(&[root, ("a.rs", parent), child, b]), ["a.rs b.rs"]);
}

#[test]
fn imports_that_are_handed_on_are_followed() {
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "mod inner; mod other; pub use inner::*; pub(crate) use other::O;"),
        ("a/inner.rs", "use super::O; pub struct I(O);"),
        ("a/other.rs", "pub struct O; fn f(b: crate::b::B) {}"),
        ("b.rs", "use crate::a::I; pub struct B(I);"),
    ]);
    assert_eq!(found, ["a/inner.rs a/other.rs b.rs"]);
}

#[test]
fn tests_make_no_circle() {
    let found = circles_of(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub struct A; #[cfg(test)] mod tests { use crate::b::B; fn f(b: B) {} }"),
        ("b.rs", "use crate::a::A; pub struct B(A);"),
    ]);
    assert!(found.is_empty(), "{found:?}");
}
