//! `GET /v1/me`: the listed inboxes, their unread counts, and its requests to the table.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client as Dynamo,
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextRef},
    error::BoxError,
};
use serde_json::json;
use shared_aws::{
    contact::Contacts,
    conversation::{Acquired, ConversationUpdate, Conversations, Locks, Unread},
    table::Table,
};
use shared_domain::{
    contact::Contact,
    conversation::Folder,
    inbox::{InboxKind, Stage},
    keys::{ConversationKey, InboxKey, TeamKey},
    lock::LockPolicy,
    registration::RegistrationStatus,
    team::Team,
    time::Timestamp,
};
use shared_lambda::clock::now;
use test_kit::{TestApp, build, build::organization_id, engine::TABLE, gateway::Event};

use super::{accounts, app, app_over, call, call_at, inbox, me, receive};

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_is_listed_while_its_team_is_approved_and_it_is_active() {
    use RegistrationStatus::{Approved, NotStarted, Pending, Rejected, Suspended};
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let mut front = inbox(&test, "inb_front", "team_1", InboxKind::Shared, &["bob"]).await;
    inbox(&test, "inb_other", "team_1", InboxKind::Shared, &["ada"]).await;
    inbox(&test, "inb_bob", "team_1", InboxKind::Personal, &["bob"]).await;
    for (registration, shown) in [
        (NotStarted, false),
        (Pending, false),
        (Approved, true),
        (Suspended, false),
        (Rejected, false),
        (Approved, true),
    ] {
        test.add_team(&organization_id("org_1"), &Team { registration, ..build::team() }).await;
        let expected = if shown { vec!["inb_bob", "inb_front"] } else { vec!["inb_bob"] };
        assert_eq!(accounts(&me(&app, "bob").await), expected, "{registration:?}");
    }
    let bob = me(&app, "bob").await;
    let account = json!({
        "inboxId": "inb_front", "kind": "shared", "name": "Name of inb_front", "color": "#336699",
        "phoneNumber": front.number.as_str(), "apiCode": "inb_front", "teamId": "team_1", "unreadCount": 0,
        "counts": { "inbox": 0, "unread": 0, "assignedToMe": 0 },
    });
    assert_eq!(bob["accounts"][1], account);
    let who = json!({ "userId": "bob", "name": "BOB", "email": "bob@clinic.example", "owner": false });
    assert_eq!((&bob["user"], &bob["locks"]), (&who, &json!([])));
    assert_eq!(bob["teams"], json!([{ "teamId": "team_1", "name": "Front", "role": "member" }]));
    for stage in [Stage::Retired, Stage::Creating] {
        front.stage = stage;
        test.add_inbox(&front).await;
        assert_eq!(accounts(&me(&app, "bob").await), ["inb_bob"], "{stage:?}");
    }
    assert_eq!(accounts(&me(&app, "olga").await), Vec::<&str>::new(), "the owner is not a member");
    let unknown = Event::new("GET /v1/me", &[]).user("org_1", "nobody");
    assert_eq!(call(&app, &unknown).await.0, 403);
    let unknown_user = Event::new("GET /v1/me", &[]).claims(json!({ "sub": "2f1c" }));
    assert_eq!(call(&app, &unknown_user).await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_a_conversation_decrements_the_unread_count() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let back = inbox(&test, "inb_back", "team_2", InboxKind::Shared, &["cyn"]).await;
    let other = inbox(&test, "inb_other", "team_2", InboxKind::Shared, &["cyn"]).await;
    let count = async |at: Timestamp| {
        let event = Event::new("GET /v1/me", &[]).user("org_1", "cyn");
        let (_, me) = call_at(&app, &event, at).await;
        let accounts = me["accounts"].as_array().unwrap().clone();
        accounts.iter().map(|account| account["unreadCount"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(count(now()).await, [0, 0]);
    let first = receive(&test, &back, 1).await;
    for serial in [2, 3] {
        receive(&test, &back, serial).await;
    }
    receive(&test, &other, 1).await;
    assert_eq!(count(now()).await, [3, 1], "conversations");
    let organization = organization_id("org_1");
    let key_of_conversation =
        ConversationKey { organization: &organization, inbox: &back.id, conversation: &first };
    let cyn = build::user_ref("cyn", "Cyn");
    let opened =
        Locks::new(test.table()).acquire(key_of_conversation, &cyn, now(), 1, &LockPolicy::default()).await;
    assert!(matches!(opened.unwrap(), Acquired::Held(_)));
    assert_eq!(count(now()).await, [2, 1]);
    // A host that crashed between its two writes left the counter off by one. It is recounted after a quiet
    // minute.
    let unread = Unread::new(test.table());
    unread.add(InboxKey { organization: &organization, inbox: &back.id }, 1, now()).await.unwrap();
    assert_eq!(count(now()).await, [3, 1]);
    let quiet = now() + Duration::from_secs(61);
    assert_eq!(count(quiet).await, [2, 1]);
    assert_eq!(count(quiet).await, [2, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn me_counts_conversations_and_lists_the_locks_of_the_user() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let back = inbox(&test, "inb_back", "team_2", InboxKind::Shared, &["cyn"]).await;
    let mut conversations = Vec::new();
    for serial in 1..=3 {
        conversations.push(receive(&test, &back, serial).await);
    }
    let organization = organization_id("org_1");
    let team = TeamKey { organization: &organization, team: &back.team };
    let assigned = Contact {
        number: build::number("+14155550001"),
        assigned: Some(build::user_ref("cyn", "CYN")),
        ..build::contact()
    };
    let contacts = Contacts::new(test.table());
    contacts.put(team, &assigned).await.unwrap();
    contacts.sync_conversations(team, &assigned.number).await.unwrap();
    let counts = async || me(&app, "cyn").await["accounts"][0]["counts"].clone();
    assert_eq!(counts().await, json!({ "inbox": 3, "unread": 3, "assignedToMe": 1 }));

    let (key, at) = (InboxKey { organization: &organization, inbox: &back.id }, now());
    let cyn = build::user_ref("cyn", "Cyn");
    let lease = LockPolicy::default().lease;
    let locks = Locks::new(test.table());
    locks.acquire(key.conversation(&conversations[1]), &cyn, at, 1, &LockPolicy::default()).await.unwrap();
    let event = Event::new("GET /v1/me", &[]).user("org_1", "cyn");
    let held = async |at: Timestamp| call_at(&app, &event, at).await.1["locks"].clone();
    let lock = json!({
        "inboxId": "inb_back", "conversationId": conversations[1].as_str(),
        "expiresAt": (at + lease).to_string(),
    });
    assert_eq!(held(at).await, json!([lock]));
    assert_eq!(held(at + lease).await, json!([]), "an expired lock is not held");

    let archive = ConversationUpdate { folder: Some(Folder::Archived), read: Some(true) };
    let all = [conversations[0].clone()];
    Conversations::new(test.table()).change_many(key, &all, archive, now()).await.unwrap();
    assert_eq!(counts().await, json!({ "inbox": 2, "unread": 1, "assignedToMe": 0 }));
}

/// Counts requests by operation.
#[derive(Debug, Clone, Default)]
struct Meter(Arc<Mutex<Requests>>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Requests {
    queries: usize,
    batches: usize,
    others: usize,
}

impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "meter"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut requests = self.0.lock().unwrap();
        match context.request().headers().get("x-amz-target") {
            Some("DynamoDB_20120810.Query") => requests.queries += 1,
            Some("DynamoDB_20120810.BatchGetItem") => requests.batches += 1,
            _ => requests.others += 1,
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn me_costs_two_counts_for_each_inbox_and_otherwise_the_same_for_any_number_of_them() {
    let test = TestApp::with_two_teams().await;
    let meter = Meter::default();
    let metered = Dynamo::from_conf(test.engine.patient_config().interceptor(meter.clone()).build());
    let app = app_over(&Table::new(metered, TABLE));
    let event = Event::new("GET /v1/me", &[]).user("org_1", "cyn");
    let cost = async |at: Timestamp| {
        *meter.0.lock().unwrap() = Requests::default();
        let (_, me) = call_at(&app, &event, at).await;
        (accounts(&me).len(), *meter.0.lock().unwrap())
    };
    let plain = |inboxes: usize| Requests { queries: 1 + 2 * inboxes, batches: 1, others: 1 };
    assert_eq!(cost(now()).await, (0, plain(0)));
    let mut inboxes = Vec::new();
    for (upto, quiet) in [(3, 61), (30, 200)] {
        for serial in inboxes.len()..upto {
            let id = format!("inb_{serial:02}");
            inboxes.push(inbox(&test, &id, "team_2", InboxKind::Shared, &["cyn"]).await);
            receive(&test, &inboxes[serial], 1).await;
        }
        assert_eq!(cost(now()).await, (upto, plain(upto)));
        // All counters are due for a recount. One is recounted at a time, and the correction is written.
        let later = now() + Duration::from_secs(quiet);
        let recounted = Requests { queries: plain(upto).queries + 1, others: 2, ..plain(upto) };
        assert_eq!(cost(later).await, (upto, recounted));
    }
}
