//! Dead-letter queues: listing, showing, redriving and discarding queue messages.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use inboxctl::{
    Error, Operator,
    dead_letters::{self, NamedQueue, QueueName, Selection},
};
use serde_json::json;
use shared_domain::{
    broadcast::BroadcastRef,
    ids::{BroadcastId, MessageId, OrganizationId},
    message::Message,
    time::Timestamp,
};
use test_kit::{TestApp, build, dead_letter_queues::FakeDeadLetterQueues, engine::Engine};

const JOB: &str = r#"{"organizationId":"org_1","messageId":"msg_1"}"#;

async fn start() -> (Engine, FakeDeadLetterQueues, Vec<NamedQueue>) {
    let (engine, queues) = (Engine::start().await, FakeDeadLetterQueues::start().await);
    let names = [(QueueName::Send, "send"), (QueueName::Mail, "mail"), (QueueName::Relay, "relay")];
    let named = names.map(|(name, queue)| NamedQueue { name, queue: queues.client(queue), texts: None });
    (engine, queues, named.into())
}

/// Each operator has other random numbers.
fn operator(engine: &Engine, entropy: u64) -> Operator {
    Operator::new(engine.table(), None, at(), entropy)
}

fn at() -> Timestamp {
    Timestamp::parse("2026-11-28T09:30:00Z").unwrap()
}

fn of_queue(queue: QueueName) -> Selection {
    Selection { queue: Some(queue), ..Selection::default() }
}

fn with_id(id: &str) -> Selection {
    Selection { id: Some(id.into()), ..Selection::default() }
}

async fn audit_entries(engine: &Engine) -> usize {
    engine.keys().await.into_iter().filter(|key| key.starts_with("org_1#AUDIT")).count()
}

#[tokio::test]
async fn messages_of_all_dead_letter_queues_are_listed_without_their_bodies_and_stay_visible() {
    let (_engine, queues, named) = start().await;
    for place in 0..12 {
        queues.push("dead-send", &format!("s-{place}"), JOB);
    }
    queues.push("dead-mail", "m-1", "not JSON");
    for _ in 0..2 {
        let listed = dead_letters::list(&named, &Selection::default()).await.unwrap();
        assert_eq!(listed.len(), 13);
        let expected = json!({
            "id": "s-0", "queue": "send", "at": "2026-11-28T09:00:00.000Z",
            "reason": "The message could not be handed to the carrier.", "messageId": "msg_1",
            "organizationId": "org_1",
        });
        assert_eq!(json!(listed[0]), expected);
        assert_eq!(json!(listed[12])["messageId"], json!(null), "it names no message");
    }
    let mail = dead_letters::list(&named, &of_queue(QueueName::Mail)).await.unwrap();
    assert_eq!((mail.len(), mail[0].id.as_str()), (1, "m-1"));
}

#[tokio::test]
async fn a_queue_message_is_shown_with_its_message_id_and_without_its_body() {
    let (_engine, queues, named) = start().await;
    queues.push("dead-send", "s-1", JOB);
    let shown = json!(dead_letters::show(&named, "s-1").await.unwrap());
    assert_eq!((&shown["receives"], &shown["messageId"]), (&json!(1), &json!("msg_1")));
    assert_eq!(shown.as_object().unwrap().len(), 7, "{shown}");
    let unknown = dead_letters::show(&named, "s-2").await.unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "No dead-letter queue has a message s-2. `inboxctl dead-letters list` lists them."
    );
}

#[tokio::test]
async fn queue_messages_of_one_organization_are_listed_redriven_and_discarded() {
    let (engine, queues, named) = start().await;
    let other = r#"{"organizationId":"org_2","teamId":"team_2","broadcastId":"bct_2"}"#;
    for (id, body) in [("s-1", JOB), ("s-2", other), ("s-3", "not JSON"), ("s-4", other)] {
        queues.push("dead-send", id, body);
    }
    let of = |id| Selection { organization: OrganizationId::parse(id).ok(), ..Selection::default() };
    let listed = dead_letters::list(&named, &of("org_2")).await.unwrap();
    assert_eq!(listed.iter().map(|letter| letter.id.as_str()).collect::<Vec<_>>(), ["s-2", "s-4"]);
    let shown = json!(listed[0]);
    assert_eq!(
        (&shown["broadcastId"], &shown["teamId"], &shown["messageId"]),
        (&json!("bct_2"), &json!("team_2"), &json!(null))
    );
    let mistaken = Selection { organization: of("org_1").organization, ..with_id("s-2") };
    let refused = dead_letters::discard(&operator(&engine, 100), &named, &mistaken, false).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    let redriven = dead_letters::redrive(&operator(&engine, 200), &named, &of("org_2")).await.unwrap();
    assert_eq!((redriven, queues.bodies("send")), (listed, vec![other.to_owned(); 2]));
    let refused = dead_letters::discard(&operator(&engine, 300), &named, &of("org_1"), false).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    let discarded = dead_letters::discard(&operator(&engine, 400), &named, &of("org_1"), true).await.unwrap();
    assert_eq!((discarded.len(), queues.bodies("dead-send")), (1, vec!["not JSON".to_owned()]));
}

