//! `media-copy`, and media in `inbound-sms`, `outbox-relay`, `send-reconcile`, `messages` and
//! `outbound-send`. The simulator asks for credentials, redirects to a storage host that refuses them, and
//! serves files that must not be copied.

use std::time::Duration;

use aws_lambda_events::event::dynamodb;
use media_copy::{App, handle};
use serde_json::{Value, json};
use shared_aws::{
    clients::{Bucket, MediaJob},
    conversation::Locks,
    messaging::{MediaFiles, Messages, stored_at},
};
use shared_carriers::twilio::{Credentials, FetchError, MediaClient};
use shared_domain::{
    ids::MediaId,
    keys::{ConversationKey, InboxKey},
    lock::LockPolicy,
    media::{MAX_INBOUND_BYTES, Media, MediaRefusal, MediaState},
    message::Message,
    opt_out::KeywordReplies,
};
use shared_http::serve::answer;
use shared_lambda::clock::{self, now};

use test_kit::{
    TestApp,
    app::NO_SERVICE,
    build::{self, CONTACT_NUMBER, INBOX_NUMBER},
    carrier::{ACCOUNT, FakeCarrier, TOKEN},
    crash,
    gateway::{Event, json as body_of},
    lambda_event::{event, sqs_record, stream_record},
    queue::{FakeQueue, broadcast_queue, import_queue, mail_queue, media_queue, received_sends, send_queues},
    twilio::{callbacks, signed, webhook_accounts},
};

const MAX_RECEIVES: u32 = 3;

fn client(carrier: &FakeCarrier) -> MediaClient {
    client_of(&carrier.url, vec![carrier.url.replace("http://127.0.0.1", "localhost")], TOKEN)
}

fn client_of(base: &str, storage: Vec<String>, password: &str) -> MediaClient {
    let credentials =
        Credentials { account_sid: ACCOUNT.into(), username: ACCOUNT.into(), password: password.into() };
    MediaClient::new(base, storage, credentials, Duration::from_secs(5)).unwrap()
}

/// Returns the URL of a file at the simulator. The first digit of its name selects the kind.
fn media_url(carrier: &FakeCarrier, digit: u8) -> String {
    let (message, file) = (format!("MM{}", "4".repeat(32)), format!("ME{digit}{}", "0".repeat(31)));
    format!("{}/2010-04-01/Accounts/{ACCOUNT}/Messages/{message}/Media/{file}", carrier.url)
}

const IMAGE: u8 = 0;
const VCARD: u8 = 1;
const HTML: u8 = 2;
const LARGE: u8 = 3;
const OTHER_HOST: u8 = 4;
const GONE: u8 = 5;

/// Receives a message with media of these URLs and content types.
async fn receive(test: &TestApp, files: &[(&str, &str)]) -> Message {
    let app = inbound_sms::App::new(test.table(), webhook_accounts(), KeywordReplies::Product);
    assert_eq!(inbound_sms::handle(&app, now(), 7, text(files).request()).await.status(), 200);
    test.history().await.remove(0)
}

fn text(files: &[(&str, &str)]) -> Event {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("MessageSid", &format!("MM{}", "4".repeat(32)))
        .append_pair("AccountSid", ACCOUNT)
        .append_pair("From", CONTACT_NUMBER)
        .append_pair("To", INBOX_NUMBER)
        .append_pair("Body", "Look")
        .append_pair("NumMedia", &files.len().to_string());
    for (place, (url, content_type)) in files.iter().enumerate() {
        form.append_pair(&format!("MediaUrl{place}"), url)
            .append_pair(&format!("MediaContentType{place}"), content_type);
    }
    signed("POST /webhooks/twilio/messages", "", &form.finish(), TOKEN)
}

async fn deliver(app: &App, message: &Message, place: usize, receives: u32) -> bool {
    let body = json!({ "organizationId": "org_1", "messageId": message.id.as_str(), "place": place });
    deliver_body(app, &body.to_string(), receives).await
}

