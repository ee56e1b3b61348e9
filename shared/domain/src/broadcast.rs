//! Broadcasts: one text from a shared inbox to many recipients.
//!
//! - [`BroadcastStatus`]: the life of a broadcast, and which steps are allowed.
//! - [`Recipient`]: what happened to one number. A number is one recipient, however many segments and
//!   contacts of the audience have it.
//! - [`Progress`]: how many recipients are in each state.
//! - [`FailureWatch`]: when failures pause a broadcast.
//! - [`Tally`], [`checks`] and [`drain()`]: the estimate that a user sees before confirming a broadcast.
//! - [`AHEAD`]: how far ahead of the pace of their number texts are released, and [`TextsAhead`]: what of it
//!   the broadcasts of one inbox have used.
//! - [`ReplyWindow`]: which inbound message is the reply of a recipient.
//! - [`Recurrence`]: when a broadcast that repeats comes next.
//!
//! ```
//! use shared_domain::broadcast::{BroadcastStatus, BroadcastStep, Progress, RecipientState};
//!
//! let paused = BroadcastStatus::Running.after(BroadcastStep::Pause).unwrap();
//! assert_eq!(paused.after(BroadcastStep::Resume), Ok(BroadcastStatus::Running));
//!
//! let progress = Progress::of(2).moved(RecipientState::Pending, RecipientState::Queued).unwrap();
//! assert_eq!((progress.total(), progress.count(RecipientState::Pending)), (2, 1));
//! ```

mod ahead;
mod audience_sketch;
mod checklist;
mod definition;
mod drain;
mod estimate;
mod failures;
mod price;
mod progress;
mod recipient;
mod recurrence;
mod reply;
mod status;
mod texts_ahead;

pub use ahead::{AHEAD, LAST_SEND, MAX_SLICE, slice_delay};
pub use audience_sketch::AudienceSketch;
pub use checklist::{Check, CheckLevel, SenderFacts, can_confirm, checks, is_stale};
pub use definition::{Audience, Broadcast, BroadcastRef, EstimateRef, Series, Waiting};
pub use drain::{Capacity, Drain, RecipientGroup, drain, first_look};
pub use estimate::{CostlyCharacter, Estimate, Tally};
pub use failures::FailureWatch;
pub use price::SegmentPrice;
pub use progress::Progress;
pub use recipient::{Recipient, RecipientEvent, RecipientState, SkipReason};
pub use recurrence::{Frequency, Occurrence, Recurrence, WrittenRecurrence};
pub use reply::{Asked, ReplyFacts, ReplyWindow, can_be_answered};
pub use status::{BroadcastStatus, BroadcastStep, StepNotAllowed, WaitReason};
pub use texts_ahead::TextsAhead;
