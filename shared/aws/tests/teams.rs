//! Teams, their members, and the members of their inboxes.

mod inbox_members;
mod members;

use std::slice;

use shared_aws::{
    table::{Idempotency, Page},
    team::{ExpiringTeam, Retentions, SweepPlace, Teams},
};
use shared_domain::{
    ids::{OrganizationId, TeamId},
    keys::TeamKey,
    notification::{MailingPreference, NotificationSettings},
    registration::RegistrationStatus,
    retention::RetentionDays,
    team::Team,
    time::Timestamp,
};
use tokio::task::JoinSet;

use crate::support::{TestStores, ada, at_second, audit_event, ben, team_with_registration};

const KEY: Idempotency<'static> =
    Idempotency { principal: "staff-104217", route: "POST /v1/teams", key: "0d9c7f3e", body: "9f86d081" };

/// Returns one of many teams. A higher index was created later.
fn another_team(index: usize) -> Team {
    Team {
        id: TeamId::new(at_second(index as u64), 40),
        name: format!("Team {index}"),
        messaging_service: None,
        segments_per_second: None,
        ..team_with_registration(RegistrationStatus::NotStarted)
    }
}

async fn create(stores: &TestStores, team: &Team, key: Option<Idempotency<'_>>) -> bool {
    let ada = ada();
    let audit_event = audit_event(&ada, "team.create", team.id.as_str(), at_second(0));
    stores.teams.create(stores.organization(), team, &audit_event, key).await.unwrap()
}

