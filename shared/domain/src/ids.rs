//! Identifiers: a readable prefix, then a sortable body (`inb_01KB5Q8Z7M4T9XRA`).
//!
//! Made ids carry 10 characters of milliseconds and 6 of entropy (Crockford base 32, as in a ULID, cut to the size that
//! keeps a list row small). A conversation's id is derived from its inbox and number, so that two texts at one instant
//! meet in one conversation without a lookup. A message's id ends in its conversation's body, so that it can be read
//! by its id alone. No id contains `#`, the separator of keys.

use std::{fmt, hash::Hash, marker::PhantomData};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest, Sha256};

use crate::{phone::PhoneNumber, time::Timestamp};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const TIME_CHARACTERS: usize = 10;
const ENTROPY_CHARACTERS: usize = 6;
const BODY: usize = TIME_CHARACTERS + ENTROPY_CHARACTERS;
const MAX_LENGTH: usize = 64;

/// What an [`Id`] is the name of.
pub trait Kind {
    /// With underscore, such as `inb_`; empty where the customer chooses the name.
    const PREFIX: &'static str;
}

/// A name of one thing of kind `K`. Equal texts of different kinds are different types.
pub struct Id<K> {
    text: Box<str>,
    kind: PhantomData<fn() -> K>,
}

/// Why a text is no id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Empty, or longer than 64 bytes.
    #[error("an id has 1 to 64 characters")]
    Length,
    /// The readable prefix is another one.
    #[error("this id begins with {0:?}")]
    Prefix(&'static str),
    /// Something that could break out of a key or a URL.
    #[error("an id holds letters, digits and any of - _ . @ only")]
    Character,
}

impl<K: Kind> Id<K> {
    /// Takes a text from outside: a path, a body, a token.
    ///
    /// # Errors
    /// [`IdError`], one variant per way to fail.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        Self::check(text)?;
        Ok(Self::known(text.into()))
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

    /// A new id of this instant; `entropy` should be random (30 bits of it are used).
    pub fn new(now: Timestamp, entropy: u64) -> Self {
        Self::known(format!("{}{}", K::PREFIX, body(now, entropy)).into())
    }

    /// The id as text, prefix included.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn known(text: Box<str>) -> Self {
        Self { text, kind: PhantomData }
    }

    fn from_digest(digest: &[u8]) -> Self {
        let bits = digest.iter().take(10).fold(0_u128, |all, byte| (all << 8) | u128::from(*byte));
        Self::known(format!("{}{}", K::PREFIX, base32(bits, BODY)).into())
    }
}

fn body(now: Timestamp, entropy: u64) -> String {
    let time = u128::try_from(now.millis()).unwrap_or(0);
    base32(time, TIME_CHARACTERS) + &base32(u128::from(entropy), ENTROPY_CHARACTERS)
}

/// The lowest `characters × 5` bits, most significant first, so that the text sorts as the number does.
fn base32(bits: u128, characters: usize) -> String {
    (0..characters).rev().map(|place| char::from(ALPHABET[((bits >> (5 * place)) & 31) as usize])).collect()
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

/// Written as its text.
impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// Read with the checks of [`Id::parse`], so that a stored item with an invalid id is an error, not a wrong id.
impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::check(&text).map_err(D::Error::custom)?;
        Ok(Self::known(text.into()))
    }
}

/// The tenant.
pub enum Organization {}
/// A part of an organization that owns inboxes and contacts.
pub enum Team {}
/// A person who signs in.
pub enum User {}
/// One number and its conversations.
pub enum Inbox {}
/// The thread of one inbox with one number.
pub enum Conversation {}
/// One text, in or out.
pub enum Message {}
/// A person who is written to.
pub enum Contact {}
/// A text that people have to judge.
pub enum Review {}
/// A canned response.
pub enum Template {}
/// A picture or another file of a message.
pub enum Media {}
/// A file of contacts.
pub enum Import {}

