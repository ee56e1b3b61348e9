//! What a chunk of rows makes of the contacts that are there: counted, and put together for writing. Pure.
//!
//! Rows are taken in their order, each on top of those before it, so a contact id that comes twice is created by the first
//! row and updated by the second, and written once.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
};

use shared_aws::contact::{ContactEntry, Lookup};
use shared_domain::{
    contact::Contact,
    ids::{ContactId, UserId},
    import::{
        CellError, Changes, ChunkReport, Existing, Import, MAX_CUSTOM_FIELDS, Outcome, ReleasedNumber, Row,
        Staff, Upsert, plan,
    },
    opt_out::{self, OptOutState},
    phone::PhoneNumber,
    user::UserRef,
};

/// A row of the file, read.
pub(crate) type Numbered = (u64, Result<Row, Vec<CellError>>);

/// A contact that changes.
#[derive(Debug)]
pub(crate) struct Change {
    /// As it was read.
    pub(crate) before: ContactEntry,
    /// As it shall be.
    pub(crate) after: ContactEntry,
    /// The rows that say so.
    pub(crate) rows: Vec<Row>,
}

/// What is to be written.
#[derive(Debug, Default)]
pub(crate) struct Drafts {
    /// What the rows came to.
    pub(crate) report: ChunkReport,
    /// New contacts, in the order of the rows that named them last.
    pub(crate) created: Vec<ContactEntry>,
    /// Contacts that change.
    pub(crate) changed: Vec<Change>,
    /// Numbers that are opted out or in, and the contacts in whose ledger it stands.
    pub(crate) opt_outs: BTreeMap<PhoneNumber, (ContactId, bool)>,
    /// Provisional contacts that became known ones.
    pub(crate) strangers: Vec<ContactEntry>,
    /// Numbers that contacts leave for others.
    pub(crate) left: Vec<ReleasedNumber>,
    /// Numbers whose conversations, if there are any, show something new.
    pub(crate) shown: HashSet<PhoneNumber>,
}

/// What a chunk writes to, by what a row would speak of.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    ids: HashSet<String>,
    numbers: HashSet<PhoneNumber>,
}

impl Touched {
    /// Whether one of these rows speaks of it.
    pub(crate) fn any_of(&self, rows: &[Numbered]) -> bool {
        let mut rows = rows.iter().filter_map(|(_, row)| row.as_ref().ok());
        rows.any(|row| self.ids.contains(&row.external_id) || self.numbers.contains(&row.number))
    }
}

impl Drafts {
    /// What is written to.
    pub(crate) fn touched(&self) -> Touched {
        let changed = self.changed.iter().flat_map(|change| [&change.before, &change.after]);
        let entries = || self.created.iter().chain(&self.strangers).chain(changed.clone());
        let left = self.left.iter().map(|left| &left.number);
        let numbers = entries().map(|entry| &entry.contact.number).chain(self.opt_outs.keys());
        Touched {
            ids: entries().filter_map(|entry| entry.contact.external_id.clone()).collect(),
            numbers: numbers.chain(left).chain(&self.shown).cloned().collect(),
        }
    }
}

#[derive(Debug)]
struct Draft {
    before: Option<ContactEntry>,
    now: Option<ContactEntry>,
    rows: Vec<Row>,
    last: u64,
    /// A row of this chunk made it when the chunk was begun before; perhaps not all that finds it was written.
    half_made: bool,
}

const KEEPS_ITS_NUMBER: &str =
    "this contact is the number that texted in: give its id to a new contact for another number";
const TOO_MANY_FIELDS: &str = "with those that it has the contact would have more than 30 custom fields";

fn fault(field: &str, reason: &'static str) -> CellError {
    CellError { column: field.to_owned(), reason: Cow::Borrowed(reason) }
}

/// Drafts of a chunk. `repeated` says that some of it may have been written before: then every number is looked at again.
pub(crate) fn draft(
    import: &Import,
    rows: Vec<Numbered>,
    known: &Lookup,
    staff: &HashMap<UserId, UserRef>,
    repeated: bool,
) -> Drafts {
    let mut drafts = Drafts::default();
    let mut contacts: HashMap<String, Draft> = HashMap::new();
    let mut states: HashMap<PhoneNumber, OptOutState> = HashMap::new();
    for (place, row) in rows {
        let row = match row {
            Ok(row) => row,
            Err(faults) => {
                drafts.report.refuse(place, faults);
                continue;
            }
        };
        let read = || known.contacts.get(&row.external_id).cloned();
        let contact = contacts.entry(row.external_id.clone()).or_insert_with(|| {
            let before = read();
            Draft { now: before.clone(), before, rows: Vec::new(), last: place, half_made: false }
        });
        if let Some(before) = contact.before.as_ref().filter(|_| repeated) {
            contact.half_made |= before.contact.id == ContactId::of_import(&import.id, place);
        }
        let state = states.entry(row.number.clone()).or_insert_with(|| {
            known.numbers.get(&row.number).map(|met| met.opt_out.state.clone()).unwrap_or_default()
        });
        match taken(import, place, contact.now.as_ref(), &row, state, staff, known) {
            Err(fault) => drafts.report.refuse(place, [fault]),
            Ok((outcome, next, opted_out)) => {
                drafts.report.accept(outcome);
                if let Some(out) = opted_out
                    && let Some(change) = opt_out::after_import(state, out)
                {
                    *state = change.state;
                    drafts.opt_outs.insert(row.number.clone(), (next.contact.id.clone(), out));
                }
                if repeated || drafts.opt_outs.contains_key(&row.number) {
                    drafts.shown.insert(row.number.clone());
                }
                (contact.now, contact.last) = (Some(next), place);
                contact.rows.push(row);
            }
        }
    }
    let mut contacts: Vec<Draft> = contacts.into_values().collect();
    contacts.sort_by_key(|contact| contact.last);
    for contact in contacts {
        drafts.put(contact, &states, known);
    }
    drafts.shown.retain(|number| known.numbers.contains_key(number)); // others have no conversation
    drafts
}

