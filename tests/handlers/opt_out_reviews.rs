//! `inbound-sms` and `contacts`: possible opt-out requests, and the decisions of users about them.

use contacts::App;
use serde_json::{Value, json};
use shared_aws::{
    notification::Notifications,
    opt_out::OptOuts,
    team::{AuditEvent, Teams},
};
use shared_domain::{
    inbox::InboxKind,
    keys::TeamKey,
    notification::{MailingPreference, NotificationSettings},
    opt_out::{LedgerEntry, OptOutSource, OptOutSubject},
    user::User,
};
use shared_http::{caller::Claims, cursor::Cursors, serve::answer};
use test_kit::{
    TestApp, build, crash,
    gateway::{Event, status_and_json},
};

use crate::inbound_sms::keywords::{
    Inbound, another_inbox, app as inbound_app, at, conversation_shows_opt_out, crashing_app, deliver,
    inbound, is_opted_out, ledger, receive,
};

const REQUEST: &str = "Please stop texting me!";
const LIST: &str = "GET /v1/inboxes/{inboxId}/opt-out-reviews";
const DECIDE: &str = "PUT /v1/inboxes/{inboxId}/opt-out-reviews/{reviewId}";

fn app(test: &TestApp) -> App {
    App::new(&test.table(), Claims::standard(), Cursors::fixed("secret"))
}

async fn call(app: &App, seconds: u64, event: &Event) -> (u16, Value) {
    let response = answer(&contacts::router(app.clone()), at(seconds), 7, event.request()).await;
    status_and_json(&response)
}

fn list(who: &str) -> Event {
    Event::new(LIST, &[("inboxId", "inb_1")]).user("org_1", who)
}

fn decide(who: &str, review: &str, decision: &str) -> Event {
    let parameters = [("inboxId", "inb_1"), ("reviewId", review)];
    Event::new(DECIDE, &parameters).user("org_1", who).json(&json!({ "decision": decision }))
}

async fn open_reviews(test: &TestApp) -> Vec<Value> {
    let (status, page) = call(&app(test), 900, &list("ada")).await;
    assert_eq!(status, 200, "{page}");
    page["items"].as_array().unwrap().clone()
}

/// Receives a possible opt-out request and returns the id of its review.
async fn open_review(test: &TestApp) -> String {
    receive(test, at(10), inbound(1, REQUEST)).await;
    open_reviews(test).await[0]["reviewId"].as_str().unwrap().to_owned()
}

