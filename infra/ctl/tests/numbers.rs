//! Adopting a number: an inbox takes over a number that the carrier's account owns.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use inboxctl::{
    Error, Operator,
    number::{self, Adoption, Carrier},
    organization::{self, NewOrganization},
    registration::{self, Confirmation},
};
use shared_aws::inbox::Inboxes;
use shared_carriers::twilio::NumberWebhooks;
use shared_domain::{inbox::Stage, registration::RegistrationStatus, time::Timestamp};
use test_kit::TestApp;

const NUMBER: &str = "+12025552001";
const WEBHOOKS: &str = "https://sms.example.org";

/// Two teams of an organization that an operator created.
async fn start() -> TestApp {
    let test = TestApp::with_two_teams().await;
    let new = NewOrganization {
        name: "Clinic".into(),
        owner_name: "Otto".into(),
        owner_email: "otto@clinic.example".into(),
        owner_id: Some("otto".into()),
        id: Some("org_1".into()),
        no_invitation: false,
    };
    organization::create(&operator(&test, 1), &new).await.unwrap();
    test
}

/// Each operator has other random numbers.
fn operator(test: &TestApp, entropy: u64) -> Operator {
    Operator::new(test.table(), None, Timestamp::parse("2026-11-28T09:00:00Z").unwrap(), entropy)
}

fn carrier(test: &TestApp) -> Carrier {
    Carrier { client: test.carrier.client(), webhooks: NumberWebhooks::of_product(WEBHOOKS) }
}

fn adoption(team: &str, member: &str) -> Adoption {
    Adoption {
        organization: "org_1".into(),
        team: team.into(),
        number: NUMBER.into(),
        name: "Back office".into(),
        member: member.into(),
        color: "#2f6f9f".into(),
    }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_number_has_an_inbox_with_webhooks_and_a_repeated_command_changes_nothing() {
    let test = start().await;
    let sid = test.carrier.buy(NUMBER).await;
    let adopted =
        number::adopt(&operator(&test, 2), &carrier(&test), &adoption("team_2", "dan")).await.unwrap();
    assert!(adopted.created);
    let inbox = test.find_inbox(&adopted.inbox_id).await.unwrap();
    assert_eq!((inbox.stage, inbox.number_sid.as_deref()), (Stage::Active, Some(sid.as_str())));
    let owned = test.carrier.client().owned_number(NUMBER).await.unwrap().unwrap();
    assert_eq!(owned.webhooks, NumberWebhooks::of_product(WEBHOOKS));
    assert_eq!(test.carrier.service_numbers(&test.messaging_service("team_2").await).await, [sid]);
    let before = test.engine.keys().await;
    let again =
        number::adopt(&operator(&test, 3), &carrier(&test), &adoption("team_2", "dan")).await.unwrap();
    assert_eq!((again.inbox_id, again.created), (adopted.inbox_id, false));
    assert_eq!(test.engine.keys().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_inbox_of_a_team_starts_its_registration() {
    let test = start().await;
    test.carrier.buy(NUMBER).await;
    number::adopt(&operator(&test, 2), &carrier(&test), &adoption("team_1", "ada")).await.unwrap();
    assert_eq!(test.registration_status("team_1").await, RegistrationStatus::Pending);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_that_was_registered_outside_the_product_is_confirmed_once() {
    let test = start().await;
    let confirm = async |entropy, team: &str| {
        let confirmation =
            Confirmation { organization: "org_1".into(), team: team.into(), segments_per_second: Some(4) };
        registration::confirm(&operator(&test, entropy), &confirmation).await
    };
    assert!(refusal(confirm(2, "team_7").await).contains("no team team_7"));
    assert!(refusal(confirm(3, "team_1").await).contains("has not started"));
    test.carrier.buy(NUMBER).await;
    let adopted =
        number::adopt(&operator(&test, 4), &carrier(&test), &adoption("team_1", "ada")).await.unwrap();
    let confirmed = confirm(5, "team_1").await.unwrap();
    assert_eq!((confirmed.status, confirmed.changed), ("approved", true));
    assert_eq!(test.registration_status("team_1").await, RegistrationStatus::Approved);
    let inbox = test.find_inbox(&adopted.inbox_id).await.unwrap();
    let of_team = Inboxes::new(test.table()).get_with_team(inbox.key()).await.unwrap().unwrap();
    assert_eq!((of_team.segments_per_second(), of_team.messaging_service()), (4, None));
    let before = test.engine.keys().await;
    assert!(!confirm(6, "team_1").await.unwrap().changed);
    assert_eq!(test.engine.keys().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_cannot_be_adopted_leaves_nothing_behind() {
    let test = start().await;
    let before = test.engine.keys().await;
    let adopt = async |entropy, adoption: Adoption| {
        refusal(number::adopt(&operator(&test, entropy), &carrier(&test), &adoption).await)
    };
    assert!(adopt(2, adoption("team_2", "dan")).await.contains("does not own this number"));
    assert!(adopt(3, adoption("team_7", "dan")).await.contains("no team team_7"));
    assert!(adopt(4, adoption("team_2", "ada")).await.contains("no member ada"));
    let text = Adoption { number: "12".into(), ..adoption("team_2", "dan") };
    assert!(adopt(5, text).await.starts_with("--number must be a phone number"));
    let sid = test.carrier.buy(NUMBER).await;
    let other = test.carrier.client().create_service("Marketing").await.unwrap().sid;
    test.carrier.client().add_number(&other, &sid).await.unwrap();
    assert!(adopt(6, adoption("team_2", "dan")).await.starts_with("The carrier refused the number"));
    assert_eq!(test.engine.keys().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_another_team_is_not_adopted() {
    let test = start().await;
    test.carrier.buy(NUMBER).await;
    number::adopt(&operator(&test, 2), &carrier(&test), &adoption("team_2", "dan")).await.unwrap();
    let refused = number::adopt(&operator(&test, 3), &carrier(&test), &adoption("team_1", "ada")).await;
    assert_eq!(refusal(refused), "Another inbox has this number.");
}
