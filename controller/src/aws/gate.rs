//! What a request has to pass before it is one: whose it is. Holds what the port was told at its start; decides nothing of
//! what ECS decides.

use drydock_model::arn::Scope;
use drydock_model::error::{EcsError, ExceptionName};
use drydock_proto::ecs::ListAccountSettingsRequest;
use drydock_state::Millis;

use super::keys::{Keys, KeysError};
use super::scope;
use super::signature::{Received, Refused, verify};
use crate::caller::Caller;
use crate::config::AwsPort;
use crate::request::Request;

/// The service of ECS's credential scopes.
pub(super) const ECS: &str = "ecs";

/// Of one port.
#[derive(Debug)]
pub(crate) struct Gate {
    /// `None`: any credentials are taken.
    keys: Option<Keys>,
}

impl Gate {
    /// As configured.
    ///
    /// # Errors
    /// The file of keys can't be used.
    pub(crate) fn of(port: &AwsPort) -> Result<Self, KeysError> {
        Ok(Self { keys: port.require_signature.as_deref().map(Keys::read).transpose()? })
    }

    /// Whose a request is, and of which region in the account of `own`: with keys, that of the user whose key it is signed
    /// with.
    ///
    /// # Errors
    /// Its signature isn't believed, or its credential scope isn't one.
    pub(super) fn caller(
        &self,
        request: &Received<'_>,
        service: &str,
        own: &Scope,
        now: Millis,
    ) -> Result<Caller, Refused> {
        let Some(keys) = &self.keys else { return Ok(Caller::root(scope::of(request.headers, own)?)) };
        let key = verify(keys, request, service, now)?;
        Ok(Caller::user(scope::of(request.headers, own)?, &key.profile))
    }
}

/// Writes into a request what AWS takes from who asks: a list of account settings is of the caller's where it names nobody.
/// (Writes carry their caller along.)
///
/// # Errors
/// `AccessDeniedException`: a user asks for another one's.
pub(super) fn as_of(caller: &Caller, mut request: Request) -> Result<Request, EcsError> {
    if let Request::ListAccountSettings(list) = &mut request
        && caller.is_user()
    {
        let ListAccountSettingsRequest { principal_arn, .. } = list.as_mut();
        let named = principal_arn.get_or_insert_default();
        if named.is_empty() {
            named.clone_from(&caller.principal);
        }
        if *named != caller.principal {
            let text = "Only the root user can view or change the account settings of another principal.";
            return Err(EcsError::new(ExceptionName::AccessDenied, text));
        }
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use drydock_model::arn::Scope;
    use drydock_model::error::ExceptionName;

    use super::as_of;
    use crate::caller::Caller;
    use crate::request::Request;

    #[test]
    fn account_settings_are_the_caller_s() {
        let scope = Scope { region: "us-east-1".into(), account: "123456789012".into() };
        let ann = "arn:aws:iam::123456789012:user/ann";
        let of = |caller: &Caller, body: &str| {
            let request = Request::from_json("ListAccountSettings", body.as_bytes()).unwrap().unwrap();
            as_of(caller, request).map(|request| match request {
                Request::ListAccountSettings(list) => list.principal_arn,
                _ => unreachable!("the same operation"),
            })
        };
        let (root, user) = (Caller::root(scope.clone()), Caller::user(scope, "ann"));
        let other = r#"{"principalArn":"arn:aws:iam::123456789012:user/bob"}"#;
        assert_eq!(of(&root, "{}").unwrap(), None);
        assert!(of(&root, other).unwrap().unwrap().ends_with("bob"));
        assert_eq!(of(&user, "{}").unwrap().as_deref(), Some(ann));
        assert_eq!(of(&user, &format!(r#"{{"principalArn":"{ann}"}}"#)).unwrap().as_deref(), Some(ann));
        assert_eq!(of(&user, other).unwrap_err().name, ExceptionName::AccessDenied);
    }
}
