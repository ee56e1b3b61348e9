//! The messaging service of a team at the carrier.

use std::collections::BTreeSet;

use shared_aws::registration::Registrations;
use shared_domain::{
    keys::TeamKey,
    registration::{
        Registration,
        RegistrationStatus::{Approved, NotStarted},
    },
    time::Timestamp,
};
use tokio::task::JoinSet;

use super::{SERVICE, TestTeam};

#[tokio::test(flavor = "multi_thread")]
async fn storing_a_service_twice_is_idempotent_and_finds_its_team() {
    let team = TestTeam::new().await;
    let organization = team.stores.organization();
    team.store().set_service(TeamKey { organization, team: team.id() }, SERVICE).await.unwrap();
    let once = team.stores.all_items().await;
    team.store().set_service(TeamKey { organization, team: team.id() }, SERVICE).await.unwrap();
    assert_eq!(team.stores.all_items().await, once);
    let found = team.store().by_service(SERVICE).await.unwrap();
    assert_eq!(found, Some((organization.clone(), team.id().clone())));
    assert_eq!(team.store().by_service("MG9").await.unwrap(), None);
    let registration = team.now().await;
    assert_eq!((registration.status, registration.as_of), (NotStarted, Timestamp::default()));
    let shown = team.stores.teams.get(TeamKey { organization, team: team.id() }).await.unwrap().unwrap();
    assert_eq!(shown.messaging_service.as_deref(), Some(SERVICE));
}

#[tokio::test(flavor = "multi_thread")]
async fn storing_a_service_changes_nothing_else_of_a_registration() {
    let team = TestTeam::submitted().await;
    team.transition_to("EZ1", Approved, 2).await;
    let before = team.now().await;
    team.store()
        .set_service(TeamKey { organization: team.stores.organization(), team: team.id() }, "MG2")
        .await
        .unwrap();
    let after = Registration { messaging_service: Some("MG2".into()), ..before };
    assert_eq!((team.now().await, team.team_status().await), (after, Approved));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_keeps_its_messaging_service_when_another_is_created() {
    let team = TestTeam::submitted().await;
    let before = team.stores.all_items().await;
    for sid in [SERVICE, "MG2"] {
        let kept = team
            .store()
            .get_or_set_service(TeamKey { organization: team.stores.organization(), team: team.id() }, sid)
            .await
            .unwrap();
        assert_eq!(kept, SERVICE);
        assert_eq!(team.stores.all_items().await, before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_services_created_at_once_one_is_kept_and_returned_to_all() {
    let team = TestTeam::new().await;
    let mut tasks = JoinSet::new();
    for index in 0..16 {
        let store = Registrations::new(team.stores.table());
        let (organization, id) = (team.stores.organization().clone(), team.id().clone());
        tasks.spawn(async move {
            store
                .get_or_set_service(TeamKey { organization: &organization, team: &id }, &format!("MG{index}"))
                .await
                .unwrap()
        });
    }
    let services: BTreeSet<String> = tasks.join_all().await.into_iter().collect();
    let kept = team.now().await.messaging_service.unwrap();
    assert_eq!(services, BTreeSet::from([kept.clone()]));
    let shown = team
        .stores
        .teams
        .get(TeamKey { organization: team.stores.organization(), team: team.id() })
        .await
        .unwrap()
        .unwrap();
    assert_eq!(shown.messaging_service, Some(kept));
    let services = team.stores.all_items().await.into_keys().filter(|(_, index)| index == "SERVICE");
    assert_eq!(services.count(), 1);
}
