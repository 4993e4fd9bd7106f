//! Capacity providers: CreateCapacityProvider, UpdateCapacityProvider, DeleteCapacityProvider,
//! DescribeCapacityProviders, PutClusterCapacityProviders (ecs-semantics §2.4).

use drydock_proto::ecs::{
    AutoScalingGroupProvider, AutoScalingGroupProviderUpdate, CapacityProviderStrategyItem,
    CreateCapacityProviderRequest, DeleteCapacityProviderRequest, DescribeCapacityProvidersRequest, ManagedDraining,
    ManagedScaling, ManagedScalingStatus, ManagedTerminationProtection, PutClusterCapacityProvidersRequest,
    UpdateCapacityProviderRequest,
};

use super::{listed, page, required, well_formed};
use crate::arn::short_name;
use crate::capacity::{self, PROVIDERS_MAX};
use crate::error::{EcsError, ExceptionName};
use crate::pagination::Page;
use crate::{names, refusals, tags};

/// Providers that DescribeCapacityProviders takes.
pub const DESCRIBE_MAX: usize = 100;
/// Page of DescribeCapacityProviders where none is asked for, and the largest.
pub const DESCRIBE_PAGE_MAX: i32 = 10;
/// `targetCapacity` where none is given, in percent.
pub const TARGET_CAPACITY: i32 = 100;
/// `minimumScalingStepSize` where none is given, in instances.
pub const STEP_MIN: i32 = 1;
/// `maximumScalingStepSize` where none is given, and the largest step, in instances.
pub const STEP_MAX: i32 = 10_000;
/// `instanceWarmupPeriod` where none is given, in seconds.
pub const WARMUP_SECONDS: i32 = 300;
/// The longest `instanceWarmupPeriod`, in seconds.
pub const WARMUP_SECONDS_MAX: i32 = 10_000;
/// Characters of an Auto Scaling group's name or ARN.
pub const GROUP_CHARS_MAX: usize = 1_600;
/// What a provider's name may not begin with, whatever the case.
const RESERVED: [&str; 3] = ["aws", "ecs", "fargate"];

/// CreateCapacityProvider. Returns the name.
///
/// # Errors
/// `InvalidParameterException`, `ClientException` for a reserved name, `UnsupportedFeatureException`.
pub fn create_capacity_provider(request: &CreateCapacityProviderRequest) -> Result<&str, EcsError> {
    well_formed(request)?;
    refusals::check(refusals::CREATE_CAPACITY_PROVIDER, request)?;
    let name = required("name", &request.name)?;
    names::check(ExceptionName::InvalidParameter, "name", name)?;
    let lower = name.to_ascii_lowercase();
    if RESERVED.iter().any(|reserved| lower.starts_with(reserved)) {
        return Err(EcsError::client(
            "The specified capacity provider name is invalid. The name can't be prefixed with 'aws', 'ecs', or 'fargate'.",
        ));
    }
    tags::check(&request.tags)?;
    let Some(provider) = &request.auto_scaling_group_provider else {
        return Err(EcsError::invalid_parameter("autoScalingGroupProvider must be specified."));
    };
    let group = required("autoScalingGroupArn", &provider.auto_scaling_group_arn)?;
    names::at_most("autoScalingGroupArn", GROUP_CHARS_MAX, Some(group))?;
    check_scaling(provider.managed_scaling.as_ref())?;
    check_protection(&defaults(provider))?;
    Ok(name)
}

/// UpdateCapacityProvider. Returns the name.
///
/// # Errors
/// `InvalidParameterException`, `ClientException` for one of Fargate's, `UnsupportedFeatureException`.
pub fn update_capacity_provider(request: &UpdateCapacityProviderRequest) -> Result<&str, EcsError> {
    well_formed(request)?;
    refusals::check(refusals::UPDATE_CAPACITY_PROVIDER, request)?;
    let name = short_name(required("name", &request.name)?);
    if capacity::is_fargate(name) {
        return Err(EcsError::client("The specified capacity provider is reserved and can't be updated."));
    }
    let Some(provider) = &request.auto_scaling_group_provider else {
        return Err(EcsError::invalid_parameter("autoScalingGroupProvider must be specified."));
    };
    check_scaling(provider.managed_scaling.as_ref())?;
    Ok(name)
}

