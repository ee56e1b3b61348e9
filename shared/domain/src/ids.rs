//! Ids: a readable prefix and a sortable body, such as `inb_01KB5Q8Z7M4T9XRA`.
//!
//! A new id has 10 characters of time (milliseconds) and 6 characters of entropy, in Crockford base 32. It is
//! a ULID cut to the size that keeps the items of lists small. Some ids are derived instead:
//!
//! - The id of a conversation is derived from its inbox and number. Two messages that arrive at the same time
//!   therefore reach the same conversation without a lookup.
//! - The id of a message ends in the body of its conversation's id, so a message can be read by its id alone.
//!
//! No id contains `#`, which separates the parts of a key.
//!
//! ```
//! use shared_domain::{ids::{IdError, InboxId}, time::Timestamp};
//!
//! let id = InboxId::new(Timestamp::from_millis(1_800_000_000_000), 7);
//! assert_eq!(id.as_str(), "inb_01MCC5RM00000007");
//! assert_eq!(InboxId::parse("cnv_01MCC5RM00000007"), Err(IdError::Prefix("inb_")));
//! ```

use std::{fmt, hash::Hash, marker::PhantomData};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::time::Timestamp;

mod derived;
pub mod kind;

pub use kind::IdKind;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TIME_LENGTH: usize = 10;
const ENTROPY_LENGTH: usize = 6;
const BODY_LENGTH: usize = TIME_LENGTH + ENTROPY_LENGTH;
const MAX_LENGTH: usize = 64;

/// An id of one [kind](kind). Ids of different kinds are different types.
pub struct Id<K> {
    text: Box<str>,
    kind: PhantomData<fn() -> K>,
}

/// Why a text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty or longer than 64 bytes.
    #[error("an id has 1 to 64 characters")]
    Length,
    /// The text has another prefix than this one, or nothing after it.
    #[error("expected an id that starts with {0:?}")]
    Prefix(&'static str),
    /// The text has a character that could change the meaning of a key or a URL.
    #[error("an id contains only letters, digits, and the characters - _ . @")]
    Character,
}

impl<K: IdKind> Id<K> {
    /// Parses an id from a path, a body or a token.
    ///
    /// # Errors
    /// [`IdError`] for the first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        Self::check(text)?;
        Ok(Self::unchecked(text.into()))
    }

    fn check(text: &str) -> Result<(), IdError> {
        if text.is_empty() || text.len() > MAX_LENGTH {
            return Err(IdError::Length);
        }
        if !text.starts_with(K::PREFIX) || text.len() == K::PREFIX.len() {
            return Err(IdError::Prefix(K::PREFIX));
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@".contains(&b)) {
            return Err(IdError::Character);
        }
        Ok(())
    }

    /// Creates an id. `entropy` must be random; its lowest 30 bits are used.
    pub fn new(now: Timestamp, entropy: u64) -> Self {
        Self::unchecked(format!("{}{}", K::PREFIX, body(now, entropy)).into())
    }

    /// The text of the id, with its prefix.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn unchecked(text: Box<str>) -> Self {
        Self { text, kind: PhantomData }
    }

    /// The body encodes the first 80 bits of the digest.
    fn from_digest(digest: &[u8]) -> Self {
        let bits = digest.iter().take(10).fold(0_u128, |all, byte| (all << 8) | u128::from(*byte));
        Self::unchecked(format!("{}{}", K::PREFIX, base32(bits, BODY_LENGTH)).into())
    }
}

fn body(now: Timestamp, entropy: u64) -> String {
    let time = u128::try_from(now.millis()).unwrap_or(0);
    base32(time, TIME_LENGTH) + &base32(u128::from(entropy), ENTROPY_LENGTH)
}

/// The lowest `length × 5` bits, most significant first, so that the text sorts as the number does.
fn base32(bits: u128, length: usize) -> String {
    (0..length).rev().map(|place| char::from(ALPHABET[((bits >> (5 * place)) & 31) as usize])).collect()
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        Self { text: self.text.clone(), kind: PhantomData }
    }
}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}
impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Serializes as text.
impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// Deserializes with the checks of [`Id::parse`], so that an invalid id in a stored item is an error.
impl<'de, K: IdKind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::check(&text).map_err(D::Error::custom)?;
        Ok(Self::unchecked(text.into()))
    }
}

