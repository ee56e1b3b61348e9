//! What a row changes about its contact.

use std::collections::BTreeMap;

use super::row::{CellError, Row, Staff};
use crate::{
    contact::Contact,
    opt_out::{self, OptOutState},
    phone::PhoneNumber,
    tag::Tags,
    text,
    user::UserRef,
};

/// The team's contact that has the row's contact id.
#[derive(Debug, Clone, Copy)]
pub struct Existing<'a> {
    /// As stored.
    pub contact: &'a Contact,
    /// Its custom fields, as stored.
    pub custom: &'a BTreeMap<String, String>,
    /// Its tags.
    pub tags: &'a Tags,
    /// The opt-out state of the row's number in the team. If the row brings a new number, the caller reads
    /// that one's.
    pub opt_out: &'a OptOutState,
}

/// What happens to the contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upsert {
    /// A new contact is created from these values.
    Create(Changes),
    /// These values change.
    Update(Changes),
    /// The contact already is as the row says.
    Unchanged,
}

/// The changes of a row. `None` leaves a value as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The new given name; `Some(None)` clears it.
    pub first_name: Option<Option<String>>,
    /// The new family name; `Some(None)` clears it.
    pub last_name: Option<Option<String>>,
    /// The new number. Opt-outs belong to numbers, not to contacts, so the new number has a state of its own.
    pub number: Option<PhoneNumber>,
    /// The new assigned user; `Some(None)` clears the assignment.
    pub assigned: Option<Option<UserRef>>,
    /// `true` opts the number out; `false` lifts an opt-out made by an import or a user.
    pub opted_out: Option<bool>,
    /// Custom fields to set, or to clear (`None`).
    pub custom: BTreeMap<String, Option<String>>,
    /// All tags of the contact, if the row adds some.
    pub tags: Option<Tags>,
}

/// Why the tags of a row are not added to a contact: it would have more than 50.
pub const TOO_MANY_TAGS: &str =
    "the contact would have more than 50 tags, including those that it already has";

/// Plans what a row changes. `existing` is the contact with the row's contact id, if there is one. `staff` is
/// the user that the row assigns. If it is `None`, the assignment stays as it is, and
/// [`unassigned`] says why.
pub fn plan(existing: Option<Existing<'_>>, row: &Row, staff: Option<&UserRef>) -> Upsert {
    let assigned = match &row.staff {
        Staff::Absent => None,
        Staff::Blank => Some(None),
        Staff::Is(_) => staff.cloned().map(Some),
    };
    let Some(Existing { contact, custom, tags, opt_out }) = existing else {
        return Upsert::Create(created(row, assigned.flatten()));
    };
    let changes = Changes {
        first_name: changed(&contact.first_name, &row.first_name),
        last_name: changed(&contact.last_name, &row.last_name),
        number: changed(&contact.number, &row.number),
        assigned: assigned.filter(|assigned| *assigned != contact.assigned),
        opted_out: row.opted_out.filter(|out| opt_out::after_import(opt_out, *out).is_some()),
        custom: row
            .custom
            .iter()
            .map(|(name, value)| (stored_name(custom, name), value))
            .filter(|(name, value)| custom.get(*name) != value.as_ref())
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect(),
        tags: tags.with(&row.tags).filter(|all| all != tags),
    };
    if changes == Changes::default() { Upsert::Unchanged } else { Upsert::Update(changes) }
}

/// Why the assignment of a row is not set, or `None`. People who left are still in old lists, so such a row
/// is imported without it.
pub fn unassigned(row: &Row, staff: Option<&UserRef>) -> Option<CellError> {
    let is_unknown = matches!(row.staff, Staff::Is(_)) && staff.is_none();
    is_unknown.then(|| CellError::new("StaffId", UNASSIGNED))
}

const UNASSIGNED: &str = "no user with this id: the assigned user was not changed";

/// The name under which a custom field is stored. Names that were stored before texts were cleaned may have
/// another form.
fn stored_name<'a>(custom: &'a BTreeMap<String, String>, name: &'a str) -> &'a str {
    if custom.contains_key(name) {
        return name;
    }
    custom.keys().find(|stored| text::clean(stored).trim() == name).map_or(name, String::as_str)
}

fn created(row: &Row, assigned: Option<UserRef>) -> Changes {
    Changes {
        first_name: Some(row.first_name.clone()),
        last_name: Some(row.last_name.clone()),
        number: Some(row.number.clone()),
        assigned: Some(assigned),
        opted_out: row.opted_out.filter(|out| *out),
        custom: row
            .custom
            .iter()
            .filter(|(_, value)| value.is_some())
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect(),
        tags: Some(row.tags.clone()).filter(|tags| !tags.is_empty()),
    }
}

fn changed<T: Clone + PartialEq>(stored: &T, new: &T) -> Option<T> {
    (stored != new).then(|| new.clone())
}

