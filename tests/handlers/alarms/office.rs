//! An office that uses the whole product. Each minute of its clock has all that people, contacts and the
//! carrier do, and is one log.

use std::{
    future::ready,
    time::{Duration, Instant},
};

use serde_json::json;
use shared_app::import::{ContactFile, ImportWorkflow, SliceLimits, SliceOutcome, UPLOAD_DEADLINE};
use shared_aws::{import::Imports, team::AuditEvent};
use shared_domain::{
    ids::{ConversationId, ImportId, WebhookEndpointId},
    import::{Import, ImportOptions},
    lock::LockPolicy,
    message::{DeliveryState, Direction},
    time::Timestamp,
};
use shared_http::{caller::Claims, serve::answer};
use shared_lambda::clock::entropy;
use test_kit::{
    TestApp, build,
    carrier::ACCOUNT,
    gateway::{Event, status_and_json},
    lambda_event::{event, sqs_record},
    log::log_of,
    twilio::{callback_url, callbacks, signed_fields, webhook_accounts},
    webhook_receiver::WebhookReceiver,
};

use super::{MINUTE, send, webhook};
use crate::{
    broadcasts::Broadcasting,
    inbound_sms::keywords::{at, inbound, receive},
    outbound_send,
    webhooks::Webhooks,
};

const STATUS: &str = "POST /webhooks/twilio/status";
const LOCK: &str = "POST /v1/inboxes/{inboxId}/conversations/{conversationId}/lock";
const REPLY: &str = "POST /v1/inboxes/{inboxId}/conversations/{conversationId}/messages";

/// What a healthy office records.
pub(super) const RECORDED: [&str; 17] = [
    "BroadcastTexts",
    "BroadcastsCompleted",
    "BroadcastsStarted",
    "Deliveries",
    "DeliveryTime",
    "FirstResponse",
    "LocksAcquired",
    "MessagesAccepted",
    "MessagesReceived",
    "MessagesSent",
    "OptOuts",
    "RowsImported",
    "RowsRefused",
    "SendDelay",
    "SendsUnknown",
    "WebhookAttempts",
    "WebhooksRefused",
];

/// A team with an inbox, and an outgoing webhook.
struct Office {
    broadcasting: Broadcasting,
    webhooks: Webhooks,
    endpoint: WebhookEndpointId,
}

/// What an office logs in each of these minutes.
pub(super) async fn minutes(count: u64) -> Vec<String> {
    let office = Box::pin(Office::open()).await;
    let mut logs = Vec::new();
    for minute in 0..count {
        logs.push(Box::pin(log_of(office.minute(minute))).await);
    }
    logs
}

impl Office {
    async fn open() -> Self {
        let (broadcasting, webhooks) = (Broadcasting::start().await, Webhooks::start().await);
        let receiver = WebhookReceiver::start().await;
        let (endpoint, _) = webhooks.create(&receiver.url).await;
        Self { broadcasting, webhooks, endpoint }
    }

    fn test(&self) -> &TestApp {
        &self.broadcasting.test
    }

    async fn minute(&self, minute: u64) {
        let second = |seconds: u64| at(minute * MINUTE + seconds);
        let (test, first_sid) = (self.test(), u32::try_from(minute).unwrap() * 10);
        receive(test, second(0), inbound(first_sid, "When do you open?")).await;
        self.reply(second(12), "At 9.").await;
        self.send_waiting(second(13), &test.conversation_id()).await;
        self.broadcast(second(20), &format!("+120255503{minute:02}")).await;
        self.import(second(30), minute).await;
        self.deliver_event(second(35), minute).await;
        for (seconds, text) in [(40_u64, "STOP"), (50, "START")] {
            let sid = first_sid + u32::try_from(seconds).unwrap() / 10;
            receive(test, second(seconds), inbound(sid, text)).await;
            self.send_waiting(second(seconds + 1), &test.conversation_id()).await;
        }
        // The noise of the internet, and one answer that is lost.
        if minute.is_multiple_of(5) {
            assert_eq!(webhook(test.table(), "not the token").await, 403);
        }
        if minute == 7 {
            let other = TestApp::start().await;
            assert_eq!(send(&other, "error-after").await, DeliveryState::Unknown);
        }
    }

