//! Account settings: ListAccountSettings, and what holds for a principal.

use std::sync::Arc;

use drydock_model::account_settings::{ALL, Known, check_principal, is_aws_managed, known, root, spelling};
use drydock_model::error::EcsError;
use drydock_model::requests::account_settings as requests;
use drydock_proto::ecs::{self, SettingName, SettingType};

use super::Query;
use crate::row::{AccountSettingKey, AccountSettingRow};

impl Query<'_> {
    /// ListAccountSettings, by name: those that the principal (the root user, where the request names none: whoever asks is
    /// it, for nobody is authenticated) has set, or with `effectiveSettings` all, as they hold for it.
    ///
    /// # Errors
    /// `InvalidParameterException`.
    pub fn list_account_settings(
        &self,
        request: &ecs::ListAccountSettingsRequest,
    ) -> Result<ecs::ListAccountSettingsResponse, EcsError> {
        let page = requests::list_account_settings(request)?;
        let caller = root(self.scope);
        let principal = request.principal_arn.as_deref().filter(|arn| !arn.is_empty()).unwrap_or(&caller);
        check_principal(self.scope, principal)?;
        let settings = ALL.iter().filter_map(|known| {
            let set = self.set_account_setting(principal, known.name).is_some();
            (set || request.effective_settings()).then(|| self.account_setting(principal, known.name))
        });
        let asked = settings.filter(|setting| {
            let name = spelling(setting.name());
            page.after.as_deref().is_none_or(|after| name > after)
                && request.name.is_none_or(|of| setting.name == Some(of))
                && request.value.as_deref().is_none_or(|value| setting.value.as_deref() == Some(value))
        });
        let (settings, next_token) = page.cut(asked, |setting| spelling(setting.name()).to_owned());
        Ok(ecs::ListAccountSettingsResponse { settings, next_token })
    }

    /// A setting as it holds for a principal: its own value, else the root user's, else ECS's default.
    #[must_use]
    pub fn account_setting(&self, principal: &str, name: SettingName) -> ecs::Setting {
        let set = self.set_account_setting(principal, name);
        let of_root = || self.set_account_setting(&root(self.scope), name);
        let value = set.or_else(of_root).map(|row| row.value.to_string());
        let default = || known(name).map(|Known { default, .. }| (*default).to_owned()).unwrap_or_default();
        let kind = if is_aws_managed(name) { SettingType::AwsManaged } else { SettingType::User };
        ecs::Setting {
            name: Some(name.into()),
            value: Some(value.unwrap_or_else(default)),
            principal_arn: Some(principal.to_owned()),
            r#type: Some(kind.into()),
        }
    }

    fn set_account_setting(&self, principal: &str, name: SettingName) -> Option<&Arc<AccountSettingRow>> {
        let key = AccountSettingKey { scope: self.scope_id()?, principal: principal.into(), name };
        self.state.account_setting(&key)
    }
}
