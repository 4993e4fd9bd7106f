//! The whole agent, with the simulated runtime, against a controller that the test plays.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod fake;

use drydock_node_agent::{AgentError, Config};
use drydock_proto::agent::agent_message::Message as Up;
use drydock_proto::agent::controller_message::Message as Down;
use drydock_proto::agent::{Controllers, Delta, Manifest, Redirect, Refused, StartLogRead, StopConfirm, StopLogRead};
use drydock_proto::ecs::{ContainerCondition, ContainerDependency};
use fake::{Fake, WAIT, arn, assigned, config, definition, manifest, start};

#[tokio::test]
async fn a_task_runs_and_is_told_until_it_is_heard() {
    let temp = tempfile::tempdir().unwrap();
    let mut fake = Fake::start().await;
    let agent = start(config(temp.path(), &[&fake]));
    let mut session = fake.accept().await;
    let first = session.hello.clone();
    assert_eq!((first.cluster.as_str(), first.runtime.as_str(), first.manifest_sequence), ("c", "simulated", 0));
    assert_eq!(first.capacity.unwrap().cpu, 4_096);
    assert!(first.attributes.iter().any(|one| one.name() == "ecs.os-type" && one.value() == "linux"));
    session.welcome("arn:instance").await;
    session.until(|message| matches!(message, Up::Heartbeat(_)).then_some(())).await;
    session.say(manifest(7, vec![assigned("t", "RUNNING")], definition(&[]))).await;
    session.ack(7).await;
    let running = session.report("t", "RUNNING", false).await;
    assert!(running.started_at.is_some());
    drop(session);

    // Nothing was acknowledged: the next session hears it again.
    let mut session = fake.welcome().await;
    assert_eq!(session.hello.container_instance_arn, "arn:instance");
    assert_eq!(session.hello.instance_token, first.instance_token);
    assert_ne!(session.hello.session_nonce, first.session_nonce);
    assert_eq!(session.hello.manifest_sequence, 7);
    assert_eq!(session.hello.manifest_digest.len(), 4);
    let again = session.report("t", "RUNNING", true).await;
    assert_eq!(again, running);
    session.say(manifest(8, vec![assigned("t", "STOPPED")], definition(&[]))).await;
    let stopped = session.report("t", "STOPPED", true).await;
    assert_eq!(stopped.containers[0].exit_code, Some(0));
    assert!(stopped.sequence > running.sequence);
    agent.stop().await;
}

#[tokio::test]
async fn redirects_lead_to_the_leader_and_a_lost_leader_is_looked_for() {
    let temp = tempfile::tempdir().unwrap();
    let (mut follower, mut leader) = (Fake::start().await, Fake::start().await);
    let agent = start(config(temp.path(), &[&follower]));
    let asked = follower.accept().await;
    let controllers = Some(Controllers { addresses: vec![follower.address.clone(), leader.address.clone()] });
    asked.say(Down::Redirect(Redirect { leader_address: leader.address.clone(), controllers })).await;
    let mut session = leader.welcome().await;
    session.say(manifest(1, vec![assigned("t", "RUNNING")], definition(&[]))).await;
    session.report("t", "RUNNING", true).await;

    // The leader dies; the follower doesn't know a leader at first, then is it.
    let died = std::time::Instant::now();
    drop(session);
    leader.kill();
    let asked = follower.accept().await;
    asked.say(Down::Redirect(Redirect::default())).await;
    drop(asked);
    let session = follower.welcome().await;
    assert!(died.elapsed() < std::time::Duration::from_secs(3), "{:?}", died.elapsed());
    assert_eq!(session.hello.manifest_sequence, 1);
    agent.stop().await;
}

#[tokio::test]
async fn a_delta_that_does_not_fit_is_not_taken() {
    let temp = tempfile::tempdir().unwrap();
    let mut fake = Fake::start().await;
    let agent = start(config(temp.path(), &[&fake]));
    let mut session = fake.welcome().await;
    session.say(manifest(3, vec![], definition(&[]))).await;
    session.ack(3).await;
    let delta = |from, to| {
        Down::Delta(Delta {
            from,
            to,
            upserts: vec![assigned("t", "RUNNING")],
            task_definitions: vec![definition(&[])],
            ..Default::default()
        })
    };
    session.say(delta(4, 5)).await;
    let asked = session.until(|message| match message {
        Up::ManifestRequest(request) => Some(request.have_sequence),
        Up::Ack(ack) => panic!("{ack:?}"),
        _ => None,
    });
    assert_eq!(asked.await, 3);
    session.say(delta(3, 5)).await;
    session.ack(5).await;
    session.report("t", "RUNNING", true).await;
    agent.stop().await;
}

