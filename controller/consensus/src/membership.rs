//! Who belongs to the cluster: voters, learners, their opaque contexts, and every id that was ever removed. Pure.
//!
//! Changes are single-step and checked again when applied, so that a change that has become wrong is refused
//! alike on all replicas (raft-recipe D9).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use raft::eraftpb::{ConfChange, ConfChangeType, ConfState};

use crate::RaftId;
use crate::config::{CONTEXT_BYTES_MAX, MEMBERS_MAX};
use crate::error::ConfError;
use crate::record::{BadRecord, Reader, put_bytes, put_u32};

/// Whether a member votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Votes and counts for the quorum.
    Voter,
    /// Receives the log, doesn't count. Promoted when it has caught up.
    Learner,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Whether it votes.
    pub standing: Standing,
    /// What the shell keeps with it, such as addresses. Opaque here; at most [`CONTEXT_BYTES_MAX`] bytes.
    pub context: Vec<u8>,
}

/// The members and the removed ids as of one entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Membership {
    members: BTreeMap<RaftId, Member>,
    removed: BTreeSet<RaftId>,
}

/// One single-step change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberChange {
    /// A new replica joins, as a learner.
    AddLearner {
        /// Its id: random, never used before.
        id: RaftId,
        /// Its context.
        context: Vec<u8>,
    },
    /// A learner becomes a voter.
    Promote {
        /// Its id.
        id: RaftId,
    },
    /// A member leaves, for good.
    Remove {
        /// Its id.
        id: RaftId,
    },
    /// A member's context is replaced (say, it moved to another address).
    UpdateContext {
        /// Its id.
        id: RaftId,
        /// The new context.
        context: Vec<u8>,
    },
}

impl MemberChange {
    /// The member that it is about.
    #[must_use]
    pub fn id(&self) -> RaftId {
        match self {
            Self::AddLearner { id, .. }
            | Self::Promote { id }
            | Self::Remove { id }
            | Self::UpdateContext { id, .. } => *id,
        }
    }

    /// The form in the log. The kind is told twice: for raft in the type, for us in the first byte of the context.
    pub(crate) fn to_conf_change(&self) -> ConfChange {
        let (kind, change_type, context): (u8, _, &[u8]) = match self {
            Self::AddLearner { context, .. } => (0, ConfChangeType::AddLearnerNode, context),
            Self::Promote { .. } => (1, ConfChangeType::AddNode, &[]),
            Self::Remove { .. } => (2, ConfChangeType::RemoveNode, &[]),
            Self::UpdateContext { context, .. } => (3, ConfChangeType::AddNode, context),
        };
        let mut bytes = Vec::with_capacity(context.len() + 1);
        bytes.push(kind);
        bytes.extend_from_slice(context);
        let mut change = ConfChange::default();
        change.set_change_type(change_type);
        change.node_id = self.id();
        change.context = bytes.into();
        change
    }

    pub(crate) fn from_conf_change(change: &ConfChange) -> Result<Self, BadRecord> {
        let id = change.node_id;
        let Some((kind, context)) = change.context.split_first() else {
            return Err(BadRecord("the context is empty".to_owned()));
        };
        match (kind, change.get_change_type()) {
            (0, ConfChangeType::AddLearnerNode) => Ok(Self::AddLearner { id, context: context.to_vec() }),
            (1, ConfChangeType::AddNode) => Ok(Self::Promote { id }),
            (2, ConfChangeType::RemoveNode) => Ok(Self::Remove { id }),
            (3, ConfChangeType::AddNode) => Ok(Self::UpdateContext { id, context: context.to_vec() }),
            (kind, change_type) => Err(BadRecord(format!("kind {kind} doesn't go with {change_type:?}"))),
        }
    }

    /// Whether raft's own configuration changes (a context is ours alone).
    pub(crate) fn changes_raft(&self) -> bool {
        !matches!(self, Self::UpdateContext { .. })
    }
}

impl Membership {
    /// The first membership of a new cluster: all are voters. It must be the same on all of them.
    ///
    /// # Errors
    /// No voter, a zero id, too many, or a context too large.
    pub fn bootstrap(voters: impl IntoIterator<Item = (RaftId, Vec<u8>)>) -> Result<Self, ConfError> {
        let mut membership = Self::default();
        for (id, context) in voters {
            membership.check_new(id, &context)?;
            membership.members.insert(id, Member { standing: Standing::Voter, context });
        }
        if membership.members.is_empty() {
            return Err(ConfError::ZeroId);
        }
        Ok(membership)
    }

