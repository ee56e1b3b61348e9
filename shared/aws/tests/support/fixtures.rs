//! Users, an inbox, contacts and messages of realistic sizes, because the cost tests count bytes.

use std::time::Duration;

use shared_aws::team::AuditEvent;
use shared_domain::{
    contact::Contact,
    ids::{ContactId, InboxId, OrganizationId, TeamId},
    inbox::Inbox,
    message::Message,
    phone::PhoneNumber,
    registration::RegistrationStatus,
    team::Team,
    time::Timestamp,
    user::{User, UserRef},
};
use test_kit::build;

/// The time at which every test starts.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Returns the time `seconds` after [`START`].
pub(crate) fn at_second(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}

pub(crate) fn ada() -> UserRef {
    build::user_ref("staff-104217", "Ada Oyelaran")
}

pub(crate) fn ben() -> UserRef {
    build::user_ref("staff-104388", "Benjamin Castellanos")
}

pub(crate) fn cleo() -> UserRef {
    build::user_ref("staff-100912", "Cleo Van der Meer")
}

/// Returns one of many other users.
pub(crate) fn colleague(index: usize) -> UserRef {
    build::user_ref(&format!("staff-{:06}", 200_000 + index), &format!("Colleague {index}"))
}

/// Returns the number of [`contact`].
pub(crate) fn number(index: usize) -> PhoneNumber {
    build::number(&format!("+1202555{index:04}"))
}

/// Returns the active inbox that [`TestStores`](super::TestStores) contains.
pub(crate) fn shared_inbox() -> Inbox {
    Inbox {
        organization: OrganizationId::new(START, 11),
        id: InboxId::new(START, 22),
        team: TeamId::new(START, 33),
        name: "Admissions front desk".into(),
        api_code: "ADMISSIONS".into(),
        ..build::inbox()
    }
}

/// Returns another active inbox of the same team.
pub(crate) fn other_inbox(index: usize) -> Inbox {
    Inbox {
        id: InboxId::new(START, 5_000 + index as u64),
        name: format!("Advising {index}"),
        api_code: format!("ADVISING-{index}"),
        number: build::number(&format!("+1303555{index:04}")),
        ..shared_inbox()
    }
}

/// Returns the team of [`shared_inbox`].
pub(crate) fn team_with_registration(registration: RegistrationStatus) -> Team {
    Team {
        id: shared_inbox().team,
        name: "Admissions".into(),
        registration,
        messaging_service: Some("MG0123456789abcdef0123456789abcdef".into()),
        segments_per_second: Some(40),
        hold: false,
        retention: None,
    }
}

/// Returns the user of a reference.
pub(crate) fn user(of: &UserRef) -> User {
    let email = format!("{}@college.example", of.id);
    User { id: of.id.clone(), name: of.name.clone(), email, owner: false }
}

pub(crate) fn audit_event<'a>(
    actor: &'a UserRef,
    action: &'static str,
    target: &'a str,
    at: Timestamp,
) -> AuditEvent<'a> {
    AuditEvent { actor: &actor.id, action, target, at, entropy: shared_lambda::clock::entropy() }
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

/// Returns a contact of the team's list. The names differ in length, and each contact has an assigned user.
pub(crate) fn contact(index: usize) -> Contact {
    Contact {
        id: ContactId::new(START, 1_000 + index as u64),
        external_id: Some(format!("S-2026-{index:06}")),
        first_name: Some(FIRST_NAMES[index % 10].into()),
        last_name: Some(LAST_NAMES[index / 10 % 10].into()),
        number: number(index),
        assigned: Some([ada(), ben(), cleo()][index % 3].clone()),
        ..build::contact()
    }
}

/// Returns a queued outbound message.
pub(crate) fn outbound_message(
    inbox: &Inbox,
    to: &PhoneNumber,
    text: &str,
    sender: &UserRef,
    at: Timestamp,
) -> Message {
    Message { text: text.to_owned(), ..build::message(inbox, to, sender, at, 7) }
}
