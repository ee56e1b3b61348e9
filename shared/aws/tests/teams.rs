//! Teams, who belongs to them, and who is let into their inboxes.

mod admission;
mod people;

use shared_aws::{
    table::{Idempotency, Page},
    team::Teams,
};
use shared_domain::{
    ids::{OrganizationId, TeamId},
    keys::TeamKey,
    notice::{MailingPreference, NotificationSettings},
    registration::RegistrationStatus,
    team::Team,
};
use tokio::task::JoinSet;

use crate::support::{Desk, ada, audit_event, ben, seconds, team_that_is};

const KEY: Idempotency<'static> =
    Idempotency { principal: "staff-104217", route: "POST /v1/teams", key: "0d9c7f3e", body: "9f86d081" };

/// One of many teams, later ones made later.
fn another_team(place: usize) -> Team {
    Team {
        id: TeamId::new(seconds(place as u64), 40),
        name: format!("Team {place}"),
        messaging_service: None,
        ..team_that_is(RegistrationStatus::NotStarted)
    }
}

async fn create(desk: &Desk, team: &Team, key: Option<Idempotency<'_>>) -> bool {
    let ada = ada();
    let audit_event = audit_event(&ada, "team.create", team.id.as_str(), seconds(0));
    desk.teams.create(desk.organization(), team, &audit_event, key).await.unwrap()
}

