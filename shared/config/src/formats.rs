//! The formats of configuration files: a row per extension. Each gives the same tree.

mod flat;

use ferryd_domain::Fault;
use serde_json::Value;

/// Turns the text of a file into a tree, or says where it is broken.
type Parse = fn(&str) -> Result<Value, Broken>;

/// Where a text is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// From 1 on; `None` when the parser cannot tell.
    pub(crate) line: Option<usize>,
    /// What was expected or found.
    pub(crate) reason: String,
}

impl Broken {
    /// Returns the fault that ends the start.
    pub(crate) fn in_file(&self, file: &std::path::Path) -> Fault {
        let file = file.display();
        Fault::invalid(match self.line {
            Some(line) => format!("{file}, line {line}: {}", self.reason),
            None => format!("{file}: {}", self.reason),
        })
    }
}

/// Extensions in the order in which they are looked for.
const FORMATS: [(&str, Parse); 10] = [
    ("json", json),
    ("toml", toml),
    ("yaml", yaml),
    ("yml", yaml),
    ("properties", flat::properties),
    ("props", flat::properties),
    ("prop", flat::properties),
    ("env", flat::envfile),
    ("envfile", flat::envfile),
    ("hcl", hcl),
];

/// Returns the extensions in the order in which they are looked for.
pub(crate) fn extensions() -> impl Iterator<Item = &'static str> {
    FORMATS.iter().map(|(extension, _)| *extension)
}

/// Parses a text by the extension of its file.
pub(crate) fn parse(extension: &str, text: &str) -> Result<Value, Broken> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let known = FORMATS.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension));
    match known {
        Some((_, parse)) => parse(text),
        None => Err(Broken { line: None, reason: "this format is not known".to_owned() }),
    }
}

fn json(text: &str) -> Result<Value, Broken> {
    serde_json::from_str(text).map_err(|error| Broken {
        line: Some(error.line()),
        reason: without_place(&error.to_string(), " at line "),
    })
}

fn toml(text: &str) -> Result<Value, Broken> {
    ::toml::from_str(text).map_err(|error: ::toml::de::Error| Broken {
        line: error.span().map(|span| line_of(text, span.start)),
        reason: error.message().to_owned(),
    })
}

fn yaml(text: &str) -> Result<Value, Broken> {
    serde_yaml::from_str(text).map_err(|error| Broken {
        line: error.location().map(|place| place.line()),
        reason: without_place(&error.to_string(), " at line "),
    })
}

/// Evaluated without variables and functions: a name where a text was meant is a mistake, not the
/// text `${name}`. A single block is a map where two are a list; [`crate::adopt`] takes both.
fn hcl(text: &str) -> Result<Value, Broken> {
    ::hcl::eval::from_str(text, &::hcl::eval::Context::new()).map_err(|error| match error {
        ::hcl::Error::Parse(error) => {
            Broken { line: Some(error.location().line()), reason: error.message().to_owned() }
        }
        // Without the expression: it may hold a secret.
        ::hcl::Error::Eval(error) => Broken { line: None, reason: error.kind().to_string() },
        other => Broken { line: None, reason: other.to_string() },
    })
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn without_place(message: &str, place: &str) -> String {
    message.split(place).next().unwrap_or(message).to_owned()
}
