//! Message lookups, against a server on loopback.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use shared_carriers::twilio::{Direction, LookupError, MessageStatus};

use crate::support::{ACCOUNT, Server, answer, client, fixture_text, impatient_client};

const TO: &str = "+12025550143";
const FROM: &str = "+12025550100";

fn list_path() -> String {
    format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json")
}

fn noon() -> Timestamp {
    "2026-11-22T12:00:00.9Z".parse().unwrap()
}

fn sid(digit: char) -> String {
    format!("SM{}", digit.to_string().repeat(32))
}

fn message(digit: char, date_created: &str) -> Value {
    json!({
        "sid": sid(digit), "to": TO, "from": FROM, "body": "Hi", "status": "delivered", "error_code": null,
        "date_created": date_created, "direction": "outbound-api", "num_segments": "1", "price": "-0.0079",
    })
}

fn page(messages: &[Value], next_page_uri: Option<&str>) -> String {
    json!({ "messages": messages, "next_page_uri": next_page_uri, "page": 0 }).to_string()
}

#[tokio::test]
async fn the_list_is_filtered_by_numbers() {
    let server = Server::start([answer(200, page(&[], None))]).await;
    let found = client(&server.base_url).find_messages(TO, FROM, noon()).await;
    assert_eq!(found, Ok(vec![]));
    let request = &server.requests()[0];
    let query = "To=%2B12025550143&From=%2B12025550100&PageSize=200";
    assert_eq!(request.uri.to_string(), format!("{}?{query}", list_path()));
    assert_eq!(request.headers["authorization"], "Basic U0trZXk6b3BlbiBzZXNhbWU=");
}

#[tokio::test]
async fn pages_are_followed_and_older_messages_are_dropped() {
    let next = format!("{}?PageToken=abc&Page=1", list_path());
    let first =
        [message('1', "Sun, 22 Nov 2026 12:00:01 +0000"), message('2', "Sun, 22 Nov 2026 11:59:59 +0000")];
    let second = [message('3', "Sun, 22 Nov 2026 12:00:00 +0000"), message('4', "some day")];
    let server =
        Server::start([answer(200, page(&first, Some(&next))), answer(200, page(&second, None))]).await;
    let found = client(&server.base_url).find_messages(TO, FROM, noon()).await.unwrap();
    let sids: Vec<_> = found.iter().map(|message| message.sid.clone()).collect();
    assert_eq!(sids, [sid('1'), sid('3'), sid('4')]);
    assert_eq!(server.requests()[1].uri.to_string(), next);
    assert_eq!(server.requests()[1].headers["authorization"], "Basic U0trZXk6b3BlbiBzZXNhbWU=");
}

