//! Inbound and outbound media.

use product_tests::{Client, ConversationRef, Phone, Stack, WAIT_TIMEOUT, eventually};
use reqwest::Method;
use serde_json::{Value, json};

/// Sends an inbound message with files, each named as in the carrier simulator, to the front desk.
async fn inbound_with_media(stack: &Stack, files: &[&str]) -> ConversationRef {
    let (phone, front_desk) = (Phone::new(), stack.front_desk_inbox());
    let mut fields =
        vec![("From", phone.number()), ("To", &front_desk.phone_number), ("Body", "Look at these")];
    fields.extend(files.iter().map(|file| ("Media", *file)));
    let result = stack.carrier().send_inbound_with(&fields).await;
    assert_eq!(result.webhook_status, Some(200), "{result:?}");
    stack.find_conversation(&stack.user("amelia"), &front_desk.inbox_id, "inbox", &phone).await
}

/// Waits until no file of the first message is pending, and returns the files.
async fn wait_for_media(conversation: &ConversationRef, member: &Client) -> Value {
    eventually("the files are copied or refused", WAIT_TIMEOUT, async || {
        let media = conversation.history(member).await[0]["media"].take();
        let pending = media.as_array().expect("files").iter().any(|file| file["state"] == "pending");
        (!pending).then_some(media)
    })
    .await
}

async fn fetch(member: &Client, url: &str) -> (u16, String, String, Vec<u8>) {
    let response = member.request_to(Method::GET, url).send().await.expect("a response");
    let header =
        |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap_or("").to_owned());
    let (kind, shown) = (header("content-type"), header("content-disposition"));
    let status = response.status().as_u16();
    let bytes = response.bytes().await.expect("bytes").to_vec();
    (status, kind.unwrap_or_default(), shown.unwrap_or_default(), bytes)
}

/// ◆ product 6: inbound media is copied to the product's bucket after its size and type are checked.
/// Responses contain no URLs of the carrier.
#[tokio::test]
async fn inbound_images_are_copied_and_shown_with_expiring_urls() {
    let stack = Stack::open();
    let amelia = stack.user("amelia");
    let conversation = inbound_with_media(&stack, &["picture", "card"]).await;
    let media = wait_for_media(&conversation, &amelia).await;
    let (image, card) = (&media[0], &media[1]);
    assert_eq!((&image["state"], &image["contentType"]), (&json!("stored"), &json!("image/png")), "{media}");
    let (status, kind, shown, bytes) = fetch(&amelia, image["url"].as_str().expect("a URL")).await;
    assert_eq!((status, kind.as_str(), shown.as_str()), (200, "image/png", "inline"));
    assert!(bytes.starts_with(b"\x89PNG") && image["size"] == bytes.len(), "the bytes from the carrier");
    let (status, _, shown, bytes) = fetch(&amelia, card["url"].as_str().expect("a URL")).await;
    assert_eq!((status, shown.as_str()), (200, "attachment"), "other types are downloaded, not shown");
    assert!(bytes.starts_with(b"BEGIN:VCARD"));

    let url = image["url"].as_str().expect("a URL");
    let bare = url.split('?').next().expect("a URL");
    assert_eq!(fetch(&amelia, bare).await.0, 403, "the URL is not signed");
    let longer = url.replace("X-Amz-Expires=600", "X-Amz-Expires=86400");
    assert_eq!(fetch(&amelia, &longer).await.0, 403, "the signature covers the expiry");
    assert!(
        image["expiresAt"].as_str().expect("an expiry")
            > conversation.history(&amelia).await[0]["createdAt"].as_str().expect("a time")
    );
    let history = conversation.history(&amelia).await[0].to_string();
    assert!(!history.contains("/2010-04-01/"), "a URL of the carrier: {history}");
    let id = conversation.history(&amelia).await[0]["messageId"].clone();
    let read = amelia.message(id.as_str().expect("an id")).await;
    assert_eq!(
        (&read["media"][0]["state"], &read["media"][0]["mediaId"]),
        (&json!("stored"), &image["mediaId"])
    );
}

