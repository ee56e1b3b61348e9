//! `retention-sweep`: messages and files that are older than their team keeps them.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_sdk_dynamodb::types::AttributeValue;
use retention_sweep::{App, SweepError, handle};
use shared_app::{
    retention::Expired,
    team_edit::{EditTeamOutcome, TeamEdits},
};
use shared_aws::{
    clients::Bucket,
    event::EventLog,
    messaging::{
        Acceptance, Accepted, Guard, Inbound, InboundText, MediaFiles, Messages, PendingMedia, Receipt,
        Sends, stored_at, uploaded_at,
    },
    opt_out::OptOutReviews,
    table::Table,
    team::{AuditEvent, Erasure, ExpiringTeam, Organization, Organizations, Retentions},
};
use shared_domain::{
    contact::Contact,
    conversation::Conversation,
    event::{EventScope, EventType, NewEvent},
    ids::{ConversationId, EventId, MediaId, MessageId, ReviewId},
    keys::{TeamInboxKey, TeamKey},
    media::{Media, MediaState},
    message::{DeliveryState, Message, Report},
    opt_out::{ReviewOutcome, ReviewResolution, SharedOptOutScope},
    phone::PhoneNumber,
    retention::{MAX_WAIT, RetentionDays},
    team::TeamEdit,
    time::Timestamp,
    user::User,
};
use shared_http::serve::answer;
use test_kit::{TestApp, actions::Actions, build, clock::TestClock, crash, engine::TABLE, gateway::Event};

const DAY: Duration = Duration::from_hours(24);
const KEPT_DAYS: u16 = 30;
/// A run that died is continued after this time.
const LEASE: Duration = Duration::from_mins(5);

fn now() -> Timestamp {
    Timestamp::parse("2026-11-28T09:00:00Z").unwrap()
}

/// Each word is in one message, and begins with `old` if the message has expired.
const WORDS: [&str; 5] = ["oldpicture", "oldreply", "newpicture", "oldlast", "oldwaiting"];

fn other_contact() -> PhoneNumber {
    build::number("+12025550199")
}

fn app(table: &Table, bucket: Bucket) -> App {
    App::new(table, bucket, DAY)
}

async fn sweep(test: &TestApp, at: Timestamp) -> Expired {
    handle(&app(&test.table(), test.s3.bucket()), || at).await.unwrap()
}

async fn edit_at(table: Table, edit: TeamEdit, at: Timestamp) {
    let (organization, team) = (build::organization_id("org_1"), build::team_id("team_1"));
    let (key, actor) = (TeamKey { organization: &organization, team: &team }, build::user_id("olga"));
    let by = AuditEvent { actor: &actor, action: "team.edit", target: team.as_str(), at, entropy: 1 };
    let edited = TeamEdits::new(&table).apply(key, &edit, &by).await.unwrap();
    assert!(matches!(edited, EditTeamOutcome::Edited { .. }), "{edited:?}");
}

async fn edit(test: &TestApp, edit: TeamEdit) {
    edit_at(test.table(), edit, now()).await;
}

fn keep(days: Option<u16>) -> TeamEdit {
    TeamEdit {
        retention: Some(days.map(|days| RetentionDays::try_from(days).unwrap())),
        ..TeamEdit::default()
    }
}

fn hold(hold: bool) -> TeamEdit {
    TeamEdit { hold: Some(hold), ..TeamEdit::default() }
}

/// Receives a message, with files of these names.
async fn receive(
    test: &TestApp,
    from: &PhoneNumber,
    text: &str,
    files: &[&'static str],
    at: Timestamp,
) -> Receipt {
    let media = |file: &&'static str| {
        let id = MediaId::of_inbound(file, 0);
        let (content_type, state) = (Some("image/png".into()), MediaState::Stored { size: 9 });
        let media = Media { id, copy: None, content_type, state };
        test.s3.put(&stored_at(test.inbox.key(), &media), "image/png", file.as_bytes());
        media
    };
    let media = files.iter().map(media).collect();
    let text = InboundText { media, ..build::inbound_text(from, &format!("SM-{text}"), text) };
    Inbound::new(test.table()).receive(&test.inbox, &text, at).await.unwrap().0
}

