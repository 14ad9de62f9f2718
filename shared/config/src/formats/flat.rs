//! Formats that know only names and texts: Java properties (`sftpd.bind_port=2022`) and envfiles
//! (`SFTPD__BIND_PORT=2022`). The names tell the sections; types come from the known keys.

use serde_json::{Map, Value};

use super::Broken;
use crate::environment::PREFIXES;

/// Deeper names come from a broken file.
const MAX_DEPTH: usize = 16;

/// Parses Java properties.
pub(super) fn properties(text: &str) -> Result<Value, Broken> {
    let mut tree = Map::new();
    for (number, line) in logical_lines(text) {
        let (key, value) = split_property(&line);
        let key = unescape(key).map_err(|reason| broken(number, reason))?;
        let value = unescape(value).map_err(|reason| broken(number, reason))?;
        let path: Vec<_> = key.split('.').map(str::to_lowercase).collect();
        insert(&mut tree, &path, value).map_err(|reason| broken(number, reason))?;
    }
    Ok(Value::Object(tree))
}

/// Parses an envfile.
pub(super) fn envfile(text: &str) -> Result<Value, Broken> {
    let mut tree = Map::new();
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) =
            line.split_once('=').ok_or_else(|| broken(number, "expected NAME=VALUE".to_owned()))?;
        let value = unquote(value.trim()).map_err(|reason| broken(number, reason))?;
        let name = name.trim();
        let name = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
        let path: Vec<_> = name.split("__").map(str::to_lowercase).collect();
        insert(&mut tree, &path, value).map_err(|reason| broken(number, reason))?;
    }
    Ok(Value::Object(tree))
}

fn broken(line: usize, reason: String) -> Broken {
    Broken { line: Some(line), reason }
}

fn insert(tree: &mut Map<String, Value>, path: &[String], value: String) -> Result<(), String> {
    let Some((last, parents)) = path.split_last() else { return Ok(()) };
    if path.len() > MAX_DEPTH || path.iter().any(String::is_empty) {
        return Err("expected names of sections and a key".to_owned());
    }
    let mut section = tree;
    for parent in parents {
        let inner = section.entry(parent.clone()).or_insert_with(|| Value::Object(Map::new()));
        section = inner
            .as_object_mut()
            .ok_or_else(|| format!("{parent:?} has a value already and cannot be a section"))?;
    }
    if section.get(last).is_some_and(Value::is_object) {
        return Err(format!("{last:?} is a section already and cannot have a value"));
    }
    section.insert(last.clone(), Value::String(value));
    Ok(())
}

/// Lines without comments; a backslash at the end joins the next one. Numbers are those of the
/// first line.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if !open && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let goes_on = line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
        let part = if goes_on { line.get(..line.len() - 1).unwrap_or_default() } else { line };
        match lines.last_mut() {
            Some((_, joined)) if open => joined.push_str(part),
            _ => lines.push((number + 1, part.to_owned())),
        }
        open = goes_on;
    }
    lines
}

/// The key ends at the first `=`, `:` or blank that has no backslash before it.
fn split_property(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|letter: char| {
        let ends = !escaped && (matches!(letter, '=' | ':') || letter.is_whitespace());
        escaped = !escaped && letter == '\\';
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start();
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start();
    (key, value)
}

fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        match letters.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => out.push(code_point(&letters.by_ref().take(4).collect::<String>())?),
            Some(other) => out.push(other),
            None => {}
        }
    }
    Ok(out)
}

fn code_point(digits: &str) -> Result<char, String> {
    let code = u32::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 4);
    code.and_then(char::from_u32).ok_or_else(|| "expected four hexadecimal digits".to_owned())
}

fn unquote(value: &str) -> Result<String, String> {
    if let Some(rest) = value.strip_prefix('\'') {
        return quoted(rest, '\'').map(str::to_owned);
    }
    if let Some(rest) = value.strip_prefix('"') {
        return quoted(rest, '"').and_then(unescape);
    }
    let end = value.find(" #").unwrap_or(value.len());
    Ok(value.get(..end).unwrap_or(value).trim_end().to_owned())
}

/// Returns what is before the closing quote; only a comment may follow it.
fn quoted(rest: &str, quote: char) -> Result<&str, String> {
    let mut escaped = false;
    let end = rest.find(|letter: char| {
        let ends = !escaped && letter == quote;
        escaped = !escaped && quote == '"' && letter == '\\';
        ends
    });
    let end = end.ok_or_else(|| format!("expected a closing {quote}"))?;
    let (value, after) = rest.split_at(end);
    let after = after.get(1..).unwrap_or_default().trim();
    if !after.is_empty() && !after.starts_with('#') {
        return Err(format!("expected nothing after the closing {quote}"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn properties_have_three_separators_comments_and_long_lines() {
        let text = "# c\n! c\nsftpd.bind_port = 1\nsftpd.umask:0022\nsftpd.banner a b\\\n   c\n\
            sftpd.x\\=y=\\u0041\\\\\n";
        assert_eq!(
            properties(text).unwrap(),
            json!({"sftpd": {"bind_port": "1", "umask": "0022", "banner": "a bc", "x=y": "A\\"}})
        );
    }

    #[test]
    fn envfiles_have_quotes_and_comments() {
        let text = "# c\nSFTPD__BIND_PORT=1 # port\nexport FERRYD_SFTPD__BANNER=\"a \\\"#b\"\n\
            SFTPD__UMASK='0022'\nSFTPD__KEYS__0__PRIVATE_KEY=k\n";
        assert_eq!(
            envfile(text).unwrap(),
            json!({"sftpd": {"bind_port": "1", "banner": "a \"#b", "umask": "0022",
                "keys": {"0": {"private_key": "k"}}}})
        );
    }

    #[test]
    fn a_broken_line_is_named() {
        for (text, line) in [
            ("\nNONSENSE\n", 2),
            ("A='open\n", 1),
            ("A__B=1\nA=2\n", 2),
            ("A=1\nA__B=2\n", 2),
            ("A=\"x\" y\n", 1),
            ("A____B=1", 1),
        ] {
            assert_eq!(envfile(text).unwrap_err().line, Some(line), "{text}");
        }
        assert_eq!(properties("a=1\nb=\\u00zz\n").unwrap_err().line, Some(2));
    }
}
