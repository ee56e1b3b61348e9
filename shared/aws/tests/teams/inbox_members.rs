//! Adding members to an inbox: the write checks every requirement.

use shared_aws::{
    registration::{Registrations, Transition},
    team::{AddMemberOutcome, Members, TeamMembers, UserInbox},
};
use shared_domain::{
    inbox::{Inbox, Stage},
    keys::{InboxKey, TeamKey},
    membership::Role,
    registration::{Registration, RegistrationStatus, StepSource, TimelineStep},
    user::UserRef,
};
use tokio::task::JoinSet;

use super::members::{membership_of, profile, put_member, remove, stores};
use crate::support::{
    TestStores, ada, at_second, audit_event, ben, colleague, membership, other_inbox, team_with_registration,
    user,
};

async fn add_member(stores: &TestStores, inbox: &Inbox, user_ref: &UserRef) -> AddMemberOutcome {
    add_member_by(&stores.members, inbox, user_ref).await
}

async fn add_member_by(members: &Members, inbox: &Inbox, user_ref: &UserRef) -> AddMemberOutcome {
    let audit_event = audit_event(user_ref, "inbox.admit", inbox.id.as_str(), at_second(10));
    members.add(&inbox.organization, &membership(inbox, user_ref), &audit_event).await.unwrap()
}

