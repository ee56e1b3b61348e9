//! `broadcasts` and `broadcast-worker`: from a draft to messages in conversations.

mod clock_changes;
mod definition;
mod estimates;
mod hours;
mod index_behind;
mod releases;
mod replies;
mod rights;
mod series;
mod together;
mod waiting;

use std::time::Duration;

use broadcast_worker::handle;
use broadcasts::{App, TextLimit, router};
use serde_json::{Value, json};
use shared_app::broadcast::{BroadcastSweep, BroadcastWorkflow, Confirmation};
use shared_aws::{
    broadcast::{Broadcasts, Recipients, reference},
    clients::BroadcastJob,
    conversation::Conversations,
    messaging::Deliveries,
    opt_out::OptOuts,
};
use shared_domain::{
    broadcast::{BroadcastRef, RecipientState, SegmentPrice},
    conversation::Folder,
    ids::{BroadcastId, ConversationId, MessageId},
    keys::TeamKey,
    membership::Role,
    message::{DeliveryState, Message, Report},
    phone::PhoneNumber,
    time::Timestamp,
};
use shared_http::{caller::Claims, cursor::Cursors, serve::answer};
use shared_lambda::clock::{self, now};
use test_kit::{
    TestApp, build,
    gateway::{Event, json as body_of},
    lambda_event::sqs_record,
    queue::broadcast_queue,
};

use crate::inbound_sms::keywords::{inbound, receive};

const LIST: &str = "GET /v1/broadcasts";
const CREATE: &str = "POST /v1/broadcasts";
const READ: &str = "GET /v1/broadcasts/{broadcastId}";
const CHANGE: &str = "PATCH /v1/broadcasts/{broadcastId}";
const REMOVE: &str = "DELETE /v1/broadcasts/{broadcastId}";
const ESTIMATE: &str = "POST /v1/broadcasts/{broadcastId}/estimate";
const CONFIRM: &str = "POST /v1/broadcasts/{broadcastId}/confirm";
const PAUSE: &str = "POST /v1/broadcasts/{broadcastId}/pause";
const RESUME: &str = "POST /v1/broadcasts/{broadcastId}/resume";
const CANCEL: &str = "POST /v1/broadcasts/{broadcastId}/cancel";
const CORRECT: &str = "POST /v1/broadcasts/{broadcastId}/answers";
const RECIPIENTS: &str = "GET /v1/broadcasts/{broadcastId}/recipients";

/// `ada` is an admin of the team and a member of the inbox, `bob` is both without being an admin, and `cyn`
/// is a member of the team alone.
pub(crate) struct Broadcasting {
    app: App,
    worker: broadcast_worker::App,
    pub(crate) test: TestApp,
}

impl Broadcasting {
    pub(crate) async fn start() -> Self {
        Self::start_with(TestApp::start().await).await
    }

    async fn start_with(test: TestApp) -> Self {
        let queue = || broadcast_queue(&test.queue.url);
        let price = SegmentPrice::parse("0.01 USD");
        let (claims, cursors) = (Claims::standard(), Cursors::fixed("secret"));
        let app = App::new(&test.table(), queue(), claims, cursors, TextLimit(306), price);
        let worker = broadcast_worker::App::new(&test.table(), queue(), Duration::from_secs(60));
        for (user, role) in [("ada", Role::Admin), ("bob", Role::Member), ("cyn", Role::Member)] {
            test.add_user(test.organization(), &build::user(user), &[("team_1", role)]).await;
        }
        test.add_member(&test.inbox, &build::user_ref("bob", "Bob")).await;
        Self { app, worker, test }
    }

    async fn call(&self, event: &Event) -> (u16, Value) {
        self.call_at(now(), event).await
    }

    async fn call_at(&self, at: Timestamp, event: &Event) -> (u16, Value) {
        let response = answer(&router(self.app.clone()), at, clock::entropy(), event.request()).await;
        (response.status().as_u16(), body_of(&response))
    }

