//! Ids that are derived from other ids, numbers and carrier ids. Deriving an id again gives the same id, so
//! repeated webhooks and retries write to the same item.

use sha2::{Digest, Sha256};

use super::{
    ALPHABET, BODY_LENGTH, ContactId, ConversationId, EventId, IdKind, ImportId, InboxId, MediaId, MessageId,
    ReviewId, TIME_LENGTH, TeamId, WebhookDeliveryId, WebhookEndpointId, body, kind,
};
use crate::{keys::RecipientKey, phone::PhoneNumber, time::Timestamp};

impl ConversationId {
    /// The conversation of this inbox with this number.
    pub fn of(inbox: &InboxId, number: &PhoneNumber) -> Self {
        Self::from_digest(&Sha256::digest(format!("conversation {inbox} {}", number.as_str())))
    }
}

impl ContactId {
    /// The provisional contact of an unknown number in this team.
    pub fn provisional(team: &TeamId, number: &PhoneNumber) -> Self {
        Self::from_digest(&Sha256::digest(format!("contact {team} {}", number.as_str())))
    }

    /// The contact that this row of an import creates.
    pub fn of_import(import: &ImportId, row: u64) -> Self {
        Self::from_digest(&Sha256::digest(format!("contact {import} {row}")))
    }
}

impl MessageId {
    /// Creates the id of a message in this conversation. The ids of one conversation sort by time.
    pub fn in_conversation(conversation: &ConversationId, now: Timestamp, entropy: u64) -> Self {
        let conversation = conversation.as_str().trim_start_matches(kind::Conversation::PREFIX);
        Self::unchecked(format!("{}{}{conversation}", kind::Message::PREFIX, body(now, entropy)).into())
    }

    /// The id of an inbound message. Its entropy is derived from the carrier's message id.
    pub fn of_inbound(conversation: &ConversationId, now: Timestamp, carrier_message_id: &str) -> Self {
        Self::in_conversation(conversation, now, entropy_of(carrier_message_id))
    }

    /// The id of a broadcast's message to a recipient, from this inbox. `released_at` is stored with the
    /// recipient before the message is queued, so another attempt gives the same id.
    pub fn of_recipient(recipient: RecipientKey<'_>, inbox: &InboxId, released_at: Timestamp) -> Self {
        let RecipientKey { broadcast, number } = recipient;
        let conversation = ConversationId::of(inbox, number);
        let entropy = entropy_of(&format!("broadcast {broadcast} {}", number.as_str()));
        Self::in_conversation(&conversation, released_at, entropy)
    }

    /// The id of the message that sends a failed message again. Its entropy is derived from the failed
    /// message's id.
    pub fn of_retry(conversation: &ConversationId, now: Timestamp, failed: &MessageId) -> Self {
        Self::in_conversation(conversation, now, entropy_of(&format!("retry {failed}")))
    }

    /// The conversation of the message, or `None` if the product did not create this id.
    pub fn conversation(&self) -> Option<ConversationId> {
        let body = self.as_str().get(kind::Message::PREFIX.len() + BODY_LENGTH..)?;
        let body = Some(body).filter(|body| body.len() == BODY_LENGTH)?;
        ConversationId::parse(&format!("{}{body}", kind::Conversation::PREFIX)).ok()
    }

    /// When the id was created, in whole milliseconds, or `None` if the product did not create this id.
    pub fn made_at(&self) -> Option<Timestamp> {
        let time = self.as_str().get(kind::Message::PREFIX.len()..)?.get(..TIME_LENGTH)?;
        let digit = |letter: u8| ALPHABET.iter().position(|known| *known == letter);
        let digits = time.bytes().map(|letter| digit(letter).and_then(|digit| i64::try_from(digit).ok()));
        let millis = digits.collect::<Option<Vec<_>>>()?.into_iter().fold(0, |all, digit| (all << 5) | digit);
        Some(Timestamp::from_millis(millis))
    }
}

impl ReviewId {
    /// The review of this message. Reviews sort as their messages do, by time.
    pub fn of(message: &MessageId) -> Self {
        let body = message.as_str().trim_start_matches(kind::Message::PREFIX);
        Self::unchecked(format!("{}{body}", kind::Review::PREFIX).into())
    }

    /// The reviewed message.
    pub fn message(&self) -> MessageId {
        let body = self.as_str().trim_start_matches(kind::Review::PREFIX);
        MessageId::unchecked(format!("{}{body}", kind::Message::PREFIX).into())
    }
}

impl MediaId {
    /// The attachment with this index in an inbound message.
    pub fn of_inbound(carrier_message_id: &str, index: usize) -> Self {
        Self::from_digest(&Sha256::digest(format!("media {carrier_message_id} {index}")))
    }
}

impl EventId {
    /// The event with this index among those of a stream record.
    pub fn of_record(record: &str, index: usize) -> Self {
        Self::from_digest(&Sha256::digest(format!("event {record} {index}")))
    }
}

