//! `inbound-sms` and `outbound-send` together: STOP, START, HELP, and Out of Office, each text also twice, late and on a
//! host that dies.

use std::time::Duration;

use aws_lambda_events::event::sqs::SqsEvent;
use inbound_sms::{App, handle};
use serde_json::json;
use shared_aws::{
    inbox::{Inboxes, OutOfOffice, Saved},
    opt_out::OptOuts,
    team::{AuditEvent, Teams},
};
use shared_domain::{
    ids::{ConversationId, InboxId, MessageId},
    inbox::{self, Inbox, InboxKind},
    message::{DeliveryState, Direction, Message},
    opt_out::{KeywordReplies, LedgerEntry, OptOutSource, OptOutSubject, help_text, start_text, stop_text},
    out_of_office::{Draft, Mode},
    phone::PhoneNumber,
    registration::RegistrationStatus,
    team::Team,
    time::Timestamp,
};
use test_kit::{crash::crashing_table, gateway::Event};
use tokio::task::JoinSet;

use crate::stage::{ACCOUNT, Carrier, Stage, TOKEN, callbacks, no_bucket, signed, verifier};

const ROUTE: &str = "POST /webhooks/twilio/messages";
const AWAY: &str = "We are closed until Monday.";

/// So many seconds after the beginning of every test.
pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000) + Duration::from_secs(seconds)
}

pub(crate) fn app(stage: &Stage) -> App {
    App::new(stage.table(), verifier(), ACCOUNT.into(), KeywordReplies::Product)
}

/// A text to one of our numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    pub(crate) sid: u32,
    pub(crate) to: &'a str,
    pub(crate) words: &'a str,
    pub(crate) more: &'a [(&'a str, &'a str)],
}

pub(crate) const fn said(sid: u32, words: &str) -> Said<'_> {
    Said { sid, to: "+12025550100", words, more: &[] }
}

pub(crate) async fn deliver(app: &App, now: Timestamp, said: Said<'_>) -> u16 {
    handle(app, now, shared_lambda::clock::entropy(), webhook(said).request()).await.status().as_u16()
}

fn webhook(said: Said<'_>) -> Event {
    let sid = format!("SM{:032}", said.sid);
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in [
        ("MessageSid", sid.as_str()),
        ("AccountSid", ACCOUNT),
        ("From", "+12025550143"),
        ("To", said.to),
        ("Body", said.words),
        ("NumMedia", "0"),
    ] {
        form.append_pair(name, value);
    }
    form.extend_pairs(said.more);
    signed(ROUTE, "", &form.finish(), TOKEN)
}

/// The carrier delivers it, and is content.
pub(crate) async fn hear(stage: &Stage, now: Timestamp, said: Said<'_>) {
    assert_eq!(deliver(&app(stage), now, said).await, 200, "{said:?}");
}

pub(crate) fn opt_outs(stage: &Stage) -> OptOuts {
    OptOuts::new(stage.table())
}

pub(crate) async fn is_out(stage: &Stage) -> bool {
    let subject = OptOutSubject::of(&stage.account.inbox, &stage.contact);
    let standing = opt_outs(stage).get(&subject).await.unwrap();
    standing.state.is_out()
}

/// The team's ledger, newest first.
pub(crate) async fn ledger(stage: &Stage) -> Vec<LedgerEntry> {
    let inbox = &stage.account.inbox;
    let all = (at(0), at(1_000_000));
    opt_outs(stage).of_team(&inbox.organization, &inbox.team, all, 100, None).await.unwrap().entries
}

/// What was answered by itself, oldest first; each of it stands in the outbox once.
async fn answers(stage: &Stage) -> Vec<String> {
    let history = stage.history().await;
    let ours: Vec<&Message> = history.iter().filter(|message| message.automatic).rev().collect();
    assert!(ours.iter().all(|message| message.direction == Direction::Outbound));
    let mut waiting: Vec<MessageId> =
        stage.outbox().overdue(at(1_000_000)).await.unwrap().into_iter().map(|row| row.message).collect();
    waiting.sort();
    assert_eq!(waiting, ours.iter().map(|message| message.id.clone()).collect::<Vec<_>>());
    ours.into_iter().map(|message| message.text.clone()).collect()
}

