//! Profiles, new inboxes, and registrations.

use shared_aws::{
    inbox::{Completed, Reserved},
    registration::Transition,
    table::Idempotency,
    team::UserProfile,
};
use shared_domain::{
    ids::{InboxId, TeamId},
    inbox::{Inbox, Stage},
    keys::TeamKey,
    membership::{Role, TeamRole},
    registration::{CarrierReason, RegistrationStatus},
    team::Team,
};

use crate::{
    registrations,
    support::{
        TestStores, ada, at_second, audit_event, cleo, membership, other_inbox, team_with_registration, user,
    },
};

use super::Measurements;

/// Reads a member of three teams and `inboxes` inboxes as `GET /v1/me` does.
pub(super) async fn profile(measured: &mut Measurements, inboxes: usize, [query, batch]: [&'static str; 2]) {
    let stores = &measured.stores;
    let organization = stores.organization();
    stores.members.put_user(organization, &user(&cleo())).await.unwrap();
    for index in 0..3 {
        let team = Team {
            id: TeamId::new(at_second(0), 33 + index),
            ..team_with_registration(RegistrationStatus::Approved)
        };
        stores.teams.put(organization, &team).await.unwrap();
        let role = TeamRole { team: team.id, role: Role::Member, can_broadcast: false };
        stores.team_members.put_role(organization, &user(&cleo()), &role).await.unwrap();
    }
    for index in 0..inboxes {
        let inbox = Inbox { team: TeamId::new(at_second(0), 33 + index as u64 % 3), ..other_inbox(index) };
        stores.inboxes.put(&inbox).await.unwrap();
        stores.members.put(organization, &membership(&inbox, &cleo())).await.unwrap();
    }
    let read =
        async |stores: &TestStores| stores.members.profile(stores.organization(), &cleo().id).await.unwrap();
    let profile: UserProfile = measured.measure(query, read).await.unwrap();
    assert_eq!((profile.teams.len(), profile.inboxes.len()), (3, inboxes));
    let wanted: Vec<InboxId> = profile.inboxes.into_iter().map(|of_user| of_user.inbox).collect();
    let teams: Vec<TeamId> = profile.teams.into_iter().map(|role| role.team).collect();
    let read = async |stores: &TestStores| {
        stores.inboxes.with_teams(stores.organization(), &wanted, &teams).await.unwrap()
    };
    let (found, teams) = measured.measure(batch, read).await;
    assert_eq!((found.len(), teams.len()), (inboxes, 3));
}

pub(super) async fn new_inbox(measured: &mut Measurements) {
    let stores = &measured.stores;
    let (organization, team) =
        (stores.organization(), team_with_registration(RegistrationStatus::NotStarted));
    stores.teams.put(organization, &team).await.unwrap();
    stores.members.put_user(organization, &user(&ada())).await.unwrap();
    let role = TeamRole { team: team.id.clone(), role: Role::Admin, can_broadcast: false };
    stores.team_members.put_role(organization, &user(&ada()), &role).await.unwrap();
    let role = async |stores: &TestStores| {
        stores
            .members
            .user_in_team(TeamKey { organization: stores.organization(), team: &team.id }, &ada().id)
            .await
            .unwrap()
    };
    assert!(measured.measure("check a role in a team", role).await.unwrap().manages());
    let key = Idempotency {
        principal: "staff-104217",
        route: "inbox",
        key: "0d9c7f3e-5d6c-4f0a-9b7e-2f1d8c3b4a59",
        body: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    };
    for (operation, index, key) in
        [("reserve an inbox", 100, None), ("reserve an inbox, with idempotency key", 101, Some(key))]
    {
        let reserve = async |stores: &TestStores| {
            stores.new_inboxes.reserve(&reserved_inbox(index), None, 50, key, at_second(0)).await.unwrap()
        };
        assert_eq!(measured.measure(operation, reserve).await, Reserved::Done);
    }
    let opening = registrations::step("begun", RegistrationStatus::Pending, at_second(1));
    for (operation, index, opening) in [
        ("complete an inbox and start the registration", 100, Some(&opening)),
        ("complete an inbox", 101, None),
    ] {
        let inbox = reserved_inbox(index);
        let complete = async |stores: &TestStores| {
            let (ada, sid) = (ada(), "PN0123456789abcdef0123456789abcdef");
            let audit_event = audit_event(&ada, "inbox.create", inbox.id.as_str(), at_second(1));
            let first = [membership(&inbox, &ada)];
            stores.new_inboxes.complete(&inbox, sid, &first, opening, None, &audit_event).await.unwrap()
        };
        assert_eq!(measured.measure(operation, complete).await, Completed::Done);
    }
}

/// Returns an inbox whose number has not been bought yet.
fn reserved_inbox(index: usize) -> Inbox {
    Inbox { stage: Stage::Creating, creator: Some(ada().id), ..other_inbox(index) }
}

pub(super) async fn registration(measured: &mut Measurements) {
    let stores = &measured.stores;
    let (organization, team) = (stores.organization(), &stores.inbox.team);
    let service = "MG0123456789abcdef0123456789abcdef";
    stores.registrations.set_service(TeamKey { organization, team }, service).await.unwrap();
    registrations::submit(stores, at_second(2)).await;
    let reasons = [CarrierReason {
        code: 30_909,
        detail: "The campaign's call to action does not say how people agree to be texted.".into(),
    }];
    for (operation, to, reasons, at) in [
        ("approve a registration", RegistrationStatus::Approved, &[][..], 3),
        ("suspend a registration", RegistrationStatus::Suspended, &reasons[..], 4),
    ] {
        let step = registrations::step("EZ0123456789abcdef0123456789abcdef", to, at_second(at));
        let from = measured.stores.registrations.get(measured.stores.inbox.team_key()).await;
        let from = from.unwrap();
        let turn = async |stores: &TestStores| {
            let turn =
                Transition { to, as_of: step.at, reasons, step: &step, admins: vec![ada().id, cleo().id] };
            stores.registrations.transition(stores.inbox.team_key(), &from, turn).await.unwrap()
        };
        assert!(measured.measure(operation, turn).await);
    }
}
