//! What every storage must do, as tests: `storage_contract!(open)` makes one test per case, where
//! `open` is an async function that returns a value to keep alive and an empty storage. Cases that
//! a storage cannot do by its capabilities say so and pass.
#![allow(
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "test code; the names of the cases are their description"
)]

pub mod attributes;
pub mod files;
pub mod links;
pub mod names;
pub mod uploads;

use std::sync::Arc;

use bytes::Bytes;
use ferryd_domain::{Fault, FaultKind, VirtualPath};

use crate::{LinkTarget, Links, ResolvedPath, Storage, WriteHandle, WriteHow, WriteMode};

/// Makes one test per case of the contract.
#[macro_export]
macro_rules! storage_contract {
    ($open:path) => {
        $crate::storage_contract!(@ $open; files:
            what_is_written_is_read
            slices_may_come_in_any_order_and_leave_holes
            reading_stops_at_the_end_of_the_file
            only_regular_files_are_opened
            a_missing_file_is_only_made_on_request
            an_exclusive_open_refuses_an_existing_file
            a_file_open_for_both_is_read_while_it_is_written
            long_reads_are_whole
            parts_are_copied_between_open_files
            a_copy_takes_what_is_written_so_far);
        $crate::storage_contract!(@ $open; uploads:
            old_bytes_stay_without_truncation
            an_atomic_upload_shows_nothing_before_its_end
            a_broken_atomic_upload_leaves_the_old_file
            a_broken_upload_can_keep_its_part
            a_dropped_upload_is_a_broken_one
            appenders_lose_nothing_of_each_other
            an_appender_makes_a_missing_file_as_its_mode_says
            an_upload_ends_once
            temporary_files_never_stay);
        $crate::storage_contract!(@ $open; names:
            directories_are_made_and_removed
            the_root_cannot_be_changed
            parents_must_be_directories
            a_rename_replaces_files_and_never_directories
            a_directory_is_renamed_with_its_entries
            names_are_any_bytes
            a_listing_shows_every_entry_once
            a_place_is_where_it_was_found);
        $crate::storage_contract!(@ $open; links:
            links_inside_work
            a_link_is_seen_as_itself_when_kept
            a_dangling_link_is_written_through
            links_in_circles_fail
            a_link_never_replaces_a_name
            a_relative_link_is_kept_and_leads_from_where_it_is
            no_link_is_made_that_leads_above_the_root);
        $crate::storage_contract!(@ $open; attributes:
            only_permission_bits_are_set
            one_time_alone_leaves_the_other
            times_set_on_an_upload_survive_its_end
            the_size_can_be_set
            attributes_of_a_missing_file_are_not_found);
    };
    (@ $open:path; $group:ident: $($case:ident)+) => {
        mod $group {
            use super::*;
            $(
                #[tokio::test]
                async fn $case() {
                    let (_keep, storage) = $open().await;
                    $crate::contract::$group::$case(&$crate::contract::Ground::new(storage)).await;
                }
            )+
        }
    };
}

/// A storage under test, with short ways to the usual operations.
#[derive(Debug)]
pub struct Ground {
    pub storage: Arc<dyn Storage>,
}

/// An upload that starts from nothing.
pub const NEW: WriteHow = WriteHow {
    mode: WriteMode::Direct,
    read: false,
    create: true,
    truncate: true,
    exclusive: false,
    append: false,
    permissions: 0o666,
};

/// All modes of uploads.
pub const MODES: [WriteMode; 3] = [WriteMode::Direct, WriteMode::Atomic, WriteMode::AtomicKeepPart];

impl Ground {
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage }
    }

    pub async fn resolve(&self, raw: &[u8], links: Links) -> Result<Arc<dyn ResolvedPath>, Fault> {
        self.storage.resolve(&VirtualPath::parse(raw)?, links).await
    }

    /// Returns the resolved path itself.
    pub async fn at(&self, path: &str) -> Arc<dyn ResolvedPath> {
        self.resolve(path.as_bytes(), Links::Keep).await.unwrap()
    }

    /// Returns the resolved path after links.
    pub async fn behind(&self, path: &str) -> Arc<dyn ResolvedPath> {
        self.resolve(path.as_bytes(), Links::Follow).await.unwrap()
    }

    pub async fn open(&self, path: &str, how: WriteHow) -> Result<Box<dyn WriteHandle>, Fault> {
        self.resolve(path.as_bytes(), Links::Follow).await?.open_write(how).await
    }

    pub async fn put(&self, path: &str, data: &'static [u8]) {
        let file = self.open(path, NEW).await.unwrap();
        file.write_at(0, vec![Bytes::from_static(data)]).await.unwrap();
        file.finish().await.unwrap();
    }

    pub async fn get(&self, path: &str) -> Result<Vec<u8>, Fault> {
        let resolved = self.resolve(path.as_bytes(), Links::Follow).await?;
        resolved.open_read().await?.read_at(0, 1 << 20, Vec::new()).await
    }

    pub async fn make_directory(&self, path: &str) {
        self.at(path).await.make_directory(0o777).await.unwrap();
    }

    pub async fn make_link(&self, path: &str, target: &str) {
        let target = LinkTarget::parse(target.as_bytes()).unwrap();
        self.at(path).await.make_symlink(&target).await.unwrap();
    }

    /// Returns the sorted names in a directory.
    pub async fn names(&self, path: &str) -> Vec<Vec<u8>> {
        let mut listing = self.behind(path).await.list().await.unwrap();
        let mut names = Vec::new();
        loop {
            let batch = listing.next(7).await.unwrap();
            if batch.is_empty() {
                names.sort();
                return names;
            }
            assert!(batch.len() <= 7);
            names.extend(batch.into_iter().map(|(name, _)| name));
        }
    }

    /// Tells whether the case can run, and says so when not.
    pub fn can(&self, capability: bool, what: &str) -> bool {
        if !capability {
            eprintln!("skipped: this storage has no {what}");
        }
        capability
    }
}

/// Returns the kind of an error; a success is a failed test.
#[track_caller]
pub fn kind<T>(result: Result<T, Fault>) -> FaultKind {
    match result {
        Ok(_) => panic!("this must fail"),
        Err(fault) => fault.kind(),
    }
}

/// Returns an empty local storage in a directory that is removed with the first value.
pub async fn temporary_storage() -> (tempfile::TempDir, Arc<dyn Storage>) {
    let directory = tempfile::tempdir().unwrap();
    let root = crate::local::Root::open(directory.path(), Default::default()).unwrap();
    (directory, Arc::new(crate::local::LocalStorage::new(root)))
}