pub(crate) fn dying(stage: &Stage, requests: usize) -> App {
    App::new(crashing_table(&stage.engine.aws, requests), verifier(), ACCOUNT.into(), KeywordReplies::Product)
}

/// Another inbox of the team.
pub(crate) async fn another_inbox(stage: &Stage, kind: InboxKind) -> Inbox {
    let inbox = Inbox {
        id: InboxId::parse("inb_2").unwrap(),
        kind,
        api_code: "BACK".into(),
        number: PhoneNumber::from_carrier("+12025550200").unwrap(),
        ..stage.account.inbox.clone()
    };
    Inboxes::new(stage.table()).put(&inbox).await.unwrap();
    inbox
}

async fn register(stage: &Stage, registration: RegistrationStatus) {
    let team = Team { registration, ..stage.account.team.clone() };
    Teams::new(stage.table()).put(stage.organization(), &team).await.unwrap();
}

async fn retire(stage: &Stage) {
    let inbox = Inbox { stage: inbox::Stage::Retired, ..stage.account.inbox.clone() };
    Inboxes::new(stage.table()).put(&inbox).await.unwrap();
}

/// Whether the copy on the conversation with this inbox says opted out.
pub(crate) async fn shown_out(stage: &Stage, inbox: &Inbox) -> bool {
    let id = ConversationId::of(&inbox.id, &stage.contact);
    let thread = shared_domain::keys::ConversationKey {
        organization: &inbox.organization,
        inbox: &inbox.id,
        conversation: &id,
    };
    let found = shared_aws::conversation::Conversations::new(stage.table()).get(thread).await.unwrap();
    found.unwrap().contact.opted_out
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_and_start_act_once_however_late_they_come_again() {
    let stage = Stage::set().await;
    hear(&stage, at(10), said(1, "Stop.")).await;
    assert!(is_out(&stage).await && shown_out(&stage, &stage.account.inbox).await);
    hear(&stage, at(11), said(1, "Stop.")).await;
    hear(&stage, at(20), said(2, "START")).await;
    assert!(!is_out(&stage).await && !shown_out(&stage, &stage.account.inbox).await);
    hear(&stage, at(30), said(1, "Stop.")).await;
    assert!(!is_out(&stage).await, "a STOP that comes again after a START");
    hear(&stage, at(40), said(3, "stop")).await;
    hear(&stage, at(50), said(2, "START")).await;
    assert!(is_out(&stage).await, "a START that comes again after a later STOP");
    let lines: Vec<_> = ledger(&stage).await.iter().map(|line| (line.opted_out, line.source)).collect();
    assert_eq!(lines, [true, false, true].map(|out| (out, OptOutSource::Keyword)));
    assert_eq!(answers(&stage).await, [stop_text("Front"), start_text("Front"), stop_text("Front")]);
}

/// The host dies after the START is stored and before it acts; what the contact said last is STOP.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_had_not_acted_yet_does_not_undo_a_later_stop() {
    for requests in 3..30 {
        let stage = Stage::set().await;
        hear(&stage, at(10), said(1, "STOP")).await;
        let died = deliver(&dying(&stage, requests), at(20), said(2, "START")).await;
        hear(&stage, at(30), said(3, "STOP")).await;
        hear(&stage, at(40), said(2, "START")).await;
        assert!(is_out(&stage).await && shown_out(&stage, &stage.account.inbox).await, "{requests}");
        if died == 200 {
            return;
        }
    }
    panic!("it never lived");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_dies_anywhere_leaves_one_confirmation_once_the_carrier_repeats() {
    for (words, sid) in [("STOP", 1), ("START", 2), ("YES", 3)] {
        for requests in 0.. {
            let stage = Stage::set().await;
            let opening = sid > 1;
            if opening {
                hear(&stage, at(0), said(1, "STOP")).await;
            }
            close(&stage).await;
            let before = answers(&stage).await.len();
            let died = deliver(&dying(&stage, requests), at(10), said(sid, words)).await;
            for second in 11..13 {
                hear(&stage, at(second), said(sid, words)).await;
            }
            assert_eq!(is_out(&stage).await, !opening, "{words} {requests}");
            assert_eq!(shown_out(&stage, &stage.account.inbox).await, !opening, "{words} {requests}");
            let confirmed = if opening { start_text("Front") } else { stop_text("Front") };
            assert_eq!(answers(&stage).await[before..], [confirmed], "{words} {requests}");
            assert_eq!(ledger(&stage).await.len(), before + 1, "{words} {requests}");
            if died == 200 {
                assert!(requests > 8, "{requests}");
                break;
            }
            assert!(died >= 500, "{died}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stop_delivered_many_times_at_once_is_confirmed_once() {
    let stage = Stage::set().await;
    let mut deliveries = JoinSet::new();
    for _ in 0..8 {
        let app = app(&stage);
        deliveries.spawn(async move { deliver(&app, at(10), said(1, "STOP")).await });
    }
    assert!(deliveries.join_all().await.iter().all(|status| [200, 503].contains(status)));
    hear(&stage, at(11), said(1, "STOP")).await;
    assert_eq!(answers(&stage).await, [stop_text("Front")]);
    assert_eq!(ledger(&stage).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_carrier_answers_it_is_recorded_in_silence() {
    let carrier_did = Said { more: &[("OptOutType", "STOP")], ..said(1, "arrete tout") };
    for (answers_are, text) in
        [(KeywordReplies::Product, carrier_did), (KeywordReplies::Carrier, said(1, "STOP"))]
    {
        let stage = Stage::set().await;
        let app = App::new(stage.table(), verifier(), ACCOUNT.into(), answers_are);
        assert_eq!(deliver(&app, at(10), text).await, 200);
        assert!(is_out(&stage).await);
        assert_eq!(answers(&stage).await, [""; 0]);
        let help = Said {
            more: if text.more.is_empty() { &[] } else { &[("OptOutType", "HELP")] },
            ..said(2, "HELP")
        };
        assert_eq!(deliver(&app, at(20), help).await, 200);
        assert_eq!(answers(&stage).await, [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_send_records_and_stays_silent() {
    for retired in [false, true] {
        let stage = Stage::set().await;
        if retired {
            retire(&stage).await;
        } else {
            register(&stage, RegistrationStatus::NotStarted).await;
        }
        close(&stage).await;
        hear(&stage, at(5), said(9, "Are you open?")).await;
        hear(&stage, at(10), said(1, "STOP")).await;
        assert!(is_out(&stage).await);
        hear(&stage, at(20), said(2, "START")).await;
        assert!(!is_out(&stage).await);
        hear(&stage, at(30), said(3, "HELP")).await;
        assert_eq!(answers(&stage).await, [""; 0], "retired: {retired}");
        assert_eq!(ledger(&stage).await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_is_a_text_like_any_other_unless_it_answers_a_stop() {
    let stage = Stage::set().await;
    close(&stage).await;
    hear(&stage, at(10), said(1, "Yes")).await;
    assert_eq!(answers(&stage).await, [AWAY]);
    assert_eq!(ledger(&stage).await, []);
    hear(&stage, at(20), said(2, "STOP")).await;
    hear(&stage, at(30), said(3, "Yes!")).await;
    assert!(!is_out(&stage).await);
    assert_eq!(answers(&stage).await, [AWAY.into(), stop_text("Front"), start_text("Front")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn help_is_answered_once_an_hour() {
    let stage = Stage::set().await;
    close(&stage).await;
    for (sid, seconds) in [(1, 10), (1, 11), (2, 20), (3, 7_000)] {
        hear(&stage, at(seconds), said(sid, "help")).await;
    }
    assert_eq!(answers(&stage).await, [help_text("Front"), help_text("Front")]);
    assert_eq!(ledger(&stage).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_to_one_inbox_shows_on_the_conversations_of_all_the_teams_inboxes() {
    let stage = Stage::set().await;
    let other = another_inbox(&stage, InboxKind::Shared).await;
    hear(&stage, at(1), said(1, "Hello")).await;
    hear(&stage, at(2), Said { to: "+12025550200", ..said(2, "Hello") }).await;
    hear(&stage, at(3), said(3, "STOP")).await;
    assert!(shown_out(&stage, &stage.account.inbox).await && shown_out(&stage, &other).await);
    hear(&stage, at(4), Said { to: "+12025550200", ..said(4, "START") }).await;
    assert!(is_out(&stage).await, "a START opens only on the number that STOP was texted to");
    hear(&stage, at(5), said(5, "START")).await;
    assert!(!shown_out(&stage, &stage.account.inbox).await && !shown_out(&stage, &other).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_to_a_personal_inbox_leaves_the_team_alone() {
    let stage = Stage::set().await;
    let personal = another_inbox(&stage, InboxKind::Personal).await;
    hear(&stage, at(1), said(1, "Hello")).await;
    hear(&stage, at(2), Said { to: "+12025550200", ..said(2, "STOP") }).await;
    assert!(!is_out(&stage).await && !shown_out(&stage, &stage.account.inbox).await);
    let subject = OptOutSubject::of(&personal, &stage.contact);
    assert!(opt_outs(&stage).get(&subject).await.unwrap().state.is_out());
}

async fn work(stage: &Stage, carrier: &Carrier, message: &MessageId) {
    let app = outbound_send::App::new(
        stage.table(),
        no_bucket(),
        carrier.client_with_timeout(Duration::from_secs(5)),
        callbacks(),
        3,
    );
    let body = json!({ "organizationId": stage.organization().as_str(), "messageId": message.as_str() });
    let event: SqsEvent = serde_json::from_value(json!({ "Records": [{
        "messageId": "a", "receiptHandle": "r", "body": body.to_string(), "md5OfBody": "",
        "messageAttributes": {}, "attributes": { "ApproximateReceiveCount": "1", "MessageGroupId": "g" },
        "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:send.fifo",
        "awsRegion": "us-east-1",
    }] }))
    .unwrap();
    let done = outbound_send::handle(&app, || at(100), || 7, event).await;
    assert!(done.batch_item_failures.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_accepted_at_the_instant_of_a_stop_never_reaches_the_carrier_and_the_confirmation_does() {
    let (stage, carrier) = (Stage::set().await, Carrier::start().await);
    let lost = stage.accepted("Please come in.", at(10)).await;
    hear(&stage, at(10), said(1, "STOP")).await;
    work(&stage, &carrier, &lost).await;
    assert_eq!(carrier.accepted_messages(&stage.contact).await, 0);
    let message = stage.message(&lost).await;
    assert_eq!(message.delivery.state(), DeliveryState::Failed);
    assert!(message.delivery.report(DeliveryState::Failed).unwrap().detail.is_some());
    assert!(stage.conversation().await.unwrap().delivery_failed);
    let confirmation = stage.history().await.into_iter().find(|message| message.automatic).unwrap();
    assert!(confirmation.bypass_opt_out);
    work(&stage, &carrier, &confirmation.id).await;
    assert_eq!(stage.message(&confirmation.id).await.delivery.state(), DeliveryState::Sent);
    assert_eq!(carrier.accepted_messages(&stage.contact).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_says_opted_out_counts_as_one_and_start_does_not_undo_it() {
    let (stage, carrier) = (Stage::set().await, Carrier::start().await);
    carrier.fault("refuse:21610", "1").await;
    let refused = stage.accepted("Please come in.", at(10)).await;
    work(&stage, &carrier, &refused).await;
    assert!(is_out(&stage).await && shown_out(&stage, &stage.account.inbox).await);
    hear(&stage, at(200), said(1, "START")).await;
    assert!(is_out(&stage).await);
    let [line] = &ledger(&stage).await[..] else { panic!("not one line") };
    assert_eq!((line.source, line.message.as_ref()), (OptOutSource::Carrier, Some(&refused)));
    assert_eq!(stage.message(&refused).await.delivery.state(), DeliveryState::Failed);
}

async fn close(stage: &Stage) {
    close_since(stage, at(0)).await;
}

/// Closes the inbox from this instant on.
async fn close_since(stage: &Stage, saved_at: Timestamp) {
    let draft = Draft {
        mode: Mode::On,
        message: AWAY.into(),
        time_zone: "America/New_York".into(),
        ..Draft::default()
    };
    let inbox = &stage.account.inbox;
    let deed = AuditEvent {
        actor: &stage.user.id,
        action: "out-of-office.replace",
        target: inbox.id.as_str(),
        at: saved_at,
        entropy: 7,
    };
    let saved = Saved { draft, saved_at };
    let settings = OutOfOffice::new(stage.table());
    settings.put(&inbox.organization, &inbox.team, &inbox.id, &saved, &deed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_answer_for_a_contact_and_closed_period_whatever_comes_at_once_or_again() {
    let stage = Stage::set().await;
    close(&stage).await;
    let mut deliveries = JoinSet::new();
    for sid in 0..8 {
        let app = app(&stage);
        deliveries.spawn(async move { deliver(&app, at(10), said(sid % 4, "Are you open?")).await });
    }
    assert!(deliveries.join_all().await.iter().all(|status| [200, 503].contains(status)));
    for sid in 0..6 {
        hear(&stage, at(20), said(sid, "Are you open?")).await;
    }
    assert_eq!(answers(&stage).await, [AWAY]);
    close_since(&stage, at(30)).await;
    hear(&stage, at(40), said(50, "And now?")).await;
    hear(&stage, at(41), said(50, "And now?")).await;
    assert_eq!(answers(&stage).await, [AWAY, AWAY], "another period");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_dies_anywhere_leaves_one_answer_once_the_carrier_repeats() {
    for requests in 0.. {
        let stage = Stage::set().await;
        close(&stage).await;
        let died = deliver(&dying(&stage, requests), at(10), said(1, "Are you open?")).await;
        hear(&stage, at(11), said(1, "Are you open?")).await;
        assert_eq!(answers(&stage).await, [AWAY], "{requests}");
        if died == 200 {
            assert!(requests > 8, "{requests}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_to_who_opted_out_or_is_blocked_nor_to_ourselves_nor_to_our_own_words() {
    let stage = Stage::set().await;
    close(&stage).await;
    hear(&stage, at(10), said(1, AWAY)).await;
    hear(&stage, at(20), said(2, "STOP")).await;
    hear(&stage, at(30), said(3, "Are you open?")).await;
    assert_eq!(answers(&stage).await, [stop_text("Front")]);
    let blocked = Stage::set().await;
    close(&blocked).await;
    blocked.know(|contact| contact.blocked = true).await;
    hear(&blocked, at(10), said(1, "Are you open?")).await;
    assert_eq!(answers(&blocked).await, [""; 0]);
    let ours = Stage::set().await;
    close(&ours).await;
    let mine = Inbox {
        id: InboxId::parse("inb_3").unwrap(),
        number: ours.contact.clone(),
        api_code: "MINE".into(),
        ..ours.account.inbox.clone()
    };
    Inboxes::new(ours.table()).put(&mine).await.unwrap();
    hear(&ours, at(10), said(1, "Are you open?")).await;
    assert_eq!(answers(&ours).await, [""; 0]);
}
