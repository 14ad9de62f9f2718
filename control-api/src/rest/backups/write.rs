//! Writes a dump page by page, beside the file that it then replaces.

use std::path::{Path, PathBuf};

use ferryd_domain::{Account, Fault};
use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};

use crate::accounts::Accounts;

/// How the JSON is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// In one line.
    Compact,
    /// With two spaces a level.
    Indented,
}

impl TryFrom<u8> for Layout {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        match number {
            0 => Ok(Self::Compact),
            1 => Ok(Self::Indented),
            other => Err(format!("invalid indent {other}")),
        }
    }
}

/// Writes every account to a file, secrets included.
///
/// # Errors
/// `Failed` when the file cannot be written, `Unavailable`; then an older file is as it was.
pub(super) async fn dump(accounts: &Accounts, file: &Path, layout: Layout) -> Result<(), Fault> {
    let beside = beside(file)?;
    let done = write(accounts, &beside, file, layout).await;
    if done.is_err() {
        let _ = tokio::fs::remove_file(&beside).await;
    }
    done
}

fn beside(file: &Path) -> Result<PathBuf, Fault> {
    let folder = file.parent().ok_or_else(|| Fault::invalid("invalid output_file"))?;
    Ok(folder.join(format!(".dump-{}.tmp", uuid::Uuid::new_v4().simple())))
}

async fn write(
    accounts: &Accounts,
    beside: &Path,
    file: &Path,
    layout: Layout,
) -> Result<(), Fault> {
    let failed = |error| Fault::failed("the output file cannot be written").because(error);
    let mut output = create(beside).await.map_err(failed)?;
    users(accounts, &mut output, layout).await?;
    output.flush().await.map_err(failed)?;
    output.get_ref().sync_all().await.map_err(failed)?;
    tokio::fs::rename(beside, file).await.map_err(failed)
}

async fn create(file: &Path) -> std::io::Result<BufWriter<File>> {
    if let Some(folder) = file.parent() {
        tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).await?;
    }
    let mut options = tokio::fs::OpenOptions::new();
    Ok(BufWriter::new(options.write(true).create_new(true).mode(0o600).open(file).await?))
}

async fn users(
    accounts: &Accounts,
    output: &mut BufWriter<File>,
    layout: Layout,
) -> Result<(), Fault> {
    let failed = |error| Fault::failed("the output file cannot be written").because(error);
    let (open, between, close) = match layout {
        Layout::Compact => ("{\"users\":[", ",", "]}"),
        Layout::Indented => ("{\n  \"users\": [\n    ", ",\n    ", "\n  ]\n}\n"),
    };
    output.write_all(open.as_bytes()).await.map_err(failed)?;
    let mut backup = accounts.backup().await;
    let mut separator = "";
    loop {
        let page = backup.next_users().await?;
        if page.is_empty() {
            break;
        }
        for account in &page {
            output.write_all(separator.as_bytes()).await.map_err(failed)?;
            output.write_all(&json(account, layout)?).await.map_err(failed)?;
            separator = between;
        }
    }
    output.write_all(close.as_bytes()).await.map_err(failed)
}

fn json(account: &Account, layout: Layout) -> Result<Vec<u8>, Fault> {
    let failed = |error| Fault::internal("write JSON").because(error);
    match layout {
        Layout::Compact => serde_json::to_vec(account).map_err(failed),
        Layout::Indented => {
            let mut text = Vec::new();
            let pretty = PrettyFormatter::with_indent(b"  ");
            let mut writer = serde_json::Serializer::with_formatter(&mut text, pretty);
            account.serialize(&mut writer).map_err(failed)?;
            Ok(indented(&text))
        }
    }
}

/// Moves all lines but the first to where users stand in the dump. JSON has no other line breaks.
fn indented(text: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    lines.join(b"\n    ".as_slice())
}
