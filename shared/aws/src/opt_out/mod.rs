//! Opt-out states with their ledger, and reviews of messages that may be opt-outs.

pub(crate) mod opt_outs;
pub(crate) mod reviews;

pub use self::{
    opt_outs::{LedgerPage, OptOutRecord, OptOutWrite, OptOuts},
    reviews::{InboxInTeam, OptOutReviews, ReviewEntry, ReviewPage},
};
