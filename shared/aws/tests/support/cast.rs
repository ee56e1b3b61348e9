//! Who and what the tests are about, in realistic sizes.

use std::time::Duration;

use shared_aws::{messaging::InboundText, team::AuditEvent};
use shared_domain::{
    contact::Contact,
    ids::{ContactId, InboxId, OrganizationId, TeamId, UserId},
    inbox::{Inbox, InboxKind, Stage},
    membership::Membership,
    message::Message,
    phone::PhoneNumber,
    registration::RegistrationStatus,
    team::Team,
    time::Timestamp,
    user::{User, UserRef},
};

/// When every test begins.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// So long after the beginning.
pub(crate) fn seconds(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}

fn person(id: &str, name: &str) -> UserRef {
    UserRef { id: UserId::parse(id).unwrap(), name: name.to_owned() }
}

pub(crate) fn ada() -> UserRef {
    person("staff-104217", "Ada Oyelaran")
}

pub(crate) fn ben() -> UserRef {
    person("staff-104388", "Benjamin Castellanos")
}

pub(crate) fn cleo() -> UserRef {
    person("staff-100912", "Cleo Van der Meer")
}

/// One of many.
pub(crate) fn colleague(place: usize) -> UserRef {
    person(&format!("staff-{:06}", 200_000 + place), &format!("Colleague {place}"))
}

/// A contact's number.
pub(crate) fn number(place: usize) -> PhoneNumber {
    PhoneNumber::from_carrier(&format!("+1202555{place:04}")).unwrap()
}

/// The inbox of the front desk.
pub(crate) fn shared_inbox() -> Inbox {
    Inbox {
        organization: OrganizationId::new(START, 11),
        id: InboxId::new(START, 22),
        team: TeamId::new(START, 33),
        kind: InboxKind::Shared,
        name: "Admissions front desk".into(),
        color: "#336699".into(),
        api_code: "ADMISSIONS".into(),
        number: PhoneNumber::from_carrier("+12025550100").unwrap(),
        number_sid: None,
        voice_forwarding: None,
        creator: None,
        stage: Stage::Active,
    }
}

/// Another inbox of the same team, in use.
pub(crate) fn another_inbox(place: usize) -> Inbox {
    Inbox {
        id: InboxId::new(START, 5_000 + place as u64),
        name: format!("Advising {place}"),
        api_code: format!("ADVISING-{place}"),
        number: PhoneNumber::from_carrier(&format!("+1303555{place:04}")).unwrap(),
        ..shared_inbox()
    }
}

/// The team of the front desk, in this state.
pub(crate) fn team_that_is(registration: RegistrationStatus) -> Team {
    Team {
        id: shared_inbox().team,
        name: "Admissions".into(),
        registration,
        messaging_service: Some("MG0123456789abcdef0123456789abcdef".into()),
    }
}

/// A person as a user of the organization.
pub(crate) fn user(person: &UserRef) -> User {
    let email = format!("{}@college.example", person.id);
    User { id: person.id.clone(), name: person.name.clone(), email, owner: false }
}

/// This person as a member of this inbox.
pub(crate) fn membership(inbox: &Inbox, person: &UserRef) -> Membership {
    Membership { inbox: inbox.id.clone(), kind: inbox.kind, team: inbox.team.clone(), user: person.clone() }
}

/// Something that this person does.
pub(crate) fn audit_event<'a>(
    by: &'a UserRef,
    action: &'static str,
    target: &'a str,
    at: Timestamp,
) -> AuditEvent<'a> {
    AuditEvent { actor: &by.id, action, target, at, entropy: shared_lambda::clock::entropy() }
}

const FIRST_NAMES: [&str; 10] =
    ["Liam", "Olivia", "Noah", "Charlotte", "Mateo", "Guadalupe", "Wei", "Alexander", "Sofia", "Maximiliana"];
const LAST_NAMES: [&str; 10] = [
    "Smith",
    "Johnson",
    "Nguyen",
    "Featherstonehaugh",
    "Garcia",
    "Oyelaran",
    "Lee",
    "Rodriguez",
    "Castellanos",
    "Kim",
];

/// Somebody of the team's list, with a name as short or long as names are, assigned to a colleague.
pub(crate) fn contact(place: usize) -> Contact {
    let assigned = [ada(), ben(), cleo()][place % 3].clone();
    Contact {
        id: ContactId::new(START, 1_000 + place as u64),
        external_id: Some(format!("S-2026-{place:06}")),
        first_name: Some(FIRST_NAMES[place % 10].into()),
        last_name: Some(LAST_NAMES[place / 10 % 10].into()),
        number: number(place),
        assigned: Some(assigned),
        opted_out: false,
        blocked: false,
        provisional: false,
    }
}

/// A text of ours, queued.
pub(crate) fn draft(inbox: &Inbox, to: &PhoneNumber, words: &str, by: &UserRef, at: Timestamp) -> Message {
    Message { sender: Some(by.clone()), ..Message::outbound(inbox, to, words.to_owned(), at, 7) }
}

/// A text as the carrier reports it.
pub(crate) fn incoming(from: &PhoneNumber, carrier_id: &str, words: &str) -> InboundText {
    InboundText {
        carrier: "twilio",
        carrier_id: carrier_id.to_owned(),
        from: from.clone(),
        text: words.to_owned(),
        media: Vec::new(),
    }
}
