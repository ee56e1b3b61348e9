//! Notifications: each recipient is claimed once, and none is lost between the table and the queue.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, extract::State};
use serde_json::{Value, json};
use shared_aws::{
    clients::{Aws, MailQueue},
    notification::Notifications,
};
use shared_domain::{
    ids::{ContactId, InboxId},
    notification::{Notification, NotificationKind},
    registration::CarrierReason,
};
use tokio::{net::TcpListener, task::JoinSet};

use crate::support::{TestStores, ada, at_second, ben};

const ADDRESS: &str = "Front.Desk@college.example";

fn notification(stores: &TestStores, id: &str, subject: NotificationKind) -> Notification {
    let (organization, team) = (stores.organization().clone(), stores.inbox.team.clone());
    let admins = vec![ada().id, ben().id];
    Notification { id: id.to_owned(), organization, team: Some(team), subject, at: at_second(0), admins }
}

fn every_kind() -> [NotificationKind; 8] {
    let contact = ContactId::new(at_second(0), 5);
    let reason =
        CarrierReason { code: 30_909, detail: "The flow \"opt in\" is not described: ünclear.".into() };
    [
        NotificationKind::RegistrationApproved,
        NotificationKind::RegistrationRejected(vec![
            reason.clone(),
            CarrierReason { code: 0, ..reason.clone() },
        ]),
        NotificationKind::RegistrationRejected(Vec::new()),
        NotificationKind::RegistrationSuspended(vec![reason]),
        NotificationKind::NumberNotRegistered(InboxId::new(at_second(0), 6)),
        NotificationKind::OptOutChanged { contact: contact.clone(), opted_out: true },
        NotificationKind::UnknownContact { contact: contact.clone(), inbox: InboxId::new(at_second(0), 6) },
        NotificationKind::ContactAdded { contact, by: ada().id },
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_concurrent_claims_of_one_recipient_one_succeeds() {
    let stores = TestStores::start().await;
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let (notifications, organization) =
            (Notifications::new(stores.table()), stores.organization().clone());
        tasks.spawn(async move {
            notifications.claim(&organization, "notice-1", ADDRESS, at_second(0)).await.unwrap()
        });
    }
    let claimed = tasks.join_all().await;
    assert_eq!(claimed.into_iter().filter(|claimed| *claimed).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_any_case_is_one_recipient_for_each_notification() {
    let stores = TestStores::start().await;
    let claim = async |notification: &str, address: &str| {
        stores.notifications.claim(stores.organization(), notification, address, at_second(0)).await.unwrap()
    };
    assert!(claim("notice-1", ADDRESS).await);
    assert!(!claim("notice-1", &ADDRESS.to_lowercase()).await);
    assert!(claim("notice-1", "other@college.example").await);
    assert!(claim("notice-2", ADDRESS).await);
    assert!(!format!("{:?}", stores.items().await.keys()).to_lowercase().contains("front.desk"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_claim_is_free_for_another_host() {
    let stores = TestStores::start().await;
    let claim = async |at| {
        stores.notifications.claim(stores.organization(), "notice-1", ADDRESS, at_second(at)).await.unwrap()
    };
    assert!(claim(0).await);
    assert!(!claim(1).await);
    stores.notifications.release_claim(stores.organization(), "notice-1", ADDRESS).await.unwrap();
    assert!(stores.items().await.is_empty());
    assert!(claim(2).await);
    assert!(!claim(3).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_is_overdue_after_a_minute_until_it_is_removed() {
    let stores = TestStores::start().await;
    let stored = notification(&stores, "notice-1", NotificationKind::RegistrationApproved);
    let overdue = async |at| stores.notifications.overdue(at_second(at)).await.unwrap();
    stores.notifications.enqueue(&stored).await.unwrap();
    stores.notifications.enqueue(&stored).await.unwrap();
    assert_eq!(overdue(60).await, []);
    assert_eq!(overdue(61).await, std::slice::from_ref(&stored));
    stores.notifications.remove(&stored.id).await.unwrap();
    stores.notifications.remove(&stored.id).await.unwrap();
    assert_eq!(overdue(61).await, []);
    assert!(stores.items().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_is_read_from_the_table_as_it_was_stored() {
    let stores = TestStores::start().await;
    let subjects = every_kind().into_iter().enumerate();
    let all: Vec<_> =
        subjects.map(|(index, subject)| notification(&stores, &format!("notice-{index}"), subject)).collect();
    for one in &all {
        stores.notifications.enqueue(one).await.unwrap();
    }
    assert_eq!(stores.notifications.overdue(at_second(100)).await.unwrap(), all);
}

/// The messages that the queue accepted.
type Accepted = Arc<Mutex<Vec<String>>>;

async fn accept(State(accepted): State<Accepted>, body: String) -> Json<Value> {
    let request: Value = serde_json::from_str(&body).unwrap();
    let entries = request["Entries"].as_array().unwrap();
    let texts = entries.iter().map(|entry| entry["MessageBody"].as_str().unwrap().to_owned());
    accepted.lock().unwrap().extend(texts);
    let done = |entry: &Value| json!({ "Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "" });
    Json(json!({ "Successful": entries.iter().map(done).collect::<Vec<_>>(), "Failed": [] }))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_is_read_from_the_queue_as_it_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let accepted = Accepted::default();
    let app = Router::new().fallback(accept).with_state(accepted.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let stores = TestStores::start().await;
    let sent = every_kind().map(|subject| notification(&stores, "notice-1", subject));
    let answers = MailQueue::new(&Aws::loopback(endpoint.clone()), endpoint).enqueue(&sent).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let accepted = accepted.lock().unwrap();
    let read: Vec<_> = accepted.iter().map(|text| Notifications::of_text(text).unwrap()).collect();
    assert_eq!(read, sent);
}

#[test]
fn the_error_of_an_invalid_notification_does_not_contain_its_text() {
    for body in ["", "{}", "{\"notice\":\"my diagnosis\"}", "my diagnosis"] {
        let refused = Notifications::of_text(body).unwrap_err().to_string();
        assert!(!refused.contains("diagnosis"), "{refused}");
    }
}
