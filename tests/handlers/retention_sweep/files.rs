//! Files of messages: none is left without a message, and none goes that another message shows.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use retention_sweep::handle;
use shared_app::retention::Expired;
use shared_aws::{
    messaging::{
        Acceptance, Accepted, Guard, Inbound, InboundText, MediaFiles, Messages, PendingMedia, Receipt,
        Sends, stored_at,
    },
    team::{Erasure, ExpiringTeam, Retentions},
};
use shared_domain::{
    contact::Contact,
    ids::{MediaId, MessageId},
    media::{Media, MediaState},
    message::{DeliveryState, Message},
    time::Timestamp,
};
use shared_http::serve::answer;
use test_kit::{TestApp, build, crash, gateway::Event};

use super::{DAY, KEPT_DAYS, LEASE, WORDS, accept, app, edit, keep, now, report, sweep};

/// The message that sends a failed one again.
fn retry_of(failed: &Message, at: Timestamp) -> Message {
    Message {
        id: MessageId::of_retry(&failed.conversation, at, &failed.id),
        created_at: at,
        retry_of: Some(failed.id.clone()),
        ..failed.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbound_message_whose_files_were_never_copied_leaves_no_copy_behind() {
    let test = TestApp::start().await;
    let media = Media {
        id: MediaId::of_inbound("SM1", 0),
        copy: None,
        content_type: None,
        state: MediaState::Pending { source: "https://carrier.example/SM1".into() },
    };
    let text = InboundText { media: vec![media], ..build::inbound_text(&test.contact, "SM1", WORDS[0]) };
    let received = Inbound::new(test.table()).receive(&test.inbox, &text, now() - DAY * 2).await.unwrap();
    let Receipt::Stored(message) = received.0 else { panic!("{received:?}") };
    let pending =
        PendingMedia { organization: test.organization().clone(), message, files: 1, at: now() - DAY * 2 };
    MediaFiles::new(test.table()).enqueue(&pending).await.unwrap();
    edit(&test, keep(Some(1))).await;
    assert_eq!(sweep(&test, now()).await.messages, 1);
    assert!(!test.engine.keys().await.iter().any(|key| key.starts_with("OUTBOX")));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_message_that_was_sent_again_stay_until_the_other_expires() {
    let test = TestApp::start().await;
    let failed = accept(&test, &test.contact, WORDS[0], Some("picture"), now() - DAY * 40).await;
    report(&test, &failed.id, DeliveryState::Failed).await;
    let retry = retry_of(&failed, now() - DAY * 20);
    test.accept(retry.clone()).await;
    report(&test, &retry.id, DeliveryState::Delivered).await;
    edit(&test, keep(Some(KEPT_DAYS))).await;
    assert_eq!(sweep(&test, now()).await, Expired { teams: 1, messages: 1, ..Expired::default() });
    assert_eq!((test.history().await.len(), test.s3.objects().len()), (1, 2));
    let rest = Expired { teams: 1, messages: 1, files: 2, ..Expired::default() };
    assert_eq!(sweep(&test, now() + DAY * 20).await, rest);
    assert_eq!((test.history().await.len(), test.s3.objects().len()), (0, 0));
}

/// The failed message is sent again before any request of the run that erases it.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_sent_again_during_a_run_keeps_its_files() {
    let (mut accepted, mut refused) = (0, 0);
    for overtaken_at in crash::points() {
        let test = TestApp::start().await;
        let failed = accept(&test, &test.contact, WORDS[0], Some("picture"), now() - DAY * 40).await;
        report(&test, &failed.id, DeliveryState::Failed).await;
        edit(&test, keep(Some(KEPT_DAYS))).await;
        let outcome = Arc::new(OnceLock::new());
        let retry = retry_of(&failed, now());
        let (table, contact, done) =
            (test.table(), Contact::provisional(&test.team.id, &test.contact), outcome.clone());
        let organization = test.organization().clone();
        let send_again = async move {
            let guard = Guard::Compose { user: None };
            let (organization, message) = (&organization, &retry);
            let acceptance =
                Acceptance { organization, message, contact: &contact, guard, idempotency: None };
            done.set(Sends::new(table).accept(acceptance).await.unwrap()).unwrap();
        };
        let overtaken = test_kit::contention::overtaken_table(&test.engine.aws, overtaken_at, send_again);
        handle(&app(&overtaken, test.s3.bucket()), now).await.unwrap();
        match outcome.get() {
            Some(Accepted::Stored) => {
                accepted += 1;
                assert_eq!((test.history().await.len(), test.s3.objects().len()), (1, 2), "{overtaken_at}");
            }
            Some(Accepted::AlreadyRetried) => {
                refused += 1;
                assert_eq!((test.history().await, test.s3.objects().len()), (vec![], 0), "{overtaken_at}");
            }
            None => break,
            other => panic!("{overtaken_at}: {other:?}"),
        }
    }
    assert!(accepted > 3 && refused > 1, "{accepted} {refused}");
}

/// Versions without copies stored one file for each upload.
#[tokio::test(flavor = "multi_thread")]
async fn messages_that_share_a_file_are_kept_until_all_of_them_have_expired() {
    let test = TestApp::start().await;
    let media = Media {
        id: MediaId::of_inbound("an upload", 0),
        copy: None,
        content_type: None,
        state: MediaState::Stored { size: 9 },
    };
    let key = stored_at(test.inbox.key(), &media);
    test.s3.put(&key, "image/png", b"bytes");
    for days in [31, 29] {
        let message = Message {
            media: vec![media.clone()],
            ..build::message(&test.inbox, &test.contact, &test.user, now() - DAY * days, days.into())
        };
        test.accept(message.clone()).await;
        report(&test, &message.id, DeliveryState::Delivered).await;
    }
    edit(&test, keep(Some(KEPT_DAYS))).await;
    for (days, left, files) in [(0, 2, 1), (7, 2, 1), (8, 1, 0), (10, 0, 0)] {
        sweep(&test, now() + DAY * days).await;
        assert_eq!((test.history().await.len(), test.s3.objects().len()), (left, files), "{days}");
    }
}

/// The run that marked the message died.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_files_are_being_erased_can_be_sent_again_after_the_lease() {
    let test = TestApp::start().await;
    let failed = accept(&test, &test.contact, WORDS[0], Some("picture"), now() - DAY * 40).await;
    report(&test, &failed.id, DeliveryState::Failed).await;
    edit(&test, keep(Some(KEPT_DAYS))).await;
    let retentions = Retentions::new(test.table());
    let [due]: [ExpiringTeam; 1] = retentions.due(now()).await.unwrap().teams.try_into().unwrap();
    let lease = ExpiringTeam { at: now() + LEASE, ..due.clone() };
    assert!(retentions.save(&due, &lease).await.unwrap());
    let marked = Messages::new(test.table()).mark_expiring(&lease, &[&failed]).await.unwrap();
    assert_eq!(marked, Erasure::Done);
    let contact = Contact::provisional(&test.team.id, &test.contact);
    for (at, expected) in
        [(lease.at, Accepted::AlreadyRetried), (lease.at + Duration::from_millis(1), Accepted::Stored)]
    {
        let (organization, message) = (test.organization(), &retry_of(&failed, at));
        let guard = Guard::Compose { user: None };
        let acceptance = Acceptance { organization, message, contact: &contact, guard, idempotency: None };
        assert_eq!(Sends::new(test.table()).accept(acceptance).await.unwrap(), expected);
    }
}

/// Two messages that were composed with one upload.
#[tokio::test(flavor = "multi_thread")]
async fn messages_with_the_same_upload_have_files_of_their_own() {
    let test = TestApp::start().await;
    let upload = MediaId::of_inbound("an upload", 0);
    test.s3.put(&format!("uploads/org_1/inb_1/{upload}"), "image/png", b"bytes");
    let limits = messages::Limits { reply: 1500, compose: 306 };
    let composer =
        messages::App::new(test.table(), test.s3.bucket(), shared_http::caller::Claims::standard(), limits);
    let (first, second) = (now() - DAY * 36, now() - DAY * 29);
    for at in [first, second] {
        let body = serde_json::json!({
            "from": { "inboxId": "inb_1" }, "to": { "phoneNumber": test.contact.as_str() }, "media": [upload.as_str()],
        });
        let request = Event::new("POST /v1/messages", &[]).user("org_1", "ada").json(&body).request();
        let response =
            answer(&messages::router(composer.clone()), at, shared_lambda::clock::entropy(), request).await;
        assert_eq!(response.status(), 202);
    }
    for message in test.history().await {
        report(&test, &message.id, DeliveryState::Delivered).await;
    }
    assert_eq!(test.s3.objects().len(), 3);
    edit(&test, keep(Some(KEPT_DAYS))).await;
    assert_eq!(sweep(&test, now()).await.messages, 1);
    let [left] = &test.history().await[..] else { panic!("one message is left") };
    let files: Vec<_> = test.s3.objects().into_keys().collect();
    assert_eq!((left.created_at, &files[..]), (second, &[stored_at(test.inbox.key(), &left.media[0])][..]));
    assert_eq!(left.media[0].id, upload, "as the sender named it");
}
