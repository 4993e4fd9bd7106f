//! Where the tasks go that a deployment or a task set starts: to the capacity providers of its strategy by their shares, or
//! to instances of its launch type (ecs-semantics §2.4).

use drydock_state::plan::CreateTask;
use drydock_state::row::{RevisionRow, ServiceRow};
use drydock_state::{Change, State};

use crate::capacity::searches::{Searches, providers};
use crate::capacity::sharing::Sharing;
use crate::desk::Desk;
use crate::place::{Ask, Pool, Unplaced};

/// What came of placing tasks.
#[derive(Debug)]
pub(super) struct Placing {
    /// Those that start, with or without an instance yet.
    pub(super) starts: Vec<Change>,
    /// Why each of the others found no place.
    pub(super) unplaced: Vec<Unplaced>,
    /// Whether all were looked at: the plan had room.
    pub(super) whole: bool,
    room: usize,
}

impl Placing {
    /// None yet; at most `room` may start.
    pub(super) fn new(room: usize) -> Self {
        Self { starts: Vec::new(), unplaced: Vec::new(), whole: true, room }
    }

    /// Places `count` tasks of a deployment or a task set, by its number and its revision. `going`: the capacity providers
    /// of those that are there.
    pub(super) fn place<'a, 't>(
        &mut self,
        desk: &mut Desk<'a>,
        service: &'a ServiceRow,
        (deployment, revision): (u64, &'a RevisionRow),
        count: u32,
        going: impl IntoIterator<Item = Option<&'t str>>,
    ) {
        let (view, cluster) = (desk.view, service.key.cluster);
        let strategy = &revision.document.capacity_provider_strategy;
        let providers = providers(strategy);
        let asks: Vec<Ask<'_>> = providers.iter().map(|provider| ask_of(view, service, revision, *provider)).collect();
        let mut searches = Searches::new(&providers, &asks);
        let mut sharing = Sharing::new(strategy, going);
        for _ in 0..count {
            if self.starts.len() >= self.room {
                self.whole = false;
                break;
            }
            let (provider, turn) = (sharing.take(), desk.turn());
            let waits =
                |desk: &mut Desk<'_>| provider.is_some_and(|name| view.is_scaled(cluster, name)) && desk.queue(cluster);
            match searches.place(desk.fleet(cluster, revision.launch.launch_type), provider, turn) {
                Ok(at) => self.starts.push(create(service, deployment, revision, Some(at), provider)),
                Err(_) if waits(desk) => self.starts.push(create(service, deployment, revision, None, provider)),
                Err(why) => self.unplaced.push(why),
            }
        }
    }
}

/// What a task of a service asks that goes to a capacity provider, or to none.
pub(super) fn ask_of<'a>(
    view: &'a State,
    service: &ServiceRow,
    revision: &'a RevisionRow,
    provider: Option<&str>,
) -> Ask<'a> {
    let definition = view.definition(&revision.definition).map(|row| &*row.document);
    let pool = Pool::of(revision.launch.launch_type, provider, definition);
    Ask::new(view, &revision.definition, &revision.launch.needs, pool, &service.group)
        .in_cluster(view, service.key.cluster, revision.launch.network_configuration.as_ref())
        .of_service(service)
}

/// Without an instance the task waits for one of its capacity provider.
pub(super) fn create(
    service: &ServiceRow,
    deployment: u64,
    revision: &RevisionRow,
    instance: Option<u128>,
    provider: Option<&str>,
) -> Change {
    Change::CreateTask(CreateTask {
        service: service.key,
        generation: service.generation,
        deployment,
        revision: revision.key.number,
        instance,
        capacity_provider: provider.map(Into::into),
        rebalances: false,
    })
}