async fn page(desk: &Desk, limit: u16, after: Option<&str>) -> Page<Team> {
    desk.teams.page(desk.organization(), limit, after).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_that_was_made_is_found_and_listed_and_in_its_trail() {
    let desk = Desk::open().await;
    let team = team_that_is(RegistrationStatus::NotStarted);
    assert!(create(&desk, &team, None).await);
    assert_eq!(
        desk.teams.get(TeamKey { organization: desk.organization(), team: &team.id }).await.unwrap(),
        Some(team.clone())
    );
    assert_eq!(page(&desk, 10, None).await, Page { items: vec![team.clone()], next: None });
    let trail = desk.trail().await;
    let [entry] = &trail[..] else { panic!("not one line: {trail:?}") };
    assert_eq!((&entry.actor, entry.at), (&ada().id, seconds(0)));
    assert_eq!((entry.action.as_str(), entry.target.as_str()), ("team.create", team.id.as_str()));
    let stranger = OrganizationId::new(seconds(0), 99);
    assert_eq!(desk.teams.get(TeamKey { organization: &stranger, team: &team.id }).await.unwrap(), None);
    assert_eq!(desk.teams.page(&stranger, 10, None).await.unwrap().items, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_who_make_a_team_under_one_key_one_does_and_the_key_says_which() {
    let desk = Desk::open().await;
    let mut rivals = JoinSet::new();
    for place in 0..16 {
        let (teams, organization) = (Teams::new(desk.other_host()), desk.organization().clone());
        rivals.spawn(async move {
            let (ada, team) = (ada(), another_team(place));
            let audit_event = audit_event(&ada, "team.create", team.id.as_str(), seconds(0));
            let made = teams.create(&organization, &team, &audit_event, Some(KEY)).await.unwrap();
            made.then_some(team)
        });
    }
    let made: Vec<Team> = rivals.join_all().await.into_iter().flatten().collect();
    assert_eq!(page(&desk, 50, None).await.items, made);
    let [team] = &made[..] else { panic!("not one team: {made:?}") };
    let remembered = desk.keys.get(desk.organization(), KEY, seconds(1)).await.unwrap().unwrap();
    assert_eq!((remembered.made.as_str(), remembered.body.as_str()), (team.id.as_str(), KEY.body));
    assert_eq!(desk.rows().await.len(), 4, "the team, that it is there, its trail and the key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_that_is_there_is_not_made_again() {
    let desk = Desk::open().await;
    let team = team_that_is(RegistrationStatus::Approved);
    desk.teams.put(desk.organization(), &team).await.unwrap();
    let before = desk.all_rows().await;
    assert!(!create(&desk, &Team { name: "Usurpers".into(), ..team }, Some(KEY)).await);
    assert_eq!(desk.all_rows().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn teams_are_listed_in_the_order_in_which_they_were_made_page_by_page() {
    let desk = Desk::open().await;
    for place in [3, 0, 4, 1, 2] {
        assert!(create(&desk, &another_team(place), None).await);
    }
    let all: Vec<_> = (0..5).map(another_team).collect();
    for limit in [1, 2, 5, 50] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = page(&desk, limit, after.as_deref()).await;
            assert!(page.items.len() <= usize::from(limit));
            seen.extend(page.items);
            after = page.next;
            if after.is_none() || seen.len() > all.len() {
                break;
            }
        }
        assert_eq!(seen, all, "pages of {limit}");
    }
    let ids = [all[4].id.clone(), all[1].id.clone(), TeamId::new(seconds(0), 999)];
    let several = desk.teams.get_many(desk.organization(), &ids).await.unwrap();
    assert_eq!(several, [all[1].clone(), all[4].clone()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_name_changes_nothing_else_and_no_team_is_made_by_naming_it() {
    let desk = Desk::open().await;
    let team = team_that_is(RegistrationStatus::Approved);
    let (ada, id) = (ada(), &desk.inbox.team);
    let audit_event = audit_event(&ada, "team.rename", id.as_str(), seconds(5));
    let rename = async || {
        desk.teams
            .rename(TeamKey { organization: desk.organization(), team: id }, "Enrolment", &audit_event)
            .await
            .unwrap()
    };
    assert!(!rename().await);
    assert!(desk.rows().await.is_empty());
    desk.teams.put(desk.organization(), &team).await.unwrap();
    assert!(rename().await);
    let renamed = Team { name: "Enrolment".into(), ..team };
    assert_eq!(
        desk.teams.get(TeamKey { organization: desk.organization(), team: id }).await.unwrap(),
        Some(renamed)
    );
    assert_eq!(desk.trail().await[0].action, "team.rename");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_wants_no_e_mails_until_it_says_so_and_each_choice_replaces_the_last() {
    let desk = Desk::open().await;
    let read = async || {
        desk.teams
            .notification_settings(TeamKey { organization: desk.organization(), team: &desk.inbox.team })
            .await
            .unwrap()
    };
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
        let audit_event = audit_event(&ada, "notifications.replace", desk.inbox.team.as_str(), seconds(at));
        let team = &desk.inbox.team;
        desk.teams
            .put_notification_settings(
                TeamKey { organization: desk.organization(), team },
                &chosen,
                &audit_event,
            )
            .await
            .unwrap();
        assert_eq!(read().await, chosen);
    }
    assert_eq!(desk.trail().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_is_read_newest_first_page_by_page_and_deeds_of_one_instant_are_two() {
    let desk = Desk::open().await;
    desk.teams.put(desk.organization(), &team_that_is(RegistrationStatus::Approved)).await.unwrap();
    let (ada, ben, team) = (ada(), ben(), &desk.inbox.team);
    for (by, target, at) in [(&ada, "a", 1), (&ben, "b", 2), (&ada, "c", 3), (&ben, "d", 3)] {
        let audit_event = audit_event(by, "team.rename", target, seconds(at));
        assert!(
            desk.teams
                .rename(TeamKey { organization: desk.organization(), team }, target, &audit_event)
                .await
                .unwrap()
        );
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = desk
            .audit
            .page(TeamKey { organization: desk.organization(), team }, 2, after.as_deref())
            .await
            .unwrap();
        seen.extend(page.items.into_iter().map(|entry| (entry.target, entry.actor, entry.at)));
        after = page.next;
        if after.is_none() {
            break;
        }
        assert!(seen.len() <= 4, "the pages never end");
    }
    let mut at_once = seen[..2].to_vec();
    at_once.sort();
    let line =
        |target: &str, by: &shared_domain::user::UserRef, at| (target.to_owned(), by.id.clone(), seconds(at));
    assert_eq!(at_once, [line("c", &ada, 3), line("d", &ben, 3)]);
    assert_eq!(seen[2..], [line("b", &ben, 2), line("a", &ada, 1)]);
}
