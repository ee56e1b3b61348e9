//! Broadcasts, their recipients, and the counts of their progress.

pub(crate) mod broadcasts;
mod leases;
pub(crate) mod recipients;
pub(crate) mod release;
pub(crate) mod replies;
mod texts_ahead;

pub use self::{
    broadcasts::{BroadcastWrite, Broadcasts, DueBroadcast},
    recipients::{Counts, NewRecipient, PreparedCounts, Recipients, StoredRecipient, reference},
    release::{Refused, Release, Released},
    replies::{BroadcastReplies, RecipientReply, ReplyOutcome},
    texts_ahead::TextsOnTheirWay,
};
