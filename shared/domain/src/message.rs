//! One text and its way to the phone.
//!
//! A message collects the states it was reported in; the state shown is the highest of them. Reports may come late,
//! twice and out of order: adding one twice changes nothing, and the order of adding does not matter, so a state never
//! goes backwards. `delivered` beats `failed` (late receipts happen), never the other way round.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    ids::{ConversationId, InboxId, MessageId, TeamId},
    media::Media,
    phone::PhoneNumber,
    segment::Segments,
    time::Timestamp,
    user::UserRef,
};

/// Which way a text went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// From a contact to us.
    Inbound,
    /// From us to a contact.
    Outbound,
}

impl Direction {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// How far a text has come, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeliveryState {
    /// An inbound text, stored.
    Received,
    /// Accepted by us: durably stored, waiting for its turn.
    Queued,
    /// Claimed by a sender that is about to call the carrier.
    Sending,
    /// The carrier's answer was lost; the carrier is being asked.
    Unknown,
    /// The carrier has taken it.
    Sent,
    /// Surely not sent, or given up by the carrier.
    Failed,
    /// Sent and not delivered.
    Undelivered,
    /// On the phone.
    Delivered,
}

impl DeliveryState {
    /// The word of the API, and the name under which the report is stored.
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

    /// Place in the lattice; `failed` and `undelivered` share one, where the first report stays.
    fn rank(self) -> u8 {
        match self {
            Self::Received | Self::Queued => 1,
            Self::Sending => 2,
            Self::Unknown => 3,
            Self::Sent => 4,
            Self::Failed | Self::Undelivered => 5,
            Self::Delivered => 6,
        }
    }

    /// Nothing more is to come from our side.
    pub fn is_settled(self) -> bool {
        match self {
            Self::Received | Self::Queued | Self::Sending | Self::Unknown => false,
            Self::Sent | Self::Failed | Self::Undelivered | Self::Delivered => true,
        }
    }

    /// The text did not arrive.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Undelivered)
    }
}

/// When a state was reported, and why if it is a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// When we learned it.
    pub at: Timestamp,
    /// The carrier's error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// A sentence a person understands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Report {
    /// A report without a failure's code.
    pub fn at(at: Timestamp) -> Self {
        Self { at, code: None, detail: None }
    }
}

/// The reports of one message: at most one per state, the first that came.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Delivery(BTreeMap<DeliveryState, Report>);

impl Delivery {
    /// A message whose life begins in this state.
    pub fn beginning(state: DeliveryState, at: Timestamp) -> Self {
        Self(BTreeMap::from([(state, Report::at(at))]))
    }

