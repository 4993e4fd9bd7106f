//! The lexer of the cluster query language: a place in a text, and what stands there. Which kind of word is expected is
//! the parser's knowledge, since a pattern may hold what ends a plain word.

use super::QueryError;

/// A place in a text.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'t> {
    rest: &'t str,
    /// Characters before it.
    passed: usize,
}

/// What ends a word without quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// A value: also brackets and commas.
    Plain,
    /// A pattern: brackets and commas are its own.
    Pattern,
}

impl<'t> Cursor<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { rest: text, passed: 0 }
    }

    /// An error here.
    pub(super) fn wrong(&self, what: impl Into<String>) -> QueryError {
        QueryError { at: self.passed + 1, what: what.into() }
    }

    /// "expected X but found Y" here.
    pub(super) fn expected(&self, what: &str) -> QueryError {
        let found = match self.rest.chars().next() {
            None => "the end".to_owned(),
            Some(_) => format!("'{}'", self.rest.split_whitespace().next().unwrap_or_default()),
        };
        self.wrong(format!("expected {what} but found {found}"))
    }

    pub(super) fn skip_space(&mut self) {
        self.advance(self.rest.len() - self.rest.trim_start().len());
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn advance(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at(bytes);
        self.passed += passed.chars().count();
        self.rest = rest;
    }

    /// Whether it stands here.
    pub(super) fn sees(&self, text: &str) -> bool {
        self.rest.starts_with(text)
    }

    /// Takes it where it stands here.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let seen = self.sees(text);
        if seen {
            self.advance(text.len());
        }
        seen
    }

    /// Takes it where it stands here as a word: no letter of a name follows.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let whole = self.rest.strip_prefix(word).is_some_and(|after| !after.starts_with(is_of_keyword));
        if whole {
            self.advance(word.len());
        }
        whole
    }

    /// Takes the characters here that are of a kind.
    pub(super) fn take(&mut self, of_kind: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|c| !of_kind(c)).unwrap_or(self.rest.len());
        let taken = &self.rest[..end];
        self.advance(end);
        taken
    }

    /// Takes a value, in quotes of either kind or without.
    pub(super) fn literal(&mut self, word: Word) -> Result<&'t str, QueryError> {
        for quote in ['\'', '"'] {
            let Some(inner) = self.rest.strip_prefix(quote) else { continue };
            let Some(end) = inner.find(quote) else { return Err(self.wrong("a quote that isn't closed")) };
            self.advance(end + 2 * quote.len_utf8());
            return Ok(&inner[..end]);
        }
        let end = self.end_of_word(word);
        if end == 0 {
            return Err(self.expected("a value"));
        }
        let taken = &self.rest[..end];
        if let Some(at) = taken.find(['\'', '"']) {
            self.advance(at);
            return Err(self.wrong("a quote within a value"));
        }
        self.advance(end);
        Ok(taken)
    }

    fn end_of_word(&self, word: Word) -> usize {
        let mut brackets = 0_usize;
        for (at, c) in self.rest.char_indices() {
            let after = &self.rest[at..];
            match c {
                '[' if word == Word::Pattern => brackets += 1,
                ']' if word == Word::Pattern => brackets = brackets.saturating_sub(1),
                _ if c.is_whitespace() => return at,
                '(' | ')' if brackets == 0 => return at,
                '[' | ']' | ',' if word == Word::Plain => return at,
                '&' | '|' if brackets == 0 && (after.starts_with("&&") || after.starts_with("||")) => return at,
                _ => {}
            }
        }
        self.rest.len()
    }
}

/// Letters of the language's own words.
fn is_of_keyword(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
