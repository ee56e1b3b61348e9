//! Opt-out states with their ledger, and reviews of messages that may be opt-outs.

pub(crate) mod ledger;
pub(crate) mod numbers;
pub(crate) mod opt_outs;
pub(crate) mod refusals;
pub(crate) mod reviews;

pub use self::{
    numbers::NumberStatus,
    opt_outs::{OptOutRecord, OptOutWrite, OptOuts},
    reviews::{OptOutReviews, ReviewEntry},
};
