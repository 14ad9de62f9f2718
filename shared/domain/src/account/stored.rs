//! The JSON columns of a database that others wrote: older versions, scripts, hands. An old form that
//! can mean one thing only is read as that; anything else is a fault, never an empty value: a filter
//! that is lost lets more in.

mod fields;
mod unique;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::normalize::clean;
use crate::policy::LoginMethod;
use crate::{
    ExtensionFilter, Filters, GcsSettings, S3Settings, Secret, StorageProvider, StorageSettings,
    VirtualFolder, VirtualPath,
};
use fields::{Fields, number, text, texts};
use unique::value;

/// Why a stored value is not understood. Shows nothing of the value, which may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misread(pub &'static str);

/// Reads `permissions`: an object, or the plain list of before 0.9.5, which is for the root.
///
/// # Errors
/// `Misread` for anything else, and for two paths that mean the same directory.
pub fn permissions(column: &str) -> Result<BTreeMap<String, Vec<String>>, Misread> {
    match value(column)? {
        Value::Null => Ok(BTreeMap::new()),
        list @ (Value::Array(_) | Value::String(_)) => {
            Ok(BTreeMap::from([("/".to_owned(), texts(list)?)]))
        }
        Value::Object(directories) => {
            let read = |(path, names): (String, Value)| Ok((path, texts(names)?));
            let read: BTreeMap<_, _> =
                directories.into_iter().map(read).collect::<Result<_, _>>()?;
            distinct(read.keys().map(String::as_str))?;
            Ok(read)
        }
        Value::Bool(_) | Value::Number(_) => Err(Misread("neither an object nor a list")),
    }
}

/// Reads `filters`.
///
/// # Errors
/// `Misread` for anything that is no object of filters, also for one that holds an unknown filter.
pub fn filters(column: &str) -> Result<Filters, Misread> {
    let mut fields = Fields::of(value(column)?)?;
    let filters = Filters {
        allowed_ip: networks(fields.take("allowed_ip"))?,
        denied_ip: networks(fields.take("denied_ip"))?,
        denied_login_methods: login_methods(fields.take("denied_login_methods"))?,
        file_extensions: extension_filters(fields.take("file_extensions"))?,
    };
    fields.end()?;
    Ok(filters)
}

/// Reads `filesystem`.
///
/// # Errors
/// `Misread` for anything that is no object of settings: without them the account would be a local one.
pub fn filesystem(column: &str) -> Result<StorageSettings, Misread> {
    let mut fields = Fields::of(value(column)?)?;
    let provider = number(fields.take("provider"))?;
    Ok(StorageSettings {
        provider: StorageProvider::try_from(provider).map_err(|_| Misread("unknown provider"))?,
        s3config: s3(fields.take("s3config"))?,
        gcsconfig: gcs(fields.take("gcsconfig"))?,
    })
}

/// Reads `public_keys`. Text that is no JSON counts as no key; an entry that holds several lines of
/// an `authorized_keys` file holds as many keys.
///
/// # Errors
/// `Misread` for JSON that is neither a text nor a list of texts.
pub fn public_keys(column: &str) -> Result<Vec<String>, Misread> {
    let Ok(value) = value(column) else { return Ok(Vec::new()) };
    let entries = match value {
        Value::String(entry) => vec![entry],
        other => texts(other)?,
    };
    let lines = entries.iter().flat_map(|entry| entry.split(['\n', '\r']));
    let keys = lines.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(keys.map(str::to_owned).collect())
}

/// Reads `virtual_folders`. Text that is no JSON counts as no folder.
///
/// # Errors
/// `Misread` for JSON that is no list of folders.
pub fn virtual_folders(column: &str) -> Result<Vec<VirtualFolder>, Misread> {
    let Ok(value) = value(column) else { return Ok(Vec::new()) };
    let folder = |entry| {
        let mut fields = Fields::of(entry)?;
        Ok(VirtualFolder {
            virtual_path: text(fields.take("virtual_path"))?,
            mapped_path: text(fields.take("mapped_path"))?,
        })
    };
    fields::objects(value)?.into_iter().map(folder).collect()
}

/// An address without a length is a network of one address.
fn networks(value: Value) -> Result<Vec<String>, Misread> {
    texts(value)?.into_iter().map(network).collect()
}

fn network(entry: String) -> Result<String, Misread> {
    if entry.parse::<IpNet>().is_ok() {
        return Ok(entry);
    }
    let address: IpAddr = entry.trim().parse().map_err(|_| Misread("not a network"))?;
    Ok(IpNet::from(address).to_string())
}

fn login_methods(value: Value) -> Result<Vec<String>, Misread> {
    let methods = texts(value)?;
    match methods.iter().all(|name| LoginMethod::from_name(name).is_some()) {
        true => Ok(methods),
        false => Err(Misread("unknown login method")),
    }
}

fn extension_filters(value: Value) -> Result<Vec<ExtensionFilter>, Misread> {
    let filter = |entry| {
        let mut fields = Fields::of(entry)?;
        let filter = ExtensionFilter {
            path: text(fields.take("path"))?,
            allowed_extensions: texts(fields.take("allowed_extensions"))?,
            denied_extensions: texts(fields.take("denied_extensions"))?,
        };
        fields.end()?;
        Ok(filter)
    };
    let filters: Vec<ExtensionFilter> =
        fields::objects(value)?.into_iter().map(filter).collect::<Result<_, _>>()?;
    distinct(filters.iter().map(|filter| filter.path.as_str()))?;
    Ok(filters)
}

/// Checks that paths are paths and that no two of them mean the same directory: only one would count.
fn distinct<'a>(paths: impl Iterator<Item = &'a str>) -> Result<(), Misread> {
    let mut seen = std::collections::HashSet::new();
    for path in paths {
        VirtualPath::parse(path.as_bytes()).map_err(|_| Misread("not a path"))?;
        if !seen.insert(clean(path)) {
            return Err(Misread("a directory is named twice"));
        }
    }
    Ok(())
}

fn s3(value: Value) -> Result<S3Settings, Misread> {
    let mut fields = Fields::of(value)?;
    let mut text = |name| text(fields.take(name));
    Ok(S3Settings {
        bucket: text("bucket")?,
        key_prefix: text("key_prefix")?,
        region: text("region")?,
        access_key: text("access_key")?,
        access_secret: Secret::new(text("access_secret")?),
        endpoint: text("endpoint")?,
        storage_class: text("storage_class")?,
    })
}

fn gcs(value: Value) -> Result<GcsSettings, Misread> {
    let mut fields = Fields::of(value)?;
    Ok(GcsSettings {
        bucket: text(fields.take("bucket"))?,
        key_prefix: text(fields.take("key_prefix"))?,
        credentials: Secret::new(text(fields.take("credentials"))?),
        automatic_credentials: number(fields.take("automatic_credentials"))?,
        storage_class: text(fields.take("storage_class"))?,
    })
}

#[cfg(test)]
mod tests;