async fn add_to_team(stores: &TestStores, user_ref: &UserRef) {
    assert!(put_member(stores, &stores.inbox.team, &user(user_ref), Role::Member).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_member_is_found_by_inbox_and_by_user_and_adding_twice_is_adding_once() {
    let stores = stores().await;
    add_to_team(&stores, &ada()).await;
    for _ in 0..2 {
        assert_eq!(add_member(&stores, &stores.inbox, &ada()).await, AddMemberOutcome::Done);
        let members = stores.members.list(stores.inbox.key()).await.unwrap();
        assert_eq!(members, [membership(&stores.inbox, &ada())]);
        let of_user = UserInbox { inbox: stores.inbox.id.clone(), team: stores.inbox.team.clone() };
        assert_eq!(profile(&stores, &ada()).await.unwrap().inboxes, [of_user]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_inbox_member_is_found_neither_by_inbox_nor_by_user() {
    let stores = stores().await;
    add_to_team(&stores, &ada()).await;
    add_member(&stores, &stores.inbox, &ada()).await;
    let ben = ben();
    for at in [11, 12] {
        let audit_event = audit_event(&ben, "inbox.dismiss", stores.inbox.id.as_str(), at_second(at));
        let (team, inbox) = (&stores.inbox.team, &stores.inbox.id);
        stores
            .members
            .remove(
                TeamKey { organization: stores.organization(), team },
                InboxKey { organization: stores.organization(), inbox },
                &ada().id,
                &audit_event,
            )
            .await
            .unwrap();
        assert_eq!(membership_of(&stores, inbox, &ada()).await, None);
        assert_eq!(profile(&stores, &ada()).await.unwrap().inboxes, []);
    }
    let removals = stores.audit_entries().await.into_iter().filter(|entry| entry.action == "inbox.dismiss");
    assert_eq!(removals.map(|entry| entry.at).collect::<Vec<_>>(), [at_second(12), at_second(11)]);
}

/// Returns the outcome of an addition that must be refused, and checks that nothing was written.
async fn refused(stores: &TestStores, inbox: &Inbox) -> AddMemberOutcome {
    let before = stores.all_items().await;
    let answer = add_member(stores, inbox, &ada()).await;
    assert_eq!(stores.all_items().await, before);
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_outside_the_team_is_not_added() {
    let stores = stores().await;
    stores.members.put_user(stores.organization(), &user(&ada())).await.unwrap();
    assert_eq!(refused(&stores, &stores.inbox).await, AddMemberOutcome::NotInTeam);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_that_may_not_send_adds_no_inbox_members() {
    let stores = stores().await;
    add_to_team(&stores, &ada()).await;
    for status in [
        RegistrationStatus::NotStarted,
        RegistrationStatus::Pending,
        RegistrationStatus::Rejected,
        RegistrationStatus::Suspended,
    ] {
        stores.teams.put(stores.organization(), &team_with_registration(status)).await.unwrap();
        assert_eq!(
            refused(&stores, &stores.inbox).await,
            AddMemberOutcome::RegistrationIncomplete,
            "{status:?}"
        );
    }
    stores
        .teams
        .put(stores.organization(), &team_with_registration(RegistrationStatus::Approved))
        .await
        .unwrap();
    assert_eq!(add_member(&stores, &stores.inbox, &ada()).await, AddMemberOutcome::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inactive_or_missing_inbox_gets_no_members() {
    let stores = stores().await;
    add_to_team(&stores, &ada()).await;
    for stage in [Stage::Creating, Stage::Retired] {
        let inbox = Inbox { stage, ..other_inbox(1) };
        stores.inboxes.put(&inbox).await.unwrap();
        assert_eq!(refused(&stores, &inbox).await, AddMemberOutcome::InboxNotActive, "{stage:?}");
    }
    assert_eq!(refused(&stores, &other_inbox(2)).await, AddMemberOutcome::InboxNotActive);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_reasons_the_most_lasting_is_returned() {
    let stores = TestStores::start().await;
    let status = RegistrationStatus::Suspended;
    stores.teams.put(stores.organization(), &team_with_registration(status)).await.unwrap();
    assert_eq!(
        refused(&stores, &stores.inbox).await,
        AddMemberOutcome::RegistrationIncomplete,
        "the user is not in the team either"
    );
    assert_eq!(
        refused(&stores, &other_inbox(2)).await,
        AddMemberOutcome::InboxNotActive,
        "the inbox is not registered either"
    );
}

/// Suspends the registration through another client.
async fn suspend(registrations: Registrations, inbox: Inbox, from: Registration) -> bool {
    let at = from.as_of + std::time::Duration::from_secs(1);
    let status = RegistrationStatus::Suspended;
    let step = TimelineStep {
        id: "EZ1".into(),
        status,
        at,
        source: StepSource::Callback,
        codes: Vec::new(),
        detail: None,
        by: None,
    };
    let turn = Transition { to: status, as_of: at, reasons: &[], step: &step, admins: Vec::new() };
    registrations.transition(inbox.team_key(), &from, turn).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_suspension_during_concurrent_additions_refuses_all_later_ones() {
    let stores = stores().await;
    let people: Vec<_> = (0..8).map(colleague).collect();
    for user_ref in &people {
        add_to_team(&stores, user_ref).await;
    }
    for round in 0..6 {
        let inbox = other_inbox(round);
        stores.inboxes.put(&inbox).await.unwrap();
        let approved = RegistrationStatus::Approved;
        stores.teams.put(stores.organization(), &team_with_registration(approved)).await.unwrap();
        let from =
            Registration { status: approved, as_of: at_second(round as u64), ..Registration::default() };
        stores
            .registrations
            .put(TeamKey { organization: stores.organization(), team: &inbox.team }, &from)
            .await
            .unwrap();
        let mut additions = JoinSet::new();
        for user_ref in people.clone() {
            let (members, inbox) = (Members::new(stores.table()), inbox.clone());
            additions.spawn(async move { (add_member_by(&members, &inbox, &user_ref).await, user_ref) });
        }
        let registrations = Registrations::new(stores.table());
        let suspended = tokio::spawn(suspend(registrations, inbox.clone(), from));
        for (added, user_ref) in additions.join_all().await {
            assert!(
                matches!(added, AddMemberOutcome::Done | AddMemberOutcome::RegistrationIncomplete),
                "{added:?}"
            );
            assert_eq!(
                membership_of(&stores, &inbox.id, &user_ref).await.is_some(),
                added == AddMemberOutcome::Done
            );
        }
        assert!(suspended.await.unwrap(), "additions do not prevent the suspension");
        assert_eq!(add_member(&stores, &inbox, &people[0]).await, AddMemberOutcome::RegistrationIncomplete);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_added_while_its_member_is_removed_from_the_team_is_removed_too() {
    let stores = stores().await;
    add_to_team(&stores, &ada()).await;
    let read_before = profile(&stores, &ada()).await.unwrap();
    assert_eq!(add_member(&stores, &stores.inbox, &ada()).await, AddMemberOutcome::Done);
    assert_eq!(remove(&stores, &read_before).await, std::slice::from_ref(&stores.inbox.id));
    assert_eq!(membership_of(&stores, &stores.inbox.id, &ada()).await, None);
    assert_eq!(profile(&stores, &ada()).await.unwrap().inboxes, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_member_added_and_removed_at_once_is_removed() {
    let stores = stores().await;
    for round in 0..16 {
        let user_ref = colleague(round);
        add_to_team(&stores, &user_ref).await;
        let read_before = profile(&stores, &user_ref).await.unwrap();
        let (members, inbox, admitted) =
            (Members::new(stores.table()), stores.inbox.clone(), user_ref.clone());
        let addition = tokio::spawn(async move { add_member_by(&members, &inbox, &admitted).await });
        let other = TeamMembers::new(stores.table());
        let ben = ben();
        let audit_event = audit_event(&ben, "member.remove", user_ref.id.as_str(), at_second(30));
        other.remove(stores.inbox.team_key(), &read_before, &audit_event).await.unwrap();
        let added = addition.await.unwrap();
        assert!(matches!(added, AddMemberOutcome::Done | AddMemberOutcome::NotInTeam), "{added:?}");
        assert_eq!(membership_of(&stores, &stores.inbox.id, &user_ref).await, None, "{added:?}");
        assert_eq!(profile(&stores, &user_ref).await.unwrap().inboxes, []);
    }
}
