//! Messages and their delivery.
//!
//! A message collects the delivery states that were reported for it, and shows the highest. Reports may be
//! late, duplicated and out of order. Adding a report twice changes nothing, and the order of adding does not
//! matter, so a state never goes backwards. `delivered` wins over `failed`, because carriers do deliver late
//! after reporting a failure.
//!
//! ```
//! use shared_domain::message::{Delivery, DeliveryState, Report};
//! use shared_domain::time::Timestamp;
//!
//! let at = Timestamp::from_millis;
//! let mut delivery = Delivery::starting(DeliveryState::Queued, at(0));
//! delivery.add(DeliveryState::Delivered, Report::at(at(2)));
//! delivery.add(DeliveryState::Sent, Report::at(at(3)));
//! assert_eq!(delivery.state(), DeliveryState::Delivered);
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    broadcast::BroadcastRef,
    ids::{ConversationId, InboxId, MessageId, OrganizationId, TeamId},
    inbox::{Inbox, InboxKind, TeamInbox},
    keys::TeamKey,
    media::Media,
    opt_out::{self, Keyword, OptOutScope, OptOutSubject},
    phone::{Channel, PhoneNumber},
    segment::Segments,
    time::Timestamp,
    user::UserRef,
};

/// Who sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// The contact.
    Inbound,
    /// The inbox.
    Outbound,
}

impl Direction {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// How far a message is, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeliveryState {
    /// An inbound message was stored.
    Received,
    /// An outbound message was stored and waits to be sent.
    Queued,
    /// A worker claimed it and is about to call the carrier.
    Sending,
    /// The carrier's answer was lost. The message is reconciled with the carrier's records.
    Unknown,
    /// The carrier accepted it.
    Sent,
    /// It was certainly not sent, or the carrier gave up.
    Failed,
    /// It was sent but not delivered.
    Undelivered,
    /// It arrived on the phone.
    Delivered,
}

impl DeliveryState {
    /// The name in the API and in stored items.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Unknown => "unknown",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Undelivered => "undelivered",
            Self::Delivered => "delivered",
        }
    }

    /// `failed` and `undelivered` rank equal: the first report stays.
    pub(crate) fn rank(self) -> u8 {
        match self {
            Self::Received | Self::Queued => 1,
            Self::Sending => 2,
            Self::Unknown => 3,
            Self::Sent => 4,
            Self::Failed | Self::Undelivered => 5,
            Self::Delivered => 6,
        }
    }

    /// Whether the product has nothing left to do for the message.
    pub fn is_settled(self) -> bool {
        match self {
            Self::Received | Self::Queued | Self::Sending | Self::Unknown => false,
            Self::Sent | Self::Failed | Self::Undelivered | Self::Delivered => true,
        }
    }

    /// Whether the carrier has nothing more to report.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Failed | Self::Undelivered | Self::Delivered)
    }

    /// Whether the message did not arrive.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Undelivered)
    }
}

/// When a state was reported, and why if it is a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// When the product received the report.
    pub at: Timestamp,
    /// The carrier's error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What happened, as a sentence for the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Report {
    /// A report without an error.
    pub fn at(at: Timestamp) -> Self {
        Self { at, code: None, detail: None }
    }
}

/// The reports of a message: the first of each state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Delivery(BTreeMap<DeliveryState, Report>);

impl Delivery {
    /// The delivery of a message that starts in this state.
    pub fn starting(state: DeliveryState, at: Timestamp) -> Self {
        Self(BTreeMap::from([(state, Report::at(at))]))
    }

