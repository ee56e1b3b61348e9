//! Texts that may be a wish for no more texts.

use serde::{Deserialize, Serialize};
use shared_aws::opt_out::ReviewEntry;
use shared_domain::opt_out::{ReviewOutcome, ReviewResolution};
use utoipa::ToSchema;

use super::{UserName, conversation::ContactSummary};

/// A text that may be a wish for no more texts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OptOutReviewView {
    /// Its id.
    pub review_id: String,
    /// Where the text stands.
    pub conversation_id: String,
    /// The text.
    pub message_id: String,
    /// Who wrote it.
    pub contact: ContactSummary,
    /// What it says.
    pub text: String,
    /// When it came in.
    #[schema(format = DateTime)]
    pub at: String,
    /// What became of it; null while it waits.
    #[schema(required)]
    pub decided: Option<DecidedView>,
}

impl OptOutReviewView {
    /// Of a review, with the contact as the conversation shows it.
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

/// A decision about a text.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecidedView {
    /// `opted_out` or `dismissed`.
    pub decision: &'static str,
    /// Whose.
    pub by: UserName,
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
}

impl DecidedView {
    /// Of a decision.
    pub fn of(decided: &ReviewResolution) -> Self {
        Self { decision: decided.outcome.as_str(), by: UserName::of(&decided.by), at: decided.at.to_string() }
    }
}

/// What a text was.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReviewDecision {
    /// A wish for no more texts: the contact is opted out.
    OptedOut,
    /// Something else: nothing changes.
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

/// A decision about a text, to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ReviewRequest {
    /// What it was.
    pub decision: ReviewDecision,
}
