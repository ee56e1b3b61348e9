//! Broadcasts whose recipients wait, are left out, or fail; and their results.

use jiff::Timestamp;
use product_tests::{Client, ConversationRef, Phone, client, eventually, wait};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    broadcasts::SOON,
    larger_groups::{Sender, TIMEOUT},
};

/// A sender, and a conversation of its inbox that Ben may answer.
struct Answered {
    it: Sender,
    ben: Client,
    conversation: ConversationRef,
}

impl Answered {
    async fn start(name: &str) -> Self {
        let it = Sender::start(name).await;
        it.team.add_member("ben").await;
        it.amelia().put(&it.inbox.member("ben"), json!({})).await.expect(200);
        let (ben, phone) = (it.stack.user("ben"), Phone::new());
        it.carrier.send_inbound(&phone, &it.inbox.number, "Are you open?").await;
        let conversation = it.stack.find_conversation(&ben, &it.inbox.id, "inbox", &phone).await;
        Self { it, ben, conversation }
    }

    /// Confirms a broadcast while Ben has the lock. Ben keeps it until the broadcast is as it should be.
    /// Returns the token of the lock, and the broadcast.
    async fn confirm_during_lock(&self, path: &str, what: &str, is: impl Fn(&Value) -> bool) -> (u64, Value) {
        // The estimate comes first: the lease has to last for the confirmation, until the first renewal.
        let estimate = self.it.estimate(path).await;
        let token = self.conversation.acquire_lock(&self.ben).await;
        self.it.confirm_estimate(path, &estimate).await;
        let broadcast = eventually(what, TIMEOUT, async || {
            self.conversation.renew_lock(&self.ben, token).await;
            Some(self.it.amelia().get(path).await.expect(200)).filter(|broadcast| is(broadcast))
        })
        .await;
        (token, broadcast)
    }

    /// Starts a broadcast to the conversation, which waits for Ben.
    async fn start_waiting(&self) -> String {
        let audience = json!({ "phoneNumbers": [self.conversation.phone.number()] });
        let path = self.it.draft(json!({ "text": "We close early.", "audience": audience })).await;
        self.confirm_during_lock(&path, "the recipient waits for Ben", waits_for_a_lock).await;
        path
    }

    /// Waits until the broadcast is completed without having sent anything, and checks why.
    async fn expect_left_out(&self, path: &str, reason: &str) {
        let done = self.it.wait_for(path, "who waits is left out", |one| one["status"] == "completed").await;
        assert_eq!((&done["progress"]["skipped"], &done["progress"]["total"]), (&json!(1), &json!(1)));
        let recipients = self.it.amelia().get(&format!("{path}/recipients")).await.expect(200);
        assert_eq!(recipients["items"][0]["reason"], reason, "{recipients}");
        assert!(self.it.carrier.texts_to(&self.conversation.phone).await.is_empty());
    }
}

fn waits_for_a_lock(broadcast: &Value) -> bool {
    broadcast["waitingFor"]["reason"] == "locked"
}

/// ◆ product 8a: while a colleague answers a recipient, that recipient waits and the others do not. It gets
/// the text after the colleague has left. The results are a list and CSV.
#[tokio::test]
async fn a_recipient_whom_a_colleague_answers_waits_and_the_others_do_not() {
    let of = Answered::start("Lock").await;
    let it = &of.it;
    let _no_pause = it.carrier.no_pause().await;
    let (free, out) = (Phone::new(), Phone::new());
    it.carrier.send_inbound(&out, &it.inbox.number, "STOP").await;
    let numbers = [&of.conversation.phone, &free, &out].map(Phone::number);
    let path = it.draft(json!({ "text": "We close early.", "audience": { "phoneNumbers": numbers } })).await;
    let goes_on = |one: &Value| waits_for_a_lock(one) && one["progress"]["delivered"] == 1;
    let (token, waiting) = of.confirm_during_lock(&path, "only one recipient waits", goes_on).await;
    assert_eq!((&waiting["status"], &waiting["progress"]["held"]), (&json!("running"), &json!(1)));
    let held = it.amelia().get(&format!("{path}/recipients?state=held")).await.expect(200);
    assert_eq!(
        (&held["items"][0]["phoneNumber"], &held["items"][0]["reason"]),
        (&json!(of.conversation.phone.number()), &json!("locked")),
        "{held}"
    );
    of.conversation.renew_lock(&of.ben, token).await;
    assert!(it.carrier.texts_to(&of.conversation.phone).await.is_empty());
    of.conversation.release_lock(&of.ben, token).await;
    let is_done = |one: &Value| one["status"] == "completed" && one["progress"]["delivered"] == 2;
    it.wait_for(&path, "the recipient gets the text after the release", is_done).await;
    assert_eq!(it.carrier.texts_to(&of.conversation.phone).await, ["We close early."]);
    assert_eq!(it.carrier.texts_to(&free).await, ["We close early."]);

    let results = format!("{path}/recipients");
    let list = it.amelia().get(&results).await.expect(200);
    let request = it.amelia().request(Method::GET, &results).header("accept", "text/csv");
    let csv = client::read("the results as CSV".into(), request).await;
    assert_eq!((csv.status, csv.header("content-type")), (200, "text/csv; charset=utf-8"), "{csv}");
    let columns = ["phoneNumber", "contactId", "state", "reason", "messageId", "repliedAt", "answer"];
    let row = |item: &Value| {
        columns.map(|column| format!("\"{}\"", item[column].as_str().unwrap_or_default())).join(",")
    };
    let mut expected: Vec<_> = list["items"].as_array().expect("a list").iter().map(row).collect();
    let mut rows: Vec<_> = csv.body.split_terminator("\r\n").map(str::to_owned).collect();
    assert_eq!(rows.remove(0), columns.join(","));
    expected.sort();
    rows.sort();
    assert_eq!(rows, expected);
    let skipped = rows.iter().find(|row| row.contains("\"skipped\",\"opted_out\"")).expect("who opted out");
    assert!(skipped.starts_with(&format!("\"{}\",", out.number())), "a number is no formula: {skipped}");
}

