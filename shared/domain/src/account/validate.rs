//! The rules that an account must keep before it is stored. Each message names the field.

use base64::Engine;
use ipnet::IpNet;

use super::normalize::clean;
use super::public_key::PublicKeyLine;
use crate::permission::{ANY, Permission};
use crate::policy::login::LoginMethod;
use crate::{Account, Fault, StorageProvider, Username, VirtualPath};

/// The most permissions in one list: every one of them and `*`.
const MAX_PERMISSIONS: usize = 12;

/// Checks an account before [`normalize`](super::normalize::normalize).
///
/// # Errors
/// `InvalidInput` whose text names the field and the offending value.
pub fn validate(account: &Account) -> Result<(), Fault> {
    Username::parse(account.username.as_str())?;
    if let Some(field) = account.unreadable.first() {
        return Err(Fault::invalid(format!(
            "unreadable: the stored {field:?} is not understood; give it anew and leave \
             \"unreadable\" out"
        )));
    }
    if account.home_dir.is_empty() {
        return Err(Fault::invalid("home_dir is mandatory"));
    }
    if account.password.expose().is_empty() && account.public_keys.is_empty() {
        return Err(Fault::invalid("please set a password or at least a public_key"));
    }
    if !is_absolute(&account.home_dir) {
        return Err(Fault::invalid("home_dir must be an absolute path"));
    }
    if account.status != 0 && account.status != super::ACTIVE {
        return Err(Fault::invalid(format!("invalid user status: {}", account.status)));
    }
    permissions(account)?;
    public_keys(account)?;
    addresses("allowed_ip", &account.filters.allowed_ip)?;
    addresses("denied_ip", &account.filters.denied_ip)?;
    login_methods(&account.filters.denied_login_methods)?;
    file_extensions(account)?;
    storage(account)?;
    virtual_folders(account)
}

fn is_absolute(path: &str) -> bool {
    path.starts_with('/') && !path.contains('\0')
}

fn permissions(account: &Account) -> Result<(), Fault> {
    if account.permissions.is_empty() {
        return Err(Fault::invalid("permissions are mandatory"));
    }
    if account.permissions.get("/").is_none_or(Vec::is_empty) {
        return Err(Fault::invalid("permissions for the root dir \"/\" must be set"));
    }
    for (path, names) in &account.permissions {
        permission_path(path)?;
        if names.len() > MAX_PERMISSIONS {
            return Err(Fault::invalid(format!("permissions for {path:?} are too many")));
        }
        if let Some(unknown) =
            names.iter().find(|name| *name != ANY && Permission::from_name(name).is_none())
        {
            return Err(Fault::invalid(format!("permissions: unknown permission {unknown:?}")));
        }
    }
    Ok(())
}

fn permission_path(path: &str) -> Result<(), Fault> {
    if !is_absolute(path) {
        return Err(Fault::invalid(format!("permissions: path {path:?} is not absolute")));
    }
    if path != "/" && clean(path) == "/" {
        return Err(Fault::invalid(format!("permissions: path {path:?} means the root dir")));
    }
    Ok(())
}

/// Checks that the options of new keys can be obeyed. Lines that are `stored` already do not keep
/// the account from being changed; logins look at them again.
///
/// # Errors
/// `InvalidInput` with the option and what to do.
pub fn new_key_options(account: &Account, stored: &[String]) -> Result<(), Fault> {
    for (index, line) in account.public_keys.iter().enumerate() {
        if stored.contains(line) {
            continue;
        }
        if let Some(objection) = PublicKeyLine::parse(line)?.options.objection() {
            return Err(Fault::invalid(format!("public_keys: key nr. {index}: {objection}")));
        }
    }
    Ok(())
}

fn public_keys(account: &Account) -> Result<(), Fault> {
    for (index, line) in account.public_keys.iter().enumerate() {
        PublicKeyLine::parse(line).map_err(|fault| {
            Fault::invalid(format!(
                "public_keys: could not parse key nr. {index}: {}",
                fault.public()
            ))
        })?;
    }
    Ok(())
}

fn addresses(field: &str, networks: &[String]) -> Result<(), Fault> {
    match networks.iter().find(|network| network.parse::<IpNet>().is_err()) {
        Some(bad) => Err(Fault::invalid(format!("{field}: {bad:?} is not in CIDR notation"))),
        None => Ok(()),
    }
}