/// ◆ product 6: files of an invalid size or type are refused with a reason. The message stays.
#[tokio::test]
async fn media_that_are_too_large_or_of_another_type_or_host_are_refused_with_a_reason() {
    let stack = Stack::open();
    let amelia = stack.user("amelia");
    let conversation = inbound_with_media(&stack, &["page", "large", "elsewhere", "gone", "picture"]).await;
    let media = wait_for_media(&conversation, &amelia).await;
    let reasons: Vec<_> = (0..4).map(|place| media[place]["reason"].as_str().unwrap_or("none")).collect();
    assert_eq!(reasons, ["not_what_it_says", "too_large", "foreign_address", "gone"], "{media}");
    assert!((0..4).all(|place| media[place]["state"] == "refused" && media[place]["url"] == Value::Null));
    assert_eq!(media[4]["state"], "stored", "the other file is stored");
    assert_eq!(conversation.texts(&amelia).await, ["Look at these"]);
}

/// ◆ product 2: users who are not members see nothing.
#[tokio::test]
async fn only_members_of_the_inbox_get_its_media() {
    let stack = Stack::open();
    let conversation = inbound_with_media(&stack, &["picture"]).await;
    wait_for_media(&conversation, &stack.user("amelia")).await;
    let message = conversation.history(&stack.user("amelia")).await[0]["messageId"].clone();
    let message = format!("/v1/messages/{}", message.as_str().expect("an id"));
    let upload = format!("/v1/inboxes/{}/media", conversation.inbox);
    for outsider in ["nora", "zoe"] {
        let outsider = stack.user(outsider);
        outsider.get(&conversation.messages()).await.problem(404, "not_found");
        outsider.get(&message).await.problem(404, "not_found");
        let file = json!({ "contentType": "image/png", "size": 5 });
        outsider.post(&upload, file).await.problem(404, "not_found");
    }
}

/// ◆ product 6: a message that is delivered twice is stored once, with its files.
#[tokio::test]
async fn a_redelivered_message_copies_its_media_once() {
    let stack = Stack::open();
    let (amelia, carrier, phone, front_desk) =
        (stack.user("amelia"), stack.carrier(), Phone::new(), stack.front_desk_inbox());
    let fields = [("From", phone.number()), ("To", front_desk.phone_number.as_str()), ("Media", "picture")];
    let sid = carrier.send_inbound_with(&fields).await.message_sid;
    let again = [("MessageSid", sid.as_str())];
    assert_eq!(carrier.send_inbound_with(&again).await.webhook_status, Some(200));
    let conversation = stack.find_conversation(&amelia, &front_desk.inbox_id, "inbox", &phone).await;
    let first = wait_for_media(&conversation, &amelia).await;
    assert_eq!(carrier.send_inbound_with(&again).await.webhook_status, Some(200));
    let history = conversation.history(&amelia).await;
    assert_eq!((history.len(), history[0]["media"].as_array().map(Vec::len)), (1, Some(1)));
    assert_eq!(
        (&history[0]["media"][0]["mediaId"], &first[0]["state"]),
        (&first[0]["mediaId"], &json!("stored"))
    );
}

const DOT: &[u8] = b"\x89PNG\r\n\x1a\nnot much of a picture";

