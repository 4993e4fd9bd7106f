//! Patterns of `=~` and `!~`: java.util.regex's language, as far as it can be matched in time that is linear in the
//! value. Carried out by the `regex` crate, which never backtracks.
//!
//! A pattern is rewritten first, since the same signs mean other things: in Java `\d`, `\w` and `\s` are ASCII, `\Q…\E`
//! quotes, and `[[:alpha:]]`, `--` and `~~` in a class aren't special. Refused: look-ahead and look-behind, references
//! back, atomic groups, possessive quantifiers, `\G`, `\X`, `\c`, octal escapes, Unicode properties, and the flags
//! `d`, `u`, `x` and `U`. Each would need backtracking, or has no counterpart.

use regex::{Regex, RegexBuilder};

/// Bytes that a compiled pattern may take; larger ones (`(a{1000}){1000}`) are refused.
pub const COMPILED_BYTES_MAX: usize = 256 * 1024;

/// Groups and classes of a pattern within one another.
pub const GROUPS_NESTED_MAX: u32 = 64;

/// A pattern that can't be matched here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a pattern with {0}")]
pub struct PatternError(String);

/// A pattern that a whole value must match.
#[derive(Debug, Clone)]
pub struct Pattern {
    source: String,
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Pattern {}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What it has that can't be matched, or that isn't a pattern.
    pub fn new(source: &str) -> Result<Self, PatternError> {
        let translated = Translation::of(source)?;
        let built = RegexBuilder::new(&format!("\\A(?:{translated})\\z"))
            .size_limit(COMPILED_BYTES_MAX)
            .dfa_size_limit(COMPILED_BYTES_MAX)
            .nest_limit(GROUPS_NESTED_MAX)
            .build();
        match built {
            Ok(regex) => Ok(Self { source: source.to_owned(), regex }),
            Err(regex::Error::CompiledTooBig(_)) => {
                Err(PatternError(format!("more than {COMPILED_BYTES_MAX} bytes when compiled")))
            }
            Err(_) => Err(PatternError("an error in its syntax".to_owned())),
        }
    }

    /// As it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the whole of a value matches. Time is linear in the value.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        self.regex.is_match(value)
    }
}

const SPACES: &str = r" \t\n\x0B\f\r";
const LINE_ENDS: &str = r"\n\x0B\f\r\x{85}\x{2028}\x{2029}";
const BLANKS: &str = r" \t\x{A0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}";

/// Java's POSIX classes, by name.
const POSIX: [(&str, &str); 13] = [
    ("Lower", "a-z"),
    ("Upper", "A-Z"),
    ("ASCII", r"\x00-\x7F"),
    ("Alpha", "a-zA-Z"),
    ("Digit", "0-9"),
    ("Alnum", "a-zA-Z0-9"),
    ("Punct", r"!-/:-@\[-`{-~"),
    ("Graph", "!-~"),
    ("Print", " -~"),
    ("Blank", r" \t"),
    ("Cntrl", r"\x00-\x1F\x7F"),
    ("XDigit", "0-9a-fA-F"),
    ("Space", SPACES),
];

/// A pattern on its way from Java's signs to the crate's.
struct Translation<'p> {
    rest: std::iter::Peekable<std::str::Chars<'p>>,
    out: String,
    /// Classes that are open.
    classes: usize,
    /// What was last written was a quantifier.
    quantified: bool,
}

fn refused<T>(what: &str) -> Result<T, PatternError> {
    Err(PatternError(what.to_owned()))
}

impl<'p> Translation<'p> {
    fn of(source: &'p str) -> Result<String, PatternError> {
        let mut this = Self { rest: source.chars().peekable(), out: String::new(), classes: 0, quantified: false };
        while let Some(c) = this.rest.next() {
            if this.classes > 0 { this.in_class(c)? } else { this.outside(c)? }
        }
        Ok(this.out)
    }

    fn eat(&mut self, c: char) -> bool {
        self.rest.next_if_eq(&c).is_some()
    }

