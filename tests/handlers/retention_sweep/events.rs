//! Events of expired messages lose their data.

use std::time::Duration;

use retention_sweep::handle;
use shared_app::retention::Expired;
use shared_aws::event::EventLog;
use shared_domain::{
    event::{EventScope, EventType, NewEvent},
    ids::{EventId, MessageId},
    time::Timestamp,
};
use test_kit::{TestApp, clock::TestClock};

use super::{DAY, KEPT_DAYS, app, edit, keep, now, sweep};

fn scope(test: &TestApp) -> EventScope {
    EventScope::Inbox { organization: test.organization().clone(), inbox: test.inbox.id.clone() }
}

fn new_event(test: &TestApp, name: &str, kind: EventType, at: Timestamp, data: String) -> NewEvent {
    let message = matches!(kind, EventType::MessageCreated | EventType::MessageUpdated)
        .then(|| MessageId::in_conversation(&test.conversation_id(), at, 1));
    let (id, scope) = (EventId::of_record(name, 0), scope(test));
    NewEvent { id, kind, at, scope, team: None, conversation: Some(test.conversation_id()), message, data }
}

/// An event of a message is about a message from its time, and a changed conversation shows one.
#[tokio::test(flavor = "multi_thread")]
async fn events_with_expired_messages_lose_their_data_if_they_are_stored_for_longer() {
    for (days, kept) in [(1, vec!["lock", "new", "shown new"]), (2, vec![]), (30, vec![])] {
        let test = TestApp::start().await;
        let (old, new) = (now() - DAY * 3 / 2, now() - DAY / 2);
        let shows = |name: &str, at: Timestamp| {
            format!(r#"{{"name":"{name}","lastMessage":{{"createdAt":"{at}","text":"{name}"}}}}"#)
        };
        let names = ["old", "shown old", "shown old later", "lock", "new", "shown new"];
        let text = |name: &str| format!(r#"{{"text":"{name}"}}"#);
        let events = [
            new_event(&test, "old", EventType::MessageCreated, old, text("old")),
            new_event(&test, "shown old", EventType::ConversationUpdated, old, shows("shown old", old)),
            new_event(&test, "later", EventType::ConversationUpdated, new, shows("shown old later", old)),
            new_event(&test, "lock", EventType::LockReleased, old, text("lock")),
            new_event(&test, "new", EventType::MessageUpdated, new, text("new")),
            new_event(&test, "shown new", EventType::ConversationUpdated, new, shows("shown new", new)),
        ];
        let log = EventLog::new(test.table());
        assert!(log.append(&scope(&test), &events, new).await.failure.is_none());
        edit(&test, keep(Some(days))).await;
        let kept = if kept.is_empty() { names.to_vec() } else { kept };
        let expected = Expired { teams: 1, events: names.len() - kept.len(), ..Expired::default() };
        assert_eq!(sweep(&test, now()).await, expected, "{days}");
        let stored = log.after(&scope(&test), 0, 10).await.unwrap();
        assert_eq!(stored.len(), names.len(), "{days}");
        for (name, stored) in names.into_iter().zip(stored) {
            assert_eq!(stored.event.data == "{}", !kept.contains(&name), "{days}: {name}");
        }
    }
}

/// A late report of an old message, and a conversation that is archived.
#[tokio::test(flavor = "multi_thread")]
async fn new_events_of_expired_messages_lose_their_data() {
    let test = TestApp::start().await;
    let old = now() - DAY * 31;
    let shows = format!(r#"{{"name":"old","lastMessage":{{"createdAt":"{old}","text":"old"}}}}"#);
    let events = [
        new_event(&test, "shown", EventType::ConversationUpdated, old, shows),
        new_event(&test, "reported", EventType::MessageUpdated, old, r#"{"text":"old"}"#.into()),
    ]
    .map(|event| NewEvent { at: now(), ..event });
    let log = EventLog::new(test.table());
    assert!(log.append(&scope(&test), &events, now()).await.failure.is_none());
    edit(&test, keep(Some(KEPT_DAYS))).await;
    assert_eq!(sweep(&test, now()).await, Expired { teams: 1, events: 2, ..Expired::default() });
    let stored = log.after(&scope(&test), 0, 10).await.unwrap();
    assert_eq!(stored.iter().map(|stored| &stored.event.data[..]).collect::<Vec<_>>(), ["{}"; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_after_the_events_that_are_done() {
    let test = TestApp::start().await;
    let at = now() - DAY * 3 / 2;
    let name = |index: usize| format!("event {index}");
    let events: Vec<_> = (0..400)
        .map(|index| {
            new_event(&test, &name(index), EventType::MessageCreated, at, format!(r#"{{"n":{index}}}"#))
        })
        .collect();
    let log = EventLog::new(test.table());
    for events in events.chunks(100) {
        assert!(log.append(&scope(&test), events, now()).await.failure.is_none());
    }
    edit(&test, keep(Some(1))).await;
    let moving = TestClock::at(now());
    let mut runs = Vec::new();
    while runs.iter().all(|run: &Expired| run.teams == 0) {
        assert!(runs.len() < 30, "{runs:?}");
        let clock = || moving.now_then_advance(Duration::from_secs(2));
        runs.push(handle(&app(&test.table(), test.s3.bucket()), clock).await.unwrap());
    }
    assert!((2..4).contains(&runs.len()), "{runs:?}");
    assert_eq!(runs.iter().map(|run| run.events).sum::<usize>(), events.len());
}
