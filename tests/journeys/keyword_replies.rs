//! Keyword replies of inboxes.

use product_tests::{Phone, Stack, TestTeam, WAIT_TIMEOUT, eventually};
use serde_json::{Value, json};

/// ◆ product 8a: a text that is a keyword as a whole, in any case, is answered once by what an admin wrote,
/// and its contact gets the tag. Opt-out words cannot be keywords and keep their meaning.
#[tokio::test]
async fn a_keyword_is_answered_and_tags_the_contact() {
    let stack = Stack::open();
    let (carrier, team) = (stack.carrier(), TestTeam::create(&stack, "Words", "amelia").await);
    let (inbox, phone) = (team.create_inbox("Words").await, Phone::new());
    team.register(&carrier).await;
    team.add_member("ben").await;
    team.admin.put(&inbox.member("ben"), Value::Null).await.expect(200);
    let ben = stack.user("ben");
    let path = format!("{}/keyword-replies", inbox.path());
    let hours = json!({ "keywords": ["Hours", "opening hours"], "text": "9 to 5.", "tag": "Curious" });
    ben.post(&path, hours.clone()).await.problem(403, "admin_required");
    let created = team.admin.post(&path, hours.clone()).await.expect(201);
    assert_eq!((&created["keywords"], &created["tag"]), (&hours["keywords"], &json!("Curious")));
    assert_eq!(ben.get(&path).await.expect(200)["items"], json!([created]));
    let taken = json!({ "keywords": ["HOURS?"], "text": "Always." });
    team.admin.post(&path, taken).await.problem(409, "keyword_taken");
    let stop = json!({ "keywords": ["Stop"], "text": "No." });
    let problem = team.admin.post(&path, stop).await.problem(422, "invalid_fields");
    assert_eq!(problem["errors"][0]["pointer"], "/keywords/0");
    let away = json!({ "mode": "on", "message": "We are away.", "timeZone": "UTC" });
    team.admin.put(&format!("{}/out-of-office", inbox.path()), away).await.expect(200);

    let _no_pause = carrier.no_pause().await; // no pause of another journey delays the answers
    carrier.send_inbound(&phone, &inbox.number, "HOURS?").await;
    let conversation = stack.find_conversation(&team.admin, &inbox.id, "inbox", &phone).await;
    let history = conversation.history(&team.admin).await;
    let [_, answer] = &history[..] else { panic!("{history:?}") };
    assert_eq!(
        (&answer["text"], &answer["automatic"], &answer["sender"]),
        (&json!("9 to 5."), &json!(true), &Value::Null)
    );
    let seen = conversation.get_as(&team.admin).await;
    assert_eq!((&seen["folder"], &seen["read"]), (&json!("inbox"), &json!(false)));
    let contact = seen["contact"]["contactId"].as_str().expect("an id");
    let contact = team.admin.get(&format!("{}/contacts/{contact}", team.path())).await.expect(200);
    assert_eq!((&contact["tags"], &contact["provisional"]), (&json!(["Curious"]), &json!(true)));

    carrier.send_inbound(&phone, &inbox.number, "What are your hours?").await;
    let reply = format!("{path}/{}", created["keywordReplyId"].as_str().expect("an id"));
    let changed = team.admin.patch(&reply, json!({ "keywords": ["times"], "tag": null })).await.expect(200);
    assert_eq!((&changed["text"], &changed["tag"]), (&json!("9 to 5."), &Value::Null));
    carrier.send_inbound(&phone, &inbox.number, "Times").await;
    team.admin.delete(&reply).await.expect(204);
    carrier.send_inbound(&phone, &inbox.number, "times").await;
    carrier.send_inbound(&phone, &inbox.number, "STOP").await;
    let sent = ["9 to 5.", "We are away.", "9 to 5."];
    eventually("all answers are sent", WAIT_TIMEOUT, async || {
        let texts = carrier.texts_to(&phone).await;
        (texts.len() == 4 && texts[..3] == sent && texts[3].contains("unsubscribed")).then_some(())
    })
    .await;
}
