//! Broadcasts, sentence by sentence: the audience, the estimate, the steps of a user, questions.

use std::time::Duration;

use product_tests::{Carrier, Client, Phone, SharedInbox, Stack, TestTeam, eventually};
use serde_json::{Value, json};

/// The next run of the schedule, preparation, the pace of the inbox and the reports of the carrier.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(5);

/// A registered team with an inbox.
pub(crate) struct Sender {
    pub(crate) stack: Stack,
    pub(crate) carrier: Carrier,
    pub(crate) team: TestTeam,
    pub(crate) inbox: SharedInbox,
}

impl Sender {
    pub(crate) async fn start(name: &str) -> Self {
        let stack = Stack::open();
        let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, name, "amelia").await);
        let inbox = team.create_inbox(name).await;
        team.register(&carrier).await;
        Self { stack, carrier, team, inbox }
    }

    pub(crate) fn amelia(&self) -> &Client {
        &self.team.admin
    }

    async fn add_contact(&self, phone: &Phone, more: Value) -> Value {
        let mut contact = json!({ "mobileNumber": phone.number() });
        contact.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        self.amelia().post(&format!("{}/contacts", self.team.path()), contact).await.expect(201)
    }

    async fn add_segment(&self, body: Value) -> Value {
        self.amelia().post(&format!("{}/segments", self.team.path()), body).await.expect(201)
    }

    /// Stores a draft with these fields, and returns its path.
    pub(crate) async fn draft(&self, more: Value) -> String {
        let mut body = json!({
            "name": "Snow day", "from": { "inboxId": self.inbox.id }, "hours": { "mode": "always" },
        });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let draft = self.amelia().post("/v1/broadcasts", body).await.expect(201);
        format!("/v1/broadcasts/{}", draft["broadcastId"].as_str().expect("an id"))
    }

    pub(crate) async fn estimate(&self, path: &str) -> Value {
        self.amelia().post(&format!("{path}/estimate"), Value::Null).await.expect(200)
    }

    pub(crate) async fn confirm(&self, path: &str) {
        let estimate = self.estimate(path).await;
        self.confirm_estimate(path, &estimate).await;
    }

    pub(crate) async fn confirm_estimate(&self, path: &str, estimate: &Value) {
        let confirm = json!({ "estimateId": estimate["estimateId"] });
        self.amelia().post(&format!("{path}/confirm"), confirm).await.expect(202);
    }

    pub(crate) async fn step(&self, path: &str, step: &str) -> Value {
        self.amelia().post(&format!("{path}/{step}"), Value::Null).await.expect(200)
    }

    /// Waits until the broadcast is as it should be, and returns it.
    pub(crate) async fn wait_for(&self, path: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        eventually(what, TIMEOUT, async || {
            Some(self.amelia().get(path).await.expect(200)).filter(|broadcast| is(broadcast))
        })
        .await
    }
}

/// ◆ product 8a: a template goes to a static segment, contacts and numbers together, each number once. A
/// segment by the result of an earlier broadcast is evaluated at each use, and reaches those who did not
/// answer.
#[tokio::test]
async fn a_reminder_reaches_those_who_did_not_answer_the_first_broadcast() {
    let it = Sender::start("Reminder").await;
    let _no_pause = it.carrier.no_pause().await;
    let (noor, omar, zoe) = (Phone::new(), Phone::new(), Phone::new());
    let mut ids = Vec::new();
    for (name, phone) in [("Noor", &noor), ("Omar", &omar), ("Zoe", &zoe)] {
        let contact = it.add_contact(phone, json!({ "firstName": name, "tags": ["Parent"] })).await;
        ids.push(contact["contactId"].clone());
    }
    let by_hand = it.add_segment(json!({ "name": "Bus 12", "kind": "static" })).await["segmentId"].clone();
    let path = format!("{}/segments/{}/contacts", it.team.path(), by_hand.as_str().expect("an id"));
    it.amelia().post(&path, json!({ "contactIds": [ids[0]] })).await.expect(200);
    let template = json!({ "name": "Trip", "text": "Does {{firstName}} come along?" });
    let template = it.amelia().post(&format!("{}/templates", it.team.path()), template).await.expect(201);
    let first = it
        .draft(json!({
            "templateId": template["templateId"],
            "audience": { "segmentIds": [by_hand], "contactIds": [ids[0], ids[1]], "phoneNumbers": [noor.number()] },
            "question": { "kind": "yes_no" },
        }))
        .await;
    it.confirm(&first).await;
    it.wait_for(&first, "both get the question", |one| one["progress"]["delivered"] == 2).await;
    assert_eq!(it.carrier.texts_to(&noor).await, ["Does Noor come along?"]);
    it.carrier.send_inbound(&noor, &it.inbox.number, "Yes").await;
    it.wait_for(&first, "the answer counts", |one| one["progress"]["replied"] == 1).await;

    let of = first.rsplit('/').next().expect("an id");
    let filter = json!({ "all": [
        { "field": "tag", "op": "eq", "value": "Parent" },
        { "field": format!("broadcast.{of}.state"), "op": "eq", "value": "delivered" },
        { "not": { "field": format!("broadcast.{of}.answer"), "op": "exists", "value": true } },
    ] });
    let path = format!("{}/segments/preview", it.team.path());
    let preview = it.amelia().post(&path, json!({ "filter": filter })).await.expect(200);
    assert_eq!(
        (&preview["count"], &preview["sample"][0]["firstName"]),
        (&json!(1), &json!("Omar")),
        "{preview}"
    );
    let silent = json!({ "name": "No answer", "kind": "filter", "filter": filter });
    let silent = it.add_segment(silent).await["segmentId"].clone();
    let text = "Please tell us until Friday.";
    let reminder = it.draft(json!({ "text": text, "audience": { "segmentIds": [silent] } })).await;
    it.confirm(&reminder).await;
    let done = it.wait_for(&reminder, "the reminder is sent", |one| one["status"] == "completed").await;
    assert_eq!(done["progress"]["total"], 1, "{done}");
    assert_eq!(it.carrier.texts_to(&omar).await, ["Does Omar come along?", text]);
    assert_eq!(it.carrier.texts_to(&noor).await.len(), 1, "answered");
    assert!(it.carrier.texts_to(&zoe).await.is_empty(), "not asked");
}

