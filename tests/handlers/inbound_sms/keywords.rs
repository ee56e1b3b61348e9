//! `inbound-sms` and `outbound-send`: STOP, START, HELP and out-of-office messages. Webhooks are also
//! delivered twice, late and to hosts that crash.

use std::time::Duration;

use inbound_sms::{App, handle};
use serde_json::json;
use shared_aws::{
    conversation::Conversations,
    inbox::{OutOfOffice, Saved},
    opt_out::OptOuts,
    team::{AuditEvent, Organization, Organizations},
};
use shared_domain::{
    contact::Contact,
    ids::{ConversationId, MessageId},
    inbox::{Inbox, InboxKind, Stage},
    keys::ConversationKey,
    message::{DeliveryState, Direction, Message},
    opt_out::{
        KeywordReplies, LedgerEntry, OptOutScope, OptOutSource, OptOutSubject, SharedOptOutScope, help_text,
        start_text, stop_text,
    },
    out_of_office::{Draft, Mode},
    registration::RegistrationStatus,
    team::Team,
    time::Timestamp,
    user::User,
};
use test_kit::{
    TestApp, build,
    build::{CONTACT_NUMBER, INBOX_NUMBER},
    carrier::ACCOUNT,
    crash,
    gateway::Event,
    lambda_event::{event, sqs_record},
    queue::received_sends,
    twilio::{callbacks, signed_fields, webhook_accounts},
};
use tokio::task::JoinSet;

const ROUTE: &str = "POST /webhooks/twilio/messages";
pub(crate) const AWAY: &str = "We are closed until Monday.";

/// Returns a time this many seconds after the start of every test.
pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000) + Duration::from_secs(seconds)
}

pub(crate) fn app(test: &TestApp) -> App {
    App::new(test.table(), webhook_accounts(), KeywordReplies::Product)
}

/// An inbound message of the contact.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inbound<'a> {
    pub(crate) sid: u32,
    pub(crate) to: &'a str,
    pub(crate) text: &'a str,
    /// Further fields of the webhook.
    pub(crate) more: &'a [(&'a str, &'a str)],
}

pub(crate) const fn inbound(sid: u32, text: &str) -> Inbound<'_> {
    Inbound { sid, to: INBOX_NUMBER, text, more: &[] }
}

pub(crate) async fn deliver(app: &App, now: Timestamp, message: Inbound<'_>) -> u16 {
    handle(app, now, shared_lambda::clock::entropy(), webhook(message).request()).await.status().as_u16()
}

fn webhook(message: Inbound<'_>) -> Event {
    let sid = format!("SM{:032}", message.sid);
    let mut fields = vec![
        ("MessageSid", sid.as_str()),
        ("AccountSid", ACCOUNT),
        ("From", CONTACT_NUMBER),
        ("To", message.to),
        ("Body", message.text),
        ("NumMedia", "0"),
    ];
    fields.extend(message.more);
    signed_fields(ROUTE, "", &fields)
}

/// Delivers a message that is accepted.
pub(crate) async fn receive(test: &TestApp, now: Timestamp, message: Inbound<'_>) {
    assert_eq!(deliver(&app(test), now, message).await, 200, "{message:?}");
}

pub(crate) fn opt_outs(test: &TestApp) -> OptOuts {
    OptOuts::new(test.table())
}

pub(crate) async fn is_opted_out(test: &TestApp) -> bool {
    let subject = OptOutSubject::of(&test.inbox, &test.contact);
    let record = opt_outs(test).get(&subject).await.unwrap();
    record.state.is_out()
}

/// Returns the opt-out ledger of the team, newest first.
pub(crate) async fn ledger(test: &TestApp) -> Vec<LedgerEntry> {
    let inbox = &test.inbox;
    let all = (at(0), at(1_000_000));
    opt_outs(test).of_team(inbox.team_key(), all, 100, None).await.unwrap().items
}

/// Returns the texts of the automatic replies, oldest first. Asserts that each is in the outbox once.
pub(crate) async fn automatic_replies(test: &TestApp) -> Vec<String> {
    let history = test.history().await;
    let replies: Vec<&Message> = history.iter().filter(|message| message.automatic).rev().collect();
    assert!(replies.iter().all(|message| message.direction == Direction::Outbound));
    let mut waiting: Vec<MessageId> =
        test.outbox().overdue(at(1_000_000)).await.unwrap().into_iter().map(|entry| entry.message).collect();
    waiting.sort();
    assert_eq!(waiting, replies.iter().map(|message| message.id.clone()).collect::<Vec<_>>());
    replies.into_iter().map(|message| message.text.clone()).collect()
}

