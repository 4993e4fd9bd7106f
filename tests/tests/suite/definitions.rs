//! Task definitions as people write them, through real processes: each that registers runs to RUNNING on simulated
//! containers, on Fargate where it says so. `DRYDOCK_TEST_DEFINITIONS` names a folder with more of them.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result};
use drydock_model::refusals;
use drydock_proto::ecs;
use drydock_tests::cluster::{Cluster, Options};
use drydock_tests::ecs_client::Ecs;
use drydock_tests::workspace;
use serde_json::{Value, json};

const FIXTURES: &str = "controller/model/tests/fixtures";
/// How soon a pretended health check passes, and how soon a container ends whose end another waits for.
const SOON_MS: &str = "50";

// rule: 2.2/register-returns-whole, 2.4/requires-attributes
#[tokio::test(flavor = "multi_thread")]
async fn each_that_registers_runs() -> Result<()> {
    let capacity = (65_536, 262_144);
    let options = Options { controllers: 1, instances: 1, capacity, gpus: 8, ..Options::default() };
    let cluster = Cluster::start(options).await?;
    let ecs = Ecs { apis: cluster.apis()? };
    let fixtures = run_all(&ecs, &workspace::root().join(FIXTURES)).await?;
    let refused: BTreeSet<&str> =
        fixtures.iter().filter(|(_, became)| became != "RUNNING").map(|(name, _)| name.as_str()).collect();
    let mut expected = BTreeSet::from(["skeleton.json", "templated.json", "text-for-number.json"]);
    let unsupported = refusals::USE_TASK_DEFINITION.iter().any(|row| row.field.starts_with("placementConstraints"));
    expected.extend(unsupported.then_some("gpu.json"));
    expected.insert("windows-fargate.json");
    assert_eq!(refused, expected, "{fixtures:#?}");
    if let Some(folder) = std::env::var_os("DRYDOCK_TEST_DEFINITIONS") {
        for (name, became) in run_all(&ecs, Path::new(&folder)).await? {
            println!("{name}: {became}");
        }
    }
    cluster.finish().await
}

/// File → RUNNING, or why it wasn't registered. One that registers and doesn't run is an error.
async fn run_all(ecs: &Ecs, folder: &Path) -> Result<Vec<(String, String)>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut definition: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
        be_quick(&mut definition);
        let became = match ecs.register(&definition).await {
            Ok(arn) => run(ecs, &arn, &definition).await.with_context(|| name.clone())?,
            Err(error) => format!("{error:#}"),
        };
        all.push((name, became));
    }
    Ok(all)
}

/// Runs a task of it to RUNNING, and stops it, so that its ports are free for the next.
async fn run(ecs: &Ecs, arn: &str, definition: &Value) -> Result<String> {
    let mut request = ecs::RunTaskRequest { task_definition: Some(arn.to_owned()), ..Default::default() };
    if definition["networkMode"] == "awsvpc" {
        let awsvpc = ecs::AwsVpcConfiguration { subnets: vec!["subnet-1".to_owned()], ..Default::default() };
        request.network_configuration = Some(ecs::NetworkConfiguration { awsvpc_configuration: Some(awsvpc) });
    }
    let asks =
        |of: &str| definition["requiresCompatibilities"].as_array().is_some_and(|list| list.contains(&json!(of)));
    if asks("FARGATE") {
        request.set_launch_type(ecs::LaunchType::Fargate);
    }
    let windows =
        definition["runtimePlatform"]["operatingSystemFamily"].as_str().is_some_and(|os| os.starts_with("WIN"));
    let started = match ecs.run_as(request).await {
        // The agent says that it is Linux: Fargate has no Windows here.
        Err(error) if windows && format!("{error:#}").contains("Capacity is unavailable") => {
            return Ok(format!("{error:#}"));
        }
        Err(error) if format!("{error:#}").contains("UnsupportedFeatureException") => return Ok(format!("{error:#}")),
        answer => answer?,
    };
    let task = started.into_iter().next().context("a task")?.task_arn().to_owned();
    let running = ecs.reaches(&task, "RUNNING").await?;
    let containers = definition["containerDefinitions"].as_array().map_or(0, Vec::len);
    assert_eq!(running.containers.len(), containers, "{arn}");
    ecs.stop(&task, "it ran").await?;
    ecs.reaches(&task, "STOPPED").await?;
    Ok("RUNNING".to_owned())
}

/// Labels for the simulated runtime: checks pass soon, and what is waited for to end ends soon.
fn be_quick(definition: &mut Value) {
    let Some(containers) = definition["containerDefinitions"].as_array_mut() else { return };
    let waits = containers.iter().flat_map(|container| container["dependsOn"].as_array().cloned().unwrap_or_default());
    let ending: BTreeSet<String> = waits
        .filter(|wait| wait["condition"] == "SUCCESS" || wait["condition"] == "COMPLETE")
        .filter_map(|wait| Some(wait["containerName"].as_str()?.to_owned()))
        .collect();
    for container in containers {
        let ends = container["name"].as_str().is_some_and(|name| ending.contains(name));
        let knobs = [("healthy-after-ms", !container["healthCheck"].is_null()), ("run-for-ms", ends)];
        for (knob, _) in knobs.into_iter().filter(|(_, set)| *set) {
            container["dockerLabels"][format!("drydock.sim/{knob}")] = json!(SOON_MS);
        }
    }
}