/// DeleteCapacityProvider. Returns the name.
///
/// # Errors
/// `InvalidParameterException`, `ClientException` for one of Fargate's.
pub fn delete_capacity_provider(request: &DeleteCapacityProviderRequest) -> Result<&str, EcsError> {
    well_formed(request)?;
    refusals::check(refusals::DELETE_CAPACITY_PROVIDER, request)?;
    let name = short_name(required("capacityProvider", &request.capacity_provider)?);
    if capacity::is_fargate(name) {
        return Err(EcsError::client("The specified capacity provider is reserved and can't be deleted."));
    }
    Ok(name)
}

/// DescribeCapacityProviders.
///
/// # Errors
/// `InvalidParameterException`.
pub fn describe_capacity_providers(request: &DescribeCapacityProvidersRequest) -> Result<Page, EcsError> {
    listed("capacityProviders", &request.capacity_providers, 0, DESCRIBE_MAX)?;
    refusals::check(refusals::DESCRIBE_CAPACITY_PROVIDERS, request)?;
    if request.max_results.is_some_and(|most| !(1..=DESCRIBE_PAGE_MAX).contains(&most)) {
        return Err(EcsError::invalid_parameter(format!("maxResults must be between 1 and {DESCRIBE_PAGE_MAX}.")));
    }
    let mut filters = request.clone();
    let asked = (filters.next_token.take(), filters.max_results.take().or(Some(DESCRIBE_PAGE_MAX)));
    page("DescribeCapacityProviders", &filters, asked, 1)
}

/// PutClusterCapacityProviders.
///
/// # Errors
/// `InvalidParameterException`.
pub fn put_cluster_capacity_providers(request: &PutClusterCapacityProvidersRequest) -> Result<(), EcsError> {
    well_formed(request)?;
    required("cluster", &request.cluster)?;
    check_cluster(&request.capacity_providers, &request.default_capacity_provider_strategy)
}

/// What a cluster may be given as capacity providers and default strategy. Whether they exist is the state's question.
///
/// # Errors
/// `InvalidParameterException`.
pub fn check_cluster(providers: &[String], strategy: &[CapacityProviderStrategyItem]) -> Result<(), EcsError> {
    listed("capacityProviders", providers, 0, PROVIDERS_MAX)?;
    capacity::check_strategy(strategy)
}

/// A provider with ECS's defaults filled in.
#[must_use]
pub fn defaults(given: &AutoScalingGroupProvider) -> AutoScalingGroupProvider {
    let mut provider = given.clone();
    let scaling = provider.managed_scaling.get_or_insert_default();
    if scaling.status.is_none() {
        scaling.set_status(ManagedScalingStatus::Disabled);
    }
    scaling.target_capacity.get_or_insert(TARGET_CAPACITY);
    scaling.minimum_scaling_step_size.get_or_insert(STEP_MIN);
    scaling.maximum_scaling_step_size.get_or_insert(STEP_MAX);
    scaling.instance_warmup_period.get_or_insert(WARMUP_SECONDS);
    if provider.managed_termination_protection.is_none() {
        provider.set_managed_termination_protection(ManagedTerminationProtection::Disabled);
    }
    if provider.managed_draining.is_none() {
        provider.set_managed_draining(ManagedDraining::Enabled);
    }
    provider
}

/// A provider with the members that an update gives; checked as a whole.
///
/// # Errors
/// `InvalidParameterException`.
pub fn updated(
    known: &AutoScalingGroupProvider,
    update: &AutoScalingGroupProviderUpdate,
) -> Result<AutoScalingGroupProvider, EcsError> {
    let mut provider = known.clone();
    if let Some(given) = &update.managed_scaling {
        let scaling = provider.managed_scaling.get_or_insert_default();
        let set = |into: &mut Option<i32>, given: Option<i32>| *into = given.or(*into);
        set(&mut scaling.status, given.status);
        set(&mut scaling.target_capacity, given.target_capacity);
        set(&mut scaling.minimum_scaling_step_size, given.minimum_scaling_step_size);
        set(&mut scaling.maximum_scaling_step_size, given.maximum_scaling_step_size);
        set(&mut scaling.instance_warmup_period, given.instance_warmup_period);
    }
    provider.managed_termination_protection =
        update.managed_termination_protection.or(provider.managed_termination_protection);
    provider.managed_draining = update.managed_draining.or(provider.managed_draining);
    check_scaling(provider.managed_scaling.as_ref())?;
    check_protection(&provider)?;
    Ok(provider)
}

