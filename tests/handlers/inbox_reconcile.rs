//! `inbox-reconcile`: creations that were started and not finished.

use std::time::Duration;

use inbox_reconcile::{App, Tally, handle};
use serde_json::json;
use shared_aws::inbox::{Purchase as WatchedPurchase, Reserved};
use shared_carriers::twilio::{Client, Purchase};
use shared_domain::{
    inbox::{Inbox, Stage},
    time::Timestamp,
};
use shared_lambda::clock::now;
use test_kit::{
    TestApp, build,
    carrier::{CarrierProxy, unreachable_client},
    crash,
};

use crate::inbox_creation::{
    self, SERVICE_UNAVAILABLE, app_with_carrier, call, crashing_app, create, details, interrupt_creation,
};

const GRACE: Duration = Duration::from_secs(900);

fn app(test: &TestApp, carrier: Client) -> App {
    App::new(&test.table(), carrier, GRACE)
}

/// Runs the function at this time.
async fn sweep(test: &TestApp, at: Timestamp) -> Tally {
    handle(&app(test, test.carrier.client()), at).await.unwrap()
}

fn much_later() -> Timestamp {
    now() + GRACE
}

/// Purchases the number of a watched purchase at the carrier.
async fn purchase(test: &TestApp, watched: &WatchedPurchase) {
    let order = Purchase::new(watched.number.as_str(), watched.inbox.as_str(), "https://inbox.example");
    test.carrier.client().buy_number(&order).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_creation_is_undone_with_its_number_after_the_grace_period() {
    let test = TestApp::with_two_teams().await;
    let before = test.engine.keys().await;
    let begin = now();
    let event = create("dan", "team_2", &details("back", 2001)).header("idempotency-key", "k-1");
    let id = interrupt_creation(&test, &event, &SERVICE_UNAVAILABLE).await;
    let waiting = Tally { waiting: 1, ..Tally::default() };
    assert_eq!(sweep(&test, begin + GRACE - Duration::from_millis(1)).await, waiting);
    assert_eq!(test.find_inbox(&id).await.unwrap().stage, Stage::Creating);
    assert_eq!(test.carrier.owned_numbers().await.len(), 1);
    let undone = Tally { undone: 1, released: 1, ..Tally::default() };
    assert_eq!(sweep(&test, much_later()).await, undone);
    assert_eq!((test.engine.keys().await, test.carrier.owned_numbers().await.len()), (before, 0));
    assert_eq!(sweep(&test, much_later()).await, Tally::default(), "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_host_crashes_an_inbox_or_nothing_remains() {
    for requests in crash::points() {
        let test = TestApp::with_two_teams().await;
        let before = test.engine.keys().await;
        let (status, _) =
            call(&crashing_app(&test, requests), &create("ada", "team_1", &details("front", 2001))).await;
        assert_eq!(sweep(&test, much_later()).await.failed, 0, "{requests}");
        let owned = test.carrier.owned_numbers().await;
        match owned.as_slice() {
            [] => assert_eq!(test.engine.keys().await, before, "{requests}"),
            [number] => {
                let inbox = test.find_inbox(number["friendly_name"].as_str().unwrap()).await.unwrap();
                assert_eq!(inbox.stage, Stage::Active, "{requests}");
            }
            more => panic!("{requests}: {more:?}"),
        }
        if status == 201 {
            assert!(requests > 4 && owned.len() == 1, "{requests}");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_sweep_crashes_the_next_one_finishes() {
    for requests in crash::points() {
        let test = TestApp::with_two_teams().await;
        let before = test.engine.keys().await;
        let event = create("dan", "team_2", &details("back", 2001)).header("idempotency-key", "k-1");
        interrupt_creation(&test, &event, &SERVICE_UNAVAILABLE).await;
        let crashing = App::new(&test.engine.crashing_table(requests), test.carrier.client(), GRACE);
        let result = handle(&crashing, much_later()).await;
        sweep(&test, much_later()).await;
        assert_eq!(
            (test.engine.keys().await, test.carrier.owned_numbers().await.len()),
            (before, 0),
            "{requests}"
        );
        if result.is_ok_and(|tally| tally.failed == 0) {
            assert!(requests > 3, "{requests}");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_within_the_grace_period_leaves_nothing_to_sweep() {
    let test = TestApp::with_two_teams().await;
    let event = create("dan", "team_2", &details("back", 2001)).header("idempotency-key", "k-1");
    let id = interrupt_creation(&test, &event, &SERVICE_UNAVAILABLE).await;
    assert_eq!(call(&inbox_creation::app(&test), &event).await.0, 201);
    assert_eq!(sweep(&test, much_later()).await, Tally::default());
    assert_eq!(
        (test.find_inbox(&id).await.unwrap().stage, test.carrier.owned_numbers().await.len()),
        (Stage::Active, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_the_sweep_starts_over() {
    let test = TestApp::with_two_teams().await;
    let event = create("dan", "team_2", &details("back", 2001)).header("idempotency-key", "k-1");
    let id = interrupt_creation(&test, &event, &SERVICE_UNAVAILABLE).await;
    sweep(&test, much_later()).await;
    let (status, created) = call(&inbox_creation::app(&test), &event).await;
    assert_eq!(status, 201, "{created}");
    assert_ne!(created["inboxId"], json!(id));
    let owned = test.carrier.owned_numbers().await;
    assert_eq!((owned.len(), &owned[0]["friendly_name"]), (1, &created["inboxId"]));
    assert_eq!(sweep(&test, much_later()).await, Tally::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_the_sweep_overtakes_releases_its_number() {
    let test = TestApp::with_two_teams().await;
    let before = test.engine.keys().await;
    let event = create("dan", "team_2", &details("back", 2001)).header("idempotency-key", "k-1");
    interrupt_creation(&test, &event, &SERVICE_UNAVAILABLE).await;
    let proxy = CarrierProxy::start(&test.carrier).await;
    let delayed = proxy.delay("POST", "/PhoneNumbers");
    let retrying = app_with_carrier(&test, proxy.client());
    let retry = call(&retrying, &event);
    let overtake = async {
        delayed.arrived().await;
        assert_eq!(sweep(&test, much_later()).await.undone, 1);
        delayed.let_through();
    };
    let ((status, problem), ()) = tokio::join!(retry, overtake);
    assert_eq!(status, 503, "{problem}");
    assert_eq!((test.engine.keys().await, test.carrier.owned_numbers().await.len()), (before, 0));
    let (status, created) = call(&inbox_creation::app(&test), &event).await;
    assert_eq!((status, test.carrier.owned_numbers().await.len()), (201, 1), "{created}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_that_succeeded_after_all_is_released() {
    let test = TestApp::with_two_teams().await;
    let before = test.engine.keys().await;
    test.carrier.fault_on("purchases", "error-before").await;
    assert_eq!(
        call(&inbox_creation::app(&test), &create("ada", "team_1", &details("front", 2001))).await.0,
        503
    );
    let watched = test.new_inboxes().unresolved().await.unwrap();
    purchase(&test, &watched[0]).await;
    let released = Tally { released: 1, ..Tally::default() };
    assert_eq!(sweep(&test, much_later()).await, released);
    assert_eq!((test.engine.keys().await, test.carrier.owned_numbers().await.len()), (before, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_another_inbox_has_purchased_since_is_kept() {
    let test = TestApp::with_two_teams().await;
    let event = create("ada", "team_1", &details("front", 2001));
    test.carrier.fault_on("purchases", "error-before").await;
    assert_eq!(call(&inbox_creation::app(&test), &event).await.0, 503);
    let (status, created) = call(&inbox_creation::app(&test), &event).await;
    assert_eq!(status, 201, "{created}");
    assert_eq!(sweep(&test, much_later()).await, Tally::default());
    let owned = test.carrier.owned_numbers().await;
    assert_eq!((owned.len(), &owned[0]["friendly_name"]), (1, &created["inboxId"]));
    assert_eq!(test.new_inboxes().unresolved().await.unwrap(), []);
}

/// The first attempt may have purchased the number. The second one only knows that it did not.
#[tokio::test(flavor = "multi_thread")]
async fn an_uncertain_purchase_is_still_watched_after_a_later_attempt_fails() {
    for refusal in ["rate-limit", "refuse", "refuse:21649"] {
        let test = TestApp::with_two_teams().await;
        let event = create("ada", "team_1", &details("front", 2001)).header("idempotency-key", "k-1");
        test.carrier.fault_on("purchases", "error-before").await;
        test.carrier.fault_on("numbers", "error-before").await;
        assert_eq!(call(&inbox_creation::app(&test), &event).await.0, 503);
        let watched = test.new_inboxes().unresolved().await.unwrap();
        test.carrier.fault_on("purchases", refusal).await;
        let (status, problem) = call(&inbox_creation::app(&test), &event).await;
        assert!([503, 409, 422].contains(&status), "{refusal}: {problem}");
        purchase(&test, &watched[0]).await;
        assert_eq!(sweep(&test, much_later()).await.released, 1, "{refusal}");
        assert_eq!(test.carrier.owned_numbers().await.len(), 0, "{refusal}");
        assert_eq!(test.new_inboxes().unresolved().await.unwrap(), [], "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_active_inbox_is_no_longer_watched_and_keeps_its_number() {
    let test = TestApp::with_two_teams().await;
    let (_, created) =
        call(&inbox_creation::app(&test), &create("dan", "team_2", &details("back", 2001))).await;
    let inbox = test.find_inbox(created["inboxId"].as_str().unwrap()).await.unwrap();
    let other = Inbox {
        number: build::number("+12025552002"),
        id: build::inbox_id("inb_other"),
        api_code: "other".into(),
        stage: Stage::Creating,
        ..inbox
    };
    let reserved = test.new_inboxes().reserve(&other, None, 50, None, now()).await.unwrap();
    assert_eq!(reserved, Reserved::Done);
    purchase(&test, &test.new_inboxes().unresolved().await.unwrap()[0]).await;
    let active = Inbox { stage: Stage::Active, ..other };
    test.add_inbox(&active).await;
    let keys = test.engine.keys().await;
    assert_eq!(sweep(&test, much_later()).await, Tally::default());
    assert_eq!(test.carrier.owned_numbers().await.len(), 2);
    let gone: Vec<_> = keys.difference(&test.engine.keys().await).cloned().collect();
    assert_eq!(gone, ["PURCHASE org_1#inb_other"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_is_down_leaves_the_number_for_the_next_run() {
    let test = TestApp::with_two_teams().await;
    let before = test.engine.keys().await;
    let event = create("dan", "team_2", &details("back", 2001)).header("idempotency-key", "k-1");
    interrupt_creation(&test, &event, &SERVICE_UNAVAILABLE).await;
    let failed = handle(&app(&test, unreachable_client()), much_later()).await.unwrap();
    assert_eq!(failed, Tally { undone: 1, failed: 1, ..Tally::default() });
    for kind in ["rate-limit", "error-before"] {
        test.carrier.fault_on("numbers", kind).await;
        assert_eq!(sweep(&test, much_later()).await, Tally { failed: 1, ..Tally::default() }, "{kind}");
    }
    let proxy = CarrierProxy::start(&test.carrier).await;
    proxy.refuse("DELETE", ".json", 500, json!({}));
    let failed = handle(&app(&test, proxy.client()), much_later()).await.unwrap();
    assert_eq!(failed, Tally { failed: 1, ..Tally::default() }, "release");
    assert_eq!(test.carrier.owned_numbers().await.len(), 1);
    assert_eq!(sweep(&test, much_later()).await, Tally { released: 1, ..Tally::default() });
    assert_eq!((test.engine.keys().await, test.carrier.owned_numbers().await.len()), (before, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_table_is_an_error_and_nothing_is_released() {
    let test = TestApp::with_two_teams().await;
    let event = create("dan", "team_2", &details("back", 2001)).header("idempotency-key", "k-1");
    interrupt_creation(&test, &event, &SERVICE_UNAVAILABLE).await;
    let app = App::new(&TestApp::unreachable_table(), test.carrier.client(), GRACE);
    assert!(handle(&app, much_later()).await.is_err());
    assert_eq!(test.carrier.owned_numbers().await.len(), 1);
}