    async fn of(&self, user: &str, route: &'static str, id: &str, body: Option<Value>) -> (u16, Value) {
        let event = Event::new(route, &[("broadcastId", id)]).user("org_1", user);
        match body {
            Some(body) => self.call(&event.json(&body)).await,
            None => self.call(&event).await,
        }
    }

    async fn create(&self, user: &str, body: &Value) -> (u16, Value) {
        self.call(&creation(user, body)).await
    }

    async fn block(&self, number: &PhoneNumber) {
        let team = TeamKey { organization: self.test.organization(), team: &self.test.team.id };
        OptOuts::new(self.test.table()).set_blocked(team, number, true).await.unwrap();
    }

    /// Creates a broadcast to numbers at any time and returns its ID.
    async fn draft(&self, numbers: &[&str], text: &str) -> String {
        self.draft_at(now(), numbers, text).await
    }

    async fn draft_at(&self, at: Timestamp, numbers: &[&str], text: &str) -> String {
        let body = json!({
            "name": "Snow day", "from": { "inboxId": self.test.inbox.id }, "text": text,
            "audience": { "phoneNumbers": numbers }, "hours": { "mode": "always" },
        });
        let (status, created) = self.call_at(at, &creation("ada", &body)).await;
        assert_eq!(status, 201, "{created}");
        created["broadcastId"].as_str().unwrap().to_owned()
    }

    /// Creates a broadcast to numbers, changes these fields, and confirms it, all at this time.
    pub(crate) async fn confirm_at(
        &self,
        at: Timestamp,
        numbers: &[&str],
        text: &str,
        fields: &Value,
    ) -> String {
        let id = self.draft_at(at, numbers, text).await;
        let event = |route| Event::new(route, &[("broadcastId", id.as_str())]).user("org_1", "ada");
        let (status, changed) = self.call_at(at, &event(CHANGE).json(fields)).await;
        assert_eq!(status, 200, "{changed}");
        let (status, estimate) = self.call_at(at, &event(ESTIMATE)).await;
        assert_eq!(status, 200, "{estimate}");
        let body = json!({ "estimateId": estimate["estimateId"] });
        let (status, confirmed) = self.call_at(at, &event(CONFIRM).json(&body)).await;
        assert_eq!(status, 202, "{confirmed}");
        id
    }

    async fn estimate(&self, id: &str) -> Value {
        let (status, estimate) = self.of("ada", ESTIMATE, id, None).await;
        assert_eq!(status, 200, "{estimate}");
        estimate
    }

    async fn confirm(&self, id: &str) -> Value {
        let estimate = self.estimate(id).await;
        let body = json!({ "estimateId": estimate["estimateId"] });
        let (status, confirmed) = self.of("ada", CONFIRM, id, Some(body)).await;
        assert_eq!(status, 202, "{confirmed}");
        confirmed
    }

    async fn read(&self, id: &str) -> Value {
        self.of("cyn", READ, id, None).await.1
    }

    /// Delivers all messages of the queue at this time, and returns how many there were.
    pub(crate) async fn work(&self, at: Timestamp) -> usize {
        let bodies = self.test.queue.drain();
        for body in &bodies {
            let record = sqs_record("m1", None, body, 1);
            let event = serde_json::from_value(json!({ "Records": [record] })).unwrap();
            let response = handle(&self.worker, || at, clock::entropy, event).await;
            assert!(response.batch_item_failures.is_empty(), "{response:?}");
        }
        bodies.len()
    }

    /// The message that lets a worker look at a broadcast.
    fn job(&self, id: &str) -> BroadcastJob {
        BroadcastJob {
            organization: self.test.organization().clone(),
            team: self.test.team.id.clone(),
            broadcast: BroadcastId::parse(id).unwrap(),
            continues: false,
        }
    }

    /// The preparation of a broadcast whose recipients get the text.
    async fn preparation(&self, id: &str) -> BroadcastRef {
        let (organization, name) = (self.test.organization(), BroadcastId::parse(id).unwrap());
        let found = Broadcasts::new(self.test.table()).find(organization, &name).await.unwrap().unwrap();
        reference(&found.value)
    }

