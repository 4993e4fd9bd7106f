//! PutAccountSetting, PutAccountSettingDefault, DeleteAccountSetting (ecs-semantics §1).

use std::sync::Arc;

use drydock_model::account_settings::{check_principal, root};
use drydock_model::error::{EcsError, ExceptionName};
use drydock_model::requests::account_settings as requests;
use drydock_proto::ecs::{self, SettingName};

use super::{Answer, Apply};
use crate::outcome::Outcome;
use crate::query::Query;
use crate::row::{AccountSettingKey, AccountSettingRow};

/// Settings that one region and account keeps, over all principals: ECS names no bound, and each is a row.
pub(super) const ACCOUNT_SETTINGS_MAX: usize = 10_000;

impl Apply<'_> {
    pub(super) fn put_account_setting(&mut self, request: &ecs::PutAccountSettingRequest) -> Answer {
        let name = requests::put_account_setting(request)?;
        let principal = self.principal(request.principal_arn.as_deref())?;
        self.set_account_setting(&principal, name, request.value.as_deref().unwrap_or_default())
    }

    /// The default is the root user's: it holds for everybody who has set none.
    pub(super) fn put_account_setting_default(&mut self, request: &ecs::PutAccountSettingDefaultRequest) -> Answer {
        let name = requests::put_account_setting_default(request)?;
        let principal: Arc<str> = root(self.scope).into();
        self.set_account_setting(&principal, name, request.value.as_deref().unwrap_or_default())
    }

    /// Answers with what was deleted; where there is none, with what holds.
    pub(super) fn delete_account_setting(&mut self, request: &ecs::DeleteAccountSettingRequest) -> Answer {
        let name = requests::delete_account_setting(request)?;
        let principal = self.principal(request.principal_arn.as_deref())?;
        let shown = Query::new(self.state, self.scope).account_setting(&principal, name);
        if let Some(scope) = self.state.scope_id(self.scope) {
            self.state.account_settings.remove(&AccountSettingKey { scope, principal, name });
        }
        Ok(Outcome::AccountSetting(Box::new(shown)))
    }

    /// The principal that a request means: the caller where it names none. Only the root user may name another one.
    fn principal(&self, given: Option<&str>) -> Result<Arc<str>, EcsError> {
        let principal = given.filter(|arn| !arn.is_empty()).unwrap_or(self.caller);
        check_principal(self.scope, principal)?;
        if principal != self.caller && self.caller != root(self.scope) {
            let text = "Only the root user can view or change the account settings of another principal.";
            return Err(EcsError::new(ExceptionName::AccessDenied, text));
        }
        Ok(principal.into())
    }

    fn set_account_setting(&mut self, principal: &Arc<str>, name: SettingName, value: &str) -> Answer {
        let known = self.state.scope_id(self.scope).map(|scope| self.state.account_settings(scope));
        if known.is_some_and(|settings| settings.count() >= ACCOUNT_SETTINGS_MAX) {
            let text = format!("An account keeps at most {ACCOUNT_SETTINGS_MAX} settings.");
            return Err(EcsError::new(ExceptionName::LimitExceeded, text).into());
        }
        let scope = self.scope_for_write();
        let key = AccountSettingKey { scope, principal: Arc::clone(principal), name };
        self.state.account_settings.put(Arc::new(AccountSettingRow { key, value: value.into() }));
        let shown = Query::new(self.state, self.scope).account_setting(principal, name);
        Ok(Outcome::AccountSetting(Box::new(shown)))
    }
}
