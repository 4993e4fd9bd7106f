//! The smallest agent: `agent DATA_DIR RUNTIME CONTROLLER…`, stopped with Ctrl-C. For measuring what an agent takes;
//! people use `drydock agent`.

use drydock_node_agent::Config;
use drydock_node_agent::config::RuntimeChoice;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let data_dir = arguments.next().unwrap_or_else(|| "drydock-data/agent".to_owned()).into();
    let runtime = match arguments.next().as_deref() {
        Some("docker") => RuntimeChoice::Docker,
        Some("simulated") => RuntimeChoice::Simulated,
        _ => RuntimeChoice::Auto,
    };
    let config = Config { data_dir, runtime, controllers: arguments.collect(), ..Config::default() };
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    tokio.block_on(drydock_node_agent::run(config, async {
        // Where the signal can't be had, the agent runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }))?;
    Ok(())
}
