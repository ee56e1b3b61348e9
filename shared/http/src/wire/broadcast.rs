//! Broadcasts, their estimates and their recipients.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared_aws::broadcast::{Counts, StoredRecipient};
use shared_domain::{
    broadcast::{
        Audience, Broadcast, Check, CostlyCharacter, Estimate, Frequency, Progress, RecipientState, Series,
        Waiting, WrittenRecurrence,
    },
    field::FieldError,
    question::{Answer, Question, WrittenQuestion},
    sending_hours::HoursMode,
    time::Timestamp,
};
use utoipa::ToSchema;

use super::{
    UserName,
    message::SenderInbox,
    segment::ExcludedView,
    values::{
        BroadcastStatus, CheckLevel, QuestionKind, RecipientState as RecipientStateName, RecurrenceFrequency,
        WaitReason,
    },
};
use crate::input::{nullable, object, optional_object};

/// Who gets the text. A number that occurs more than once gets one text.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AudienceView {
    /// IDs of segments, at most 20.
    pub segment_ids: Vec<String>,
    /// IDs of contacts, at most 1,000.
    pub contact_ids: Vec<String>,
    /// Phone numbers, at most 1,000. In responses in E.164.
    pub phone_numbers: Vec<String>,
}

impl AudienceView {
    fn of(audience: &Audience) -> Self {
        Self {
            segment_ids: audience.segments.iter().map(ToString::to_string).collect(),
            contact_ids: audience.contacts.iter().map(ToString::to_string).collect(),
            phone_numbers: audience.numbers.iter().map(|number| number.as_str().to_owned()).collect(),
        }
    }
}

/// Whose hours decide when a recipient may get the text: `recipient` those of the recipient and the team,
/// `team` those of the team, or of the recipient if the team has none, `always` nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HoursModeName {
    Recipient,
    Team,
    Always,
}

impl From<HoursModeName> for HoursMode {
    fn from(name: HoursModeName) -> Self {
        match name {
            HoursModeName::Recipient => Self::Recipient,
            HoursModeName::Team => Self::Team,
            HoursModeName::Always => Self::Always,
        }
    }
}

impl From<HoursMode> for HoursModeName {
    fn from(mode: HoursMode) -> Self {
        match mode {
            HoursMode::Recipient => Self::Recipient,
            HoursMode::Team => Self::Team,
            HoursMode::Always => Self::Always,
        }
    }
}

/// When recipients may get the text.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct HoursView {
    pub mode: HoursModeName,
}

/// A question. The first reply of each recipient within the reply window is sorted into one of its answers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuestionView {
    /// `yes_no`: the answers are `yes` and `no`. `scale`: `1` to `5`. `choice`: `a` to `h`, one for each of
    /// the choices. A reply that fits none of them is `other`.
    #[schema(value_type = QuestionKind)]
    pub kind: String,
    /// 2 to 8 choices of 1 to 80 characters, in the order of their letters. Only for `choice`.
    #[serde(default)]
    pub choices: Vec<String>,
    /// The text that an answer gets, by the name of the answer: 1 to 306 characters.
    #[serde(default)]
    pub follow_ups: BTreeMap<String, String>,
}

impl QuestionView {
    fn of(question: &WrittenQuestion) -> Self {
        let WrittenQuestion { kind, choices, follow_ups } = question.clone();
        Self { kind, choices, follow_ups }
    }

    /// The question as it is stored, once it was checked.
    pub fn written(self) -> WrittenQuestion {
        let Self { kind, choices, follow_ups } = self;
        WrittenQuestion { kind, choices, follow_ups }
    }
}

/// How often a broadcast repeats, from `scheduledAt` on, at the same local time. Each occurrence is a
/// broadcast of its own, which is scheduled when the one before starts. One that is more than an hour late is
/// skipped.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecurrenceView {
    #[schema(value_type = RecurrenceFrequency)]
    pub frequency: String,
    /// The days of `weekly`, `mon` to `sun`. Without days, the day of the first occurrence.
    #[serde(default)]
    pub days: Vec<String>,
    /// The number of occurrences, those that were skipped included. 1 to 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// No occurrence is later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub until: Option<String>,
    /// IANA name of the time zone. Without it, it is the one of the inbox's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

impl RecurrenceView {
    pub fn of(series: &Series) -> Self {
        let WrittenRecurrence { frequency, days, count, until } = &series.written;
        Self {
            frequency: frequency.as_str().to_owned(),
            days: days.clone(),
            count: *count,
            until: until.map(|until| until.to_string()),
            time_zone: Some(series.zone.clone()),
        }
    }

