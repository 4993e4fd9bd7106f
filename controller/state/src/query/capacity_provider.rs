//! Capacity providers: DescribeCapacityProviders, and what managed scaling decided (ecs-semantics §2.4).

use std::sync::Arc;

use drydock_model::arn::{Arn, Resource, short_name};
use drydock_model::capacity::{FARGATE, FARGATE_SPOT};
use drydock_model::error::EcsError;
use drydock_model::requests;
use drydock_proto::control;
use drydock_proto::ecs::{
    self, CapacityProviderField, CapacityProviderStatus, CapacityProviderType, CapacityProviderUpdateStatus,
};

use super::{Arns, Query, list, time};
use crate::key::{CapacityProviderKey, InstanceKey};
use crate::row::{CapacityProviderRow, ScalingRow};

impl Query<'_> {
    /// DescribeCapacityProviders: FARGATE and FARGATE_SPOT are always there.
    ///
    /// # Errors
    /// `InvalidParameterException`.
    pub fn describe_capacity_providers(
        &self,
        request: &ecs::DescribeCapacityProvidersRequest,
    ) -> Result<ecs::DescribeCapacityProvidersResponse, EcsError> {
        let page = requests::capacity_providers::describe_capacity_providers(request)?;
        let with_tags = request.include().any(|field| field == CapacityProviderField::Tags);
        let mut response = ecs::DescribeCapacityProvidersResponse::default();
        let names: Vec<String> = if request.capacity_providers.is_empty() {
            self.all_providers()
        } else {
            let (known, missing): (Vec<_>, Vec<_>) =
                request.capacity_providers.iter().partition(|name| self.names_provider(name));
            response.failures = missing.iter().map(|name| list::missing(self.provider_arn(name))).collect();
            known.into_iter().map(|name| short_name(name).to_owned()).collect()
        };
        // A page begins behind the place of the last one's end: names may repeat.
        let after = page.after.as_deref().and_then(|place| place.parse::<usize>().ok()).map_or(0, |place| place + 1);
        let (shown, next_token) = page.cut(names.iter().enumerate().skip(after), |(place, _)| place.to_string());
        response.capacity_providers = shown.into_iter().filter_map(|(_, name)| self.provider(name)).collect();
        if !with_tags {
            for provider in &mut response.capacity_providers {
                provider.tags.clear();
            }
        }
        response.next_token = next_token;
        Ok(response)
    }

    /// What managed scaling decided, for the clusters and providers that are named; an empty name stands for all.
    ///
    /// # Errors
    /// `ClusterNotFoundException`.
    pub fn describe_scaling(
        &self,
        request: &control::DescribeScalingRequest,
    ) -> Result<control::DescribeScalingResponse, EcsError> {
        let cluster = match request.cluster.as_str() {
            "" => None,
            name => Some(self.cluster(Some(name))?.id),
        };
        let provider = short_name(&request.capacity_provider);
        let rows = self.state.scalings().filter(|row| {
            cluster.is_none_or(|id| row.key.cluster == id) && (provider.is_empty() || *row.key.provider == *provider)
        });
        let decisions = rows.filter_map(|row| {
            let cluster = self.state.cluster(row.key.cluster)?;
            (Some(cluster.scope) == self.scope_id()).then(|| decision(Arns::new(self.scope, &cluster.name), row))
        });
        Ok(control::DescribeScalingResponse { decisions: decisions.collect() })
    }

    /// A capacity provider as the API shows it: what its writes answer with.
    #[must_use]
    pub fn render_capacity_provider(&self, row: &CapacityProviderRow) -> ecs::CapacityProvider {
        let gone = row.document.update_status() == CapacityProviderUpdateStatus::DeleteComplete;
        let mut provider = (*row.document).clone();
        provider.name = Some(row.key.name.to_string());
        provider.capacity_provider_arn = Some(self.provider_arn(&row.key.name));
        provider.set_status(if gone { CapacityProviderStatus::Inactive } else { CapacityProviderStatus::Active });
        provider.set_type(CapacityProviderType::Ec2Autoscaling);
        provider.tags = row.tags.to_vec();
        provider
    }

    fn all_providers(&self) -> Vec<String> {
        let own = self.scope_id().into_iter().flat_map(|scope| self.state.capacity_providers(scope, None));
        let own = own.map(|row| row.key.name.to_string());
        [FARGATE, FARGATE_SPOT].map(str::to_owned).into_iter().chain(own).collect()
    }

    /// Whether a name or an ARN of this scope names a provider.
    fn names_provider(&self, text: &str) -> bool {
        let ours = match text.parse::<Arn>() {
            Ok(arn) => arn.scope == *self.scope && matches!(arn.resource, Resource::CapacityProvider(_)),
            Err(_) => !text.starts_with("arn:"),
        };
        ours && self.provider(short_name(text)).is_some()
    }

    fn provider(&self, name: &str) -> Option<ecs::CapacityProvider> {
        let kind = match name {
            FARGATE => CapacityProviderType::Fargate,
            FARGATE_SPOT => CapacityProviderType::FargateSpot,
            _ => {
                let key = CapacityProviderKey { scope: self.scope_id()?, name: Arc::from(name) };
                return self.state.capacity_provider(&key).map(|row| self.render_capacity_provider(row));
            }
        };
        let mut provider = ecs::CapacityProvider {
            capacity_provider_arn: Some(self.provider_arn(name)),
            name: Some(name.to_owned()),
            ..ecs::CapacityProvider::default()
        };
        provider.set_status(CapacityProviderStatus::Active);
        provider.set_type(kind);
        Some(provider)
    }

    fn provider_arn(&self, name: &str) -> String {
        if name.starts_with("arn:") { name.to_owned() } else { Arns::new(self.scope, "").capacity_provider(name) }
    }
}

/// A decision as the control API and its event show it.
pub(super) fn decision(arns: Arns<'_>, row: &ScalingRow) -> control::ScalingDecision {
    let figures = &row.figures;
    let instance = |id: &u128| arns.instance(InstanceKey { cluster: row.key.cluster, id: *id });
    control::ScalingDecision {
        cluster_arn: arns.cluster(),
        capacity_provider_arn: arns.capacity_provider(&row.key.provider),
        needed: figures.needed,
        running: figures.running,
        reservation_percent: figures.reservation_percent,
        target_percent: figures.target_percent,
        desired_size: figures.desired,
        low_points: figures.low_points,
        warm_until: figures.warm_until.map(time::timestamp),
        decided_at: Some(time::timestamp(figures.decided_at)),
        next_look_at: figures.next_at.map(time::timestamp),
        leaving_container_instance_arns: row.leaving.iter().map(instance).collect(),
    }
}