/// Delivers a queue message. Returns `false` if the queue must deliver it again.
async fn deliver_body(app: &App, body: &str, receives: u32) -> bool {
    let event = event(vec![sqs_record("1", None, body, receives)]);
    handle(app, clock::now, event).await.batch_item_failures.is_empty()
}

async fn state(test: &TestApp, place: usize) -> MediaState {
    test.history().await[0].media[place].state.clone()
}

fn reason(state: &MediaState) -> Option<MediaRefusal> {
    match state {
        MediaState::Refused { reason, .. } => Some(*reason),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn media_are_copied_once_however_often_the_queue_delivers() {
    let test = TestApp::start().await;
    let (carrier, s3) = (&test.carrier, &test.s3);
    let message = receive(
        &test,
        &[(&media_url(carrier, IMAGE), "image/png"), (&media_url(carrier, VCARD), "text/x-vcard")],
    )
    .await;
    assert!(matches!(message.media[0].state, MediaState::Pending { .. }));
    let app = App::new(&test.table(), s3.bucket(), client(carrier), MAX_RECEIVES);
    for receives in 1..=3 {
        assert!(deliver(&app, &message, 0, receives).await);
    }
    assert!(deliver(&app, &message, 1, 1).await);
    assert_eq!(s3.writes(), 2);
    let files = s3.objects();
    let stored = |place: usize| {
        let media = &message.media[place];
        files[&stored_at(InboxKey { organization: test.organization(), inbox: &test.inbox.id }, media)]
            .clone()
    };
    assert_eq!(stored(0).0, "image/png");
    assert!(stored(0).1.starts_with(b"\x89PNG"));
    assert_eq!(stored(1).0, "text/x-vcard");
    let size = stored(0).1.len() as u64;
    assert_eq!(state(&test, 0).await, MediaState::Stored { size });
    // A repeated webhook queues the job again. Nothing else changes.
    receive(
        &test,
        &[(&media_url(carrier, IMAGE), "image/png"), (&media_url(carrier, VCARD), "text/x-vcard")],
    )
    .await;
    assert!(deliver(&app, &message, 0, 1).await);
    assert_eq!((s3.writes(), test.history().await.len()), (2, 1));
    assert_eq!(state(&test, 0).await, MediaState::Stored { size });
}

#[tokio::test(flavor = "multi_thread")]
async fn media_that_cannot_be_stored_are_refused_with_a_reason_and_not_requested_again() {
    let test = TestApp::start().await;
    let (carrier, s3) = (&test.carrier, &test.s3);
    let foreign = "https://pictures.example/1.png";
    let other_address = carrier.url.replace("127.0.0.1", "127.0.0.2");
    let with_user = carrier.url.replace("http://", "http://user:secret@");
    let cases = [
        (media_url(carrier, HTML), "image/png", MediaRefusal::Mismatch),
        (media_url(carrier, IMAGE), "text/html", MediaRefusal::Type),
        (media_url(carrier, LARGE), "video/mp4", MediaRefusal::TooLarge),
        (media_url(carrier, OTHER_HOST), "image/png", MediaRefusal::Source),
        (media_url(carrier, GONE), "image/png", MediaRefusal::Gone),
        (foreign.to_owned(), "image/png", MediaRefusal::Source),
        (other_address, "image/png", MediaRefusal::Source),
        (with_user, "image/png", MediaRefusal::Source),
        ("file:///etc/passwd".to_owned(), "image/png", MediaRefusal::Source),
        ("not a URL".to_owned(), "image/png", MediaRefusal::Source),
    ];
    let files: Vec<_> = cases.iter().map(|(url, kind, _)| (url.as_str(), *kind)).collect();
    let message = receive(&test, &files).await;
    let app = App::new(&test.table(), s3.bucket(), client(carrier), MAX_RECEIVES);
    for (place, (url, _, expected)) in cases.iter().enumerate() {
        assert!(deliver(&app, &message, place, 1).await, "{url}: it is not delivered again");
        assert_eq!(reason(&state(&test, place).await), Some(*expected), "{url}");
        assert!(deliver(&app, &message, place, 1).await);
    }
    assert!(s3.objects().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_sent_only_to_the_carrier_s_api() {
    let carrier = &FakeCarrier::start().await;
    // The storage host of the simulator refuses requests with credentials.
    let fetched = client(carrier).fetch(&media_url(carrier, IMAGE), MAX_INBOUND_BYTES).await.unwrap();
    assert_eq!(fetched.content_type.as_deref(), Some("image/png"));
    let wrong = client_of(&carrier.url, Vec::new(), "wrong");
    let refused = wrong.fetch(&media_url(carrier, IMAGE), MAX_INBOUND_BYTES).await;
    assert_eq!(refused, Err(FetchError::Unavailable(Some(401))), "the API requires credentials");
    let without_storage = client_of(&carrier.url, Vec::new(), TOKEN);
    let refused = without_storage.fetch(&media_url(carrier, IMAGE), MAX_INBOUND_BYTES).await;
    assert_eq!(refused, Err(FetchError::UntrustedHost), "a redirect must lead to a listed host");
    let small = client(carrier).fetch(&media_url(carrier, IMAGE), 10).await;
    assert_eq!(small, Err(FetchError::TooLarge));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_the_carrier_or_the_bucket_is_retried_and_can_be_repeated_by_hand() {
    let test = TestApp::start().await;
    let (carrier, s3) = (&test.carrier, &test.s3);
    let message = receive(&test, &[(&media_url(carrier, IMAGE), "image/png")]).await;
    let without_bucket =
        App::new(&test.table(), TestApp::unreachable_bucket(), client(carrier), MAX_RECEIVES);
    assert!(!deliver(&without_bucket, &message, 0, 1).await);
    assert!(matches!(state(&test, 0).await, MediaState::Pending { .. }));

    let app =
        App::new(&test.table(), s3.bucket(), client_of(&carrier.url, Vec::new(), "wrong"), MAX_RECEIVES);
    assert!(!deliver(&app, &message, 0, 1).await);
    assert!(matches!(state(&test, 0).await, MediaState::Pending { .. }));
    assert!(!deliver(&app, &message, 0, MAX_RECEIVES).await, "it goes to the dead-letter queue");
    assert_eq!(reason(&state(&test, 0).await), Some(MediaRefusal::Unavailable), "the reason is visible");

    let app = App::new(&test.table(), s3.bucket(), client(carrier), MAX_RECEIVES);
    assert!(deliver(&app, &message, 0, 1).await, "repeated by hand");
    assert!(matches!(state(&test, 0).await, MediaState::Stored { .. }));
}

/// The message is erased before any request of the job.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_erased_while_its_file_is_copied_leaves_no_file_and_no_version_of_it() {
    let mut stored = 0;
    for overtaken_at in 0..4 {
        let test = TestApp::start().await;
        let message = receive(&test, &[(&media_url(&test.carrier, IMAGE), "image/png")]).await;
        let (messages, organization) = (Messages::new(test.table()), test.organization().clone());
        let erased = message.clone();
        let erase = async move { messages.erase(&organization, &erased, now()).await.unwrap() };
        let table = test_kit::contention::overtaken_table(&test.engine.aws, overtaken_at, erase);
        let app = App::new(&table, test.s3.bucket(), client(&test.carrier), MAX_RECEIVES);
        assert!(deliver(&app, &message, 0, 1).await, "{overtaken_at}");
        stored += test.s3.writes();
        let is_erased = test.history().await.is_empty();
        assert_eq!(test.s3.objects().len(), usize::from(!is_erased), "{overtaken_at}");
        assert_eq!(test.s3.hidden(), 0, "{overtaken_at}: its content stays");
    }
    assert!(stored > 1, "{stored}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_job_goes_to_the_dead_letter_queue() {
    let test = TestApp::start().await;
    let carrier = &test.carrier;
    let message = receive(&test, &[(&media_url(carrier, IMAGE), "image/png")]).await;
    let app = App::new(&test.table(), TestApp::unreachable_bucket(), client(carrier), MAX_RECEIVES);
    assert!(!deliver(&app, &message, 1, 1).await, "the message has one attachment");
    assert!(!deliver_body(&app, "{}", 1).await);
    let without_table =
        App::new(&TestApp::unreachable_table(), TestApp::unreachable_bucket(), client(carrier), MAX_RECEIVES);
    assert!(!deliver(&without_table, &message, 0, 1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_message_with_media_waits_for_the_relay() {
    let test = TestApp::start().await;
    let message = receive(&test, &[("https://api.twilio.com/a", "image/png"); 3]).await;
    let later = now() + Duration::from_mins(5);
    let files = MediaFiles::new(test.table());
    let overdue = files.overdue(later).await.unwrap();
    assert_eq!(overdue.len(), 1);
    assert_eq!((&overdue[0].message, overdue[0].files), (&message.id, 3));
    assert!(files.overdue(now()).await.unwrap().is_empty(), "the stream delivers it first");
    let jobs = overdue[0].jobs();
    assert_eq!(jobs.iter().map(|job| job.place).collect::<Vec<_>>(), [0, 1, 2]);

    let without = TestApp::start().await;
    receive(&without, &[]).await;
    assert!(MediaFiles::new(without.table()).overdue(later).await.unwrap().is_empty());
}

/// Returns the stream event of a message with three attachments.
fn stream_event(message: &Message) -> dynamodb::Event {
    let image = json!({
        "pk": { "S": "OUTBOX#MEDIA" }, "sk": { "S": message.id.as_str() }, "org": { "S": "org_1" },
        "files": { "N": "3" }, "at": { "N": "1795341600000" },
    });
    event(vec![stream_record("INSERT", &image)])
}

fn relay(test: &TestApp, queue: &str) -> outbox_relay::App {
    outbox_relay::App::new(&test.table(), queues(queue))
}

/// Returns queues of which only the one of media has this endpoint. The others do not answer.
fn queues(media: &str) -> outbox_relay::Queues {
    outbox_relay::Queues {
        messages: send_queues(NO_SERVICE),
        notifications: mail_queue(NO_SERVICE),
        media: media_queue(media),
    }
}

/// Returns how many messages the sweep would find in five minutes.
async fn waiting(test: &TestApp) -> usize {
    let later = now() + Duration::from_mins(5);
    MediaFiles::new(test.table()).overdue(later).await.unwrap().len()
}

fn places(queue: &FakeQueue) -> Vec<usize> {
    queue.bodies().iter().map(|body| MediaJob::parse(body).unwrap().place).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relay_queues_a_job_for_each_attachment_and_then_removes_the_item() {
    let test = TestApp::start().await;
    let queue = &test.queue;
    let message = receive(&test, &[("https://api.twilio.com/a", "image/png"); 3]).await;
    assert!(outbox_relay::handle(&relay(&test, NO_SERVICE), stream_event(&message)).await.is_err());
    queue.refuse(&["1"]);
    assert!(outbox_relay::handle(&relay(&test, &queue.url), stream_event(&message)).await.is_err());
    assert_eq!((places(queue), waiting(&test).await), (vec![0, 2], 1), "all of them must be queued");
    queue.refuse(&[]);
    outbox_relay::handle(&relay(&test, &queue.url), stream_event(&message)).await.unwrap();
    assert_eq!((places(queue), waiting(&test).await), (vec![0, 2, 0, 1, 2], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_queues_media_that_the_stream_missed() {
    let test = TestApp::start().await;
    let queue = &test.queue;
    receive(&test, &[("https://api.twilio.com/a", "image/png"); 2]).await;
    let sweep = |url: &str| {
        let (carrier, grace) = (test.carrier.client(), Duration::from_secs(300));
        send_reconcile::App::new(
            test.table(),
            carrier,
            queues(url),
            import_queue(url),
            broadcast_queue(url),
            grace,
        )
    };
    let later = now() + Duration::from_mins(5);
    let tally = send_reconcile::handle(&sweep(&queue.url), now()).await.unwrap();
    assert_eq!((tally.queued, waiting(&test).await), (0, 1), "the stream has a minute");
    let tally = send_reconcile::handle(&sweep(NO_SERVICE), later).await.unwrap();
    assert_eq!((tally.failed, waiting(&test).await), (1, 1));
    let tally = send_reconcile::handle(&sweep(&queue.url), later).await.unwrap();
    assert_eq!((tally.queued, places(queue), waiting(&test).await), (1, vec![0, 1], 0));
}

const COMPOSE: &str = "POST /v1/messages";
const UPLOAD: &str = "POST /v1/inboxes/{inboxId}/media";

fn messages(test: &TestApp, bucket: Bucket) -> messages::App {
    let limits = messages::Limits { reply: 1500, compose: 306 };
    messages::App::new(test.table(), bucket, shared_http::caller::Claims::standard(), limits)
}

fn compose(media: &Value) -> Event {
    let body =
        json!({ "from": { "inboxId": "inb_1" }, "to": { "phoneNumber": "+12025550143" }, "media": media });
    Event::new(COMPOSE, &[]).user("org_1", "ada").json(&body)
}

async fn send(app: &messages::App, event: Event) -> (u16, Value) {
    let response = answer(&messages::router(app.clone()), now(), clock::entropy(), event.request()).await;
    (response.status().as_u16(), body_of(&response))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_file_is_copied_and_sent_to_the_carrier_as_a_presigned_url() {
    let test = TestApp::start().await;
    let (carrier, s3) = (&test.carrier, &test.s3);
    let app = messages(&test, s3.bucket());
    let upload = json!({ "contentType": "image/PNG", "size": 5 });
    let request = Event::new(UPLOAD, &[("inboxId", "inb_1")]).user("org_1", "ada").json(&upload);
    let (status, upload) = send(&app, request).await;
    assert_eq!((status, &upload["upload"]["method"]), (201, &json!("PUT")), "{upload}");
    assert_eq!(upload["upload"]["headers"], json!({ "content-type": "image/png" }));
    let id = upload["mediaId"].as_str().unwrap();
    let key = format!("uploads/org_1/inb_1/{id}");
    assert!(upload["upload"]["url"].as_str().unwrap().contains(&key), "{upload}");

    let (status, problem) = send(&app, compose(&json!([id]))).await;
    assert_eq!((status, &problem["code"]), (422, &json!("media_not_uploaded")));
    assert_eq!(problem["errors"][0]["pointer"], "/media/0");
    s3.put(&key, "image/png", b"bytes");
    let (status, accepted) = send(&app, compose(&json!([id, "https://pictures.example/2.png"]))).await;
    assert_eq!(
        (status, &accepted["segments"], &accepted["text"]),
        (202, &json!(1), &json!("")),
        "{accepted}"
    );
    let media = &accepted["media"];
    assert_eq!(
        (&media[0]["state"], &media[0]["size"], &media[0]["mediaId"]),
        (&json!("stored"), &json!(5), &json!(id))
    );
    assert!(media[0]["url"].as_str().unwrap().contains("X-Amz-Expires=600"));
    assert_eq!(
        (&media[1]["state"], &media[1]["url"]),
        (&json!("linked"), &json!("https://pictures.example/2.png"))
    );
    let message = test.history().await.remove(0);
    let copy = stored_at(test.inbox.key(), &message.media[0]);
    assert_eq!(s3.objects()[&copy].1.as_ref(), b"bytes");
    assert!(!copy.contains(id), "the copy is the message's own");
    let received = received_sends(&test.queue.url);
    let sender = outbound_send::App::new(
        test.table(),
        s3.bucket(),
        carrier.client(),
        callbacks(),
        received,
        MAX_RECEIVES,
    );
    let body = json!({ "organizationId": "org_1", "messageId": message.id.as_str() }).to_string();
    let event = event(vec![sqs_record("1", Some("g"), &body, 1)]);
    outbound_send::handle(&sender, clock::now, clock::entropy, event).await;
    let sid = test.message(&message.id).await.carrier_id.unwrap();
    let sent = carrier.media_urls(&sid).await;
    assert!(sent[0].contains(&format!("/files/{copy}?")), "{sent:?}");
    assert!(sent[0].contains("X-Amz-Expires=3600"), "{sent:?}");
    assert_eq!(sent[1], "https://pictures.example/2.png");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_not_accepted_leaves_no_copy_of_its_files() {
    let test = TestApp::start().await;
    test.s3.put("uploads/org_1/inb_1/med_page", "image/png", b"bytes");
    let missing = compose(&json!(["med_page", "med_absent"]));
    let (status, problem) = send(&messages(&test, test.s3.bucket()), missing).await;
    assert_eq!((status, &problem["code"]), (422, &json!("media_not_uploaded")));
    assert_eq!((test.s3.objects().len(), test.s3.writes()), (1, 1));
}

/// A colleague acquires the lock before any request of the send.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_refused_in_its_transaction_leaves_no_copy_of_its_files() {
    let mut refused = 0;
    for overtaken_at in 0..30 {
        let test = TestApp::start().await;
        receive(&test, &[]).await;
        test.s3.put("uploads/org_1/inb_1/med_page", "image/png", b"bytes");
        let (locks, conversation) = (Locks::new(test.table()), test.conversation_id());
        let (organization, inbox) = (test.organization().clone(), test.inbox.id.clone());
        let acquire = async move {
            let key =
                ConversationKey { organization: &organization, inbox: &inbox, conversation: &conversation };
            let (user, policy) = (build::user_ref("ben", "Ben"), LockPolicy::default());
            locks.acquire(key, &user, now(), 1, &policy).await.unwrap();
        };
        let table = test_kit::contention::overtaken_table(&test.engine.aws, overtaken_at, acquire);
        let limits = messages::Limits { reply: 1500, compose: 306 };
        let claims = shared_http::caller::Claims::standard();
        let app = messages::App::new(table, test.s3.bucket(), claims, limits);
        let (status, _) = send(&app, compose(&json!(["med_page"]))).await;
        let is_refused = status == 423;
        assert!(is_refused || status == 202, "{status}");
        assert_eq!(test.s3.objects().len(), if is_refused { 1 } else { 2 }, "{overtaken_at}");
        refused += if is_refused { test.s3.writes() } else { 0 };
    }
    assert!(refused > 0, "the lock was acquired after the copy");
}

/// Each request to the table is the last one that arrives. The transaction is the one that may be stored.
#[tokio::test(flavor = "multi_thread")]
async fn files_are_copied_just_before_the_transaction_of_their_message() {
    for requests in crash::points() {
        let test = TestApp::start().await;
        test.s3.put("uploads/org_1/inb_1/med_page", "image/png", b"bytes");
        let limits = messages::Limits { reply: 1500, compose: 306 };
        let claims = shared_http::caller::Claims::standard();
        let app = messages::App::new(test.engine.crashing_table(requests), test.s3.bucket(), claims, limits);
        let (status, _) = send(&app, compose(&json!(["med_page"]))).await;
        if status == 202 {
            break;
        }
        if test.s3.writes() > 0 {
            let next = TestApp::start().await;
            next.s3.put("uploads/org_1/inb_1/med_page", "image/png", b"bytes");
            let table = next.engine.crashing_table(requests + 1);
            let claims = shared_http::caller::Claims::standard();
            send(&messages::App::new(table, next.s3.bucket(), claims, limits), compose(&json!(["med_page"])))
                .await;
            assert_eq!(next.history().await.len(), 1, "{requests}: the next request is the transaction");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn media_that_carriers_do_not_accept_are_refused_with_their_pointer() {
    let test = TestApp::start().await;
    let s3 = &test.s3;
    let app = messages(&test, s3.bucket());
    let inbox = &test.inbox.id;
    let other = MediaId::parse("med_elsewhere").unwrap();
    s3.put(&format!("uploads/org_1/{inbox}/med_page"), "text/html", b"<html>");
    s3.put(&format!("uploads/org_1/{inbox}/med_empty"), "image/png", b"");
    s3.put("uploads/org_1/inb_2/med_elsewhere", "image/png", b"bytes");
    for (media, code, pointer) in [
        (json!(["med_page"]), "media_invalid", "/media/0"),
        (json!(["https://pictures.example/1.png", "med_empty"]), "media_invalid", "/media/1"),
        (json!([other.as_str()]), "media_not_uploaded", "/media/0"),
        (json!(["http://pictures.example/1.png"]), "media_invalid", "/media/0"),
        (json!(["https://user:secret@pictures.example/1.png"]), "media_invalid", "/media/0"),
        (json!([{ "url": "ftp://pictures.example/1.png" }]), "media_invalid", "/media/0"),
        (json!(vec!["https://pictures.example/1.png"; 11]), "media_invalid", "/media"),
    ] {
        let (status, problem) = send(&app, compose(&media)).await;
        assert_eq!((status, &problem["code"]), (422, &json!(code)), "{media}");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{media}");
    }
    assert!(test.history().await.is_empty() && s3.writes() == 0);
    let upload = |body: Value| Event::new(UPLOAD, &[("inboxId", "inb_1")]).user("org_1", "ada").json(&body);
    for (body, pointer) in [
        (json!({ "contentType": "text/html", "size": 5 }), "/contentType"),
        (json!({ "contentType": "image/png", "size": 5_000_001 }), "/size"),
        (json!({ "contentType": "application/pdf", "size": 500_001 }), "/size"),
        (json!({ "contentType": "image/gif", "size": 0 }), "/size"),
    ] {
        let (status, problem) = send(&app, upload(body)).await;
        assert_eq!((status, &problem["code"]), (422, &json!("media_invalid")));
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    let not_a_member = upload(json!({ "contentType": "image/png", "size": 5 })).user("org_1", "ben");
    assert_eq!(send(&app, not_a_member).await.0, 404);
    let (status, problem) =
        send(&messages(&test, TestApp::unreachable_bucket()), compose(&json!(["med_page"]))).await;
    assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_carrier_s_media_url_is_never_shown() {
    let test = TestApp::start().await;
    let message = receive(&test, &[("https://api.twilio.com/secret", "image/png"); 2]).await;
    let refused = Media {
        state: MediaState::Refused {
            source: "https://api.twilio.com/secret".into(),
            reason: MediaRefusal::Gone,
        },
        ..message.media[1].clone()
    };
    let job = MediaJob { organization: test.organization().clone(), message: message.id.clone(), place: 1 };
    assert!(MediaFiles::new(test.table()).resolve(&job, &refused).await.unwrap());
    let read = Event::new("GET /v1/messages/{messageId}", &[("messageId", message.id.as_str())]);
    let (status, view) =
        send(&messages(&test, TestApp::unreachable_bucket()), read.user("org_1", "ada")).await;
    assert_eq!(status, 200);
    assert!(!view.to_string().contains("twilio"), "{view}");
    assert_eq!((&view["media"][0]["state"], &view["media"][0]["url"]), (&json!("pending"), &Value::Null));
    assert_eq!(
        (&view["media"][1]["state"], &view["media"][1]["reason"]),
        (&json!("refused"), &json!("gone"))
    );
}