/// Whether ECS scales a provider's group.
#[must_use]
pub fn is_scaled(provider: &AutoScalingGroupProvider) -> bool {
    provider.managed_scaling.as_ref().is_some_and(|scaling| scaling.status() == ManagedScalingStatus::Enabled)
}

fn check_scaling(scaling: Option<&ManagedScaling>) -> Result<(), EcsError> {
    let Some(scaling) = scaling else { return Ok(()) };
    let bounded = |what: &str, value: Option<i32>, from: i32, to: i32| match value {
        Some(value) if !(from..=to).contains(&value) => {
            Err(EcsError::invalid_parameter(format!("{what} must be between {from} and {to}.")))
        }
        _ => Ok(()),
    };
    bounded("targetCapacity", scaling.target_capacity, 1, 100)?;
    bounded("minimumScalingStepSize", scaling.minimum_scaling_step_size, 1, STEP_MAX)?;
    bounded("maximumScalingStepSize", scaling.maximum_scaling_step_size, 1, STEP_MAX)?;
    bounded("instanceWarmupPeriod", scaling.instance_warmup_period, 0, WARMUP_SECONDS_MAX)?;
    let least = scaling.minimum_scaling_step_size.unwrap_or(STEP_MIN);
    if least > scaling.maximum_scaling_step_size.unwrap_or(STEP_MAX) {
        return Err(EcsError::invalid_parameter(
            "minimumScalingStepSize must not be greater than maximumScalingStepSize.",
        ));
    }
    Ok(())
}

/// Protection from scale-in means nothing where nothing is scaled in.
fn check_protection(provider: &AutoScalingGroupProvider) -> Result<(), EcsError> {
    let protected = provider.managed_termination_protection() == ManagedTerminationProtection::Enabled;
    if protected && !is_scaled(provider) {
        return Err(EcsError::invalid_parameter(
            "The managed termination protection setting for the capacity provider is invalid. To enable managed \
             termination protection for a capacity provider, managed scaling must be enabled.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    // rule: 2.4/capacity-reserved-names
    #[test]
    fn names_of_fargate_and_of_aws_are_reserved() {
        let group = AutoScalingGroupProvider { auto_scaling_group_arn: Some("group".to_owned()), ..Default::default() };
        let create = |name: &str| {
            let (name, auto_scaling_group_provider) = (Some(name.to_owned()), Some(group.clone()));
            let request = CreateCapacityProviderRequest { name, auto_scaling_group_provider, ..Default::default() };
            create_capacity_provider(&request).map(str::to_owned).map_err(|error| error.to_string())
        };
        assert_eq!(create("mine"), Ok("mine".to_owned()));
        for name in ["FARGATE", "FARGATE_SPOT", "fargate-2", "aws-mine", "ECS"] {
            let refused = create(name).err().unwrap_or_default();
            assert!(
                refused.starts_with("ClientException: The specified capacity provider name is invalid."),
                "{refused}"
            );
        }
        for name in ["FARGATE", "FARGATE_SPOT"] {
            let capacity_provider = Some(name.to_owned());
            let delete = DeleteCapacityProviderRequest { capacity_provider, ..Default::default() };
            let auto_scaling_group_provider = Some(AutoScalingGroupProviderUpdate::default());
            let name = Some(name.to_owned());
            let update = UpdateCapacityProviderRequest { name, auto_scaling_group_provider, ..Default::default() };
            assert!(delete_capacity_provider(&delete).is_err_and(|error| error.message.contains("is reserved")));
            assert!(update_capacity_provider(&update).is_err_and(|error| error.message.contains("is reserved")));
        }
    }

    // rule: 2.7/capacity-providers
    #[test]
    fn a_cluster_has_at_most_20() {
        let put = |count: usize| {
            let capacity_providers = (0..count).map(|at| format!("p{at}")).collect();
            let cluster = Some("c".to_owned());
            put_cluster_capacity_providers(&PutClusterCapacityProvidersRequest {
                cluster,
                capacity_providers,
                ..Default::default()
            })
        };
        assert_eq!(put(20), Ok(()));
        assert!(put(21).is_err_and(|error| error.to_string().starts_with("InvalidParameterException: ")));
    }
}