/// ◆ product 8a: the estimate says who gets no text and why, how many segments, which character costs, the
/// price, when it starts and ends, and what to look at. It is stale when the audience has changed.
#[tokio::test]
async fn an_estimate_says_what_a_broadcast_costs_and_who_is_left_out() {
    let it = Sender::start("Estimate").await;
    let (noor, nameless) = (Phone::new(), Phone::new());
    it.add_contact(&noor, json!({ "firstName": "Noor ✓", "tags": ["Club"] })).await;
    let club = json!({ "field": "tag", "op": "eq", "value": "Club" });
    let club = it.add_segment(json!({ "name": "Club", "kind": "filter", "filter": club })).await["segmentId"]
        .clone();
    let path = it
        .draft(json!({
            "text": "Hi {{firstName}}, see you on Friday.",
            "audience": { "segmentIds": [club], "phoneNumbers": [nameless.number()] },
        }))
        .await;
    let estimate = it.estimate(&path).await;
    assert_eq!(estimate["recipients"], 1, "{estimate}");
    assert_eq!(estimate["excluded"], json!([{ "reason": "no_value", "count": 1 }]));
    assert_eq!(estimate["segments"], json!({ "total": 1, "histogram": { "1": 1 } }));
    let costly = &estimate["unicode"][0];
    assert_eq!((&costly["character"], &costly["field"]), (&json!("✓"), &json!("firstName")));
    assert_eq!(estimate["price"]["currency"], "USD");
    assert!(estimate["startsAt"].is_string() && estimate["endsAt"].is_string(), "{estimate}");
    let level = |code: &str| {
        let checks = estimate["checks"].as_array().expect("a list");
        checks.iter().find(|check| check["code"] == code).map(|check| check["level"].clone())
    };
    assert_eq!((level("recipients"), level("excluded")), (Some(json!("ok")), Some(json!("review"))));

    it.add_contact(&Phone::new(), json!({ "firstName": "Omar", "tags": ["Club"] })).await;
    let confirm = json!({ "estimateId": estimate["estimateId"] });
    it.amelia().post(&format!("{path}/confirm"), confirm).await.problem(409, "estimate_stale");
    it.amelia().delete(&path).await.expect(204);
}

