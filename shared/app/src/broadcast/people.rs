//! The people in the audience of a broadcast, each number once, and the text that each gets.

use std::collections::{BTreeMap, HashMap, HashSet};

use shared_aws::contact::ContactEntry;
use shared_domain::{
    audience::AudienceSegment,
    broadcast::{Audience, Broadcast, SkipReason},
    contact::{Contact, custom_value},
    phone::PhoneNumber,
    sending_hours::RecipientPlace,
    template::{MergeValues, TemplateText},
    time::Timestamp,
    user::UserRef,
};

use super::{AudienceError, BroadcastWorkflow};

/// How many contacts or numbers that a broadcast names are read at a time.
const CHUNK: usize = 500;
/// The custom field with the contact's own time zone, as an IANA name.
const TIME_ZONE_FIELD: &str = "timeZone";

/// A number of the audience.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) number: PhoneNumber,
    /// The first contact of the audience that has the number.
    pub(super) contact: Option<ContactEntry>,
    opted_out: bool,
    blocked: bool,
}

impl Person {
    fn of(entry: ContactEntry) -> Self {
        let Contact { number, opted_out, blocked, .. } = &entry.contact;
        let (number, opted_out, blocked) = (number.clone(), *opted_out, *blocked);
        Self { number, opted_out, blocked, contact: Some(entry) }
    }

    /// Where the person may be.
    pub(super) fn place(&self) -> RecipientPlace {
        let own = self.contact.as_ref().and_then(|entry| custom_value(&entry.custom, TIME_ZONE_FIELD));
        RecipientPlace::of(&self.number, own)
    }
}

/// The text of a broadcast, to be filled in for each person.
#[derive(Debug)]
pub(super) struct PersonalText<'a> {
    template: TemplateText,
    sender: &'a UserRef,
    own_number: &'a PhoneNumber,
    nothing: BTreeMap<String, String>,
}

impl<'a> PersonalText<'a> {
    /// A text was checked when it was stored. One that is no template any more is sent literally.
    pub(super) fn of(broadcast: &'a Broadcast, own_number: &'a PhoneNumber) -> Self {
        let template = TemplateText::parse(&broadcast.text);
        let template = template.unwrap_or_else(|_| TemplateText::literal(&broadcast.text));
        Self { template, sender: broadcast.sender(), own_number, nothing: BTreeMap::new() }
    }

    /// Whether all people get the same text.
    pub(super) fn is_the_same_for_all(&self) -> bool {
        self.template.fields().is_empty()
    }

    /// The text for a person, or why the person gets none.
    pub(super) fn render(&self, person: &Person) -> Result<String, SkipReason> {
        if !person.number.can_receive() || person.number == *self.own_number {
            Err(SkipReason::InvalidNumber)
        } else if person.blocked {
            Err(SkipReason::Blocked)
        } else if person.opted_out {
            Err(SkipReason::OptedOut)
        } else {
            self.template.render(&self.values(person)).map_err(|_| SkipReason::NoValue)
        }
    }

    /// The characters that make the text of a person longer, with their fields.
    pub(super) fn characters(&self, person: &Person) -> impl IntoIterator<Item = (char, String)> {
        self.template.unicode_characters(&self.values(person))
    }

    fn values<'b>(&'b self, person: &'b Person) -> MergeValues<'b> {
        match &person.contact {
            Some(entry) => MergeValues::of(&entry.contact, &entry.custom, Some(self.sender)),
            None => MergeValues {
                first_name: None,
                last_name: None,
                contact_id: None,
                sender_name: Some(&self.sender.name),
                custom: &self.nothing,
            },
        }
    }
}

/// Reads the audience of a broadcast page by page, each number once.
#[derive(Debug)]
pub(super) struct AudienceReader<'a> {
    workflow: &'a BroadcastWorkflow,
    broadcast: &'a Broadcast,
    now: Timestamp,
    seen: HashSet<PhoneNumber>,
    next: Place,
}

