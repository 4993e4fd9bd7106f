//! Names of what belongs to an account beside ECS: subnets, security groups, roles. Their forms, and the texts with which
//! ECS refuses those that it doesn't find (ecs-semantics §2.2, §2.5). Pure.

use drydock_proto::ecs::NetworkConfiguration;

use crate::error::EcsError;

/// Characters of the longest id of a subnet or a security group.
const ID_CHARS_MAX: usize = 64;
/// Characters of a role's name (IAM).
const ROLE_NAME_CHARS_MAX: usize = 64;
/// Characters of a role's ARN (IAM).
const ROLE_ARN_CHARS_MAX: usize = 2_048;

fn is_id(id: &str, prefix: &str) -> bool {
    let rest = id.strip_prefix(prefix);
    id.len() <= ID_CHARS_MAX
        && rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

/// Whether a text has the form of a subnet's id: `subnet-` and letters, digits and hyphens. (AWS's own have hexadecimal
/// digits alone; ids that people write in examples are well formed, too.)
#[must_use]
pub fn is_subnet(id: &str) -> bool {
    is_id(id, "subnet-")
}

/// Whether a text has the form of a security group's id: `sg-` and letters, digits and hyphens.
#[must_use]
pub fn is_security_group(id: &str) -> bool {
    is_id(id, "sg-")
}

fn is_role_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
    (1..=ROLE_NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(allowed)
}

/// Whether a text has the form of a role's ARN: `arn:aws:iam::ACCOUNT:role/NAME`, with a path before the name perhaps.
#[must_use]
pub fn is_role_arn(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = parts.as_slice() else { return false };
    let Some(path) = resource.strip_prefix("role/") else { return false };
    let (path, name) = path.rsplit_once('/').unwrap_or(("", path));
    arn.len() <= ROLE_ARN_CHARS_MAX
        && partition.starts_with("aws")
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && path.bytes().all(|b| b.is_ascii_graphic())
        && is_role_name(name)
}

/// Checks the form of a role: its ARN or its name; an empty text is none.
///
/// # Errors
/// `ClientException` "Role is not valid".
pub fn check_role(role: Option<&str>) -> Result<(), EcsError> {
    match role {
        None | Some("") => Ok(()),
        Some(role) if is_role_arn(role) || is_role_name(role) => Ok(()),
        Some(_) => Err(invalid_role()),
    }
}

/// What ECS says of a role that it doesn't find when a task definition is registered.
#[must_use]
pub fn invalid_role() -> EcsError {
    EcsError::client("Role is not valid")
}

/// What ECS says of a role of a task that it may not use.
#[must_use]
pub fn unusable_role(role: &str) -> EcsError {
    EcsError::client(format!(
        "ECS was unable to assume the role '{role}' that was provided for this task. Please verify that the role being \
         passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this \
         role."
    ))
}

/// Checks the ids of subnets and security groups: by their form, and that `knows_subnet` and `knows_group` say that they
/// are there.
///
/// # Errors
/// `InvalidParameterException` with EC2's answer in it, as ECS gives it on.
pub fn check_network(
    network: Option<&NetworkConfiguration>,
    knows_subnet: impl Fn(&str) -> bool,
    knows_group: impl Fn(&str) -> bool,
) -> Result<(), EcsError> {
    let Some(vpc) = network.and_then(|network| network.awsvpc_configuration.as_ref()) else { return Ok(()) };
    if let Some(id) = vpc.subnets.iter().find(|id| !is_subnet(id) || !knows_subnet(id)) {
        return Err(EcsError::invalid_parameter(format!(
            "Error retrieving subnet information for [{}]: The subnet ID '{id}' does not exist (ErrorCode: \
             InvalidSubnetID.NotFound)",
            vpc.subnets.join(", ")
        )));
    }
    let why = |id: &String| {
        if !is_security_group(id) {
            return Some(format!("Invalid id: \"{id}\" (expecting \"sg-...\") (ErrorCode: InvalidGroupId.Malformed)"));
        }
        (!knows_group(id))
            .then(|| format!("The security group '{id}' does not exist (ErrorCode: InvalidGroup.NotFound)"))
    };
    match vpc.security_groups.iter().find_map(why) {
        Some(why) => Err(EcsError::invalid_parameter(format!(
            "Error retrieving security group information for [{}]: {why}",
            vpc.security_groups.join(", ")
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use drydock_proto::ecs::{AwsVpcConfiguration, NetworkConfiguration};

    use super::{check_network, check_role, is_subnet};

    #[test]
    fn roles() {
        let path = "x".repeat(65);
        let table = [
            ("", true),
            ("ecsTaskExecutionRole", true),
            ("a+b=c,d.e@f-g_h", true),
            ("arn:aws:iam::123456789012:role/web", true),
            ("arn:aws-cn:iam::123456789012:role/service-role/a/web", true),
            ("arn:aws:iam::12345678901:role/web", false),
            ("arn:aws:iam::ACCOUNT_ID:role/web", false),
            ("arn:aws:iam::123456789012:user/web", false),
            ("arn:aws:iam::123456789012:role/", false),
            ("arn:aws:ecs:us-east-1:123456789012:role/web", false),
            ("${TASK_ROLE_ARN}", false),
            ("{{role}}", false),
            ("my role", false),
            (&path, false),
        ];
        for (role, good) in table {
            let found = check_role(Some(role)).map_err(|error| error.to_string());
            assert_eq!(found.is_ok(), good, "{role}: {found:?}");
        }
        assert!(check_role(None).is_ok());
        let said = check_role(Some("a b")).unwrap_err();
        assert_eq!((said.name.as_str(), said.message.as_str()), ("ClientException", "Role is not valid"));
    }

    /// As seen in what people report of their own deployments.
    #[test]
    fn ids_are_refused_in_ec2_s_words() {
        let said = |subnets: &[&str], groups: &[&str]| {
            let own = |list: &[&str]| list.iter().map(|id| (*id).to_owned()).collect();
            let vpc = AwsVpcConfiguration {
                subnets: own(subnets),
                security_groups: own(groups),
                ..AwsVpcConfiguration::default()
            };
            let network = NetworkConfiguration { awsvpc_configuration: Some(vpc) };
            let known = |id: &str| !id.ends_with("gone");
            check_network(Some(&network), known, known).err().map(|error| error.message)
        };
        assert_eq!(said(&["subnet-0a1b2c3d", "subnet-my-own"], &["sg-1"]), None);
        assert_eq!(
            said(&["subnet-1", "birdzview"], &[]).unwrap(),
            "Error retrieving subnet information for [subnet-1, birdzview]: The subnet ID 'birdzview' does not exist \
             (ErrorCode: InvalidSubnetID.NotFound)"
        );
        assert_eq!(
            said(&["subnet-gone"], &[]).unwrap(),
            "Error retrieving subnet information for [subnet-gone]: The subnet ID 'subnet-gone' does not exist \
             (ErrorCode: InvalidSubnetID.NotFound)"
        );
        assert_eq!(
            said(&["subnet-1"], &["sg-1", "web"]).unwrap(),
            "Error retrieving security group information for [sg-1, web]: Invalid id: \"web\" (expecting \"sg-...\") \
             (ErrorCode: InvalidGroupId.Malformed)"
        );
        assert_eq!(
            said(&["subnet-1"], &["sg-gone"]).unwrap(),
            "Error retrieving security group information for [sg-gone]: The security group 'sg-gone' does not exist \
             (ErrorCode: InvalidGroup.NotFound)"
        );
        for id in ["", "subnet-", "s", "subnet-ä", "subnet-1 ", &format!("subnet-{}", "1".repeat(58))] {
            assert!(!is_subnet(id), "{id}");
        }
        assert!(check_network(None, |_| false, |_| false).is_ok());
    }
}
