//! `send-reconcile`: messages whose outcome is unknown, or whose delivery is not reported.

use std::time::Duration;

use send_reconcile::{App, Queues, Tally, handle};
use shared_app::reconcile::MAX_UNKNOWN_AGE;
use shared_aws::{
    clients::ImportJob, import::Imports, messaging::Messages, opt_out::OptOuts, table::Table,
    team::AuditEvent,
};
use shared_carriers::twilio::{SendMessage, SendOutcome};
use shared_domain::{
    ids::{ImportId, MessageId, UserId},
    import::{Import, ImportOptions},
    message::{DeliveryState, Report},
    time::Timestamp,
};

use shared_lambda::clock::now;
use test_kit::{
    TestApp,
    app::NO_SERVICE,
    clock::within,
    queue::{FakeQueue, broadcast_queue, import_queue, mail_queue, media_queue, send_queues},
};

use crate::delivery_status::{is_out_by_carrier, opted_out_scopes};

const GRACE: Duration = Duration::from_secs(300);

fn app(test: &TestApp) -> App {
    app_with(test.table(), test)
}

fn app_with(table: Table, test: &TestApp) -> App {
    app_with_imports(table, test, NO_SERVICE)
}

fn app_with_imports(table: Table, test: &TestApp, imports: &str) -> App {
    let queues = Queues {
        messages: send_queues(NO_SERVICE),
        notifications: mail_queue(NO_SERVICE),
        media: media_queue(NO_SERVICE),
    };
    App::new(table, test.carrier.client(), queues, import_queue(imports), broadcast_queue(imports), GRACE)
}

/// Accepts a message whose sending lost its answer at this time.
async fn accept_with_lost_answer(test: &TestApp, text: &str, at: Timestamp) -> MessageId {
    let id = test.accept_message(text, at).await;
    let messages = Messages::new(test.table());
    messages.claim(test.organization(), &id, 1, at).await.unwrap();
    test.outbox().mark_unknown(test.organization(), &id, at).await.unwrap();
    let unknown = Report::at(at);
    messages.report(test.organization(), &id, DeliveryState::Unknown, &unknown, None).await.unwrap();
    id
}

fn message_to_carrier(test: &TestApp, text: &str) -> SendMessage {
    SendMessage {
        to: test.contact.as_str().into(),
        from: test.inbox.number.as_str().into(),
        body: text.into(),
        media_urls: Vec::new(),
        status_callback: "http://127.0.0.1:9/".into(),
        messaging_service_sid: None,
        validity: None,
    }
}

/// Sends this text to the carrier. Returns its sid.
async fn send_to_carrier(test: &TestApp, text: &str) -> String {
    match test.carrier.client().send(&message_to_carrier(test, text)).await {
        SendOutcome::Accepted { sid, .. } => sid,
        other => panic!("{other:?}"),
    }
}

async fn state(test: &TestApp, id: &MessageId) -> DeliveryState {
    test.message(id).await.delivery.state()
}

