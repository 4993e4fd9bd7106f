//! What AWS's front door says of a body that its deserializer can't read, out of what serde says of it. Pure: texts only.
//!
//! The texts are those that services on AWS JSON answer with: `STRING_VALUE cannot be converted to Integer` is what people
//! report of RegisterTaskDefinition. They don't say where; the member is in a header of the answer.

/// AWS's text for a value of a wrong type at `path`; `None` where `found` isn't of that kind: no JSON, a member that comes
/// twice, a bound of ours.
pub(super) fn wrong_type(found: &str, path: &str) -> Option<String> {
    let (_, rest) = found.split_once("invalid type: ").or_else(|| found.split_once("invalid value: "))?;
    let (token, wanted) = rest.rsplit_once(", expected ")?;
    // serde_json adds where it was.
    let wanted = wanted.split(" at line ").next().unwrap_or(wanted);
    let token = match token {
        "map" => return Some("Start of structure or map found where not expected".to_owned()),
        "sequence" => return Some("Start of list found where not expected".to_owned()),
        "null" => "NULL_VALUE",
        "boolean `true`" => "TRUE_VALUE",
        "boolean `false`" => "FALSE_VALUE",
        _ if token.starts_with("string ") => "STRING_VALUE",
        _ if token.starts_with("integer ") => "NUMBER_VALUE",
        _ if token.starts_with("floating point ") => "DECIMAL_VALUE",
        _ => return None,
    };
    let class = match wanted {
        "a string" | "a borrowed string" => "String",
        "a boolean" => "Boolean",
        "i32" => "Integer",
        "i64" => "Long",
        "f32" => "Float",
        "f64" => "Double",
        _ if wanted.starts_with("a time ") => "Date",
        // A list, a map or a structure, as an item of a list or as a member.
        _ if path.ends_with(']') => return Some("Unexpected value type in payload".to_owned()),
        _ => return Some("Unexpected field type".to_owned()),
    };
    Some(format!("{token} cannot be converted to {class}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::wrong_type;
    use crate::request::Request;

    fn said(operation: &str, body: &str) -> (String, Option<String>) {
        let error = Request::from_json(operation, body.as_bytes()).unwrap().unwrap_err();
        let path = error.path().to_string();
        let text = wrong_type(&error.inner().to_string(), &path);
        (path, text)
    }

    #[test]
    fn values_of_wrong_types_are_refused_in_aws_words() {
        let table = [
            (r#"{"family":5}"#, "family", "NUMBER_VALUE cannot be converted to String"),
            (r#"{"family":5.5}"#, "family", "DECIMAL_VALUE cannot be converted to String"),
            (r#"{"family":true}"#, "family", "TRUE_VALUE cannot be converted to String"),
            (r#"{"family":false}"#, "family", "FALSE_VALUE cannot be converted to String"),
            (r#"{"family":{}}"#, "family", "Start of structure or map found where not expected"),
            (r#"{"family":[]}"#, "family", "Start of list found where not expected"),
            (
                r#"{"containerDefinitions":[{"cpu":"10"}]}"#,
                "containerDefinitions[0].cpu",
                "STRING_VALUE cannot be converted to Integer",
            ),
            (
                r#"{"containerDefinitions":[{"cpu":99999999999}]}"#,
                "containerDefinitions[0].cpu",
                "NUMBER_VALUE cannot be converted to Integer",
            ),
            (
                r#"{"containerDefinitions":[{"essential":"true"}]}"#,
                "containerDefinitions[0].essential",
                "STRING_VALUE cannot be converted to Boolean",
            ),
            (r#"{"containerDefinitions":"x"}"#, "containerDefinitions", "Unexpected field type"),
            (r#"{"containerDefinitions":["x"]}"#, "containerDefinitions[0]", "Unexpected value type in payload"),
            (r#"{"containerDefinitions":[[]]}"#, "containerDefinitions[0]", "Start of list found where not expected"),
            (
                r#"{"containerDefinitions":{}}"#,
                "containerDefinitions",
                "Start of structure or map found where not expected",
            ),
            (r#"{"runtimePlatform":7}"#, "runtimePlatform", "Unexpected field type"),
            (r#"{"runtimePlatform":[]}"#, "runtimePlatform", "Start of list found where not expected"),
            (r#"{"requiresCompatibilities":7}"#, "requiresCompatibilities", "Unexpected field type"),
            (
                r#"{"requiresCompatibilities":[7]}"#,
                "requiresCompatibilities[0]",
                "NUMBER_VALUE cannot be converted to String",
            ),
            (
                r#"{"containerDefinitions":[{"dockerLabels":{"a":1}}]}"#,
                "containerDefinitions[0].dockerLabels.a",
                "NUMBER_VALUE cannot be converted to String",
            ),
            (
                r#"{"containerDefinitions":[{"dockerLabels":"a"}]}"#,
                "containerDefinitions[0].dockerLabels",
                "Unexpected field type",
            ),
        ];
        for (body, path, text) in table {
            assert_eq!(said("RegisterTaskDefinition", body), (path.to_owned(), Some(text.to_owned())), "{body}");
        }
        let text = Some("TRUE_VALUE cannot be converted to Date".to_owned());
        assert_eq!(said("SubmitTaskStateChange", r#"{"pullStartedAt":true}"#), ("pullStartedAt".to_owned(), text));
    }

    #[test]
    fn what_has_no_words_of_aws_keeps_ours() {
        for body in ["{", "{} {}", r#"{"family":"a","family":"b"}"#, r#"{"family" 1}"#] {
            assert_eq!(said("RegisterTaskDefinition", body).1, None, "{body}");
        }
    }
}
