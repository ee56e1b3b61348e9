//! Segments of contacts: which contacts of a team belong to an audience.
//!
//! A filter is a tree of conditions. It is parsed from JSON by [`Filter::parse`], stored in its
//! [canonical form](Filter::to_json), and evaluated for one contact at a time by [`Filter::matches`].
//!
//! | form | matches |
//! |---|---|
//! | `{"all": […]}` | if all filters of the list match; an empty list matches every contact |
//! | `{"any": […]}` | if at least one of them matches |
//! | `{"not": …}` | if the filter does not match |
//! | `{"field": …, "op": …, "value": …}` | if the contact's field fulfills the condition |
//!
//! | fields | operators |
//! |---|---|
//! | `firstName`, `lastName`, `externalId`, `custom.<name>`, `tag` | `eq`, `ne`, `in`, `contains`, `startsWith`, `exists` |
//! | `assignedUserId`, `broadcast.<id>.state`, `broadcast.<id>.answer` | `eq`, `ne`, `in`, `exists` |
//! | `optedOut`, `blocked`, `provisional` | `eq`, `ne` |
//! | `createdAt`, `lastInboundAt`, `lastOutboundAt` | `before`, `after`, `withinDays`, `exists` |
//!
//! Case does not matter, except in ids. `ne` also matches contacts without a value; all other operators
//! except `exists` need one. A contact has each of its tags: `eq` asks whether one of them matches, and `ne`
//! whether none does.
//!
//! ```
//! use std::collections::BTreeMap;
//! use serde_json::json;
//! use shared_domain::audience::{ContactFacts, Filter};
//! use shared_domain::{contact::Contact, ids::TeamId, phone::PhoneNumber, tag::Tags, time::Timestamp};
//!
//! let filter = json!({"all": [
//!     {"field": "tag", "op": "eq", "value": "parent"},
//!     {"not": {"field": "optedOut", "op": "eq", "value": true}},
//! ]});
//! let filter = Filter::parse("/filter", &filter).unwrap();
//!
//! let number = PhoneNumber::parse("(202) 555-0143").unwrap();
//! let contact = Contact::provisional(&TeamId::parse("team_1").unwrap(), &number);
//! let (custom, tags) = (BTreeMap::new(), Tags::from_cell("Parent, VIP").unwrap());
//! let facts = ContactFacts::new(&contact, &custom, &tags);
//! assert!(filter.matches(&facts, Timestamp::default()));
//! ```

use std::{collections::BTreeMap, time::Duration};

use crate::{
    broadcast::RecipientState, contact::Contact, ids::BroadcastId, question::Answer, tag::Tags, text,
    time::Timestamp,
};

mod json;
mod parse;
mod segment;

pub use segment::{AudienceSegment, SegmentKind};

/// The maximum depth of a filter. A single condition has depth 1.
pub const MAX_DEPTH: usize = 10;
/// The maximum number of conditions, lists and negations of a filter.
pub const MAX_NODES: usize = 100;
/// The maximum number of earlier broadcasts that a filter asks for: each is read for each contact.
pub const MAX_BROADCASTS: usize = 5;
/// The maximum number of values of `in`.
pub const MAX_VALUES: usize = 200;
/// The maximum length of a value, in characters: that of a custom field's value.
pub const MAX_VALUE_LENGTH: usize = 500;
/// The maximum length of a filter in its canonical form, in bytes, so that a stored segment stays small.
pub const MAX_LENGTH: usize = 16_384;
/// The maximum number of days of `withinDays`: ten years.
pub const MAX_DAYS: u16 = 3_650;

/// Which contacts belong to an audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// All filters match.
    All(Vec<Filter>),
    /// At least one filter matches.
    Any(Vec<Filter>),
    /// The filter does not match.
    Not(Box<Filter>),
    /// The condition is fulfilled.
    Is(Condition),
}

/// What one field of a contact has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum Condition {
    Text { field: TextField, test: TextTest },
    Flag { field: FlagField, is: bool },
    Time { field: TimeField, test: TimeTest },
}

/// A field with text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextField {
    /// The contact's first name.
    FirstName,
    /// The contact's last name.
    LastName,
    /// The customer's own id of the contact.
    ExternalId,
    /// The id of the assigned user.
    AssignedUserId,
    /// The contact's tags.
    Tag,
    /// A custom field.
    Custom(String),
    /// The recipient's state in an earlier broadcast.
    BroadcastState(BroadcastId),
    /// The recipient's answer to the question of an earlier broadcast.
    BroadcastAnswer(BroadcastId),
}