/// Accepts a message, with a file of this name.
async fn accept(test: &TestApp, to: &PhoneNumber, text: &str, file: Option<&str>, at: Timestamp) -> Message {
    let media = |file| Media {
        id: MediaId::of_inbound(file, 1),
        copy: Some(MediaId::of_inbound(file, 2)),
        content_type: None,
        state: MediaState::Stored { size: 9 },
    };
    let media: Vec<_> = file.map(media).into_iter().collect();
    for stored in &media {
        test.s3.put(&stored_at(test.inbox.key(), stored), "image/png", b"a file that was sent");
        test.s3.put(&uploaded_at(test.inbox.key(), &stored.id), "image/png", b"a file that was uploaded");
    }
    let message = Message {
        text: text.into(),
        media,
        ..build::message(&test.inbox, to, &test.user, at, shared_lambda::clock::entropy())
    };
    test.accept(message.clone()).await;
    message
}

async fn report(test: &TestApp, message: &MessageId, state: DeliveryState) {
    let (messages, report) = (Messages::new(test.table()), Report::at(now()));
    messages.report(test.organization(), message, state, &report, None).await.unwrap();
}

/// The message that sends a failed one again.
fn retry_of(failed: &Message, at: Timestamp) -> Message {
    Message {
        id: MessageId::of_retry(&failed.conversation, at, &failed.id),
        created_at: at,
        retry_of: Some(failed.id.clone()),
        ..failed.clone()
    }
}

/// A team that keeps messages for thirty days, and four of them that are older.
async fn start() -> TestApp {
    let test = TestApp::start().await;
    let old = now() - DAY * u32::from(KEPT_DAYS) - Duration::from_secs(60);
    receive(&test, &test.contact, WORDS[0], &["a picture", "another picture"], old).await;
    let reply = accept(&test, &test.contact, WORDS[1], Some("sent"), old + Duration::from_secs(1)).await;
    test.outbox().remove(&test.outbox_entry(&reply.id, old)).await.unwrap();
    report(&test, &reply.id, DeliveryState::Delivered).await;
    receive(&test, &test.contact, WORDS[2], &["a new picture"], now() - DAY * 20).await;
    receive(&test, &other_contact(), WORDS[3], &[], old).await;
    edit(&test, keep(Some(KEPT_DAYS))).await;
    test
}

/// The words that the table and the bucket still have.
async fn words(test: &TestApp) -> Vec<&'static str> {
    let items: Vec<_> = test.engine.items().await.into_values().collect();
    let has = |word: &&str| items.iter().any(|item| item.contains(*word));
    WORDS.into_iter().filter(|word| has(word)).collect()
}

async fn other_conversation(test: &TestApp) -> Conversation {
    let id = ConversationId::of(&test.inbox.id, &other_contact());
    let conversations = shared_aws::conversation::Conversations::new(test.table());
    conversations.get(test.conversation_key(&id)).await.unwrap().unwrap()
}

