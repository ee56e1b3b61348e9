use serde::{Deserialize, Serialize};

use super::status::RegistrationStatus;
use crate::{ids::UserId, time::Timestamp};

/// How a step became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StepSource {
    /// The carrier sent an event.
    Callback,
    /// The product read the carrier's record.
    Poll,
    /// An admin did it.
    User,
}

impl StepSource {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Callback => "callback",
            Self::Poll => "poll",
            Self::User => "user",
        }
    }
}

/// A step in the history of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct TimelineStep {
    /// The id of the carrier's event, or an id that the product created. Unique within the registration.
    pub id: String,
    /// The status after the step.
    pub status: RegistrationStatus,
    /// When it happened, by the clock of its source.
    pub at: Timestamp,
    pub source: StepSource,
    /// The carrier's reason codes.
    pub codes: Vec<u32>,
    /// A sentence for the team's members.
    pub detail: Option<String>,
    /// The admin, if an admin did it.
    pub by: Option<UserId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_have_the_names_of_the_api() {
        assert_eq!(
            [StepSource::Callback, StepSource::Poll, StepSource::User].map(StepSource::as_str),
            ["callback", "poll", "user"]
        );
    }
}
