//! `/metrics` of three controllers: strict OpenMetrics, exactly the figures that docs/metrics.md lists, and counts that rise
//! with what happens: requests of both faces, refusals, tasks, and a leader that is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use drydock_proto::ecs;
use drydock_tests::cluster::{CLUSTER, Cluster, Options};
use drydock_tests::ecs_client::{Ecs, SETTLE_MAX};
use drydock_tests::openmetrics::{self, Family, value};
use drydock_tests::{aws_port, wait, workspace};
use serde_json::json;

use super::web;

/// What a controller prints.
fn scrape(cluster: &Cluster, at: usize) -> Result<Vec<Family>> {
    let answer = aws_port::get(&cluster.controllers[at].aws_address, "/metrics")?;
    let expected = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ensure!((answer.status, answer.content_type.as_str()) == (200, expected), "{answer:?}");
    openmetrics::parse(&answer.body)
}

/// Type, unit and labels of each metric, by its name.
type Catalogue = BTreeMap<String, (String, String, BTreeSet<String>)>;

/// The tables of docs/metrics.md.
fn documented() -> Result<Catalogue> {
    let page = std::fs::read_to_string(workspace::root().join("docs/metrics.md"))?;
    let mut found = Catalogue::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, kind, unit, labels, meaning, _] = cells[..] else { anyhow::bail!("{line}") };
        ensure!(!meaning.is_empty(), "{line}");
        let bare = |text: &str| text.trim_matches('`').to_owned();
        let labels = labels.split(", ").filter(|label| !label.is_empty()).map(bare).collect();
        let twice = found.insert(bare(name), (kind.to_owned(), unit.to_owned(), labels));
        ensure!(twice.is_none(), "{name} is there twice");
    }
    Ok(found)
}

/// What the pages of all controllers show together: a family's labels are those of all its samples.
fn printed(pages: &[Vec<Family>]) -> Catalogue {
    let mut found = Catalogue::new();
    for family in pages.iter().flatten() {
        let fresh = || (family.kind.clone(), family.unit.clone(), BTreeSet::new());
        found.entry(family.shown_name()).or_insert_with(fresh).2.extend(family.label_names());
    }
    found
}

/// Requests of a kind that a controller has answered.
fn requests(page: &[Family], operation: &str, face: &str, code: &str) -> f64 {
    value(page, "drydock_requests_total", &[("operation", operation), ("face", face), ("code", code)])
}

/// A count that was so many before and is so many more now.
fn rose(before: f64, after: f64, by: f64, what: &str) {
    assert!((after - before - by).abs() < 1e-9, "{what}: {before} before, {after} now, and not {by} more");
}

/// Requests through a controller that doesn't lead, over both faces, some of them refused.
async fn requests_are_counted_where_they_came(cluster: &Cluster, leader: usize, follower: usize) -> Result<()> {
    let (before, leaders) = (scrape(cluster, follower)?, scrape(cluster, leader)?);
    let aws = cluster.controllers[follower].aws_address.as_str();
    aws_port::done(aws, "CreateCluster", &json!({ "clusterName": "by-aws" }))?;
    for invented in ["Invented", "AlsoInvented", "InventedToo"] {
        assert_eq!(aws_port::call(aws, invented, &json!({}))?.status, 400);
    }
    assert_eq!(aws_port::call(aws, "DescribeServices", &json!({ "cluster": "no", "services": ["s"] }))?.status, 400);
    let mut grpc = cluster.apis()?.swap_remove(follower).ecs;
    let made = ecs::CreateClusterRequest { cluster_name: Some("by-grpc".to_owned()), ..Default::default() };
    grpc.create_cluster(made).await?;
    grpc.list_clusters(ecs::ListClustersRequest::default()).await?;
    let nothing = ecs::RunTaskRequest { task_definition: Some("nothing".to_owned()), ..Default::default() };
    assert!(grpc.run_task(nothing).await.is_err());

    let after = scrape(cluster, follower)?;
    let table = [
        ("CreateCluster", "aws", "OK", 1.0),
        ("DescribeServices", "aws", "ClusterNotFoundException", 1.0),
        ("Unknown", "aws", "UnknownOperationException", 3.0),
        ("CreateCluster", "grpc", "OK", 1.0),
        ("ListClusters", "grpc", "OK", 1.0),
        ("RunTask", "grpc", "ClientException", 1.0),
    ];
    for (operation, face, code, by) in table {
        let of = |page| requests(page, operation, face, code);
        rose(of(&before), of(&after), by, &format!("{operation} {face} {code}"));
        let count = |page| {
            let labels = [("operation", operation), ("face", face)];
            value(page, "drydock_request_duration_seconds_count", &labels)
        };
        rose(count(&before), count(&after), by, &format!("durations of {operation} {face}"));
    }
    let names: BTreeSet<&str> = after
        .iter()
        .flat_map(|family| &family.samples)
        .flat_map(|sample| sample.labels.values())
        .map(String::as_str)
        .collect();
    assert!(!names.iter().any(|name| name.contains("nvented")), "a client made a label: {names:?}");
    let now = scrape(cluster, leader)?;
    rose(
        requests(&leaders, "CreateCluster", "aws", "OK"),
        requests(&now, "CreateCluster", "aws", "OK"),
        0.0,
        "the leader's",
    );
    let forwarded = |page| value(page, "drydock_requests_forwarded_total", &[]);
    rose(forwarded(&leaders), forwarded(&now), 3.0, "what was handed on: two clusters, and the task of nothing");
    Ok(())
}