/// Turns on notifications about opt-out changes.
async fn enable_notifications(test: &TestApp) {
    let opt_out_changed = MailingPreference { enabled: true, recipients: vec!["desk@clinic.example".into()] };
    let settings = NotificationSettings { opt_out_changed, ..NotificationSettings::default() };
    let event = AuditEvent {
        actor: &test.user.id,
        action: "notifications.edit",
        target: "team_1",
        at: at(0),
        entropy: 7,
    };
    let team = &test.team.id;
    Teams::new(test.table())
        .put_notification_settings(TeamKey { organization: test.organization(), team }, &settings, &event)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opt_out_request_without_a_keyword_waits_for_a_review_and_changes_nothing() {
    let test = TestApp::start().await;
    receive(&test, at(10), inbound(1, REQUEST)).await;
    receive(&test, at(20), inbound(2, "I'll stop by tomorrow")).await;
    receive(&test, at(30), inbound(3, "Remove me from your list")).await;
    let [newer, older] = &open_reviews(&test).await[..] else { panic!("expected two reviews") };
    assert_eq!((&newer["text"], &older["text"]), (&json!("Remove me from your list"), &json!(REQUEST)));
    assert_eq!(older["at"], at(10).to_string());
    assert_eq!(older["contact"]["phoneNumber"], test.contact.as_str());
    assert_eq!((&older["contact"]["provisional"], &older["decided"]), (&json!(true), &Value::Null));
    assert_eq!(older["conversationId"], test.conversation_id().as_str());
    let texts = test.history().await;
    assert_eq!(older["messageId"], texts[2].id.as_str());
    assert!(!is_opted_out(&test).await);
    assert_eq!(ledger(&test).await, []);
}

/// Keywords need no review, whether the product or the carrier recognizes them.
#[tokio::test(flavor = "multi_thread")]
async fn a_keyword_is_not_reviewed() {
    let test = TestApp::start().await;
    receive(&test, at(10), inbound(1, "STOP")).await;
    receive(&test, at(20), Inbound { more: &[("OptOutType", "STOP")], ..inbound(2, "unsubscribe me now") })
        .await;
    assert_eq!(open_reviews(&test).await, [Value::Null; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_host_crashes_one_review_is_opened_once_the_carrier_repeats() {
    for requests in crash::points() {
        let test = TestApp::start().await;
        let status = deliver(&crashing_app(&test, requests), at(10), inbound(1, REQUEST)).await;
        for second in 11..13 {
            receive(&test, at(second), inbound(1, REQUEST)).await;
        }
        assert_eq!(open_reviews(&test).await.len(), 1, "{requests}");
        if status == 200 {
            assert!(requests > 8, "{requests}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_request_opts_the_contact_out_in_the_name_of_the_user() {
    let test = TestApp::start().await;
    enable_notifications(&test).await;
    let review = open_review(&test).await;
    let (status, answer) = call(&app(&test), 20, &decide("ada", &review, "opted_out")).await;
    assert_eq!(status, 200, "{answer}");
    let decided = json!({ "decision": "opted_out", "by": { "userId": "ada", "name": "Ada" }, "at": at(20).to_string() });
    assert_eq!((&answer["decided"], &answer["contact"]["optedOut"]), (&decided, &json!(true)));
    assert!(is_opted_out(&test).await && conversation_shows_opt_out(&test, &test.inbox).await);
    let [LedgerEntry { source, message, user, opted_out, .. }] = &ledger(&test).await[..] else {
        panic!("expected one ledger entry")
    };
    assert_eq!((*source, *opted_out), (OptOutSource::User, true));
    assert_eq!(
        (message.as_ref().unwrap().as_str(), user.as_ref()),
        (answer["messageId"].as_str().unwrap(), Some(&test.user.id))
    );
    assert_eq!(open_reviews(&test).await, [Value::Null; 0]);
    let notices = Notifications::new(test.table()).overdue(at(9_000)).await.unwrap();
    assert_eq!(notices.len(), 1);

    let again = call(&app(&test), 30, &decide("ada", &review, "opted_out")).await;
    assert_eq!(again, (200, answer), "the first decision");
    let (status, refused) = call(&app(&test), 40, &decide("ada", &review, "dismissed")).await;
    assert_eq!((status, &refused["code"]), (409, &json!("already_decided")));
    assert_eq!(refused["decided"], decided);
    receive(&test, at(50), inbound(1, REQUEST)).await;
    assert_eq!(open_reviews(&test).await, [Value::Null; 0], "the same message again");
    assert_eq!(ledger(&test).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dismissed_request_changes_nothing_else() {
    let test = TestApp::start().await;
    let review = open_review(&test).await;
    let (status, answer) = call(&app(&test), 20, &decide("ada", &review, "dismissed")).await;
    assert_eq!((status, &answer["decided"]["decision"]), (200, &json!("dismissed")));
    assert!(!is_opted_out(&test).await);
    assert_eq!(ledger(&test).await, []);
    assert_eq!(call(&app(&test), 30, &decide("ada", &review, "dismissed")).await, (200, answer));
    let (status, refused) = call(&app(&test), 40, &decide("ada", &review, "opted_out")).await;
    assert_eq!((status, &refused["decided"]["decision"]), (409, &json!("dismissed")));
    assert!(!is_opted_out(&test).await);
    receive(&test, at(50), inbound(1, REQUEST)).await;
    assert_eq!(open_reviews(&test).await, [Value::Null; 0]);
}

/// The decision is one transaction. A retry completes what follows it.
#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_host_crashes_a_stored_decision_has_opted_the_contact_out() {
    for requests in 0..30 {
        let test = TestApp::start().await;
        let review = open_review(&test).await;
        let crashing =
            App::new(&test.engine.crashing_table(requests), Claims::standard(), Cursors::fixed("secret"));
        let (first_status, _) = call(&crashing, 20, &decide("ada", &review, "opted_out")).await;
        assert_eq!(open_reviews(&test).await.is_empty(), is_opted_out(&test).await, "{requests}");
        let (status, answer) = call(&app(&test), 30, &decide("ada", &review, "opted_out")).await;
        assert_eq!((status, &answer["contact"]["optedOut"]), (200, &json!(true)), "{requests}");
        assert!(
            is_opted_out(&test).await && conversation_shows_opt_out(&test, &test.inbox).await,
            "{requests}"
        );
        assert_eq!(ledger(&test).await.len(), 1, "{requests}");
        if first_status == 200 {
            assert!(requests > 4, "{requests}");
            return;
        }
        assert!(first_status >= 500, "{first_status}");
    }
    panic!("the host always crashed");
}

/// The contact was opted out before by another review.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_an_opted_out_contact_adds_no_ledger_entry() {
    let test = TestApp::start().await;
    receive(&test, at(5), inbound(8, "Remove me from your list")).await;
    let review = open_review(&test).await;
    let other = open_reviews(&test).await[1]["reviewId"].as_str().unwrap().to_owned();
    assert_eq!(call(&app(&test), 20, &decide("ada", &review, "opted_out")).await.0, 200);
    assert_eq!(call(&app(&test), 30, &decide("ada", &other, "opted_out")).await.0, 200);
    assert_eq!(open_reviews(&test).await, [Value::Null; 0]);
    assert_eq!(ledger(&test).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_a_personal_inbox_is_decided_by_its_user_and_opts_out_of_the_team() {
    let test = TestApp::start().await;
    let personal = another_inbox(&test, InboxKind::Personal).await;
    test.add_member(&personal, &test.user).await;
    receive(&test, at(10), Inbound { to: "+12025550200", ..inbound(1, REQUEST) }).await;
    assert_eq!(open_reviews(&test).await, [Value::Null; 0], "not a review of the shared inbox");
    let parameters = [("inboxId", "inb_2")];
    let (_, page) = call(&app(&test), 20, &Event::new(LIST, &parameters).user("org_1", "ada")).await;
    let review = page["items"][0]["reviewId"].as_str().unwrap();
    let parameters = [("inboxId", "inb_2"), ("reviewId", review)];
    let decision =
        Event::new(DECIDE, &parameters).user("org_1", "ada").json(&json!({ "decision": "opted_out" }));
    assert_eq!(call(&app(&test), 30, &decision).await.0, 200);
    let team = OptOutSubject::of_team(test.organization(), &personal.team, &test.contact);
    assert!(OptOuts::new(test.table()).get(&team).await.unwrap().state.is_out());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_members_list_and_decide_reviews_and_invalid_requests_are_refused() {
    let test = TestApp::start().await;
    let review = open_review(&test).await;
    let owner = User { owner: true, ..build::user("olga") };
    test.add_user(test.organization(), &owner, &[]).await;
    for outsider in ["ben", "olga"] {
        assert_eq!(call(&app(&test), 20, &list(outsider)).await.0, 404, "{outsider}");
        let decision = decide(outsider, &review, "opted_out");
        assert_eq!(call(&app(&test), 20, &decision).await.0, 404, "{outsider}");
    }
    let machine = Event::new(LIST, &[("inboxId", "inb_1")])
        .claims(json!({ "sub": "m", "client_id": "m", "token_use": "access", "scope": "x" }));
    assert_eq!(call(&app(&test), 20, &machine).await.0, 403);
    for unknown in ["rev_1", "msg_1", &review.replace("rev_0", "rev_1")] {
        assert_eq!(call(&app(&test), 20, &decide("ada", unknown, "dismissed")).await.0, 404, "{unknown}");
    }
    assert_eq!(call(&app(&test), 20, &decide("ada", &review, "perhaps")).await.0, 400);
    assert_eq!(call(&app(&test), 20, &list("ada").query("cursor=abc")).await.0, 400);
    assert_eq!(open_reviews(&test).await.len(), 1);
    assert!(!is_opted_out(&test).await);
}

/// Many hosts receive the same message while a user decides.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_message_repeated_during_a_decision_does_not_reopen_the_review() {
    let test = TestApp::start().await;
    let review = open_review(&test).await;
    let mut deliveries = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let app = inbound_app(&test);
        deliveries.spawn(async move { deliver(&app, at(20), inbound(1, REQUEST)).await });
    }
    let decider = app(&test);
    let mut status = 0;
    for _ in 0..5 {
        status = call(&decider, 20, &decide("ada", &review, "dismissed")).await.0;
        if status == 200 {
            break;
        }
    }
    assert_eq!(status, 200);
    assert!(deliveries.join_all().await.iter().all(|status| [200, 503].contains(status)));
    receive(&test, at(30), inbound(1, REQUEST)).await;
    assert_eq!(open_reviews(&test).await, [Value::Null; 0]);
}