/// The id of an organization: `org_…`.
pub type OrganizationId = Id<kind::Organization>;
/// The id of a team: `team_…`.
pub type TeamId = Id<kind::Team>;
/// The id of a user: the customer's own *User ID*, unique in the organization. It has no prefix.
pub type UserId = Id<kind::User>;
/// The id of an inbox: `inb_…`.
pub type InboxId = Id<kind::Inbox>;
/// The id of a conversation: `cnv_…`, derived from its inbox and number.
pub type ConversationId = Id<kind::Conversation>;
/// The id of a message: `msg_…`, then the time and entropy of the message, then the body of its
/// conversation's id.
pub type MessageId = Id<kind::Message>;
/// The id of a contact: `con_…`.
pub type ContactId = Id<kind::Contact>;
/// The id of a review: `rev_…`, then the body of the reviewed message's id.
pub type ReviewId = Id<kind::Review>;
/// The id of a template: `tpl_…`.
pub type TemplateId = Id<kind::Template>;
/// The id of a keyword reply: `kwr_…`.
pub type KeywordReplyId = Id<kind::KeywordReply>;
/// The id of an attachment: `med_…`.
pub type MediaId = Id<kind::Media>;
/// The id of a segment of contacts: `seg_…`.
pub type SegmentId = Id<kind::Segment>;
/// The id of a broadcast: `bct_…`.
pub type BroadcastId = Id<kind::Broadcast>;
/// The id of an import: `imp_…`.
pub type ImportId = Id<kind::Import>;
/// The id of an event: `evt_…`, derived from the change that the event reports.
pub type EventId = Id<kind::Event>;
/// The id of an endpoint of outgoing webhooks: `wep_…`.
pub type WebhookEndpointId = Id<kind::WebhookEndpoint>;
/// The id of a delivery: `del_…`, then its time, then entropy from its endpoint and event.
pub type WebhookDeliveryId = Id<kind::WebhookDelivery>;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let ids: Vec<_> =
            [5, 31, 32, 1_800_000_000_000, 1_800_000_000_001].map(|ms| InboxId::new(at(ms), 7)).into();
        assert!(ids.is_sorted());
        assert_eq!(ids[0].as_str(), "inb_0000000005000007");
    }

    #[test]
    fn a_text_that_could_change_the_meaning_of_a_key_is_not_an_id() {
        assert_eq!(InboxId::parse("inb_a#b"), Err(IdError::Character));
        assert_eq!(InboxId::parse("cnv_a"), Err(IdError::Prefix("inb_")));
        assert_eq!(InboxId::parse("inb_"), Err(IdError::Prefix("inb_")));
        assert_eq!(UserId::parse(""), Err(IdError::Length));
        assert_eq!(UserId::parse(&"a".repeat(65)), Err(IdError::Length));
        assert_eq!(UserId::parse("u 1"), Err(IdError::Character));
        assert!(UserId::parse("staff-17@school.example").is_ok());
    }

    #[test]
    fn an_id_has_at_most_64_characters_and_something_after_its_prefix() {
        assert!(UserId::parse(&"a".repeat(64)).is_ok());
        assert!(InboxId::parse("inb_a").is_ok());
        assert_eq!(InboxId::parse("a"), Err(IdError::Prefix("inb_")));
        assert_eq!(InboxId::parse("abcdef"), Err(IdError::Prefix("inb_")));
    }

    #[test]
    fn an_id_is_serialized_as_text_and_checked_when_it_is_read() {
        let id = InboxId::parse("inb_1").unwrap();
        assert_eq!(serde_json::to_value(&id).unwrap(), "inb_1");
        assert_eq!(serde_json::from_str::<InboxId>(r#""inb_1""#).unwrap(), id);
        for (json, message) in [
            (r#""inb_a#b""#, "an id contains only letters, digits, and the characters - _ . @"),
            (r#""cnv_1""#, r#"expected an id that starts with "inb_""#),
            (r#""""#, "an id has 1 to 64 characters"),
        ] {
            let error = serde_json::from_str::<InboxId>(json).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
        assert!(serde_json::from_str::<InboxId>("7").is_err());
    }

    #[test]
    fn ids_compare_hash_and_print_as_their_texts() {
        use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
        let (a, b) = (UserId::parse("a").unwrap(), UserId::parse("b").unwrap());
        assert!(a == a.clone() && a != b && a < b);
        assert_eq!(a.partial_cmp(&b), Some(std::cmp::Ordering::Less));
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        assert_ne!(hasher.hash_one(&a), hasher.hash_one(&b));
        assert_eq!((format!("{a}"), format!("{a:?}")), ("a".to_owned(), "a".to_owned()));
    }
}