/// Where an audience is read next: a segment with the start of its next page, contacts and numbers by their
/// places.
#[derive(Debug)]
enum Place {
    Segment { place: usize, read: Option<(AudienceSegment, String)> },
    Contacts(usize),
    Numbers(usize),
}

impl AudienceReader<'_> {
    /// Returns the next people of the audience, maybe none. `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Person>>, AudienceError> {
        let Self { workflow, broadcast, now, .. } = *self;
        let (team, Audience { segments, contacts, numbers }) = (broadcast.team_key(), &broadcast.audience);
        let people = match &self.next {
            Place::Segment { place, read } => {
                let Some(id) = segments.get(*place) else {
                    self.next = Place::Contacts(0);
                    return Ok(Some(Vec::new()));
                };
                let (segment, after) = match read {
                    Some((segment, after)) => (segment.clone(), Some(after.as_str())),
                    None => {
                        let segment = workflow.segments.get(team, id).await?;
                        (segment.ok_or_else(|| AudienceError::SegmentRemoved(id.clone()))?.value, None)
                    }
                };
                let found = workflow.audience.page(team, &segment, after, now).await?;
                self.next = match found.next {
                    Some(after) => Place::Segment { place: *place, read: Some((segment, after)) },
                    None => {
                        // A segment is removed before its members, which would be missing without a word.
                        let remains = workflow.segments.get(team, id).await?.is_some();
                        remains.then_some(()).ok_or_else(|| AudienceError::SegmentRemoved(id.clone()))?;
                        Place::Segment { place: place + 1, read: None }
                    }
                };
                found.contacts.into_iter().map(Person::of).collect()
            }
            Place::Contacts(start) if *start < contacts.len() => {
                let ids = &contacts[*start..contacts.len().min(start + CHUNK)];
                self.next = Place::Contacts(start + CHUNK);
                let found = workflow.contacts.get_entries(team, ids).await?;
                found.into_iter().map(Person::of).collect()
            }
            Place::Contacts(_) => {
                self.next = Place::Numbers(0);
                Vec::new()
            }
            Place::Numbers(start) if *start < numbers.len() => {
                let chunk = &numbers[*start..numbers.len().min(start + CHUNK)];
                self.next = Place::Numbers(start + CHUNK);
                let new: Vec<PhoneNumber> =
                    chunk.iter().filter(|number| !self.seen.contains(*number)).cloned().collect();
                workflow.people_with(broadcast, &new).await?
            }
            Place::Numbers(_) => return Ok(None),
        };
        let mut once: Vec<Person> = people;
        once.retain(|person| self.seen.insert(person.number.clone()));
        Ok(Some(once))
    }
}

impl BroadcastWorkflow {
    /// Reads the audience of a broadcast.
    pub(super) fn audience_of<'a>(&'a self, broadcast: &'a Broadcast, now: Timestamp) -> AudienceReader<'a> {
        let next = Place::Segment { place: 0, read: None };
        AudienceReader { workflow: self, broadcast, now, seen: HashSet::new(), next }
    }

    async fn people_with(
        &self,
        broadcast: &Broadcast,
        numbers: &[PhoneNumber],
    ) -> Result<Vec<Person>, AudienceError> {
        let team = broadcast.team_key();
        let ids = self.contacts.ids_by_number(team, numbers).await?;
        let contacts = self.contacts.get_entries(team, &ids.values().cloned().collect::<Vec<_>>()).await?;
        let mut by_number: HashMap<PhoneNumber, ContactEntry> =
            contacts.into_iter().map(|entry| (entry.contact.number.clone(), entry)).collect();
        let statuses = self.contacts.statuses(team, numbers).await?;
        let person = |number: &PhoneNumber| match by_number.remove(number) {
            Some(entry) => Person::of(entry),
            None => {
                let status = statuses.get(number).copied().unwrap_or_default();
                let (opted_out, blocked) = (status.opted_out, status.blocked);
                Person { number: number.clone(), contact: None, opted_out, blocked }
            }
        };
        Ok(numbers.iter().map(person).collect())
    }
}
