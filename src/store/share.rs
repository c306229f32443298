//! Shares: how much of a kind one owner may have.

use super::{Kind, Owner, StoreError};

/// How many living, unspent records of a kind one owner may have, and what becomes of one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// How many.
    pub limit: Limit,
    /// What becomes of one more.
    pub over: Over,
}

/// How many records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many.
    Fixed(usize),
    /// A part of the room that is left, (ceiling − used) ÷ `divisor`, but never less than `floor`: few can never fill
    /// a kind, and whoever comes new finds room.
    Shrinking {
        /// What is always allowed.
        floor: usize,
        /// Into how many parts the room is divided.
        divisor: usize,
    },
}

/// What becomes of a record over its owner's share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// It is refused.
    Refuse,
    /// The owner's own oldest goes instead: for an owner that is one person, one browser or one message.
    DropOldest,
}

impl Limit {
    /// The records always allowed, and the divisor of what is left; 0 where nothing is added.
    pub(super) fn parts(self) -> (usize, usize) {
        match self {
            Self::Fixed(records) => (records, 0),
            Self::Shrinking { floor, divisor } => (floor, divisor),
        }
    }

    fn records(self, ceiling: usize, used: usize) -> usize {
        let (floor, divisor) = self.parts();
        ceiling.saturating_sub(used).checked_div(divisor).map_or(floor, |part| part.max(floor))
    }
}

/// The share that an owner of a new record has.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Whose.
    pub owner: Owner,
    /// What kind of owner it is, for whoever reads of the refusal.
    pub tag: &'static str,
    /// How much.
    pub share: Share,
}

impl Claim {
    /// How many of the owner's `held` records must go for one more; where none may, the refusal.
    pub(super) fn excess(
        &self,
        kind: Kind,
        held: usize,
        ceiling: usize,
        used: usize,
    ) -> Result<usize, StoreError> {
        let allowed = self.share.limit.records(ceiling, used);
        match self.share.over {
            Over::Refuse if held >= allowed => Err(self.refusal(kind)),
            Over::Refuse => Ok(0),
            Over::DropOldest => Ok((held + 1).saturating_sub(allowed.max(1))),
        }
    }

    /// What whoever is over the share is told.
    pub(super) fn refusal(&self, kind: Kind) -> StoreError {
        StoreError::Full { kind: kind.name, owner: Some(self.tag) }
    }
}

/// How a record is inserted.
#[derive(Clone, Copy, Debug)]
pub struct Insert<'a> {
    /// Whether it replaces what is alive under its key; otherwise it yields to it.
    pub replaces: bool,
    /// The shares of its owners, which it needs unless it replaces.
    pub claims: &'a [Claim],
}

/// What a script or a function says of an insertion: 1 if it was written, 0 if the key is taken, -1 if the kind is
/// full, -1 - n if the nth claim is over its share.
pub(super) fn inserted(code: i64, kind: Kind, claims: &[Claim]) -> Result<bool, StoreError> {
    if code >= 0 {
        return Ok(code == 1);
    }
    let refused = usize::try_from(-2 - code).ok().and_then(|n| claims.get(n));
    Err(refused.map_or(StoreError::Full { kind: kind.name, owner: None }, |claim| claim.refusal(kind)))
}
