//! Reads JSON (RFC 8259) into a tree with positions. Pure: text in, tree or complaint out.
//!
//! serde_json tells the place of a syntax error only, not of a value that turns out to be of the wrong type later.

use super::DEPTH_MAX;
use super::complaint::Complaint;
use super::tree::{Member, Node, Position, Value};

/// Reads one JSON document.
///
/// # Errors
/// The first fault: syntax, a name given twice in one object, or more than [`DEPTH_MAX`] levels.
pub fn parse(text: &str) -> Result<Node, Complaint> {
    let mut reader = Reader { chars: text.chars(), next: None, at: Position { line: 1, column: 1 } };
    reader.next = reader.chars.next();
    if reader.next == Some('\u{feff}') {
        reader.next = reader.chars.next();
    }
    let node = reader.value(0)?;
    reader.blanks();
    match reader.next {
        None => Ok(node),
        Some(_) => Err(reader.expected("the end of the file")),
    }
}

struct Reader<'a> {
    chars: std::str::Chars<'a>,
    next: Option<char>,
    at: Position,
}

impl Reader<'_> {
    fn advance(&mut self) {
        if self.next == Some('\n') {
            self.at = Position { line: self.at.line.saturating_add(1), column: 1 };
        } else {
            self.at.column = self.at.column.saturating_add(1);
        }
        self.next = self.chars.next();
    }

    fn blanks(&mut self) {
        while matches!(self.next, Some(' ' | '\t' | '\n' | '\r')) {
            self.advance();
        }
    }

    fn found(&self) -> String {
        match self.next {
            None => "the end of the file".to_owned(),
            Some('\n' | '\r') => "the end of the line".to_owned(),
            Some(found) => format!("{found:?}"),
        }
    }

    fn expected(&self, what: &str) -> Complaint {
        let complaint = Complaint::at(self.at, format!("malformed JSON: expected {what}, found {}", self.found()));
        match self.next {
            Some('/' | '#') => complaint.hint("JSON has no comments; YAML has"),
            Some('\'') => complaint.hint("JSON's quotes are double quotes"),
            _ => complaint,
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, Complaint> {
        self.blanks();
        let at = self.at;
        if depth > DEPTH_MAX {
            return Err(Complaint::at(at, format!("lists and objects are nested more than {DEPTH_MAX} deep")));
        }
        let value = match self.next {
            Some('{') => self.object(depth)?,
            Some('[') => self.list(depth)?,
            Some('"') => Value::Text(self.text()?),
            Some('-' | '0'..='9') => self.number()?,
            Some('a'..='z' | 'A'..='Z') => self.word()?,
            _ => return Err(self.expected("a value")),
        };
        Ok(Node { at, value })
    }

    fn object(&mut self, depth: usize) -> Result<Value, Complaint> {
        let mut members: Vec<Member> = Vec::new();
        let mut names = std::collections::BTreeMap::new();
        self.advance();
        self.blanks();
        if self.next == Some('}') {
            self.advance();
            return Ok(Value::Object(members));
        }
        loop {
            self.blanks();
            let at = self.at;
            if self.next != Some('"') {
                let complaint = self.expected("a member's name in double quotes");
                let dangling = self.next == Some('}') && !members.is_empty();
                return Err(if dangling { complaint.hint("no comma after the last member") } else { complaint });
            }
            let name = self.text()?;
            if let Some(first) = names.insert(name.clone(), at) {
                return Err(Complaint::at(at, format!("\"{name}\" is given twice, first at line {}", first.line)));
            }
            self.blanks();
            if self.next != Some(':') {
                return Err(self.expected("':' after a member's name"));
            }
            self.advance();
            members.push(Member { name, at, node: self.value(depth + 1)? });
            self.blanks();
            match self.next {
                Some(',') => self.advance(),
                Some('}') => break self.advance(),
                _ => return Err(self.expected("',' or '}'")),
            }
        }
        Ok(Value::Object(members))
    }

    fn list(&mut self, depth: usize) -> Result<Value, Complaint> {
        let mut items = Vec::new();
        self.advance();
        self.blanks();
        if self.next == Some(']') {
            self.advance();
            return Ok(Value::List(items));
        }
        loop {
            self.blanks();
            if self.next == Some(']') {
                return Err(self.expected("a value").hint("no comma after the last item"));
            }
            items.push(self.value(depth + 1)?);
            self.blanks();
            match self.next {
                Some(',') => self.advance(),
                Some(']') => break self.advance(),
                _ => return Err(self.expected("',' or ']'")),
            }
        }
        Ok(Value::List(items))
    }

    fn word(&mut self) -> Result<Value, Complaint> {
        let at = self.at;
        let mut word = String::new();
        while let Some(letter @ ('a'..='z' | 'A'..='Z' | '0'..='9' | '_')) = self.next {
            word.push(letter);
            self.advance();
        }
        match word.as_str() {
            "null" => Ok(Value::Null),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            other => {
                let complaint = Complaint::at(at, format!("malformed JSON: expected a value, found {other}"));
                Err(complaint.hint(match other.to_ascii_lowercase().as_str() {
                    "true" | "false" | "null" => format!("write {}", other.to_ascii_lowercase()),
                    "none" => "write null".to_owned(),
                    _ => format!("a string needs double quotes: \"{other}\""),
                }))
            }
        }
    }

    fn number(&mut self) -> Result<Value, Complaint> {
        let at = self.at;
        let mut text = String::new();
        while let Some(part @ ('0'..='9' | '-' | '+' | '.' | 'e' | 'E')) = self.next {
            text.push(part);
            self.advance();
        }
        let digits = text.strip_prefix('-').unwrap_or(&text);
        let leading_zero = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
        let wrong = || Complaint::at(at, format!("malformed JSON: {text} isn't a number"));
        if leading_zero || !digits.starts_with(|c: char| c.is_ascii_digit()) || digits.ends_with('.') {
            return Err(wrong());
        }
        // -0 stays a whole number here; serde_json makes a fraction of it.
        if let Ok(whole) = text.parse::<i128>() {
            return Ok(Value::Integer(whole));
        }
        text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::Float).ok_or_else(wrong)
    }

    fn text(&mut self) -> Result<String, Complaint> {
        let start = self.at;
        let mut out = String::new();
        self.advance();
        loop {
            match self.next {
                Some('"') => break self.advance(),
                Some('\\') => out.push(self.escape()?),
                Some('\n' | '\r') | None => {
                    return Err(Complaint::at(start, "malformed JSON: this string doesn't end on its line"));
                }
                Some(control) if control < ' ' => {
                    return Err(self.expected("an escape such as \\t for a control character"));
                }
                Some(other) => {
                    out.push(other);
                    self.advance();
                }
            }
        }
        Ok(out)
    }

    fn escape(&mut self) -> Result<char, Complaint> {
        self.advance();
        let at = self.at;
        let plain = match self.next {
            Some(same @ ('"' | '\\' | '/')) => same,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => return self.unicode(at),
            _ => return Err(self.expected("one of \" \\ / b f n r t u after a backslash")),
        };
        self.advance();
        Ok(plain)
    }

    fn unicode(&mut self, at: Position) -> Result<char, Complaint> {
        let lone = || Complaint::at(at, "malformed JSON: half of a UTF-16 pair stands alone");
        let first = self.four_digits()?;
        if !(0xD800..0xE000).contains(&first) {
            return char::from_u32(first).ok_or_else(lone);
        }
        if first >= 0xDC00 || self.next != Some('\\') {
            return Err(lone());
        }
        self.advance();
        if self.next != Some('u') {
            return Err(lone());
        }
        let second = self.four_digits()?;
        if !(0xDC00..0xE000).contains(&second) {
            return Err(lone());
        }
        char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)).ok_or_else(lone)
    }

    fn four_digits(&mut self) -> Result<u32, Complaint> {
        self.advance();
        let mut number = 0;
        for _ in 0..4 {
            let digit = self.next.and_then(|c| c.to_digit(16)).ok_or_else(|| self.expected("four hex digits"))?;
            number = number * 16 + digit;
            self.advance();
        }
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use expect_test::expect;

    #[test]
    fn it_reads_what_serde_json_reads() {
        let texts = [
            r#"{"a": [1, -2, 3.5, 1e3, true, false, null, "x"], "b": {}, "c": []}"#,
            r#" "\" \\ \/ \b \f \n \r \t é 😀" "#,
            "\u{feff}{\"a\":\t1}\r\n",
            "123456789012345678901234567890",
        ];
        for text in texts {
            let expected: serde_json::Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
            assert_eq!(plain(&parse(text).unwrap()), expected, "{text}");
        }
    }

    /// The other way round: what serde_json refuses is refused here.
    #[test]
    fn it_refuses_what_serde_json_refuses() {
        let texts = [
            "",
            " ",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "{'a':1}",
            "01",
            "1.",
            ".5",
            "+1",
            "-",
            "1e",
            "nul",
            "True",
            "\"a",
            "\"\t\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "1 2",
            "[1 2]",
            "{\"a\" 1}",
            "// c\n1",
            "1e999",
            "\"a\nb\"",
        ];
        for text in texts {
            assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text}");
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn deep_nesting_ends_in_an_error_and_not_in_an_overflow() {
        assert!(parse(&"[".repeat(100_000)).unwrap_err().message.contains("nested more than 64 deep"));
        assert!(parse(&format!("{}{}", "[".repeat(60), "]".repeat(60))).is_ok());
    }

    #[test]
    fn each_value_knows_its_place() {
        let node = parse("{\n  \"a\": [1,\n    \"é\", {\"b\": null}]\n}").unwrap();
        let mut out = String::new();
        places(&node, &mut out);
        expect![[r#"
            1:1 an object
            2:8 a list
            2:9 the number 1
            3:5 the string "é"
            3:10 an object
            3:16 null
        "#]]
        .assert_eq(&out);
    }

    fn places(node: &Node, out: &mut String) {
        out.push_str(&format!("{} {}\n", node.at, node.value.described()));
        match &node.value {
            Value::List(items) => items.iter().for_each(|item| places(item, out)),
            Value::Object(members) => members.iter().for_each(|member| places(&member.node, out)),
            _ => {}
        }
    }

    fn plain(node: &Node) -> serde_json::Value {
        match &node.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Integer(value) => match (u64::try_from(*value), i64::try_from(*value)) {
                (Ok(value), _) => value.into(),
                (_, Ok(value)) => value.into(),
                #[allow(clippy::cast_precision_loss, reason = "as serde_json does")]
                _ => (*value as f64).into(),
            },
            Value::Float(value) => (*value).into(),
            Value::Text(value) => value.as_str().into(),
            Value::List(items) => items.iter().map(plain).collect(),
            Value::Object(members) => {
                serde_json::Value::Object(members.iter().map(|m| (m.name.clone(), plain(&m.node))).collect())
            }
        }
    }
}
