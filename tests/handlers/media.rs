//! Files of texts: in from the carrier, one job each; out from the bucket. The carrier is the simulator, which asks for
//! credentials, leads on to a storage host that refuses them, and serves what nobody should take.

use std::time::Duration;

use aws_lambda_events::event::{dynamodb, sqs::SqsEvent};
use media_copy::{App, handle};
use serde_json::{Value, json};
use shared_aws::{
    clients::{Aws, Bucket, MailQueue, MediaJob, MediaQueue, SendQueue},
    messaging::{MediaFiles, stored_at},
};
use shared_carriers::twilio::{Credentials, FetchError, MediaClient};
use shared_domain::{
    ids::MediaId,
    media::{MAX_INBOUND_BYTES, Media, MediaRefusal, MediaState},
    message::Message,
    opt_out::KeywordReplies,
};
use shared_lambda::clock;

use test_kit::queue::FakeQueue as Queue;

use crate::{
    shelf::Shelf,
    stage::{ACCOUNT, Carrier, Stage, TOKEN, callbacks, json as body_of, no_bucket, now, signed, verifier},
};

const TRIES: u32 = 3;

fn client(carrier: &Carrier) -> MediaClient {
    client_of(&carrier.url, vec![carrier.url.replace("http://127.0.0.1", "localhost")], TOKEN)
}

fn client_of(base: &str, storage: Vec<String>, password: &str) -> MediaClient {
    let credentials =
        Credentials { account_sid: ACCOUNT.into(), username: ACCOUNT.into(), password: password.into() };
    MediaClient::new(base, storage, credentials, Duration::from_secs(5)).unwrap()
}

/// The address of a file at the simulator: the first digit of its name says what it is.
fn address(carrier: &Carrier, digit: u8) -> String {
    let (message, file) = (format!("MM{}", "4".repeat(32)), format!("ME{digit}{}", "0".repeat(31)));
    format!("{}/2010-04-01/Accounts/{ACCOUNT}/Messages/{message}/Media/{file}", carrier.url)
}

const PICTURE: u8 = 0;
const CARD: u8 = 1;
const PAGE: u8 = 2;
const LARGE: u8 = 3;
const ELSEWHERE: u8 = 4;
const GONE: u8 = 5;

/// A text with these files comes in: address and announced type of each.
async fn comes_in(stage: &Stage, files: &[(&str, &str)]) -> Message {
    let app = inbound_sms::App::new(stage.table(), verifier(), ACCOUNT.into(), KeywordReplies::Product);
    assert_eq!(inbound_sms::handle(&app, now(), 7, text(files).request()).await.status(), 200);
    stage.history().await.remove(0)
}

