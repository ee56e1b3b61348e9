//! The log contains no numbers, texts, tokens or names.

use product_tests::{Phone, Stack};
use serde_json::json;

#[tokio::test]
async fn the_log_contains_no_numbers_texts_or_tokens() {
    let stack = Stack::open();
    let (carrier, amelia, ben) = (stack.carrier(), stack.user("amelia"), stack.user("ben"));
    let phone = Phone::new();
    let canary = |word: &str| format!("canary-{word}-{}", &phone.number()[2..]);
    let (inbound, reply, composed, key, refused) =
        (canary("inbound"), canary("reply"), canary("composed"), canary("key"), canary("refused"));

    let conversation = stack.conversation_from(&phone, &inbound).await;
    let response = amelia.lock_and_reply(&conversation, &reply).await.expect(202);
    ben.post(&conversation.messages(), json!({ "text": refused, "lockToken": 0 }))
        .await
        .problem(412, "lock_lost");
    ben.post("/v1/messages", json!({ "from": {}, "to": refused, "text": [refused] })).await;
    ben.post(
        "/v1/messages",
        json!({ "from": { "apiCode": refused }, "to": { "phoneNumber": refused }, "text": refused }),
    )
    .await;
    ben.get(&format!("{}?cursor={refused}&limit={refused}", conversation.messages())).await;
    ben.get(&format!("/v1/messages/{refused}")).await;
    let forged = [("MessageSid", "SM1"), ("From", phone.number()), ("Body", &refused)];
    carrier
        .forged_webhook("/webhooks/twilio/messages", &forged, Some("forged"))
        .await
        .problem(403, "signature");
    carrier.webhook("/webhooks/twilio/messages", &forged).await.problem(400, "malformed");
    carrier.webhook("/webhooks/twilio/status", &forged).await.problem(400, "malformed");
    let from = json!({ "inboxId": stack.inbox("AMELIA").inbox_id });
    let text = json!({ "from": from, "to": { "phoneNumber": phone.national() }, "text": composed });
    amelia.send_once("/v1/messages", &key, &text).await.expect(202);
    let id = response["messageId"].as_str().expect("an id");
    amelia.wait_for_message(id, "delivered").await;
    let sid = carrier.messages_to(&phone).await[0].sid.clone();
    carrier.report_status(&sid, "failed", Some(30003)).await;

    let log = stack.log();
    assert!(log.contains(id), "the log contains the message ID");
    let (national, unsigned) = (phone.national(), phone.number().trim_start_matches('+'));
    let tokens = ["amelia", "ben"].map(|user| stack.token_of(user).to_owned());
    for secret in [&inbound, &reply, &composed, &key, &refused, &national]
        .into_iter()
        .map(String::as_str)
        .chain([
            unsigned,
            &unsigned[1..],
            &stack.front_desk_inbox().phone_number,
            &amelia.name,
            "amelia@",
            stack.carrier_token(),
        ])
        .chain(tokens.iter().map(String::as_str))
    {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "the log contains {secret}");
    }
}