async fn page(stores: &TestStores, limit: u16, after: Option<&str>) -> Page<Team> {
    stores.teams.page(stores.organization(), limit, after).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_created_team_is_found_listed_and_audited() {
    let stores = TestStores::start().await;
    let team = team_with_registration(RegistrationStatus::NotStarted);
    assert!(create(&stores, &team, None).await);
    assert_eq!(
        stores.teams.get(TeamKey { organization: stores.organization(), team: &team.id }).await.unwrap(),
        Some(team.clone())
    );
    assert_eq!(page(&stores, 10, None).await, Page { items: vec![team.clone()], next: None });
    let entries = stores.audit_entries().await;
    let [entry] = &entries[..] else { panic!("expected one audit entry: {entries:?}") };
    assert_eq!((&entry.actor, entry.at), (&ada().id, at_second(0)));
    assert_eq!((entry.action.as_str(), entry.target.as_str()), ("team.create", team.id.as_str()));
    let other_organization = OrganizationId::new(at_second(0), 99);
    assert_eq!(
        stores.teams.get(TeamKey { organization: &other_organization, team: &team.id }).await.unwrap(),
        None
    );
    assert_eq!(stores.teams.page(&other_organization, 10, None).await.unwrap().items, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_teams_created_with_one_key_one_is_stored_and_the_key_returns_it() {
    let stores = TestStores::start().await;
    let mut tasks = JoinSet::new();
    for index in 0..16 {
        let (teams, organization) = (Teams::new(stores.table()), stores.organization().clone());
        tasks.spawn(async move {
            let (ada, team) = (ada(), another_team(index));
            let audit_event = audit_event(&ada, "team.create", team.id.as_str(), at_second(0));
            let made = teams.create(&organization, &team, &audit_event, Some(KEY)).await.unwrap();
            made.then_some(team)
        });
    }
    let made: Vec<Team> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(page(&stores, 50, None).await.items, made);
    let [team] = &made[..] else { panic!("expected one team: {made:?}") };
    let remembered = stores.used_keys.get(stores.organization(), KEY, at_second(1)).await.unwrap().unwrap();
    assert_eq!((remembered.made.as_str(), remembered.body.as_str()), (team.id.as_str(), KEY.body));
    assert_eq!(stores.items().await.len(), 4, "the team, its list item, its audit entry and the key");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_team_is_not_created_again() {
    let stores = TestStores::start().await;
    let team = team_with_registration(RegistrationStatus::Approved);
    stores.teams.put(stores.organization(), &team).await.unwrap();
    let before = stores.all_items().await;
    assert!(!create(&stores, &Team { name: "Usurpers".into(), ..team }, Some(KEY)).await);
    assert_eq!(stores.all_items().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn teams_are_listed_in_creation_order_page_by_page() {
    let stores = TestStores::start().await;
    for index in [3, 0, 4, 1, 2] {
        assert!(create(&stores, &another_team(index), None).await);
    }
    let all: Vec<_> = (0..5).map(another_team).collect();
    for limit in [1, 2, 5, 50] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = page(&stores, limit, after.as_deref()).await;
            assert!(page.items.len() <= usize::from(limit));
            seen.extend(page.items);
            after = page.next;
            if after.is_none() || seen.len() > all.len() {
                break;
            }
        }
        assert_eq!(seen, all, "pages of {limit}");
    }
    let ids = [all[4].id.clone(), all[1].id.clone(), TeamId::new(at_second(0), 999)];
    let several = stores.teams.get_many(stores.organization(), &ids).await.unwrap();
    assert_eq!(several, [all[1].clone(), all[4].clone()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_changes_nothing_else_and_creates_no_team() {
    let stores = TestStores::start().await;
    let team = team_with_registration(RegistrationStatus::Approved);
    let (ada, key) = (ada(), stores.inbox.team_key());
    let event = audit_event(&ada, "team.edit", key.team.as_str(), at_second(5));
    let days = RetentionDays::try_from(30).unwrap();
    let renamed = Team { name: "Enrolment".into(), ..team.clone() };
    assert!(!stores.teams.edit(key, &team, &renamed, &[event]).await.unwrap());
    assert!(stores.items().await.is_empty());
    stores.teams.put(stores.organization(), &team).await.unwrap();
    stores.teams.set_segments_per_second(key, 7).await.unwrap();
    let team = Team { segments_per_second: Some(7), ..team };
    let stale = Team { segments_per_second: Some(9), ..team.clone() };
    let (mut before, mut entries) = (team.clone(), 0);
    for after in [
        Team { name: "Enrolment".into(), ..team.clone() },
        Team { hold: true, ..team.clone() },
        Team { hold: true, retention: Some(days), ..team.clone() },
        Team { retention: Some(days), ..team.clone() },
        team.clone(),
    ] {
        assert!(stores.teams.edit(key, &before, &after, &[event]).await.unwrap());
        assert_eq!(stores.teams.get_current(key).await.unwrap(), Some(after.clone()));
        assert!(!stores.teams.edit(key, &before, &stale, &[event]).await.unwrap(), "it changed since then");
        assert_eq!(stores.teams.get_current(key).await.unwrap(), Some(after.clone()));
        before = after;
        entries = stores.audit_entries().await.len();
    }
    assert_eq!(entries, 1, "one event, written again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_is_in_the_list_of_expiring_teams_while_it_has_a_retention() {
    let stores = TestStores::start().await;
    let retentions = Retentions::new(stores.table());
    let forever = team_with_registration(RegistrationStatus::Approved);
    let days = |days| Team { retention: Some(RetentionDays::try_from(days).unwrap()), ..forever.clone() };
    stores.teams.put(stores.organization(), &forever).await.unwrap();
    let (ada, key) = (ada(), stores.inbox.team_key());
    let edit = async |before: &Team, after: &Team| {
        let event = audit_event(&ada, "team.retention_edit", key.team.as_str(), at_second(5));
        assert!(stores.teams.edit(key, before, after, &[event]).await.unwrap());
    };
    let due = async || retentions.due(at_second(60)).await.unwrap().teams;
    edit(&forever, &Team { name: "Enrolment".into(), ..forever.clone() }).await;
    edit(&Team { name: "Enrolment".into(), ..forever.clone() }, &forever).await;
    assert_eq!(due().await, []);
    edit(&forever, &days(30)).await;
    let [new] = &due().await[..] else { panic!("one team is due") };
    assert_eq!((new.key(), &new.place), (key, &None));

    let place = Some(SweepPlace { inbox: stores.inbox.id.clone(), event: None, conversation: None });
    let taken = ExpiringTeam { at: at_second(60), place, ..new.clone() };
    assert!(retentions.save(new, &taken).await.unwrap());
    assert!(!retentions.save(new, &taken).await.unwrap(), "another run took it");
    assert_eq!(retentions.due(at_second(59)).await.unwrap().teams, []);
    assert_eq!(due().await, slice::from_ref(&taken));
    let held = Team { hold: true, ..days(30) };
    edit(&days(30), &held).await;
    assert_eq!(due().await, slice::from_ref(new), "a hold takes the team from a run");
    assert!(!retentions.is_held(&taken).await.unwrap());
    assert!(retentions.save(new, &taken).await.unwrap());
    retentions.add_missing(key, Timestamp::default()).await.unwrap();
    assert!(retentions.is_held(&taken).await.unwrap(), "the team is not missing");

    edit(&held, &days(30)).await;
    assert_eq!(due().await, slice::from_ref(new), "the sweep begins again after a hold");
    assert!(!retentions.save(&taken, &taken).await.unwrap(), "the run loses the team");
    retentions.remove(&taken).await.unwrap();
    assert!(retentions.save(new, &taken).await.unwrap());
    edit(&days(30), &days(7)).await;
    assert_eq!(due().await, slice::from_ref(new), "and after a change of the retention");
    edit(&days(7), &forever).await;
    assert_eq!(due().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_are_off_by_default_and_each_choice_replaces_the_last() {
    let stores = TestStores::start().await;
    let read = async || stores.teams.notification_settings(stores.inbox.team_key()).await.unwrap();
    assert_eq!(read().await, NotificationSettings::default());
    let to = |address: &str| MailingPreference { enabled: true, recipients: vec![address.to_owned()] };
    let first = NotificationSettings {
        opt_out_changed: to("desk@college.example"),
        unknown_contact: MailingPreference {
            enabled: false,
            recipients: vec!["dean@college.example".into()],
        },
        ..NotificationSettings::default()
    };
    let second = NotificationSettings { contact_added: to("ada@college.example"), ..Default::default() };
    let ada = ada();
    for (at, chosen) in [(1, first), (2, second)] {
        let audit_event =
            audit_event(&ada, "notifications.replace", stores.inbox.team.as_str(), at_second(at));
        let team = &stores.inbox.team;
        stores
            .teams
            .put_notification_settings(
                TeamKey { organization: stores.organization(), team },
                &chosen,
                &audit_event,
            )
            .await
            .unwrap();
        assert_eq!(read().await, chosen);
    }
    assert_eq!(stores.audit_entries().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_entries_are_read_newest_first_and_two_at_the_same_time_are_both_kept() {
    let stores = TestStores::start().await;
    stores
        .teams
        .put(stores.organization(), &team_with_registration(RegistrationStatus::Approved))
        .await
        .unwrap();
    let (ada, ben, team) = (ada(), ben(), &stores.inbox.team);
    let mut before = team_with_registration(RegistrationStatus::Approved);
    for (by, target, at) in [(&ada, "a", 1), (&ben, "b", 2), (&ada, "c", 3), (&ben, "d", 3)] {
        let audit_event = audit_event(by, "team.edit", target, at_second(at));
        let after = Team { name: target.into(), ..before.clone() };
        assert!(stores.teams.edit(stores.inbox.team_key(), &before, &after, &[audit_event]).await.unwrap());
        before = after;
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = stores
            .audit
            .page(TeamKey { organization: stores.organization(), team }, 2, after.as_deref())
            .await
            .unwrap();
        seen.extend(page.items.into_iter().map(|entry| (entry.target, entry.actor, entry.at)));
        after = page.next;
        if after.is_none() {
            break;
        }
        assert!(seen.len() <= 4, "the pages do not end");
    }
    let mut at_once = seen[..2].to_vec();
    at_once.sort();
    let line = |target: &str, by: &shared_domain::user::UserRef, at| {
        (target.to_owned(), by.id.clone(), at_second(at))
    };
    assert_eq!(at_once, [line("c", &ada, 3), line("d", &ben, 3)]);
    assert_eq!(seen[2..], [line("b", &ben, 2), line("a", &ada, 1)]);
}
