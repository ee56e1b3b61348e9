//! The list of received messages and their media, against a server on loopback.

use jiff::Timestamp;
use serde_json::{Value, json};
use shared_carriers::twilio::{Direction, LookupError, Media};

use crate::support::{ACCOUNT, Server, answer, client};

const NUMBER: &str = "+12025550100";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn message(digit: char, direction: &str, media: &str) -> Value {
    json!({
        "sid": format!("SM{}", digit.to_string().repeat(32)), "to": NUMBER, "from": "+12025550143",
        "body": "Hi", "status": "received", "date_created": "Sun, 22 Nov 2026 12:00:01 +0000",
        "direction": direction, "num_media": media,
    })
}

#[tokio::test]
async fn one_page_of_the_messages_to_since_a_time_is_read() {
    let page = json!({
        "messages": [message('1', "inbound", "2"), message('2', "outbound-api", "0")],
        "next_page_uri": "/2010-04-01/more",
    });
    let last = json!({ "messages": [], "next_page_uri": null });
    let server = Server::start([answer(200, page.to_string()), answer(200, last.to_string())]).await;
    let carrier = client(&server.base_url);
    let since = at("2026-11-22T12:00:00.9Z");
    let found = carrier.messages_to(NUMBER, since, None).await.unwrap();
    assert!(!found.is_last);
    let read: Vec<_> = found.messages.iter().map(|message| (message.direction, message.media)).collect();
    assert_eq!(read, [(Direction::Inbound, 2), (Direction::OutboundApi, 0)]);
    let until = Some(at("2026-11-22T13:00:00Z"));
    assert!(carrier.messages_to(NUMBER, since, until).await.unwrap().is_last);
    let query = "To=%2B12025550100&DateSent%3E=2026-11-22T12%3A00%3A00Z&PageSize=200";
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json");
    let uris: Vec<_> = server.requests().iter().map(|request| request.uri.to_string()).collect();
    assert_eq!(
        uris,
        [format!("{path}?{query}"), format!("{path}?{query}&DateSent%3C=2026-11-22T13%3A00%3A00Z")]
    );
}

#[tokio::test]
async fn the_media_of_a_message_are_as_its_webhook_names_them() {
    let (sid, file) = (format!("MM{}", "1".repeat(32)), format!("ME{}", "2".repeat(32)));
    let list = json!({ "media_list": [{ "sid": file, "content_type": "image/png" }, { "sid": "ME3" }] });
    let server = Server::start([answer(200, list.to_string())]).await;
    let media = client(&server.base_url).media_of(&sid).await.unwrap();
    let url =
        |file: &str| format!("{}/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}/Media/{file}", server.base_url);
    let media_of =
        |file: &str, content_type: &str| Media { url: url(file), content_type: content_type.into() };
    assert_eq!(media, [media_of(&file, "image/png"), media_of("ME3", "application/octet-stream")]);
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}/Media.json");
    assert_eq!(server.requests()[0].uri.to_string(), path);
}

#[tokio::test]
async fn media_of_anything_but_a_message_are_not_requested() {
    let server = Server::start([answer(200, "{}")]).await;
    let carrier = client(&server.base_url);
    assert_eq!(carrier.media_of("../Messages").await, Err(LookupError::InvalidSid));
    assert_eq!(server.requests().len(), 0);
    let sid = format!("MM{}", "1".repeat(32));
    assert_eq!(carrier.media_of(&sid).await, Err(LookupError::Unreadable));
}
