//! The documents name files that exist: whoever moves one is told where it was named.

use std::path::Path;

use ferryd_tests::binaries::workspace;

const DOCUMENTS: [&str; 5] = [
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "README.md",
    "docs/configuration.md",
    "docs/decisions/README.md",
];

/// Returns what stands between `open` and `close`.
fn between<'a>(text: &'a str, open: &'a str, close: char) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).filter_map(move |rest| rest.split_once(close)).map(|(inner, _)| inner)
}

/// Code spans that name a file of the tree from its root.
fn paths(text: &str) -> Vec<&str> {
    let top =
        |path: &str| path.split_once('/').is_some_and(|(top, _)| workspace().join(top).is_dir());
    let spans = text.split('`').skip(1).step_by(2);
    spans
        .filter(|span| !span.starts_with('/') && !span.contains([' ', '\n', '*']) && top(span))
        .collect()
}

#[test]
fn every_file_that_a_document_names_is_there() {
    let mut named = 0;
    for document in DOCUMENTS {
        let file = workspace().join(document);
        let text = std::fs::read_to_string(&file).unwrap();
        // Blocks are examples.
        let prose: String = text.split("```").step_by(2).collect();
        for path in paths(&prose) {
            named += 1;
            assert!(workspace().join(path).exists(), "{document} names {path}");
        }
        let folder: &Path = file.parent().unwrap();
        for link in between(&prose, "](", ')').filter(|link| !link.contains("://")) {
            named += 1;
            assert!(folder.join(link).exists(), "{document} links to {link}");
        }
    }
    assert!(named > 50, "{named}");
}
