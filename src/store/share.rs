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
    /// The same, of what is left in the share before: the last that is none of these. So one network cannot use up
    /// what its application may have.
    Within {
        /// What is always allowed.
        floor: usize,
        /// Into how many parts what is left is divided.
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
    /// The records always allowed, and the divisor of what is left: 0 where nothing is added, negative where it is what
    /// is left in the share before.
    pub(super) fn parts(self) -> (usize, i64) {
        let parts = |divisor: usize| i64::try_from(divisor).unwrap_or(i64::MAX);
        match self {
            Self::Fixed(records) => (records, 0),
            Self::Shrinking { floor, divisor } => (floor, parts(divisor)),
            Self::Within { floor, divisor } => (floor, -parts(divisor)),
        }
    }
}

/// What is left for one more record: of its kind, and of the share that was looked at last.
pub(super) struct Room {
    of_kind: usize,
    of_share: usize,
}

impl Room {
    /// Before any share was looked at.
    pub(super) fn new(ceiling: usize, used: usize) -> Self {
        Self { of_kind: ceiling.saturating_sub(used), of_share: 0 }
    }

    /// How many records whoever holds `held` may have under `limit`.
    fn allowed(&mut self, limit: Limit, held: usize) -> usize {
        let part =
            |room: usize, floor: usize, divisor| room.checked_div(divisor).unwrap_or_default().max(floor);
        let allowed = match limit {
            Limit::Fixed(records) => records,
            Limit::Shrinking { floor, divisor } => part(self.of_kind, floor, divisor),
            Limit::Within { floor, divisor } => return part(self.of_share, floor, divisor),
        };
        self.of_share = allowed.saturating_sub(held);
        allowed
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
    pub(super) fn excess(&self, kind: Kind, held: usize, room: &mut Room) -> Result<usize, StoreError> {
        let allowed = room.allowed(self.share.limit, held);
        match self.share.over {
            Over::Refuse if held >= allowed => Err(self.refusal(kind)),
            Over::Refuse => Ok(0),
            Over::DropOldest => Ok((held + 1).saturating_sub(allowed.max(1))),
        }
    }

    /// What whoever is over the share is told.
    pub(super) fn refusal(&self, kind: Kind) -> StoreError {
        StoreError::Full { kind, owner: Some(self.tag) }
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
    Err(refused.map_or(StoreError::Full { kind, owner: None }, |claim| claim.refusal(kind)))
}