    /// Lets a worker look at a broadcast at this time, whether it is due or not, and go on a few times.
    /// Returns the broadcast.
    async fn wake(&self, at: Timestamp, id: &str) -> Value {
        self.test.queue.drain();
        self.test.queue.push(self.job(id).body());
        for _ in 0..4 {
            self.work(at).await;
        }
        self.read(id).await
    }

    /// Reports that the queued texts of a broadcast were delivered, and returns them.
    async fn deliver_queued(&self, at: Timestamp, id: &str) -> Vec<Message> {
        let (organization, of) = (self.test.organization(), self.preparation(id).await);
        let recipients = Recipients::new(self.test.table());
        let queued = Some(RecipientState::Queued);
        let page = recipients.page(organization, &of, queued, 100, None).await.unwrap();
        let (deliveries, report) = (Deliveries::new(self.test.table()), Report::at(at));
        let mut texts = Vec::new();
        for recipient in page.items {
            let text = self.test.message(&recipient.message.unwrap()).await;
            deliveries.report(organization, &text.id, DeliveryState::Delivered, &report, None).await.unwrap();
            texts.push(text);
        }
        texts
    }

    /// Returns how many broadcasts the sweep queues at this time.
    async fn sweep(&self, at: Timestamp) -> usize {
        let sweep = BroadcastSweep::new(&self.test.table(), broadcast_queue(&self.test.queue.url));
        sweep.run(at).await.unwrap().queued
    }

    async fn recipients(&self, id: &str) -> Vec<Value> {
        let (_, page) = self.of("cyn", RECIPIENTS, id, None).await;
        page["items"].as_array().unwrap().clone()
    }

    /// Creates a broadcast to the contact of the test with more fields, confirms it, and sends it.
    async fn ask(&self, more: Value) -> String {
        let (id, text) = self.queue_text(more).await;
        self.report_text(&text, DeliveryState::Sent).await;
        id
    }

    /// [`Self::ask`] with a text that still waits. Returns its message as well.
    async fn queue_text(&self, more: Value) -> (String, MessageId) {
        let id = self.draft(&[self.test.contact.as_str()], "Will you come?").await;
        let (status, changed) = self.of("ada", CHANGE, &id, Some(more)).await;
        assert_eq!(status, 200, "{changed}");
        self.confirm(&id).await;
        self.work(now()).await;
        assert_eq!(self.read(&id).await["progress"]["queued"], 1);
        let text = MessageId::parse(self.recipients(&id).await[0]["messageId"].as_str().unwrap()).unwrap();
        (id, text)
    }

    async fn report_text(&self, text: &MessageId, state: DeliveryState) {
        let (deliveries, report) = (Deliveries::new(self.test.table()), Report::at(now()));
        deliveries.report(self.test.organization(), text, state, &report, None).await.unwrap();
    }

    async fn reply(&self, sid: u32, text: &str) {
        receive(&self.test, now() + Duration::from_secs(60), inbound(sid, text)).await;
    }

    async fn texts(&self) -> Vec<String> {
        self.test.history().await.into_iter().rev().map(|message| message.text).collect()
    }
}

fn creation(user: &str, body: &Value) -> Event {
    Event::new(CREATE, &[]).user("org_1", user).json(body)
}

