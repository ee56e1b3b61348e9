//! What a row changes.

use std::collections::BTreeMap;

use super::row::{NO_SUCH_USER, Row, RowError, Staff};
use crate::{
    contact::Contact,
    opt_out::{self, OptOutState},
    phone::PhoneNumber,
    user::UserRef,
};

/// The contact of the team with the row's contact id.
#[derive(Debug, Clone, Copy)]
pub struct Existing<'a> {
    /// As it is stored.
    pub contact: &'a Contact,
    /// Its custom fields.
    pub custom: &'a BTreeMap<String, String>,
    /// Where its number stands with the team's opt-outs.
    pub opt_out: &'a OptOutState,
}

/// What becomes of the contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upsert {
    /// A new one, made of these.
    Create(Changes),
    /// These change, and nothing else.
    Update(Changes),
    /// The row says what is known.
    Unchanged,
}

/// What a row changes; absent is what stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Given name, or none any more.
    pub first_name: Option<Option<String>>,
    /// Family name, or none any more.
    pub last_name: Option<Option<String>>,
    /// Another number. What is known of opt-outs belongs to the number, not to the contact: see the new number's.
    pub number: Option<PhoneNumber>,
    /// Another user, or nobody any more.
    pub assigned: Option<Option<UserRef>>,
    /// Opted out by this row (`true`), or what an import or user closed is opened (`false`).
    pub opted_out: Option<bool>,
    /// Custom fields set, or cleared.
    pub custom: BTreeMap<String, Option<String>>,
}

/// What a row does to the contact with its contact id. `staff` is the user whom the row assigns, as the organization knows
/// it, or `None` when it knows no such user (or the row assigns nobody). The opt-out state of a number that only now comes
/// to the contact is read by the caller: `existing.opt_out` has to be that of the row's number.
///
/// # Errors
/// The fault of the row, when it assigns somebody unknown.
pub fn plan(existing: Option<Existing<'_>>, row: &Row, staff: Option<&UserRef>) -> Result<Upsert, RowError> {
    let assigned = match (&row.staff, staff) {
        (Staff::Absent, _) => None,
        (Staff::Blank, _) => Some(None),
        (Staff::Is(wanted), Some(person)) if person.id == *wanted => Some(Some(person.clone())),
        (Staff::Is(_), _) => return Err(RowError::new("StaffId", NO_SUCH_USER)),
    };
    let Some(Existing { contact, custom, opt_out }) = existing else {
        return Ok(Upsert::Create(created(row, assigned.flatten())));
    };
    let changes = Changes {
        first_name: differs(&contact.first_name, &row.first_name),
        last_name: differs(&contact.last_name, &row.last_name),
        number: differs(&contact.number, &row.number),
        assigned: assigned.filter(|assigned| *assigned != contact.assigned),
        opted_out: row.opted_out.filter(|wanted| opt_out::after_import(opt_out, *wanted).is_some()),
        custom: row
            .custom
            .iter()
            .filter(|(name, value)| custom.get(*name) != value.as_ref())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    };
    Ok(if changes == Changes::default() { Upsert::Unchanged } else { Upsert::Update(changes) })
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
    }
}

fn differs<T: Clone + PartialEq>(kept: &T, wanted: &T) -> Option<T> {
    (kept != wanted).then(|| wanted.clone())
}

