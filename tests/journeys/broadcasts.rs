//! Broadcasts: larger groups of contacts at once.

use std::time::Duration;

use product_tests::{Client, Phone, Stack, TestTeam, eventually};
use serde_json::{Value, json};

/// Long enough to confirm a broadcast, and to change what it depends on, before it starts.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// A scheduled broadcast starts at the next run of a schedule after its time, which takes up to a minute.
/// Preparation, the pace of the inbox and the reports of the carrier follow.
const TIMEOUT: Duration = Duration::from_mins(5);

/// ◆ product 8a: a text reaches a segment and single numbers, each number once; its estimate says what will
/// happen, it waits for a confirmation, and its results say what happened. Who opted out gets nothing. The
/// texts are archived conversations with their sender.
#[tokio::test]
async fn a_broadcast_reaches_a_segment_and_numbers_once_each() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Broadcast", "amelia").await);
    let inbox = team.create_inbox("Broadcast").await;
    team.register(&carrier).await;
    let _no_pause = carrier.no_pause().await;
    let amelia = &team.admin;
    let (tagged, stopped, by_number) = (Phone::new(), Phone::new(), Phone::new());
    for (name, phone) in [("Noor", &tagged), ("Omar", &stopped)] {
        let contact = json!({ "firstName": name, "mobileNumber": phone.number(), "tags": ["Parent"] });
        amelia.post(&format!("{}/contacts", team.path()), contact).await.expect(201);
    }
    carrier.send_inbound(&stopped, &inbox.number, "STOP").await;
    let segment = json!({
        "name": "Parents", "kind": "filter", "filter": { "field": "tag", "op": "eq", "value": "Parent" },
    });
    let segment = amelia.post(&format!("{}/segments", team.path()), segment).await.expect(201);
    let broadcast = json!({
        "name": "Snow day", "from": { "inboxId": inbox.id },
        "text": "Hi {{firstName|there}}, we are closed today. Reply STOP to opt out.",
        "audience": {
            "segmentIds": [segment["segmentId"]],
            "phoneNumbers": [by_number.number(), by_number.national(), tagged.number()],
        },
        "hours": { "mode": "always" },
    });
    let draft = amelia.post("/v1/broadcasts", broadcast).await.expect(201);
    assert_eq!((&draft["status"], &draft["progress"]["total"]), (&json!("draft"), &json!(0)));
    let path = format!("/v1/broadcasts/{}", draft["broadcastId"].as_str().expect("an id"));
    let estimate = amelia.post(&format!("{path}/estimate"), Value::Null).await.expect(200);
    assert_eq!(estimate["recipients"], 2, "{estimate}");
    assert_eq!(estimate["excluded"], json!([{ "reason": "opted_out", "count": 1 }]));
    let body = json!({ "estimateId": estimate["estimateId"] });
    amelia.post(&format!("{path}/confirm"), body).await.expect(202);

    let done = eventually("the broadcast is completed and delivered", TIMEOUT, async || {
        let broadcast = amelia.get(&path).await.expect(200);
        let is_done = broadcast["status"] == "completed" && broadcast["progress"]["delivered"] == 2;
        is_done.then_some(broadcast)
    })
    .await;
    assert_eq!((&done["progress"]["total"], &done["progress"]["skipped"]), (&json!(3), &json!(1)));
    let text = |name: &str| vec![format!("Hi {name}, we are closed today. Reply STOP to opt out.")];
    assert_eq!(carrier.texts_to(&tagged).await, text("Noor"));
    assert_eq!(carrier.texts_to(&by_number).await, text("there"));
    let conversation = stack.find_conversation(amelia, &inbox.id, "archived", &tagged).await;
    assert_eq!(conversation.history(amelia).await[0]["sender"]["userId"], "amelia");
    let skipped = amelia.get(&format!("{path}/recipients?state=skipped")).await.expect(200);
    let skipped = skipped["items"].as_array().expect("a list").clone();
    assert_eq!(skipped.len(), 1, "{skipped:?}");
    assert_eq!(
        (&skipped[0]["reason"], &skipped[0]["phoneNumber"]),
        (&json!("opted_out"), &json!(stopped.number()))
    );
    let request = amelia.request(reqwest::Method::GET, &format!("{path}/recipients"));
    let csv =
        request.header("accept", "text/csv").send().await.expect("an answer").text().await.expect("text");
    assert_eq!(csv.lines().count(), 4, "{csv}");
    let audit = amelia.get(&format!("{}/audit", team.path())).await.expect(200);
    let actions: Vec<_> =
        audit["items"].as_array().expect("a list").iter().map(|item| item["action"].clone()).collect();
    for action in ["broadcast.create", "broadcast.confirm"] {
        assert!(actions.contains(&json!(action)), "{actions:?}");
    }
}