    /// Acquires the lock of the conversation, and replies.
    async fn reply(&self, at: Timestamp, text: &str) {
        let (test, conversation) = (self.test(), self.test().conversation_id());
        let parameters = [("inboxId", test.inbox.id.as_str()), ("conversationId", conversation.as_str())];
        let event = |route: &str| Event::new(route, &parameters).user("org_1", "ada");
        let locks = conversation_lock::App::new(test.table(), Claims::standard(), LockPolicy::default());
        let locks = conversation_lock::router(locks);
        let (status, lock) = status_and_json(&answer(&locks, at, entropy(), event(LOCK).request()).await);
        assert_eq!(status, 200, "{lock}");
        let limits = messages::Limits { reply: 1500, compose: 306 };
        let bucket = TestApp::unreachable_bucket();
        let messages = messages::router(messages::App::new(test.table(), bucket, Claims::standard(), limits));
        let body = json!({ "text": text, "lockToken": lock["token"] });
        let reply = event(REPLY).json(&body).request();
        let (status, accepted) = status_and_json(&answer(&messages, at, entropy(), reply).await);
        assert_eq!(status, 202, "{accepted}");
    }

    /// Sends the messages of a conversation that wait, oldest first. The carrier reports that they were
    /// delivered.
    async fn send_waiting(&self, at: Timestamp, conversation: &ConversationId) {
        let (test, began) = (self.test(), Instant::now());
        let clock = || at + began.elapsed();
        let sender = outbound_send::app(test);
        let reports = delivery_status::App::new(test.table(), webhook_accounts(), callbacks());
        for message in test.history_of(conversation).await.into_iter().rev() {
            if message.direction == Direction::Inbound || message.delivery.state() != DeliveryState::Queued {
                continue;
            }
            let id = &message.id;
            let record = sqs_record(id.as_str(), Some("g"), &outbound_send::job(test, id), 1);
            let sent = ::outbound_send::handle(&sender, &clock, entropy, event(vec![record])).await;
            assert!(sent.batch_item_failures.is_empty(), "{sent:?}");
            let sid = test.message(id).await.carrier_id.unwrap();
            let url = callback_url(test.organization().as_str(), id.as_str());
            let (_, query) = url.split_once('?').unwrap();
            for status in ["sent", "delivered"] {
                let fields =
                    [("MessageSid", sid.as_str()), ("MessageStatus", status), ("AccountSid", ACCOUNT)];
                let report = signed_fields(STATUS, query, &fields).request();
                assert_eq!(delivery_status::handle(&reports, clock(), report).await.status(), 200);
            }
        }
    }

    /// Sends a broadcast to this number.
    async fn broadcast(&self, at: Timestamp, number: &str) {
        let it = &self.broadcasting;
        it.confirm_at(at, &[number], "We close at 5.", &json!({ "name": "Closing" })).await;
        it.work(at).await;
        let conversation = ConversationId::of(&it.test.inbox.id, &build::number(number));
        self.send_waiting(at + Duration::from_secs(2), &conversation).await;
        it.work(at + Duration::from_secs(5)).await;
    }

    /// Imports a contact, and a row without a number.
    async fn import(&self, at: Timestamp, minute: u64) {
        let (test, by, id) = (self.test(), build::user_id("ada"), format!("imp_{minute}"));
        let import = ImportId::parse(&id).unwrap();
        let import = Import::queued(import, test.inbox.team_key(), by.clone(), ImportOptions::default(), at);
        let event = AuditEvent { actor: &by, action: "contacts.import", target: &id, at, entropy: minute };
        let imports = Imports::new(test.table());
        assert!(imports.create(&import, at + UPLOAD_DEADLINE, &event, None).await.unwrap());
        let import = imports.get(test.inbox.team_key(), &import.id).await.unwrap().unwrap();
        let header = "ContactId,FirstName,LastName,MobileNumber,OptedOut,StaffId,Bus";
        let rows = format!("S-{minute},Ada,Jones,20255504{minute:02},,,\nT-{minute},Ben,Jones,,,,\n");
        let content = format!("{header}\n{rows}").into_bytes();
        let file = ready(Ok(ContactFile { etag: "\"1\"".into(), content }));
        let workflow = ImportWorkflow::new(&test.table(), SliceLimits::default());
        let outcome = workflow.run_slice(import, file, || at, entropy()).await.unwrap();
        assert_eq!(outcome, SliceOutcome::Over);
    }

    /// Delivers an event to the outgoing webhook.
    async fn deliver_event(&self, at: Timestamp, minute: u64) {
        let (_, job) = self.webhooks.add_delivery(&self.endpoint, minute).await;
        assert!(self.webhooks.work_at(&[job.body()], at).await.is_empty());
    }
}