    /// The recurrence in the form that is checked and stored. Errors at fields that have no such form.
    pub fn written(self, pointer: &str) -> Result<WrittenRecurrence, FieldError> {
        let frequency = Frequency::parse(&self.frequency);
        let expected = "one of daily, weekly, monthly";
        let frequency = frequency.ok_or_else(|| FieldError::new(format!("{pointer}/frequency"), expected))?;
        let until = match &self.until {
            Some(until) => {
                let expected = "a time, such as 2026-11-22T10:00:00Z";
                let until = Timestamp::parse(until);
                Some(until.ok_or_else(|| FieldError::new(format!("{pointer}/until"), expected))?)
            }
            None => None,
        };
        Ok(WrittenRecurrence { frequency, days: self.days, count: self.count, until })
    }
}

/// The number of recipients with an answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnswerCount {
    /// Name of the answer. See the kind of the question.
    pub answer: String,
    pub count: u64,
}

/// Corrects the answer of a recipient.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnswerCorrection {
    /// The number of a recipient who replied.
    pub phone_number: String,
    /// Name of an answer of the question.
    pub answer: String,
}

/// A broadcast to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewBroadcast {
    /// 1 to 80 characters.
    pub name: String,
    /// The shared inbox that it is sent from.
    #[serde(deserialize_with = "object")]
    pub from: SenderInbox,
    #[serde(deserialize_with = "object")]
    pub audience: AudienceView,
    /// The text, with merge fields as in templates. Either this or `templateId`.
    pub text: Option<String>,
    /// ID of a template. Its text is copied.
    pub template_id: Option<String>,
    /// When it starts, at most a year ahead. Without it, the broadcast starts when it is confirmed.
    #[schema(format = DateTime)]
    pub scheduled_at: Option<String>,
    /// Default `recipient`.
    #[serde(default, deserialize_with = "optional_object")]
    pub hours: Option<HoursView>,
    /// Hours in which an inbound message counts as a reply: 1 to 720, default 72.
    pub reply_window_hours: Option<u16>,
    /// Sorts replies into answers.
    #[serde(default, deserialize_with = "optional_object")]
    pub question: Option<QuestionView>,
    /// Repeats the broadcast. Only with `scheduledAt`.
    #[serde(default, deserialize_with = "optional_object")]
    pub recurrence: Option<RecurrenceView>,
}

/// Changes to a broadcast. Absent fields keep their values.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BroadcastChange {
    /// 1 to 80 characters.
    pub name: Option<String>,
    #[serde(default, deserialize_with = "optional_object")]
    pub audience: Option<AudienceView>,
    /// The text, with merge fields as in templates. Either this or `templateId`.
    pub text: Option<String>,
    /// ID of a template. Its text is copied.
    pub template_id: Option<String>,
    /// When it starts, at most a year ahead. `null` starts it when it is confirmed.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub scheduled_at: Option<Option<String>>,
    #[serde(default, deserialize_with = "optional_object")]
    pub hours: Option<HoursView>,
    /// Hours in which an inbound message counts as a reply: 1 to 720.
    pub reply_window_hours: Option<u16>,
    /// `null` removes the question.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<QuestionView>)]
    pub question: Option<Option<QuestionView>>,
    /// `null` ends the series with this occurrence.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<RecurrenceView>)]
    pub recurrence: Option<Option<RecurrenceView>>,
}

/// The inbox that a broadcast is sent from.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BroadcastInbox {
    /// ID of the inbox.
    pub inbox_id: String,
}

/// What a broadcast waits for.
#[derive(Debug, Serialize, ToSchema)]
pub struct WaitingView {
    #[schema(value_type = WaitReason)]
    pub reason: &'static str,
    /// Until when. `null` if that is unknown.
    #[schema(required, format = DateTime)]
    pub until: Option<String>,
}

impl WaitingView {
    fn of(waiting: &Waiting) -> Self {
        Self { reason: waiting.reason.as_str(), until: waiting.until.map(|until| until.to_string()) }
    }
}

/// How many recipients are in each state. `total` is the sum of the states.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProgressView {
    pub total: u64,
    /// Their texts were not released yet.
    pub pending: u64,
    /// Their texts wait for something that concerns one recipient, such as the sending hours.
    pub held: u64,
    /// Their texts are on their way to the carrier.
    pub queued: u64,
    /// The carrier accepted their texts.
    pub sent: u64,
    pub delivered: u64,
    pub undelivered: u64,
    pub failed: u64,
    /// They get no text.
    pub skipped: u64,
    /// They replied. They are also counted in their state.
    pub replied: u64,
}

