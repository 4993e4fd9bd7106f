//! What STS answers, as far as tools ask it before anything else: `sts:GetCallerIdentity` says whose credentials they are. In
//! STS's form: a form goes in, XML comes out, also where a request is refused.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use siphasher::sip128::SipHasher24;

use super::signature::Refused;
use crate::caller::Caller;

/// The service of the credential scope.
pub(super) const SERVICE: &str = "sts";
const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
/// Characters of the name of an action or a version that an answer repeats.
const REPEATED_CHARS_MAX: usize = 128;

/// The operation that a form asks for, and the version; `None` where the body is no such form.
pub(super) fn action(body: &[u8]) -> Option<(&str, &str)> {
    let form = std::str::from_utf8(body).ok()?;
    let value = |name: &str| {
        form.split('&')
            .find_map(|pair| pair.split_once('=').filter(|(found, _)| *found == name))
            .map(|(_, value)| value)
    };
    Some((value("Action")?, value("Version").unwrap_or_default()))
}

/// The answer to an action.
pub(super) fn answer((action, version): (&str, &str), caller: &Caller, id: &str) -> Response {
    if action != "GetCallerIdentity" {
        let text = format!("Could not find operation {} for version {}", repeated(action), repeated(version));
        return failed(StatusCode::BAD_REQUEST, "InvalidAction", &text, id);
    }
    let (account, arn) = (&caller.scope.account, escaped(&caller.principal));
    let user = user_id(caller);
    let xml = format!(
        "<GetCallerIdentityResponse xmlns=\"{NAMESPACE}\"><GetCallerIdentityResult>\
         <Arn>{arn}</Arn><UserId>{user}</UserId><Account>{account}</Account>\
         </GetCallerIdentityResult><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata>\
         </GetCallerIdentityResponse>"
    );
    (StatusCode::OK, [("content-type", "text/xml")], xml).into_response()
}

/// STS's words for a request that isn't believed. Query services have other names and HTTP 403 for it.
pub(super) fn refused(refused: &Refused, id: &str) -> Response {
    let code = match refused {
        Refused::MissingToken(_) => "MissingAuthenticationToken",
        Refused::Incomplete(_) => "IncompleteSignature",
        Refused::Unrecognized => "InvalidClientTokenId",
        Refused::Invalid(_) => "SignatureDoesNotMatch",
    };
    failed(StatusCode::FORBIDDEN, code, &refused.to_string(), id)
}

fn failed(status: StatusCode, code: &str, text: &str, id: &str) -> Response {
    let text = escaped(text);
    let xml = format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message></Error>\
         <RequestId>{id}</RequestId></ErrorResponse>"
    );
    (status, [("content-type", "text/xml")], xml).into_response()
}

/// The root user's is the account; a user's is 21 characters that stay the same as long as its name does.
fn user_id(caller: &Caller) -> String {
    if caller.principal.ends_with(":root") {
        return caller.scope.account.clone();
    }
    let mut hash = SipHasher24::new().hash(caller.principal.as_bytes()).as_u128();
    let mut id = "AIDA".to_owned();
    for _ in 0..17 {
        let digit = u32::try_from(hash % 36).unwrap_or_default();
        id.push(char::from_digit(digit, 36).unwrap_or('0').to_ascii_uppercase());
        hash /= 36;
    }
    id
}

/// Something of the request, no longer than answers should be.
fn repeated(text: &str) -> String {
    text.chars().take(REPEATED_CHARS_MAX).collect()
}

/// As XML's text.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // XML has no way to write the others.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use axum::body::to_bytes;
    use axum::http::StatusCode;
    use axum::response::Response;
    use drydock_model::arn::Scope;

    use super::{Refused, action, answer, refused};
    use crate::caller::Caller;

    async fn shown(response: Response) -> (StatusCode, String) {
        let status = response.status();
        assert_eq!(response.headers()["content-type"], "text/xml");
        let body = to_bytes(response.into_body(), 4_096).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn whose_credentials_they_are_is_said() {
        let scope = Scope { region: "us-east-1".into(), account: "123456789012".into() };
        let form = action(b"Action=GetCallerIdentity&Version=2011-06-15").unwrap();
        let (status, root) = shown(answer(form, &Caller::root(scope.clone()), "id")).await;
        assert_eq!(status, StatusCode::OK);
        assert!(root.contains("<Arn>arn:aws:iam::123456789012:root</Arn><UserId>123456789012</UserId>"), "{root}");
        let (_, user) = shown(answer(form, &Caller::user(scope.clone(), "ann"), "id")).await;
        assert!(user.contains("<Arn>arn:aws:iam::123456789012:user/ann</Arn><UserId>AIDA"), "{user}");
        let id = |xml: &str| xml.split("UserId>").nth(1).unwrap().trim_end_matches("</").to_owned();
        assert_eq!(id(&user).len(), 21, "{user}");
        let (_, other) = shown(answer(form, &Caller::user(scope, "bob"), "id")).await;
        assert_ne!(id(&user), id(&other));
    }

    #[tokio::test]
    async fn what_isn_t_answered_is_refused_in_xml() {
        let caller = Caller::root(Scope { region: "us-east-1".into(), account: "123456789012".into() });
        let table = [
            ("Action=AssumeRole&Version=2011-06-15", "Could not find operation AssumeRole for version 2011-06-15"),
            ("Version=1&Action=%3C<a>&b=c", "Could not find operation %3C&lt;a&gt; for version 1"),
            ("Action=", "Could not find operation  for version "),
        ];
        for (form, text) in table {
            let (status, xml) = shown(answer(action(form.as_bytes()).unwrap(), &caller, "some-id")).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{form}");
            let error = format!(
                "<Error><Type>Sender</Type><Code>InvalidAction</Code><Message>{text}</Message></Error>\
                 <RequestId>some-id</RequestId></ErrorResponse>"
            );
            assert!(xml.starts_with("<ErrorResponse xmlns=") && xml.ends_with(&error), "{form}: {xml}");
        }
        assert_eq!(action(b"{}"), None);
        assert_eq!(action(b"NoAction=GetCallerIdentity"), None);
        assert_eq!(action(&[0xff]), None);
    }

    #[tokio::test]
    async fn sts_has_other_names_for_what_isn_t_believed() {
        let table = [
            (Refused::MissingToken("x"), "MissingAuthenticationToken"),
            (Refused::Incomplete("x".into()), "IncompleteSignature"),
            (Refused::Unrecognized, "InvalidClientTokenId"),
            (Refused::Invalid("x".into()), "SignatureDoesNotMatch"),
        ];
        for (error, code) in table {
            let (status, xml) = shown(refused(&error, "id")).await;
            assert_eq!(status, StatusCode::FORBIDDEN);
            assert!(xml.contains(&format!("<Code>{code}</Code><Message>{error}</Message>")), "{xml}");
        }
    }
}