/// A field that is true or false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum FlagField {
    OptedOut,
    Blocked,
    Provisional,
}

/// A field with a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeField {
    /// When the contact was created.
    CreatedAt,
    /// When its last message arrived.
    LastInboundAt,
    /// When the last message to it was accepted.
    LastOutboundAt,
}

/// What a text has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextTest {
    /// Equal to this text.
    Eq(String),
    /// Not equal to this text.
    Ne(String),
    /// Equal to one of these texts.
    In(Vec<String>),
    /// This text is a part of it.
    Contains(String),
    /// It begins with this text.
    StartsWith(String),
    /// There is a text, or there is none.
    Exists(bool),
}

/// What a time has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeTest {
    /// Earlier than this instant.
    Before(Timestamp),
    /// Later than this instant.
    After(Timestamp),
    /// In the last days, each of 24 hours.
    WithinDays(u16),
    /// There is a time, or there is none.
    Exists(bool),
}

/// What happened to a contact in an earlier broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct BroadcastResult {
    pub state: RecipientState,
    pub answer: Option<Answer>,
}

/// The facts about a contact that a filter asks for.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the names say it all")]
pub struct ContactFacts<'a> {
    pub contact: &'a Contact,
    /// The custom fields by name.
    pub custom: &'a BTreeMap<String, String>,
    pub tags: &'a Tags,
    /// `None` for contacts that were created before their time was stored.
    pub created_at: Option<Timestamp>,
    pub last_inbound_at: Option<Timestamp>,
    pub last_outbound_at: Option<Timestamp>,
    /// The results in the broadcasts that the filter [names](Filter::broadcasts).
    pub results: &'a [(BroadcastId, BroadcastResult)],
}

impl<'a> ContactFacts<'a> {
    /// The facts of a contact without times and results.
    pub fn new(contact: &'a Contact, custom: &'a BTreeMap<String, String>, tags: &'a Tags) -> Self {
        Self {
            contact,
            custom,
            tags,
            created_at: None,
            last_inbound_at: None,
            last_outbound_at: None,
            results: &[],
        }
    }

    fn result(&self, broadcast: &BroadcastId) -> Option<&BroadcastResult> {
        self.results.iter().find(|(id, _)| id == broadcast).map(|(_, result)| result)
    }

    fn flag(&self, field: FlagField) -> bool {
        match field {
            FlagField::OptedOut => self.contact.opted_out,
            FlagField::Blocked => self.contact.blocked,
            FlagField::Provisional => self.contact.provisional,
        }
    }

    fn time(&self, field: TimeField) -> Option<Timestamp> {
        match field {
            TimeField::CreatedAt => self.created_at,
            TimeField::LastInboundAt => self.last_inbound_at,
            TimeField::LastOutboundAt => self.last_outbound_at,
        }
    }

    /// The texts of a field, in the form in which they are [compared](TextField::compared). Blank texts count
    /// as absent.
    fn texts(&self, field: &TextField) -> Vec<String> {
        let answer = |result: &BroadcastResult| result.answer.map(Answer::name);
        let text = match field {
            TextField::Tag => return self.tags.iter().map(|tag| field.compared(tag)).collect(),
            TextField::FirstName => self.contact.first_name.as_deref().map(Into::into),
            TextField::LastName => self.contact.last_name.as_deref().map(Into::into),
            TextField::ExternalId => self.contact.external_id.as_deref().map(Into::into),
            TextField::AssignedUserId => self.contact.assigned.as_ref().map(|user| user.id.as_str().into()),
            TextField::Custom(name) => crate::contact::custom_value(self.custom, name).map(Into::into),
            TextField::BroadcastState(id) => self.result(id).map(|result| result.state.as_str().into()),
            TextField::BroadcastAnswer(id) => self.result(id).and_then(answer),
        };
        text.map(|text| field.compared(&text)).into_iter().filter(|text| !text.is_empty()).collect()
    }
}