#[tokio::test]
async fn a_manifest_in_parts_takes_effect_with_its_last() {
    let temp = tempfile::tempdir().unwrap();
    let mut fake = Fake::start().await;
    let agent = start(config(temp.path(), &[&fake]));
    let mut session = fake.welcome().await;
    let part = |task: &str, more| {
        let tasks = vec![assigned(task, "RUNNING")];
        Down::Manifest(Manifest { sequence: 2, tasks, task_definitions: vec![definition(&[])], more })
    };
    session.say(part("a", true)).await;
    session.say(part("b", false)).await;
    session.ack(2).await;
    session.report("a", "RUNNING", false).await;
    session.report("b", "RUNNING", false).await;
    agent.stop().await;
}

#[tokio::test]
async fn what_the_manifest_lacks_is_stopped_once_confirmed() {
    let temp = tempfile::tempdir().unwrap();
    let mut fake = Fake::start().await;
    let agent = start(config(temp.path(), &[&fake]));
    let mut session = fake.welcome().await;
    session.say(manifest(1, vec![assigned("t", "RUNNING")], definition(&[]))).await;
    session.report("t", "RUNNING", true).await;
    session.say(manifest(2, vec![], definition(&[]))).await;
    let asked = session.until(|message| match message {
        Up::StopVerification(asked) => Some(asked),
        Up::Reports(reports) => panic!("{reports:?}"),
        _ => None,
    });
    let asked = asked.await;
    assert_eq!((asked.manifest_sequence, asked.task_arns), (2, vec![arn("t")]));
    let stop_task_arns = vec![arn("t")];
    session.say(Down::StopConfirm(StopConfirm { manifest_sequence: 2, stop_task_arns, ..Default::default() })).await;
    session.report("t", "STOPPED", true).await;
    agent.stop().await;
}

/// Starts a task, ends the agent in one way or another, and shows that the container ran on and is found again.
async fn survives(spoil: impl Fn(&std::path::Path), kill: bool) {
    let temp = tempfile::tempdir().unwrap();
    let mut fake = Fake::start().await;
    let agent = start(config(temp.path(), &[&fake]));
    let mut session = fake.welcome().await;
    session.say(manifest(1, vec![assigned("t", "RUNNING")], definition(&[]))).await;
    let before = session.report("t", "RUNNING", true).await;
    if kill {
        agent.kill().await
    } else {
        agent.stop().await
    }
    drop(session);
    spoil(temp.path());

    let agent = start(config(temp.path(), &[&fake]));
    let mut session = fake.welcome().await;
    session.say(manifest(2, vec![assigned("t", "RUNNING"), assigned("u", "RUNNING")], definition(&[]))).await;
    session.ack(2).await;
    // When u runs, t was looked at too: had it been started anew, its report would say so.
    session.report("u", "RUNNING", true).await;
    session.say(manifest(3, vec![assigned("t", "STOPPED")], definition(&[]))).await;
    let stopped = session.report("t", "STOPPED", true).await;
    assert_eq!(stopped.containers[0].runtime_id, before.containers[0].runtime_id);
    assert_eq!(stopped.containers[0].restart_count, 0);
    let pulled_again = stopped.pull_started_at != before.pull_started_at && stopped.pull_started_at.is_some();
    assert!(!pulled_again, "{stopped:?}");
    agent.stop().await;
}

#[tokio::test]
async fn a_stopped_agent_leaves_its_containers_and_finds_them_again() {
    survives(|_| (), false).await;
}

#[tokio::test]
async fn a_killed_agent_finds_its_containers_again() {
    survives(|_| (), true).await;
}

#[tokio::test]
async fn an_agent_without_its_journal_finds_its_containers_again() {
    survives(|data| std::fs::remove_dir_all(data.join("journal")).unwrap(), false).await;
}

#[tokio::test]
async fn an_agent_with_a_damaged_journal_finds_its_containers_again() {
    let spoil = |data: &std::path::Path| {
        for entry in std::fs::read_dir(data.join("journal")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                std::fs::write(path, [0xA5; 8_192]).unwrap();
            }
        }
    };
    survives(spoil, false).await;
}