impl ProgressView {
    fn of(progress: &Progress) -> Self {
        let count = |state| progress.count(state);
        Self {
            total: progress.total(),
            pending: count(RecipientState::Pending),
            held: count(RecipientState::Held),
            queued: count(RecipientState::Queued),
            sent: count(RecipientState::Sent),
            delivered: count(RecipientState::Delivered),
            undelivered: count(RecipientState::Undelivered),
            failed: count(RecipientState::Failed),
            skipped: count(RecipientState::Skipped),
            replied: progress.replied,
        }
    }
}

/// A broadcast.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BroadcastView {
    /// ID of the broadcast.
    pub broadcast_id: String,
    /// ID of the team.
    pub team_id: String,
    /// Name.
    pub name: String,
    pub from: BroadcastInbox,
    pub audience: AudienceView,
    /// The text, with merge fields.
    pub text: String,
    /// ID of the template that the text was copied from. Absent if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_id: Option<String>,
    pub hours: HoursView,
    /// Hours in which an inbound message counts as a reply.
    pub reply_window_hours: u16,
    /// The question that it asks. `null` if it asks none.
    #[schema(required)]
    pub question: Option<QuestionView>,
    /// How many recipients gave each answer. Empty without a question.
    pub answers: Vec<AnswerCount>,
    /// When it starts. `null` if it starts when it is confirmed.
    #[schema(required, format = DateTime)]
    pub scheduled_at: Option<String>,
    /// How it repeats. `null` if it does not.
    #[schema(required)]
    pub recurrence: Option<RecurrenceView>,
    #[schema(value_type = BroadcastStatus)]
    pub status: &'static str,
    /// What it waits for. `null` if it waits for nothing.
    #[schema(required)]
    pub waiting_for: Option<WaitingView>,
    /// Why it failed, or why it was paused if no user paused it. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub progress: ProgressView,
    /// Who created it.
    pub created_by: UserName,
    /// Time of creation.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Who confirmed it. The texts are sent in this user's name. `null` before.
    #[schema(required)]
    pub confirmed_by: Option<UserName>,
    /// When it was prepared. `null` before.
    #[schema(required, format = DateTime)]
    pub started_at: Option<String>,
    /// When it ended. `null` before.
    #[schema(required, format = DateTime)]
    pub finished_at: Option<String>,
}

impl BroadcastView {
    pub fn of(broadcast: &Broadcast, counts: &Counts) -> Self {
        let question = broadcast.question();
        let count = |answer: Answer| AnswerCount {
            answer: answer.name().into_owned(),
            count: counts.answers.get(&answer).copied().unwrap_or_default(),
        };
        Self {
            broadcast_id: broadcast.id.to_string(),
            team_id: broadcast.team.to_string(),
            name: broadcast.name.clone(),
            from: BroadcastInbox { inbox_id: broadcast.inbox.to_string() },
            audience: AudienceView::of(&broadcast.audience),
            text: broadcast.text.clone(),
            template_id: broadcast.template.as_ref().map(ToString::to_string),
            hours: HoursView { mode: broadcast.hours.into() },
            reply_window_hours: broadcast.reply_window_hours,
            question: broadcast.question.as_ref().map(QuestionView::of),
            answers: question.iter().flat_map(Question::answers).map(count).collect(),
            scheduled_at: broadcast.scheduled_at.map(|at| at.to_string()),
            recurrence: broadcast.series.as_ref().map(RecurrenceView::of),
            status: broadcast.status.as_str(),
            waiting_for: broadcast.waiting.as_ref().map(WaitingView::of),
            reason: broadcast.reason.clone(),
            progress: ProgressView::of(&counts.progress),
            created_by: UserName::of(&broadcast.created_by),
            created_at: broadcast.created_at.to_string(),
            confirmed_by: broadcast.confirmed_by.as_ref().map(UserName::of),
            started_at: broadcast.started_at.map(|at| at.to_string()),
            finished_at: broadcast.finished_at.map(|at| at.to_string()),
        }
    }
}

/// Data of `broadcast.changed`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BroadcastData {
    /// ID of the broadcast.
    pub broadcast_id: String,
    /// ID of the inbox that it is sent from.
    pub inbox_id: String,
    /// Name.
    pub name: String,
    #[schema(value_type = BroadcastStatus)]
    pub status: &'static str,
    /// When it starts. `null` if it starts when it is confirmed.
    #[schema(required, format = DateTime)]
    pub scheduled_at: Option<String>,
    /// What it waits for. `null` if it waits for nothing.
    #[schema(required)]
    pub waiting_for: Option<WaitingView>,
    /// The progress of a few seconds ago. `null` before it starts.
    #[schema(required)]
    pub progress: Option<ProgressView>,
    /// Whether the broadcast was removed.
    pub removed: bool,
}