/// ◆ product 8a: a running broadcast says what it waits for and until when. It is paused, resumed and
/// canceled. The hours are those of the contact's own zone.
#[tokio::test]
async fn a_broadcast_waits_for_the_morning_of_its_recipient_and_is_paused_resumed_and_canceled() {
    let it = Sender::start("Hours").await;
    let _no_pause = it.carrier.no_pause().await; // the broadcast would wait for the end of the pause
    let phone = Phone::new();
    // A zone in which it is two or three o'clock at night. The signs of these names are the other way around.
    let behind = (jiff::Timestamp::now().as_second() / 3_600 - 2).rem_euclid(24);
    let zone = if behind <= 12 { format!("Etc/GMT+{behind}") } else { format!("Etc/GMT-{}", 24 - behind) };
    let contact =
        it.add_contact(&phone, json!({ "firstName": "Noor", "custom": { "timeZone": zone } })).await;
    let path = it
        .draft(json!({
            "text": "We close early.", "hours": { "mode": "recipient" },
            "audience": { "contactIds": [contact["contactId"]] },
        }))
        .await;
    it.confirm(&path).await;
    let waits_for = |reason: &'static str| move |one: &Value| one["waitingFor"]["reason"] == reason;
    let waiting = it.wait_for(&path, "it waits for the morning", waits_for("quiet_hours")).await;
    assert_eq!(
        (&waiting["status"], &waiting["progress"]["held"]),
        (&json!("running"), &json!(1)),
        "{waiting}"
    );
    let until: jiff::Timestamp =
        waiting["waitingFor"]["until"].as_str().expect("a time").parse().expect("a time");
    let hours = until.duration_since(jiff::Timestamp::now()).as_hours();
    assert!((5..=7).contains(&hours), "nine o'clock is {hours} hours away in {zone}: {waiting}");
    let paused = it.step(&path, "pause").await;
    assert_eq!(
        (&paused["status"], &paused["waitingFor"]["reason"]),
        (&json!("paused"), &json!("paused_by_user"))
    );
    assert_eq!(it.step(&path, "resume").await["status"], "running");
    it.wait_for(&path, "it waits again", waits_for("quiet_hours")).await;
    assert_eq!(it.step(&path, "cancel").await["status"], "canceled");
    it.wait_for(&path, "who waits is left out", |one| one["progress"]["skipped"] == 1).await;
    let recipients = it.amelia().get(&format!("{path}/recipients")).await.expect(200);
    assert_eq!(recipients["items"][0]["reason"], "canceled");
    it.amelia().post(&format!("{path}/resume"), Value::Null).await.problem(409, "broadcast_status");
    assert!(it.carrier.texts_to(&phone).await.is_empty());
}

/// ◆ product 8a: a question from 1 to 5 or with lettered choices, each answer with its follow-up. Opt-out
/// words win.
#[tokio::test]
async fn a_scale_and_choices_sort_replies_and_an_opt_out_is_no_answer() {
    let it = Sender::start("Scale").await;
    let _no_pause = it.carrier.no_pause().await;
    let (noor, omar) = (Phone::new(), Phone::new());
    let scale = it
        .draft(json!({
            "text": "How was the trip, 1 to 5?", "audience": { "phoneNumbers": [noor.number(), omar.number()] },
            "question": { "kind": "scale", "followUps": { "5": "Thank you!" } },
        }))
        .await;
    it.confirm(&scale).await;
    it.wait_for(&scale, "both are asked", |one| one["progress"]["delivered"] == 2).await;
    it.carrier.send_inbound(&noor, &it.inbox.number, "5").await;
    it.carrier.send_inbound(&omar, &it.inbox.number, "STOP").await;
    let count = |broadcast: &Value, answer: &str| {
        let answers = broadcast["answers"].as_array().expect("a list");
        answers.iter().find(|one| one["answer"] == answer).map(|one| one["count"].clone())
    };
    let rated = it.wait_for(&scale, "the answer counts", |one| one["progress"]["replied"] == 1).await;
    assert_eq!(count(&rated, "5"), Some(json!(1)), "{rated}");
    eventually("the follow-up", TIMEOUT, async || {
        (it.carrier.texts_to(&noor).await == ["How was the trip, 1 to 5?", "Thank you!"]).then_some(())
    })
    .await;
    let choice = it
        .draft(json!({
            "text": "Which day?", "audience": { "phoneNumbers": [noor.number(), omar.number()] },
            "question": { "kind": "choice", "choices": ["Monday", "Tuesday"] },
        }))
        .await;
    it.confirm(&choice).await;
    let asked = it.wait_for(&choice, "one is asked", |one| one["progress"]["delivered"] == 1).await;
    assert_eq!(asked["progress"]["skipped"], 1, "Omar opted out: {asked}");
    it.carrier.send_inbound(&noor, &it.inbox.number, "tuesday").await;
    let chosen = it.wait_for(&choice, "the choice counts", |one| one["progress"]["replied"] == 1).await;
    assert_eq!(count(&chosen, "b"), Some(json!(1)), "{chosen}");
    let conversation = it.stack.find_conversation(it.amelia(), &it.inbox.id, "inbox", &noor).await;
    let newest = conversation.history(it.amelia()).await.pop().expect("a message");
    assert_eq!(newest["broadcastId"], choice.rsplit('/').next().expect("an id"), "{newest}");
}