/// ◆ product 6: an outbound MMS. The file is uploaded to a presigned URL, named in a reply and fetched by the
/// carrier.
#[tokio::test]
async fn an_image_is_uploaded_sent_and_fetched_by_the_carrier() {
    let stack = Stack::open();
    let (carrier, ben) = (stack.carrier(), stack.user("ben"));
    let conversation = stack.new_conversation("Send me the map").await;
    let places = format!("/v1/inboxes/{}/media", conversation.inbox);
    let place = ben.post(&places, json!({ "contentType": "image/png", "size": DOT.len() })).await.expect(201);
    let url = place["upload"]["url"].as_str().expect("a URL");
    let put = async |content_type: &str, bytes: &'static [u8]| {
        let request = ben.request_to(Method::PUT, url).header("content-type", content_type).body(bytes);
        request.send().await.expect("a response").status().as_u16()
    };
    assert_eq!(put("text/html", DOT).await, 403, "the signature covers the type");
    assert_eq!(
        put("image/png", b"longer than what was announced, by far").await,
        403,
        "the signature covers the size"
    );

    let no_pause = carrier.no_pause().await;
    let token = conversation.acquire_lock(&ben).await;
    let reply = json!({ "media": [place["mediaId"]], "lockToken": token });
    let refused = ben.post(&conversation.messages(), reply.clone()).await.problem(422, "media_not_uploaded");
    assert_eq!(refused["errors"][0]["pointer"], "/media/0");
    conversation.renew_lock(&ben, token).await;
    assert_eq!(put("image/png", DOT).await, 200);
    conversation.renew_lock(&ben, token).await;
    let incomplete = json!({ "media": [place["mediaId"], "med_absent"], "lockToken": token });
    let refused = ben.post(&conversation.messages(), incomplete).await.problem(422, "media_not_uploaded");
    assert_eq!(refused["errors"][0]["pointer"], "/media/1", "and the copy of the first file is deleted");
    let response = ben.post(&conversation.messages(), reply).await;
    let accepted = response.expect(202);
    assert_eq!((&accepted["segments"], &accepted["media"][0]["state"]), (&json!(1), &json!("stored")));
    ben.wait_until_sent(&response).await;
    drop(no_pause);
    conversation.release_lock(&ben, token).await;

    let shown = carrier.messages_to(&conversation.phone).await;
    let media = carrier.media_of(&shown[0].sid).await;
    let (status, kind, _, bytes) = fetch(&ben, &media[0]).await;
    assert_eq!((status, kind.as_str(), bytes.as_slice()), (200, "image/png", DOT));
    let seen = fetch(&ben, accepted["media"][0]["url"].as_str().expect("a URL")).await;
    assert_eq!(seen.3, DOT, "the history shows the file");
    // Another inbox cannot send the file.
    let elsewhere = json!({
        "from": { "inboxId": stack.inbox("BEN").inbox_id }, "to": { "phoneNumber": conversation.phone.number() },
        "media": [place["mediaId"]],
    });
    ben.post("/v1/messages", elsewhere).await.problem(422, "media_not_uploaded");
}

/// ◆ product 6: a message may name a URL that the carrier fetches.
#[tokio::test]
async fn a_media_url_is_passed_to_the_carrier_unchanged() {
    let stack = Stack::open();
    let (carrier, amelia, front_desk, phone) =
        (stack.carrier(), stack.user("amelia"), stack.front_desk_inbox(), Phone::new());
    let image = "https://pictures.example/map.png?size=2";
    let text = json!({
        "from": { "apiCode": front_desk.api_code }, "to": { "phoneNumber": phone.number() }, "text": "The map",
        "media": [image, { "url": image }],
    });
    let no_pause = carrier.no_pause().await;
    let accepted = stack.machine().post("/v1/messages", text.clone()).await;
    assert_eq!(accepted.expect(202)["media"][1]["url"], image);
    stack.machine().wait_until_sent(&accepted).await;
    drop(no_pause);
    let shown = carrier.messages_to(&phone).await;
    assert_eq!(carrier.media_of(&shown[0].sid).await, [image, image]);
    assert_eq!(shown[0].body, "The map");
    for (media, pointer) in [
        (json!(["http://pictures.example/map.png"]), "/media/0"),
        (json!([image, "med_"]), "/media/1"),
        (json!(vec![image; 11]), "/media"),
    ] {
        let mut odd = text.clone();
        odd["media"] = media;
        let refused = amelia.post("/v1/messages", odd).await.problem(422, "media_invalid");
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }
    for file in [
        json!({ "contentType": "text/html", "size": 5 }),
        json!({ "contentType": "image/png", "size": 5_000_001 }),
    ] {
        let places = format!("/v1/inboxes/{}/media", front_desk.inbox_id);
        amelia.post(&places, file).await.problem(422, "media_invalid");
    }
}
