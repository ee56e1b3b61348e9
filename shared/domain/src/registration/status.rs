use serde::{Deserialize, Serialize};

use super::campaign::CampaignState;

/// The status of a team's A2P 10DLC registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationStatus {
    /// The team has no shared inbox yet and has submitted nothing.
    NotStarted,
    /// The campaign details are not submitted yet, or the carriers are reviewing them.
    Pending,
    /// The team may send messages.
    Approved,
    /// The carriers rejected the campaign. It may be corrected and submitted again.
    Rejected,
    /// The campaign was approved, and the carriers stopped it.
    Suspended,
}

impl RegistrationStatus {
    /// Whether the team's shared inboxes are shown and may send messages.
    pub fn is_complete(self) -> bool {
        match self {
            Self::Approved => true,
            Self::NotStarted | Self::Pending | Self::Rejected | Self::Suspended => false,
        }
    }

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Suspended => "suspended",
        }
    }

    /// Whether campaign details may be submitted: the first time, and after a rejection. `submitted` is
    /// whether the carriers already have them, which the status `pending` alone does not say.
    pub fn accepts_submission(self, submitted: bool) -> bool {
        match self {
            Self::NotStarted | Self::Rejected => true,
            Self::Pending => !submitted,
            Self::Approved | Self::Suspended => false,
        }
    }

    /// The next status if the carrier reports this state of the campaign, or `None` if the status does not
    /// change.
    ///
    /// A campaign in review changes nothing: only a new submission, which an admin makes here, leads back to
    /// `pending`. If an approved campaign is reported as failed, the carrier has stopped it, so it becomes
    /// `suspended`.
    pub fn after(self, state: CampaignState) -> Option<Self> {
        use RegistrationStatus::{Approved, NotStarted, Pending, Rejected, Suspended};
        let next = match (self, state) {
            (NotStarted, _)
            | (_, CampaignState::InReview)
            | (Rejected | Suspended, CampaignState::Failed | CampaignState::Suspended) => self,
            (_, CampaignState::Verified) => Approved,
            (Pending, CampaignState::Failed) => Rejected,
            (Pending | Approved, CampaignState::Suspended) | (Approved, CampaignState::Failed) => Suspended,
        };
        (next != self).then_some(next)
    }

    /// What a team with this status has to know, as a text for its members, or `None` if it may send
    /// messages. `submitted` is whether the carriers have the campaign details.
    pub fn notice(self, submitted: bool) -> Option<&'static str> {
        match (self, submitted) {
            (Self::Approved, _) => None,
            (Self::NotStarted, _) => Some(
                "Messages cannot be sent until the team's A2P 10DLC registration is complete. Create the team's first shared inbox to start it.",
            ),
            (Self::Pending, false) => Some(
                "Messages cannot be sent until the team's A2P 10DLC registration is complete. Submit the campaign details to continue.",
            ),
            (Self::Pending, true) => Some(
                "Messages cannot be sent until the team's A2P 10DLC registration is complete. The carriers are reviewing it; admins get an e-mail when they are done.",
            ),
            (Self::Rejected, _) => Some(
                "The carriers rejected the registration, and messages cannot be sent. Correct the campaign details and submit them again.",
            ),
            (Self::Suspended, _) => Some(
                "The carriers suspended the registration, and messages cannot be sent until they lift the suspension.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CampaignState::{Failed, InReview, Suspended as Stopped, Verified};
    use RegistrationStatus::{Approved, NotStarted, Pending, Rejected, Suspended};

    #[test]
    fn the_state_of_the_campaign_decides_the_status() {
        let table = [
            (Pending, Verified, Some(Approved)),
            (Pending, Failed, Some(Rejected)),
            (Pending, Stopped, Some(Suspended)),
            (Pending, InReview, None),
            (Approved, Verified, None),
            (Approved, InReview, None),
            (Approved, Stopped, Some(Suspended)),
            (Approved, Failed, Some(Suspended)),
            (Suspended, Verified, Some(Approved)),
            (Suspended, Stopped, None),
            (Suspended, Failed, None),
            (Rejected, Verified, Some(Approved)),
            (Rejected, Failed, None),
            (Rejected, InReview, None),
            (Rejected, Stopped, None),
            (NotStarted, Verified, None),
        ];
        for (status, state, next) in table {
            assert_eq!(status.after(state), next, "{status:?} {state:?}");
        }
    }

    #[test]
    fn reading_the_same_state_twice_changes_nothing_more() {
        for status in [NotStarted, Pending, Approved, Rejected, Suspended] {
            for state in [InReview, Verified, Failed, Stopped] {
                let next = status.after(state).unwrap_or(status);
                assert_eq!(next.after(state), None, "{status:?} {state:?}");
            }
        }
    }

    #[test]
    fn details_are_accepted_once_and_again_after_a_rejection() {
        assert!(NotStarted.accepts_submission(false));
        assert!(Pending.accepts_submission(false));
        assert!(!Pending.accepts_submission(true));
        assert!(Rejected.accepts_submission(true));
        assert!(!Approved.accepts_submission(true));
        assert!(!Suspended.accepts_submission(true));
    }

    #[test]
    fn only_a_team_that_may_send_has_no_notice() {
        for status in [NotStarted, Pending, Approved, Rejected, Suspended] {
            for submitted in [false, true] {
                assert_eq!(status.notice(submitted).is_none(), status.is_complete(), "{status:?}");
            }
        }
    }

    #[test]
    fn statuses_have_the_names_of_the_api() {
        let names = [NotStarted, Pending, Approved, Rejected, Suspended].map(RegistrationStatus::as_str);
        assert_eq!(names, ["not_started", "pending", "approved", "rejected", "suspended"]);
    }
}
