//! The status of a broadcast, the steps between the statuses, and what a broadcast waits for.

use serde::{Deserialize, Serialize};

use crate::pace::CarrierLimit;

/// The status of a broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BroadcastStatus {
    /// It can be changed, and is not confirmed.
    Draft,
    /// It is confirmed and starts later.
    Scheduled,
    /// It has started: the audience is evaluated and its recipients are stored.
    Preparing,
    /// Texts go out.
    Running,
    /// A user, or too many failures, stopped it. It can be resumed.
    Paused,
    /// No recipient is pending, held or queued.
    Completed,
    /// A user canceled it.
    Canceled,
    /// It could not be prepared.
    Failed,
}

/// What happens to a broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BroadcastStep {
    /// A user changes it. It then needs a new estimate and a new confirmation.
    Edit,
    /// A user confirms it for now.
    ConfirmNow,
    /// A user confirms it for a later time.
    ConfirmLater,
    /// Its time has come.
    Start,
    /// All recipients are stored.
    Run,
    /// It cannot be prepared.
    Fail,
    /// A user or the product pauses it.
    Pause,
    /// A user resumes it.
    Resume,
    /// A user cancels it. Texts that are queued at the carrier still go out.
    Cancel,
    /// The last recipient is no longer open.
    Complete,
}

/// Why a step was not taken: it is not allowed in this status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not possible while the broadcast is {}", .0.as_str())]
pub struct StepNotAllowed(pub BroadcastStatus);

impl BroadcastStatus {
    /// All statuses.
    pub const ALL: [Self; 8] = [
        Self::Draft,
        Self::Scheduled,
        Self::Preparing,
        Self::Running,
        Self::Paused,
        Self::Completed,
        Self::Canceled,
        Self::Failed,
    ];

    /// The name in the API and in stored items.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Scheduled => "scheduled",
            Self::Preparing => "preparing",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Canceled => "canceled",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing can happen to the broadcast anymore.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Canceled | Self::Failed)
    }

    /// The status after a step. A step that was taken before changes nothing, so requests and queue messages
    /// can be repeated.
    ///
    /// # Errors
    /// [`StepNotAllowed`] with this status.
    pub fn after(self, step: BroadcastStep) -> Result<Self, StepNotAllowed> {
        match (step, self) {
            (BroadcastStep::Edit, Self::Draft | Self::Scheduled) => Ok(Self::Draft),
            (BroadcastStep::ConfirmLater, Self::Draft | Self::Scheduled) => Ok(Self::Scheduled),
            (BroadcastStep::ConfirmNow, Self::Draft | Self::Preparing)
            | (BroadcastStep::Start, Self::Scheduled | Self::Preparing) => Ok(Self::Preparing),
            (BroadcastStep::Run, Self::Preparing | Self::Running)
            | (BroadcastStep::Resume, Self::Paused | Self::Running) => Ok(Self::Running),
            (BroadcastStep::Fail, Self::Preparing | Self::Failed) => Ok(Self::Failed),
            (BroadcastStep::Pause, Self::Running | Self::Paused) => Ok(Self::Paused),
            (BroadcastStep::Complete, Self::Running | Self::Paused | Self::Completed) => Ok(Self::Completed),
            (BroadcastStep::Cancel, Self::Canceled) => Ok(Self::Canceled),
            (BroadcastStep::Cancel, open) if !open.is_final() => Ok(Self::Canceled),
            _ => Err(StepNotAllowed(self)),
        }
    }
}

/// What a broadcast, or one recipient, waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// The sending hours of the recipients begin later.
    QuietHours,
    /// Other messages of the number go first.
    Pace,
    /// The carriers' limit of the day is reached.
    DailyCap,
    /// The registration is not approved, or the carriers' networks do not know the number yet.
    Registration,
    /// A user paused the broadcast.
    PausedByUser,
    /// The carrier is down, its queue is full, or too many texts failed.
    Carrier,
    /// Another user has the lock of the recipient's conversation.
    Locked,
    /// Its text could not be released. It is tried again.
    Error,
}