impl BroadcastData {
    pub fn of(broadcast: &Broadcast, removed: bool) -> Self {
        Self {
            broadcast_id: broadcast.id.to_string(),
            inbox_id: broadcast.inbox.to_string(),
            name: broadcast.name.clone(),
            status: broadcast.status.as_str(),
            scheduled_at: broadcast.scheduled_at.map(|at| at.to_string()),
            waiting_for: broadcast.waiting.as_ref().map(WaitingView::of),
            progress: broadcast.progress.as_ref().map(ProgressView::of),
            removed,
        }
    }
}

/// The segments of all texts.
#[derive(Debug, Serialize, ToSchema)]
pub struct EstimatedSegments {
    /// Number of all segments.
    pub total: u64,
    /// Number of texts by their number of segments.
    pub histogram: BTreeMap<String, u64>,
}

/// A character that makes texts longer, because GSM-7 does not have it.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnicodeView {
    pub character: String,
    /// The merge field whose values have it, or `text`.
    pub field: String,
    /// Number of texts.
    pub count: u64,
}

impl UnicodeView {
    fn of(costly: CostlyCharacter) -> Self {
        Self { character: costly.character.to_string(), field: costly.field, count: costly.count }
    }
}

/// What the segments cost.
#[derive(Debug, Serialize, ToSchema)]
pub struct PriceView {
    /// A decimal number.
    pub amount: String,
    /// Code of the currency, such as `USD`.
    pub currency: String,
}

/// An item of the checklist.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckView {
    #[schema(value_type = CheckLevel)]
    pub level: &'static str,
    /// Stable code for programs.
    pub code: &'static str,
    /// A sentence for users.
    pub detail: String,
}

impl CheckView {
    fn of(check: &Check) -> Self {
        Self { level: check.level.as_str(), code: check.code, detail: check.detail.clone() }
    }
}

/// What a broadcast would do if it were confirmed now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EstimateView {
    /// ID of the estimate, to confirm the broadcast with.
    pub estimate_id: String,
    /// Number of those who get a text.
    pub recipients: u64,
    /// Number of those who get none, by reason.
    pub excluded: Vec<ExcludedView>,
    pub segments: EstimatedSegments,
    /// Characters that make texts longer, the most frequent first. At most 50.
    pub unicode: Vec<UnicodeView>,
    /// `null` if the operator has not set the price of a segment.
    #[schema(required)]
    pub price: Option<PriceView>,
    /// When the first text goes out. `null` if none does.
    #[schema(required, format = DateTime)]
    pub starts_at: Option<String>,
    /// When the last text goes out. `null` if none does.
    #[schema(required, format = DateTime)]
    pub ends_at: Option<String>,
    pub checks: Vec<CheckView>,
}

impl EstimateView {
    pub fn of(estimate: &Estimate) -> Self {
        let Estimate { id, tally, price, times, checks } = estimate;
        let excluded = tally.excluded().iter();
        let histogram = tally.histogram().into_iter();
        Self {
            estimate_id: id.clone(),
            recipients: tally.recipients(),
            excluded: excluded
                .map(|(reason, count)| ExcludedView { reason: reason.as_str(), count: *count })
                .collect(),
            segments: EstimatedSegments {
                total: tally.segments(),
                histogram: histogram.map(|(segments, count)| (segments.to_string(), count)).collect(),
            },
            unicode: tally.costly_characters().into_iter().map(UnicodeView::of).collect(),
            price: price.clone().map(|(amount, currency)| PriceView { amount, currency }),
            starts_at: times.map(|(start, _)| start.to_string()),
            ends_at: times.map(|(_, end)| end.to_string()),
            checks: checks.iter().map(CheckView::of).collect(),
        }
    }
}

/// Names the estimate that the user saw.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Confirm {
    /// ID of the last estimate.
    pub estimate_id: String,
}

/// A recipient of a broadcast.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BroadcastRecipientView {
    /// In E.164.
    pub phone_number: String,
    /// ID of the contact. `null` if no contact of the audience had the number.
    #[schema(required)]
    pub contact_id: Option<String>,
    #[schema(value_type = RecipientStateName)]
    pub state: &'static str,
    /// Why it waits or gets no text, or the carrier's error code. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// ID of the message. Absent before it is released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// When the recipient replied. Absent before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub replied_at: Option<String>,
    /// Name of the answer to the question. Absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

impl BroadcastRecipientView {
    pub fn of(recipient: &StoredRecipient) -> Self {
        Self {
            phone_number: recipient.number.as_str().to_owned(),
            contact_id: recipient.contact.as_ref().map(ToString::to_string),
            state: recipient.state.as_str(),
            reason: recipient.reason.clone(),
            message_id: recipient.message.as_ref().map(ToString::to_string),
            replied_at: recipient.replied_at.map(|at| at.to_string()),
            answer: recipient.answer.clone(),
        }
    }
}
