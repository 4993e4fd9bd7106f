//! How a part sees the world, what it wants of consensus, and what came of that.

use drydock_state::{Command, Millis, Outcome, State};

/// Milliseconds of a clock that nobody sets, since whenever: what waits are counted by. The state's time is another one.
pub type Moment = u64;

/// What a part decides by.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    /// A version of the state.
    pub state: &'a State,
    /// Everything up to this entry of the log is in it.
    pub index: u64,
    /// Now, for waits.
    pub now: Moment,
    /// Now, for the state: milliseconds since 1970.
    pub now_ms: Millis,
    /// What ids and choices are drawn from. Another one each time.
    pub seed: u128,
}

/// A command, with what goes into its envelope.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// Which part of the leader proposes it, for the record.
    pub caller: &'static str,
    /// What is proposed.
    pub command: Command,
    /// The time at which it was decided, in milliseconds since 1970.
    pub now_ms: Millis,
    /// What its ids are drawn from.
    pub seed: u128,
}

impl Sight<'_> {
    /// A proposal of this moment.
    #[must_use]
    pub fn propose(&self, caller: &'static str, command: Command) -> Next {
        Next::Propose(Box::new(Proposal { caller, command, now_ms: self.now_ms, seed: self.seed }))
    }
}

/// What a part wants.
#[derive(Debug, Clone)]
pub enum Next {
    /// Propose this, tell the part its [`Fate`], and ask again.
    Propose(Box<Proposal>),
    /// Ask again, but let others run first.
    Again,
    /// Ask again at this moment, or sooner where something happened that the part was told. `None`: only then.
    Until(Option<Moment>),
}

/// What came of a proposal.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// It is applied. A business error is an outcome, too.
    Applied {
        /// Where in the log.
        index: u64,
        /// What came of it.
        outcome: Outcome,
    },
    /// It was surely not written: this controller doesn't lead (any more).
    Unavailable(String),
    /// It was surely not written, for load.
    Overloaded(String),
    /// It may be written, now or later.
    Unknown(String),
    /// It can't be written: too large, or malformed.
    Rejected(String),
}

impl Fate {
    /// Why it isn't applied; `None` where it is.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::Applied { .. } => None,
            Self::Unavailable(why) | Self::Overloaded(why) | Self::Unknown(why) | Self::Rejected(why) => Some(why),
        }
    }
}
