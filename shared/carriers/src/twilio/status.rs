//! Twilio's words for the state of a message, and what they mean for ours.
//!
//! Source of the words: <https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks>.

/// How much of a word we do not know is kept, in characters.
const MAX_UNKNOWN_CHARS: usize = 32;

/// The state of a message as Twilio says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageStatus {
    /// Taken by a Messaging Service that has not chosen a sender yet.
    Accepted,
    /// To be sent at a set time.
    Scheduled,
    /// Waiting its turn.
    Queued,
    /// Being handed to the carrier's network.
    Sending,
    /// Taken by the carrier's network. Some networks never say more.
    Sent,
    /// On the handset.
    Delivered,
    /// Not on the handset, by the network's word.
    Undelivered,
    /// Not sent.
    Failed,
    /// Called off before it was sent.
    Canceled,
    /// Read; of other channels than SMS.
    Read,
    /// An inbound message on its way.
    Receiving,
    /// An inbound message that has come.
    Received,
    /// A word that is new to us. To be accepted and ignored.
    Unknown(String),
}

/// The delivery states that a carrier can report, in the order they are passed through.
///
/// An event with a lower or equal rank does not change the state; that rule is the domain's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CarrierState {
    /// The carrier has it.
    Queued,
    /// The carrier is handing it on.
    Sending,
    /// The network has it.
    Sent,
    /// The handset has it.
    Delivered,
    /// The network could not deliver it.
    Undelivered,
    /// The carrier did not send it.
    Failed,
}

impl MessageStatus {
    /// The delivery state this word stands for; none for words about inbound messages and for unknown ones.
    pub fn carrier_state(&self) -> Option<CarrierState> {
        match self {
            Self::Accepted | Self::Scheduled | Self::Queued => Some(CarrierState::Queued),
            Self::Sending => Some(CarrierState::Sending),
            Self::Sent => Some(CarrierState::Sent),
            Self::Delivered | Self::Read => Some(CarrierState::Delivered),
            Self::Undelivered => Some(CarrierState::Undelivered),
            Self::Failed | Self::Canceled => Some(CarrierState::Failed),
            Self::Receiving | Self::Received | Self::Unknown(_) => None,
        }
    }
}

impl From<&str> for MessageStatus {
    fn from(word: &str) -> Self {
        match word {
            "accepted" => Self::Accepted,
            "scheduled" => Self::Scheduled,
            "queued" => Self::Queued,
            "sending" => Self::Sending,
            "sent" => Self::Sent,
            "delivered" => Self::Delivered,
            "undelivered" => Self::Undelivered,
            "failed" => Self::Failed,
            "canceled" => Self::Canceled,
            "read" => Self::Read,
            "receiving" => Self::Receiving,
            "received" => Self::Received,
            unknown => Self::Unknown(unknown.chars().take(MAX_UNKNOWN_CHARS).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outbound_word_has_its_state() {
        use CarrierState::{Delivered, Failed, Queued, Sending, Sent, Undelivered};
        for (word, state) in [
            ("accepted", Queued),
            ("scheduled", Queued),
            ("queued", Queued),
            ("sending", Sending),
            ("sent", Sent),
            ("delivered", Delivered),
            ("read", Delivered),
            ("undelivered", Undelivered),
            ("failed", Failed),
            ("canceled", Failed),
        ] {
            assert_eq!(MessageStatus::from(word).carrier_state(), Some(state), "{word}");
        }
    }

    #[test]
    fn other_words_have_none() {
        for word in ["receiving", "received", "partially_delivered", "DELIVERED", ""] {
            assert_eq!(MessageStatus::from(word).carrier_state(), None, "{word}");
        }
    }

    #[test]
    fn an_unknown_word_is_kept_in_part() {
        let status = MessageStatus::from("é".repeat(100).as_str());
        assert_eq!(status, MessageStatus::Unknown("é".repeat(MAX_UNKNOWN_CHARS)));
    }
}
