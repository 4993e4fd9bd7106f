//! Instances in the order of what they have left, persistent: a version costs nothing to keep, and a change copies the
//! path to it alone.
//!
//! A treap: a search tree by key, a heap by a hash of the id, so that its shape depends on its content and not on how
//! that came about. Each node knows the most CPU and the most memory of any instance below it; a search goes down only
//! where both suffice. About log(n) steps for each of its operations.

use std::sync::Arc;

/// What an instance has left, as far as the tree looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Room {
    /// CPU units.
    pub cpu: u32,
    /// MiB.
    pub memory_mib: u32,
}

impl Room {
    fn max(self, other: Self) -> Self {
        Self { cpu: self.cpu.max(other.cpu), memory_mib: self.memory_mib.max(other.memory_mib) }
    }

    /// Whether so much fits.
    #[must_use]
    pub const fn holds(self, needs: Self) -> bool {
        needs.cpu <= self.cpu && needs.memory_mib <= self.memory_mib
    }
}

/// Where an instance is in a tree: by one resource, then by the other, then by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Spot {
    /// What the tree is ordered by.
    pub first: u32,
    /// The other.
    pub second: u32,
    /// Whose spot it is.
    pub id: u128,
}

#[derive(Debug, Clone, PartialEq)]
struct Node {
    spot: Spot,
    room: Room,
    /// The most that any spot of this subtree has.
    most: Room,
    size: usize,
    weight: u64,
    left: Link,
    right: Link,
}

type Link = Option<Arc<Node>>;

/// Spots in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tree {
    root: Link,
}