/// Whether a family has figures of clusters by their names.
fn shows_insights(family: &Family) -> bool {
    family.samples.iter().any(|sample| sample.labels.contains_key("cluster_name"))
}

/// A metric, some labels, and the value that it should have.
type Figure<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

/// A service of two tasks in the figures of every replica, and what the leader did for it in its own alone.
async fn the_state_is_shown_by_all_and_work_by_the_leader(cluster: &Cluster, leader: usize) -> Result<()> {
    let client = Ecs { apis: cluster.apis()? };
    let definition = client.register(&web("web", "web:1")).await?;
    client.create_service("web", &definition, 2).await?;
    client.stable("web").await?;
    let aws = cluster.controllers[leader].aws_address.as_str();
    let insights = json!([{ "name": "containerInsights", "value": "enabled" }]);
    aws_port::done(aws, "UpdateClusterSettings", &json!({ "cluster": CLUSTER, "settings": insights }))?;
    let of_cluster = [("cluster_name", CLUSTER), ("account", "000000000000")];
    let of_service = [("cluster_name", CLUSTER), ("service_name", "web")];
    let state: [Figure<'_>; 15] = [
        ("drydock_insights_cluster_container_instances", &of_cluster, 2.0),
        ("drydock_insights_cluster_services", &of_cluster, 1.0),
        ("drydock_insights_cluster_tasks", &of_cluster, 2.0),
        ("drydock_insights_service_desired_tasks", &of_service, 2.0),
        ("drydock_insights_service_running_tasks", &of_service, 2.0),
        ("drydock_insights_service_pending_tasks", &of_service, 0.0),
        ("drydock_insights_service_deployments", &of_service, 1.0),
        ("drydock_insights_service_task_sets", &of_service, 0.0),
        ("drydock_tasks", &[("last_status", "RUNNING"), ("desired_status", "RUNNING")], 2.0),
        ("drydock_tasks", &[], 2.0),
        ("drydock_services", &[("status", "ACTIVE")], 1.0),
        ("drydock_service_deployments", &[("status", "SUCCESSFUL")], 1.0),
        ("drydock_container_instances", &[("status", "ACTIVE"), ("agent_connected", "true")], 2.0),
        ("drydock_clusters", &[("status", "ACTIVE")], 3.0),
        ("drydock_raft_peers_connected", &[], 2.0),
    ];
    for at in 0..cluster.controllers.len() {
        wait::holds("the state is shown", SETTLE_MAX, async || {
            let page = scrape(cluster, at)?;
            for (name, labels, expected) in state {
                let found = value(&page, name, labels);
                ensure!((found - expected).abs() < 1e-9, "controller {at}: {name} {labels:?}: {found}, not {expected}");
            }
            Ok(())
        })
        .await?;
        let page = scrape(cluster, at)?;
        let leads = f64::from(u8::from(at == leader));
        assert!((value(&page, "drydock_raft_role", &[("role", "leader")]) - leads).abs() < 1e-9);
        assert!((value(&page, "drydock_agent_sessions", &[]) - 2.0 * leads).abs() < 1e-9);
        let work = [
            "drydock_agent_manifests_sent_total",
            "drydock_agent_deltas_sent_total",
            "drydock_agent_reports_received_total",
            "drydock_agent_sessions_opened_total",
            "drydock_reconciler_changes_total",
            "drydock_reconciler_step_duration_seconds_count",
            "drydock_reconciler_lag_seconds_count",
        ];
        for name in work {
            let done = value(&page, name, &[]);
            assert_eq!(done >= 1.0, at == leader, "{name} of controller {at}: {done}, and {leader} leads");
        }
        let events = [("detail_type", "ECS Task State Change")];
        assert!(value(&page, "drydock_events_total", &events) >= 2.0);
        assert!(value(&page, "drydock_raft_sync_duration_seconds_count", &[]) >= 5.0);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_rise_with_what_happens_and_are_those_of_the_documents() -> Result<()> {
    let mut cluster = Cluster::start(Options { instances: 2, ..Options::default() }).await?;
    let leader = cluster.leader().await?;
    let follower = (leader + 1) % 3;
    requests_are_counted_where_they_came(&cluster, leader, follower).await?;
    assert!(
        scrape(&cluster, leader)?.iter().all(|family| !shows_insights(family)),
        "nobody asked for the names of clusters"
    );
    the_state_is_shown_by_all_and_work_by_the_leader(&cluster, leader).await?;

    let pages: Vec<Vec<Family>> = (0..3).map(|at| scrape(&cluster, at)).collect::<Result<_>>()?;
    let mut documented = documented()?;
    if !cfg!(target_os = "linux") {
        documented.retain(|name, _| !name.starts_with("process_"));
    }
    let printed = printed(&pages);
    let only = |these: &Catalogue, others: &Catalogue| -> Vec<String> {
        let differs = |(name, row): &(&String, &(String, String, BTreeSet<String>))| others.get(*name) != Some(*row);
        these.iter().filter(differs).map(|row| format!("{row:?}")).collect()
    };
    let (extra, missing) = (only(&printed, &documented), only(&documented, &printed));
    assert!(extra.is_empty() && missing.is_empty(), "/metrics has {extra:#?}, docs/metrics.md has {missing:#?}");
    if cfg!(target_os = "linux") {
        let page = &pages[follower];
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        let age = now - value(page, "process_start_time_seconds", &[]);
        assert!((-2.0..600.0).contains(&age), "it started {age} s ago");
        let process = cluster.controllers[follower].process()?;
        let ratio = value(page, "process_resident_memory_bytes", &[]) / process.resident_bytes()? as f64;
        assert!((0.5..2.0).contains(&ratio), "the memory of this process: {ratio}");
        assert!(value(page, "process_open_fds", &[]) >= 5.0 && value(page, "process_threads", &[]) >= 3.0);
    }

    cluster.controllers[leader].kill()?;
    let next = cluster.leader().await?;
    let survivors = [(leader + 1) % 3, (leader + 2) % 3];
    let sum = |pages: &[Vec<Family>], name: &str| survivors.iter().map(|at| value(&pages[*at], name, &[])).sum::<f64>();
    wait::holds("the change of the leader is counted", SETTLE_MAX, async || {
        let mut now = pages.clone();
        for at in survivors {
            now[at] = scrape(&cluster, at)?;
            let (before, after) = (&pages[at], &now[at]);
            let changes = |page| value(page, "drydock_raft_leader_changes_total", &[]);
            ensure!(changes(after) > changes(before), "controller {at} has seen no change");
            ensure!(value(after, "drydock_raft_term", &[]) > value(before, "drydock_raft_term", &[]), "the same term");
            ensure!(
                (value(after, "drydock_raft_peers_connected", &[]) - 1.0).abs() < 1e-9,
                "the dead one is connected"
            );
        }
        ensure!(sum(&now, "drydock_raft_elections_total") > sum(&pages, "drydock_raft_elections_total"), "no election");
        let sessions = value(&now[next], "drydock_agent_sessions", &[]);
        ensure!((sessions - 2.0).abs() < 1e-9, "{sessions} agents have come to the new leader");
        Ok(())
    })
    .await
    .context("after the leader was killed")?;
    cluster.finish().await
}