impl Filter {
    /// Whether the filter matches a contact at this time.
    pub fn matches(&self, facts: &ContactFacts<'_>, now: Timestamp) -> bool {
        match self {
            Self::All(filters) => filters.iter().all(|filter| filter.matches(facts, now)),
            Self::Any(filters) => filters.iter().any(|filter| filter.matches(facts, now)),
            Self::Not(filter) => !filter.matches(facts, now),
            Self::Is(Condition::Text { field, test }) => test.matches(field, &facts.texts(field)),
            Self::Is(Condition::Flag { field, is }) => facts.flag(*field) == *is,
            Self::Is(Condition::Time { field, test }) => test.matches(facts.time(*field), now),
        }
    }

    /// The broadcasts whose results the filter asks for, without duplicates.
    pub fn broadcasts(&self) -> Vec<&BroadcastId> {
        let mut broadcasts = Vec::new();
        self.visit(&mut |condition| {
            if let Condition::Text {
                field: TextField::BroadcastState(id) | TextField::BroadcastAnswer(id),
                ..
            } = condition
            {
                broadcasts.push(id);
            }
        });
        broadcasts.sort_unstable();
        broadcasts.dedup();
        broadcasts
    }

    /// Where the filter asks for a broadcast: JSON pointers, which begin with `pointer`, of the fields in the
    /// JSON from which it was parsed.
    pub fn broadcasts_at(&self, pointer: &str) -> Vec<(String, &BroadcastId)> {
        match self {
            Self::All(filters) | Self::Any(filters) => {
                let list = if matches!(self, Self::All(_)) { "all" } else { "any" };
                let filters = filters.iter().enumerate();
                filters
                    .flat_map(|(index, filter)| filter.broadcasts_at(&format!("{pointer}/{list}/{index}")))
                    .collect()
            }
            Self::Not(filter) => filter.broadcasts_at(&format!("{pointer}/not")),
            Self::Is(Condition::Text {
                field: TextField::BroadcastState(id) | TextField::BroadcastAnswer(id),
                ..
            }) => vec![(format!("{pointer}/field"), id)],
            Self::Is(_) => Vec::new(),
        }
    }

    /// Whether the filter asks for the times of messages.
    pub fn needs_last_messages(&self) -> bool {
        let mut needs = false;
        self.visit(&mut |condition| {
            needs |= matches!(
                condition,
                Condition::Time { field: TimeField::LastInboundAt | TimeField::LastOutboundAt, .. }
            );
        });
        needs
    }

    fn visit<'a>(&'a self, visitor: &mut impl FnMut(&'a Condition)) {
        match self {
            Self::All(filters) | Self::Any(filters) => {
                for filter in filters {
                    filter.visit(visitor);
                }
            }
            Self::Not(filter) => filter.visit(visitor),
            Self::Is(condition) => visitor(condition),
        }
    }
}

impl TextField {
    /// Whether the field has an id or a name of the product, which are compared exactly.
    fn is_exact(&self) -> bool {
        matches!(
            self,
            Self::ExternalId | Self::AssignedUserId | Self::BroadcastState(_) | Self::BroadcastAnswer(_)
        )
    }

    /// The form of a text that is compared.
    fn compared(&self, text: &str) -> String {
        let clean = text::clean(text);
        if self.is_exact() { clean.trim().to_owned() } else { clean.trim().to_lowercase() }
    }
}

impl TextTest {
    fn matches(&self, field: &TextField, texts: &[String]) -> bool {
        let any = |test: &dyn Fn(&str) -> bool| texts.iter().any(|text| test(text));
        match self {
            Self::Eq(value) => any(&|text| text == field.compared(value)),
            Self::Ne(value) => !any(&|text| text == field.compared(value)),
            Self::In(values) => values.iter().any(|value| any(&|text| text == field.compared(value))),
            Self::Contains(value) => any(&|text| text.contains(&field.compared(value))),
            Self::StartsWith(value) => any(&|text| text.starts_with(&field.compared(value))),
            Self::Exists(exists) => texts.is_empty() != *exists,
        }
    }
}

impl TimeTest {
    fn matches(self, time: Option<Timestamp>, now: Timestamp) -> bool {
        match self {
            Self::Before(instant) => time.is_some_and(|time| time < instant),
            Self::After(instant) => time.is_some_and(|time| time > instant),
            Self::WithinDays(days) => {
                let since = now - Duration::from_hours(24 * u64::from(days));
                time.is_some_and(|time| time >= since)
            }
            Self::Exists(exists) => time.is_some() == exists,
        }
    }
}

#[cfg(test)]
mod tests;
