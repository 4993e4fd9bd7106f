//! Account settings: their names, values and defaults (ecs-semantics §1). What a value would ask for that isn't there is
//! in [`crate::refusals::ACCOUNT_SETTING`].

use drydock_proto::ecs::SettingName;
use drydock_proto::json::WireEnum as _;

use crate::arn::Scope;
use crate::error::EcsError;

/// Characters of a principal's ARN.
pub const PRINCIPAL_CHARS_MAX: usize = 2_048;

/// A setting that ECS has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: SettingName,
    /// The values that ECS takes.
    pub values: &'static [&'static str],
    /// What holds where nobody has set it. ECS's own, but for those that ECS has on and that aren't there.
    pub default: &'static str,
}

const SWITCH: &[&str] = &["enabled", "disabled"];
const ON_OFF: &[&str] = &["on", "off"];

/// All of them, by name as ECS spells it.
pub const ALL: [Known; 11] = [
    Known { name: SettingName::AwsvpcTrunking, values: SWITCH, default: "disabled" },
    Known { name: SettingName::ContainerInsights, values: &["enabled", "disabled", "enhanced"], default: "disabled" },
    Known { name: SettingName::ContainerInstanceLongArnFormat, values: SWITCH, default: "enabled" },
    // ECS: non-blocking. Containers' output goes to the driver as Docker does it.
    Known { name: SettingName::DefaultLogDriverMode, values: &["blocking", "non-blocking"], default: "blocking" },
    Known { name: SettingName::FargateEventWindows, values: SWITCH, default: "disabled" },
    Known { name: SettingName::FargateFipsMode, values: SWITCH, default: "disabled" },
    Known { name: SettingName::FargateTaskRetirementWaitPeriod, values: &["0", "7", "14"], default: "7" },
    Known { name: SettingName::GuardDutyActivate, values: ON_OFF, default: "off" },
    Known { name: SettingName::ServiceLongArnFormat, values: SWITCH, default: "enabled" },
    // ECS: on for accounts of today. There is no IAM here that could allow or forbid it.
    Known { name: SettingName::TagResourceAuthorization, values: ON_OFF, default: "off" },
    Known { name: SettingName::TaskLongArnFormat, values: SWITCH, default: "enabled" },
];

/// The setting of that name; `None` for the unspecified one.
#[must_use]
pub fn known(name: SettingName) -> Option<&'static Known> {
    ALL.iter().find(|known| known.name == name)
}

/// As ECS spells it.
#[must_use]
pub fn spelling(name: SettingName) -> &'static str {
    SettingName::spelling(name.into()).unwrap_or_default()
}

/// Whether AWS sets it, and not the account.
#[must_use]
pub fn is_aws_managed(name: SettingName) -> bool {
    name == SettingName::GuardDutyActivate
}

/// The principal that stands for the whole account: its value is everybody's who has none.
#[must_use]
pub fn root(scope: &Scope) -> String {
    format!("arn:aws:iam::{}:root", scope.account)
}

/// Checks that a text names a user, a role or the root user of the account.
///
/// # Errors
/// `InvalidParameterException`.
pub fn check_principal(scope: &Scope, arn: &str) -> Result<(), EcsError> {
    let path = arn.strip_prefix("arn:aws:iam::").and_then(|rest| rest.strip_prefix(scope.account.as_str()));
    let named = path.and_then(|path| path.strip_prefix(':')).is_some_and(|path| {
        let name = path.strip_prefix("user/").or_else(|| path.strip_prefix("role/"));
        path == "root" || name.is_some_and(|name| !name.is_empty())
    });
    if named && arn.chars().count() <= PRINCIPAL_CHARS_MAX {
        return Ok(());
    }
    Err(EcsError::invalid_parameter(format!(
        "Invalid principalArn '{arn}': it must be the ARN of a user, a role or the root user of this account."
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_of_ecs_has_a_row_in_the_order_of_names() {
        let names: Vec<&str> = ALL.iter().map(|known| spelling(known.name)).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert_eq!(names.len(), SettingName::SPELLINGS.len());
        assert!(ALL.iter().all(|known| known.values.contains(&known.default)));
    }

    #[test]
    fn principals() {
        let scope = Scope { region: "r".to_owned(), account: "123456789012".to_owned() };
        for (good, arn) in [
            (true, root(&scope).as_str()),
            (true, "arn:aws:iam::123456789012:user/a"),
            (true, "arn:aws:iam::123456789012:role/path/b"),
            (false, "arn:aws:iam::123456789012:user/"),
            (false, "arn:aws:iam::123456789012:group/a"),
            (false, "arn:aws:iam::999999999999:root"),
            (false, "arn:aws:iam::1234567890123:root"),
            (false, "root"),
            (false, ""),
        ] {
            assert_eq!(check_principal(&scope, arn).is_ok(), good, "{arn}");
        }
    }
}