fn text(files: &[(&str, &str)]) -> test_kit::gateway::Event {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("MessageSid", &format!("MM{}", "4".repeat(32)))
        .append_pair("AccountSid", ACCOUNT)
        .append_pair("From", "+12025550143")
        .append_pair("To", "+12025550100")
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

/// Whether the job is done; otherwise it comes again.
async fn deliver_body(app: &App, body: &str, receives: u32) -> bool {
    let record = json!({
        "messageId": "1", "receiptHandle": "r", "body": body, "md5OfBody": "", "messageAttributes": {},
        "attributes": { "ApproximateReceiveCount": receives.to_string(), "SentTimestamp": "1795341600000" },
        "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:media",
        "awsRegion": "us-east-1",
    });
    let event: SqsEvent = serde_json::from_value(json!({ "Records": [record] })).unwrap();
    handle(app, clock::now, event).await.batch_item_failures.is_empty()
}

async fn state(stage: &Stage, place: usize) -> MediaState {
    stage.history().await[0].media[place].state.clone()
}

fn reason(state: &MediaState) -> Option<MediaRefusal> {
    match state {
        MediaState::Refused { reason, .. } => Some(*reason),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_copied_once_however_often_it_is_told() {
    let (stage, carrier, shelf) = (Stage::set().await, Carrier::start().await, Shelf::open().await);
    let message = comes_in(
        &stage,
        &[(&address(&carrier, PICTURE), "image/png"), (&address(&carrier, CARD), "text/x-vcard")],
    )
    .await;
    assert!(matches!(message.media[0].state, MediaState::Pending { .. }));
    let app = App::new(&stage.table(), shelf.bucket(), client(&carrier), TRIES);
    for receives in 1..=3 {
        assert!(deliver(&app, &message, 0, receives).await);
    }
    assert!(deliver(&app, &message, 1, 1).await);
    assert_eq!(shelf.writes(), 2);
    let files = shelf.files();
    let stored = |place: usize| {
        let id = &message.media[place].id;
        files[&stored_at(stage.organization(), &stage.account.inbox.id, id)].clone()
    };
    assert_eq!(stored(0).0, "image/png");
    assert!(stored(0).1.starts_with(b"\x89PNG"));
    assert_eq!(stored(1).0, "text/x-vcard");
    let size = stored(0).1.len() as u64;
    assert_eq!(state(&stage, 0).await, MediaState::Stored { size });
    // A redelivered webhook brings the job once more, and nothing else changes.
    comes_in(
        &stage,
        &[(&address(&carrier, PICTURE), "image/png"), (&address(&carrier, CARD), "text/x-vcard")],
    )
    .await;
    assert!(deliver(&app, &message, 0, 1).await);
    assert_eq!((shelf.writes(), stage.history().await.len()), (2, 1));
    assert_eq!(state(&stage, 0).await, MediaState::Stored { size });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_kept_is_refused_with_its_reason_and_not_asked_for_again() {
    let (stage, carrier, shelf) = (Stage::set().await, Carrier::start().await, Shelf::open().await);
    let foreign = "https://pictures.example/1.png";
    let beside = carrier.url.replace("127.0.0.1", "127.0.0.2");
    let with_user = carrier.url.replace("http://", "http://user:secret@");
    let cases = [
        (address(&carrier, PAGE), "image/png", MediaRefusal::Mismatch),
        (address(&carrier, PICTURE), "text/html", MediaRefusal::Type),
        (address(&carrier, LARGE), "video/mp4", MediaRefusal::TooLarge),
        (address(&carrier, ELSEWHERE), "image/png", MediaRefusal::Source),
        (address(&carrier, GONE), "image/png", MediaRefusal::Gone),
        (foreign.to_owned(), "image/png", MediaRefusal::Source),
        (beside, "image/png", MediaRefusal::Source),
        (with_user, "image/png", MediaRefusal::Source),
        ("file:///etc/passwd".to_owned(), "image/png", MediaRefusal::Source),
        ("no address".to_owned(), "image/png", MediaRefusal::Source),
    ];
    let files: Vec<_> = cases.iter().map(|(url, kind, _)| (url.as_str(), *kind)).collect();
    let message = comes_in(&stage, &files).await;
    let app = App::new(&stage.table(), shelf.bucket(), client(&carrier), TRIES);
    for (place, (url, _, wanted)) in cases.iter().enumerate() {
        assert!(deliver(&app, &message, place, 1).await, "{url}: it never will be");
        assert_eq!(reason(&state(&stage, place).await), Some(*wanted), "{url}");
        assert!(deliver(&app, &message, place, 1).await);
    }
    assert!(shelf.files().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_shown_to_the_carrier_s_api_and_to_nobody_else() {
    let carrier = Carrier::start().await;
    // The storage host of the simulator refuses whoever shows any, so this arrives only without them.
    let fetched = client(&carrier).fetch(&address(&carrier, PICTURE), MAX_INBOUND_BYTES).await.unwrap();
    assert_eq!(fetched.content_type.as_deref(), Some("image/png"));
    let wrong = client_of(&carrier.url, Vec::new(), "wrong");
    let refused = wrong.fetch(&address(&carrier, PICTURE), MAX_INBOUND_BYTES).await;
    assert_eq!(refused, Err(FetchError::Unavailable(Some(401))), "the API asks for them");
    let without_storage = client_of(&carrier.url, Vec::new(), TOKEN);
    let refused = without_storage.fetch(&address(&carrier, PICTURE), MAX_INBOUND_BYTES).await;
    assert_eq!(refused, Err(FetchError::UntrustedHost), "a redirect is held to the list as well");
    let small = client(&carrier).fetch(&address(&carrier, PICTURE), 10).await;
    assert_eq!(small, Err(FetchError::TooLarge));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_carrier_or_the_bucket_does_not_give_comes_again_and_can_be_had_later() {
    let (stage, carrier, shelf) = (Stage::set().await, Carrier::start().await, Shelf::open().await);
    let message = comes_in(&stage, &[(&address(&carrier, PICTURE), "image/png")]).await;
    let without_bucket = App::new(&stage.table(), no_bucket(), client(&carrier), TRIES);
    assert!(!deliver(&without_bucket, &message, 0, 1).await);
    assert!(matches!(state(&stage, 0).await, MediaState::Pending { .. }));

    let app = App::new(&stage.table(), shelf.bucket(), client_of(&carrier.url, Vec::new(), "wrong"), TRIES);
    assert!(!deliver(&app, &message, 0, 1).await);
    assert!(matches!(state(&stage, 0).await, MediaState::Pending { .. }));
    assert!(!deliver(&app, &message, 0, TRIES).await, "it ends among the dead letters");
    assert_eq!(reason(&state(&stage, 0).await), Some(MediaRefusal::Unavailable), "and people see why");

    let app = App::new(&stage.table(), shelf.bucket(), client(&carrier), TRIES);
    assert!(deliver(&app, &message, 0, 1).await, "taken up again by hand");
    assert!(matches!(state(&stage, 0).await, MediaState::Stored { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_job_comes_again_until_the_dead_letters() {
    let (stage, carrier) = (Stage::set().await, Carrier::start().await);
    let message = comes_in(&stage, &[(&address(&carrier, PICTURE), "image/png")]).await;
    let app = App::new(&stage.table(), no_bucket(), client(&carrier), TRIES);
    assert!(!deliver(&app, &message, 1, 1).await, "it has one file");
    assert!(!deliver_body(&app, "{}", 1).await);
    let dead = App::new(&Stage::dead_table(), no_bucket(), client(&carrier), TRIES);
    assert!(!deliver(&dead, &message, 0, 1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_with_files_waits_for_the_relay_and_one_without_does_not() {
    let stage = Stage::set().await;
    let message = comes_in(&stage, &[("https://api.twilio.com/a", "image/png"); 3]).await;
    let later = now() + Duration::from_mins(5);
    let files = MediaFiles::new(stage.table());
    let left = files.overdue(later).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!((&left[0].message, left[0].files), (&message.id, 3));
    assert!(files.overdue(now()).await.unwrap().is_empty(), "the stream brings it by itself");
    let jobs = left[0].jobs();
    assert_eq!(jobs.iter().map(|job| job.place).collect::<Vec<_>>(), [0, 1, 2]);

    let without = Stage::set().await;
    comes_in(&without, &[]).await;
    assert!(MediaFiles::new(without.table()).overdue(later).await.unwrap().is_empty());
}

/// The stream shows the row that a text with three files left.
fn inserted(message: &Message) -> dynamodb::Event {
    let image = json!({
        "pk": { "S": "OUTBOX#MEDIA" }, "sk": { "S": message.id.as_str() }, "org": { "S": "org_1" },
        "files": { "N": "3" }, "at": { "N": "1795341600000" },
    });
    let record = json!({
        "eventID": "1", "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1", "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/s",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_795_341_600, "Keys": { "pk": image["pk"], "sk": image["sk"] },
            "NewImage": image, "SequenceNumber": "1", "SizeBytes": 100, "StreamViewType": "NEW_IMAGE",
        },
    });
    serde_json::from_value(json!({ "Records": [record] })).unwrap()
}

const DOWN: &str = "http://127.0.0.1:9";

fn media_queue(url: &str) -> MediaQueue {
    MediaQueue::new(&Aws::loopback(url), format!("{url}/media"))
}

fn other_queues() -> (SendQueue, MailQueue) {
    let nowhere = Aws::loopback(DOWN);
    (SendQueue::new(&nowhere, format!("{DOWN}/queue.fifo")), MailQueue::new(&nowhere, format!("{DOWN}/mail")))
}

fn relay(stage: &Stage, queue: &str) -> outbox_relay::App {
    let (messages, notifications) = other_queues();
    let queues = outbox_relay::Queues { messages, notifications, media: media_queue(queue) };
    outbox_relay::App::new(&stage.table(), queues)
}

/// How many texts the sweep would find in five minutes.
async fn waiting(stage: &Stage) -> usize {
    let later = now() + Duration::from_mins(5);
    MediaFiles::new(stage.table()).overdue(later).await.unwrap().len()
}

fn places(queue: &Queue) -> Vec<usize> {
    queue.bodies().iter().map(|body| MediaJob::parse(body).unwrap().place).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relay_makes_a_job_of_each_file_and_removes_the_row_when_all_are_queued() {
    let (stage, queue) = (Stage::set().await, Queue::start().await);
    let message = comes_in(&stage, &[("https://api.twilio.com/a", "image/png"); 3]).await;
    assert!(outbox_relay::handle(&relay(&stage, DOWN), inserted(&message)).await.is_err());
    queue.refuse(&["1"]);
    assert!(outbox_relay::handle(&relay(&stage, &queue.url), inserted(&message)).await.is_err());
    assert_eq!((places(&queue), waiting(&stage).await), (vec![0, 2], 1), "half of them is not enough");
    queue.refuse(&[]);
    outbox_relay::handle(&relay(&stage, &queue.url), inserted(&message)).await.unwrap();
    assert_eq!((places(&queue), waiting(&stage).await), (vec![0, 2, 0, 1, 2], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_queues_files_that_the_stream_lost() {
    let (stage, queue, carrier) = (Stage::set().await, Queue::start().await, Carrier::start().await);
    comes_in(&stage, &[("https://api.twilio.com/a", "image/png"); 2]).await;
    let sweep = |url: &str| {
        let (messages, notifications) = other_queues();
        let queues = send_reconcile::Queues { messages, notifications, media: media_queue(url) };
        let carrier = carrier.client_with_timeout(Duration::from_secs(5));
        send_reconcile::App::new(stage.table(), carrier, queues, Duration::from_secs(300))
    };
    let later = now() + Duration::from_mins(5);
    let tally = send_reconcile::handle(&sweep(&queue.url), now()).await.unwrap();
    assert_eq!((tally.queued, waiting(&stage).await), (0, 1), "the stream has a minute");
    let tally = send_reconcile::handle(&sweep(DOWN), later).await.unwrap();
    assert_eq!((tally.failed, waiting(&stage).await), (1, 1));
    let tally = send_reconcile::handle(&sweep(&queue.url), later).await.unwrap();
    assert_eq!((tally.queued, places(&queue), waiting(&stage).await), (1, vec![0, 1], 0));
}

const COMPOSE: &str = "POST /v1/messages";
const UPLOAD: &str = "POST /v1/inboxes/{inboxId}/media";

fn messages(stage: &Stage, bucket: Bucket) -> messages::App {
    let limits = messages::Limits { reply: 1500, compose: 306 };
    messages::App::new(stage.table(), bucket, shared_http::caller::Claims::standard(), limits)
}

fn compose(media: &Value) -> test_kit::gateway::Event {
    let body =
        json!({ "from": { "inboxId": "inb_1" }, "to": { "phoneNumber": "+12025550143" }, "media": media });
    test_kit::gateway::Event::new(COMPOSE, &[]).user("org_1", "ada").json(&body)
}

async fn send(app: &messages::App, event: test_kit::gateway::Event) -> (u16, Value) {
    let answer = messages::handle(app, now(), clock::entropy(), event.request()).await;
    (answer.status().as_u16(), body_of(&answer))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_file_is_taken_over_and_reaches_the_carrier_as_an_address_that_ends() {
    let (stage, carrier, shelf) = (Stage::set().await, Carrier::start().await, Shelf::open().await);
    let app = messages(&stage, shelf.bucket());
    let upload = json!({ "contentType": "image/PNG", "size": 5 });
    let place =
        test_kit::gateway::Event::new(UPLOAD, &[("inboxId", "inb_1")]).user("org_1", "ada").json(&upload);
    let (status, place) = send(&app, place).await;
    assert_eq!((status, &place["upload"]["method"]), (201, &json!("PUT")), "{place}");
    assert_eq!(place["upload"]["headers"], json!({ "content-type": "image/png" }));
    let id = place["mediaId"].as_str().unwrap();
    let key = format!("uploads/org_1/inb_1/{id}");
    assert!(place["upload"]["url"].as_str().unwrap().contains(&key), "{place}");

    let (status, problem) = send(&app, compose(&json!([id]))).await;
    assert_eq!((status, &problem["code"]), (422, &json!("media_not_uploaded")));
    assert_eq!(problem["errors"][0]["pointer"], "/media/0");
    shelf.put(&key, "image/png", b"bytes");
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
    assert_eq!(shelf.files()[&format!("media/org_1/inb_1/{id}")].1.as_ref(), b"bytes");

    let message = stage.history().await.remove(0);
    let sender = outbound_send::App::new(
        stage.table(),
        shelf.bucket(),
        carrier.client_with_timeout(Duration::from_secs(5)),
        callbacks(),
        TRIES,
    );
    let record = json!({
        "messageId": "1", "body": json!({ "organizationId": "org_1", "messageId": message.id.as_str() }).to_string(),
        "attributes": { "ApproximateReceiveCount": "1", "MessageGroupId": "g" }, "messageAttributes": {},
    });
    let event: SqsEvent = serde_json::from_value(json!({ "Records": [record] })).unwrap();
    outbound_send::handle(&sender, clock::now, clock::entropy, event).await;
    let sid = stage.message(&message.id).await.carrier_id.unwrap();
    let sent = carrier.media_urls(&sid).await;
    assert!(sent[0].contains(&format!("/files/media/org_1/inb_1/{id}?")), "{sent:?}");
    assert!(sent[0].contains("X-Amz-Expires=3600"), "{sent:?}");
    assert_eq!(sent[1], "https://pictures.example/2.png");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_carriers_do_not_take_are_refused_with_their_place() {
    let (stage, shelf) = (Stage::set().await, Shelf::open().await);
    let app = messages(&stage, shelf.bucket());
    let inbox = &stage.account.inbox.id;
    let other = MediaId::parse("med_elsewhere").unwrap();
    shelf.put(&format!("uploads/org_1/{inbox}/med_page"), "text/html", b"<html>");
    shelf.put(&format!("uploads/org_1/{inbox}/med_empty"), "image/png", b"");
    shelf.put("uploads/org_1/inb_2/med_elsewhere", "image/png", b"bytes");
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
    assert!(stage.history().await.is_empty() && shelf.writes() == 0);
    let upload = |body: Value| {
        test_kit::gateway::Event::new(UPLOAD, &[("inboxId", "inb_1")]).user("org_1", "ada").json(&body)
    };
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
    let stranger = upload(json!({ "contentType": "image/png", "size": 5 })).user("org_1", "ben");
    assert_eq!(send(&app, stranger).await.0, 404);
    let (status, problem) = send(&messages(&stage, no_bucket()), compose(&json!(["med_page"]))).await;
    assert_eq!((status, &problem["code"]), (503, &json!("unavailable")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_carrier_s_address_of_a_file_is_shown_to_nobody() {
    let stage = Stage::set().await;
    let message = comes_in(&stage, &[("https://api.twilio.com/secret", "image/png"); 2]).await;
    let refused = Media {
        state: MediaState::Refused {
            source: "https://api.twilio.com/secret".into(),
            reason: MediaRefusal::Gone,
        },
        ..message.media[1].clone()
    };
    let job = MediaJob { organization: stage.organization().clone(), message: message.id.clone(), place: 1 };
    assert!(MediaFiles::new(stage.table()).resolve(&job, &refused).await.unwrap());
    let read =
        test_kit::gateway::Event::new("GET /v1/messages/{messageId}", &[("messageId", message.id.as_str())]);
    let (status, view) = send(&messages(&stage, no_bucket()), read.user("org_1", "ada")).await;
    assert_eq!(status, 200);
    assert!(!view.to_string().contains("twilio"), "{view}");
    assert_eq!((&view["media"][0]["state"], &view["media"][0]["url"]), (&json!("pending"), &Value::Null));
    assert_eq!(
        (&view["media"][1]["state"], &view["media"][1]["reason"]),
        (&json!("refused"), &json!("gone"))
    );
}
