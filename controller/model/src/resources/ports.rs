//! A small sorted set of ports: an instance has one per protocol, a task too, and most are empty.

/// Ports, sorted, each once. An empty one takes no memory of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ports(Box<[u16]>);

impl Ports {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        self.0.iter().copied()
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        self.0.binary_search(&port).is_ok()
    }

    /// Whether any of these is among the others.
    #[must_use]
    pub fn meets(&self, others: &Self) -> bool {
        self.iter().any(|port| others.contains(port))
    }

    /// Whether all of the others are among these.
    #[must_use]
    pub fn contains_all(&self, others: &Self) -> bool {
        others.iter().all(|port| self.contains(port))
    }

    /// Adds others.
    pub fn add(&mut self, others: &Self) {
        if !others.is_empty() {
            *self = self.iter().chain(others.iter()).collect();
        }
    }

    /// Removes others.
    pub fn remove(&mut self, others: &Self) {
        if !others.is_empty() {
            *self = self.iter().filter(|port| !others.contains(*port)).collect();
        }
    }
}

impl FromIterator<u16> for Ports {
    fn from_iter<I: IntoIterator<Item = u16>>(ports: I) -> Self {
        let mut ports: Vec<u16> = ports.into_iter().collect();
        ports.sort_unstable();
        ports.dedup();
        Self(ports.into())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::Ports;

    proptest! {
        #[test]
        fn it_is_a_set(a: BTreeSet<u16>, b: BTreeSet<u16>) {
            let ports = |set: &BTreeSet<u16>| set.iter().rev().copied().collect::<Ports>();
            let same = |ports: &Ports, set: &BTreeSet<u16>| ports.iter().eq(set.iter().copied());
            let (mut sum, mut rest) = (ports(&a), ports(&a));
            sum.add(&ports(&b));
            rest.remove(&ports(&b));
            prop_assert!(same(&sum, &(&a | &b)));
            prop_assert!(same(&rest, &(&a - &b)));
            prop_assert_eq!(ports(&a).meets(&ports(&b)), !(&a & &b).is_empty());
            prop_assert_eq!(ports(&a).contains_all(&ports(&b)), a.is_superset(&b));
        }
    }
}
