//! Reviews of inbound messages that may be opt-out requests.

use serde::{Deserialize, Serialize};
use shared_aws::opt_out::ReviewEntry;
use shared_domain::opt_out::{ReviewOutcome, ReviewResolution};
use utoipa::ToSchema;

use super::{UserName, conversation::ContactSummary};

/// An inbound message that may be an opt-out request.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OptOutReviewView {
    /// ID of the review.
    pub review_id: String,
    /// ID of the conversation.
    pub conversation_id: String,
    /// ID of the message.
    pub message_id: String,
    /// The contact who wrote the message.
    pub contact: ContactSummary,
    /// Text of the message.
    pub text: String,
    /// Time when the message was received.
    #[schema(format = DateTime)]
    pub at: String,
    /// The decision. `null` until a member of the inbox decides.
    #[schema(required)]
    pub decided: Option<DecidedView>,
}

impl OptOutReviewView {
    /// Returns a review with the contact as the conversation shows it.
    pub fn of(entry: &ReviewEntry) -> Self {
        let review = &entry.review;
        Self {
            review_id: review.id.to_string(),
            conversation_id: review.conversation.to_string(),
            message_id: review.message.to_string(),
            contact: ContactSummary::of(&entry.contact),
            text: review.text.clone(),
            at: review.at.to_string(),
            decided: review.decided.as_ref().map(DecidedView::of),
        }
    }
}

/// A decision about a message.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecidedView {
    #[schema(value_type = ReviewDecision)]
    pub decision: &'static str,
    /// The user who decided.
    pub by: UserName,
    /// Time of the decision.
    #[schema(format = DateTime)]
    pub at: String,
}

impl DecidedView {
    pub fn of(decided: &ReviewResolution) -> Self {
        Self { decision: decided.outcome.as_str(), by: UserName::of(&decided.by), at: decided.at.to_string() }
    }
}

/// What the message was.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReviewDecision {
    /// An opt-out request. The contact is opted out.
    OptedOut,
    /// Not an opt-out request. Nothing changes.
    Dismissed,
}

impl From<ReviewDecision> for ReviewOutcome {
    fn from(decision: ReviewDecision) -> Self {
        match decision {
            ReviewDecision::OptedOut => Self::OptedOut,
            ReviewDecision::Dismissed => Self::Dismissed,
        }
    }
}

/// A decision to record.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ReviewRequest {
    /// What the message was.
    pub decision: ReviewDecision,
}