    fn outside(&mut self, c: char) -> Result<(), PatternError> {
        let quantified = std::mem::take(&mut self.quantified);
        match c {
            '\\' => self.escape()?,
            '[' => self.open_class(),
            '(' => self.group()?,
            '*' | '+' | '?' if quantified => return refused("a quantifier of a quantifier"),
            '*' | '+' | '?' => {
                self.out.push(c);
                self.end_quantifier()?;
            }
            '{' => {
                self.out.push(c);
                for c in self.rest.by_ref() {
                    self.out.push(c);
                    if c == '}' {
                        break;
                    }
                }
                self.end_quantifier()?;
            }
            c => self.out.push(c),
        }
        Ok(())
    }

    fn end_quantifier(&mut self) -> Result<(), PatternError> {
        if self.eat('+') {
            return refused("a possessive quantifier");
        }
        if self.eat('?') {
            self.out.push('?');
        }
        self.quantified = true;
        Ok(())
    }

    /// Behind `(`.
    fn group(&mut self) -> Result<(), PatternError> {
        self.out.push('(');
        if !self.eat('?') {
            return Ok(());
        }
        self.out.push('?');
        match self.rest.peek().copied() {
            Some('=' | '!') => refused("look-ahead"),
            Some('>') => refused("an atomic group"),
            Some('<') => {
                self.out.push('<');
                self.rest.next();
                if matches!(self.rest.peek(), Some('=' | '!')) { refused("look-behind") } else { Ok(()) }
            }
            Some('d' | 'u' | 'x' | 'U') => refused("a flag other than i, m and s"),
            _ => {
                while let Some(c) = self.rest.next_if(|c| !matches!(c, ':' | ')')) {
                    if !matches!(c, 'i' | 'm' | 's' | '-') {
                        return refused("a flag other than i, m and s");
                    }
                    self.out.push(c);
                }
                Ok(())
            }
        }
    }

    fn open_class(&mut self) {
        self.classes += 1;
        self.out.push('[');
        if self.eat('^') {
            self.out.push('^');
        }
    }

    fn in_class(&mut self, c: char) -> Result<(), PatternError> {
        match c {
            '\\' => return self.escape(),
            '[' => self.open_class(),
            ']' => {
                self.classes -= 1;
                self.out.push(']');
            }
            '-' if self.rest.peek() == Some(&'-') => return refused("'--' in a class"),
            '~' | ':' => self.literal(c),
            c => self.out.push(c),
        }
        Ok(())
    }

    fn literal(&mut self, c: char) {
        self.out.push_str(&format!("\\x{{{:x}}}", u32::from(c)));
    }

    fn class(&mut self, negated: bool, members: &str) {
        self.out.push_str(if negated { "[^" } else { "[" });
        self.out.push_str(members);
        self.out.push(']');
    }

    /// Behind `\`.
    fn escape(&mut self) -> Result<(), PatternError> {
        let Some(c) = self.rest.next() else { return refused("a backslash at its end") };
        let negated = c.is_ascii_uppercase();
        match c {
            'd' | 'D' => self.class(negated, "0-9"),
            'w' | 'W' => self.class(negated, "a-zA-Z0-9_"),
            's' | 'S' => self.class(negated, SPACES),
            'h' | 'H' => self.class(negated, BLANKS),
            'v' | 'V' => self.class(negated, LINE_ENDS),
            'p' | 'P' => self.property(negated)?,
            'Q' => self.quotation(),
            'E' => {}
            'R' if self.classes == 0 => self.out.push_str(&format!("(?:\\r\\n|[{LINE_ENDS}])")),
            'Z' | 'z' if self.classes == 0 => self.out.push_str("\\z"),
            'A' | 'b' | 'B' if self.classes == 0 => self.out.extend(['\\', c]),
            't' | 'n' | 'r' | 'f' | 'a' | 'x' | 'u' => self.out.extend(['\\', c]),
            'e' => self.out.push_str("\\x1B"),
            '1'..='9' | 'k' => return refused("a reference back to a group"),
            c if c.is_ascii_alphanumeric() => return refused(&format!("the escape '\\{c}'")),
            c => self.literal(c),
        }
        Ok(())
    }