impl WebhookDeliveryId {
    /// The delivery of this event, which happened at `at`, to this endpoint. Deliveries sort by time.
    pub fn of(endpoint: &WebhookEndpointId, event: &EventId, at: Timestamp) -> Self {
        Self::new(at, entropy_of(&format!("delivery {endpoint} {event}")))
    }

    /// The first id of a time, in the order of ids.
    pub fn first_at(at: Timestamp) -> Self {
        Self::new(at, 0)
    }
}

fn entropy_of(text: &str) -> u64 {
    Sha256::digest(text).iter().take(8).fold(0_u64, |all, byte| (all << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::BroadcastId;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_conversation_id_depends_on_the_inbox_and_the_number() {
        let inbox = InboxId::new(at(1), 1);
        let other = InboxId::new(at(1), 2);
        let number = PhoneNumber::from_carrier("+12025550143").unwrap();
        assert_eq!(ConversationId::of(&inbox, &number), ConversationId::of(&inbox, &number));
        assert_ne!(ConversationId::of(&inbox, &number), ConversationId::of(&other, &number));
    }

    #[test]
    fn a_message_id_contains_its_time_and_its_conversation() {
        let conversation = ConversationId::from_digest(&[9; 32]);
        let first = MessageId::in_conversation(&conversation, at(1_800_000_000_000), u64::MAX);
        let next = MessageId::in_conversation(&conversation, at(1_800_000_000_001), 0);
        assert!(first < next);
        assert_eq!(first.conversation(), Some(conversation));
        assert_eq!(first.made_at(), Some(at(1_800_000_000_000)));
        assert_eq!(ReviewId::of(&first).message(), first);
        let foreign = MessageId::parse("msg_short").unwrap();
        assert_eq!((foreign.conversation(), foreign.made_at()), (None, None));
    }

    #[test]
    fn derived_ids_do_not_change_because_they_are_stored() {
        let inbox = InboxId::parse("inb_1").unwrap();
        let number = PhoneNumber::from_carrier("+12025550143").unwrap();
        let conversation = ConversationId::of(&inbox, &number);
        assert_eq!(conversation.as_str(), "cnv_XRY652NM11ZE478R");
        let team = TeamId::parse("team_1").unwrap();
        assert_eq!(ContactId::provisional(&team, &number).as_str(), "con_MD3WWC5XCR8FZWXP");
        let import = ImportId::parse("imp_1").unwrap();
        assert_eq!(ContactId::of_import(&import, 2).as_str(), "con_KED5MRC4RWM7836C");
        let text = MessageId::of_inbound(&conversation, at(1_800_000_000_000), "SM1");
        assert_eq!(text.as_str(), "msg_01MCC5RM00415Z4XXRY652NM11ZE478R");
        assert_eq!(ReviewId::of(&text).as_str(), text.as_str().replace("msg_", "rev_"));
        assert_eq!(MediaId::of_inbound("SM1", 0).as_str(), "med_59FC8K5SE1P5EKEE");
        assert_eq!(EventId::of_record("e1", 0), EventId::of_record("e1", 0));
        assert_ne!(EventId::of_record("e1", 0), EventId::of_record("e1", 1));
    }

    #[test]
    fn the_message_of_a_broadcast_to_a_recipient_has_one_id() {
        let inbox = InboxId::parse("inb_1").unwrap();
        let number = PhoneNumber::from_carrier("+12025550143").unwrap();
        let other_number = PhoneNumber::from_carrier("+12025550144").unwrap();
        let (first, second) = (BroadcastId::parse("bct_1").unwrap(), BroadcastId::parse("bct_2").unwrap());
        let id = |broadcast, number, millis| {
            MessageId::of_recipient(RecipientKey { broadcast, number }, &inbox, at(millis))
        };
        let message = id(&first, &number, 1_800_000_000_000);
        assert_eq!(message, id(&first, &number, 1_800_000_000_000));
        assert_eq!(message.as_str(), "msg_01MCC5RM00YEDBXJXRY652NM11ZE478R");
        assert_eq!(message.conversation(), Some(ConversationId::of(&inbox, &number)));
        assert_eq!(message.made_at(), Some(at(1_800_000_000_000)));
        assert_ne!(message, id(&second, &number, 1_800_000_000_000));
        assert_ne!(message, id(&first, &other_number, 1_800_000_000_000));
    }

    #[test]
    fn an_id_that_the_product_did_not_create_has_no_time() {
        let conversation = ConversationId::parse("cnv_0000000000000000").unwrap();
        let made = MessageId::in_conversation(&conversation, at(33), 0);
        assert_eq!(made.as_str(), "msg_00000000110000000000000000000000");
        assert_eq!(made.made_at(), Some(at(33)));
        let foreign = MessageId::parse("msg_000000001U0000000000000000000000").unwrap();
        assert_eq!(foreign.made_at(), None);
        let longer = MessageId::parse("msg_000000001100000000000000000000000").unwrap();
        assert_eq!(longer.conversation(), None);
    }
}
