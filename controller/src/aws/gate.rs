//! What a request has to pass before it is one: whose it is, and whether there is a token for it. Holds what the port was told
//! at its start; decides nothing of what ECS decides. Reads a clock that never goes back, for the token buckets.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use drydock_model::arn::Scope;
use drydock_model::error::{EcsError, ExceptionName};
use drydock_proto::ecs::ListAccountSettingsRequest;
use drydock_state::{Millis, State};

use super::failure::Failure;
use super::keys::{Keys, KeysError};
use super::scope;
use super::signature::{Received, Refused, verify};
use super::throttle::{Buckets, Micros, Quota, fargate_wants};
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
    /// `None`: as many requests as the controller can take.
    throttle: Option<Throttle>,
    /// Whether a reset is allowed.
    resets: bool,
}

/// AWS's token buckets, on.
#[derive(Debug)]
struct Throttle {
    started: Instant,
    buckets: Mutex<Buckets>,
}

impl Throttle {
    fn take(&self, region: &str, wants: &[(&'static Quota, u64)]) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock: times come in order.
        let now = Micros::try_from(self.started.elapsed().as_micros()).unwrap_or(Micros::MAX);
        buckets.take(region, wants, now)
    }
}

impl Gate {
    /// As configured.
    ///
    /// # Errors
    /// The file of keys can't be used.
    pub(crate) fn of(port: &AwsPort) -> Result<Self, KeysError> {
        let throttle = || Throttle { started: Instant::now(), buckets: Mutex::default() };
        Ok(Self {
            keys: port.require_signature.as_deref().map(Keys::read).transpose()?,
            throttle: port.throttling.then(throttle),
            resets: port.reset,
        })
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

    /// Whether everything may be removed here.
    ///
    /// # Errors
    /// `AccessDeniedException`: it may not.
    pub(super) fn allows_reset(&self) -> Result<(), Failure> {
        if self.resets { Ok(()) } else { Err(Failure::no_reset()) }
    }

    /// Takes a token of an operation's bucket. An operation that ECS doesn't have takes none.
    ///
    /// # Errors
    /// `ThrottlingException`: there is none.
    pub(super) fn admit(&self, operation: &str, caller: &Caller) -> Result<(), Failure> {
        let (Some(throttle), Some(quota)) = (&self.throttle, Quota::of(operation)) else { return Ok(()) };
        let there = throttle.take(&caller.scope.region, &[(quota, 1)]);
        if there { Ok(()) } else { Err(Failure::throttled("Rate exceeded")) }
    }

    /// Takes the tokens of Fargate's own buckets that a request needs, all of them or none.
    ///
    /// # Errors
    /// `ThrottlingException`: they aren't there. With the full stop that Fargate's refusals have.
    pub(super) fn admit_to_fargate(&self, request: &Request, caller: &Caller, state: &State) -> Result<(), Failure> {
        let (Some(throttle), Request::RunTask(run)) = (&self.throttle, request) else { return Ok(()) };
        let wants = fargate_wants(state, &caller.scope, run);
        let there = wants.is_empty() || throttle.take(&caller.scope.region, &wants);
        if there { Ok(()) } else { Err(Failure::throttled("Rate exceeded.")) }
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
