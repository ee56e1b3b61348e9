//! The removal of a user who locks conversations, and of one whose removal stopped halfway.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use inboxctl::{
    Operator,
    organization::{self, NewOrganization},
    user::{self, UserRemoval},
};
use shared_aws::{
    conversation::{Acquired, Locks},
    messaging::Inbound,
    table::Table,
    team::Members,
};
use shared_domain::{lock::LockPolicy, membership::Role, time::Timestamp};
use test_kit::{TestApp, build, contention::overtaken_table};

fn now() -> Timestamp {
    Timestamp::parse("2026-11-28T09:00:00Z").unwrap()
}

fn operator(table: Table) -> Operator {
    Operator::new(table, None, now(), 7)
}

/// Starts an organization in which bob is a member of a team and its inbox, and has locked a conversation.
async fn clinic() -> TestApp {
    let app = TestApp { user: build::user_ref("bob", "Bob"), ..TestApp::empty().await };
    let new = NewOrganization {
        name: "Clinic".into(),
        owner_name: "Olga Owens".into(),
        owner_email: "olga@clinic.example".into(),
        owner_id: None,
        id: Some(app.organization().to_string()),
        no_invitation: true,
    };
    organization::create(&operator(app.table()), &new).await.unwrap();
    app.add_team(app.organization(), &app.team).await;
    app.add_inbox(&app.inbox).await;
    app.add_user(app.organization(), &build::user("bob"), &[(app.team.id.as_str(), Role::Member)]).await;
    app.add_member(&app.inbox, &app.user).await;
    let text = build::inbound_text(&app.contact, "SM1", "hello");
    Inbound::new(app.table()).receive(&app.inbox, &text, now()).await.unwrap();
    lock_as_member(&app).await;
    assert!(is_locked(&app).await);
    app
}

/// Locks the conversation as bob, if he is a member of the inbox.
async fn lock_as_member(app: &TestApp) {
    let member = Members::new(app.table()).membership(app.inbox.key(), &app.user.id).await.unwrap();
    if member.is_some() {
        let conversation = app.conversation_id();
        let key = app.conversation_key(&conversation);
        let locks = Locks::new(app.table());
        let acquired = locks.acquire(key, &app.user, now(), 1, &LockPolicy::default()).await.unwrap();
        assert!(matches!(acquired, Acquired::Held(_)), "{acquired:?}");
    }
}

async fn is_locked(app: &TestApp) -> bool {
    app.conversation().await.unwrap().lock.lease.is_some()
}

fn removal(app: &TestApp) -> UserRemoval {
    let organization = app.organization().to_string();
    UserRemoval { organization, id: app.user.id.to_string(), successor: None, yes: true }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_being_removed_keeps_no_lock() {
    for nth in 0.. {
        let app = Arc::new(clinic().await);
        let has_locked = Arc::new(AtomicBool::new(false));
        let work = {
            let (app, has_locked) = (app.clone(), has_locked.clone());
            async move {
                lock_as_member(&app).await;
                has_locked.store(true, Ordering::Relaxed);
            }
        };
        let table = overtaken_table(&app.engine.aws, nth, work);
        let removed = user::remove(&operator(table), &removal(&app), || true).await.unwrap();
        assert!(removed.removed);
        assert!(!is_locked(&app).await, "locked before request {nth} of the removal");
        if !has_locked.load(Ordering::Relaxed) {
            assert!(nth > 10, "{nth}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_removal_of_a_user_stops_the_next_one_completes_it() {
    for requests in 0.. {
        let app = clinic().await;
        let first = operator(app.engine.crashing_table(requests));
        let first = user::remove(&first, &removal(&app), || true).await;
        let second = user::remove(&operator(app.table()), &removal(&app), || true).await.unwrap();
        assert!(!is_locked(&app).await, "{requests}");
        assert_eq!(second.removed, first.is_err(), "{requests}");
        let keys = app.engine.keys().await;
        let left: Vec<_> = keys.iter().filter(|key| key.contains("bob")).collect();
        assert_eq!(left, ["org_1#LOCKS#bob LOCKS"], "{requests}: the empty set of locks");
        if first.is_ok() {
            assert!(requests > 10, "{requests}");
            return;
        }
    }
}