impl Kind for Organization {
    const PREFIX: &'static str = "org_";
}
impl Kind for Team {
    const PREFIX: &'static str = "team_";
}
impl Kind for User {
    const PREFIX: &'static str = ""; // the customer's own User ID, which imports call StaffId
}
impl Kind for Inbox {
    const PREFIX: &'static str = "inb_";
}
impl Kind for Conversation {
    const PREFIX: &'static str = "cnv_";
}
impl Kind for Message {
    const PREFIX: &'static str = "msg_";
}
impl Kind for Contact {
    const PREFIX: &'static str = "con_";
}
impl Kind for Review {
    const PREFIX: &'static str = "rev_";
}
impl Kind for Template {
    const PREFIX: &'static str = "tpl_";
}
impl Kind for Media {
    const PREFIX: &'static str = "med_";
}
impl Kind for Import {
    const PREFIX: &'static str = "imp_";
}

/// Names an organization: `org_…`.
pub type OrganizationId = Id<Organization>;
/// Names a team: `team_…`.
pub type TeamId = Id<Team>;
/// Names a user: the customer's own *User ID*, unique in the organization.
pub type UserId = Id<User>;
/// Names an inbox: `inb_…`.
pub type InboxId = Id<Inbox>;
/// Names a conversation: `cnv_…`, derived from inbox and number.
pub type ConversationId = Id<Conversation>;
/// Names a message: `msg_…`, time first, its conversation last.
pub type MessageId = Id<Message>;
/// Names a contact: `con_…`.
pub type ContactId = Id<Contact>;
/// Names a text that is up for review: `rev_…`, the rest as in the text's own id.
pub type ReviewId = Id<Review>;
/// Names a canned response: `tpl_…`.
pub type TemplateId = Id<Template>;
/// Names a picture or another file: `med_…`.
pub type MediaId = Id<Media>;
/// Names an import: `imp_…`.
pub type ImportId = Id<Import>;

impl ConversationId {
    /// The one conversation of this inbox with this number.
    pub fn of(inbox: &InboxId, number: &PhoneNumber) -> Self {
        Self::from_digest(&Sha256::digest(format!("conversation {inbox} {}", number.as_str())))
    }
}

impl ContactId {
    /// The contact that an unknown number becomes; the same however often and wherever it is met first.
    pub fn provisional(team: &TeamId, number: &PhoneNumber) -> Self {
        Self::from_digest(&Sha256::digest(format!("contact {team} {}", number.as_str())))
    }

    /// The contact that a row of an import makes; the same however often the row is read.
    pub fn of_import(import: &ImportId, row: u64) -> Self {
        Self::from_digest(&Sha256::digest(format!("contact {import} {row}")))
    }
}

impl MessageId {
    /// A message of this conversation. Ids of one conversation sort by time.
    pub fn in_conversation(conversation: &ConversationId, now: Timestamp, entropy: u64) -> Self {
        let thread = conversation.as_str().trim_start_matches(Conversation::PREFIX);
        Self::known(format!("{}{}{thread}", Message::PREFIX, body(now, entropy)).into())
    }

    /// The id of an inbound text: its entropy part comes from the carrier's own id.
    pub fn of_inbound(conversation: &ConversationId, now: Timestamp, carrier_message_id: &str) -> Self {
        let digest = Sha256::digest(carrier_message_id);
        let entropy = digest.iter().take(8).fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
        Self::in_conversation(conversation, now, entropy)
    }

    /// The conversation that the message belongs to, or `None` for a text that was never one of our ids.
    pub fn conversation(&self) -> Option<ConversationId> {
        let thread = self.as_str().get(Message::PREFIX.len() + BODY..).filter(|t| t.len() == BODY)?;
        ConversationId::parse(&format!("{}{thread}", Conversation::PREFIX)).ok()
    }

    /// When it was made, to the millisecond, or `None` for a text that was never one of our ids.
    pub fn made_at(&self) -> Option<Timestamp> {
        let time = self.as_str().get(Message::PREFIX.len()..)?.get(..TIME_CHARACTERS)?;
        let digit = |letter: u8| ALPHABET.iter().position(|known| *known == letter);
        let digits = time.bytes().map(|letter| digit(letter).and_then(|digit| i64::try_from(digit).ok()));
        let millis = digits.collect::<Option<Vec<_>>>()?.into_iter().fold(0, |all, digit| (all << 5) | digit);
        Some(Timestamp::from_millis(millis))
    }
}

