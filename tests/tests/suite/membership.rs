//! Controllers come and go while writes go on; a removed one and one that lost its disk are refused, and say why.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use drydock_proto::control::{Controller, ControllerRole, RemoveControllerRequest};
use drydock_tests::client::{Api, anywhere};
use drydock_tests::cluster::{Cluster, Options, STOP_MAX};
use drydock_tests::wait;
use drydock_tests::writers::Writers;

/// Time for a change of membership.
const CHANGED_MAX: Duration = Duration::from_secs(60);

async fn controllers(api: &Api) -> Result<Vec<Controller>> {
    Ok(api.status().await?.controllers)
}

/// Waits for the end of a process that can't go on; gives what it wrote.
async fn refusal(cluster: &mut Cluster, at: usize) -> Result<String> {
    let member = &mut cluster.controllers[at];
    let status = member.take_process()?.ended(STOP_MAX).await.with_context(|| member.name.clone())?;
    ensure!(!status.success(), "{} ended with success", member.name);
    Ok(member.said())
}

#[tokio::test(flavor = "multi_thread")]
async fn controllers_are_added_and_removed_while_writes_go_on() -> Result<()> {
    let mut cluster = Cluster::start(Options { instances: 0, ..Options::default() }).await?;
    let mut writers = Writers::start(&cluster.addresses(), 4);
    cluster.add_controller()?.start()?;
    let name = cluster.controllers[3].name.clone();
    let api = cluster.apis()?.remove(0);
    wait::holds("the new controller votes", CHANGED_MAX, async || {
        let all = controllers(&api).await?;
        let new = all.iter().find(|controller| controller.name == name).context("not listed")?;
        ensure!(matches!(new.role(), ControllerRole::Follower | ControllerRole::Leader), "{new:?}");
        Ok(())
    })
    .await?;
    writers.check(&[Api::new(&cluster.controllers[3].api_address)?]).await?;

    // The leader itself is removed: the others go on.
    let leader = cluster.leader().await?;
    let removed = cluster.controllers[leader].name.clone();
    let others: Vec<Api> =
        cluster.apis()?.into_iter().filter(|a| a.address != cluster.controllers[leader].api_address).collect();
    anywhere(&others, CHANGED_MAX, async |mut api| {
        let request = RemoveControllerRequest { controller: removed.clone() };
        match api.control.remove_controller(request).await {
            // Asked a second time, after an answer was lost.
            Err(status) if status.code() == tonic::Code::NotFound => Ok(()),
            other => other.map(|_| ()),
        }
    })
    .await?;
    wait::holds("the removed controller is gone", CHANGED_MAX, async || {
        let all = controllers(&others[0]).await?;
        ensure!(all.iter().all(|controller| controller.name != removed), "{all:?}");
        Ok(())
    })
    .await?;
    let said = refusal(&mut cluster, leader).await?;
    assert!(said.contains("removed"), "{said}");
    let before = writers.count();
    wait::holds("writes go on", CHANGED_MAX, async || {
        ensure!(writers.count() > before + 100, "{}", writers.count());
        Ok(())
    })
    .await?;

    cluster.controllers[leader].start()?;
    let said = refusal(&mut cluster, leader).await?;
    assert!(said.contains("removed"), "a removed id came back: {said}");
    cluster.leader().await?;
    writers.finish().await?;
    writers.check(&others).await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_lost_its_disk_doesnt_start_as_if_nothing_were() -> Result<()> {
    let mut cluster = Cluster::start(Options { instances: 0, ..Options::default() }).await?;
    let leader = cluster.leader().await?;
    let victim = (leader + 1) % 3;
    cluster.controllers[victim].kill()?;
    let folder = cluster.controllers[victim].data_dir.clone();
    std::fs::remove_dir_all(&folder)?;
    cluster.controllers[victim].start()?;
    let said = refusal(&mut cluster, victim).await?;
    assert!(said.contains("disk"), "{said}");

    // The same where whoever leads now has never seen how far it was.
    let _ = std::fs::remove_dir_all(&folder);
    cluster.controllers[leader].stop().await?;
    cluster.controllers[leader].start()?;
    cluster.leader().await?;
    cluster.controllers[victim].start()?;
    let said = refusal(&mut cluster, victim).await?;
    assert!(said.contains("by another disk") || said.contains("came back with another disk"), "{said}");

    // Nor does one with the disk of another.
    let other = 3 - leader - victim;
    cluster.controllers[other].stop().await?;
    let _ = std::fs::remove_dir_all(&folder);
    copy(&cluster.controllers[other].data_dir, &folder)?;
    cluster.controllers[other].start()?;
    cluster.leader().await?;
    cluster.controllers[victim].start()?;
    let said = refusal(&mut cluster, victim).await?;
    assert!(said.contains(&cluster.controllers[other].name), "{said}");
    cluster.finish().await
}

fn copy(from: &std::path::Path, to: &std::path::Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
