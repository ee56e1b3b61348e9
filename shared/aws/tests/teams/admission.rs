//! Admission to an inbox: everything that must hold does hold at the instant of the write.

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

use super::people::{desk, home, is_in, put, remove};
use crate::support::{
    Desk, ada, another_inbox, audit_event, ben, colleague, membership, seconds, team_that_is, user,
};

async fn admit(desk: &Desk, inbox: &Inbox, person: &UserRef) -> AddMemberOutcome {
    admit_by(&desk.members, inbox, person).await
}

async fn admit_by(members: &Members, inbox: &Inbox, person: &UserRef) -> AddMemberOutcome {
    let audit_event = audit_event(person, "inbox.admit", inbox.id.as_str(), seconds(10));
    members.add(&inbox.organization, &membership(inbox, person), &audit_event).await.unwrap()
}

async fn in_team(desk: &Desk, person: &UserRef) {
    assert!(put(desk, &desk.inbox.team, &user(person), Role::Member).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_admitted_is_found_from_inbox_and_user_and_being_admitted_twice_is_once() {
    let desk = desk().await;
    in_team(&desk, &ada()).await;
    for _ in 0..2 {
        assert_eq!(admit(&desk, &desk.inbox, &ada()).await, AddMemberOutcome::Done);
        let members = desk
            .members
            .list(InboxKey { organization: desk.organization(), inbox: &desk.inbox.id })
            .await
            .unwrap();
        assert_eq!(members, [membership(&desk.inbox, &ada())]);
        let of_user = UserInbox { inbox: desk.inbox.id.clone(), team: desk.inbox.team.clone() };
        assert_eq!(home(&desk, &ada()).await.unwrap().inboxes, [of_user]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_dismissed_has_no_way_in_from_either_side() {
    let desk = desk().await;
    in_team(&desk, &ada()).await;
    admit(&desk, &desk.inbox, &ada()).await;
    let ben = ben();
    for at in [11, 12] {
        let audit_event = audit_event(&ben, "inbox.dismiss", desk.inbox.id.as_str(), seconds(at));
        let (team, inbox) = (&desk.inbox.team, &desk.inbox.id);
        desk.members
            .remove(
                TeamKey { organization: desk.organization(), team },
                InboxKey { organization: desk.organization(), inbox },
                &ada().id,
                &audit_event,
            )
            .await
            .unwrap();
        assert_eq!(is_in(&desk, inbox, &ada()).await, None);
        assert_eq!(home(&desk, &ada()).await.unwrap().inboxes, []);
    }
    let dismissals = desk.trail().await.into_iter().filter(|entry| entry.action == "inbox.dismiss");
    assert_eq!(dismissals.map(|entry| entry.at).collect::<Vec<_>>(), [seconds(12), seconds(11)]);
}

/// The answer, and that nothing was written where it was a refusal.
async fn refused(desk: &Desk, inbox: &Inbox) -> AddMemberOutcome {
    let before = desk.all_rows().await;
    let answer = admit(desk, inbox, &ada()).await;
    assert_eq!(desk.all_rows().await, before);
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_of_the_team_is_not_admitted() {
    let desk = desk().await;
    desk.members.put_user(desk.organization(), &user(&ada())).await.unwrap();
    assert_eq!(refused(&desk, &desk.inbox).await, AddMemberOutcome::NotInTeam);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_admitted_while_the_team_may_not_send() {
    let desk = desk().await;
    in_team(&desk, &ada()).await;
    for status in [
        RegistrationStatus::NotStarted,
        RegistrationStatus::Pending,
        RegistrationStatus::Rejected,
        RegistrationStatus::Suspended,
    ] {
        desk.teams.put(desk.organization(), &team_that_is(status)).await.unwrap();
        assert_eq!(refused(&desk, &desk.inbox).await, AddMemberOutcome::RegistrationIncomplete, "{status:?}");
    }
    desk.teams.put(desk.organization(), &team_that_is(RegistrationStatus::Approved)).await.unwrap();
    assert_eq!(admit(&desk, &desk.inbox, &ada()).await, AddMemberOutcome::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_admitted_to_an_inbox_that_is_not_in_use_or_not_there() {
    let desk = desk().await;
    in_team(&desk, &ada()).await;
    for stage in [Stage::Creating, Stage::Retired] {
        let inbox = Inbox { stage, ..another_inbox(1) };
        desk.inboxes.put(&inbox).await.unwrap();
        assert_eq!(refused(&desk, &inbox).await, AddMemberOutcome::InboxNotActive, "{stage:?}");
    }
    assert_eq!(refused(&desk, &another_inbox(2)).await, AddMemberOutcome::InboxNotActive);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_reasons_the_most_lasting_is_told() {
    let desk = Desk::open().await;
    let status = RegistrationStatus::Suspended;
    desk.teams.put(desk.organization(), &team_that_is(status)).await.unwrap();
    assert_eq!(
        refused(&desk, &desk.inbox).await,
        AddMemberOutcome::RegistrationIncomplete,
        "nor of the team"
    );
    assert_eq!(refused(&desk, &another_inbox(2)).await, AddMemberOutcome::InboxNotActive, "nor registered");
}

/// A suspension by event, over a connection of its own.
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
async fn a_suspension_among_admissions_divides_them_and_lets_nobody_in_after_it() {
    let desk = desk().await;
    let people: Vec<_> = (0..8).map(colleague).collect();
    for person in &people {
        in_team(&desk, person).await;
    }
    for round in 0..6 {
        let inbox = another_inbox(round);
        desk.inboxes.put(&inbox).await.unwrap();
        let approved = RegistrationStatus::Approved;
        desk.teams.put(desk.organization(), &team_that_is(approved)).await.unwrap();
        let from = Registration { status: approved, as_of: seconds(round as u64), ..Registration::default() };
        desk.registrations
            .put(TeamKey { organization: desk.organization(), team: &inbox.team }, &from)
            .await
            .unwrap();
        let mut admissions = JoinSet::new();
        for person in people.clone() {
            let (members, inbox) = (Members::new(desk.other_host()), inbox.clone());
            admissions.spawn(async move { (admit_by(&members, &inbox, &person).await, person) });
        }
        let registrations = Registrations::new(desk.other_host());
        let suspended = tokio::spawn(suspend(registrations, inbox.clone(), from));
        for (added, person) in admissions.join_all().await {
            assert!(
                matches!(added, AddMemberOutcome::Done | AddMemberOutcome::RegistrationIncomplete),
                "{added:?}"
            );
            assert_eq!(is_in(&desk, &inbox.id, &person).await.is_some(), added == AddMemberOutcome::Done);
        }
        assert!(suspended.await.unwrap(), "admissions hold up no suspension");
        assert_eq!(admit(&desk, &inbox, &people[0]).await, AddMemberOutcome::RegistrationIncomplete);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_that_is_given_while_its_member_is_removed_from_the_team_goes_with_the_rest() {
    let desk = desk().await;
    in_team(&desk, &ada()).await;
    let read_before = home(&desk, &ada()).await.unwrap();
    assert_eq!(admit(&desk, &desk.inbox, &ada()).await, AddMemberOutcome::Done);
    assert_eq!(remove(&desk, &read_before).await, std::slice::from_ref(&desk.inbox.id));
    assert_eq!(is_in(&desk, &desk.inbox.id, &ada()).await, None);
    assert_eq!(home(&desk, &ada()).await.unwrap().inboxes, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_is_admitted_and_removed_at_once_is_out_at_the_end() {
    let desk = desk().await;
    for round in 0..16 {
        let person = colleague(round);
        in_team(&desk, &person).await;
        let read_before = home(&desk, &person).await.unwrap();
        let (members, inbox, admitted) =
            (Members::new(desk.other_host()), desk.inbox.clone(), person.clone());
        let admission = tokio::spawn(async move { admit_by(&members, &inbox, &admitted).await });
        let other = TeamMembers::new(desk.other_host());
        let ben = ben();
        let audit_event = audit_event(&ben, "member.remove", person.id.as_str(), seconds(30));
        other
            .remove(
                TeamKey { organization: desk.organization(), team: &desk.inbox.team },
                &read_before,
                &audit_event,
            )
            .await
            .unwrap();
        let added = admission.await.unwrap();
        assert!(matches!(added, AddMemberOutcome::Done | AddMemberOutcome::NotInTeam), "{added:?}");
        assert_eq!(is_in(&desk, &desk.inbox.id, &person).await, None, "{added:?}");
        assert_eq!(home(&desk, &person).await.unwrap().inboxes, []);
    }
}