#[tokio::test]
async fn a_redrive_sends_queue_messages_to_their_queue_once_and_is_audited() {
    let (engine, queues, named) = start().await;
    for place in 0..12 {
        queues.push_to_group("dead-send", "con_1", &format!("s-{place}"), JOB);
    }
    queues.push("dead-relay", "r-1", "{}");
    let operator = |entropy| operator(&engine, entropy);
    let one = dead_letters::redrive(&operator(100), &named, &with_id("s-3")).await.unwrap();
    assert_eq!((one.len(), one[0].id.as_str()), (1, "s-3"));
    assert_eq!(one[0].message_id.as_deref(), Some("msg_1"));
    assert_eq!((queues.bodies("send").len(), queues.bodies("dead-send").len()), (1, 11));
    let again = dead_letters::redrive(&operator(200), &named, &with_id("s-3")).await;
    assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
    let rest = dead_letters::redrive(&operator(300), &named, &Selection::default()).await.unwrap();
    assert_eq!(rest.len(), 11);
    assert_eq!(queues.bodies("send"), vec![JOB; 12]);
    assert_eq!(queues.bodies("dead-relay"), ["{}"], "a batch of the stream has no queue");
    assert_eq!(audit_entries(&engine).await, 12, "each has an entry");
    let none = dead_letters::redrive(&operator(400), &named, &Selection::default()).await.unwrap();
    assert_eq!(none, [], "a repeated command changes nothing");
}

#[tokio::test]
async fn a_batch_of_the_stream_that_is_named_is_not_redriven_and_the_error_says_what_to_do() {
    let (engine, queues, named) = start().await;
    queues.push("dead-relay", "r-1", "{}");
    let named_by =
        [(100, of_queue(QueueName::Relay), "--queue relay --yes"), (200, with_id("r-1"), "--id r-1")];
    for (entropy, selection, deletes) in named_by {
        let refused = dead_letters::redrive(&operator(&engine, entropy), &named, &selection).await;
        let detail = refused.unwrap_err().to_string();
        assert!(detail.contains(&format!("`inboxctl dead-letters discard {deletes}`")), "{detail}");
        assert_eq!(queues.bodies("dead-relay"), ["{}"], "it is visible again");
    }
    let relay = of_queue(QueueName::Relay);
    let discarded = dead_letters::discard(&operator(&engine, 300), &named, &relay, true).await.unwrap();
    assert_eq!((discarded.len(), queues.bodies("dead-relay").len()), (1, 0));
}

#[tokio::test]
async fn one_queue_message_is_discarded_without_a_look_at_later_queues_and_at_its_source() {
    let (engine, queues, named) = start().await;
    queues.push("dead-send", "s-1", JOB);
    queues.push("dead-mail", "m-1", "not JSON");
    dead_letters::discard(&operator(&engine, 100), &named, &with_id("s-1"), false).await.unwrap();
    let requests = queues.take_requests();
    assert!(!requests.is_empty());
    let is_needless =
        |(queue, action): &(String, String)| queue != "dead-send" || action == "ListDeadLetterSourceQueues";
    assert!(!requests.iter().any(is_needless), "{requests:?}");
}

#[tokio::test]
async fn all_queue_messages_are_discarded_only_with_consent() {
    let (engine, queues, named) = start().await;
    for id in ["s-1", "s-2", "s-3"] {
        queues.push("dead-send", id, JOB);
    }
    queues.push("dead-relay", "r-1", "{}");
    let operator = |entropy| operator(&engine, entropy);
    let refused = dead_letters::discard(&operator(500), &named, &Selection::default(), false).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    assert_eq!(queues.bodies("dead-send").len(), 3);
    let one = dead_letters::discard(&operator(600), &named, &with_id("s-1"), false).await.unwrap();
    assert_eq!((one.len(), one[0].message_id.as_deref()), (1, Some("msg_1")));
    assert_eq!(queues.bodies("dead-send").len(), 2);
    let send = of_queue(QueueName::Send);
    assert_eq!(dead_letters::discard(&operator(700), &named, &send, true).await.unwrap().len(), 2);
    assert_eq!(queues.bodies("dead-send").len(), 0);
    assert_eq!(queues.bodies("dead-relay"), ["{}"], "another queue");
    assert_eq!(queues.bodies("send").len(), 0);
    assert_eq!(audit_entries(&engine).await, 3);
}

/// Each goes back to its own queue: behind a later message of its conversation, a text of a broadcast would
/// hold that one back.
#[tokio::test]
async fn a_text_of_a_broadcast_goes_back_to_the_queue_of_texts() {
    let (test, queues) = (TestApp::start().await, FakeDeadLetterQueues::start().await);
    let of = BroadcastRef { broadcast: BroadcastId::parse("bct_1").unwrap(), preparation: 1 };
    let message = build::message(&test.inbox, &test.contact, &test.user, at(), 1);
    let text = test.accept(Message { broadcast: Some(of), ..message }).await;
    let reply = test.accept_message("A reply", at()).await;
    for (place, id) in [&text, &reply].into_iter().enumerate() {
        let job = json!({ "organizationId": test.organization(), "messageId": id }).to_string();
        queues.push("dead-send", &format!("s-{place}"), &job);
    }
    let named = NamedQueue {
        name: QueueName::Send,
        queue: queues.client("send"),
        texts: Some(queues.url_of("texts")),
    };
    let operator = Operator::new(test.table(), None, at(), 100);
    let redriven = dead_letters::redrive(&operator, &[named], &Selection::default()).await.unwrap();
    assert_eq!(redriven.len(), 2);
    let names = |queue, id: &MessageId| {
        let bodies = queues.bodies(queue);
        bodies.len() == 1 && bodies[0].contains(id.as_str())
    };
    assert!(names("texts", &text) && names("send", &reply));
}