impl Changes {
    /// Writes the changes into a contact and its custom fields; opt-outs are written by way of their state.
    pub fn apply(&self, contact: &mut Contact, custom: &mut BTreeMap<String, String>) {
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

    fn person(id: &str) -> UserRef {
        UserRef { id: UserId::parse(id).unwrap(), name: id.to_uppercase() }
    }

    fn number(last: u8) -> PhoneNumber {
        PhoneNumber::from_carrier(&format!("+1202555014{last}")).unwrap()
    }

    fn row() -> Row {
        Row {
            external_id: "S-7".into(),
            first_name: Some("Ada".into()),
            last_name: None,
            number: number(3),
            opted_out: None,
            staff: Staff::Absent,
            custom: BTreeMap::from([("Bus".into(), Some("12".into())), ("Room".into(), None)]),
        }
    }

    fn contact() -> (Contact, BTreeMap<String, String>) {
        let contact = Contact {
            external_id: Some("S-7".into()),
            first_name: Some("Ada".into()),
            assigned: Some(person("ben")),
            provisional: false,
            ..Contact::provisional(&TeamId::parse("team_1").unwrap(), &number(3))
        };
        (contact, BTreeMap::from([("Bus".into(), "12".into()), ("Other".into(), "kept".into())]))
    }

    fn planned(row: &Row, state: &OptOutState, staff: Option<&UserRef>) -> Result<Upsert, RowError> {
        let (contact, custom) = contact();
        plan(Some(Existing { contact: &contact, custom: &custom, opt_out: state }), row, staff)
    }

    fn updated(row: &Row, state: &OptOutState, staff: Option<&UserRef>) -> Changes {
        match planned(row, state, staff) {
            Ok(Upsert::Update(changes)) => changes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_row_that_says_what_is_known_changes_nothing() {
        assert_eq!(planned(&row(), &OptOutState::default(), None), Ok(Upsert::Unchanged));
    }

    #[test]
    fn only_what_differs_changes() {
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
        changes.apply(&mut contact, &mut custom);
        assert_eq!((contact.first_name, contact.last_name.as_deref()), (None, Some("L")));
        assert_eq!(custom, BTreeMap::from([("Room".into(), "B".into()), ("Other".into(), "kept".into())]));
    }

    #[test]
    fn a_blank_staff_id_clears_and_a_missing_column_leaves_alone() {
        let with = |staff| Row { staff, ..row() };
        let state = OptOutState::default();
        assert_eq!(updated(&with(Staff::Blank), &state, None).assigned, Some(None));
        let ben = with(Staff::Is(person("ben").id));
        assert_eq!(planned(&ben, &state, Some(&person("ben"))), Ok(Upsert::Unchanged));
        let cy = with(Staff::Is(person("cy").id));
        assert_eq!(updated(&cy, &state, Some(&person("cy"))).assigned, Some(Some(person("cy"))));
        for unknown in [None, Some(person("ben"))] {
            let fault = planned(&cy, &state, unknown.as_ref()).unwrap_err();
            assert_eq!((fault.field.as_str(), fault.reason.as_ref()), ("StaffId", "no user with this id"));
        }
        assert!(plan(None, &cy, None).is_err());
    }

    #[test]
    fn opted_out_follows_the_rules_of_opt_outs() {
        let with = |opted_out| Row { opted_out, ..row() };
        let (stopped, imported) =
            (OptOutState::out_by([OptOutSource::Keyword]), OptOutState::out_by([OptOutSource::Import]));
        assert_eq!(updated(&with(Some(true)), &OptOutState::default(), None).opted_out, Some(true));
        assert_eq!(updated(&with(Some(false)), &imported, None).opted_out, Some(false));
        assert_eq!(planned(&with(None), &imported, None), Ok(Upsert::Unchanged), "blank keeps");
        assert_eq!(
            planned(&with(Some(false)), &stopped, None),
            Ok(Upsert::Unchanged),
            "STOP is the person's"
        );
        assert_eq!(planned(&with(Some(true)), &imported, None), Ok(Upsert::Unchanged));
    }

    #[test]
    fn a_new_contact_is_made_of_what_the_row_says() {
        let row = Row { opted_out: Some(false), staff: Staff::Blank, ..row() };
        let expected = Changes {
            first_name: Some(Some("Ada".into())),
            last_name: Some(None),
            number: Some(number(3)),
            assigned: Some(None),
            opted_out: None,
            custom: BTreeMap::from([("Bus".into(), Some("12".into()))]),
        };
        assert_eq!(plan(None, &row, None), Ok(Upsert::Create(expected)));
        let out = Row { opted_out: Some(true), ..row };
        let Ok(Upsert::Create(changes)) = plan(None, &out, None) else { panic!() };
        assert_eq!(changes.opted_out, Some(true));
    }

    fn rows() -> impl Strategy<Value = Row> {
        let text = || prop::option::of("[a-c]{1,2}");
        let staff = prop::sample::select(vec![Staff::Absent, Staff::Blank, Staff::Is(person("ben").id)]);
        let custom = prop::collection::btree_map("[x-z]", text(), 0..3);
        (text(), text(), 0_u8..3, prop::option::of(any::<bool>()), staff, custom).prop_map(
            |(first_name, last_name, last, opted_out, staff, custom)| Row {
                external_id: "S-7".into(),
                first_name,
                last_name,
                number: number(last),
                opted_out,
                staff,
                custom,
            },
        )
    }

    proptest! {
        #[test]
        fn the_same_row_twice_changes_nothing_more(first in rows(), row in rows()) {
            let ben = person("ben");
            let (mut contact, mut custom, mut state) = (contact().0, BTreeMap::new(), OptOutState::default());
            for row in [&first, &row, &row] {
                let existing = Existing { contact: &contact.clone(), custom: &custom.clone(), opt_out: &state.clone() };
                let staff = matches!(row.staff, Staff::Is(_)).then_some(&ben);
                let upsert = plan(Some(existing), row, staff).unwrap();
                if let Upsert::Update(changes) = &upsert {
                    changes.apply(&mut contact, &mut custom);
                    if let Some(change) = changes.opted_out.and_then(|out| opt_out::after_import(&state, out)) {
                        state = change.state;
                    }
                }
                let existing = Existing { contact: &contact, custom: &custom, opt_out: &state };
                prop_assert_eq!(plan(Some(existing), row, staff), Ok(Upsert::Unchanged));
                prop_assert_eq!((&contact.first_name, &contact.last_name, &contact.number),
                    (&row.first_name, &row.last_name, &row.number));
                prop_assert!(row.opted_out.is_none_or(|out| out == state.is_out()));
            }
        }
    }
}