    /// Adds a report; `false` when that state was reported before.
    pub fn add(&mut self, state: DeliveryState, report: Report) -> bool {
        use std::collections::btree_map::Entry;
        match self.0.entry(state) {
            Entry::Vacant(place) => {
                place.insert(report);
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// The highest state; among equals the one reported first.
    pub fn state(&self) -> DeliveryState {
        let highest =
            self.0.iter().max_by_key(|(state, report)| (state.rank(), std::cmp::Reverse(report.at)));
        highest.map_or(DeliveryState::Queued, |(state, _)| *state)
    }

    /// The report of one state.
    pub fn report(&self, state: DeliveryState) -> Option<&Report> {
        self.0.get(&state)
    }

    /// All reports in the order they came.
    pub fn history(&self) -> Vec<(DeliveryState, &Report)> {
        let mut all: Vec<_> = self.0.iter().map(|(state, report)| (*state, report)).collect();
        all.sort_by_key(|(state, report)| (report.at, state.rank()));
        all
    }
}

/// One text of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id; names its conversation as well.
    pub id: MessageId,
    /// The thread it stands in.
    pub conversation: ConversationId,
    /// The inbox of that thread.
    pub inbox: InboxId,
    /// The team of that inbox.
    pub team: TeamId,
    /// That inbox is somebody's own.
    pub personal: bool,
    /// The inbox's number.
    pub inbox_number: PhoneNumber,
    /// The contact's number.
    pub contact_number: PhoneNumber,
    /// In or out.
    pub direction: Direction,
    /// The text; may be empty when there is media.
    pub text: String,
    /// Media of an MMS.
    pub media: Vec<Media>,
    /// Who sent it; nobody for an inbound text or a machine's.
    pub sender: Option<UserRef>,
    /// Made by a rule, not by a person.
    pub automatic: bool,
    /// Goes out even to who opted out: the one confirmation that is allowed.
    pub bypass_opt_out: bool,
    /// When we accepted or received it.
    pub created_at: Timestamp,
    /// The carrier's messaging service that it goes out by, whose campaign its number has joined.
    pub messaging_service: Option<String>,
    /// The carrier's id, once known.
    pub carrier_id: Option<String>,
    /// What was reported of it.
    pub delivery: Delivery,
}

impl Message {
    /// Whether a machine composed it: sent by nobody, and by no rule of ours either.
    pub fn is_from_machine(&self) -> bool {
        self.direction == Direction::Outbound && self.sender.is_none() && !self.automatic
    }

    /// Segments as the carrier bills them; an MMS is one.
    pub fn segments(&self) -> usize {
        if self.media.is_empty() { Segments::of(&self.text).count } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        let mut delivery = Delivery::beginning(DeliveryState::Queued, Timestamp::from_millis(0));
        for (at, state) in (1..).zip(states) {
            delivery.add(*state, Report::at(Timestamp::from_millis(at)));
        }
        delivery.state()
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
    fn a_lost_answer_is_settled_by_what_the_carrier_says_later() {
        assert_eq!(after(&[DeliveryState::Sending, DeliveryState::Unknown]), DeliveryState::Unknown);
        assert_eq!(after(&[DeliveryState::Unknown, DeliveryState::Sent]), DeliveryState::Sent);
        assert_eq!(after(&[DeliveryState::Sent, DeliveryState::Unknown]), DeliveryState::Sent);
    }

    #[test]
    fn the_same_report_twice_is_one() {
        let mut delivery = Delivery::beginning(DeliveryState::Queued, Timestamp::from_millis(0));
        assert!(delivery.add(DeliveryState::Sent, Report::at(Timestamp::from_millis(1))));
        assert!(!delivery.add(DeliveryState::Sent, Report::at(Timestamp::from_millis(2))));
        assert_eq!(delivery.history().len(), 2);
    }

    #[test]
    fn states_and_directions_have_the_words_of_the_api() {
        let words = ALL.map(DeliveryState::as_str);
        assert_eq!(words, ["queued", "sending", "unknown", "sent", "failed", "undelivered", "delivered"]);
        assert_eq!(DeliveryState::Received.as_str(), "received");
        assert_eq!((Direction::Inbound.as_str(), Direction::Outbound.as_str()), ("inbound", "outbound"));
    }

    #[test]
    fn a_text_is_settled_once_the_carrier_has_it_or_it_failed() {
        let settled = ALL.map(DeliveryState::is_settled);
        assert_eq!(settled, [false, false, false, true, true, true, true]);
        let failed = ALL.map(DeliveryState::is_failure);
        assert_eq!(failed, [false, false, false, false, true, true, false]);
        assert!(!DeliveryState::Received.is_settled() && !DeliveryState::Received.is_failure());
    }

    #[test]
    fn the_first_report_of_a_state_stays_and_the_history_is_in_the_order_they_came() {
        let at = Timestamp::from_millis;
        let mut delivery = Delivery::beginning(DeliveryState::Queued, at(0));
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

    fn message() -> Message {
        let (inbox, team) = (InboxId::parse("inb_1").unwrap(), TeamId::parse("team_1").unwrap());
        let number = PhoneNumber::from_carrier("+12025550143").unwrap();
        let conversation = ConversationId::of(&inbox, &number);
        Message {
            id: MessageId::in_conversation(&conversation, Timestamp::from_millis(1), 0),
            conversation,
            inbox,
            team,
            personal: false,
            inbox_number: PhoneNumber::from_carrier("+12025550100").unwrap(),
            contact_number: number,
            direction: Direction::Outbound,
            text: "a".repeat(161),
            media: Vec::new(),
            sender: None,
            automatic: false,
            bypass_opt_out: false,
            created_at: Timestamp::from_millis(1),
            messaging_service: None,
            carrier_id: None,
            delivery: Delivery::default(),
        }
    }

    #[test]
    fn a_text_that_nobody_and_no_rule_sent_is_a_machines() {
        let ada = UserRef { id: crate::ids::UserId::parse("ada").unwrap(), name: "Ada".into() };
        assert!(message().is_from_machine());
        assert!(!Message { direction: Direction::Inbound, ..message() }.is_from_machine());
        assert!(!Message { sender: Some(ada), ..message() }.is_from_machine());
        assert!(!Message { automatic: true, ..message() }.is_from_machine());
    }

    #[test]
    fn a_text_with_files_is_billed_as_one_segment() {
        assert_eq!(message().segments(), 2);
        let url = "https://clinic.example/map.png".into();
        let state = crate::media::MediaState::Linked { url };
        let id = crate::ids::MediaId::parse("med_1").unwrap();
        let media = vec![Media { id, content_type: None, state }];
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