impl ReviewId {
    /// The one review of this text, and ids sort as those of the texts do: by time.
    pub fn of(message: &MessageId) -> Self {
        let body = message.as_str().trim_start_matches(Message::PREFIX);
        Self::known(format!("{}{body}", Review::PREFIX).into())
    }

    /// The text that is up for review.
    pub fn message(&self) -> MessageId {
        let body = self.as_str().trim_start_matches(Review::PREFIX);
        MessageId::known(format!("{}{body}", Message::PREFIX).into())
    }
}

impl MediaId {
    /// A file of a carrier's message, by its place there: the same however often the message comes in.
    pub fn of_inbound(carrier_message_id: &str, place: usize) -> Self {
        Self::from_digest(&Sha256::digest(format!("media {carrier_message_id} {place}")))
    }
}

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
    fn a_text_that_could_leave_its_key_is_no_id() {
        assert_eq!(InboxId::parse("inb_a#b"), Err(IdError::Character));
        assert_eq!(InboxId::parse("cnv_a"), Err(IdError::Prefix("inb_")));
        assert_eq!(InboxId::parse("inb_"), Err(IdError::Prefix("inb_")));
        assert_eq!(UserId::parse(""), Err(IdError::Length));
        assert_eq!(UserId::parse(&"a".repeat(65)), Err(IdError::Length));
        assert_eq!(UserId::parse("u 1"), Err(IdError::Character));
        assert!(UserId::parse("staff-17@school.example").is_ok());
    }

    #[test]
    fn inbox_and_number_name_the_conversation() {
        let inbox = InboxId::new(at(1), 1);
        let other = InboxId::new(at(1), 2);
        let number = PhoneNumber::from_carrier("+12025550143").unwrap();
        assert_eq!(ConversationId::of(&inbox, &number), ConversationId::of(&inbox, &number));
        assert_ne!(ConversationId::of(&inbox, &number), ConversationId::of(&other, &number));
    }

    #[test]
    fn a_message_knows_its_conversation_and_its_place_in_time() {
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
    fn derived_ids_stay_what_they_are_since_they_are_stored() {
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
    }

    #[test]
    fn an_id_has_at_most_64_characters_and_something_after_its_prefix() {
        assert!(UserId::parse(&"a".repeat(64)).is_ok());
        assert!(InboxId::parse("inb_a").is_ok());
        assert_eq!(InboxId::parse("a"), Err(IdError::Prefix("inb_")));
        assert_eq!(InboxId::parse("abcdef"), Err(IdError::Prefix("inb_")));
    }

    #[test]
    fn an_id_is_serialized_as_its_text_and_checked_when_it_is_read() {
        let id = InboxId::parse("inb_1").unwrap();
        assert_eq!(serde_json::to_value(&id).unwrap(), "inb_1");
        assert_eq!(serde_json::from_str::<InboxId>(r#""inb_1""#).unwrap(), id);
        for (json, message) in [
            (r#""inb_a#b""#, "an id holds letters, digits and any of - _ . @ only"),
            (r#""cnv_1""#, r#"this id begins with "inb_""#),
            (r#""""#, "an id has 1 to 64 characters"),
        ] {
            let error = serde_json::from_str::<InboxId>(json).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
        assert!(serde_json::from_str::<InboxId>("7").is_err());
    }

    #[test]
    fn ids_are_equal_sorted_hashed_and_shown_as_their_texts() {
        use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
        let (a, b) = (UserId::parse("a").unwrap(), UserId::parse("b").unwrap());
        assert!(a == a.clone() && a != b && a < b);
        assert_eq!(a.partial_cmp(&b), Some(std::cmp::Ordering::Less));
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        assert_ne!(hasher.hash_one(&a), hasher.hash_one(&b));
        assert_eq!((format!("{a}"), format!("{a:?}")), ("a".to_owned(), "a".to_owned()));
    }

    #[test]
    fn a_text_with_letters_that_no_made_id_has_tells_no_time() {
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
