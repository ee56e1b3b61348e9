//! A broadcast as users define it, and what happened to it so far.

use serde::{Deserialize, Serialize};

use super::{
    AudienceSketch, BroadcastStatus, Estimate, FailureWatch, Occurrence, Progress, Recurrence, WaitReason,
    WrittenRecurrence, recurrence::MAX_LATENESS,
};
use crate::{
    ids::{BroadcastId, ContactId, InboxId, OrganizationId, SegmentId, TeamId, TemplateId},
    keys::{InboxKey, TeamKey},
    phone::PhoneNumber,
    question::{Question, WrittenQuestion},
    sending_hours::HoursMode,
    time::Timestamp,
    user::UserRef,
    weekly_hours::time_zone,
};

/// Who is meant to get the text. A number that occurs several times gets one text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct Audience {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<SegmentId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<ContactId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<PhoneNumber>,
}

/// What a broadcast waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct Waiting {
    pub reason: WaitReason,
    /// `None` if the time is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// The last estimate of a broadcast. Confirming names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct EstimateRef {
    pub id: String,
    pub recipients: u64,
    /// Who they are. `None` once it is confirmed and starts, and in an estimate from before sketches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<AudienceSketch>,
}

impl EstimateRef {
    /// What is kept of an estimate.
    pub fn of(Estimate { id, tally, .. }: &Estimate) -> Self {
        Self { id: id.clone(), recipients: tally.recipients(), audience: Some(tally.audience().clone()) }
    }
}

/// A series of broadcasts. Each occurrence is a broadcast of its own, which is scheduled when the one before
/// starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct Series {
    #[serde(flatten)]
    pub written: WrittenRecurrence,
    /// The IANA name of the time zone in which all occurrences have the same local time.
    pub zone: String,
    /// When the first occurrence starts.
    pub first: Timestamp,
    /// The place of this occurrence, from 0.
    pub index: u32,
    /// When this occurrence was to start before it was moved. `None` for the first, which moves the series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<Timestamp>,
}

impl Series {
    fn recurrence(&self) -> Option<Recurrence> {
        Recurrence::parse("/recurrence", &self.written, self.first, time_zone(&self.zone)?).ok()
    }

    /// This occurrence in the rhythm of the series. It is scheduled at `at`, maybe because it was moved.
    fn occurrence(&self, at: Timestamp) -> Occurrence {
        Occurrence { index: self.index, at: self.planned.unwrap_or(at) }
    }
}

/// A broadcast of a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct Broadcast {
    pub id: BroadcastId,
    #[serde(rename = "org")]
    pub organization: OrganizationId,
    pub team: TeamId,
    /// The inbox that it is sent from.
    pub inbox: InboxId,
    pub name: String,
    pub audience: Audience,
    /// The text, which may have merge fields.
    pub text: String,
    /// The template that the text was copied from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateId>,
    pub hours: HoursMode,
    pub reply_window_hours: u16,
    /// The question that it asks, which was checked when it was defined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<WrittenQuestion>,
    /// When it starts. `None` if it starts when it is confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<Timestamp>,
    /// The series that it is an occurrence of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<Series>,
    pub status: BroadcastStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// Why it failed or was paused by the product, as a sentence for users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub created_by: UserRef,
    pub created_at: Timestamp,
    /// The user who confirmed it, in whose name the texts are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_by: Option<UserRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<EstimateRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// How often its preparation began. Each preparation stores recipients of its own, and those of the one
    /// that finished get the text.
    #[serde(default)]
    pub preparation: u32,
    /// The progress when a worker last looked, for the event. The counts of the recipients are the truth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// Where the counting of failures began last.
    #[serde(default)]
    pub watch: FailureWatch,
}

impl Broadcast {
    /// The broadcast that follows this one in its series, as it is when it is scheduled. `None` without a
    /// series, and after its last occurrence. Occurrences whose time has passed are left out.
    pub fn next_occurrence(&self, id: BroadcastId, now: Timestamp) -> Option<Self> {
        let series = self.series.as_ref()?;
        let recurrence = series.recurrence()?;
        let mut next = recurrence.next(Some(series.occurrence(self.scheduled_at?)), now)?;
        while next.at <= now {
            next = recurrence.next(Some(next), now)?; // this one started late, maybe a moment ago
        }
        Some(Self {
            id,
            scheduled_at: Some(next.at),
            series: Some(Series { index: next.index, planned: Some(next.at), ..series.clone() }),
            status: BroadcastStatus::Scheduled,
            waiting: None,
            reason: None,
            created_at: now,
            estimate: None,
            started_at: None,
            finished_at: None,
            preparation: 0,
            progress: None,
            watch: FailureWatch::default(),
            ..self.clone()
        })
    }

    /// Whether it is an occurrence whose time has passed by more than an hour. It is not sent.
    pub fn is_missed(&self, now: Timestamp) -> bool {
        self.series.is_some() && self.scheduled_at.is_some_and(|at| at + MAX_LATENESS < now)
    }

    /// The key of the team.
    pub fn team_key(&self) -> TeamKey<'_> {
        TeamKey { organization: &self.organization, team: &self.team }
    }

    /// The key of the inbox that it is sent from.
    pub fn inbox_key(&self) -> InboxKey<'_> {
        InboxKey { organization: &self.organization, inbox: &self.inbox }
    }

    /// Whether a user confirmed it with this estimate, and nobody changed it since.
    pub fn is_confirmed_with(&self, estimate: &str) -> bool {
        let is_last = self.estimate.as_ref().is_some_and(|last| last.id == estimate);
        is_last && self.confirmed_by.is_some()
    }

    /// The question that it asks.
    pub fn question(&self) -> Option<Question> {
        Question::parse("/question", self.question.as_ref()?).ok()
    }

    /// The user in whose name the texts are sent.
    pub fn sender(&self) -> &UserRef {
        self.confirmed_by.as_ref().unwrap_or(&self.created_by)
    }
}

/// The broadcast that a message belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct BroadcastRef {
    #[serde(rename = "id")]
    pub broadcast: BroadcastId,
    /// See [`Broadcast::preparation`].
    #[serde(rename = "p")]
    pub preparation: u32,
}
