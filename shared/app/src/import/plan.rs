//! Plans a chunk: applies its rows to the existing contacts, counts the results, and groups them for writing.
//! Pure.
//!
//! Rows apply in their order, each to the result of those before it. A contact id that occurs twice is
//! created by the first row and updated by the second, and its contact is written once.

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
        Staff, TOO_MANY_TAGS, Upsert, plan, unassigned,
    },
    opt_out::{self, OptOutState},
    phone::PhoneNumber,
    user::UserRef,
};

use super::chunk::NumberedRow;

/// A contact that changes.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) before: ContactEntry,
    pub(crate) after: ContactEntry,
    /// The rows that change it.
    pub(crate) rows: Vec<Row>,
}

/// What a chunk writes.
#[derive(Debug, Default)]
pub(crate) struct ChunkPlan {
    pub(crate) report: ChunkReport,
    /// New contacts, in the order of the last rows that name them.
    pub(crate) created: Vec<ContactEntry>,
    pub(crate) changed: Vec<Change>,
    /// Numbers that are opted out (`true`) or in, with the contact whose ledger records it.
    pub(crate) opt_outs: BTreeMap<PhoneNumber, (ContactId, bool)>,
    /// Provisional contacts that an imported contact replaces.
    pub(crate) replaced: Vec<ContactEntry>,
    /// Numbers that contacts gave up.
    pub(crate) released: Vec<ReleasedNumber>,
    /// Numbers whose conversations must be updated.
    pub(crate) changed_numbers: HashSet<PhoneNumber>,
}

/// The contact ids and numbers that a chunk writes to.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    ids: HashSet<String>,
    numbers: HashSet<PhoneNumber>,
}

impl Touched {
    /// Whether any of these rows has one of these contact ids or numbers.
    pub(crate) fn any_of(&self, rows: &[NumberedRow]) -> bool {
        let mut rows = rows.iter().filter_map(|row| row.row.as_ref().ok());
        rows.any(|row| row.stored_ids().any(|id| self.ids.contains(id)) || self.numbers.contains(&row.number))
    }
}

impl ChunkPlan {
    pub(crate) fn touched(&self) -> Touched {
        let changed = self.changed.iter().flat_map(|change| [&change.before, &change.after]);
        let entries = || self.created.iter().chain(&self.replaced).chain(changed.clone());
        let released = self.released.iter().map(|released| &released.number);
        let numbers = entries().map(|entry| &entry.contact.number).chain(self.opt_outs.keys());
        Touched {
            ids: entries().filter_map(|entry| entry.contact.external_id.clone()).collect(),
            numbers: numbers.chain(released).chain(&self.changed_numbers).cloned().collect(),
        }
    }
}

#[derive(Debug)]
struct ContactDraft {
    before: Option<ContactEntry>,
    now: Option<ContactEntry>,
    rows: Vec<Row>,
    last: u64,
    /// A row of this chunk created it in an earlier attempt, which may not have written all of its items.
    partly_created: bool,
}

const KEEPS_ITS_NUMBER: &str = "this contact was created from its phone number, so the number cannot change: add a contact with the new number";
const TOO_MANY_FIELDS: &str =
    "the contact would have more than 30 custom fields, including those that it already has";

fn cell_error(field: &str, reason: &'static str) -> CellError {
    CellError { column: field.to_owned(), reason: Cow::Borrowed(reason) }
}

/// Plans a chunk. `is_repeated` if an earlier attempt may have written some of it: then every number is
/// updated again.
pub(crate) fn plan_chunk(
    import: &Import,
    rows: Vec<NumberedRow>,
    known: &Lookup,
    staff: &HashMap<UserId, UserRef>,
    is_repeated: bool,
) -> ChunkPlan {
    let mut chunk = ChunkPlan::default();
    let mut contacts: HashMap<String, ContactDraft> = HashMap::new();
    let mut states: HashMap<PhoneNumber, OptOutState> = HashMap::new();
    for NumberedRow { number, row, warning } in rows {
        let row = match row {
            Ok(row) => row,
            Err(errors) => {
                chunk.report.refuse(number, errors);
                continue;
            }
        };
        let read = || known.contacts.get(&row.external_id).cloned();
        let contact = contacts.entry(row.external_id.clone()).or_insert_with(|| {
            let before = read();
            ContactDraft {
                now: before.clone(),
                before,
                rows: Vec::new(),
                last: number,
                partly_created: false,
            }
        });
        if let Some(before) = contact.before.as_ref().filter(|_| is_repeated) {
            contact.partly_created |= before.contact.id == ContactId::of_import(&import.id, number);
        }
        let state = states.entry(row.number.clone()).or_insert_with(|| {
            known.numbers.get(&row.number).map(|found| found.opt_out.state.clone()).unwrap_or_default()
        });
        let person = assigned_user(&row, staff);
        match apply_row(import, number, contact.now.as_ref(), &row, state, person) {
            Err(error) => chunk.report.refuse(number, [error]),
            Ok((outcome, next, opted_out)) => {
                chunk.report.accept(outcome);
                for warning in warning.into_iter().chain(unassigned(&row, person)) {
                    chunk.report.warn(number, warning);
                }
                if let Some(out) = opted_out
                    && let Some(change) = opt_out::after_import(state, out)
                {
                    *state = change.state;
                    chunk.opt_outs.insert(row.number.clone(), (next.contact.id.clone(), out));
                }
                if is_repeated || chunk.opt_outs.contains_key(&row.number) {
                    chunk.changed_numbers.insert(row.number.clone());
                }
                (contact.now, contact.last) = (Some(next), number);
                contact.rows.push(row);
            }
        }
    }
    let mut contacts: Vec<ContactDraft> = contacts.into_values().collect();
    contacts.sort_by_key(|contact| contact.last);
    for contact in contacts {
        chunk.add(contact, known);
    }
    chunk.changed_numbers.retain(|number| known.numbers.contains_key(number)); // other numbers have no conversation
    chunk
}

