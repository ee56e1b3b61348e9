//! `retention-sweep`: messages and files that are older than their team keeps them.

mod events;
mod files;
mod holds;
mod runs;
mod teams;

use std::{collections::BTreeSet, time::Duration};

use retention_sweep::{App, handle};
use shared_app::{
    retention::Expired,
    team_edit::{EditTeamOutcome, TeamEdits},
};
use shared_aws::{
    clients::Bucket,
    messaging::{Inbound, InboundText, Messages, Receipt, stored_at, uploaded_at},
    opt_out::OptOutReviews,
    table::Table,
    team::AuditEvent,
};
use shared_domain::{
    conversation::Conversation,
    ids::{ConversationId, MediaId, MessageId, ReviewId},
    keys::{TeamInboxKey, TeamKey},
    media::{Media, MediaState},
    message::{DeliveryState, Message, Report},
    opt_out::{ReviewOutcome, ReviewResolution},
    phone::PhoneNumber,
    retention::{MAX_WAIT, RetentionDays},
    team::TeamEdit,
    time::Timestamp,
};
use test_kit::{TestApp, actions::Actions, build};

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

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_table_is_an_error() {
    let test = TestApp::start().await;
    assert!(handle(&app(&TestApp::unreachable_table(), test.s3.bucket()), now).await.is_err());
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