/// Accepts a message whose answer was lost and which the carrier has failed because of an opt-out.
async fn accept_with_carrier_opt_out(test: &TestApp) -> MessageId {
    let id = accept_with_lost_answer(test, "hello", now()).await;
    let numbers = [("To", test.inbox.number.as_str()), ("From", test.contact.as_str())];
    test.carrier.control("opt-out", &numbers).await;
    let service = test.carrier.client().create_service("team").await.unwrap().sid;
    let message = SendMessage { messaging_service_sid: Some(service), ..message_to_carrier(test, "hello") };
    let SendOutcome::Accepted { sid, .. } = test.carrier.client().send(&message).await else {
        panic!("the carrier reports the opt-out later")
    };
    within("the carrier reports the opt-out", async {
        while test.carrier.client().fetch_message(&sid).await.unwrap().unwrap().error_code.is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_failed_because_of_an_opt_out_at_the_carrier_opts_the_contact_out() {
    let test = TestApp::start().await;
    let id = accept_with_carrier_opt_out(&test).await;
    assert_eq!(handle(&app(&test), now()).await.unwrap(), Tally { resolved: 1, ..Tally::default() });
    assert_eq!(state(&test, &id).await, DeliveryState::Failed);
    assert!(is_out_by_carrier(&test, &id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_from_a_personal_inbox_opts_out_of_personal_inboxes_only() {
    let test = TestApp::with_personal_inbox().await;
    accept_with_carrier_opt_out(&test).await;
    assert_eq!(handle(&app(&test), now()).await.unwrap(), Tally { resolved: 1, ..Tally::default() });
    assert_eq!(opted_out_scopes(&test).await, [false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_opt_out_keeps_changing_stays_unknown_until_a_later_run() {
    let test = TestApp::start().await;
    let id = accept_with_carrier_opt_out(&test).await;
    let contended = app_with(test.engine.contended_table(), &test);
    assert_eq!(handle(&contended, now()).await.unwrap(), Tally { open: 1, ..Tally::default() });
    assert_eq!(state(&test, &id).await, DeliveryState::Unknown);
    assert_eq!(handle(&app(&test), now()).await.unwrap(), Tally { resolved: 1, ..Tally::default() });
    assert!(is_out_by_carrier(&test, &id).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_the_opt_out_and_the_report_loses_neither() {
    for requests in 0..60 {
        let test = TestApp::start().await;
        let id = accept_with_carrier_opt_out(&test).await;
        let crashing = app_with(test.engine.crashing_table(requests), &test);
        let crashed = handle(&crashing, now()).await;
        handle(&app(&test), now()).await.unwrap();
        assert_eq!(state(&test, &id).await, DeliveryState::Failed, "{requests}");
        assert!(is_out_by_carrier(&test, &id).await, "{requests}");
        assert_eq!(test.outbox().unknown().await.unwrap(), [], "{requests}");
        if crashed.is_ok_and(|tally| tally.resolved == 1) {
            assert!(requests > 6, "{requests}");
            return;
        }
    }
    panic!("the host always crashed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_carrier_has_is_sent() {
    let test = TestApp::start().await;
    let id = accept_with_lost_answer(&test, "hello", now()).await;
    let sid = send_to_carrier(&test, "hello").await;
    let app = app(&test);
    assert_eq!(handle(&app, now()).await.unwrap(), Tally { resolved: 1, ..Tally::default() });
    assert!(state(&test, &id).await >= DeliveryState::Sent);
    assert_eq!(test.message(&id).await.carrier_id, Some(sid));
    assert_eq!(handle(&app, now()).await.unwrap(), Tally::default(), "resolved once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_two_runs_do_not_find_after_the_grace_period_is_queued_again() {
    let test = TestApp::start().await;
    let at = now();
    let id = accept_with_lost_answer(&test, "hello", at).await;
    let app = app(&test);
    let open = Tally { open: 1, ..Tally::default() };
    for run in [at, at + GRACE - Duration::from_millis(1), at + GRACE] {
        assert_eq!(handle(&app, run).await.unwrap().open, open.open);
        assert_eq!(state(&test, &id).await, DeliveryState::Unknown);
    }
    assert_eq!(handle(&app, at + GRACE).await.unwrap().resolved, 1);
    assert_eq!(state(&test, &id).await, DeliveryState::Queued);
    assert!(!test.conversation().await.unwrap().delivery_failed);
    assert_eq!(handle(&app, at + GRACE).await.unwrap().open, 1, "until the queue delivers it again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_runs_is_not_interrupted_by_the_lost_answer_of_an_earlier_one() {
    let test = TestApp::start().await;
    let at = now();
    let id = accept_with_lost_answer(&test, "hello", at).await;
    let app = app(&test);
    for _ in 0..2 {
        handle(&app, at + GRACE).await.unwrap();
    }
    let messages = Messages::new(test.table());
    messages.claim(test.organization(), &id, 2, at + GRACE).await.unwrap();
    for _ in 0..3 {
        assert_eq!(handle(&app, at + 3 * GRACE).await.unwrap().open, 1);
        assert_eq!(state(&test, &id).await, DeliveryState::Sending);
    }
    let (sent, later) = (Report::at(at + GRACE), at + 3 * GRACE);
    messages.report(test.organization(), &id, DeliveryState::Sent, &sent, Some("SM1")).await.unwrap();
    assert_eq!(handle(&app, later).await.unwrap().resolved, 1);
    assert_eq!(test.outbox().unknown().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_carrier_does_not_have_for_four_hours_fails() {
    let test = TestApp::start().await;
    let at = now();
    let id = accept_with_lost_answer(&test, "hello", at).await;
    let app = app(&test);
    let later = at + MAX_UNKNOWN_AGE;
    assert_eq!(handle(&app, later).await.unwrap().open, 1);
    assert_eq!(handle(&app, later).await.unwrap().resolved, 1);
    let message = test.message(&id).await;
    assert_eq!(message.delivery.report(DeliveryState::Failed).unwrap().code.as_deref(), Some("not_accepted"));
    assert!(test.conversation().await.unwrap().delivery_failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_copy_at_the_carrier_resolves_one_of_two_equal_messages() {
    let test = TestApp::start().await;
    let at = now();
    let (one, two) =
        (accept_with_lost_answer(&test, "same", at).await, accept_with_lost_answer(&test, "same", at).await);
    send_to_carrier(&test, "same").await;
    let app = app(&test);
    assert_eq!(handle(&app, at).await.unwrap(), Tally { resolved: 1, open: 1, ..Tally::default() });
    let states = [state(&test, &one).await, state(&test, &two).await];
    assert!(states.contains(&DeliveryState::Unknown), "{states:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_equal_messages_are_matched_in_their_order() {
    let test = TestApp::start().await;
    let at = now();
    let later = at + Duration::from_millis(1);
    let ids = [
        accept_with_lost_answer(&test, "same", at).await,
        accept_with_lost_answer(&test, "same", later).await,
    ];
    let sids = [send_to_carrier(&test, "same").await, send_to_carrier(&test, "same").await];
    assert_eq!(handle(&app(&test), at).await.unwrap(), Tally { resolved: 2, ..Tally::default() });
    for (id, sid) in ids.iter().zip(sids) {
        assert_eq!(test.message(id).await.carrier_id, Some(sid));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_arrived_first_resolves_the_message() {
    let test = TestApp::start().await;
    let id = accept_with_lost_answer(&test, "hello", now()).await;
    let delivered = Report::at(now());
    let messages = Messages::new(test.table());
    messages
        .report(test.organization(), &id, DeliveryState::Delivered, &delivered, Some("SM1"))
        .await
        .unwrap();
    assert_eq!(handle(&app(&test), now()).await.unwrap().resolved, 1);
    assert_eq!(test.outbox().unknown().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_item_that_cannot_be_queued_is_counted_and_stays() {
    let test = TestApp::start().await;
    let long_ago = now() - Duration::from_secs(600);
    test.accept_message("hello", long_ago).await;
    assert_eq!(handle(&app(&test), now()).await.unwrap(), Tally { failed: 1, ..Tally::default() });
    assert_eq!(test.outbox().overdue(now()).await.unwrap().len(), 1);
}

/// Sends a message whose status callbacks are lost, and stores that it is sent.
async fn send_without_reports(test: &TestApp, text: &str, at: Timestamp) -> (MessageId, String) {
    test.carrier.fault("silent", "1").await;
    let id = test.accept_message(text, at).await;
    test.outbox().remove(&test.outbox_entry(&id, at)).await.unwrap();
    let sid = send_to_carrier(test, text).await;
    let messages = Messages::new(test.table());
    messages
        .report(test.organization(), &id, DeliveryState::Sent, &Report::at(at), Some(&sid))
        .await
        .unwrap();
    (id, sid)
}

/// Sets the status of a message at the carrier. Its callback reaches nobody.
async fn set_status(test: &TestApp, sid: &str, status: &str, code: &str) {
    let fields = [("MessageSid", sid), ("Status", status), ("ErrorCode", code)];
    let fields = if code.is_empty() { &fields[..2] } else { &fields[..] };
    test.carrier.fault("lost-callback", "1").await;
    test.carrier.control("message-status", fields).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_whose_report_was_lost_is_found_after_the_grace_period() {
    let test = TestApp::start().await;
    let at = now();
    let (id, sid) = send_without_reports(&test, "hello", at).await;
    set_status(&test, &sid, "delivered", "").await;
    let app = app(&test);
    let almost = at + GRACE - Duration::from_millis(1);
    assert_eq!(handle(&app, almost).await.unwrap(), Tally::default());
    let reported = Tally { reported: 1, ..Tally::default() };
    assert_eq!(handle(&app, at + GRACE).await.unwrap(), reported);
    assert_eq!(state(&test, &id).await, DeliveryState::Delivered);
    assert_eq!(handle(&app, at + GRACE).await.unwrap(), Tally::default(), "asked once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_whose_report_was_lost_shows_its_code_and_opts_out_if_the_contact_has() {
    let test = TestApp::start().await;
    let at = now();
    let (landline, landline_sid) = send_without_reports(&test, "one", at).await;
    let (opted_out, opted_out_sid) = send_without_reports(&test, "two", at).await;
    set_status(&test, &landline_sid, "undelivered", "30006").await;
    set_status(&test, &opted_out_sid, "failed", "21610").await;
    assert_eq!(handle(&app(&test), at + GRACE).await.unwrap().reported, 2);
    let undelivered = test.message(&landline).await;
    let report = undelivered.delivery.report(DeliveryState::Undelivered).unwrap();
    assert_eq!(report.code.as_deref(), Some("30006"));
    assert_eq!(state(&test, &opted_out).await, DeliveryState::Failed);
    let subject = test.message(&opted_out).await.carrier_opt_out(test.organization());
    assert!(OptOuts::new(test.table()).get(&subject).await.unwrap().state.is_out());
    assert!(test.conversation().await.unwrap().delivery_failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_carrier_says_no_more_about_is_asked_about_less_and_less_for_three_days() {
    let test = TestApp::start().await;
    let at = now();
    let (id, _) = send_without_reports(&test, "hello", at).await;
    let app = app(&test);
    let mut asked = 0;
    for half_hours in 0..=(4 * 48) {
        let later = at + GRACE + Duration::from_secs(half_hours * 30 * 60);
        asked += handle(&app, later).await.unwrap().unreported;
    }
    assert_eq!(asked, 7, "after five minutes, half an hour, 3, 12, 24, 48 and 72 hours");
    assert_eq!(state(&test, &id).await, DeliveryState::Sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_does_not_answer_is_asked_again_in_the_next_run() {
    let test = TestApp::start().await;
    let at = now();
    let (id, sid) = send_without_reports(&test, "hello", at).await;
    set_status(&test, &sid, "delivered", "").await;
    test.carrier.fault("down", "1").await;
    assert_eq!(handle(&app(&test), at + GRACE).await.unwrap().failed, 1);
    assert_eq!(state(&test, &id).await, DeliveryState::Sent);
    assert_eq!(handle(&app(&test), at + GRACE).await.unwrap().reported, 1);
    assert_eq!(state(&test, &id).await, DeliveryState::Delivered);
}

/// Creates an import whose check is due at this time.
async fn create_import(test: &TestApp, id: &str, check_at: Timestamp) -> Import {
    let by = UserId::parse("ada").unwrap();
    let (id, options) = (ImportId::parse(id).unwrap(), ImportOptions::default());
    let import = Import::queued(id, test.inbox.team_key(), by.clone(), options, now());
    let event = AuditEvent {
        actor: &by,
        action: "contacts.import",
        target: import.id.as_str(),
        at: now(),
        entropy: 1,
    };
    assert!(Imports::new(test.table()).create(&import, check_at, &event, None).await.unwrap());
    import
}

/// Lambda stops a chain of invocations that queue each other, and drops its message.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_no_worker_continues_is_queued_again_once() {
    let test = TestApp::start().await;
    let lost = create_import(&test, "imp_lost", now()).await;
    create_import(&test, "imp_new", now() + Duration::from_mins(1)).await;
    let queue = FakeQueue::start().await;
    let sweep = |url: &str| app_with_imports(test.table(), &test, url);
    let refused = handle(&sweep(NO_SERVICE), now()).await.unwrap();
    assert_eq!(refused, Tally { failed: 1, ..Tally::default() });
    assert_eq!(handle(&sweep(&queue.url), now()).await.unwrap(), Tally { imports: 1, ..Tally::default() });
    let [body] = &queue.bodies()[..] else { panic!("{:?}", queue.bodies()) };
    assert_eq!(ImportJob::parse(body).unwrap()[0].import, lost.id);
    assert_eq!(handle(&sweep(&queue.url), now()).await.unwrap(), Tally::default(), "it has time to begin");
    let later = now() + Duration::from_mins(21);
    assert_eq!(handle(&sweep(&queue.url), later).await.unwrap(), Tally { imports: 2, ..Tally::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_import_is_not_queued_again_and_a_complete_one_never() {
    let test = TestApp::start().await;
    let mut import = create_import(&test, "imp_1", now()).await;
    let imports = Imports::new(test.table());
    let check_at = now() + Duration::from_mins(20);
    imports.postpone_check(test.inbox.team_key(), &import.id, check_at).await.unwrap();
    assert_eq!(handle(&app(&test), now()).await.unwrap(), Tally::default());
    import.complete(now());
    assert!(imports.advance(&mut import, &[]).await.unwrap());
    imports.postpone_check(test.inbox.team_key(), &import.id, now()).await.unwrap();
    assert_eq!(handle(&app(&test), check_at + Duration::from_mins(1)).await.unwrap(), Tally::default());
}