/// Mixes an id: the heap's order. Ids may be given by whoever tests.
const fn weight(id: u128) -> u64 {
    #[allow(clippy::cast_possible_truncation, reason = "both halves are used")]
    let mut z = (id as u64) ^ ((id >> 64) as u64).rotate_left(32);
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn size(link: &Link) -> usize {
    link.as_ref().map_or(0, |node| node.size)
}

impl Node {
    fn new(spot: Spot, room: Room) -> Self {
        Self { spot, room, most: room, size: 1, weight: weight(spot.id), left: None, right: None }
    }

    fn sum_up(&mut self) {
        self.size = 1 + size(&self.left) + size(&self.right);
        self.most = [&self.left, &self.right].into_iter().flatten().fold(self.room, |most, node| most.max(node.most));
    }

    fn is_above(&self, other: &Self) -> bool {
        (self.weight, self.spot) > (other.weight, other.spot)
    }
}

fn insert(link: &mut Link, mut new: Node) {
    match link {
        None => *link = Some(Arc::new(new)),
        Some(node) if new.is_above(node) => {
            (new.left, new.right) = split(link.take(), new.spot);
            new.sum_up();
            *link = Some(Arc::new(new));
        }
        Some(node) => {
            let node = Arc::make_mut(node);
            insert(if new.spot < node.spot { &mut node.left } else { &mut node.right }, new);
            node.sum_up();
        }
    }
}

/// The spots below one, and those above it.
fn split(link: Link, at: Spot) -> (Link, Link) {
    let Some(mut node) = link else { return (None, None) };
    let inner = Arc::make_mut(&mut node);
    if inner.spot < at {
        let (left, right) = split(inner.right.take(), at);
        inner.right = left;
        inner.sum_up();
        (Some(node), right)
    } else {
        let (left, right) = split(inner.left.take(), at);
        inner.left = right;
        inner.sum_up();
        (left, Some(node))
    }
}

/// One tree of two, all of whose spots are in order.
fn join(left: Link, right: Link) -> Link {
    match (left, right) {
        (None, other) | (other, None) => other,
        (Some(mut left), Some(mut right)) => {
            if left.is_above(&right) {
                let inner = Arc::make_mut(&mut left);
                inner.right = join(inner.right.take(), Some(right));
                inner.sum_up();
                Some(left)
            } else {
                let inner = Arc::make_mut(&mut right);
                inner.left = join(Some(left), inner.left.take());
                inner.sum_up();
                Some(right)
            }
        }
    }
}

fn remove(link: &mut Link, spot: Spot) {
    let Some(node) = link else { return };
    let inner = Arc::make_mut(node);
    if inner.spot == spot {
        *link = join(inner.left.take(), inner.right.take());
        return;
    }
    remove(if spot < inner.spot { &mut inner.left } else { &mut inner.right }, spot);
    inner.sum_up();
}

impl Tree {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        size(&self.root)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// Puts a spot in, which isn't there yet.
    pub fn insert(&mut self, spot: Spot, room: Room) {
        insert(&mut self.root, Node::new(spot, room));
    }

    /// Takes a spot out, if it is there.
    pub fn remove(&mut self, spot: Spot) {
        if self.contains(spot) {
            remove(&mut self.root, spot);
        }
    }

    fn contains(&self, spot: Spot) -> bool {
        let mut link = &self.root;
        while let Some(node) = link {
            match spot.cmp(&node.spot) {
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Less => link = &node.left,
                std::cmp::Ordering::Greater => link = &node.right,
            }
        }
        false
    }

    /// How many spots are before one.
    #[must_use]
    pub fn rank(&self, spot: Spot) -> usize {
        let (mut link, mut before) = (&self.root, 0);
        while let Some(node) = link {
            if node.spot < spot {
                before += 1 + size(&node.left);
                link = &node.right;
            } else {
                link = &node.left;
            }
        }
        before
    }

    /// The spot that has so many before it.
    #[must_use]
    pub fn nth(&self, mut rank: usize) -> Option<Spot> {
        let mut link = &self.root;
        while let Some(node) = link {
            let left = size(&node.left);
            match rank.cmp(&left) {
                std::cmp::Ordering::Equal => return Some(node.spot),
                std::cmp::Ordering::Less => link = &node.left,
                std::cmp::Ordering::Greater => {
                    rank -= left + 1;
                    link = &node.right;
                }
            }
        }
        None
    }

    /// The first spot within `span` (both ends count) that has room and that `accepts` takes.
    pub fn first(&self, span: (Spot, Spot), needs: Room, accepts: &mut dyn FnMut(Spot) -> bool) -> Option<Spot> {
        first(self.root.as_ref(), span, needs, accepts)
    }

    /// Visits the spots in order.
    pub fn for_each(&self, visit: &mut dyn FnMut(Spot, Room)) {
        fn walk(link: &Link, visit: &mut dyn FnMut(Spot, Room)) {
            let Some(node) = link else { return };
            walk(&node.left, visit);
            visit(node.spot, node.room);
            walk(&node.right, visit);
        }
        walk(&self.root, visit);
    }
}

fn first(
    link: Option<&Arc<Node>>,
    (from, to): (Spot, Spot),
    needs: Room,
    accepts: &mut dyn FnMut(Spot) -> bool,
) -> Option<Spot> {
    let node = link.filter(|node| node.most.holds(needs))?;
    let span = (from, to);
    if from < node.spot
        && let Some(found) = first(node.left.as_ref(), span, needs, accepts)
    {
        return Some(found);
    }
    if from <= node.spot && node.spot <= to && node.room.holds(needs) && accepts(node.spot) {
        return Some(node.spot);
    }
    if node.spot < to { first(node.right.as_ref(), span, needs, accepts) } else { None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::{Room, Spot, Tree};

    fn spot((first, second, id): (u32, u32, u128)) -> (Spot, Room) {
        (Spot { first, second, id }, Room { cpu: first, memory_mib: second })
    }

    fn any_spot() -> impl Strategy<Value = (Spot, Room)> {
        (0_u32..6, 0_u32..6, 0_u128..8).prop_map(spot)
    }

    proptest! {
        /// The tree is a sorted list, whatever was put in and taken out, and in whatever order.
        #[test]
        fn as_a_sorted_list(
            steps in prop::collection::vec((any_spot(), any::<bool>()), 0..60),
            (from, to) in (any_spot(), any_spot()),
            needs in (0_u32..6, 0_u32..6),
            odd: bool,
        ) {
            let (mut tree, mut list) = (Tree::default(), std::collections::BTreeMap::new());
            for ((spot, room), put) in steps {
                tree.remove(spot);
                list.remove(&spot);
                if put {
                    tree.insert(spot, room);
                    list.insert(spot, room);
                }
            }
            let needs = Room { cpu: needs.0, memory_mib: needs.1 };
            let accepts = |spot: Spot| !odd || spot.id % 2 == 1;
            let mut of_list = list.iter().filter(|(spot, room)| from.0 <= **spot && **spot <= to.0 && room.holds(needs));
            let expected = of_list.find(|(spot, _)| accepts(**spot)).map(|(spot, _)| *spot);
            prop_assert_eq!(tree.first((from.0, to.0), needs, &mut |spot| accepts(spot)), expected);
            prop_assert_eq!(tree.len(), list.len());
            for (rank, spot) in list.keys().enumerate() {
                prop_assert_eq!((tree.nth(rank), tree.rank(*spot)), (Some(*spot), rank));
            }
            prop_assert_eq!(tree.nth(list.len()), None);
            let mut again = Tree::default();
            for (spot, room) in list.iter().rev() {
                again.insert(*spot, *room);
            }
            prop_assert_eq!(again, tree);
        }
    }

    #[test]
    fn a_version_is_not_changed_by_later_ones() {
        let mut tree = Tree::default();
        (0..100).map(|id| spot((1, 1, id))).for_each(|(spot, room)| tree.insert(spot, room));
        let (kept, mut seen) = (tree.clone(), 0);
        (0..100).map(|id| spot((1, 1, id))).for_each(|(spot, _)| tree.remove(spot));
        kept.for_each(&mut |_, _| seen += 1);
        assert_eq!((seen, tree.is_empty()), (100, true));
    }
}
