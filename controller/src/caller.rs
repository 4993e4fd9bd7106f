//! Who asks, and where: the region and account that a request is about, and the principal that its entry in the log names.

use drydock_model::arn::Scope;

/// Of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The region and account whose clusters it sees.
    pub(crate) scope: Scope,
    /// ARN of the principal.
    pub(crate) principal: String,
}

impl Caller {
    /// The account's root user: nobody is told apart from anybody else.
    pub(crate) fn root(scope: Scope) -> Self {
        let principal = format!("arn:aws:iam::{}:root", scope.account);
        Self { scope, principal }
    }

    /// A user of the account.
    pub(crate) fn user(scope: Scope, name: &str) -> Self {
        let principal = format!("arn:aws:iam::{}:user/{name}", scope.account);
        Self { scope, principal }
    }

    /// Whether it is a user, and not the root user.
    pub(crate) fn is_user(&self) -> bool {
        !self.principal.ends_with(":root")
    }
}