impl Changes {
    /// Applies the changes to a contact, its custom fields and its tags. Opt-outs are applied to their own
    /// state.
    pub fn apply(&self, contact: &mut Contact, custom: &mut BTreeMap<String, String>, tags: &mut Tags) {
        if let Some(name) = &self.first_name {
            contact.first_name.clone_from(name);
        }
        if let Some(name) = &self.last_name {
            contact.last_name.clone_from(name);
        }
        if let Some(number) = &self.number {
            contact.number = number.clone();
        }
        if let Some(assigned) = &self.assigned {
            contact.assigned.clone_from(assigned);
        }
        for (name, value) in &self.custom {
            match value {
                Some(value) => custom.insert(name.clone(), value.clone()),
                None => custom.remove(name),
            };
        }
        if let Some(all) = &self.tags {
            tags.clone_from(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        ids::{TeamId, UserId},
        opt_out::OptOutSource,
    };

    fn user(id: &str) -> UserRef {
        UserRef { id: UserId::parse(id).unwrap(), name: id.to_uppercase() }
    }

    fn number(last: u8) -> PhoneNumber {
        PhoneNumber::from_carrier(&format!("+1202555014{last}")).unwrap()
    }

    fn row() -> Row {
        Row {
            external_id: "S-7".into(),
            other_ids: Vec::new(),
            first_name: Some("Ada".into()),
            last_name: None,
            number: number(3),
            opted_out: None,
            staff: Staff::Absent,
            tags: Tags::default(),
            custom: BTreeMap::from([("Bus".into(), Some("12".into())), ("Room".into(), None)]),
        }
    }

    fn contact() -> (Contact, BTreeMap<String, String>) {
        let contact = Contact {
            external_id: Some("S-7".into()),
            first_name: Some("Ada".into()),
            assigned: Some(user("ben")),
            provisional: false,
            ..Contact::provisional(&TeamId::parse("team_1").unwrap(), &number(3))
        };
        (contact, BTreeMap::from([("Bus".into(), "12".into()), ("Other".into(), "kept".into())]))
    }

    fn planned(row: &Row, state: &OptOutState, staff: Option<&UserRef>) -> Upsert {
        let (contact, custom) = contact();
        let tags = &Tags::default();
        plan(Some(Existing { contact: &contact, custom: &custom, tags, opt_out: state }), row, staff)
    }

    fn updated(row: &Row, state: &OptOutState, staff: Option<&UserRef>) -> Changes {
        match planned(row, state, staff) {
            Upsert::Update(changes) => changes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_row_that_says_what_is_stored_changes_nothing() {
        assert_eq!(planned(&row(), &OptOutState::default(), None), Upsert::Unchanged);
    }

    #[test]
    fn only_values_that_differ_change() {
        let other = Row {
            first_name: None,
            last_name: Some("L".into()),
            number: number(4),
            custom: BTreeMap::from([("Bus".into(), None), ("Room".into(), Some("B".into()))]),
            ..row()
        };
        let changes = updated(&other, &OptOutState::default(), None);
        let expected = Changes {
            first_name: Some(None),
            last_name: Some(Some("L".into())),
            number: Some(number(4)),
            custom: other.custom.clone(),
            ..Changes::default()
        };
        assert_eq!(changes, expected);
        let (mut contact, mut custom) = contact();
        changes.apply(&mut contact, &mut custom, &mut Tags::default());
        assert_eq!((contact.first_name, contact.last_name.as_deref()), (None, Some("L")));
        assert_eq!(custom, BTreeMap::from([("Room".into(), "B".into()), ("Other".into(), "kept".into())]));
    }

    #[test]
    fn a_custom_field_whose_name_was_stored_in_another_form_keeps_it() {
        let (contact, _) = contact();
        let custom = BTreeMap::from([("Cafe\u{301}".to_owned(), "1".to_owned())]);
        let existing = Existing {
            contact: &contact,
            custom: &custom,
            tags: &Tags::default(),
            opt_out: &OptOutState::default(),
        };
        let with =
            |value: &str| Row { custom: BTreeMap::from([("Café".into(), Some(value.into()))]), ..row() };
        assert_eq!(plan(Some(existing), &with("1"), None), Upsert::Unchanged);
        let Upsert::Update(changes) = plan(Some(existing), &with("2"), None) else { panic!() };
        assert_eq!(changes.custom, BTreeMap::from([("Cafe\u{301}".into(), Some("2".into()))]));
    }

    #[test]
    fn tags_of_a_file_are_added_and_none_is_removed() {
        let (contact, custom) = contact();
        let stored = Tags::from_cell("VIP").unwrap();
        let existing =
            Existing { contact: &contact, custom: &custom, tags: &stored, opt_out: &OptOutState::default() };
        let with = |cell: &str| Row { tags: Tags::from_cell(cell).unwrap(), ..row() };
        assert_eq!(plan(Some(existing), &with("vip"), None), Upsert::Unchanged);
        let Upsert::Update(changes) = plan(Some(existing), &with("Parent"), None) else { panic!() };
        assert_eq!(changes.tags, Some(Tags::from_cell("Parent, VIP").unwrap()));
        let Upsert::Create(changes) = plan(None, &with("Parent"), None) else { panic!() };
        assert_eq!(changes.tags, Some(Tags::from_cell("Parent").unwrap()));
    }

    #[test]
    fn a_blank_staff_id_clears_the_assignment_and_a_missing_column_leaves_it() {
        let with = |staff| Row { staff, ..row() };
        let state = OptOutState::default();
        assert_eq!(updated(&with(Staff::Blank), &state, None).assigned, Some(None));
        let ben = with(Staff::Is(user("ben").id));
        assert_eq!(planned(&ben, &state, Some(&user("ben"))), Upsert::Unchanged);
        let cy = with(Staff::Is(user("cy").id));
        assert_eq!(updated(&cy, &state, Some(&user("cy"))).assigned, Some(Some(user("cy"))));
    }

    #[test]
    fn the_assignment_of_an_unknown_user_is_reported_and_the_rest_of_the_row_imported() {
        let cy = Row { staff: Staff::Is(user("cy").id), last_name: Some("L".into()), ..row() };
        let changes = updated(&cy, &OptOutState::default(), None);
        assert_eq!((changes.assigned, changes.last_name), (None, Some(Some("L".into()))));
        let Upsert::Create(changes) = plan(None, &cy, None) else { panic!() };
        assert_eq!(changes.assigned, Some(None));
        let error = unassigned(&cy, None).unwrap();
        assert_eq!((error.column.as_str(), error.reason.as_ref()), ("StaffId", UNASSIGNED));
        assert_eq!(unassigned(&cy, Some(&user("cy"))), None);
        assert_eq!(unassigned(&row(), None), None);
    }

    #[test]
    fn opted_out_follows_the_rules_for_opt_outs() {
        let with = |opted_out| Row { opted_out, ..row() };
        let (stopped, imported) =
            (OptOutState::out_by([OptOutSource::Keyword]), OptOutState::out_by([OptOutSource::Import]));
        assert_eq!(updated(&with(Some(true)), &OptOutState::default(), None).opted_out, Some(true));
        assert_eq!(updated(&with(Some(false)), &imported, None).opted_out, Some(false));
        assert_eq!(planned(&with(None), &imported, None), Upsert::Unchanged, "a blank cell changes nothing");
        assert_eq!(
            planned(&with(Some(false)), &stopped, None),
            Upsert::Unchanged,
            "only the contact can undo STOP"
        );
        assert_eq!(planned(&with(Some(true)), &imported, None), Upsert::Unchanged);
    }

    #[test]
    fn a_new_contact_is_created_from_the_row() {
        let row = Row { opted_out: Some(false), staff: Staff::Blank, ..row() };
        let expected = Changes {
            first_name: Some(Some("Ada".into())),
            last_name: Some(None),
            number: Some(number(3)),
            assigned: Some(None),
            opted_out: None,
            tags: None,
            custom: BTreeMap::from([("Bus".into(), Some("12".into()))]),
        };
        assert_eq!(plan(None, &row, None), Upsert::Create(expected));
        let out = Row { opted_out: Some(true), ..row };
        let Upsert::Create(changes) = plan(None, &out, None) else { panic!() };
        assert_eq!(changes.opted_out, Some(true));
    }

    fn rows() -> impl Strategy<Value = Row> {
        let text = || prop::option::of("[a-c]{1,2}");
        let staff = prop::sample::select(vec![Staff::Absent, Staff::Blank, Staff::Is(user("ben").id)]);
        let custom = prop::collection::btree_map("[x-z]", text(), 0..3);
        let tags = prop::sample::select(vec!["", "vip", "VIP, new"]);
        (text(), text(), 0_u8..3, prop::option::of(any::<bool>()), staff, custom, tags).prop_map(
            |(first_name, last_name, last, opted_out, staff, custom, tags)| Row {
                external_id: "S-7".into(),
                other_ids: Vec::new(),
                first_name,
                last_name,
                number: number(last),
                opted_out,
                staff,
                tags: Tags::from_cell(tags).unwrap(),
                custom,
            },
        )
    }

    proptest! {
        #[test]
        fn the_same_row_again_changes_nothing(first in rows(), row in rows()) {
            let ben = user("ben");
            let (mut contact, mut custom, mut state) = (contact().0, BTreeMap::new(), OptOutState::default());
            let mut tags = Tags::default();
            for row in [&first, &row, &row] {
                let existing = Existing {
                    contact: &contact.clone(),
                    custom: &custom.clone(),
                    tags: &tags.clone(),
                    opt_out: &state.clone(),
                };
                let staff = matches!(row.staff, Staff::Is(_)).then_some(&ben);
                let upsert = plan(Some(existing), row, staff);
                if let Upsert::Update(changes) = &upsert {
                    changes.apply(&mut contact, &mut custom, &mut tags);
                    if let Some(change) = changes.opted_out.and_then(|out| opt_out::after_import(&state, out)) {
                        state = change.state;
                    }
                }
                let existing = Existing { contact: &contact, custom: &custom, tags: &tags, opt_out: &state };
                prop_assert_eq!(plan(Some(existing), row, staff), Upsert::Unchanged);
                prop_assert_eq!((&contact.first_name, &contact.last_name, &contact.number),
                    (&row.first_name, &row.last_name, &row.number));
                prop_assert!(row.opted_out.is_none_or(|out| out == state.is_out()));
            }
        }
    }
}