/// ◆ product 8a: access and the inbox are checked again for each text. Who waits is left out when the user
/// who confirmed the broadcast leaves the inbox, and when the inbox is retired.
#[tokio::test]
async fn who_waits_is_left_out_when_the_sender_leaves_or_the_inbox_is_retired() {
    let of = Answered::start("Left out").await;
    let it = &of.it;
    let _no_pause = it.carrier.no_pause().await;
    let path = of.start_waiting().await;
    it.amelia().delete(&it.inbox.member("amelia")).await.expect(204);
    of.expect_left_out(&path, "no_access").await;

    it.amelia().put(&it.inbox.member("amelia"), json!({})).await.expect(200);
    let path = of.start_waiting().await;
    it.amelia().delete(&it.inbox.path()).await.expect(204);
    of.expect_left_out(&path, "retired").await;
}

/// ◆ product 8a: a broadcast with a time starts then and not before. One that nobody can get is not
/// confirmed.
#[tokio::test]
async fn a_broadcast_starts_at_its_time_and_not_at_all_if_nobody_can_get_it() {
    let it = Sender::start("Schedule").await;
    let _no_pause = it.carrier.no_pause().await;
    let (phone, out) = (Phone::new(), Phone::new());
    let soon = Timestamp::now() + SOON;
    let path = it
        .draft(json!({
            "text": "Doors open now.", "audience": { "phoneNumbers": [phone.number()] },
            "scheduledAt": soon.to_string(),
        }))
        .await;
    it.confirm(&path).await;
    assert_eq!(it.amelia().get(&path).await.expect(200)["status"], "scheduled");

    it.carrier.send_inbound(&out, &it.inbox.number, "STOP").await;
    let audience = json!({ "phoneNumbers": [out.number()] });
    let nobody = it.draft(json!({ "text": "Doors open now.", "audience": audience })).await;
    let confirm = json!({ "estimateId": it.estimate(&nobody).await["estimateId"] });
    let refused = it.amelia().post(&format!("{nobody}/confirm"), confirm).await;
    let refused = refused.problem(409, "estimate_stop");
    let checks = refused["checks"].as_array().expect("a list");
    let stops: Vec<_> = checks.iter().filter(|check| check["level"] == "stop").collect();
    assert!(stops.len() == 1 && stops[0]["code"] == "recipients", "{refused}");
    assert_eq!(it.amelia().get(&nobody).await.expect(200)["status"], "draft");

    wait::until(soon).await;
    it.stack.operator().invoke("SendReconcileFunction").await; // its schedule invokes it every minute
    let started = it.wait_for(&path, "it is sent", |one| one["progress"]["delivered"] == 1).await;
    let time = |name: &str| -> Timestamp { started[name].as_str().expect("a time").parse().expect("a time") };
    assert!(time("startedAt") >= time("scheduledAt"), "{started}");
    assert_eq!(it.carrier.texts_to(&phone).await, ["Doors open now."]);
}

/// ◆ product 8a: more than 10 % failures in 100 texts pause a broadcast with the reason. These numbers opted
/// out at the carrier alone.
#[tokio::test]
async fn a_broadcast_pauses_itself_when_too_many_of_its_texts_fail() {
    let of = Answered::start("Failures").await;
    let it = &of.it;
    let _no_pause = it.carrier.no_pause().await;
    let refused: Vec<Phone> = (0..11).map(|_| Phone::new()).collect();
    for phone in &refused {
        it.carrier.opt_out(phone, &it.inbox.number).await;
    }
    let numbers: Vec<_> = refused.iter().chain([&of.conversation.phone]).map(Phone::number).collect();
    let path = it.draft(json!({ "text": "We close early.", "audience": { "phoneNumbers": numbers } })).await;
    let is_paused = |one: &Value| one["status"] == "paused";
    let (_, paused) = of.confirm_during_lock(&path, "it pauses itself", is_paused).await;
    assert_eq!(
        (&paused["waitingFor"]["reason"], &paused["progress"]["failed"], &paused["progress"]["held"]),
        (&json!("carrier"), &json!(11), &json!(1)),
        "{paused}"
    );
    assert!(
        paused["reason"].as_str().is_some_and(|reason| reason.contains("11 of the last texts")),
        "{paused}"
    );
    assert_eq!(it.step(&path, "cancel").await["status"], "canceled");
    it.wait_for(&path, "who waits is left out", |one| one["progress"]["skipped"] == 1).await;
    assert!(it.carrier.texts_to(&of.conversation.phone).await.is_empty());
}