/// The user that a row assigns. `None` if it assigns none, or if there is no such user.
fn assigned_user<'a>(row: &Row, staff: &'a HashMap<UserId, UserRef>) -> Option<&'a UserRef> {
    match &row.staff {
        Staff::Is(user) => staff.get(user),
        Staff::Absent | Staff::Blank => None,
    }
}

/// Applies a row to a contact. Returns the outcome, the contact afterwards, and what the row says about its
/// opt-out.
fn apply_row(
    import: &Import,
    number: u64,
    now: Option<&ContactEntry>,
    row: &Row,
    state: &OptOutState,
    person: Option<&UserRef>,
) -> Result<(Outcome, ContactEntry, Option<bool>), CellError> {
    let existing = now.map(|entry| Existing {
        contact: &entry.contact,
        custom: &entry.custom,
        tags: &entry.tags,
        opt_out: state,
    });
    let tags = now.map(|entry| &entry.tags);
    if tags.is_some_and(|tags| tags.with(&row.tags).is_none()) {
        return Err(cell_error("Tags", TOO_MANY_TAGS));
    }
    match (plan(existing, row, person), now) {
        (Upsert::Create(changes), _) => {
            let contact = Contact {
                id: ContactId::of_import(&import.id, number),
                external_id: Some(row.external_id.clone()),
                provisional: false,
                ..Contact::provisional(&import.team, &row.number)
            };
            let mut entry = ContactEntry { created_at: Some(import.at), ..ContactEntry::new(contact) };
            changes.apply(&mut entry.contact, &mut entry.custom, &mut entry.tags);
            Ok((Outcome::Created, entry, changes.opted_out))
        }
        (Upsert::Update(changes), Some(now)) => {
            let entry = updated(import, now, &changes)?;
            Ok((Outcome::Updated, entry, changes.opted_out))
        }
        (Upsert::Update(_) | Upsert::Unchanged, _) => {
            let now = now.cloned().ok_or_else(|| cell_error("", "no contact"))?; // `plan` returns these only for a contact that exists
            Ok((Outcome::Unchanged, now, None))
        }
    }
}

fn updated(import: &Import, now: &ContactEntry, changes: &Changes) -> Result<ContactEntry, CellError> {
    let of_number = ContactId::provisional(&import.team, &now.contact.number);
    if changes.number.is_some() && now.contact.id == of_number {
        return Err(cell_error("MobileNumber", KEEPS_ITS_NUMBER));
    }
    let mut entry = now.clone();
    changes.apply(&mut entry.contact, &mut entry.custom, &mut entry.tags);
    if entry.custom.len() > MAX_CUSTOM_FIELDS.max(now.custom.len()) {
        return Err(cell_error("", TOO_MANY_FIELDS));
    }
    entry.contact.provisional = false;
    Ok(entry)
}

/// Applies the rows of a change to a contact that a user has changed since. `None` if nothing is left to
/// change.
pub(crate) fn replan(
    import: &Import,
    found: &ContactEntry,
    rows: &[Row],
    staff: &HashMap<UserId, UserRef>,
) -> Option<ContactEntry> {
    let mut entry = found.clone();
    for row in rows {
        let state = OptOutState::default(); // opt-outs are written separately
        let person = assigned_user(row, staff);
        if let Ok((_, next, _)) = apply_row(import, 0, Some(&entry), row, &state, person) {
            entry = next;
        }
    }
    (entry != *found).then_some(entry)
}

impl ChunkPlan {
    fn add(&mut self, draft: ContactDraft, known: &Lookup) {
        let Some(mut now) = draft.now else { return };
        if draft.rows.is_empty() {
            return; // all of its rows were refused
        }
        let number = now.contact.number.clone();
        if let Some(provisional) = known.numbers.get(&number).and_then(|found| found.provisional.as_ref())
            && provisional.contact.id != now.contact.id
        {
            now.tags = now.tags.with(&provisional.tags).unwrap_or(now.tags); // those of keyword replies
            if !self.replaced.iter().any(|other| other.contact.id == provisional.contact.id) {
                self.replaced.push(provisional.clone());
                self.changed_numbers.insert(number.clone());
            }
        }
        match draft.before {
            None => {
                self.changed_numbers.insert(number);
                self.created.push(now);
            }
            Some(_) if draft.partly_created => self.created.push(now),
            Some(before)
                if before.contact == now.contact
                    && before.custom == now.custom
                    && before.tags == now.tags => {}
            Some(before) => {
                if before.contact != now.contact {
                    self.changed_numbers.insert(number);
                }
                if before.contact.number != now.contact.number {
                    let old = before.contact.number.clone();
                    self.released.push(ReleasedNumber { contact: before.contact.id.clone(), number: old });
                }
                self.changed.push(Change { before, after: now, rows: draft.rows });
            }
        }
    }
}