#[tokio::test]
async fn what_ended_while_the_agent_was_away_is_told_later() {
    let temp = tempfile::tempdir().unwrap();
    let mut fake = Fake::start().await;
    let agent = start(config(temp.path(), &[&fake]));
    let mut session = fake.welcome().await;
    let knobs = [("run-for-ms", "600000"), ("exit-code", "5")];
    session.say(manifest(1, vec![assigned("t", "RUNNING")], definition(&knobs))).await;
    session.report("t", "RUNNING", true).await;
    agent.kill().await;
    // An hour passes: the container was started that much earlier.
    let kept = temp.path().join("simulated.log");
    let text = std::fs::read_to_string(&kept).unwrap();
    let (before, after) = text.rsplit_once("\"started_at\":").unwrap();
    let digits = after.find(|letter: char| !letter.is_ascii_digit()).unwrap();
    let started: u64 = after[..digits].parse().unwrap();
    std::fs::write(&kept, format!("{before}\"started_at\":{}{}", started - 3_600_000, &after[digits..])).unwrap();
    let agent = start(config(temp.path(), &[&fake]));
    let mut session = fake.welcome().await;
    let stopped = session.report("t", "STOPPED", true).await;
    assert_eq!(stopped.containers[0].exit_code, Some(5));
    assert_eq!(stopped.stopped_reason, "Essential container in task exited");
    agent.stop().await;
}

#[tokio::test]
async fn stop_tasks_on_exit_leaves_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let mut fake = Fake::start().await;
    let config = Config { stop_tasks_on_exit: true, ..config(temp.path(), &[&fake]) };
    let agent = start(config.clone());
    let mut session = fake.welcome().await;
    session.say(manifest(1, vec![assigned("t", "RUNNING")], definition(&[]))).await;
    session.report("t", "RUNNING", true).await;
    agent.stop().await;
    let kept = std::fs::read_to_string(temp.path().join("simulated.log")).unwrap();
    assert!(kept.lines().last().unwrap().contains("Drop"), "{kept}");
    drop(session);

    // What became of the task is told at the next start.
    let agent = start(config);
    let mut session = fake.welcome().await;
    let stopped = session.report("t", "STOPPED", true).await;
    assert_eq!(stopped.stopped_reason, "The agent of the container instance was stopped.");
    agent.stop().await;
}

#[tokio::test]
async fn a_refused_agent_says_why_and_ends() {
    let temp = tempfile::tempdir().unwrap();
    let mut fake = Fake::start().await;
    let agent = start(config(temp.path(), &[&fake]));
    let session = fake.accept().await;
    session.say(Down::Refused(Refused { reason: "deregistered".into() })).await;
    let ended = tokio::time::timeout(WAIT, agent.ended).await.unwrap().unwrap();
    assert!(matches!(ended, Err(AgentError::Refused { reason, .. }) if reason == "deregistered"));
}

#[tokio::test]
async fn logs_are_read_and_followed() {
    let temp = tempfile::tempdir().unwrap();
    let mut fake = Fake::start().await;
    let agent = start(config(temp.path(), &[&fake]));
    let mut session = fake.welcome().await;
    session.say(manifest(1, vec![assigned("t", "RUNNING")], definition(&[("log-every-ms", "30")]))).await;
    session.report("t", "RUNNING", true).await;
    let read = |id: &str, follow, tail, container: &str| {
        Down::StartLogRead(StartLogRead {
            read_id: id.into(),
            task_arn: arn("t"),
            container: container.into(),
            follow,
            tail,
            since: None,
        })
    };
    session.say(read("follow", true, None, "")).await;
    let mut seen = Vec::new();
    while seen.len() < 5 {
        let chunk = tokio::time::timeout(WAIT, fake.logs.recv()).await.unwrap().unwrap();
        assert_eq!(chunk.read_id, "follow");
        seen.extend(chunk.entries);
    }
    assert_eq!(seen[0].message, "app: started from app:1");
    assert_eq!(
        (seen[1].message.as_str(), seen[1].stream.as_str(), seen[1].container.as_str()),
        ("app: line 1", "stdout", "app")
    );
    assert!(seen[1].time.is_some());
    session.say(Down::StopLogRead(StopLogRead { read_id: "follow".into() })).await;

    session.say(read("tail", false, Some(2), "app")).await;
    let mut tail = Vec::new();
    loop {
        let chunk = tokio::time::timeout(WAIT, fake.logs.recv()).await.unwrap().unwrap();
        if chunk.read_id != "tail" {
            continue;
        }
        if chunk.end {
            assert_eq!((chunk.error.as_str(), chunk.entries.len()), ("", 0));
            break;
        }
        tail.extend(chunk.entries);
    }
    assert_eq!(tail.len(), 2);

    session.say(read("none", false, None, "nobody")).await;
    loop {
        let chunk = tokio::time::timeout(WAIT, fake.logs.recv()).await.unwrap().unwrap();
        if chunk.read_id == "none" {
            assert!(chunk.end && chunk.error.starts_with("no such container was ever created here"), "{chunk:?}");
            break;
        }
    }
    agent.stop().await;
}

