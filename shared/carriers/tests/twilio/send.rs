//! Every outcome of sending, against a server on loopback.

use std::time::Duration;

use axum::http::Method;
use shared_carriers::twilio::{
    AccountFault, Client, Credentials, LostAnswer, MessageStatus, Refusal, SendMessage, SendOutcome,
    SetupError,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{ACCOUNT, Server, answer, client, fixture_text, impatient_client};

fn sid() -> String {
    format!("SM{}", "9".repeat(32))
}

fn message() -> SendMessage {
    SendMessage {
        to: "+12025550143".into(),
        from: "+12025550100".into(),
        body: "Your appointment is confirmed for 3pm.".into(),
        media_urls: vec![],
        status_callback: "https://hooks.example.com/twilio/status".into(),
        messaging_service_sid: Some(format!("MG{}", "a".repeat(32))),
        validity: None,
    }
}

async fn outcome(status: u16, body: impl Into<String>) -> SendOutcome {
    let server = Server::start([answer(status, body)]).await;
    let outcome = client(&server.base_url).send(&message()).await;
    assert_eq!(server.requests().len(), 1, "one call, whatever the answer");
    outcome
}

async fn refusal(status: u16, body: impl Into<String>) -> Refusal {
    match outcome(status, body).await {
        SendOutcome::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

fn unknown(why: LostAnswer) -> SendOutcome {
    SendOutcome::Unknown { why }
}

/// Reads a whole request. Its form ends with the path of the status callback.
async fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"%2Ftwilio%2Fstatus") {
        assert!(stream.read_buf(&mut request).await.unwrap() > 0, "the request ended early");
    }
}

#[tokio::test]
async fn the_request_is_as_recorded() {
    let server = Server::start([answer(201, fixture_text("send_response_201_queued.json"))]).await;
    let carrier = client(&format!("{}/", server.base_url));
    carrier.send(&message()).await;
    let mms = SendMessage {
        body: "The floor plan".into(),
        media_urls: vec!["https://media.example.com/plan.png?sig=abc".into()],
        messaging_service_sid: None,
        ..message()
    };
    carrier.send(&mms).await;
    let [text, media] = server.requests().try_into().unwrap_or_else(|_| panic!("two requests"));
    assert_eq!(text.method, Method::POST);
    assert_eq!(text.uri.to_string(), format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json"));
    assert_eq!(text.headers["authorization"], "Basic U0trZXk6b3BlbiBzZXNhbWU=");
    assert_eq!(text.headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(text.body, fixture_text("send_request.form"));
    assert_eq!(media.body, fixture_text("send_request_mms.form"));
}

#[tokio::test]
async fn the_time_for_which_twilio_may_try_is_in_whole_seconds() {
    let server = Server::start([answer(201, fixture_text("send_response_201_queued.json"))]).await;
    let validity = Some(Duration::from_millis(90_900));
    client(&server.base_url).send(&SendMessage { validity, ..message() }).await;
    assert!(server.requests()[0].body.ends_with("&ValidityPeriod=90"), "{}", server.requests()[0].body);
}

#[tokio::test]
async fn several_media_are_sent_without_a_text() {
    let server = Server::start([answer(201, fixture_text("send_response_201_queued.json"))]).await;
    let media_urls = vec!["https://m.test/1".into(), "https://m.test/2".into()];
    client(&server.base_url).send(&SendMessage { body: String::new(), media_urls, ..message() }).await;
    let body = &server.requests()[0].body;
    assert!(body.contains("&MediaUrl=https%3A%2F%2Fm.test%2F1&MediaUrl=https%3A%2F%2Fm.test%2F2&"), "{body}");
    assert!(!body.contains("Body="), "{body}");
}

#[tokio::test]
async fn an_accepted_message_has_a_sid_and_a_status() {
    for (fixture, status, num_segments) in [
        ("send_response_201_queued.json", MessageStatus::Queued, 1),
        ("send_response_201_accepted_messaging_service.json", MessageStatus::Accepted, 0),
    ] {
        let expected = SendOutcome::Accepted { sid: sid(), status, num_segments };
        assert_eq!(outcome(201, fixture_text(fixture)).await, expected);
    }
    let bare =
        SendOutcome::Accepted { sid: sid(), status: MessageStatus::Unknown(String::new()), num_segments: 0 };
    assert_eq!(outcome(200, format!(r#"{{"sid":"{}"}}"#, sid())).await, bare, "the sid alone proves it");
}

#[tokio::test]
async fn a_refusal_is_classified_by_its_code() {
    for (fixture, http_status, code, retryable, opted_out, account_fault) in [
        ("send_error_400_21211.json", 400, 21211, false, false, None),
        ("send_error_400_21610.json", 400, 21610, false, true, None),
        ("send_error_400_21617.json", 400, 21617, false, false, None),
        ("send_error_401_20003.json", 401, 20003, false, false, Some(AccountFault::Refused)),
        ("send_error_429_20429.json", 429, 20429, true, false, None),
        ("send_error_429_21611.json", 429, 21611, true, false, None),
    ] {
        let refusal = refusal(http_status, fixture_text(fixture)).await;
        assert_eq!((refusal.code, refusal.http_status), (Some(code), Some(http_status)), "{fixture}");
        let flags = (refusal.retryable, refusal.opted_out, refusal.account_fault);
        assert_eq!(flags, (retryable, opted_out, account_fault), "{fixture}");
    }
    let late = refusal(400, r#"{"code":20429}"#).await;
    assert!(late.retryable, "the code decides, not the status");
}

#[tokio::test]
async fn a_refusal_does_not_repeat_the_message_of_the_carrier() {
    let refusal =
        refusal(400, r#"{"code":21211,"message":"The 'To' number +12025550143 is not valid"}"#).await;
    assert_eq!(refusal.reason, "The recipient's number is not a valid phone number.");
}

#[tokio::test]
async fn a_refusal_without_a_code_is_still_a_refusal() {
    let plain = refusal(403, "<html>").await;
    assert_eq!((plain.code, plain.retryable), (None, false));
    assert_eq!(plain.reason, "The carrier refused the message with status 403.");
    assert!(refusal(429, "slow down").await.retryable);
    assert_eq!(plain.account_fault, Some(AccountFault::Refused));
    assert_eq!(refusal(401, "").await.account_fault, Some(AccountFault::Refused));
    let restricted = refusal(403, r#"{"code":21408}"#).await;
    assert_eq!(restricted.account_fault, Some(AccountFault::Restricted), "other messages may be accepted");
}

#[tokio::test]
async fn a_carrier_that_is_out_of_service_may_have_accepted_the_message() {
    for body in ["", "<html>", r#"{"code":20503,"status":503}"#] {
        let why = LostAnswer::ServerFault { http_status: 503 };
        assert_eq!(outcome(503, body).await, unknown(why), "{body}");
        assert!(why.is_outage());
    }
    assert!(!LostAnswer::ServerFault { http_status: 500 }.is_outage());
    assert!(!refusal(429, "").await.is_outage());
}

#[tokio::test]
async fn after_an_error_of_the_carrier_the_outcome_is_unknown() {
    for http_status in [408, 500, 502, 503, 504] {
        let expected = unknown(LostAnswer::ServerFault { http_status });
        assert_eq!(outcome(http_status, r#"{"code":20500,"status":500}"#).await, expected);
    }
}

#[tokio::test]
async fn after_an_unreadable_success_the_outcome_is_unknown() {
    let too_long = format!(r#"{{"sid":"{}","body":"{}"}}"#, sid(), "a".repeat(300_000));
    for body in ["garbage", "", "{}", r#"{"sid":"PN1"}"#, r#"{"sid":null}"#, &too_long] {
        let expected = unknown(LostAnswer::Unreadable { http_status: 201 });
        assert_eq!(outcome(201, body).await, expected, "{}", &body[..body.len().min(20)]);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    assert_eq!(outcome(307, "").await, unknown(LostAnswer::Unexpected { http_status: 307 }));
}

#[tokio::test]
async fn a_connection_is_never_reused() {
    let server = Server::start([answer(201, fixture_text("send_response_201_queued.json"))]).await;
    let carrier = client(&server.base_url);
    for sent in 1..=3 {
        carrier.send(&message()).await;
        assert_eq!(server.connections(), sent);
    }
}

#[tokio::test]
async fn after_a_timeout_the_outcome_is_unknown() {
    let queued = answer(201, fixture_text("send_response_201_queued.json")).after(Duration::from_secs(5));
    let server = Server::start([queued]).await;
    let outcome = impatient_client(&server.base_url, Duration::from_secs(1)).send(&message()).await;
    assert_eq!(outcome, unknown(LostAnswer::TimedOut));
    assert_eq!(server.requests().len(), 1, "it was received");
}

#[tokio::test]
async fn after_a_connection_is_lost_the_outcome_is_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let taken = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
    });
    assert_eq!(client(&base_url).send(&message()).await, unknown(LostAnswer::Disconnected));
    taken.await.unwrap();
}

#[tokio::test]
async fn after_an_incomplete_response_the_outcome_is_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{\"sid\":").await.unwrap();
    });
    let expected = unknown(LostAnswer::Unreadable { http_status: 201 });
    assert_eq!(client(&base_url).send(&message()).await, expected);
}

#[tokio::test]
async fn without_a_connection_the_message_was_not_sent() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for base_url in [format!("http://{gone}"), "http://carrier.invalid".into()] {
        let outcome = client(&base_url).send(&message()).await;
        let SendOutcome::Refused(refusal) = outcome else { panic!("{base_url}: {outcome:?}") };
        assert_eq!((refusal.code, refusal.http_status, refusal.retryable), (None, None, true), "{base_url}");
        assert_eq!(refusal.reason, "The carrier could not be reached.");
    }
}

#[tokio::test]
async fn an_incomplete_handshake_is_no_connection() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("https://{}", silent.local_addr().unwrap());
    let outcome = impatient_client(&base_url, Duration::from_secs(2)).send(&message()).await;
    assert!(matches!(&outcome, SendOutcome::Refused(refusal) if refusal.retryable), "{outcome:?}");
}

#[test]
fn a_client_needs_a_url_and_an_account() {
    let new = |base_url, account_sid: &str| {
        let credentials =
            Credentials { account_sid: account_sid.into(), username: "user".into(), password: "pass".into() };
        Client::new(base_url, credentials, Duration::from_secs(1)).err()
    };
    assert!(new("https://api.twilio.com", ACCOUNT).is_none());
    for base_url in ["", "api.twilio.com", "ftp://api.twilio.com", "https://api.twilio.com?a=b"] {
        assert!(matches!(new(base_url, ACCOUNT), Some(SetupError::BaseUrl)), "{base_url}");
    }
    assert!(matches!(new("https://api.twilio.com", "AC../x"), Some(SetupError::AccountSid)));
}

#[test]
fn nothing_private_is_shown() {
    let credentials =
        Credentials { account_sid: ACCOUNT.into(), username: "SKkey".into(), password: "s3cret".into() };
    let shown = format!("{:?} {credentials:?} {:?}", message(), client("https://api.twilio.com"));
    for private in ["2025550", "appointment", "hooks", "SKkey", "s3cret", "sesame"] {
        assert!(!shown.contains(private), "{shown}");
    }
}
