//! Where an account's files live: local disk, S3 or GCS. The seed's `filesystem` object.

use serde::{Deserialize, Serialize};

use crate::json::{null_as_default, object_or_default};

/// Kind of storage, by the number used in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "i32", try_from = "i32")]
pub enum StorageProvider {
    /// Local file system (0).
    #[default]
    Local,
    /// S3 compatible object store (1).
    S3,
    /// Google Cloud Storage (2).
    Gcs,
}

impl From<StorageProvider> for i32 {
    fn from(provider: StorageProvider) -> Self {
        match provider {
            StorageProvider::Local => 0,
            StorageProvider::S3 => 1,
            StorageProvider::Gcs => 2,
        }
    }
}

impl TryFrom<i32> for StorageProvider {
    type Error = String;

    fn try_from(number: i32) -> Result<Self, String> {
        match number {
            0 => Ok(Self::Local),
            1 => Ok(Self::S3),
            2 => Ok(Self::Gcs),
            other => Err(format!("invalid filesystem provider {other}")),
        }
    }
}

/// The `filesystem` object of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StorageSettings {
    /// Which of the three is used.
    #[serde(deserialize_with = "null_as_default")]
    pub provider: StorageProvider,
    /// Used with [`StorageProvider::S3`].
    #[serde(deserialize_with = "object_or_default")]
    pub s3config: S3Settings,
    /// Used with [`StorageProvider::Gcs`].
    #[serde(deserialize_with = "object_or_default")]
    pub gcsconfig: GcsSettings,
}

/// Settings of an S3 account. Empty members are left out of JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct S3Settings {
    /// Bucket, mandatory.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_as_default")]
    pub bucket: String,
    /// `a/b/`: the part of the bucket that the account sees.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_as_default")]
    pub key_prefix: String,
    /// Region, mandatory.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_as_default")]
    pub region: String,
    /// Access key; empty: the credential chain of the SDK.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_as_default")]
    pub access_key: String,
    /// Secret, stored encrypted.
    #[serde(skip_serializing_if = "is_blank", deserialize_with = "null_as_default")]
    pub access_secret: crate::Secret<String>,
    /// Endpoint of a store that is not AWS.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_as_default")]
    pub endpoint: String,
    /// Storage class of new objects.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_as_default")]
    pub storage_class: String,
}

/// Settings of a GCS account. Empty members are left out of JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GcsSettings {
    /// Bucket, mandatory.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_as_default")]
    pub bucket: String,
    /// `a/b/`: the part of the bucket that the account sees.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_as_default")]
    pub key_prefix: String,
    /// Base64 of the credentials file; write only.
    #[serde(skip_serializing_if = "is_blank", deserialize_with = "null_as_default")]
    pub credentials: crate::Secret<String>,
    /// 1: application default credentials.
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "null_as_default")]
    pub automatic_credentials: i32,
    /// Storage class of new objects.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_as_default")]
    pub storage_class: String,
}

fn is_blank(secret: &crate::Secret<String>) -> bool {
    secret.expose().is_empty()
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde wants")]
fn is_zero(number: &i32) -> bool {
    *number == 0
}