#[tokio::test]
async fn reading_ends_at_a_page_with_only_older_messages() {
    let next = format!("{}?Page=1", list_path());
    let older = [message('1', "Sun, 22 Nov 2026 11:59:59 +0000")];
    let server = Server::start([answer(200, page(&older, Some(&next)))]).await;
    assert_eq!(client(&server.base_url).find_messages(TO, FROM, noon()).await, Ok(vec![]));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_endless_list_is_an_error() {
    let server = Server::start([answer(200, page(&[], Some(&list_path())))]).await;
    let found = client(&server.base_url).find_messages(TO, FROM, noon()).await;
    assert_eq!(found, Err(LookupError::TooManyPages));
    assert_eq!(server.requests().len(), 10);
}

#[tokio::test]
async fn a_page_on_another_host_is_not_requested() {
    for elsewhere in ["https://elsewhere.test/", "@elsewhere.test/", ".elsewhere.test/"] {
        let server = Server::start([answer(200, page(&[], Some(elsewhere)))]).await;
        let found = client(&server.base_url).find_messages(TO, FROM, noon()).await;
        assert_eq!(found, Err(LookupError::Unreadable), "{elsewhere}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_message_is_read_completely() {
    let server = Server::start([answer(200, fixture_text("send_response_201_queued.json"))]).await;
    let message = client(&server.base_url).fetch_message(&sid('9')).await.unwrap().unwrap();
    assert_eq!(
        server.requests()[0].uri.path(),
        format!("/2010-04-01/Accounts/{ACCOUNT}/Messages/{}.json", sid('9'))
    );
    assert_eq!((message.to.as_deref(), message.from.as_deref()), (Some(TO), Some(FROM)));
    assert_eq!(message.body, "Your appointment is confirmed for 3pm.");
    assert_eq!((message.status, message.error_code), (MessageStatus::Queued, None));
    assert_eq!(message.date_created, Some("2026-11-22T10:00:00Z".parse().unwrap()));
    assert_eq!(message.direction, Direction::OutboundApi);
}

#[tokio::test]
async fn nulls_and_unknown_statuses_are_read() {
    let wire = json!({ "sid": sid('9'), "from": null, "to": null, "status": "lost", "error_code": 30007, "direction": "sideways" });
    let server = Server::start([answer(200, wire.to_string())]).await;
    let message = client(&server.base_url).fetch_message(&sid('9')).await.unwrap().unwrap();
    assert_eq!((message.to, message.from, message.body.as_str()), (None, None, ""));
    assert_eq!((message.status, message.error_code), (MessageStatus::Unknown("lost".into()), Some(30007)));
    assert_eq!((message.date_created, message.direction), (None, Direction::Unknown));
}

#[tokio::test]
async fn a_text_is_recognized_as_smart_encoding_lists_it() {
    for (sent, listed, same) in [
        ("Hi", "Hi", true),
        ("“Tomorrow” – it’s free…", "\"Tomorrow\" - it's free...", true),
        ("See you at 3", "See you at 4", false),
        ("", "Hi", false),
        ("", "", true),
        ("👍", "👎", false),
        ("👍", "👍", true),
    ] {
        let mut message = message('1', "Sun, 22 Nov 2026 12:00:01 +0000");
        message["body"] = listed.into();
        let server = Server::start([answer(200, page(&[message], None))]).await;
        let found = client(&server.base_url).find_messages(TO, FROM, noon()).await.unwrap();
        assert_eq!(found[0].has_text(sent), same, "{sent:?} {listed:?}");
    }
}

#[tokio::test]
async fn a_message_the_carrier_does_not_know_is_none() {
    let server = Server::start([answer(404, r#"{"code":20404,"status":404}"#)]).await;
    assert_eq!(client(&server.base_url).fetch_message(&sid('9')).await, Ok(None));
    let not_a_sid = client(&server.base_url).fetch_message("../Messages").await;
    assert_eq!(not_a_sid, Err(LookupError::InvalidSid));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn every_other_response_is_an_error() {
    let refused = |http_status, code| LookupError::Refused { http_status, code };
    for (status, body, expected) in [
        (401, fixture_text("send_error_401_20003.json"), refused(401, Some(20003))),
        (404, String::new(), refused(404, None)),
        (500, "oops".into(), refused(500, None)),
        (200, "{".into(), LookupError::Unreadable),
    ] {
        let server = Server::start([answer(status, body)]).await;
        assert_eq!(client(&server.base_url).find_messages(TO, FROM, noon()).await, Err(expected));
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_missing_response_is_an_error() {
    let slow = answer(200, page(&[], None)).after(Duration::from_secs(5));
    let server = Server::start([slow]).await;
    let hasty = impatient_client(&server.base_url, Duration::from_secs(1));
    assert_eq!(hasty.find_messages(TO, FROM, noon()).await, Err(LookupError::TimedOut));
    let nowhere = client("http://carrier.invalid");
    assert_eq!(nowhere.fetch_message(&sid('9')).await, Err(LookupError::Unreachable));
}

#[tokio::test]
async fn nothing_private_is_shown() {
    let server = Server::start([answer(200, fixture_text("send_response_201_queued.json"))]).await;
    let shown = format!("{:?}", client(&server.base_url).fetch_message(&sid('9')).await);
    for private in ["2025550", "appointment"] {
        assert!(!shown.contains(private), "{shown}");
    }
}
