//! Numbers that the carrier account owns already and that an inbox takes over.

use std::time::Duration;

use inbox_reconcile::{Tally, handle};
use serde_json::{Value, json};
use shared_aws::messaging::SweptNumbers;
use shared_domain::inbox::Stage;
use shared_lambda::clock::now;
use test_kit::{
    TestApp,
    gateway::{Event, pointers},
    twilio::BASE_URL,
};

use crate::inbox_creation::{app, call, crashing_app, create, details};

const NUMBER: &str = "+12025552001";

fn adoption() -> Value {
    let mut body = details("front", 2001);
    body["adopt"] = true.into();
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_number_is_not_bought_and_its_webhooks_are_set() {
    let test = TestApp::with_two_teams().await;
    let sid = test.carrier.buy(NUMBER).await;
    let (status, created) = call(&app(&test), &create("dan", "team_2", &adoption())).await;
    assert_eq!((status, &created["phoneNumber"]), (201, &json!(NUMBER)), "{created}");
    let owned = test.carrier.owned_numbers().await;
    assert_eq!((owned.len(), owned[0]["sid"].as_str()), (1, Some(sid.as_str())));
    assert_eq!(owned[0]["sms_url"], json!(format!("{BASE_URL}/webhooks/twilio/messages#rc=5&rp=all")));
    let inbox = test.find_inbox(created["inboxId"].as_str().unwrap()).await.unwrap();
    assert_eq!((inbox.stage, inbox.number_sid.as_deref()), (Stage::Active, Some(sid.as_str())));
    let service = test.messaging_service("team_2").await;
    assert_eq!(test.carrier.service_numbers(&service).await, [sid], "the number sends through the service");
    let swept = SweptNumbers::new(test.table()).all().await.unwrap();
    assert!(swept[0].position.at + Duration::from_mins(1) > now(), "earlier messages are not taken in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_the_account_does_not_own_is_not_adopted() {
    let test = TestApp::with_two_teams().await;
    let (app, before) = (app(&test), test.engine.keys().await);
    for query in ["", "dryRun=true"] {
        let event = create("ada", "team_1", &adoption()).query(query);
        let (status, problem) = call(&app, &event).await;
        assert_eq!((status, pointers(&problem)), (422, vec!["/phoneNumber"]), "{problem}");
    }
    assert_eq!(test.engine.keys().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_another_inbox_is_not_adopted() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    assert_eq!(call(&app, &create("dan", "team_2", &details("back", 2001))).await.0, 201);
    let (status, problem) = call(&app, &create("ada", "team_1", &adoption())).await;
    assert_eq!((status, &problem["code"]), (409, &json!("number_unavailable")), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_in_another_messaging_service_is_refused_and_nothing_remains() {
    let test = TestApp::with_two_teams().await;
    let (before, sid) = (test.engine.keys().await, test.carrier.buy(NUMBER).await);
    let client = test.carrier.client();
    let service = client.create_service("Marketing").await.unwrap().sid;
    client.add_number(&service, &sid).await.unwrap();
    let (status, problem) = call(&app(&test), &create("dan", "team_2", &adoption())).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["/phoneNumber"]), "{problem}");
    assert_eq!(test.engine.keys().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_host_crashes_an_adopted_number_is_neither_released_nor_half_adopted() {
    for requests in 0..40 {
        let test = TestApp::with_two_teams().await;
        test.carrier.buy(NUMBER).await;
        let before = test.engine.keys().await;
        let (status, _) = call(&crashing_app(&test, requests), &create("dan", "team_2", &adoption())).await;
        let sweep = inbox_reconcile::App::new(&test.table(), test.carrier.client(), Duration::ZERO);
        let Tally { released, failed, .. } = handle(&sweep, now() + Duration::from_secs(1)).await.unwrap();
        assert_eq!((released, failed), (0, 0), "{requests}");
        let owned = test.carrier.owned_numbers().await;
        assert_eq!(owned.len(), 1, "{requests}");
        let inboxes = test.engine.keys().await.into_iter().filter(|key| key.ends_with(" INBOX")).count();
        if inboxes == 0 {
            assert_eq!(test.engine.keys().await, before, "{requests}");
        }
        if status == 201 {
            assert!(requests > 4, "{requests}");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_inbox_releases_an_adopted_number_only_on_request() {
    let test = TestApp::with_two_teams().await;
    test.carrier.buy(NUMBER).await;
    let app = app(&test);
    let (_, created) = call(&app, &create("dan", "team_2", &adoption())).await;
    let id = created["inboxId"].as_str().unwrap();
    let retire = Event::new("DELETE /v1/inboxes/{inboxId}", &[("inboxId", id)]).user("org_1", "dan");
    assert_eq!(call(&app, &retire).await.0, 204);
    assert_eq!(test.carrier.owned_numbers().await.len(), 1);
    assert_eq!(call(&app, &retire.query("releaseNumber=true")).await.0, 204);
    assert_eq!(test.carrier.owned_numbers().await.len(), 0);
}
