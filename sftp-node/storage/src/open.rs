//! From the settings of an account to its storage. Called once per session, after login.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ferryd_domain::{
    Account, Fault, FaultKind, QuotaUsage, StorageProvider, VirtualFolder, VirtualPath,
};
use rustix::fs::{CWD, Mode};
use rustix::io::Errno;

use crate::local::{self, LocalOptions, LocalStorage, OPENS, Ownership, Root, WALKS};
use crate::mounts::{Mount, MountedStorage};
use crate::{Links, Storage};

/// How storages are opened on this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// Permission bits that new files and directories do not get.
    pub umask: u32,
}

/// Opens the storage of an account. Makes its home and the parents of its virtual folders when
/// they are missing.
///
/// # Errors
/// `InvalidInput` for a home that is not absolute, `Unsupported` for a provider that this node
/// does not serve, those of the operating system.
pub async fn open(account: &Account, options: &OpenOptions) -> Result<Arc<dyn Storage>, Fault> {
    match account.filesystem.provider {
        StorageProvider::Local => open_local(account, options).await,
        StorageProvider::S3 => Err(Fault::unsupported("S3 storage is not supported")),
        StorageProvider::Gcs => Err(Fault::unsupported("Google Cloud storage is not supported")),
    }
}

/// Counts what an account stores: regular files and their bytes below its home and its virtual
/// folders. Links are not followed, mapped directories that are missing count nothing.
///
/// Ends early when `goes_on` says no.
///
/// # Errors
/// As [`open`]; a missing home stores nothing. `Failed` when it was told to stop.
pub async fn count(
    account: &Account,
    goes_on: impl Fn() -> bool + Send + Sync + 'static,
) -> Result<QuotaUsage, Fault> {
    match account.filesystem.provider {
        StorageProvider::Local => {}
        StorageProvider::S3 | StorageProvider::Gcs => {
            return Err(Fault::unsupported("only local storage can be scanned"));
        }
    }
    let home = absolute(&account.home_dir)?.to_owned();
    let mapped = account.virtual_folders.iter().map(|folder| folder.mapped_path.clone());
    let goes_on = Arc::new(goes_on);
    let mut sum = QuotaUsage::default();
    for directory in std::iter::once(home).chain(mapped).map(PathBuf::from) {
        let (path, goes_on) = (directory.clone(), Arc::clone(&goes_on));
        let usage = WALKS.run(&directory, move || local::usage(&path, goes_on.as_ref())).await?;
        sum = sum.changed_by(usage.size, usage.files);
    }
    Ok(sum)
}

async fn open_local(account: &Account, options: &OpenOptions) -> Result<Arc<dyn Storage>, Fault> {
    let options = LocalOptions { umask: options.umask, owner: Ownership::of(account) };
    let directory = PathBuf::from(absolute(&account.home_dir)?);
    let home = match Root::open_at_once(&directory, options) {
        Some(root) => LocalStorage::new(root),
        None => {
            let path = directory.clone();
            OPENS.run(&directory, move || open_home(&path, options)).await?
        }
    };
    let mut mounts = Vec::with_capacity(account.virtual_folders.len());
    for folder in &account.virtual_folders {
        mounts.push(open_folder(folder, options).await?);
    }
    let home: Arc<dyn Storage> = Arc::new(home);
    if mounts.is_empty() {
        return Ok(home);
    }
    for mount in &mounts {
        make_parents(home.as_ref(), mount.path()).await;
    }
    Ok(Arc::new(MountedStorage::new(home, mounts)))
}

fn absolute(directory: &str) -> Result<&str, Fault> {
    if directory.starts_with('/') && !directory.contains('\0') {
        Ok(directory)
    } else {
        Err(Fault::invalid("home_dir must be an absolute path"))
    }
}

fn open_home(home: &Path, options: LocalOptions) -> Result<LocalStorage, Fault> {
    let root = match Root::open(home, options) {
        Err(fault) if fault.kind() == FaultKind::NotFound => {
            make_home(home, options)?;
            Root::open(home, options)?
        }
        opened => opened?,
    };
    Ok(LocalStorage::new(root))
}

/// Makes a home with its parents; the home alone belongs to the account.
fn make_home(home: &Path, options: LocalOptions) -> Result<(), Fault> {
    let mode = Mode::from_raw_mode(0o777 & !options.umask);
    let missing: Vec<&Path> = home.ancestors().collect();
    for directory in missing.into_iter().rev() {
        match rustix::fs::mkdirat(CWD, directory, mode) {
            Ok(()) => {}
            Err(Errno::EXIST | Errno::ISDIR) => continue,
            // Whether it matters shows at the next level: a parent may be there and closed to us.
            Err(Errno::ACCESS | Errno::ROFS) if directory != home => continue,
            Err(errno) => {
                return Err(Fault::failed("home directory cannot be made").because(errno));
            }
        }
        if directory == home {
            local::give_directory(home, options)?;
        }
    }
    Ok(())
}

/// Opens a mapped directory; one that is missing is shown and cannot be entered.
async fn open_folder(folder: &VirtualFolder, options: LocalOptions) -> Result<Mount, Fault> {
    let path = VirtualPath::parse(folder.virtual_path.as_bytes())?;
    let mapped = PathBuf::from(&folder.mapped_path);
    if path.is_root() || !mapped.is_absolute() {
        return Err(Fault::invalid("virtual folder must have absolute paths below /"));
    }
    let opened = match Root::open_at_once(&mapped, options) {
        Some(root) => Ok(root),
        None => {
            let directory = mapped.clone();
            OPENS.run(&directory, move || Root::open(&mapped, options)).await
        }
    };
    let storage = match opened {
        Ok(root) => Some(Arc::new(LocalStorage::new(root)) as Arc<dyn Storage>),
        Err(error) => {
            tracing::warn!(%error, folder = %path, "a virtual folder cannot be opened");
            None
        }
    };
    Ok(Mount::new(path, storage))
}

/// Makes what is missing between the home and a virtual folder. Without it the folder is only
/// harder to find, so failures are logged.
async fn make_parents(home: &dyn Storage, folder: &VirtualPath) {
    let mut path = VirtualPath::root();
    let directory = folder.directory();
    for name in directory.components() {
        path = path.child(name);
        let made = match home.resolve(&path, Links::Follow).await {
            Ok(resolved) => resolved.make_directory(0o777).await,
            Err(error) => Err(error),
        };
        match made {
            Ok(()) => {}
            Err(error) if error.kind() == FaultKind::AlreadyExists => {}
            Err(error) => {
                tracing::warn!(%error, %folder, "parents of a virtual folder cannot be made");
                return;
            }
        }
    }
}
