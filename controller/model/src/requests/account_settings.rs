//! PutAccountSetting, PutAccountSettingDefault, DeleteAccountSetting, ListAccountSettings.

use drydock_proto::ecs::{
    DeleteAccountSettingRequest, ListAccountSettingsRequest, PutAccountSettingDefaultRequest, PutAccountSettingRequest,
    Setting, SettingName,
};

use super::{required, well_formed};
use crate::account_settings::{known, spelling};
use crate::error::EcsError;
use crate::pagination::Page;
use crate::refusals;

/// Page of ListAccountSettings, where none is asked for and at most.
pub const LIST_MAX: usize = 10;

/// PutAccountSetting. Returns the setting's name.
///
/// # Errors
/// `InvalidParameterException`, `UnsupportedFeatureException`.
pub fn put_account_setting(request: &PutAccountSettingRequest) -> Result<SettingName, EcsError> {
    well_formed(request)?;
    check_value(request.name(), &request.value)
}

/// PutAccountSettingDefault. Returns the setting's name.
///
/// # Errors
/// `InvalidParameterException`, `UnsupportedFeatureException`.
pub fn put_account_setting_default(request: &PutAccountSettingDefaultRequest) -> Result<SettingName, EcsError> {
    well_formed(request)?;
    check_value(request.name(), &request.value)
}

/// DeleteAccountSetting. Returns the setting's name.
///
/// # Errors
/// `InvalidParameterException`.
pub fn delete_account_setting(request: &DeleteAccountSettingRequest) -> Result<SettingName, EcsError> {
    well_formed(request)?;
    check_name(request.name())
}

/// ListAccountSettings.
///
/// # Errors
/// `InvalidParameterException`.
pub fn list_account_settings(request: &ListAccountSettingsRequest) -> Result<Page, EcsError> {
    well_formed(request)?;
    if request.value.is_some() && request.name.is_none() {
        return Err(EcsError::invalid_parameter("The filter value needs the name of an account setting beside it."));
    }
    let mut filters = request.clone();
    let asked = (filters.next_token.take(), filters.max_results.take());
    let list = serde_json::to_string(&filters).map_err(|error| EcsError::invalid_parameter(error.to_string()))?;
    Page::new(format!("ListAccountSettings {list}"), asked.0.as_deref(), asked.1, LIST_MAX, LIST_MAX)
}

fn check_name(name: SettingName) -> Result<SettingName, EcsError> {
    if name == SettingName::Unspecified {
        return Err(EcsError::invalid_parameter("name cannot be empty."));
    }
    if crate::account_settings::is_aws_managed(name) {
        let text = format!("{} is managed by AWS and can only be read.", spelling(name));
        return Err(EcsError::invalid_parameter(text));
    }
    Ok(name)
}

fn check_value(name: SettingName, value: &Option<String>) -> Result<SettingName, EcsError> {
    check_name(name)?;
    let value = required("value", value)?;
    let values = known(name).map(|known| known.values).unwrap_or_default();
    if !values.contains(&value) {
        let text = format!("Invalid value '{value}' for {}: it takes {}.", spelling(name), values.join(", "));
        return Err(EcsError::invalid_parameter(text));
    }
    let setting = Setting { name: Some(name.into()), value: Some(value.to_owned()), ..Setting::default() };
    refusals::check(refusals::ACCOUNT_SETTING, &setting)?;
    Ok(name)
}
