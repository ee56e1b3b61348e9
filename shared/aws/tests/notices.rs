//! Notifications: each is told once to each, and none is lost between the table and the queue.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, extract::State};
use serde_json::{Value, json};
use shared_aws::{
    clients::{Aws, MailQueue},
    notification::Notifications,
};
use shared_domain::{
    ids::{ContactId, InboxId},
    notice::{Notification, NotificationKind},
    registration::CarrierReason,
};
use tokio::{net::TcpListener, task::JoinSet};

use crate::support::{Desk, ada, ben, seconds};

const ADDRESS: &str = "Front.Desk@college.example";

fn notice(desk: &Desk, id: &str, subject: NotificationKind) -> Notification {
    let (organization, team) = (desk.organization().clone(), desk.inbox.team.clone());
    let admins = vec![ada().id, ben().id];
    Notification { id: id.to_owned(), organization, team, subject, at: seconds(0), admins }
}

fn every_subject() -> [NotificationKind; 7] {
    let contact = ContactId::new(seconds(0), 5);
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
        NotificationKind::OptOutChanged { contact: contact.clone(), opted_out: true },
        NotificationKind::UnknownContact { contact: contact.clone(), inbox: InboxId::new(seconds(0), 6) },
        NotificationKind::ContactAdded { contact, by: ada().id },
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_who_would_tell_one_recipient_at_one_instant_one_does() {
    let desk = Desk::open().await;
    let mut tellers = JoinSet::new();
    for _ in 0..16 {
        let (notices, organization) = (Notifications::new(desk.other_host()), desk.organization().clone());
        tellers.spawn(
            async move { notices.claim(&organization, "notice-1", ADDRESS, seconds(0)).await.unwrap() },
        );
    }
    let told = tellers.join_all().await;
    assert_eq!(told.into_iter().filter(|told| *told).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_is_one_whatever_the_case_of_the_address_and_each_notice_is_its_own() {
    let desk = Desk::open().await;
    let claim = async |notice: &str, address: &str| {
        desk.notices.claim(desk.organization(), notice, address, seconds(0)).await.unwrap()
    };
    assert!(claim("notice-1", ADDRESS).await);
    assert!(!claim("notice-1", &ADDRESS.to_lowercase()).await);
    assert!(claim("notice-1", "other@college.example").await);
    assert!(claim("notice-2", ADDRESS).await);
    assert!(!format!("{:?}", desk.rows().await.keys()).to_lowercase().contains("front.desk"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_was_given_back_is_another_s() {
    let desk = Desk::open().await;
    let claim =
        async |at| desk.notices.claim(desk.organization(), "notice-1", ADDRESS, seconds(at)).await.unwrap();
    assert!(claim(0).await);
    assert!(!claim(1).await);
    desk.notices.release_claim(desk.organization(), "notice-1", ADDRESS).await.unwrap();
    assert!(desk.rows().await.is_empty());
    assert!(claim(2).await);
    assert!(!claim(3).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_left_behind_once_a_minute_has_passed_and_until_it_is_removed() {
    let desk = Desk::open().await;
    let left = notice(&desk, "notice-1", NotificationKind::RegistrationApproved);
    let behind = async |at| desk.notices.overdue(seconds(at)).await.unwrap();
    desk.notices.enqueue(&left).await.unwrap();
    desk.notices.enqueue(&left).await.unwrap();
    assert_eq!(behind(60).await, []);
    assert_eq!(behind(61).await, std::slice::from_ref(&left));
    desk.notices.remove(&left.id).await.unwrap();
    desk.notices.remove(&left.id).await.unwrap();
    assert_eq!(behind(61).await, []);
    assert!(desk.rows().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_subject_comes_back_from_the_table_as_it_was_left() {
    let desk = Desk::open().await;
    let subjects = every_subject().into_iter().enumerate();
    let all: Vec<_> =
        subjects.map(|(place, subject)| notice(&desk, &format!("notice-{place}"), subject)).collect();
    for one in &all {
        desk.notices.enqueue(one).await.unwrap();
    }
    assert_eq!(desk.notices.overdue(seconds(100)).await.unwrap(), all);
}

/// What a queue was given, which takes everything.
type Taken = Arc<Mutex<Vec<String>>>;

async fn take(State(taken): State<Taken>, body: String) -> Json<Value> {
    let request: Value = serde_json::from_str(&body).unwrap();
    let entries = request["Entries"].as_array().unwrap();
    let texts = entries.iter().map(|entry| entry["MessageBody"].as_str().unwrap().to_owned());
    taken.lock().unwrap().extend(texts);
    let done = |entry: &Value| json!({ "Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "" });
    Json(json!({ "Successful": entries.iter().map(done).collect::<Vec<_>>(), "Failed": [] }))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_subject_comes_back_from_the_queue_as_it_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let taken = Taken::default();
    let app = Router::new().fallback(take).with_state(taken.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let desk = Desk::open().await;
    let sent = every_subject().map(|subject| notice(&desk, "notice-1", subject));
    let answers = MailQueue::new(&Aws::loopback(endpoint.clone()), endpoint).enqueue(&sent).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let taken = taken.lock().unwrap();
    let read: Vec<_> = taken.iter().map(|text| Notifications::of_text(text).unwrap()).collect();
    assert_eq!(read, sent);
}

#[test]
fn a_text_that_is_no_notice_is_refused_without_a_word_of_it() {
    for body in ["", "{}", "{\"notice\":\"my diagnosis\"}", "my diagnosis"] {
        let refused = Notifications::of_text(body).unwrap_err().to_string();
        assert!(!refused.contains("diagnosis"), "{refused}");
    }
}
