//! Several programs may read one file: what one of them does not know belongs to another.

use crate::Loaded;
use crate::environment::PREFIXES;

impl<T> Loaded<T> {
    /// Drops the warnings about keys in sections that other programs read as well.
    #[must_use]
    pub fn beside(mut self, sections: &[&str]) -> Self {
        self.warnings.retain(|warning| {
            !section_of(warning).is_some_and(|section| sections.contains(&section.as_str()))
        });
        self
    }
}

/// Returns the section of the key or variable that a warning quotes.
fn section_of(warning: &str) -> Option<String> {
    let key = warning.split('"').nth(1)?;
    let variable = PREFIXES.iter().find_map(|prefix| key.strip_prefix(prefix));
    let section = match variable {
        Some(variable) => variable.split("__").next()?,
        None => key.split('.').next()?,
    };
    Some(section.to_lowercase())
}

#[cfg(test)]
mod tests {
    use crate::load_from;

    #[derive(Default, serde::Serialize, serde::Deserialize)]
    #[serde(default)]
    struct Settings {
        mine: Mine,
    }

    #[derive(Default, serde::Serialize, serde::Deserialize)]
    #[serde(default)]
    struct Mine {
        port: u16,
    }

    #[test]
    fn only_own_mistakes_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let options = crate::ConfigOptions {
            config_dir: directory.path().to_owned(),
            config_file: "none".to_owned(),
        };
        let variables = [
            ("FERRYD_MINE__PORT", "1"),
            ("FERRYD_MINE__PORD", "1"),
            ("FERRYD_THEIRS__PORT", "1"),
            ("SFTPGO_THEIRS__LIST__0__KEY", "1"),
            ("FERRYD_NOBODYS__PORT", "1"),
        ];
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        let loaded = load_from::<Settings>(&options, None, variables.into_iter()).unwrap();
        let warnings = loaded.beside(&["theirs"]).warnings;
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings.iter().all(|warning| !warning.contains("THEIRS")), "{warnings:?}");
    }
}