/// A reader who follows is there before the container is, and hears of each as it starts, until all have stopped.
#[tokio::test]
async fn a_followed_log_takes_up_containers_as_they_start() {
    let temp = tempfile::tempdir().unwrap();
    let mut fake = Fake::start().await;
    let agent = start(config(temp.path(), &[&fake]));
    let mut session = fake.welcome().await;
    let read = |id: &str, task: &str, follow| {
        Down::StartLogRead(StartLogRead { read_id: id.into(), task_arn: arn(task), follow, ..Default::default() })
    };
    let mut both = definition(&[("pull-ms", "700"), ("log-every-ms", "30")]);
    let mut late = both.container_definitions[0].clone();
    late.name = Some("late".into());
    late.docker_labels.insert("drydock.sim/start-ms".into(), "300".into());
    let first =
        ContainerDependency { container_name: Some("app".into()), condition: Some(ContainerCondition::Start.into()) };
    late.depends_on.push(first);
    both.container_definitions.push(late);
    // Before the agent has heard of the task.
    session.say(read("follow", "t", true)).await;
    session.say(manifest(1, vec![assigned("t", "RUNNING")], both.clone())).await;
    session.ack(1).await;
    session.say(read("plain", "t", false)).await;
    let mut heard = std::collections::BTreeSet::new();
    let mut refused = String::new();
    while heard.len() < 2 {
        let chunk = tokio::time::timeout(WAIT, fake.logs.recv()).await.unwrap().unwrap();
        if chunk.read_id == "plain" {
            refused = format!("{refused}{}", chunk.error);
            continue;
        }
        assert!(!chunk.end, "{chunk:?}");
        heard.extend(chunk.entries.into_iter().map(|entry| entry.container));
    }
    assert!(refused.contains("isn't started yet") && refused.contains("--follow"), "{refused:?}");
    session.say(manifest(2, vec![assigned("t", "STOPPED")], both)).await;
    session.report("t", "STOPPED", true).await;
    let last = loop {
        let chunk = tokio::time::timeout(WAIT, fake.logs.recv()).await.unwrap().unwrap();
        if chunk.end {
            break chunk;
        }
    };
    assert_eq!((last.read_id.as_str(), last.error.as_str()), ("follow", ""));

    // One that never comes.
    session.say(read("never", "u", true)).await;
    session.say(manifest(3, vec![assigned("u", "RUNNING")], definition(&[("pull-error", "no such image")]))).await;
    let last = loop {
        let chunk = tokio::time::timeout(WAIT, fake.logs.recv()).await.unwrap().unwrap();
        if chunk.end {
            break chunk;
        }
    };
    assert!(last.read_id == "never" && last.error.starts_with("no such container was ever created here"), "{last:?}");
    agent.stop().await;
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let fake = Fake::start().await;
    let good = config(temp.path(), &[&fake]);
    let nobody = Config { controllers: vec![], ..good.clone() };
    let address = Config { controllers: vec!["localhost".into()], ..good.clone() };
    let nothing = Config { cpu: Some(0), ..good.clone() };
    for wrong in [nobody, address, nothing] {
        let ended = drydock_node_agent::run(wrong, std::future::pending()).await;
        assert!(matches!(ended, Err(AgentError::Config(_))), "{ended:?}");
    }
    let agent = start(good.clone());
    let mut fake = fake;
    let _session = fake.welcome().await;
    let second = drydock_node_agent::run(good, std::future::pending()).await;
    assert!(matches!(second, Err(AgentError::InUse(_))), "{second:?}");
    agent.stop().await;
}