/// Product 8a: members broadcast with the right that an admin gives them.
#[tokio::test]
async fn a_member_broadcasts_once_an_admin_allows_it() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Right", "amelia").await);
    let inbox = team.create_inbox("Right").await;
    team.register(&carrier).await;
    let _no_pause = carrier.no_pause().await;
    team.add_member("ben").await;
    team.admin.put(&inbox.member("ben"), Value::Null).await.expect(200);
    let ben = stack.user("ben");
    let phone = Phone::new();
    let broadcast = json!({
        "name": "Snow day", "from": { "inboxId": inbox.id }, "text": "We are closed today.",
        "audience": { "phoneNumbers": [phone.number()] }, "hours": { "mode": "always" },
    });
    let mistake = ben.post("/v1/broadcasts", broadcast.clone()).await.expect(201);
    let mistake = format!("/v1/broadcasts/{}", mistake["broadcastId"].as_str().expect("an id"));
    ben.delete(&mistake).await.expect(204);
    ben.get(&mistake).await.problem(404, "not_found");
    let draft = ben.post("/v1/broadcasts", broadcast).await.expect(201);
    let path = format!("/v1/broadcasts/{}", draft["broadcastId"].as_str().expect("an id"));
    let estimate = ben.post(&format!("{path}/estimate"), Value::Null).await.expect(200);
    let confirm = json!({ "estimateId": estimate["estimateId"] });
    ben.post(&format!("{path}/confirm"), confirm.clone()).await.problem(403, "broadcast_permission_required");
    let member = team.admin.put(&team.member("ben"), json!({ "role": "member", "canBroadcast": true })).await;
    assert_eq!(member.expect(200)["canBroadcast"], true);
    ben.post(&format!("{path}/confirm"), confirm).await.expect(202);
    eventually("the text is delivered", TIMEOUT, async || {
        (carrier.texts_to(&phone).await == ["We are closed today."]).then_some(())
    })
    .await;
    ben.patch(&path, json!({ "name": "Ice day" })).await.problem(409, "broadcast_status");
}

/// ◆ product 8a: a question sorts the first reply of each recipient, the answer gets its follow-up, the reply
/// is marked and opens the conversation, a user corrects an answer, and a broadcast that repeats is scheduled
/// again when it starts.
#[tokio::test]
async fn replies_to_a_question_are_counted_sorted_and_answered() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Question", "amelia").await);
    let inbox = team.create_inbox("Question").await;
    team.register(&carrier).await;
    let _no_pause = carrier.no_pause().await;
    let (amelia, phone) = (&team.admin, Phone::new());
    let soon = jiff::Timestamp::now() + SOON;
    let broadcast = json!({
        "name": "Field trip", "from": { "inboxId": inbox.id }, "text": "Does your child come along?",
        "audience": { "phoneNumbers": [phone.number()] }, "hours": { "mode": "always" },
        "question": { "kind": "yes_no", "followUps": { "yes": "We leave at 9." } },
        "scheduledAt": soon.to_string(), "recurrence": { "frequency": "weekly", "count": 2 },
    });
    let draft = amelia.post("/v1/broadcasts", broadcast).await.expect(201);
    let path = format!("/v1/broadcasts/{}", draft["broadcastId"].as_str().expect("an id"));
    let estimate = amelia.post(&format!("{path}/estimate"), Value::Null).await.expect(200);
    let confirm = json!({ "estimateId": estimate["estimateId"] });
    amelia.post(&format!("{path}/confirm"), confirm).await.expect(202);
    eventually("the question is sent", TIMEOUT, async || {
        (!carrier.texts_to(&phone).await.is_empty()).then_some(())
    })
    .await;
    let list = amelia.get("/v1/broadcasts?limit=100").await.expect(200);
    let next = list["items"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|one| one["status"] == "scheduled" && one["teamId"] == draft["teamId"]);
    let next = next.expect("the next occurrence");
    amelia
        .post(&format!("/v1/broadcasts/{}/cancel", next["broadcastId"].as_str().expect("an id")), Value::Null)
        .await
        .expect(200);

    carrier.send_inbound(&phone, &inbox.number, "Yes!").await;
    eventually("the answer gets its follow-up", TIMEOUT, async || {
        (carrier.texts_to(&phone).await == ["Does your child come along?", "We leave at 9."]).then_some(())
    })
    .await;
    let answers = |yes: u64, no: u64| {
        let count = |answer: &str, count: u64| json!({ "answer": answer, "count": count });
        json!([count("yes", yes), count("no", no), count("other", 0)])
    };
    let asked = amelia.get(&path).await.expect(200);
    assert_eq!((&asked["progress"]["replied"], &asked["answers"]), (&json!(1), &answers(1, 0)));
    let correction = json!({ "phoneNumber": phone.number(), "answer": "no" });
    let corrected = amelia.post(&format!("{path}/answers"), correction).await.expect(200);
    assert_eq!(corrected["answer"], "no");
    assert_eq!(amelia.get(&path).await.expect(200)["answers"], answers(0, 1));
}

