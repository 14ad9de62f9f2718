//! Queries of backup (`/backup`, `/dumpdata`) and restore (`/restore`, `/loaddata`).

use serde::{Deserialize, Serialize};

/// The query of a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpQuery {
    /// Relative to the folder of backups.
    pub output_file: String,
    /// 1: with line breaks.
    pub indent: u8,
}

/// What is done with users that exist already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum LoadMode {
    /// They are replaced (0).
    #[default]
    Replace,
    /// They are left alone (1).
    KeepExisting,
}

/// Whose files are counted after a restore.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum ScanAfterLoad {
    /// Nobody's (0).
    #[default]
    Never,
    /// Everybody's (1).
    Always,
    /// Those with limits (2).
    WithLimits,
}

/// The query of a restore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadQuery {
    /// Absolute, or relative to the folder of backups.
    pub input_file: String,
    /// Whose files to count afterwards.
    pub scan_quota: ScanAfterLoad,
    /// What to do with users that exist.
    pub mode: LoadMode,
}

impl From<LoadMode> for u8 {
    fn from(mode: LoadMode) -> Self {
        match mode {
            LoadMode::Replace => 0,
            LoadMode::KeepExisting => 1,
        }
    }
}

impl TryFrom<u8> for LoadMode {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        match number {
            0 => Ok(Self::Replace),
            1 => Ok(Self::KeepExisting),
            other => Err(format!("invalid mode {other}")),
        }
    }
}

impl From<ScanAfterLoad> for u8 {
    fn from(scan: ScanAfterLoad) -> Self {
        match scan {
            ScanAfterLoad::Never => 0,
            ScanAfterLoad::Always => 1,
            ScanAfterLoad::WithLimits => 2,
        }
    }
}

impl TryFrom<u8> for ScanAfterLoad {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        match number {
            0 => Ok(Self::Never),
            1 => Ok(Self::Always),
            2 => Ok(Self::WithLimits),
            other => Err(format!("invalid scan_quota {other}")),
        }
    }
}
