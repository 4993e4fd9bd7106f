//! Where the tasks of each group are: what spreading and `distinctInstance` count. A group is a service
//! (`service:NAME`), or what standalone tasks were given.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::ClassId;

/// The tasks of all groups of a cluster, by where they are.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Groups {
    hosts: OrdMap<(Arc<str>, u128), u32>,
    classes: OrdMap<(Arc<str>, ClassId), Tally>,
    /// Open instances by how many tasks of the group they hold.
    by_count: OrdSet<(Arc<str>, ClassId, u32, u128)>,
}

/// A group's tasks on the instances of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Tally {
    tasks: u32,
    open_hosts: u32,
}

/// Where an instance counts: its class, and whether tasks may be placed on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Post {
    pub(super) class: ClassId,
    pub(super) open: bool,
}

impl Groups {
    pub(super) fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    pub(super) fn on_instance(&self, group: &Arc<str>, instance: u128) -> u32 {
        self.hosts.get(&(Arc::clone(group), instance)).copied().unwrap_or(0)
    }

    pub(super) fn in_class(&self, group: &Arc<str>, class: ClassId) -> u32 {
        self.classes.get(&(Arc::clone(group), class)).map_or(0, |tally| tally.tasks)
    }

    pub(super) fn open_hosts(&self, group: &Arc<str>, class: ClassId) -> u32 {
        self.classes.get(&(Arc::clone(group), class)).map_or(0, |tally| tally.open_hosts)
    }

    /// Instances that hold any, open or not.
    pub(super) fn hosts<'a>(&'a self, group: &Arc<str>) -> impl Iterator<Item = (u128, u32)> + use<'a> {
        let range = (Arc::clone(group), 0)..=(Arc::clone(group), u128::MAX);
        self.hosts.range(range).map(|((_, instance), count)| (*instance, *count))
    }

    /// Open instances of a class that hold at least `least`, those with the fewest first.
    pub(super) fn by_count<'a>(
        &'a self,
        group: &Arc<str>,
        class: ClassId,
        least: u32,
    ) -> impl Iterator<Item = (u32, u128)> + use<'a> {
        let range = (Arc::clone(group), class, least, 0)..=(Arc::clone(group), class, u32::MAX, u128::MAX);
        self.by_count.range(range).map(|(_, _, count, instance)| (*count, *instance))
    }

    /// Leaves an instance out of [`Self::by_count`].
    pub(super) fn pass_over(&mut self, group: &Arc<str>, class: ClassId, count: u32, instance: u128) {
        self.by_count.remove(&(Arc::clone(group), class, count, instance));
    }

    /// A task more or a task less on an instance.
    pub(super) fn change(&mut self, group: &Arc<str>, instance: u128, post: Post, more: bool) {
        let before = self.on_instance(group, instance);
        let after = if more { before.saturating_add(1) } else { before.saturating_sub(1) };
        self.set(group, instance, post, before, after);
    }

    /// The instance counts elsewhere.
    pub(super) fn move_host(&mut self, group: &Arc<str>, instance: u128, from: Post, to: Post) {
        let count = self.on_instance(group, instance);
        self.set(group, instance, from, count, 0);
        self.set(group, instance, to, 0, count);
    }

    fn set(&mut self, group: &Arc<str>, instance: u128, post: Post, before: u32, after: u32) {
        let host = (Arc::clone(group), instance);
        if after == 0 {
            self.hosts.remove(&host);
        } else {
            self.hosts.insert(host, after);
        }
        let key = (Arc::clone(group), post.class);
        let mut tally = self.classes.get(&key).copied().unwrap_or_default();
        tally.tasks = (tally.tasks + after).saturating_sub(before);
        if post.open {
            tally.open_hosts = (tally.open_hosts + u32::from(after > 0)).saturating_sub(u32::from(before > 0));
            let entry = |count| (Arc::clone(group), post.class, count, instance);
            if before > 0 {
                self.by_count.remove(&entry(before));
            }
            if after > 0 {
                self.by_count.insert(entry(after));
            }
        }
        if tally == Tally::default() {
            self.classes.remove(&key);
        } else {
            self.classes.insert(key, tally);
        }
    }
}