/// Creates a broadcast at any hour with further fields, and confirms it. Returns its path.
async fn send_broadcast(sender: &Client, inbox: &str, fields: Value) -> String {
    let mut broadcast = json!({
        "name": "Snow day", "from": { "inboxId": inbox }, "text": "We are closed today.",
        "hours": { "mode": "always" },
    });
    let Value::Object(fields) = fields else { panic!("{fields} is no object") };
    broadcast.as_object_mut().expect("an object").extend(fields);
    let draft = sender.post("/v1/broadcasts", broadcast).await.expect(201);
    let path = format!("/v1/broadcasts/{}", draft["broadcastId"].as_str().expect("an id"));
    let estimate = sender.post(&format!("{path}/estimate"), Value::Null).await.expect(200);
    let body = json!({ "estimateId": estimate["estimateId"] });
    sender.post(&format!("{path}/confirm"), body).await.expect(202);
    path
}

/// Product 8a: a broadcast is not sent if its segment was removed or its sender lost the right before its
/// time.
#[tokio::test]
async fn a_scheduled_broadcast_without_its_segment_or_the_right_of_its_sender_is_not_sent() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Change of plan", "amelia").await);
    let inbox = team.create_inbox("Change of plan").await;
    team.register(&carrier).await;
    let (amelia, ben, phone) = (&team.admin, stack.user("ben"), Phone::new());
    team.add_member("ben").await;
    amelia.put(&inbox.member("ben"), Value::Null).await.expect(200);
    let role = |may: bool| json!({ "role": "member", "canBroadcast": may });
    amelia.put(&team.member("ben"), role(true)).await.expect(200);
    let segment = json!({ "name": "Bus 12", "kind": "static" });
    let segment = amelia.post(&format!("{}/segments", team.path()), segment).await.expect(201);
    let soon = || (jiff::Timestamp::now() + SOON).to_string();

    let audience = json!({ "segmentIds": [segment["segmentId"]], "phoneNumbers": [phone.number()] });
    let fields = json!({ "scheduledAt": soon(), "audience": audience });
    let without_segment = send_broadcast(amelia, &inbox.id, fields).await;
    let segment = segment["segmentId"].as_str().expect("an id");
    amelia.delete(&format!("{}/segments/{segment}", team.path())).await.expect(204);
    let fields = json!({ "scheduledAt": soon(), "audience": { "phoneNumbers": [phone.number()] } });
    let without_right = send_broadcast(&ben, &inbox.id, fields).await;
    amelia.put(&team.member("ben"), role(false)).await.expect(200);

    for (path, words) in [(without_segment, "segment"), (without_right, "may no longer send")] {
        let failed = eventually("the broadcast failed", TIMEOUT, async || {
            let broadcast = amelia.get(&path).await.expect(200);
            assert_ne!(broadcast["status"], "completed", "{broadcast}");
            (broadcast["status"] == "failed").then_some(broadcast)
        })
        .await;
        assert!(failed["reason"].as_str().is_some_and(|reason| reason.contains(words)), "{failed}");
    }
    assert!(carrier.messages_to(&phone).await.is_empty());
}

/// ◆ product 8a: more than 10 % failures in 100 pause with the reason. The recipients opted out at the
/// carrier only, so their texts fail.
#[tokio::test]
async fn a_broadcast_whose_texts_fail_pauses_itself() {
    // Half of them are released ahead, so the others wait when the eleventh fails.
    let (recipients, rate) = (60, 2);
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Old list", "amelia").await);
    let inbox = team.create_inbox("Old list").await;
    team.register(&carrier).await;
    let (amelia, _no_pause) = (&team.admin, carrier.no_pause().await);
    amelia.patch(&inbox.path(), json!({ "segmentsPerSecond": rate })).await.expect(200);
    let phones: Vec<Phone> = (0..recipients).map(|_| Phone::new()).collect();
    for phone in &phones {
        carrier.opt_out(phone, &inbox.number).await;
    }
    let numbers: Vec<_> = phones.iter().map(Phone::number).collect();
    let path = send_broadcast(amelia, &inbox.id, json!({ "audience": { "phoneNumbers": numbers } })).await;
    let paused = eventually("the broadcast pauses itself", TIMEOUT, async || {
        let broadcast = amelia.get(&path).await.expect(200);
        assert_ne!(broadcast["status"], "completed", "{broadcast}");
        (broadcast["status"] == "paused").then_some(broadcast)
    })
    .await;
    let reason = paused["reason"].as_str().expect("a reason");
    assert!(reason.contains("more than 10 percent"), "{reason}");
    amelia.post(&format!("{path}/cancel"), Value::Null).await.expect(200);
}