/// The files whose message is not stored.
async fn orphans(test: &TestApp) -> Vec<String> {
    let mut messages = test.history().await;
    messages.extend(test.history_of(&ConversationId::of(&test.inbox.id, &other_contact())).await);
    let ids: Vec<_> = messages
        .iter()
        .flat_map(|message| &message.media)
        .flat_map(|media| [&media.id, media.file()])
        .collect();
    let is_orphan = |key: &String| !ids.iter().any(|id| key.ends_with(id.as_str()));
    test.s3.objects().into_keys().filter(is_orphan).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_and_files_older_than_the_retention_are_erased_and_younger_ones_stay() {
    let test = start().await;
    assert_eq!((words(&test).await, test.s3.objects().len()), (WORDS[..4].to_vec(), 5));
    let expected = Expired { teams: 1, messages: 3, files: 4, ..Expired::default() };
    assert_eq!(sweep(&test, now()).await, expected);
    assert_eq!(words(&test).await, [WORDS[2]]);
    assert_eq!(test.s3.objects().len(), 1);
    assert_eq!(orphans(&test).await, [""; 0]);
    assert_eq!(test.conversation().await.unwrap().last_message.text, WORDS[2]);
    let shown = other_conversation(&test).await.last_message;
    assert_eq!((shown.text.as_str(), shown.media, shown.erased), ("", 0, true));
    assert_eq!(shown.created_at, now() - DAY * u32::from(KEPT_DAYS) - Duration::from_secs(60));

    let (mut before, swept) = (test.engine.items().await, Expired { teams: 1, ..Expired::default() });
    assert_eq!(sweep(&test, now() + DAY - Duration::from_millis(1)).await, Expired::default(), "not due");
    assert_eq!(sweep(&test, now() + DAY).await, swept);
    let mut after = test.engine.items().await;
    for items in [&mut before, &mut after] {
        items.retain(|key, _| !key.starts_with("RETENTION"));
    }
    assert_eq!(before, after, "nothing else changes");
    assert_eq!(sweep(&test, now() + DAY * 11).await, Expired { messages: 1, files: 1, ..swept });
    assert_eq!((words(&test).await, test.s3.objects().len()), (vec![], 0));
}

/// Whatever wrote it, each run reports it, and sweeps the other teams.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_of_the_list_that_cannot_be_read_stops_no_team() {
    let test = start().await;
    let text = |text: &str| AttributeValue::S(text.into());
    let client = aws_sdk_dynamodb::Client::from_conf(test.engine.patient_config().build());
    let put = client.put_item().table_name(TABLE).item("pk", text("RETENTION")).item("sk", text("ORG#0"));
    put.item("team", text("of another version")).send().await.unwrap();
    let swept = handle(&app(&test.table(), test.s3.bucket()), now).await;
    let Err(SweepError::Incomplete(expired)) = swept else { panic!("{swept:?}") };
    assert_eq!(expired, Expired { teams: 1, messages: 3, files: 4, failed: 1, ..Expired::default() });
    assert_eq!(words(&test).await, [WORDS[2]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_carrier_does_not_bring_an_erased_message_back() {
    let test = start().await;
    sweep(&test, now()).await;
    for (from, word) in [(&test.contact, WORDS[0]), (&other_contact(), WORDS[3])] {
        assert_eq!(receive(&test, from, word, &[], now()).await, Receipt::Erased);
        let text = build::inbound_text(from, &format!("SM-{word}"), word);
        assert_eq!(Inbound::new(test.table()).complete(&test.inbox, &[&text]).await.unwrap(), [true]);
    }
    assert_eq!(words(&test).await, [WORDS[2]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_message_is_shown_again_in_a_conversation_whose_messages_have_expired() {
    let test = start().await;
    sweep(&test, now()).await;
    receive(&test, &other_contact(), "Hello again", &[], now()).await;
    let shown = other_conversation(&test).await.last_message;
    assert_eq!((shown.text.as_str(), shown.erased), ("Hello again", false));
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_run_crashes_no_file_is_left_alone_and_a_later_run_finishes() {
    let finished = start().await;
    sweep(&finished, now()).await;
    let keys = finished.engine.keys().await;
    for requests in crash::points() {
        let test = start().await;
        let crashing = test.engine.crashing_table(requests);
        let result = handle(&app(&crashing, test.s3.bucket()), now).await;
        let is_unlisted = matches!(result, Err(SweepError::Store(_)));
        assert_eq!(is_unlisted, requests == 0, "{requests}: only the list of teams is needed by all");
        assert_eq!(orphans(&test).await, [""; 0], "{requests}");
        assert!(words(&test).await.contains(&WORDS[2]), "{requests}");
        // Conversations that failed are swept again after an hour.
        for wait in [LEASE, Duration::from_hours(2)] {
            sweep(&test, now() + wait).await;
        }
        assert_eq!((words(&test).await, test.s3.objects().len()), (vec![WORDS[2]], 1), "{requests}");
        assert_eq!(test.engine.keys().await.len(), keys.len(), "{requests}");
        if result.is_ok_and(|expired| expired.teams == 1) {
            assert!(requests > 12, "{requests}");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_the_same_time_erase_each_message_once() {
    let test = start().await;
    let (one, other) = (app(&test.table(), test.s3.bucket()), app(&test.table(), test.s3.bucket()));
    let (one, other) = tokio::join!(handle(&one, now), handle(&other, now));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!((one.messages + other.messages, one.teams + other.teams), (3, 1));
    assert_eq!(words(&test).await, [WORDS[2]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_team_under_a_hold_is_erased() {
    let test = start().await;
    edit(&test, hold(true)).await;
    let before = (words(&test).await, test.s3.objects());
    for days in 0..3 {
        assert_eq!(sweep(&test, now() + DAY * days).await, Expired::default());
    }
    assert_eq!((words(&test).await, test.s3.objects()), before);
    edit(&test, hold(false)).await;
    let expected = Expired { teams: 1, messages: 3, files: 4, ..Expired::default() };
    assert_eq!(sweep(&test, now()).await, expected, "the end of the hold makes the team due");
}

/// The hold is set before any request of a run. After that, nothing goes: no message, no event, no text in a
/// list, and no file. The hold is looked for before each file.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_begins_during_a_run_stops_it_at_once() {
    let (mut stopped, mut left) = (0, BTreeSet::new());
    for overtaken_at in crash::points() {
        let test = start().await;
        for (days, file) in [40, 39, 38, 37].into_iter().zip(["a", "b", "c", "d"]) {
            receive(&test, &test.contact, file, &[file], now() - DAY * days).await;
        }
        let (table, s3, then) = (test.table(), test.s3.clone(), Arc::new(OnceLock::new()));
        let begin_hold = {
            let (then, engine) = (then.clone(), test.engine.clone());
            async move {
                edit_at(table.clone(), hold(true), now()).await;
                then.set((engine.items().await, s3.objects().len())).unwrap();
            }
        };
        let overtaken = test_kit::contention::overtaken_table(&test.engine.aws, overtaken_at, begin_hold);
        handle(&app(&overtaken, test.s3.bucket()), now).await.unwrap();
        let Some((mut items, files)) = then.get().cloned() else {
            assert_eq!(words(&test).await, [WORDS[2]]);
            break;
        };
        let mut after = test.engine.items().await;
        for items in [&mut items, &mut after] {
            items.retain(|key, _| !key.starts_with("RETENTION"));
        }
        assert_eq!(after, items, "{overtaken_at}");
        assert_eq!(files, test.s3.objects().len(), "{overtaken_at}");
        left.insert(files);
        stopped += usize::from(words(&test).await.len() > 1);
        assert_eq!(sweep(&test, now() + DAY).await, Expired::default());
        edit(&test, hold(false)).await;
        sweep(&test, now()).await;
        assert_eq!((words(&test).await, test.s3.objects().len()), (vec![WORDS[2]], 1), "{overtaken_at}");
    }
    assert!(stopped > 5, "{stopped}");
    assert_eq!(left, (1..=9).collect(), "a hold can begin between any two files");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_waits_to_be_sent_is_not_erased() {
    let test = start().await;
    let sent = accept(&test, &other_contact(), WORDS[4], Some("waiting"), now() - DAY * 29).await;
    edit(&test, keep(Some(1))).await;
    sweep(&test, now()).await;
    assert_eq!(words(&test).await, [WORDS[4]]);
    assert_eq!(other_conversation(&test).await.last_message.text, WORDS[4]);
    assert_eq!(test.s3.objects().len(), 2);

    let until = sent.created_at + MAX_WAIT;
    sweep(&test, until).await;
    assert_eq!((words(&test).await, test.s3.objects().len()), (vec![], 0));
    assert!(!test.engine.keys().await.iter().any(|key| key.starts_with("OUTBOX")));
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

#[tokio::test(flavor = "multi_thread")]
async fn resolved_reviews_of_expired_messages_are_erased_and_open_ones_stay() {
    let test = TestApp::start().await;
    let reviews = OptOutReviews::new(test.table());
    let old = now() - DAY * 40;
    for (index, (word, days)) in
        [("oldopen", 40), ("oldresolved", 40), ("newresolved", 20)].into_iter().enumerate()
    {
        let at = now() - DAY * days + Duration::from_millis(index as u64);
        let received = receive(&test, &test.contact, word, &[], at).await;
        let Receipt::Stored(message) = received else { panic!("{received:?}") };
        let inbox = &test.inbox;
        let inbox = TeamInboxKey { organization: &inbox.organization, team: &inbox.team, inbox: &inbox.id };
        assert!(reviews.open_review(inbox, &message, &test.contact, word).await.unwrap());
        if word.ends_with("resolved") {
            let review = reviews.get(inbox, &ReviewId::of(&message)).await.unwrap().unwrap().review;
            let (outcome, by) = (ReviewOutcome::Dismissed, test.user.clone());
            let resolution = ReviewResolution { outcome, by, at: old };
            assert!(reviews.resolve(inbox, &review, &resolution).await.unwrap());
        }
    }
    edit(&test, keep(Some(KEPT_DAYS))).await;
    let expected = Expired { teams: 1, messages: 2, reviews: 1, ..Expired::default() };
    assert_eq!(sweep(&test, now()).await, expected);
    let items: Vec<_> = test.engine.items().await.into_iter().collect();
    let keys_with =
        |word| items.iter().filter(|(_, item)| item.contains(word)).map(|(key, _)| key).collect::<Vec<_>>();
    assert!(keys_with("oldopen").iter().all(|key| key.contains("REVIEW#OPEN")));
    assert_eq!((keys_with("oldopen").len(), keys_with("oldresolved").len()), (1, 0));
    assert!(keys_with("newresolved").iter().any(|key| key.contains("REVIEW#DONE")));
}

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

/// A clock that moves with each look ends a run soon, and each run goes on where the one before ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_in_time_and_the_next_ones_go_on() {
    let test = TestApp::start().await;
    let contacts: Vec<_> =
        (0..120).map(|index| build::number(&format!("+1202555{:04}", 1000 + index))).collect();
    for contact in &contacts {
        receive(&test, contact, &format!("old {}", contact.as_str()), &[], now() - DAY * 40).await;
    }
    edit(&test, keep(Some(KEPT_DAYS))).await;
    let moving = TestClock::at(now());
    let mut runs = Vec::new();
    while runs.iter().all(|run: &Expired| run.teams == 0) {
        assert!(runs.len() < 60, "{runs:?}");
        let clock = || moving.now_then_advance(Duration::from_millis(300));
        runs.push(handle(&app(&test.table(), test.s3.bucket()), clock).await.unwrap());
    }
    assert!(runs.len() > 3 && runs.iter().all(|run| run.failed == 0), "{runs:?}");
    assert_eq!(runs.iter().map(|run| run.messages).sum::<usize>(), contacts.len());
    let items: Vec<_> = test.engine.items().await.into_values().collect();
    assert!(!items.iter().any(|item| item.contains("old +")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_does_not_answer_keeps_messages_with_files_for_the_next_hour() {
    let test = start().await;
    let failing = app(&test.table(), TestApp::unreachable_bucket());
    let SweepError::Incomplete(expired) = handle(&failing, now).await.unwrap_err() else { panic!() };
    assert_eq!(expired, Expired { teams: 1, messages: 1, failed: 1, ..Expired::default() });
    assert_eq!(words(&test).await, &WORDS[..3]);
    assert_eq!(sweep(&test, now() + Duration::from_mins(59)).await, Expired::default());
    let rest = Expired { teams: 1, messages: 2, files: 4, ..Expired::default() };
    assert_eq!(sweep(&test, now() + Duration::from_hours(1)).await, rest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_that_keeps_messages_forever_again_leaves_the_list() {
    let test = start().await;
    edit(&test, keep(None)).await;
    assert_eq!(sweep(&test, now()).await, Expired::default());
    assert_eq!(words(&test).await, &WORDS[..4]);
    assert!(!test.engine.keys().await.iter().any(|key| key.starts_with("RETENTION ")));

    // A backup may have the entry of a team that has no retention.
    edit(&test, keep(Some(KEPT_DAYS))).await;
    let due = Retentions::new(test.table()).due(now()).await.unwrap();
    let [entry]: [ExpiringTeam; 1] = due.teams.try_into().unwrap();
    edit(&test, keep(None)).await;
    Retentions::new(test.table()).put(&entry).await.unwrap();
    assert_eq!(sweep(&test, now()).await, Expired::default());
    assert_eq!(words(&test).await, &WORDS[..4]);
    assert!(!test.engine.keys().await.iter().any(|key| key.starts_with("RETENTION ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shorter_retention_makes_the_team_due_at_once() {
    let test = start().await;
    sweep(&test, now()).await;
    edit(&test, keep(Some(1))).await;
    let expected = Expired { teams: 1, messages: 1, files: 1, ..Expired::default() };
    assert_eq!(sweep(&test, now()).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_table_is_an_error() {
    let test = TestApp::start().await;
    assert!(handle(&app(&TestApp::unreachable_table(), test.s3.bucket()), now).await.is_err());
}

/// Versions that had no sweep stored a retention, but no entry in its list.
async fn without_entry(test: &TestApp) {
    let retentions = Retentions::new(test.table());
    let [entry]: [ExpiringTeam; 1] = retentions.due(now() + DAY * 9).await.unwrap().teams.try_into().unwrap();
    retentions.remove(&entry).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retention_that_the_list_misses_is_found_within_a_day_and_takes_effect_a_day_later() {
    let test = start().await;
    let user = User {
        id: build::user_id("olga"),
        name: "Olga".into(),
        email: "olga@example.com".into(),
        owner: true,
    };
    let event = AuditEvent { actor: &user.id, action: "test", target: "test", at: now(), entropy: 1 };
    let organization = Organization {
        id: test.organization().clone(),
        name: "University".into(),
        owner: user.id.clone(),
        created_at: now(),
        opt_out_scope: SharedOptOutScope::default(),
    };
    Organizations::new(test.table()).create(&organization, &user, &event).await.unwrap();
    without_entry(&test).await;
    assert_eq!(sweep(&test, now()).await, Expired::default());
    let almost = Duration::from_secs(24 * 3600 - 1);
    assert_eq!(sweep(&test, now() + almost).await, Expired::default(), "an owner has a day to look at it");
    assert_eq!(sweep(&test, now() + DAY).await.messages, 3);
    without_entry(&test).await;
    assert_eq!(sweep(&test, now() + DAY + almost).await, Expired::default(), "once a day");
    assert_eq!(sweep(&test, now() + DAY * 2).await, Expired::default());
    assert_eq!(sweep(&test, now() + DAY * 3).await.teams, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_retention_again_adds_a_team_that_the_list_misses() {
    let test = start().await;
    without_entry(&test).await;
    edit(&test, keep(Some(KEPT_DAYS))).await;
    assert_eq!(sweep(&test, now()).await.messages, 3);
}

/// Every conversation has a file, the first run has no bucket, and its time is over after some of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_in_an_earlier_run_is_tried_again_within_an_hour() {
    let test = TestApp::start().await;
    for (index, file) in ["a", "b", "c", "d", "e", "f"].into_iter().enumerate() {
        let contact = build::number(&format!("+1202555{:04}", 1000 + index));
        receive(&test, &contact, file, &[file], now() - DAY * 40).await;
    }
    edit(&test, keep(Some(KEPT_DAYS))).await;
    let moving = TestClock::at(now());
    let clock = || moving.now_then_advance(Duration::from_millis(1500));
    let failing = handle(&app(&test.table(), TestApp::unreachable_bucket()), clock).await;
    let Err(SweepError::Incomplete(Expired { failed, teams: 0, messages: 0, .. })) = failing else {
        panic!("{failing:?}")
    };
    let later = now() + Duration::from_mins(10);
    let expected = Expired { teams: 1, messages: 6 - failed, files: 6 - failed, ..Expired::default() };
    assert_eq!(sweep(&test, later).await, expected, "no failure of its own");
    assert!(failed > 0 && failed < 6);
    let expected = Expired { teams: 1, messages: failed, files: failed, ..Expired::default() };
    assert_eq!(sweep(&test, later + Duration::from_hours(1)).await, expected);
}

/// Journeys have no message that is old enough, so they do not use these rights.
#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_uses_all_rights_to_the_table_that_the_template_grants_and_no_others() {
    let (test, actions) = (start().await, Actions::default());
    handle(&app(&actions.table(&test.engine.aws), test.s3.bucket()), now).await.unwrap();
    let template = test_kit::template::read();
    let policy =
        &template["Resources"]["RetentionSweepFunctionRole"]["Properties"]["Policies"][0]["PolicyDocument"];
    let granted = policy["Statement"].as_sequence().unwrap().iter().flat_map(|statement| {
        statement["Action"].as_sequence().into_iter().flatten().filter_map(|action| action.as_str())
    });
    let granted: BTreeSet<_> =
        granted.filter(|action| action.starts_with("dynamodb:")).map(str::to_owned).collect();
    assert_eq!(actions.used(), granted);
}
