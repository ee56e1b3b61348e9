//! Out-of-office messages of closed inboxes.

use product_tests::{Client, ConversationRef, Phone, Stack, TestTeam, WAIT_TIMEOUT, eventually};
use serde_json::{Value, json};

const END_OF_DAY: &str = "24:00";

fn always_open() -> Value {
    let day = json!([["00:00", END_OF_DAY]]);
    json!({ "mon": day, "tue": day, "wed": day, "thu": day, "fri": day, "sat": day, "sun": day })
}

/// Waits until the history has this number of messages, and returns it.
async fn wait_for_history(conversation: &ConversationRef, member: &Client, texts: usize) -> Vec<Value> {
    eventually("the automatic reply", WAIT_TIMEOUT, async || {
        let history = conversation.history(member).await;
        (history.len() == texts).then_some(history)
    })
    .await
}

/// ◆ product 9: a closed inbox answers an inbound message with its out-of-office message, at most once per
/// contact and closed period. The answer is an automatic message in the history. It does not move the
/// conversation or mark it read.
#[tokio::test]
async fn a_closed_inbox_answers_once_in_a_closed_period() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Away", "amelia").await);
    let (inbox, phone) = (team.create_inbox("Away").await, Phone::new());
    team.register(&carrier).await;
    let path = format!("{}/out-of-office", inbox.path());
    assert_eq!(team.admin.get(&path).await.expect(200)["mode"], "off");
    let on = json!({ "mode": "on", "message": "We are away until Monday.", "timeZone": "America/New_York" });
    let saved = team.admin.put(&path, on.clone()).await.expect(200);
    assert_eq!((&saved["mode"], &saved["hours"]), (&json!("on"), &json!({})));
    let _no_pause = carrier.no_pause().await; // no pause of another journey delays the answers
    carrier.send_inbound(&phone, &inbox.number, "Anybody there?").await;
    let conversation = stack.find_conversation(&team.admin, &inbox.id, "inbox", &phone).await;
    let history = wait_for_history(&conversation, &team.admin, 2).await;
    assert_eq!(
        (&history[1]["text"], &history[1]["automatic"]),
        (&json!("We are away until Monday."), &json!(true))
    );
    assert_eq!((&history[1]["sender"], &history[1]["direction"]), (&Value::Null, &json!("outbound")));
    let seen = conversation.get_as(&team.admin).await;
    assert_eq!((&seen["folder"], &seen["read"]), (&json!("inbox"), &json!(false)));
    assert_eq!(seen["lastMessage"]["text"], "Anybody there?");
    let words = async || carrier.texts_to(&phone).await;
    eventually("it is sent", WAIT_TIMEOUT, async || {
        (words().await == ["We are away until Monday."]).then_some(())
    })
    .await;

    carrier.send_inbound(&phone, &inbox.number, "Hello?").await;
    team.admin.put(&path, on.clone()).await.expect(200); // the same settings do not start another closed period
    carrier.send_inbound(&phone, &inbox.number, "Hello??").await;
    assert_eq!(conversation.history(&team.admin).await.len(), 4, "answered once");
    let off = json!({ "mode": "off", "timeZone": "America/New_York" });
    team.admin.put(&path, off).await.expect(200);
    carrier.send_inbound(&phone, &inbox.number, "Now?").await;
    assert_eq!(conversation.history(&team.admin).await.len(), 5);
    team.admin.put(&path, on).await.expect(200);
    carrier.send_inbound(&phone, &inbox.number, "And now?").await;
    let history = wait_for_history(&conversation, &team.admin, 7).await;
    assert_eq!(history[6]["automatic"], true, "another closed period");
    eventually("both are sent", WAIT_TIMEOUT, async || (words().await.len() == 2).then_some(())).await;
}

/// ◆ product 9: in mode `auto`, office hours, holidays and the time zone decide. Keywords, the product's own
/// text and short codes get no automatic reply.
#[tokio::test]
async fn hours_and_holidays_are_applied_and_machines_are_not_answered() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Hours", "amelia").await);
    let inbox = team.create_inbox("Hours").await;
    team.register(&carrier).await;
    let path = format!("{}/out-of-office", inbox.path());
    let auto = |hours: Value| json!({ "mode": "auto", "message": "Closed.", "timeZone": "Europe/Berlin", "hours": hours });
    team.admin.put(&path, auto(always_open())).await.expect(200);
    let early = Phone::new();
    carrier.send_inbound(&early, &inbox.number, "Are you open?").await;
    let conversation = stack.find_conversation(&team.admin, &inbox.id, "inbox", &early).await;
    assert_eq!(conversation.history(&team.admin).await.len(), 1, "open");
    team.admin.put(&path, auto(json!({}))).await.expect(200);
    carrier.send_inbound(&early, &inbox.number, "And now?").await;
    wait_for_history(&conversation, &team.admin, 3).await;

    for (from, words) in
        [(Phone::new(), "STOP"), (Phone::new(), "closed."), (Phone::of("72345"), "Your code is 1234")]
    {
        carrier.send_inbound(&from, &inbox.number, words).await;
        let conversation = stack.find_conversation(&team.admin, &inbox.id, "inbox", &from).await;
        let automatic = conversation.history(&team.admin).await;
        let away = automatic.iter().filter(|message| message["text"] == "Closed.");
        assert_eq!(away.count(), 0, "{words}");
    }
}

#[tokio::test]
async fn invalid_settings_are_refused_by_field() {
    let stack = Stack::open();
    let team = TestTeam::create(&stack, "Zones", "amelia").await;
    let inbox = team.create_inbox("Zones").await;
    let path = format!("{}/out-of-office", inbox.path());
    let bad = json!({
        "mode": "auto", "message": "", "timeZone": "Mars/Olympus", "hours": { "mon": [["12:00", "09:00"]], "day": [] }, "holidays": ["soon"],
    });
    let problem = team.admin.put(&path, bad).await.problem(422, "invalid_fields");
    let errors = problem["errors"].as_array().unwrap();
    let pointers: Vec<_> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    for pointer in ["/message", "/timeZone", "/holidays/0"] {
        assert!(pointers.contains(&pointer), "{pointers:?}");
    }
    assert!(pointers.iter().any(|pointer| pointer.starts_with("/hours/mon")), "{pointers:?}");
    team.admin
        .put(&path, json!({ "mode": "sometimes", "timeZone": "UTC" }))
        .await
        .expect_field_error("/mode");
    team.add_member("ben").await;
    stack.user("ben").get(&path).await.problem(404, "not_found");
    let own = &format!("/v1/inboxes/{}/out-of-office", stack.inbox("CARLA").inbox_id);
    let carla = stack.user("carla");
    carla.put(own, json!({ "mode": "off", "timeZone": "UTC" })).await.expect(200);
    stack.user("ben").put(own, json!({ "mode": "off", "timeZone": "UTC" })).await.problem(404, "not_found");
}
