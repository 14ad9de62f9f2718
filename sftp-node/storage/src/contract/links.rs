//! Symbolic and hard links.

use bytes::Bytes;
use ferryd_domain::{FaultKind, VirtualPath};

use super::{Ground, MODES, NEW, kind};
use crate::{LinkTarget, Links, WriteHow, is_circle};

pub async fn links_inside_work(ground: &Ground) {
    if !ground.can(ground.storage.capabilities().symlinks, "links") {
        return;
    }
    ground.make_directory("/real").await;
    ground.put("/real/file", b"content").await;
    ground.make_link("/dir", "/real").await;
    ground.make_link("/real/again", "/dir").await;
    ground.make_link("/file", "/dir/again/file").await;
    assert_eq!(ground.get("/file").await.unwrap(), b"content");
    let resolved = ground.behind("/file").await;
    assert_eq!(resolved.path().to_text(), "/real/file");
    assert!(resolved.stat().await.unwrap().is_file());
    let resolved = ground.behind("/dir/again").await;
    assert_eq!(resolved.path().to_text(), "/real");
    assert!(resolved.stat().await.unwrap().is_directory());
    ground.make_link("/top", "/").await;
    assert!(ground.behind("/top").await.path().is_root());
    assert_eq!(ground.get("/top/top/file").await.unwrap(), b"content");
    assert_eq!(ground.names("/dir").await, ground.names("/real").await);
}

pub async fn a_link_is_seen_as_itself_when_kept(ground: &Ground) {
    if !ground.can(ground.storage.capabilities().symlinks, "links") {
        return;
    }
    ground.put("/file", b"content").await;
    ground.make_link("/link", "/file").await;
    let link = ground.at("/link").await;
    assert!(link.stat().await.unwrap().is_symlink());
    assert_eq!(link.read_link().await.unwrap().as_bytes(), b"/file");
    assert!(ground.at("/file").await.read_link().await.is_err());
    // Swapped in after the path was resolved, a link is not followed either.
    assert!(link.open_read().await.is_err());
    for mode in MODES {
        assert!(link.open_write(WriteHow { mode, ..NEW }).await.is_err(), "{mode:?}");
    }
    let mut listing = ground.at("/").await.list().await.unwrap();
    let entries = listing.next(10).await.unwrap();
    assert!(entries.iter().any(|(name, metadata)| name == b"link" && metadata.is_symlink()));
    link.rename(ground.at("/moved").await.as_ref()).await.unwrap();
    ground.at("/moved").await.remove_file().await.unwrap();
    assert_eq!(ground.get("/file").await.unwrap(), b"content");
}

pub async fn a_dangling_link_is_written_through(ground: &Ground) {
    if !ground.can(ground.storage.capabilities().symlinks, "links") {
        return;
    }
    ground.make_link("/link", "/target").await;
    assert_eq!(kind(ground.get("/link").await), FaultKind::NotFound);
    let resolved = ground.behind("/link").await;
    assert_eq!(resolved.path().to_text(), "/target");
    let file = resolved.open_write(NEW).await.unwrap();
    file.write_at(0, vec![Bytes::from_static(b"new")]).await.unwrap();
    file.finish().await.unwrap();
    assert_eq!(ground.get("/target").await.unwrap(), b"new");
    ground.make_link("/lost", "/none/target").await;
    assert_eq!(kind(ground.resolve(b"/lost", Links::Follow).await), FaultKind::NotFound);
}

pub async fn links_in_circles_fail(ground: &Ground) {
    if !ground.can(ground.storage.capabilities().symlinks, "links") {
        return;
    }
    ground.make_link("/a", "/b").await;
    ground.make_link("/b", "/a").await;
    ground.make_link("/self", "/self/x").await;
    for path in [b"/a".as_slice(), b"/self", b"/a/x"] {
        assert_eq!(kind(ground.resolve(path, Links::Follow).await), FaultKind::Failed);
    }
    assert!(is_circle(&ground.resolve(b"/a", Links::Follow).await.unwrap_err()));
    ground.make_link("/moved", "/moved").await;
    ground.at("/moved").await.rename(ground.at("/b").await.as_ref()).await.unwrap();
    assert!(ground.at("/a").await.stat().await.unwrap().is_symlink());
    ground.at("/a").await.remove_file().await.unwrap();
}

pub async fn a_link_never_replaces_a_name(ground: &Ground) {
    if !ground.can(ground.storage.capabilities().symlinks, "links") {
        return;
    }
    ground.put("/file", b"content").await;
    let target = LinkTarget::Absolute(VirtualPath::root());
    for path in ["/file", "/"] {
        let made = ground.at(path).await.make_symlink(&target).await;
        assert_eq!(kind(made), FaultKind::AlreadyExists, "{path}");
    }
    let other = ground.at("/other").await;
    ground.at("/file").await.make_hard_link(other.as_ref()).await.unwrap();
    let (one, two) = (ground.at("/file").await.stat().await, other.stat().await);
    assert_eq!(one.unwrap().file_id, two.unwrap().file_id);
    let again = ground.at("/file").await.make_hard_link(other.as_ref()).await;
    assert_eq!(kind(again), FaultKind::AlreadyExists);
    assert!(ground.at("/").await.make_hard_link(other.as_ref()).await.is_err());
}

pub async fn a_relative_link_is_kept_and_leads_from_where_it_is(ground: &Ground) {
    if !ground.can(ground.storage.capabilities().symlinks, "links") {
        return;
    }
    ground.make_directory("/a").await;
    ground.make_directory("/a/b").await;
    ground.put("/a/file", b"content").await;
    for (link, target) in [("/a/l", "file"), ("/a/b/l", "../file"), ("/a/b/m", "./..//file")] {
        ground.make_link(link, target).await;
        let read = ground.at(link).await.read_link().await.unwrap();
        assert_eq!(read.as_bytes(), target.as_bytes());
        assert_eq!(ground.get(link).await.unwrap(), b"content", "{link}");
        assert_eq!(ground.behind(link).await.path().to_text(), "/a/file");
    }
    ground.make_link("/way", "a/b").await;
    assert_eq!(ground.get("/way/l").await.unwrap(), b"content");
    ground.at("/a").await.rename(ground.at("/z").await.as_ref()).await.unwrap();
    assert_eq!(ground.get("/z/b/l").await.unwrap(), b"content", "it moves with what it leads to");
    assert_eq!(ground.at("/z/b/l").await.read_link().await.unwrap().as_bytes(), b"../file");
}

pub async fn no_link_is_made_that_leads_above_the_root(ground: &Ground) {
    if !ground.can(ground.storage.capabilities().symlinks, "links") {
        return;
    }
    ground.make_directory("/a").await;
    for (link, target) in [("/l", ".."), ("/a/l", "../../etc/passwd"), ("/l", "a/../../x")] {
        let target = LinkTarget::parse(target.as_bytes()).unwrap();
        assert_eq!(kind(ground.at(link).await.make_symlink(&target).await), FaultKind::Failed);
        assert_eq!(kind(ground.at(link).await.stat().await), FaultKind::NotFound);
    }
}