    /// Behind `\p` or `\P`.
    fn property(&mut self, negated: bool) -> Result<(), PatternError> {
        let mut name = String::new();
        if self.eat('{') {
            while let Some(c) = self.rest.next_if(|c| *c != '}') {
                name.push(c);
            }
            self.rest.next();
        }
        match POSIX.iter().find(|(known, _)| *known == name) {
            Some((_, members)) => {
                self.class(negated, members);
                Ok(())
            }
            None => refused("a Unicode property"),
        }
    }

    /// Behind `\Q`: literally until `\E`.
    fn quotation(&mut self) {
        while let Some(c) = self.rest.next() {
            if c == '\\' && self.eat('E') {
                return;
            }
            self.literal(c);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Pattern;

    // rule: 2.4/query-matches
    #[test]
    fn as_java_matches() {
        for (pattern, matches, not) in [
            ("t2.*", "t2.micro", "xt2.micro"),
            ("t2", "t2", "t2.micro"),
            ("t[23]\\..*", "t3.large", "t4.large"),
            ("a|ab", "ab", "abc"),
            ("\\d+", "12", "1٣"),
            ("\\w+\\s\\w+", "a_1 b", "é b"),
            ("[\\w.-]+", "a.b-c", "a b"),
            ("\\Qa.b*\\E.", "a.b*c", "aXb*c"),
            ("\\p{Upper}\\P{Digit}", "Ax", "A1"),
            ("[[:alpha:]]", "a", "b"),
            ("[a-z&&[^bc]]", "a", "b"),
            ("[~a]", "~", "b"),
            ("(?i)ABC", "abc", "abd"),
            ("(?:ab){2}", "abab", "ab"),
            ("(?<zone>us|eu)-.+?", "us-east-1", "ap-east-1"),
            ("a\\.b", "a.b", "axb"),
            ("\\x41\\u0042\\t", "AB\t", "ab\t"),
            ("a\\/b", "a/b", "a\\/b"),
            ("", "", "a"),
        ] {
            let pattern = Pattern::new(pattern).unwrap();
            assert!(pattern.matches(matches), "{pattern:?} {matches}");
            assert!(!pattern.matches(not), "{pattern:?} {not}");
        }
    }

    // rule: 2.4/query-matches
    #[test]
    fn what_it_cannot_is_refused() {
        for (pattern, what) in [
            ("(?=a)b", "look-ahead"),
            ("(?!a)b", "look-ahead"),
            ("(?<=a)b", "look-behind"),
            ("(?<!a)b", "look-behind"),
            ("(?>a)b", "an atomic group"),
            ("(a)\\1", "a reference back to a group"),
            ("(?<a>a)\\k<a>", "a reference back to a group"),
            ("a*+", "a possessive quantifier"),
            ("a{2}+", "a possessive quantifier"),
            ("a**", "a quantifier of a quantifier"),
            ("\\p{Greek}", "a Unicode property"),
            ("\\pL", "a Unicode property"),
            ("\\G", "the escape '\\G'"),
            ("\\07", "the escape '\\0'"),
            ("(?x)a", "a flag other than i, m and s"),
            ("[a--b]", "'--' in a class"),
            ("a\\", "a backslash at its end"),
            ("(a", "an error in its syntax"),
            ("*a", "an error in its syntax"),
            ("[a", "an error in its syntax"),
            ("(a{1000}){1000}", "more than 262144 bytes when compiled"),
        ] {
            let error = Pattern::new(pattern).unwrap_err().to_string();
            assert_eq!(error, format!("a pattern with {what}"), "{pattern}");
        }
        let deep = "(".repeat(100) + &")".repeat(100);
        assert!(Pattern::new(&deep).is_err());
    }
}
