//! Extension filters: which file names may be used, by the nearest directory with a filter.

use crate::{Account, VirtualPath};

/// The filters of an account, prepared for matching.
#[derive(Clone, Debug, Default)]
pub struct ExtensionRules(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    directory: VirtualPath,
    allowed: Vec<Vec<u8>>,
    denied: Vec<Vec<u8>>,
}

impl ExtensionRules {
    /// Prepares the filters of an account; a filter whose path cannot be parsed is left out.
    pub fn of(account: &Account) -> Self {
        let lower = |list: &[String]| list.iter().map(|e| e.to_lowercase().into_bytes()).collect();
        let rule = |filter: &crate::ExtensionFilter| {
            VirtualPath::parse(filter.path.as_bytes()).ok().map(|directory| Rule {
                directory,
                allowed: lower(&filter.allowed_extensions),
                denied: lower(&filter.denied_extensions),
            })
        };
        Self(account.filters.file_extensions.iter().filter_map(rule).collect())
    }

    /// Tells whether there is no filter at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells whether a file of this name may be used.
    pub fn allow(&self, file: &VirtualPath) -> bool {
        let Some(rule) = self.governing(&file.directory()) else { return true };
        let name = lower_case(file.as_bytes());
        let matches = |suffix: &Vec<u8>| name.ends_with(suffix);
        !rule.denied.iter().any(matches)
            && (rule.allowed.is_empty() || rule.allowed.iter().any(matches))
    }

    /// Tells whether a filter lies at or below a directory.
    pub fn any_below(&self, directory: &VirtualPath) -> bool {
        self.0.iter().any(|rule| rule.directory.starts_with(directory))
    }

    /// Tells whether a filter governs a directory.
    pub fn any_above(&self, directory: &VirtualPath) -> bool {
        self.governing(directory).is_some()
    }

    /// Tells whether files in two directories are under the same filter, or under none.
    pub fn same(&self, one: &VirtualPath, other: &VirtualPath) -> bool {
        match (self.governing(one), self.governing(other)) {
            (Some(one), Some(other)) => std::ptr::eq(one, other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    fn governing(&self, directory: &VirtualPath) -> Option<&Rule> {
        self.0
            .iter()
            .filter(|rule| directory.starts_with(&rule.directory))
            .max_by_key(|rule| rule.directory.as_bytes().len())
    }
}

/// Lower-cases text; names that are not UTF-8 are lower-cased in their ASCII part.
fn lower_case(path: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(path) {
        Ok(text) => text.to_lowercase().into_bytes(),
        Err(_) => path.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ExtensionFilter;

    fn rules(filters: &[(&str, &[&str], &[&str])]) -> ExtensionRules {
        let mut account = Account::default();
        account.filters.file_extensions = filters
            .iter()
            .map(|(path, allowed, denied)| ExtensionFilter {
                path: (*path).into(),
                allowed_extensions: allowed.iter().map(|&e| e.into()).collect(),
                denied_extensions: denied.iter().map(|&e| e.into()).collect(),
            })
            .collect();
        ExtensionRules::of(&account)
    }

    fn allow(rules: &ExtensionRules, path: &str) -> bool {
        rules.allow(&VirtualPath::parse(path.as_bytes()).unwrap())
    }

    #[test]
    fn denied_comes_first_and_allowed_shuts_out_the_rest() {
        let rules = rules(&[("/", &[".jpg", ".zip"], &[".zip"])]);
        assert!(allow(&rules, "/a.jpg"));
        assert!(!allow(&rules, "/a.zip"));
        assert!(!allow(&rules, "/a.txt"));
    }

    #[test]
    fn case_does_not_matter_either_way() {
        let rules = rules(&[("/", &[], &[".ZIP"])]);
        assert!(!allow(&rules, "/a.zip") && !allow(&rules, "/a.Zip"));
    }

    #[test]
    fn the_nearest_directory_counts_alone() {
        let rules = rules(&[("/", &[], &[".zip"]), ("/sub", &[], &[".rar"])]);
        assert!(allow(&rules, "/sub/deep/a.zip"));
        assert!(!allow(&rules, "/sub/deep/a.rar"));
        assert!(!allow(&rules, "/subway/a.zip"));
    }

    #[test]
    fn patterns_are_plain_text() {
        assert!(!allow(&rules(&[("/", &["*.jpg"], &[])]), "/a.jpg"));
    }
}