/// What one row does to a contact: the outcome, the contact afterwards, and what it says of opt-outs.
fn taken(
    import: &Import,
    place: u64,
    now: Option<&ContactEntry>,
    row: &Row,
    state: &OptOutState,
    staff: &HashMap<UserId, UserRef>,
    known: &Lookup,
) -> Result<(Outcome, ContactEntry, Option<bool>), CellError> {
    let existing =
        now.map(|entry| Existing { contact: &entry.contact, custom: &entry.custom, opt_out: state });
    let person = match &row.staff {
        Staff::Is(user) => staff.get(user),
        Staff::Absent | Staff::Blank => None,
    };
    let upsert = plan(existing, row, person)?;
    match (upsert, now) {
        (Upsert::Create(changes), _) => {
            let stranger = known.numbers.get(&row.number).and_then(|met| met.provisional.as_ref());
            let contact = Contact {
                id: ContactId::of_import(&import.id, place),
                external_id: Some(row.external_id.clone()),
                blocked: stranger.is_some_and(|stranger| stranger.contact.blocked),
                provisional: false,
                ..Contact::provisional(&import.team, &row.number)
            };
            let mut entry = ContactEntry { contact, custom: BTreeMap::new(), version: 1 };
            changes.apply(&mut entry.contact, &mut entry.custom);
            Ok((Outcome::Created, entry, changes.opted_out))
        }
        (Upsert::Update(changes), Some(now)) => {
            let entry = updated(import, now, &changes)?;
            Ok((Outcome::Updated, entry, changes.opted_out))
        }
        (Upsert::Update(_) | Upsert::Unchanged, _) => {
            let now = now.cloned().ok_or_else(|| fault("", "no contact"))?; // the plan changes only what is there
            Ok((Outcome::Unchanged, now, None))
        }
    }
}

fn updated(import: &Import, now: &ContactEntry, changes: &Changes) -> Result<ContactEntry, CellError> {
    let of_number = ContactId::provisional(&import.team, &now.contact.number);
    if changes.number.is_some() && now.contact.id == of_number {
        return Err(fault("MobileNumber", KEEPS_ITS_NUMBER));
    }
    let mut entry = now.clone();
    changes.apply(&mut entry.contact, &mut entry.custom);
    if entry.custom.len() > MAX_CUSTOM_FIELDS.max(now.custom.len()) {
        return Err(fault("", TOO_MANY_FIELDS));
    }
    entry.contact.provisional = false;
    Ok(entry)
}

/// The same rows on a contact that somebody changed meanwhile; `None` when nothing is left to change.
pub(crate) fn again(
    import: &Import,
    found: &ContactEntry,
    rows: &[Row],
    staff: &HashMap<UserId, UserRef>,
) -> Option<ContactEntry> {
    let mut entry = found.clone();
    for row in rows {
        let state = OptOutState::default(); // opt-outs go their own way
        if let Ok((_, next, _)) = taken(import, 0, Some(&entry), row, &state, staff, &Lookup::default()) {
            entry = next;
        }
    }
    (entry != *found).then_some(entry)
}

impl Drafts {
    fn put(&mut self, draft: Draft, states: &HashMap<PhoneNumber, OptOutState>, known: &Lookup) {
        let Some(mut now) = draft.now else { return };
        if draft.rows.is_empty() {
            return; // all its rows were refused
        }
        let number = now.contact.number.clone();
        let out = states.get(&number).is_some_and(OptOutState::is_out);
        if let Some(stranger) = known.numbers.get(&number).and_then(|met| met.provisional.as_ref())
            && stranger.contact.id != now.contact.id
            && !self.strangers.iter().any(|other| other.contact.id == stranger.contact.id)
        {
            self.strangers.push(stranger.clone());
            self.shown.insert(number.clone());
        }
        match draft.before {
            None => {
                now.contact.opted_out = out;
                self.shown.insert(number);
                self.created.push(now);
            }
            Some(_) if draft.half_made => self.created.push(now),
            Some(before) if before.contact == now.contact && before.custom == now.custom => {}
            Some(before) => {
                if before.contact != now.contact {
                    self.shown.insert(number);
                }
                if before.contact.number != now.contact.number {
                    now.contact.opted_out = out;
                    let old = before.contact.number.clone();
                    self.left.push(ReleasedNumber {
                        contact: before.contact.id.clone(),
                        number: old,
                        blocked: before.contact.blocked,
                    });
                }
                self.changed.push(Change { before, after: now, rows: draft.rows });
            }
        }
    }
}
