//! A Rust file as words and signs: no comments, no literals, nothing that only tests see.

use std::iter::Peekable;
use std::str::Chars;

/// A word (identifier or keyword), `::`, or one character of punctuation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub text: String,
}

impl Token {
    /// Tells whether it is an identifier or a keyword.
    pub fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// Returns the tokens of a file without the items behind `#[cfg(test)]`.
pub(super) fn tokens(source: &str) -> Vec<Token> {
    without_tests(&Reader { rest: source.chars().peekable() }.read())
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
}

impl Reader<'_> {
    fn read(mut self) -> Vec<Token> {
        let mut found = Vec::new();
        while let Some(c) = self.next() {
            match c {
                '/' if self.rest.peek() == Some(&'/') => self.skip_line(),
                '/' if self.rest.peek() == Some(&'*') => self.skip_comment(),
                '"' => self.skip_string(),
                '\'' => self.skip_quoted(),
                c if c.is_whitespace() => {}
                c if c.is_alphanumeric() || c == '_' => {
                    if let Some(text) = self.word(c) {
                        found.push(Token { text });
                    }
                }
                ':' if self.rest.peek() == Some(&':') => {
                    self.next();
                    found.push(Token { text: "::".to_owned() });
                }
                c => found.push(Token { text: c.to_string() }),
            }
        }
        found
    }

    fn next(&mut self) -> Option<char> {
        self.rest.next()
    }

    fn skip_line(&mut self) {
        while self.next().is_some_and(|c| c != '\n') {}
    }

    /// Comments nest.
    fn skip_comment(&mut self) {
        let (mut depth, mut last) = (0, '/');
        while let Some(c) = self.next() {
            match (last, c) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    last = c;
                    continue;
                }
            }
            if depth == 0 {
                return;
            }
            last = ' ';
        }
    }

    fn skip_string(&mut self) {
        while let Some(c) = self.next() {
            match c {
                '\\' => drop(self.next()),
                '"' => return,
                _ => {}
            }
        }
    }

    /// A character, or a lifetime, whose name is left out as well.
    fn skip_quoted(&mut self) {
        match self.next() {
            Some('\\') => {
                self.next();
                while self.next().is_some_and(|c| c != '\'') {}
            }
            Some(c) if self.rest.peek() == Some(&'\'') => {
                self.next();
                debug_assert!(c != '\'');
            }
            _ => while self.rest.next_if(|c| c.is_alphanumeric() || *c == '_').is_some() {},
        }
    }

    /// Returns a word, unless it begins a literal.
    fn word(&mut self, first: char) -> Option<String> {
        let mut word = String::from(first);
        while let Some(c) = self.rest.next_if(|c| c.is_alphanumeric() || *c == '_') {
            word.push(c);
        }
        let prefix = matches!(word.as_str(), "r" | "b" | "br" | "c" | "cr");
        match self.rest.peek() {
            Some('"') if prefix && word.contains('r') => self.skip_raw(0),
            Some('"') if prefix => {
                self.next();
                self.skip_string();
            }
            Some('\'') if word == "b" => {
                self.next();
                self.skip_quoted();
            }
            Some('#') if prefix && word.contains('r') => {
                let mut signs = 0;
                while self.rest.next_if_eq(&'#').is_some() {
                    signs += 1;
                }
                // Otherwise it is a raw identifier, which comes next.
                if self.rest.peek() == Some(&'"') {
                    self.skip_raw(signs);
                }
            }
            _ => return (!first.is_ascii_digit()).then_some(word),
        }
        None
    }

    fn skip_raw(&mut self, signs: usize) {
        self.next();
        while let Some(c) = self.next() {
            if c == '"' && (0..signs).all(|_| self.rest.next_if_eq(&'#').is_some()) {
                return;
            }
        }
    }
}

/// Leaves out the items behind `#[cfg(test)]`. What other features enable stays: it is built too.
fn without_tests(all: &[Token]) -> Vec<Token> {
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < all.len() {
        let window = &all[at..all.len().min(at + attribute.len())];
        if window.iter().map(|token| token.text.as_str()).eq(attribute) {
            at = end_of_item(all, at + attribute.len());
        } else {
            kept.push(all[at].clone());
            at += 1;
        }
    }
    kept
}

/// An item, a field or a statement ends with its semicolon, its comma or its block.
fn end_of_item(all: &[Token], start: usize) -> usize {
    let mut depth = 0;
    for (at, token) in all.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        match token.text.as_str() {
            "}" if depth < 0 => return at,
            ";" | "," | "}" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    all.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> String {
        let texts: Vec<_> = tokens(source).into_iter().map(|token| token.text).collect();
        texts.join(" ")
    }

    #[test]
    fn comments_literals_and_lifetimes_are_left_out() {
        let source = r##"use a::b; // x::y
            /* m::n /* nested */ o::p */ f("q::r", r#"s"::t"#, b"u", '\'', 'v', 10u32); g::<'w, X>"##;
        assert_eq!(words(source), "use a :: b ; f ( , , , , , ) ; g :: < , X >");
    }

    #[test]
    fn what_only_tests_see_is_left_out() {
        assert_eq!(
            words("#[cfg(test)] mod tests; struct A { #[cfg(test)] b: C, d: E }"),
            "struct A { d : E }"
        );
        assert_eq!(words("#[cfg(test)] #[expect(x)] mod tests { fn a() {} } mod b;"), "mod b ;");
        assert_eq!(words("fn f() { #[cfg(test)] g(1, 2); h() }"), "fn f ( ) { h ( ) }");
    }
}