pub(crate) fn crashing_app(test: &TestApp, requests: usize) -> App {
    App::new(test.engine.crashing_table(requests), webhook_accounts(), KeywordReplies::Product)
}

/// Adds another inbox of the team.
pub(crate) async fn another_inbox(test: &TestApp, kind: InboxKind) -> Inbox {
    let inbox = Inbox {
        id: build::inbox_id("inb_2"),
        kind,
        api_code: "BACK".into(),
        number: build::number("+12025550200"),
        ..build::inbox()
    };
    test.add_inbox(&inbox).await;
    inbox
}

pub(crate) async fn set_registration(test: &TestApp, registration: RegistrationStatus) {
    test.add_team(test.organization(), &Team { registration, ..build::team() }).await;
}

pub(crate) async fn retire(test: &TestApp) {
    test.add_inbox(&Inbox { stage: Stage::Retired, ..build::inbox() }).await;
}

/// Returns whether the conversation of the contact with this inbox shows an opt-out.
pub(crate) async fn conversation_shows_opt_out(test: &TestApp, inbox: &Inbox) -> bool {
    let id = ConversationId::of(&inbox.id, &test.contact);
    let key = ConversationKey { organization: &inbox.organization, inbox: &inbox.id, conversation: &id };
    let found = Conversations::new(test.table()).get(key).await.unwrap();
    found.unwrap().contact.opted_out
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_and_start_act_once_however_late_they_are_repeated() {
    let test = TestApp::start().await;
    receive(&test, at(10), inbound(1, "Stop.")).await;
    assert!(is_opted_out(&test).await && conversation_shows_opt_out(&test, &test.inbox).await);
    receive(&test, at(11), inbound(1, "Stop.")).await;
    receive(&test, at(20), inbound(2, "START")).await;
    assert!(!is_opted_out(&test).await && !conversation_shows_opt_out(&test, &test.inbox).await);
    receive(&test, at(30), inbound(1, "Stop.")).await;
    assert!(!is_opted_out(&test).await, "a STOP repeated after a START");
    receive(&test, at(40), inbound(3, "stop")).await;
    receive(&test, at(50), inbound(2, "START")).await;
    assert!(is_opted_out(&test).await, "a START repeated after a later STOP");
    let entries: Vec<_> = ledger(&test).await.iter().map(|entry| (entry.opted_out, entry.source)).collect();
    assert_eq!(entries, [true, false, true].map(|out| (out, OptOutSource::Keyword)));
    assert_eq!(automatic_replies(&test).await, [stop_text("Front"), start_text("Front"), stop_text("Front")]);
}

/// The host crashes after it stored the START and before the START acts. The last message of the contact is
/// STOP.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_has_not_acted_does_not_undo_a_later_stop() {
    for requests in 3..30 {
        let test = TestApp::start().await;
        receive(&test, at(10), inbound(1, "STOP")).await;
        let status = deliver(&crashing_app(&test, requests), at(20), inbound(2, "START")).await;
        receive(&test, at(30), inbound(3, "STOP")).await;
        receive(&test, at(40), inbound(2, "START")).await;
        assert!(
            is_opted_out(&test).await && conversation_shows_opt_out(&test, &test.inbox).await,
            "{requests}"
        );
        if status == 200 {
            return;
        }
    }
    panic!("the host always crashed");
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_host_crashes_one_confirmation_is_sent_once_the_carrier_repeats() {
    for (text, sid) in [("STOP", 1), ("START", 2), ("YES", 3)] {
        for requests in crash::points() {
            let test = TestApp::start().await;
            let opening = sid > 1;
            if opening {
                receive(&test, at(0), inbound(1, "STOP")).await;
            }
            turn_on_out_of_office(&test).await;
            let before = automatic_replies(&test).await.len();
            let status = deliver(&crashing_app(&test, requests), at(10), inbound(sid, text)).await;
            for second in 11..13 {
                receive(&test, at(second), inbound(sid, text)).await;
            }
            assert_eq!(is_opted_out(&test).await, !opening, "{text} {requests}");
            assert_eq!(conversation_shows_opt_out(&test, &test.inbox).await, !opening, "{text} {requests}");
            let confirmation = if opening { start_text("Front") } else { stop_text("Front") };
            assert_eq!(automatic_replies(&test).await[before..], [confirmation], "{text} {requests}");
            assert_eq!(ledger(&test).await.len(), before + 1, "{text} {requests}");
            if status == 200 {
                assert!(requests > 8, "{requests}");
                break;
            }
            assert!(status >= 500, "{status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stop_delivered_concurrently_is_confirmed_once() {
    let test = TestApp::start().await;
    let mut deliveries = JoinSet::new();
    for _ in 0..8 {
        let app = app(&test);
        deliveries.spawn(async move { deliver(&app, at(10), inbound(1, "STOP")).await });
    }
    assert!(deliveries.join_all().await.iter().all(|status| [200, 503].contains(status)));
    receive(&test, at(11), inbound(1, "STOP")).await;
    assert_eq!(automatic_replies(&test).await, [stop_text("Front")]);
    assert_eq!(ledger(&test).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_carrier_answers_the_product_records_the_opt_out_and_does_not_reply() {
    let answered_by_carrier = Inbound { more: &[("OptOutType", "STOP")], ..inbound(1, "arrete tout") };
    for (keyword_replies, message) in
        [(KeywordReplies::Product, answered_by_carrier), (KeywordReplies::Carrier, inbound(1, "STOP"))]
    {
        let test = TestApp::start().await;
        let app = App::new(test.table(), webhook_accounts(), keyword_replies);
        assert_eq!(deliver(&app, at(10), message).await, 200);
        assert!(is_opted_out(&test).await);
        assert_eq!(automatic_replies(&test).await, [""; 0]);
        let help = Inbound {
            more: if message.more.is_empty() { &[] } else { &[("OptOutType", "HELP")] },
            ..inbound(2, "HELP")
        };
        assert_eq!(deliver(&app, at(20), help).await, 200);
        assert_eq!(automatic_replies(&test).await, [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_that_may_not_send_records_opt_outs_and_does_not_reply() {
    for retired in [false, true] {
        let test = TestApp::start().await;
        if retired {
            retire(&test).await;
        } else {
            set_registration(&test, RegistrationStatus::NotStarted).await;
        }
        turn_on_out_of_office(&test).await;
        receive(&test, at(5), inbound(9, "Are you open?")).await;
        receive(&test, at(10), inbound(1, "STOP")).await;
        assert!(is_opted_out(&test).await);
        receive(&test, at(20), inbound(2, "START")).await;
        assert!(!is_opted_out(&test).await);
        receive(&test, at(30), inbound(3, "HELP")).await;
        assert_eq!(automatic_replies(&test).await, [""; 0], "retired: {retired}");
        assert_eq!(ledger(&test).await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_is_an_ordinary_text_unless_it_follows_a_stop() {
    let test = TestApp::start().await;
    turn_on_out_of_office(&test).await;
    receive(&test, at(10), inbound(1, "Yes")).await;
    assert_eq!(automatic_replies(&test).await, [AWAY]);
    assert_eq!(ledger(&test).await, []);
    receive(&test, at(20), inbound(2, "STOP")).await;
    receive(&test, at(30), inbound(3, "Yes!")).await;
    assert!(!is_opted_out(&test).await);
    assert_eq!(automatic_replies(&test).await, [AWAY.into(), stop_text("Front"), start_text("Front")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn help_is_answered_once_per_hour() {
    let test = TestApp::start().await;
    turn_on_out_of_office(&test).await;
    for (sid, seconds) in [(1, 10), (1, 11), (2, 20), (3, 7_000)] {
        receive(&test, at(seconds), inbound(sid, "help")).await;
    }
    assert_eq!(automatic_replies(&test).await, [help_text("Front"), help_text("Front")]);
    assert_eq!(ledger(&test).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn help_is_answered_after_a_stop_too_and_the_answer_is_sent() {
    let test = TestApp::start().await;
    for (sid, text) in [(1, "STOP"), (2, "HELP"), (3, "STOP"), (4, "HELP"), (5, "Are you open?")] {
        receive(&test, at(u64::from(sid)), inbound(sid, text)).await;
    }
    assert_eq!(automatic_replies(&test).await, [stop_text("Front"), help_text("Front")]);
    let help = test.history().await.into_iter().find(|message| message.text == help_text("Front")).unwrap();
    send(&test, &help.id).await;
    assert_eq!(test.message(&help.id).await.delivery.state(), DeliveryState::Sent);
    let contact = Contact { blocked: true, ..Contact::provisional(&test.team.id, &test.contact) };
    let blocked = TestApp::start().await;
    blocked.add_contact(&contact).await;
    receive(&blocked, at(1), inbound(1, "HELP")).await;
    assert_eq!(automatic_replies(&blocked).await, [""; 0]);
}

/// The STOP is taken in after the START, with the time at which the carrier received it.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_wins_over_an_older_stop_that_arrives_later() {
    for start in ["START", "unstop", "Yes"] {
        let test = TestApp::start().await;
        receive(&test, at(20), inbound(1, start)).await;
        receive(&test, at(10), inbound(2, "STOP")).await;
        receive(&test, at(21), inbound(1, start)).await;
        assert!(
            !is_opted_out(&test).await && !conversation_shows_opt_out(&test, &test.inbox).await,
            "{start}"
        );
        assert_eq!((automatic_replies(&test).await.len(), ledger(&test).await.len()), (0, 0), "{start}");
        receive(&test, at(30), inbound(3, "STOP")).await;
        assert!(is_opted_out(&test).await, "{start}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_to_another_inbox_does_not_hide_an_older_stop() {
    let test = TestApp::start().await;
    let other = another_inbox(&test, InboxKind::Shared).await;
    receive(&test, at(20), Inbound { to: other.number.as_str(), ..inbound(1, "START") }).await;
    receive(&test, at(10), inbound(2, "STOP")).await;
    assert!(is_opted_out(&test).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_to_one_inbox_shows_on_the_conversations_of_all_inboxes_of_the_team() {
    let test = TestApp::start().await;
    let other = another_inbox(&test, InboxKind::Shared).await;
    receive(&test, at(1), inbound(1, "Hello")).await;
    receive(&test, at(2), Inbound { to: "+12025550200", ..inbound(2, "Hello") }).await;
    receive(&test, at(3), inbound(3, "STOP")).await;
    assert!(
        conversation_shows_opt_out(&test, &test.inbox).await
            && conversation_shows_opt_out(&test, &other).await
    );
    receive(&test, at(4), Inbound { to: "+12025550200", ..inbound(4, "START") }).await;
    assert!(is_opted_out(&test).await, "a START counts only on the number that received the STOP");
    receive(&test, at(5), inbound(5, "START")).await;
    assert!(
        !conversation_shows_opt_out(&test, &test.inbox).await
            && !conversation_shows_opt_out(&test, &other).await
    );
}

/// Sets whom a STOP to a shared inbox binds.
async fn set_opt_out_scope(test: &TestApp, opt_out_scope: SharedOptOutScope) {
    let organizations = Organizations::new(test.table());
    let organization = Organization {
        id: test.organization().clone(),
        name: "Clinic".into(),
        owner: test.user.id.clone(),
        created_at: at(0),
        opt_out_scope,
    };
    let event = AuditEvent {
        actor: &test.user.id,
        action: "organization.edit",
        target: organization.id.as_str(),
        at: at(0),
        entropy: 7,
    };
    let Some(before) = organizations.get(&organization.id).await.unwrap() else {
        let owner = User {
            id: build::user_id("olga"),
            name: "Olga".into(),
            email: "o@x.example".into(),
            owner: true,
        };
        organizations.create(&organization, &owner, &event).await.unwrap();
        return;
    };
    organizations.change(&before, &organization, &event).await.unwrap();
}

/// Adds another team with a shared inbox.
async fn inbox_of_another_team(test: &TestApp) -> Inbox {
    let team = Team { id: build::team_id("team_2"), name: "Back".into(), ..build::team() };
    test.add_team(test.organization(), &team).await;
    let inbox = Inbox {
        id: build::inbox_id("inb_2"),
        team: team.id,
        api_code: "BACK".into(),
        number: build::number("+12025550200"),
        ..build::inbox()
    };
    test.add_inbox(&inbox).await;
    inbox
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_binds_all_teams_if_the_organization_says_so_until_the_contact_opts_in_there() {
    let test = TestApp::start().await;
    let other = inbox_of_another_team(&test).await;
    set_opt_out_scope(&test, SharedOptOutScope::Organization).await;
    let to_other = |sid, text| Inbound { to: "+12025550200", ..inbound(sid, text) };
    let shown = async || {
        let front = conversation_shows_opt_out(&test, &test.inbox).await;
        (front, conversation_shows_opt_out(&test, &other).await)
    };
    receive(&test, at(1), inbound(1, "Hello")).await;
    receive(&test, at(2), to_other(2, "Hello")).await;
    let accepted = test.accept_message("Please come in.", at(3)).await;
    receive(&test, at(4), to_other(3, "STOP")).await;
    assert_eq!(shown().await, (true, true));
    let [entry] =
        &opt_outs(&test).of_team(other.team_key(), (at(0), at(99)), 9, None).await.unwrap().items[..]
    else {
        panic!("expected one ledger entry")
    };
    assert_eq!((&entry.scope, entry.opted_out), (&OptOutScope::Organization, true));
    send(&test, &accepted).await;
    assert_eq!(test.message(&accepted).await.delivery.state(), DeliveryState::Failed, "of the first team");
    receive(&test, at(5), inbound(4, "STOP")).await;
    let is_confirmed_again = test.history().await.iter().any(|message| message.automatic);
    assert!(!is_confirmed_again, "the other team has confirmed the opt-out");
    receive(&test, at(6), to_other(5, "START")).await;
    assert_eq!(shown().await, (false, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn opt_outs_stay_in_force_when_the_scope_is_changed_and_start_ends_them() {
    for (first, then) in [
        (SharedOptOutScope::Team, SharedOptOutScope::Organization),
        (SharedOptOutScope::Organization, SharedOptOutScope::Team),
    ] {
        let test = TestApp::start().await;
        set_opt_out_scope(&test, first).await;
        receive(&test, at(1), inbound(1, "STOP")).await;
        set_opt_out_scope(&test, then).await;
        assert!(conversation_shows_opt_out(&test, &test.inbox).await, "{first:?}");
        receive(&test, at(2), inbound(2, "STOP")).await;
        assert_eq!(automatic_replies(&test).await, [stop_text("Front")], "{first:?}: one confirmation");
        for _ in 0..2 {
            receive(&test, at(3), inbound(3, "START")).await;
            assert!(!conversation_shows_opt_out(&test, &test.inbox).await, "{first:?}");
            assert_eq!(
                automatic_replies(&test).await,
                [stop_text("Front"), start_text("Front")],
                "{first:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_to_a_personal_inbox_does_not_affect_the_team() {
    let test = TestApp::start().await;
    let personal = another_inbox(&test, InboxKind::Personal).await;
    receive(&test, at(1), inbound(1, "Hello")).await;
    receive(&test, at(2), Inbound { to: "+12025550200", ..inbound(2, "STOP") }).await;
    assert!(!is_opted_out(&test).await && !conversation_shows_opt_out(&test, &test.inbox).await);
    let subject = OptOutSubject::of(&personal, &test.contact);
    assert!(opt_outs(&test).get(&subject).await.unwrap().state.is_out());
}

async fn send(test: &TestApp, message: &MessageId) {
    let app = outbound_send::App::new(
        test.table(),
        TestApp::unreachable_bucket(),
        test.carrier.client(),
        callbacks(),
        received_sends(&test.queue.url),
        3,
    );
    let body = json!({ "organizationId": test.organization().as_str(), "messageId": message.as_str() });
    let event = event(vec![sqs_record("a", Some("g"), &body.to_string(), 1)]);
    let response = outbound_send::handle(&app, || at(100), || 7, event).await;
    assert!(response.batch_item_failures.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_accepted_at_the_time_of_a_stop_is_not_sent_and_the_confirmation_is() {
    let test = TestApp::start().await;
    let message_id = test.accept_message("Please come in.", at(10)).await;
    receive(&test, at(10), inbound(1, "STOP")).await;
    send(&test, &message_id).await;
    assert_eq!(test.carrier.accepted_messages(&test.contact).await, 0);
    let message = test.message(&message_id).await;
    assert_eq!(message.delivery.state(), DeliveryState::Failed);
    assert!(message.delivery.report(DeliveryState::Failed).unwrap().detail.is_some());
    assert!(test.conversation().await.unwrap().delivery_failed);
    let confirmation = test.history().await.into_iter().find(|message| message.automatic).unwrap();
    assert!(confirmation.bypass_opt_out);
    send(&test, &confirmation.id).await;
    assert_eq!(test.message(&confirmation.id).await.delivery.state(), DeliveryState::Sent);
    assert_eq!(test.carrier.accepted_messages(&test.contact).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_refusal_for_an_opt_out_is_recorded_and_start_does_not_undo_it() {
    let test = TestApp::start().await;
    test.carrier.fault("refuse:21610", "1").await;
    let refused = test.accept_message("Please come in.", at(10)).await;
    send(&test, &refused).await;
    assert!(is_opted_out(&test).await && conversation_shows_opt_out(&test, &test.inbox).await);
    receive(&test, at(200), inbound(1, "START")).await;
    assert!(is_opted_out(&test).await);
    let [entry] = &ledger(&test).await[..] else { panic!("expected one ledger entry") };
    assert_eq!((entry.source, entry.message.as_ref()), (OptOutSource::Carrier, Some(&refused)));
    assert_eq!(test.message(&refused).await.delivery.state(), DeliveryState::Failed);
}

pub(crate) async fn turn_on_out_of_office(test: &TestApp) {
    turn_on_out_of_office_at(test, at(0)).await;
}

/// Turns on the out-of-office message at this time.
pub(crate) async fn turn_on_out_of_office_at(test: &TestApp, saved_at: Timestamp) {
    let draft = Draft {
        mode: Mode::On,
        message: AWAY.into(),
        time_zone: "America/New_York".into(),
        ..Draft::default()
    };
    let inbox = &test.inbox;
    let event = AuditEvent {
        actor: &test.user.id,
        action: "out-of-office.replace",
        target: inbox.id.as_str(),
        at: saved_at,
        entropy: 7,
    };
    let saved = Saved { draft, saved_at };
    let settings = OutOfOffice::new(test.table());
    settings.put(inbox.team_key(), inbox.key(), &saved, &event).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_contact_gets_one_out_of_office_message_per_closed_period_despite_concurrency_and_repetition() {
    let test = TestApp::start().await;
    turn_on_out_of_office(&test).await;
    let mut deliveries = JoinSet::new();
    for sid in 0..8 {
        let app = app(&test);
        deliveries.spawn(async move { deliver(&app, at(10), inbound(sid % 4, "Are you open?")).await });
    }
    assert!(deliveries.join_all().await.iter().all(|status| [200, 503].contains(status)));
    for sid in 0..6 {
        receive(&test, at(20), inbound(sid, "Are you open?")).await;
    }
    assert_eq!(automatic_replies(&test).await, [AWAY]);
    turn_on_out_of_office_at(&test, at(30)).await;
    receive(&test, at(40), inbound(50, "And now?")).await;
    receive(&test, at(41), inbound(50, "And now?")).await;
    assert_eq!(automatic_replies(&test).await, [AWAY, AWAY], "a new closed period");
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_host_crashes_one_out_of_office_message_is_sent_once_the_carrier_repeats() {
    for requests in crash::points() {
        let test = TestApp::start().await;
        turn_on_out_of_office(&test).await;
        let status = deliver(&crashing_app(&test, requests), at(10), inbound(1, "Are you open?")).await;
        receive(&test, at(11), inbound(1, "Are you open?")).await;
        assert_eq!(automatic_replies(&test).await, [AWAY], "{requests}");
        if status == 200 {
            assert!(requests > 8, "{requests}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_out_of_office_message_to_opted_out_or_blocked_contacts_machines_own_numbers_or_the_same_text() {
    let test = TestApp::start().await;
    turn_on_out_of_office(&test).await;
    receive(&test, at(10), inbound(1, AWAY)).await;
    receive(&test, at(20), inbound(2, "STOP")).await;
    receive(&test, at(30), inbound(3, "Are you open?")).await;
    assert_eq!(automatic_replies(&test).await, [stop_text("Front")]);
    let machine = TestApp::start().await;
    turn_on_out_of_office(&machine).await;
    receive(&machine, at(10), inbound(1, "Liked “Front: reply STOP to opt out”")).await;
    receive(&machine, at(20), inbound(2, "I'm driving with Driving Focus turned on.")).await;
    assert_eq!(automatic_replies(&machine).await, [""; 0]);
    let blocked = TestApp::start().await;
    turn_on_out_of_office(&blocked).await;
    let contact = Contact { blocked: true, ..Contact::provisional(&blocked.team.id, &blocked.contact) };
    blocked.add_contact(&contact).await;
    receive(&blocked, at(10), inbound(1, "Are you open?")).await;
    assert_eq!(automatic_replies(&blocked).await, [""; 0]);
    let own = TestApp::start().await;
    turn_on_out_of_office(&own).await;
    let inbox = Inbox {
        id: build::inbox_id("inb_3"),
        number: own.contact.clone(),
        api_code: "MINE".into(),
        ..build::inbox()
    };
    own.add_inbox(&inbox).await;
    receive(&own, at(10), inbound(1, "Are you open?")).await;
    assert_eq!(automatic_replies(&own).await, [""; 0]);
}