    /// All members by id.
    #[must_use]
    pub fn members(&self) -> &BTreeMap<RaftId, Member> {
        &self.members
    }

    /// One member.
    #[must_use]
    pub fn get(&self, id: RaftId) -> Option<&Member> {
        self.members.get(&id)
    }

    /// Every id that was ever removed. None of them can join again.
    #[must_use]
    pub fn removed(&self) -> &BTreeSet<RaftId> {
        &self.removed
    }

    /// Ids of the voters, ascending.
    pub fn voters(&self) -> impl Iterator<Item = RaftId> + '_ {
        self.with_standing(Standing::Voter)
    }

    /// Ids of the learners, ascending.
    pub fn learners(&self) -> impl Iterator<Item = RaftId> + '_ {
        self.with_standing(Standing::Learner)
    }

    fn with_standing(&self, standing: Standing) -> impl Iterator<Item = RaftId> + '_ {
        self.members.iter().filter(move |(_, member)| member.standing == standing).map(|(id, _)| *id)
    }

    /// No member yet: a replica that waits to be added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn check_new(&self, id: RaftId, context: &[u8]) -> Result<(), ConfError> {
        check_context(context)?;
        if id == 0 {
            Err(ConfError::ZeroId)
        } else if self.removed.contains(&id) {
            Err(ConfError::Removed { id })
        } else if self.members.contains_key(&id) {
            Err(ConfError::AlreadyMember { id })
        } else if self.members.len() >= MEMBERS_MAX {
            Err(ConfError::TooManyMembers { max: MEMBERS_MAX })
        } else {
            Ok(())
        }
    }

    /// Applies a change, or refuses it and leaves everything as it was. A function of its arguments alone: every
    /// replica decides alike.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn apply(&mut self, change: &MemberChange) -> Result<(), ConfError> {
        match change {
            MemberChange::AddLearner { id, context } => {
                self.check_new(*id, context)?;
                self.members.insert(*id, Member { standing: Standing::Learner, context: context.clone() });
            }
            MemberChange::Promote { id } => match self.members.get_mut(id) {
                Some(member) if member.standing == Standing::Learner => member.standing = Standing::Voter,
                Some(_) => return Err(ConfError::AlreadyMember { id: *id }),
                None => return Err(self.why_absent(*id)),
            },
            MemberChange::Remove { id } => {
                let Some(member) = self.members.get(id) else { return Err(self.why_absent(*id)) };
                if member.standing == Standing::Voter && self.voters().count() == 1 {
                    return Err(ConfError::LastVoter { id: *id });
                }
                self.members.remove(id);
                self.removed.insert(*id);
            }
            MemberChange::UpdateContext { id, context } => {
                check_context(context)?;
                match self.members.get_mut(id) {
                    Some(member) => member.context.clone_from(context),
                    None => return Err(self.why_absent(*id)),
                }
            }
        }
        Ok(())
    }

    fn why_absent(&self, id: RaftId) -> ConfError {
        if self.removed.contains(&id) { ConfError::Removed { id } } else { ConfError::NotMember { id } }
    }

    pub(crate) fn to_conf_state(&self) -> ConfState {
        let mut state = ConfState::default();
        state.set_voters(self.voters().collect());
        state.set_learners(self.learners().collect());
        state
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_u32(out, self.members.len());
        for (id, member) in &self.members {
            out.extend_from_slice(&id.to_le_bytes());
            out.push(u8::from(member.standing == Standing::Voter));
            put_bytes(out, &member.context);
        }
        put_u32(out, self.removed.len());
        for id in &self.removed {
            out.extend_from_slice(&id.to_le_bytes());
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, BadRecord> {
        let mut membership = Self::default();
        for _ in 0..reader.u32()? {
            let id = reader.u64()?;
            let standing = if reader.u8()? == 1 { Standing::Voter } else { Standing::Learner };
            let context = reader.bytes()?.to_vec();
            membership.members.insert(id, Member { standing, context });
        }
        for _ in 0..reader.u32()? {
            membership.removed.insert(reader.u64()?);
        }
        Ok(membership)
    }
}

fn check_context(context: &[u8]) -> Result<(), ConfError> {
    if context.len() > CONTEXT_BYTES_MAX {
        return Err(ConfError::ContextTooLarge { bytes: context.len(), max: CONTEXT_BYTES_MAX });
    }
    Ok(())
}

impl fmt::Display for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let voters: Vec<_> = self.voters().map(|id| id.to_string()).collect();
        let learners: Vec<_> = self.learners().map(|id| id.to_string()).collect();
        write!(f, "voters {}", voters.join(" "))?;
        if !learners.is_empty() {
            write!(f, ", learners {}", learners.join(" "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(voters: &[RaftId]) -> Membership {
        Membership::bootstrap(voters.iter().map(|id| (*id, format!("at {id}").into_bytes()))).unwrap()
    }

    fn parse(text: &str) -> MemberChange {
        let (verb, id) = text.split_once(' ').unwrap();
        let id = id.parse().unwrap();
        match verb {
            "add" => MemberChange::AddLearner { id, context: b"new".to_vec() },
            "promote" => MemberChange::Promote { id },
            "remove" => MemberChange::Remove { id },
            "move" => MemberChange::UpdateContext { id, context: b"moved".to_vec() },
            _ => panic!("{verb}"),
        }
    }

    /// Applies the changes one by one; refused ones leave no trace but their error's name.
    fn check(voters: &[RaftId], changes: &[&str], expected: &str) {
        let mut membership = of(voters);
        let mut log = Vec::new();
        for change in changes {
            let before = membership.clone();
            if let Err(error) = membership.apply(&parse(change)) {
                assert_eq!(membership, before, "{change} was refused and yet changed something");
                log.push(format!("{change}: {error:?}"));
            }
        }
        log.push(membership.to_string());
        assert_eq!(log.join("; "), expected);
        let mut bytes = Vec::new();
        membership.encode(&mut bytes);
        assert_eq!(Membership::decode(&mut Reader(&bytes)).unwrap(), membership);
    }

    #[test]
    fn changes_are_single_steps_and_refused_alike() {
        check(&[1, 2, 3], &["add 4"], "voters 1 2 3, learners 4");
        check(&[1, 2, 3], &["add 4", "promote 4"], "voters 1 2 3 4");
        check(&[1, 2, 3], &["remove 3", "add 3"], "add 3: Removed { id: 3 }; voters 1 2");
        check(&[1, 2, 3], &["remove 3", "promote 3"], "promote 3: Removed { id: 3 }; voters 1 2");
        check(&[1], &["remove 1"], "remove 1: LastVoter { id: 1 }; voters 1");
        check(&[1], &["add 2", "remove 1"], "remove 1: LastVoter { id: 1 }; voters 1, learners 2");
        check(
            &[1],
            &["promote 1", "remove 9"],
            "promote 1: AlreadyMember { id: 1 }; remove 9: NotMember { id: 9 }; voters 1",
        );
        check(&[1], &["add 0"], "add 0: ZeroId; voters 1");
        check(&[1, 2], &["add 2"], "add 2: AlreadyMember { id: 2 }; voters 1 2");
        check(&[1, 2], &["move 2", "move 7"], "move 7: NotMember { id: 7 }; voters 1 2");
    }

    #[test]
    fn members_and_contexts_are_bounded() {
        let mut membership = of(&[1]);
        for id in 2..=MEMBERS_MAX as u64 {
            membership.apply(&MemberChange::AddLearner { id, context: vec![] }).unwrap();
        }
        let one_more = MemberChange::AddLearner { id: 1_000, context: vec![] };
        assert_eq!(membership.apply(&one_more), Err(ConfError::TooManyMembers { max: MEMBERS_MAX }));
        let context = vec![0; CONTEXT_BYTES_MAX + 1];
        let too_large = MemberChange::UpdateContext { id: 1, context };
        assert!(matches!(membership.apply(&too_large), Err(ConfError::ContextTooLarge { .. })));
    }

    #[test]
    fn a_change_survives_its_form_in_the_log() {
        for text in ["add 4", "promote 5", "remove 6", "move 7"] {
            let change = parse(text);
            assert_eq!(MemberChange::from_conf_change(&change.to_conf_change()).unwrap(), change);
        }
        let mut odd = parse("add 4").to_conf_change();
        odd.set_change_type(ConfChangeType::RemoveNode);
        assert!(MemberChange::from_conf_change(&odd).is_err());
    }
}
