//! `inbox-reconcile`: creations that were begun and abandoned.

use std::{sync::Arc, time::Duration};

use inbox_reconcile::{App, Tally, handle};
use serde_json::json;
use shared_aws::inbox::{Inboxes, Purchase as Watched, Reserved};
use shared_carriers::twilio::{Client, Purchase};
use shared_domain::{
    inbox::{Inbox, Stage},
    time::Timestamp,
};
use tokio::sync::Notify;

use crate::{
    office::{Office, PATIENT, Then, nobody},
    stage::now,
    wizard::{LOST_SERVICE, ask, broken_off, create, wish},
};

const GRACE: Duration = Duration::from_secs(900);

fn app(office: &Office, carrier: Client) -> App {
    App::new(&office.table(), carrier, GRACE)
}

/// One run over the carrier, at this instant.
async fn sweep(office: &Office, at: Timestamp) -> Tally {
    handle(&app(office, office.carrier.client(PATIENT)), at).await.unwrap()
}

fn much_later() -> Timestamp {
    now() + GRACE
}

/// The carrier sells a number under an inbox's name, whoever asked for it and however long ago.
async fn bought(office: &Office, watched: &Watched) {
    let purchase = Purchase {
        phone_number: watched.number.as_str().to_owned(),
        friendly_name: watched.inbox.to_string(),
        sms_url: "https://inbox.example/a".into(),
        voice_url: "https://inbox.example/b".into(),
    };
    office.carrier.client(PATIENT).buy_number(&purchase).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_creation_waits_for_the_grace_time_and_is_undone_with_its_number() {
    let office = Office::set().await;
    let before = office.rows().await;
    let begin = now();
    let event = create("dan", "team_2", &wish("back", 2001)).header("idempotency-key", "k-1");
    let id = broken_off(&office, &event, &LOST_SERVICE).await;
    let waiting = Tally { waiting: 1, ..Tally::default() };
    assert_eq!(sweep(&office, begin + GRACE - Duration::from_millis(1)).await, waiting);
    assert_eq!(office.inbox(&id).await.unwrap().stage, Stage::Creating);
    assert_eq!(office.carrier.owned().await.len(), 1);
    let undone = Tally { undone: 1, released: 1, ..Tally::default() };
    assert_eq!(sweep(&office, much_later()).await, undone);
    assert_eq!((office.rows().await, office.carrier.owned().await.len()), (before, 0));
    assert_eq!(sweep(&office, much_later()).await, Tally::default(), "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_dies_at_any_request_to_the_table_leaves_an_inbox_or_nothing() {
    for through in 0.. {
        let office = Office::set().await;
        let before = office.rows().await;
        let (died, _) = ask(&office.dying(through), &create("ada", "team_1", &wish("front", 2001))).await;
        assert_eq!(sweep(&office, much_later()).await.failed, 0, "{through}");
        let owned = office.carrier.owned().await;
        match owned.as_slice() {
            [] => assert_eq!(office.rows().await, before, "{through}"),
            [number] => {
                let inbox = office.inbox(number["friendly_name"].as_str().unwrap()).await.unwrap();
                assert_eq!(inbox.stage, Stage::Active, "{through}");
            }
            more => panic!("{through}: {more:?}"),
        }
        if died == 201 {
            assert!(through > 4 && owned.len() == 1, "{through}");
            break;
        }
    }
}

/// The sweep itself dies, at any of its requests to the table; the next one does the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_broke_off_anywhere_is_finished_by_the_next() {
    for through in 0.. {
        let office = Office::set().await;
        let before = office.rows().await;
        let event = create("dan", "team_2", &wish("back", 2001)).header("idempotency-key", "k-1");
        broken_off(&office, &event, &LOST_SERVICE).await;
        let dying = App::new(&office.mortal(through), office.carrier.client(PATIENT), GRACE);
        let done = handle(&dying, much_later()).await;
        sweep(&office, much_later()).await;
        assert_eq!((office.rows().await, office.carrier.owned().await.len()), (before, 0), "{through}");
        if done.is_ok_and(|tally| tally.failed == 0) {
            assert!(through > 3, "{through}");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_within_the_grace_time_leaves_nothing_to_sweep() {
    let office = Office::set().await;
    let event = create("dan", "team_2", &wish("back", 2001)).header("idempotency-key", "k-1");
    let id = broken_off(&office, &event, &LOST_SERVICE).await;
    assert_eq!(ask(&office.app(), &event).await.0, 201);
    assert_eq!(sweep(&office, much_later()).await, Tally::default());
    assert_eq!(
        (office.inbox(&id).await.unwrap().stage, office.carrier.owned().await.len()),
        (Stage::Active, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_comes_after_the_sweep_begins_anew() {
    let office = Office::set().await;
    let event = create("dan", "team_2", &wish("back", 2001)).header("idempotency-key", "k-1");
    let id = broken_off(&office, &event, &LOST_SERVICE).await;
    sweep(&office, much_later()).await;
    let (status, made) = ask(&office.app(), &event).await;
    assert_eq!(status, 201, "{made}");
    assert_ne!(made["inboxId"], json!(id));
    let owned = office.carrier.owned().await;
    assert_eq!((owned.len(), &owned[0]["friendly_name"]), (1, &made["inboxId"]));
    assert_eq!(sweep(&office, much_later()).await, Tally::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_the_sweep_overtakes_gives_back_what_it_holds() {
    let office = Office::set().await;
    let before = office.rows().await;
    let event = create("dan", "team_2", &wish("back", 2001)).header("idempotency-key", "k-1");
    broken_off(&office, &event, &LOST_SERVICE).await;
    let (reached, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let wait = Then::Wait { reached: Arc::clone(&reached), go: Arc::clone(&go) };
    office.carrier.set("POST", "/PhoneNumbers", wait);
    let retrying = office.app();
    let retry = ask(&retrying, &event);
    let overtake = async {
        reached.notified().await;
        assert_eq!(sweep(&office, much_later()).await.undone, 1);
        go.notify_one();
    };
    let ((status, problem), ()) = tokio::join!(retry, overtake);
    assert_eq!(status, 503, "{problem}");
    assert_eq!((office.rows().await, office.carrier.owned().await.len()), (before, 0));
    let (status, made) = ask(&office.app(), &event).await;
    assert_eq!((status, office.carrier.owned().await.len()), (201, 1), "{made}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_that_happened_after_all_is_given_back() {
    let office = Office::set().await;
    let before = office.rows().await;
    office.carrier.fault("error-before", "1", "purchases").await;
    assert_eq!(ask(&office.app(), &create("ada", "team_1", &wish("front", 2001))).await.0, 503);
    let watched = office.new_inboxes().unsettled().await.unwrap();
    bought(&office, &watched[0]).await;
    let released = Tally { released: 1, ..Tally::default() };
    assert_eq!(sweep(&office, much_later()).await, released);
    assert_eq!((office.rows().await, office.carrier.owned().await.len()), (before, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_another_inbox_bought_since_is_not_given_back() {
    let office = Office::set().await;
    let event = create("ada", "team_1", &wish("front", 2001));
    office.carrier.fault("error-before", "1", "purchases").await;
    assert_eq!(ask(&office.app(), &event).await.0, 503);
    let (status, made) = ask(&office.app(), &event).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(sweep(&office, much_later()).await, Tally::default());
    let owned = office.carrier.owned().await;
    assert_eq!((owned.len(), &owned[0]["friendly_name"]), (1, &made["inboxId"]));
    assert_eq!(office.new_inboxes().unsettled().await.unwrap(), []);
}

/// The first attempt may have bought; the second learns only that it has not bought itself.
#[tokio::test(flavor = "multi_thread")]
async fn an_uncertain_purchase_is_watched_on_when_a_later_attempt_surely_fails() {
    for refusal in ["rate-limit", "refuse", "refuse:21649"] {
        let office = Office::set().await;
        let event = create("ada", "team_1", &wish("front", 2001)).header("idempotency-key", "k-1");
        office.carrier.fault("error-before", "1", "purchases").await;
        office.carrier.fault("error-before", "1", "numbers").await;
        assert_eq!(ask(&office.app(), &event).await.0, 503);
        let watched = office.new_inboxes().unsettled().await.unwrap();
        office.carrier.fault(refusal, "1", "purchases").await;
        let (status, problem) = ask(&office.app(), &event).await;
        assert!([503, 409, 422].contains(&status), "{refusal}: {problem}");
        bought(&office, &watched[0]).await;
        assert_eq!(sweep(&office, much_later()).await.released, 1, "{refusal}");
        assert_eq!(office.carrier.owned().await.len(), 0, "{refusal}");
        assert_eq!(office.new_inboxes().unsettled().await.unwrap(), [], "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_that_is_in_use_is_settled_and_keeps_its_number() {
    let office = Office::set().await;
    let (_, made) = ask(&office.app(), &create("dan", "team_2", &wish("back", 2001))).await;
    let inbox = office.inbox(made["inboxId"].as_str().unwrap()).await.unwrap();
    let other = Inbox {
        number: shared_domain::phone::PhoneNumber::from_carrier("+12025552002").unwrap(),
        id: shared_domain::ids::InboxId::parse("inb_other").unwrap(),
        api_code: "other".into(),
        stage: Stage::Creating,
        ..inbox
    };
    let reserved = office.new_inboxes().reserve(&other, None, now()).await.unwrap();
    assert_eq!(reserved, Reserved::Done);
    bought(&office, &office.new_inboxes().unsettled().await.unwrap()[0]).await;
    let active = Inbox { stage: Stage::Active, ..other };
    Inboxes::new(office.table()).put(&active).await.unwrap();
    let rows = office.rows().await;
    assert_eq!(sweep(&office, much_later()).await, Tally::default());
    assert_eq!(office.carrier.owned().await.len(), 2);
    let gone: Vec<_> = rows.difference(&office.rows().await).cloned().collect();
    assert_eq!(gone, ["PURCHASE org_1#inb_other"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_is_down_leaves_the_number_for_the_next_run() {
    let office = Office::set().await;
    let before = office.rows().await;
    let event = create("dan", "team_2", &wish("back", 2001)).header("idempotency-key", "k-1");
    broken_off(&office, &event, &LOST_SERVICE).await;
    let failed = handle(&app(&office, nobody()), much_later()).await.unwrap();
    assert_eq!(failed, Tally { undone: 1, failed: 1, ..Tally::default() });
    for kind in ["rate-limit", "error-before"] {
        office.carrier.fault(kind, "1", "numbers").await;
        assert_eq!(sweep(&office, much_later()).await, Tally { failed: 1, ..Tally::default() }, "{kind}");
    }
    office.carrier.set("DELETE", ".json", Then::Refuse(500, json!({})));
    assert_eq!(sweep(&office, much_later()).await, Tally { failed: 1, ..Tally::default() }, "release");
    assert_eq!(office.carrier.owned().await.len(), 1);
    assert_eq!(sweep(&office, much_later()).await, Tally { released: 1, ..Tally::default() });
    assert_eq!((office.rows().await, office.carrier.owned().await.len()), (before, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_down_is_an_error_and_nothing_is_given_back() {
    let office = Office::set().await;
    let event = create("dan", "team_2", &wish("back", 2001)).header("idempotency-key", "k-1");
    broken_off(&office, &event, &LOST_SERVICE).await;
    let app = App::new(&crate::stage::Stage::dead_table(), office.carrier.client(PATIENT), GRACE);
    assert!(handle(&app, much_later()).await.is_err());
    assert_eq!(office.carrier.owned().await.len(), 1);
}
