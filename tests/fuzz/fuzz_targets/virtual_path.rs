//! Any bytes as a client's path: what is accepted is absolute, clean and never above the root.
#![no_main]

use ferryd_domain::VirtualPath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (first, second) = input;
    let Ok(path) = VirtualPath::parse(first) else { return };
    check(&path);
    assert_eq!(VirtualPath::parse(path.as_bytes()).unwrap(), path, "clean paths stay");
    assert!(path.starts_with(&VirtualPath::root()));
    assert!(path.starts_with(&path.directory()));
    if let Ok(joined) = path.join(second) {
        check(&joined);
    }
});

fn check(path: &VirtualPath) {
    let bytes = path.as_bytes();
    assert!(bytes.starts_with(b"/"));
    assert!(!bytes.contains(&0));
    assert!(bytes == b"/" || !bytes.ends_with(b"/"));
    for component in path.components() {
        assert!(!component.is_empty() && component != b"." && component != b"..");
        assert!(!component.contains(&b'/'));
    }
}
