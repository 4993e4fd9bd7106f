//! Tokens of pages name a place in a list, not something that a controller remembers: whoever began a list at one controller
//! goes on at another, though the leader died in between.

use anyhow::{Context as _, Result, ensure};
use drydock_tests::aws_port::{call, done};
use drydock_tests::cluster::{Cluster, Options};
use drydock_tests::ecs_client::Ecs;
use serde_json::{Value, json};

use super::web;

/// A paginator of ECS that is served.
struct Paginator {
    operation: &'static str,
    /// The request, without its page.
    request: Value,
    /// The member of the answer with the items.
    items: &'static str,
    /// What tells them apart; empty where they are texts.
    key: &'static str,
}

impl Paginator {
    const fn new(operation: &'static str, request: Value, items: &'static str, key: &'static str) -> Self {
        Self { operation, request, items, key }
    }

    fn with(&self, more: &[(&str, Value)]) -> Value {
        let mut request = self.request.clone();
        for (name, value) in more {
            request[*name] = value.clone();
        }
        request
    }

    /// The items of one answer, and the token of the next.
    fn page(&self, address: &str, more: &[(&str, Value)]) -> Result<(Vec<String>, Option<String>)> {
        let answer = done(address, self.operation, &self.with(more))?;
        let items = answer[self.items].as_array().with_context(|| format!("{}: {answer}", self.operation))?;
        let keys =
            items.iter().map(|item| if self.key.is_empty() { item.to_string() } else { item[self.key].to_string() });
        Ok((keys.collect(), answer["nextToken"].as_str().map(str::to_owned)))
    }

    /// All items, by pages of the size that ECS takes where none is asked for.
    fn all(&self, address: &str) -> Result<Vec<String>> {
        let (mut all, mut token) = self.page(address, &[])?;
        while let Some(next) = token {
            let (more, after) = self.page(address, &[("nextToken", next.into())])?;
            all.extend(more);
            token = after;
        }
        Ok(all)
    }

    /// What a token of another list, or none at all, is refused with.
    fn refuses(&self, address: &str, token: &str) -> Result<()> {
        let answer = call(address, self.operation, &self.with(&[("nextToken", token.into())]))?;
        let body = answer.json()?;
        let said = (answer.status, body["__type"].as_str(), body["message"].as_str());
        ensure!(said == (400, Some("InvalidParameterException"), Some("Invalid token.")), "{}: {body}", self.operation);
        Ok(())
    }
}

/// All that have a token, each over a list of its own.
fn paginators(service: &str) -> [Paginator; 10] {
    let paginator = Paginator::new;
    [
        paginator("ListClusters", json!({}), "clusterArns", ""),
        paginator("ListTaskDefinitions", json!({}), "taskDefinitionArns", ""),
        paginator("ListTaskDefinitionFamilies", json!({}), "families", ""),
        paginator("ListServices", json!({}), "serviceArns", ""),
        paginator("ListTasks", json!({}), "taskArns", ""),
        paginator("ListContainerInstances", json!({}), "containerInstanceArns", ""),
        paginator(
            "ListServiceDeployments",
            json!({ "service": service }),
            "serviceDeployments",
            "serviceDeploymentArn",
        ),
        paginator(
            "ListAttributes",
            json!({ "targetType": "container-instance", "attributeName": "stack" }),
            "attributes",
            "targetId",
        ),
        paginator("DescribeCapacityProviders", json!({}), "capacityProviders", "name"),
        paginator("ListAccountSettings", json!({ "effectiveSettings": true }), "settings", "name"),
    ]
}

/// Three of everything that can be listed, or more.
async fn fill(cluster: &Cluster) -> Result<()> {
    let address = cluster.controllers[0].aws_address.as_str();
    let ecs = Ecs { apis: cluster.apis()? };
    for name in ["one", "two"] {
        done(address, "CreateCluster", &json!({ "clusterName": name }))?;
        ecs.register(&web(name, "web:1")).await?;
    }
    let definition = ecs.register(&web("web", "web:1")).await?;
    for name in ["a", "b", "c"] {
        ecs.create_service(name, &definition, 1).await?;
    }
    for image in ["web:2", "web:3"] {
        let definition = ecs.register(&web("web", image)).await?;
        ecs.stable("a").await?;
        done(address, "UpdateService", &json!({ "service": "a", "taskDefinition": definition }))?;
    }
    for name in ["a", "b", "c"] {
        ecs.stable(name).await?;
    }
    let instances = done(address, "ListContainerInstances", &json!({}))?;
    for instance in instances["containerInstanceArns"].as_array().context("instances")? {
        let attribute = json!({ "name": "stack", "value": "x", "targetId": instance });
        done(address, "PutAttributes", &json!({ "attributes": [attribute] }))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_was_begun_goes_on_at_another_controller_after_the_leader_died() -> Result<()> {
    let mut cluster = Cluster::start(Options { healthy_after_ms: 100, ..Options::default() }).await?;
    fill(&cluster).await?;
    let leader = cluster.leader().await?;
    let one = ("maxResults", json!(1));
    let mut begun = Vec::new();
    for paginator in paginators("a") {
        let address = &cluster.controllers[leader].aws_address;
        let all = paginator.all(address)?;
        ensure!(all.len() >= 2, "{}: {all:?}", paginator.operation);
        let (first, token) = paginator.page(address, std::slice::from_ref(&one))?;
        ensure!(first.len() == 1, "{}: {first:?}", paginator.operation);
        begun.push((all, first, token.with_context(|| format!("{}: no token", paginator.operation))?, paginator));
    }
    cluster.controllers[leader].kill()?;
    cluster.leader().await?;
    let others = [1, 2].map(|on| cluster.controllers[(leader + on) % 3].aws_address.clone());
    for (at, (all, first, token, paginator)) in begun.iter().enumerate() {
        let (mut seen, mut next, mut turn) = (first.clone(), Some(token.clone()), at);
        while let Some(token) = next {
            turn += 1;
            let (items, token) = paginator.page(&others[turn % 2], &[one.clone(), ("nextToken", token.into())])?;
            ensure!(items.len() == 1 && seen.len() < all.len(), "{}: {seen:?} and {items:?}", paginator.operation);
            seen.extend(items);
            next = token;
        }
        // In the same order, so none is missing and none is there twice.
        assert_eq!(seen, *all, "{}", paginator.operation);
        let (.., foreign, _) = &begun[(at + 1) % begun.len()];
        for wrong in ["nonsense", "0123456789abcdef", &token[1..], foreign] {
            paginator.refuses(&others[at % 2], wrong)?;
        }
    }
    cluster.finish().await
}
