//! The beginning of a rehearsal from a live cluster: its ACTIVE instances and services and what these run, as the Describe
//! calls tell. Reads from the controllers; changes nothing.

use std::collections::BTreeMap;

use drydock_proto::ecs::{
    ContainerInstance, ContainerInstanceStatus, CreateServiceRequest, DescribeTaskDefinitionRequest,
    ListServicesRequest, RegisterTaskDefinitionRequest, SchedulingStrategy, Service,
};
use drydock_simulator::rehearsal::Materials;
use drydock_simulator::rehearsal::scenario::{self, InstanceGroup, Scenario, Serves};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::Kind;
use crate::commands::{Context, pages};
use crate::failure::Failure;
use crate::load::Shape;
use crate::load::request::{SERVICE, TASK_DEFINITION, from_text};
use crate::output::{Format, document};

/// Capacity providers that a rehearsal has.
const PROVIDERS: [&str; 2] = ["FARGATE", "FARGATE_SPOT"];

/// What a cluster holds.
#[derive(Debug, Default)]
pub struct Live {
    instances: Vec<InstanceGroup>,
    services: Vec<CreateServiceRequest>,
    /// By ARN.
    definitions: BTreeMap<String, RegisterTaskDefinitionRequest>,
    capacity_providers: Vec<String>,
}

/// Reads the cluster of the command.
///
/// # Errors
/// Those of the calls.
pub async fn read(context: &Context) -> Result<Live, Failure> {
    let (client, cluster) = (&context.client, context.cluster.as_str());
    let mut live = Live::default();
    let (found, _) = pages::clusters(client, &[cluster.to_owned()]).await?;
    let providers = found.into_iter().flat_map(|cluster| cluster.capacity_providers);
    live.capacity_providers = providers.filter(|name| PROVIDERS.contains(&name.as_str())).collect();
    let active = Some(ContainerInstanceStatus::Active);
    let arns = pages::instance_arns(client, cluster, active, None).await?;
    let (instances, _) = pages::instances(client, cluster, &arns).await?;
    live.instances = groups(&instances);
    let request = ListServicesRequest { cluster: context.in_cluster(), ..Default::default() };
    let arns = pages::service_arns(client, request).await?;
    let (services, _) = pages::services(client, cluster, &arns).await?;
    // One with an EXTERNAL controller has no task definition: its task sets are somebody else's to make.
    let is_taken = |service: &Service| service.status.as_deref() == Some("ACTIVE") && service.task_definition.is_some();
    for mut service in services.into_iter().filter(is_taken) {
        if service.scheduling_strategy == Some(SchedulingStrategy::Daemon.into()) {
            // It follows from the instances.
            service.desired_count = None;
        }
        let name = service.service_name.clone().unwrap_or_default();
        let mut request: CreateServiceRequest = again(&name, &service, SERVICE)?;
        request.cluster = None;
        live.services.push(request);
    }
    live.services.sort_by(|a, b| a.service_name.cmp(&b.service_name));
    let names: Vec<String> = live.services.iter().filter_map(|request| request.task_definition.clone()).collect();
    for arn in names {
        let request = DescribeTaskDefinitionRequest { task_definition: Some(arn.clone()), ..Default::default() };
        let answer = client
            .ecs(Kind::Read, request, async |mut ecs, request| ecs.describe_task_definition(request).await)
            .await?;
        let definition = again(&arn, &answer.task_definition.unwrap_or_default(), TASK_DEFINITION)?;
        live.definitions.insert(arn, definition);
    }
    Ok(live)
}

/// An answer as the request that would lead to it.
fn again<T: DeserializeOwned>(name: &str, answer: &impl Serialize, shape: Shape) -> Result<T, Failure> {
    let text = document(answer, Format::Json)?;
    Ok(from_text(&format!("{name}.json"), &text, shape)?.request)
}

/// Instances that are alike, in the order of their zones.
fn groups(instances: &[ContainerInstance]) -> Vec<InstanceGroup> {
    let mut counts: BTreeMap<(String, Option<String>, u32, u32), u32> = BTreeMap::new();
    for instance in instances {
        let attribute = |name: &str| {
            let found = instance.attributes.iter().find(|attribute| attribute.name.as_deref() == Some(name));
            found.and_then(|attribute| attribute.value.clone())
        };
        let resource = |name: &str| {
            let found = instance.registered_resources.iter().find(|resource| resource.name.as_deref() == Some(name));
            found.and_then(|resource| u32::try_from(resource.integer_value?).ok()).unwrap_or_default()
        };
        let zone = attribute("ecs.availability-zone").unwrap_or_default();
        let key = (zone, attribute("ecs.instance-type"), resource("CPU"), resource("MEMORY"));
        *counts.entry(key).or_default() += 1;
    }
    let group = |((zone, instance_type, cpu, memory), count)| InstanceGroup {
        name: None,
        zone,
        instance_type,
        count: Some(count),
        cpu: Some(cpu),
        memory_mib: Some(memory),
        price_an_hour: None,
        spot: false,
        serves: Some(Serves::Both),
    };
    counts.into_iter().map(group).collect()
}

impl Live {
    /// Takes the place of a scenario's fleet and services.
    ///
    /// # Errors
    /// The scenario has some of its own.
    pub fn put_into(self, scenario: &mut Scenario, materials: &mut Materials) -> Result<(), String> {
        if !scenario.instances.is_empty() || !scenario.services.is_empty() {
            return Err(
                "with --from-cluster, instances and services are the cluster's: take the scenario's out".to_owned()
            );
        }
        scenario.instances = self.instances;
        scenario.capacity_providers = self.capacity_providers;
        materials.definitions.extend(self.definitions);
        for request in self.services {
            let name = request.service_name.clone().unwrap_or_default();
            scenario.services.push(scenario::Service {
                name: Some(name.clone()),
                task_definition: request.task_definition.clone().unwrap_or_default(),
                file: Some(name.clone()),
                request: None,
                desired_count: None,
            });
            materials.services.insert(name, request);
        }
        Ok(())
    }
}