    /// Adds a report. Returns `false` if that state was reported before.
    pub fn add(&mut self, state: DeliveryState, report: Report) -> bool {
        use std::collections::btree_map::Entry;
        match self.0.entry(state) {
            Entry::Vacant(entry) => {
                entry.insert(report);
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// The highest state; of two that rank equal, the one reported first.
    pub fn state(&self) -> DeliveryState {
        let highest =
            self.0.iter().max_by_key(|(state, report)| (state.rank(), std::cmp::Reverse(report.at)));
        highest.map_or(DeliveryState::Queued, |(state, _)| *state)
    }

    /// The report of one state.
    pub fn report(&self, state: DeliveryState) -> Option<&Report> {
        self.0.get(&state)
    }

    /// All reports, oldest first.
    pub fn history(&self) -> Vec<(DeliveryState, &Report)> {
        let mut all: Vec<_> = self.0.iter().map(|(state, report)| (*state, report)).collect();
        all.sort_by_key(|(state, report)| (report.at, state.rank()));
        all
    }
}

/// A message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct Message {
    pub id: MessageId,
    pub conversation: ConversationId,
    pub inbox: InboxId,
    pub team: TeamId,
    /// Whether the inbox is personal.
    pub personal: bool,
    pub inbox_number: PhoneNumber,
    pub contact_number: PhoneNumber,
    pub direction: Direction,
    pub channel: Channel,
    /// May be empty if there is media.
    pub text: String,
    pub media: Vec<Media>,
    /// The user who sent it. `None` for inbound and automatic messages, and for those of machines.
    pub sender: Option<UserRef>,
    /// Whether a rule of the product sent it, such as the out-of-office message.
    pub automatic: bool,
    /// Whether it is sent although the contact opted out. Only the one confirmation of an opt-out is.
    pub bypass_opt_out: bool,
    /// When it was accepted or received.
    pub created_at: Timestamp,
    /// The carrier's messaging service through which it is sent.
    pub messaging_service: Option<String>,
    /// The carrier's id, once known.
    pub carrier_id: Option<String>,
    /// The failed message that this one sends again.
    pub retry_of: Option<MessageId>,
    /// The message that sends this one again.
    pub retried_by: Option<MessageId>,
    /// The broadcast that it belongs to.
    pub broadcast: Option<BroadcastRef>,
    /// When the sending hours of the recipient end. It is not sent after that.
    pub send_until: Option<Timestamp>,
    pub delivery: Delivery,
}

impl Message {
    /// A queued message from this inbox, without media, sender and messaging service.
    pub fn outbound(inbox: &Inbox, to: &PhoneNumber, text: String, at: Timestamp, entropy: u64) -> Self {
        let conversation = ConversationId::of(&inbox.id, to);
        Self {
            id: MessageId::in_conversation(&conversation, at, entropy),
            conversation,
            inbox: inbox.id.clone(),
            team: inbox.team.clone(),
            personal: inbox.kind == InboxKind::Personal,
            inbox_number: inbox.number.clone(),
            contact_number: to.clone(),
            direction: Direction::Outbound,
            channel: Channel::Sms,
            text,
            media: Vec::new(),
            sender: None,
            automatic: false,
            bypass_opt_out: false,
            created_at: at,
            messaging_service: None,
            carrier_id: None,
            retry_of: None,
            retried_by: None,
            broadcast: None,
            send_until: None,
            delivery: Delivery::starting(DeliveryState::Queued, at),
        }
    }

    /// The opt-outs that stop this message.
    pub fn opt_out_subjects(&self, organization: &OrganizationId) -> Vec<OptOutSubject> {
        let team = TeamKey { organization, team: &self.team };
        let kind = if self.personal { InboxKind::Personal } else { InboxKind::Shared };
        OptOutSubject::all_that_stop(team, kind, &self.contact_number)
    }

    /// The opt-out that the carrier reports when it refuses this message (Twilio's 21610): the same as a STOP
    /// to the message's inbox.
    pub fn carrier_opt_out(&self, organization: &OrganizationId) -> OptOutSubject {
        let of_team = OptOutSubject::of_team(organization, &self.team, &self.contact_number);
        if self.personal { OptOutSubject { scope: OptOutScope::Personal, ..of_team } } else { of_team }
    }

    /// Whether a machine sent it: neither a user nor a rule of the product did.
    pub fn is_from_machine(&self) -> bool {
        self.direction == Direction::Outbound && self.sender.is_none() && !self.automatic
    }

    /// Whether a user must answer it. The product or the carrier answers STOP, START and HELP, and nobody may
    /// answer a STOP.
    pub fn needs_answer(&self) -> bool {
        let is_answered = match opt_out::keyword(&self.text) {
            Some(Keyword::Stop | Keyword::Start | Keyword::Help) => true,
            Some(Keyword::Yes) | None => false,
        };
        self.direction == Direction::Inbound && !is_answered
    }

    /// Whether it answers the contact: a user wrote it to this contact. The text of a broadcast is written to
    /// many, and a message that is sent again is an answer from before.
    pub fn is_answer(&self) -> bool {
        self.direction == Direction::Outbound
            && self.sender.is_some()
            && !self.automatic
            && self.broadcast.is_none()
            && self.retry_of.is_none()
    }

    /// Whether it may be sent again: it failed, and no message sends it again. Automatic messages are not
    /// sent again, because they answer a message that is no longer new.
    pub fn can_be_retried(&self) -> bool {
        self.direction == Direction::Outbound
            && !self.automatic
            && self.delivery.state().is_failure()
            && self.retried_by.is_none()
    }

    /// The carrier's code of the failure. `None` if the message did not fail, or without a code.
    pub fn failure_code(&self) -> Option<&str> {
        let state = Some(self.delivery.state()).filter(|state| state.is_failure())?;
        self.delivery.report(state)?.code.as_deref()
    }

    /// How many segments the carrier bills. An MMS counts as one.
    pub fn segments(&self) -> usize {
        if self.media.is_empty() { Segments::of(&self.text).count } else { 1 }
    }
}

impl TeamInbox {
    /// A queued message from this inbox, through its messaging service, without media and sender.
    pub fn outbound(&self, to: &PhoneNumber, text: String, at: Timestamp, entropy: u64) -> Message {
        let messaging_service = self.messaging_service().map(str::to_owned);
        Message { messaging_service, ..Message::outbound(&self.inbox, to, text, at, entropy) }
    }

    /// A queued message that sends a failed message of this inbox again, with its text, media and sender, and
    /// for the same recipient of a broadcast. Its id is derived from the id of the failed message.
    pub fn retry(&self, failed: &Message, at: Timestamp) -> Message {
        Message {
            id: MessageId::of_retry(&failed.conversation, at, &failed.id),
            media: failed.media.clone(),
            sender: failed.sender.clone(),
            retry_of: Some(failed.id.clone()),
            broadcast: failed.broadcast.clone(),
            ..self.outbound(&failed.contact_number, failed.text.clone(), at, 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{inbox::Stage, registration::RegistrationStatus, team::Team};

    const ALL: [DeliveryState; 7] = [
        DeliveryState::Queued,
        DeliveryState::Sending,
        DeliveryState::Unknown,
        DeliveryState::Sent,
        DeliveryState::Failed,
        DeliveryState::Undelivered,
        DeliveryState::Delivered,
    ];

    fn after(states: &[DeliveryState]) -> DeliveryState {
        let mut delivery = Delivery::starting(DeliveryState::Queued, Timestamp::from_millis(0));
        for (at, state) in (1..).zip(states) {
            delivery.add(*state, Report::at(Timestamp::from_millis(at)));
        }
        delivery.state()
    }

    #[test]
    fn a_final_state_ranks_above_sent() {
        let above = |state: &DeliveryState| state.rank() > DeliveryState::Sent.rank();
        assert!(ALL.iter().all(|state| state.is_final() == above(state)));
    }

    #[test]
    fn a_late_sent_does_not_undo_delivered() {
        assert_eq!(after(&[DeliveryState::Delivered, DeliveryState::Sent]), DeliveryState::Delivered);
    }

    #[test]
    fn delivered_beats_failed_in_either_order() {
        assert_eq!(after(&[DeliveryState::Failed, DeliveryState::Delivered]), DeliveryState::Delivered);
        assert_eq!(after(&[DeliveryState::Delivered, DeliveryState::Failed]), DeliveryState::Delivered);
    }

    #[test]
    fn the_first_of_failed_and_undelivered_stays() {
        assert_eq!(after(&[DeliveryState::Undelivered, DeliveryState::Failed]), DeliveryState::Undelivered);
        assert_eq!(after(&[DeliveryState::Failed, DeliveryState::Undelivered]), DeliveryState::Failed);
    }

    #[test]
    fn a_lost_answer_is_replaced_by_a_later_report() {
        assert_eq!(after(&[DeliveryState::Sending, DeliveryState::Unknown]), DeliveryState::Unknown);
        assert_eq!(after(&[DeliveryState::Unknown, DeliveryState::Sent]), DeliveryState::Sent);
        assert_eq!(after(&[DeliveryState::Sent, DeliveryState::Unknown]), DeliveryState::Sent);
    }

    #[test]
    fn a_duplicate_report_is_ignored() {
        let mut delivery = Delivery::starting(DeliveryState::Queued, Timestamp::from_millis(0));
        assert!(delivery.add(DeliveryState::Sent, Report::at(Timestamp::from_millis(1))));
        assert!(!delivery.add(DeliveryState::Sent, Report::at(Timestamp::from_millis(2))));
        assert_eq!(delivery.history().len(), 2);
    }

    #[test]
    fn states_and_directions_have_the_names_of_the_api() {
        let words = ALL.map(DeliveryState::as_str);
        assert_eq!(words, ["queued", "sending", "unknown", "sent", "failed", "undelivered", "delivered"]);
        assert_eq!(DeliveryState::Received.as_str(), "received");
        assert_eq!((Direction::Inbound.as_str(), Direction::Outbound.as_str()), ("inbound", "outbound"));
    }

    #[test]
    fn a_message_is_settled_once_the_carrier_has_it_or_it_failed() {
        let settled = ALL.map(DeliveryState::is_settled);
        assert_eq!(settled, [false, false, false, true, true, true, true]);
        let failed = ALL.map(DeliveryState::is_failure);
        assert_eq!(failed, [false, false, false, false, true, true, false]);
        assert!(!DeliveryState::Received.is_settled() && !DeliveryState::Received.is_failure());
    }

    #[test]
    fn the_first_report_of_a_state_stays_and_the_history_is_oldest_first() {
        let at = Timestamp::from_millis;
        let mut delivery = Delivery::starting(DeliveryState::Queued, at(0));
        delivery.add(DeliveryState::Sent, Report::at(at(1)));
        delivery.add(DeliveryState::Sending, Report::at(at(2)));
        delivery.add(DeliveryState::Sent, Report::at(at(3)));
        let history: Vec<_> = delivery.history().iter().map(|(state, report)| (*state, report.at)).collect();
        assert_eq!(
            history,
            [(DeliveryState::Queued, at(0)), (DeliveryState::Sent, at(1)), (DeliveryState::Sending, at(2))]
        );
        assert_eq!(delivery.report(DeliveryState::Sent), Some(&Report::at(at(1))));
        assert_eq!(delivery.report(DeliveryState::Failed), None);
    }

    fn inbox(kind: InboxKind) -> Inbox {
        Inbox {
            organization: OrganizationId::parse("org_1").unwrap(),
            id: InboxId::parse("inb_1").unwrap(),
            team: TeamId::parse("team_1").unwrap(),
            kind,
            name: "Front desk".into(),
            color: "#336699".into(),
            api_code: "FRONT".into(),
            number: PhoneNumber::from_carrier("+12025550100").unwrap(),
            number_sid: Some("PN1".into()),
            voice_forwarding: None,
            creator: None,
            stage: Stage::Active,
            segments_per_second: None,
        }
    }

    fn contact_number() -> PhoneNumber {
        PhoneNumber::from_carrier("+12025550143").unwrap()
    }

    fn message() -> Message {
        let at = Timestamp::from_millis(1);
        Message::outbound(&inbox(InboxKind::Shared), &contact_number(), "a".repeat(161), at, 0)
    }

    #[test]
    fn an_outbound_message_is_queued_in_the_conversation_of_its_inbox_and_number() {
        let (at, inbox) = (Timestamp::from_millis(7), inbox(InboxKind::Shared));
        let message = Message::outbound(&inbox, &contact_number(), "Hi".into(), at, 9);
        let conversation = ConversationId::of(&inbox.id, &contact_number());
        assert_eq!(message.id, MessageId::in_conversation(&conversation, at, 9));
        assert_eq!((message.conversation, message.created_at, message.personal), (conversation, at, false));
        assert_eq!((message.inbox, message.team), (inbox.id.clone(), inbox.team.clone()));
        assert_eq!((message.inbox_number, message.contact_number), (inbox.number.clone(), contact_number()));
        assert_eq!((message.direction, message.text.as_str()), (Direction::Outbound, "Hi"));
        assert_eq!(message.delivery, Delivery::starting(DeliveryState::Queued, at));
        assert_eq!(
            (message.messaging_service, message.automatic, message.bypass_opt_out),
            (None, false, false)
        );
        let team = Team {
            id: inbox.team.clone(),
            name: "Clinic".into(),
            registration: RegistrationStatus::Approved,
            messaging_service: Some("MG1".into()),
            segments_per_second: None,
            hold: false,
            retention: None,
        };
        let message = TeamInbox { inbox, team }.outbound(&contact_number(), "Hi".into(), at, 9);
        assert_eq!(message.messaging_service.as_deref(), Some("MG1"));
    }

    #[test]
    fn a_message_is_stopped_by_the_opt_outs_that_stop_its_inbox() {
        let organization = OrganizationId::parse("org_1").unwrap();
        for kind in [InboxKind::Shared, InboxKind::Personal] {
            let inbox = inbox(kind);
            let team = TeamKey { organization: &organization, team: &inbox.team };
            let message =
                Message::outbound(&inbox, &contact_number(), "Hi".into(), Timestamp::from_millis(1), 0);
            let subjects = OptOutSubject::all_that_stop(team, kind, &contact_number());
            assert_eq!(message.opt_out_subjects(&organization), subjects, "{kind:?}");
            let scope = match kind {
                InboxKind::Shared => OptOutScope::Team(inbox.team.clone()),
                InboxKind::Personal => OptOutScope::Personal,
            };
            assert_eq!(message.carrier_opt_out(&organization).scope, scope);
        }
    }

    #[test]
    fn a_message_sent_neither_by_a_user_nor_by_a_rule_is_from_a_machine() {
        let ada = UserRef { id: crate::ids::UserId::parse("ada").unwrap(), name: "Ada".into() };
        assert!(message().is_from_machine());
        assert!(!Message { direction: Direction::Inbound, ..message() }.is_from_machine());
        assert!(!Message { sender: Some(ada), ..message() }.is_from_machine());
        assert!(!Message { automatic: true, ..message() }.is_from_machine());
    }

    #[test]
    fn a_user_must_answer_an_inbound_message_that_is_no_keyword() {
        let inbound = |text: &str| Message { direction: Direction::Inbound, text: text.into(), ..message() };
        for text in ["Are you open?", "Yes", "Stop by tomorrow", ""] {
            assert!(inbound(text).needs_answer(), "{text:?}");
        }
        for text in ["STOP", "start", "Help!"] {
            assert!(!inbound(text).needs_answer(), "{text:?}");
        }
        assert!(!Message { direction: Direction::Outbound, ..inbound("Are you open?") }.needs_answer());
    }

    #[test]
    fn only_what_a_user_wrote_to_the_contact_is_an_answer() {
        let ada = UserRef { id: crate::ids::UserId::parse("ada").unwrap(), name: "Ada".into() };
        let of_user = || Message { sender: Some(ada.clone()), ..message() };
        assert!(of_user().is_answer());
        assert!(!message().is_answer(), "of a machine");
        assert!(!Message { direction: Direction::Inbound, ..of_user() }.is_answer());
        assert!(!Message { automatic: true, ..of_user() }.is_answer());
        assert!(!Message { retry_of: Some(message().id), ..of_user() }.is_answer());
        let broadcast = crate::ids::BroadcastId::parse("bct_1").unwrap();
        let of = BroadcastRef { broadcast, preparation: 1 };
        assert!(!Message { broadcast: Some(of), ..of_user() }.is_answer());
    }

    fn failed(state: DeliveryState, code: Option<&str>) -> Message {
        let mut message = message();
        let report = Report { code: code.map(str::to_owned), ..Report::at(Timestamp::from_millis(2)) };
        message.delivery.add(state, report);
        message
    }

    #[test]
    fn a_failed_message_can_be_retried_once_unless_it_is_automatic() {
        for state in ALL {
            assert_eq!(failed(state, None).can_be_retried(), state.is_failure(), "{state:?}");
        }
        let undelivered = failed(DeliveryState::Undelivered, Some("30003"));
        assert_eq!(undelivered.failure_code(), Some("30003"));
        assert!(!Message { automatic: true, ..undelivered.clone() }.can_be_retried());
        let retried_by = Some(undelivered.id.clone());
        assert!(!Message { retried_by, ..undelivered.clone() }.can_be_retried());
        let mut delivered = undelivered;
        delivered.delivery.add(DeliveryState::Delivered, Report::at(Timestamp::from_millis(3)));
        assert!(!delivered.can_be_retried());
        assert_eq!(delivered.failure_code(), None);
    }

    #[test]
    fn a_retry_is_a_new_message_with_the_content_of_the_failed_one() {
        let ada = UserRef { id: crate::ids::UserId::parse("ada").unwrap(), name: "Ada".into() };
        let failed = Message { sender: Some(ada), ..failed(DeliveryState::Failed, None) };
        let team = Team {
            id: failed.team.clone(),
            name: "Clinic".into(),
            registration: RegistrationStatus::Approved,
            messaging_service: Some("MG1".into()),
            segments_per_second: None,
            hold: false,
            retention: None,
        };
        let from = TeamInbox { inbox: inbox(InboxKind::Shared), team };
        let at = Timestamp::from_millis(9);
        let retry = from.retry(&failed, at);
        assert_eq!(retry.retry_of.as_ref(), Some(&failed.id));
        assert_eq!((&retry.text, &retry.sender, &retry.media), (&failed.text, &failed.sender, &failed.media));
        assert_eq!((&retry.conversation, retry.created_at), (&failed.conversation, at));
        assert_eq!(retry.delivery, Delivery::starting(DeliveryState::Queued, at));
        assert_eq!(retry.messaging_service.as_deref(), Some("MG1"));
        assert_eq!(retry.id, from.retry(&failed, at).id);
        assert!(retry.id > failed.id);
        let other = from.retry(&Message { id: retry.id.clone(), ..failed }, at);
        assert_ne!(other.id, retry.id);
    }

    #[test]
    fn a_message_with_media_is_billed_as_one_segment() {
        assert_eq!(message().segments(), 2);
        let url = "https://clinic.example/map.png".into();
        let state = crate::media::MediaState::Linked { url };
        let id = crate::ids::MediaId::parse("med_1").unwrap();
        let media = vec![Media { id, copy: None, content_type: None, state }];
        assert_eq!(Message { media, ..message() }.segments(), 1);
    }

    proptest! {
        #[test]
        fn a_state_never_goes_backwards(reports in proptest::collection::vec(0..ALL.len(), 0..12)) {
            let states: Vec<_> = reports.into_iter().map(|index| ALL[index]).collect();
            let mut highest = 0;
            for end in 0..=states.len() {
                let rank = after(&states[..end]).rank();
                prop_assert!(rank >= highest);
                highest = rank;
            }
        }
    }
}
