//! Leaves the commit and the date of the build for the version text. Starts no program and needs
//! no network; without a git directory the commit is unknown.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

fn main() {
    let git = Path::new("../../.git");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    for file in [git.join("HEAD")].into_iter().chain(branch_file(git)) {
        if file.exists() {
            println!("cargo::rerun-if-changed={}", file.display());
        }
    }
    println!("cargo::rustc-env=FERRYD_COMMIT={}", commit(git).unwrap_or("unknown".to_owned()));
    println!("cargo::rustc-env=FERRYD_BUILD_DATE={}", date(build_time()));
}

#[expect(clippy::disallowed_methods, reason = "reads the git directory of the sources")]
fn text(file: &Path) -> Option<String> {
    std::fs::read_to_string(file).ok()
}

fn branch_file(git: &Path) -> Option<PathBuf> {
    let head = text(&git.join("HEAD"))?;
    Some(git.join(head.trim().strip_prefix("ref: ")?))
}

fn commit(git: &Path) -> Option<String> {
    let head = text(&git.join("HEAD"))?;
    let Some(branch) = head.trim().strip_prefix("ref: ") else {
        return short(head.trim());
    };
    if let Some(commit) = text(&git.join(branch)) {
        return short(commit.trim());
    }
    let packed = text(&git.join("packed-refs"))?;
    let line = packed.lines().find(|line| line.ends_with(&format!(" {branch}")))?;
    short(line)
}

fn short(commit: &str) -> Option<String> {
    commit.get(..10).map(str::to_owned)
}

fn build_time() -> u64 {
    let fixed = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok());
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    fixed.unwrap_or_else(now)
}

/// The civil date of Unix seconds, by the era arithmetic of the proleptic Gregorian calendar.
fn date(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}
