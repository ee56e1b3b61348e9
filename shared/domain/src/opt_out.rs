//! Opt-out: the keywords that contacts send, which messages an opt-out stops, and who opted a contact out or
//! in.
//!
//! Sources: the carriers' lists of keywords (`tests/fixtures/common/opt_out_keywords.json`), CTIA's
//! *Messaging Principles and Best Practices*, and 47 CFR 64.1200(a)(10), under which a contact may opt out by
//! any reasonable means, the request must be honored, and one confirmation may be sent.
//!
//! - A [keyword] acts if it is the whole text. Any other text that may be an opt-out request is opened for
//!   [review](wants_review) by a user and does not act by itself.
//! - An opt-out applies to an [`OptOutSubject`]: a number within an [`OptOutScope`] of one organization.
//! - Each [`OptOutSource`] opts out on its own. START lifts what STOP on the same number caused, and nothing
//!   that a user, an import or the carrier caused. An opt-in by a user records new consent and lifts
//!   everything.
//! - Every change has a [`LedgerEntry`]. An event that changes nothing has neither an entry nor a
//!   confirmation.
//!
//! ```
//! use shared_domain::opt_out::{
//!     Keyword, KeywordDecision, KeywordReplies, KeywordReply, OptOutState, after_keyword,
//! };
//!
//! let opted_in = OptOutState::default();
//! let decision = after_keyword(&opted_in, Keyword::Stop, true, KeywordReplies::Product, false);
//! let KeywordDecision::Keyword { change: Some(change), reply } = decision else { panic!() };
//! assert!(change.state.is_out());
//! assert_eq!(reply, Some(KeywordReply::Stopped));
//! ```

mod confirmation;
mod keyword;
mod ledger;
mod review;
mod state;
mod subject;

pub use confirmation::{help_text, start_text, stop_text};
pub use keyword::{Keyword, KeywordDecision, KeywordReplies, KeywordReply, after_keyword, keyword};
pub use ledger::LedgerEntry;
pub use review::{OptOutReview, ReviewOutcome, ReviewResolution, wants_review};
pub use state::{
    OptOutChange, OptOutSource, OptOutState, after_carrier_refusal, after_import, after_number_change,
    after_user,
};
pub use subject::{OptOutScope, OptOutSubject, SharedOptOutScope};

#[cfg(test)]
mod tests;
