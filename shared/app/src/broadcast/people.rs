//! The people in the audience of a broadcast, each number once, and the text that each gets.

use std::collections::{BTreeMap, HashMap, HashSet};

use shared_aws::contact::ContactEntry;
use shared_domain::{
    broadcast::{Broadcast, SkipReason},
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

impl BroadcastWorkflow {
    /// Calls `page` with the people of the audience, each number once.
    pub(super) async fn each_page(
        &self,
        broadcast: &Broadcast,
        now: Timestamp,
        mut page: impl AsyncFnMut(Vec<Person>) -> Result<(), AudienceError>,
    ) -> Result<(), AudienceError> {
        let team = broadcast.team_key();
        let mut seen: HashSet<PhoneNumber> = HashSet::new();
        for id in &broadcast.audience.segments {
            let segment = self.segments.get(team, id).await?;
            let segment = segment.ok_or_else(|| AudienceError::SegmentRemoved(id.clone()))?.value;
            let mut after = None;
            loop {
                let found = self.audience.page(team, &segment, after.as_deref(), now).await?;
                let people = found.contacts.into_iter().map(Person::of);
                page(people.filter(|person| seen.insert(person.number.clone())).collect()).await?;
                after = found.next;
                if after.is_none() {
                    break;
                }
            }
        }
        for ids in broadcast.audience.contacts.chunks(CHUNK) {
            let people = self.contacts.get_entries(team, ids).await?.into_iter().map(Person::of);
            page(people.filter(|person| seen.insert(person.number.clone())).collect()).await?;
        }
        for numbers in broadcast.audience.numbers.chunks(CHUNK) {
            let numbers = numbers.iter().filter(|number| seen.insert((*number).clone())).cloned();
            page(self.people_with(broadcast, &numbers.collect::<Vec<_>>()).await?).await?;
        }
        Ok(())
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