impl WaitReason {
    /// The name in the API and in stored items.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QuietHours => "quiet_hours",
            Self::Pace => "pace",
            Self::DailyCap => "daily_cap",
            Self::Registration => "registration",
            Self::PausedByUser => "paused_by_user",
            Self::Carrier => "carrier",
            Self::Locked => "locked",
            Self::Error => "error",
        }
    }
}

/// What a broadcast waits for while its number is at a limit of the carrier.
impl From<CarrierLimit> for WaitReason {
    fn from(limit: CarrierLimit) -> Self {
        match limit {
            CarrierLimit::Rate => Self::Pace,
            CarrierLimit::Daily => Self::DailyCap,
            CarrierLimit::Queue => Self::Carrier,
            CarrierLimit::Registration => Self::Registration,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BroadcastStatus as Status, BroadcastStep as Step, *};

    const STEPS: [Step; 10] = [
        Step::Edit,
        Step::ConfirmNow,
        Step::ConfirmLater,
        Step::Start,
        Step::Run,
        Step::Fail,
        Step::Pause,
        Step::Resume,
        Step::Cancel,
        Step::Complete,
    ];

    #[test]
    fn a_broadcast_goes_from_draft_to_completed() {
        let now = [Step::ConfirmNow, Step::Run, Step::Pause, Step::Resume, Step::Complete];
        let later = [Step::ConfirmLater, Step::Start, Step::Run, Step::Complete];
        for steps in [now.as_slice(), later.as_slice()] {
            let end = steps.iter().try_fold(Status::Draft, |status, step| status.after(*step));
            assert_eq!(end, Ok(Status::Completed));
        }
        assert_eq!(Status::Scheduled.after(Step::Edit), Ok(Status::Draft));
        assert_eq!(Status::Preparing.after(Step::Fail), Ok(Status::Failed));
    }

    #[test]
    fn every_step_can_be_repeated() {
        for status in Status::ALL {
            for step in STEPS {
                if let Ok(next) = status.after(step) {
                    assert_eq!(next.after(step), Ok(next), "{step:?} of {status:?}");
                }
            }
        }
    }

    #[test]
    fn a_broadcast_that_ended_never_changes() {
        for status in Status::ALL.into_iter().filter(|status| status.is_final()) {
            for step in STEPS {
                let after = status.after(step);
                assert!(
                    after == Ok(status) || after == Err(StepNotAllowed(status)),
                    "{step:?} of {status:?}"
                );
            }
        }
        let refused = Status::Completed.after(Step::Cancel).unwrap_err();
        assert_eq!(refused.to_string(), "not possible while the broadcast is completed");
    }

    #[test]
    fn a_broadcast_can_be_canceled_until_it_ended() {
        for status in Status::ALL {
            let can_cancel = status.after(Step::Cancel).is_ok();
            assert_eq!(can_cancel, !status.is_final() || status == Status::Canceled, "{status:?}");
        }
    }

    #[test]
    fn only_a_draft_or_a_scheduled_broadcast_can_be_changed() {
        for status in Status::ALL {
            let editable = matches!(status, Status::Draft | Status::Scheduled);
            assert_eq!(status.after(Step::Edit).is_ok(), editable, "{status:?}");
        }
        assert_eq!(Status::Running.after(Step::ConfirmNow), Err(StepNotAllowed(Status::Running)));
        assert_eq!(Status::Draft.after(Step::Start), Err(StepNotAllowed(Status::Draft)));
    }

    #[test]
    fn names_in_stored_items_are_those_of_the_api() {
        for status in Status::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        let limits = [
            (CarrierLimit::Rate, "pace"),
            (CarrierLimit::Daily, "daily_cap"),
            (CarrierLimit::Queue, "carrier"),
            (CarrierLimit::Registration, "registration"),
        ];
        for (limit, name) in limits {
            let reason = WaitReason::from(limit);
            assert_eq!(reason.as_str(), name);
            assert_eq!(serde_json::to_value(reason).unwrap(), name);
        }
        for reason in
            [WaitReason::QuietHours, WaitReason::PausedByUser, WaitReason::Locked, WaitReason::Error]
        {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }
}