fn login_methods(denied: &[String]) -> Result<(), Fault> {
    if let Some(unknown) = denied.iter().find(|name| LoginMethod::from_name(name).is_none()) {
        return Err(Fault::invalid(format!("denied_login_methods: unknown method {unknown:?}")));
    }
    if LoginMethod::ALL.iter().all(|method| denied.iter().any(|name| name == method.name())) {
        return Err(Fault::invalid("denied_login_methods: not every method can be denied"));
    }
    Ok(())
}

fn file_extensions(account: &Account) -> Result<(), Fault> {
    let mut seen: Vec<String> = Vec::new();
    for filter in &account.filters.file_extensions {
        if !is_absolute(&filter.path) {
            return Err(Fault::invalid(format!(
                "file_extensions: path {:?} is not absolute",
                filter.path
            )));
        }
        if filter.allowed_extensions.is_empty() && filter.denied_extensions.is_empty() {
            return Err(Fault::invalid(format!(
                "file_extensions: no extension for {:?}",
                filter.path
            )));
        }
        let path = clean(&filter.path);
        if seen.contains(&path) {
            return Err(Fault::invalid(format!("file_extensions: path {path:?} is given twice")));
        }
        seen.push(path);
    }
    Ok(())
}

fn storage(account: &Account) -> Result<(), Fault> {
    match account.filesystem.provider {
        StorageProvider::Local => Ok(()),
        StorageProvider::S3 => s3(account),
        StorageProvider::Gcs => gcs(account),
    }
}

fn s3(account: &Account) -> Result<(), Fault> {
    let settings = &account.filesystem.s3config;
    if settings.bucket.is_empty() {
        return Err(Fault::invalid("s3config: bucket is mandatory"));
    }
    if settings.region.is_empty() {
        return Err(Fault::invalid("s3config: region is mandatory"));
    }
    if settings.access_key.is_empty() != settings.access_secret.expose().is_empty() {
        return Err(Fault::invalid("s3config: access_key and access_secret must be set together"));
    }
    key_prefix("s3config", &settings.key_prefix)
}

fn gcs(account: &Account) -> Result<(), Fault> {
    let settings = &account.filesystem.gcsconfig;
    if settings.bucket.is_empty() {
        return Err(Fault::invalid("gcsconfig: bucket is mandatory"));
    }
    key_prefix("gcsconfig", &settings.key_prefix)?;
    let credentials = settings.credentials.expose();
    if credentials.is_empty() && settings.automatic_credentials == 0 {
        return Err(Fault::invalid("gcsconfig: credentials are mandatory"));
    }
    base64::engine::general_purpose::STANDARD
        .decode(credentials)
        .map(|_| ())
        .map_err(|_| Fault::invalid("gcsconfig: credentials are not base64"))
}

fn key_prefix(section: &str, prefix: &str) -> Result<(), Fault> {
    if prefix.starts_with('/') {
        return Err(Fault::invalid(format!("{section}: key_prefix cannot start with /")));
    }
    Ok(())
}

fn virtual_folders(account: &Account) -> Result<(), Fault> {
    if account.filesystem.provider != StorageProvider::Local {
        return Ok(());
    }
    let home = parsed("home_dir", &account.home_dir)?;
    let mut seen: Vec<(VirtualPath, VirtualPath)> = Vec::new();
    for folder in &account.virtual_folders {
        let shown = parsed("virtual_path", &folder.virtual_path)?;
        let mapped = parsed("mapped_path", &folder.mapped_path)?;
        if shown.is_root() {
            return Err(Fault::invalid("virtual_folders: virtual_path cannot be /"));
        }
        if overlap(&mapped, &home) {
            return Err(Fault::invalid(format!(
                "virtual_folders: mapped_path {mapped} overlaps home_dir"
            )));
        }
        if let Some((other, _)) =
            seen.iter().find(|(s, m)| overlap(s, &shown) || overlap(m, &mapped))
        {
            return Err(Fault::invalid(format!("virtual_folders: {shown} overlaps {other}")));
        }
        seen.push((shown, mapped));
    }
    Ok(())
}

fn parsed(field: &str, path: &str) -> Result<VirtualPath, Fault> {
    if !is_absolute(path) {
        return Err(Fault::invalid(format!("{field}: {path:?} is not an absolute path")));
    }
    VirtualPath::parse(path.as_bytes())
        .map_err(|fault| Fault::invalid(format!("{field}: {}", fault.public())))
}

fn overlap(one: &VirtualPath, other: &VirtualPath) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

#[cfg(test)]
mod tests;