fn phone(last_digits: u32) -> PhoneNumber {
    PhoneNumber::from_carrier(&format!("+1202555{last_digits:04}")).unwrap()
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// Three of these texts are released ahead at 1 segment a second.
fn text_of_five_segments() -> String {
    "✓".repeat(300)
}

/// ◆ product 8a: each number gets the text once, a blocked number gets none, and the text is in the
/// conversation under Archived with its sender.
#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_reaches_each_number_once_and_nobody_who_is_blocked() {
    let it = Broadcasting::start().await;
    let (one, out, other) = (phone(143), phone(144), phone(145));
    it.block(&out).await;
    let numbers = [one.as_str(), "(202) 555-0143", out.as_str(), other.as_str()];
    let id = it.draft(&numbers, "Hi {{firstName|there}}, we are closed.").await;

    let estimate = it.estimate(&id).await;
    assert_eq!(estimate["recipients"], 2);
    assert_eq!(estimate["excluded"], json!([{ "reason": "blocked", "count": 1 }]));
    assert_eq!(estimate["price"], json!({ "amount": "0.02", "currency": "USD" }));
    assert_eq!(it.confirm(&id).await["status"], "preparing");
    assert_eq!(it.work(now()).await, 1);
    for _ in 0..3 {
        it.work(now()).await; // repeated and continued messages release nothing again
    }
    let broadcast = it.read(&id).await;
    assert_eq!((&broadcast["status"], &broadcast["progress"]["queued"]), (&json!("running"), &json!(2)));
    assert_eq!((&broadcast["progress"]["total"], &broadcast["progress"]["skipped"]), (&json!(3), &json!(1)));
    for to in [&one, &other] {
        let conversation = ConversationId::of(&it.test.inbox.id, to);
        let history = it.test.history_of(&conversation).await;
        let conversation =
            Conversations::new(it.test.table()).get(it.test.conversation_key(&conversation)).await;
        assert_eq!(conversation.unwrap().unwrap().folder, Folder::Archived);
        let texts: Vec<_> = history.iter().map(|message| message.text.as_str()).collect();
        assert_eq!(texts, ["Hi there, we are closed."]);
        assert_eq!(history[0].sender.as_ref().unwrap().id.as_str(), "ada");
    }
    assert!(it.test.history_of(&ConversationId::of(&it.test.inbox.id, &out)).await.is_empty());
    let recipients = it.recipients(&id).await;
    let skipped = recipients.iter().find(|recipient| recipient["phoneNumber"] == out.as_str()).unwrap();
    assert_eq!((&skipped["state"], &skipped["reason"]), (&json!("skipped"), &json!("blocked")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_needs_the_last_estimate_and_an_audience_that_did_not_change() {
    let it = Broadcasting::start().await;
    let id = it.draft(&["+12025550143"], "Closed today.").await;
    let confirm = |estimate: &Value| Some(json!({ "estimateId": estimate["estimateId"] }));
    let first = it.estimate(&id).await;
    let second = it.estimate(&id).await;
    let (status, problem) = it.of("ada", CONFIRM, &id, confirm(&first)).await;
    assert_eq!((status, &problem["code"]), (409, &json!("estimate_stale")));
    let more = json!({ "audience": { "phoneNumbers": ["+12025550143", "+12025550144"] } });
    it.of("ada", CHANGE, &id, Some(more)).await;
    let (_, problem) = it.of("ada", CONFIRM, &id, confirm(&second)).await;
    assert_eq!(problem["code"], "estimate_stale", "an edit ends the estimate");

    it.block(&phone(143)).await;
    it.block(&phone(144)).await;
    let estimate = it.estimate(&id).await;
    let (status, problem) = it.of("ada", CONFIRM, &id, confirm(&estimate)).await;
    assert_eq!((status, &problem["code"]), (409, &json!("estimate_stop")));
    let stops = problem["checks"].as_array().unwrap().iter().filter(|check| check["level"] == "stop");
    assert_eq!(stops.map(|check| check["code"].clone()).collect::<Vec<_>>(), [json!("recipients")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_broadcast_starts_at_its_time_and_can_be_paused_resumed_and_canceled() {
    let it = Broadcasting::start().await;
    let id = it.draft(&["+12025550143", "+12025550144"], "Closed today.").await;
    let at = now() + Duration::from_hours(1);
    let (status, edited) = it.of("ada", CHANGE, &id, Some(json!({ "scheduledAt": at.to_string() }))).await;
    assert_eq!((status, &edited["scheduledAt"]), (200, &json!(at.to_string())));
    assert_eq!(it.confirm(&id).await["status"], "scheduled");
    it.work(now()).await;
    assert_eq!(it.read(&id).await["status"], "scheduled");
    assert_eq!(it.sweep(now()).await, 0);
    assert_eq!(it.sweep(at).await, 1);
    it.test.queue.drain();
    assert_eq!(it.sweep(at).await, 1, "the message of the sweep was lost");

    let later = at + Duration::from_secs(1);
    assert_eq!(it.work(later).await, 1);
    assert_eq!(it.read(&id).await["status"], "running");
    let (status, paused) = it.of("ada", PAUSE, &id, None).await;
    assert_eq!((status, &paused["status"]), (200, &json!("paused")));
    assert_eq!(paused["waitingFor"]["reason"], "paused_by_user");
    assert_eq!(it.of("ada", RESUME, &id, None).await.1["status"], "running");
    let (_, canceled) = it.of("ada", CANCEL, &id, None).await;
    assert_eq!(canceled["status"], "canceled");
    assert_eq!(it.of("ada", RESUME, &id, None).await.1["broadcastStatus"], "canceled");
    assert_eq!(it.of("ada", CANCEL, &id, None).await.0, 200, "a repeated step");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canceled_broadcast_leaves_out_those_who_wait() {
    let it = Broadcasting::start().await;
    let id = it.draft(&["+12025550143", "+12025550144"], "Closed today.").await;
    let hours = json!({ "hours": { "mode": "recipient" } });
    it.of("ada", CHANGE, &id, Some(hours)).await;
    it.confirm(&id).await;
    let night = Timestamp::parse("2027-01-15T03:00:00-05:00").unwrap();
    it.work(night).await;
    let waiting = it.read(&id).await;
    assert_eq!(waiting["progress"]["held"], 2);
    assert_eq!(
        waiting["waitingFor"],
        json!({ "reason": "quiet_hours", "until": "2027-01-15T14:00:00.000Z" })
    );
    it.of("ada", CANCEL, &id, None).await;
    it.work(night).await;
    let canceled = it.read(&id).await;
    assert_eq!((&canceled["status"], &canceled["progress"]["skipped"]), (&json!("canceled"), &json!(2)));
    let recipients = it.recipients(&id).await;
    assert!(recipients.iter().all(|recipient| recipient["reason"] == "canceled"), "{recipients:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_broadcasts_are_refused_with_all_their_fields() {
    let it = Broadcasting::start().await;
    let body = json!({
        "name": "", "from": { "inboxId": it.test.inbox.id }, "text": "Hi {{nickname}}",
        "audience": { "phoneNumbers": ["12", "+1 202 555 0143 x12"], "segmentIds": ["seg_none"] },
        "scheduledAt": "2020-01-01T00:00:00Z", "replyWindowHours": 0,
    });
    let (status, problem) = it.create("ada", &body).await;
    assert_eq!(status, 422, "{problem}");
    let errors = problem["errors"].as_array().unwrap().iter();
    let pointers: Vec<_> = errors.map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/name", "/text", "/scheduledAt", "/replyWindowHours"]);
    let body = json!({
        "name": "Snow", "from": { "inboxId": it.test.inbox.id }, "text": "Hi",
        "audience": { "phoneNumbers": ["12"], "segmentIds": ["seg_none"], "contactIds": ["con_none"] },
    });
    let (_, problem) = it.create("ada", &body).await;
    let errors = problem["errors"].as_array().unwrap().iter();
    let pointers: Vec<_> = errors.map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/audience/segmentIds/0", "/audience/contactIds/0", "/audience/phoneNumbers/0"]);
    let nobody =
        json!({ "name": "Snow", "from": { "inboxId": it.test.inbox.id }, "text": "Hi", "audience": {} });
    assert_eq!(it.create("ada", &nobody).await.1["errors"][0]["pointer"], "/audience");
    assert_eq!(it.create("cyn", &nobody).await.0, 404, "not a member of the inbox");
}

#[tokio::test(flavor = "multi_thread")]
async fn broadcasts_are_listed_newest_first_and_drafts_can_be_removed() {
    let it = Broadcasting::start().await;
    let mut ids = Vec::new();
    for second in 0..4 {
        let at = now() + Duration::from_secs(second);
        ids.push(it.draft_at(at, &["+12025550143"], "Closed today.").await);
    }
    let (mut found, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        pages += 1;
        let query = format!("limit=2{cursor}");
        let (_, page) = it.call(&Event::new(LIST, &[]).user("org_1", "cyn").query(&query)).await;
        let items = page["items"].as_array().unwrap_or_else(|| panic!("{page}"));
        found.extend(items.iter().map(|item| item["broadcastId"].clone()));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    ids.reverse();
    assert_eq!((found, pages), (ids.iter().map(|id| json!(id)).collect(), 2), "no page is empty");
    assert_eq!(it.of("ada", REMOVE, &ids[0], None).await.0, 204);
    assert_eq!(it.of("ada", READ, &ids[0], None).await.0, 404);
    it.confirm(&ids[1]).await;
    assert_eq!(it.of("ada", REMOVE, &ids[1], None).await.1["code"], "broadcast_status");
}

/// Delivery reports and replies come after the end as well. The sweep brings the progress of the event up to
/// date.
#[tokio::test(flavor = "multi_thread")]
async fn the_progress_of_a_broadcast_that_ended_goes_on() {
    let it = Broadcasting::start().await;
    let id = it.ask(json!({})).await;
    let message = it.test.history().await.remove(0);
    let deliveries = Deliveries::new(it.test.table());
    let report = async |state| {
        let report = Report::at(now());
        deliveries.report(it.test.organization(), &message.id, state, &report, None).await.unwrap();
    };
    report(DeliveryState::Sent).await;
    it.work(now() + Duration::from_secs(5)).await;
    assert_eq!(it.read(&id).await["status"], "completed");
    report(DeliveryState::Delivered).await;
    it.reply(1, "Thanks").await;
    let later = now() + Duration::from_mins(3);
    assert_eq!(it.sweep(later).await, 1);
    it.work(later).await;
    let key = TeamKey { organization: it.test.organization(), team: &it.test.team.id };
    let stored = Broadcasts::new(it.test.table()).get(key, &BroadcastId::parse(&id).unwrap()).await;
    let progress = stored.unwrap().unwrap().value.progress.unwrap();
    assert_eq!((progress.count(RecipientState::Delivered), progress.replied), (1, 1));
    assert_eq!(it.sweep(later + Duration::from_hours(2)).await, 0, "there is nothing to do");
}

/// ◆ product 8a: never a text with a hole.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_value_for_a_merge_field_is_left_out() {
    let it = Broadcasting::start().await;
    let contact = build::contact();
    it.test.add_contact(&contact).await;
    let id = it.draft(&["+12025550199"], "Hi {{firstName}}").await;
    let audience = json!({ "contactIds": [contact.id], "phoneNumbers": ["+12025550199"] });
    assert_eq!(it.of("ada", CHANGE, &id, Some(json!({ "audience": audience }))).await.0, 200);
    let estimate = it.estimate(&id).await;
    assert_eq!(estimate["excluded"], json!([{ "reason": "no_value", "count": 1 }]), "{estimate}");
    it.confirm(&id).await;
    it.work(now()).await;
    let reasons: Vec<_> = it.recipients(&id).await.iter().map(|one| one["reason"].clone()).collect();
    assert!(reasons.contains(&json!("no_value")), "{reasons:?}");
    assert_eq!(it.texts().await, ["Hi Maximiliana"]);
}

/// Both get the broadcast.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_users_who_confirm_at_once_both_get_the_broadcast() {
    let it = Broadcasting::start().await;
    let id = it.draft(&["+12025550143"], "Closed today.").await;
    let found = async || {
        let name = BroadcastId::parse(&id).unwrap();
        Broadcasts::new(it.test.table()).find(it.test.organization(), &name).await.unwrap().unwrap()
    };
    let estimate = it.estimate(&id).await["estimateId"].as_str().unwrap().to_owned();
    let (workflow, before) = (BroadcastWorkflow::new(&it.test.table(), None), found().await);
    for user in ["ada", "bob"] {
        let by = build::user_ref(user, user);
        let confirmed = workflow.confirm(&before, &estimate, &by, now(), 1).await.unwrap();
        assert!(matches!(confirmed, Confirmation::Confirmed(_)), "{user}: {confirmed:?}");
    }
    assert_eq!(found().await.value.confirmed_by.unwrap().id.as_str(), "ada");
}
