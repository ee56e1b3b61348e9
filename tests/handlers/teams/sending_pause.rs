//! The organization's sending pause.

use std::time::Duration;

use serde_json::{Value, json};
use shared_aws::sending::SendingPauses;
use shared_domain::{sending_pause::PauseCause, time::Timestamp};
use shared_lambda::clock::now;
use test_kit::{TestApp, build::organization_id, gateway::Event};

use super::{app, call, call_at};

fn sending_pause(route: &'static str, who: &str) -> Event {
    Event::new(route, &[]).user("org_1", who)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_pauses_and_resumes_all_sending_of_the_organization() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let read = || sending_pause("GET /v1/organization/sending-pause", "bob");
    let pause = || sending_pause("PUT /v1/organization/sending-pause", "olga");
    let resume = || sending_pause("DELETE /v1/organization/sending-pause", "olga");
    let off = json!({ "paused": false, "cause": null, "since": null, "by": null });
    assert_eq!(call(&app, &read()).await, (200, off.clone()));

    let at = Timestamp::from_millis(1_800_000_000_000);
    let by = json!({ "userId": "olga", "name": "OLGA" });
    let on = json!({ "paused": true, "cause": "owner", "since": at.to_string(), "by": by });
    assert_eq!(call_at(&app, &pause(), at).await, (200, on.clone()));
    assert_eq!(call_at(&app, &pause(), at + Duration::from_secs(9)).await, (200, on.clone()), "again");
    assert_eq!(call(&app, &read()).await, (200, on));
    let other = Event::new("GET /v1/organization/sending-pause", &[]).user("org_2", "zoe");
    assert_eq!(call(&app, &other).await.1["paused"], false, "another organization");

    for route in ["PUT /v1/organization/sending-pause", "DELETE /v1/organization/sending-pause"] {
        let (status, problem) = call(&app, &sending_pause(route, "ada")).await;
        assert_eq!((status, &problem["code"]), (403, &json!("owner_required")), "{route}");
    }
    for _ in 0..2 {
        assert_eq!(call(&app, &resume()).await.0, 204);
        assert_eq!(call(&app, &read()).await, (200, off.clone()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_by_the_owner_replaces_one_that_the_carrier_caused() {
    let test = TestApp::with_two_teams().await;
    let (app, pauses) = (app(&test), SendingPauses::new(test.table()));
    let organization = organization_id("org_1");
    pauses.pause_automatically(&organization, PauseCause::AccountRefused, now()).await.unwrap();
    let (_, shown) = call(&app, &sending_pause("GET /v1/organization/sending-pause", "bob")).await;
    assert_eq!((&shown["cause"], &shown["by"]), (&json!("account_refused"), &Value::Null));
    call(&app, &sending_pause("PUT /v1/organization/sending-pause", "olga")).await;
    assert!(!pauses.pause_automatically(&organization, PauseCause::CarrierDown, now()).await.unwrap());
    let (_, shown) = call(&app, &sending_pause("GET /v1/organization/sending-pause", "bob")).await;
    assert_eq!(shown["cause"], "owner");
}
