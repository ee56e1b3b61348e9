//! What Twilio refuses, delays, or reports later.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{ACCOUNT, PHONE, PRODUCT, Received, TOKEN, TestSimulator, client, read};

const TEXT: [(&str, &str); 3] = [("To", PHONE), ("From", PRODUCT), ("Body", "Hello")];

fn statuses(received: &[Received]) -> Vec<&str> {
    received.iter().map(|callback| callback.field("MessageStatus")).collect()
}

#[tokio::test]
async fn a_text_to_an_opted_out_phone_is_accepted_with_a_service_and_fails_later() {
    let simulator = TestSimulator::with_number().await;
    let service = simulator.service_with_numbers(&[]).await;
    simulator.control("opt-out", &[("To", PRODUCT), ("From", PHONE)]).await;
    let callback = simulator.product.status_callback();
    let more = [("MessagingServiceSid", service.as_str()), ("StatusCallback", &callback)];
    let (status, message) = simulator.send(&[&TEXT[..], &more].concat()).await;
    assert_eq!((status, &message["status"]), (201, &"accepted".into()));
    let received = simulator.product.await_requests(1).await;
    assert_eq!(statuses(&received), ["failed"]);
    assert_eq!(received[0].field("ErrorCode"), "21610");
    let failed = simulator.await_status(message["sid"].as_str().unwrap(), "failed").await;
    assert_eq!(failed["error_code"], 21610);
}

#[tokio::test]
async fn a_text_to_an_opted_out_phone_is_refused_without_a_service_until_it_opts_in() {
    let simulator = TestSimulator::with_number().await;
    simulator.control("opt-out", &[("To", PRODUCT), ("From", PHONE)]).await;
    let (status, failure) = simulator.send(&TEXT).await;
    assert_eq!((status, &failure["code"]), (400, &21610.into()));
    simulator.control("opt-out", &[("To", PRODUCT), ("From", PHONE), ("OptedOut", "false")]).await;
    assert_eq!(simulator.send(&TEXT).await.0, 201);
}

#[tokio::test]
async fn a_number_without_a_campaign_sends_one_segment_per_second() {
    let simulator = TestSimulator::with_number().await;
    let (_, first) = simulator.send(&TEXT).await;
    let (_, second) = simulator.send(&TEXT).await;
    let sid = |message: &Value| message["sid"].as_str().unwrap().to_owned();
    let start = Instant::now();
    simulator.await_status(&sid(&first), "delivered").await;
    assert!(start.elapsed() < Duration::from_millis(900));
    let waiting = simulator.get(&TestSimulator::account(&format!("Messages/{}.json", sid(&second)))).await.1;
    assert_eq!((&waiting["status"], &waiting["date_sent"]), (&"queued".into(), &Value::Null));
    simulator.await_status(&sid(&second), "delivered").await;
    assert!(start.elapsed() > Duration::from_millis(900));
}

#[tokio::test]
async fn the_numbers_of_a_verified_campaign_share_its_rate() {
    const OTHER: &str = "+12025550101";
    let simulator = TestSimulator::with_rate(2).await;
    simulator.buy(OTHER).await;
    let service = simulator.service_with_numbers(&[]).await;
    simulator.new_campaign(&service).await;
    simulator.decide(&service, "VERIFIED", &[]).await;
    let start = Instant::now();
    let mut last = String::new();
    for from in [PRODUCT, OTHER, PRODUCT, OTHER] {
        let fields = [("To", PHONE), ("From", from), ("Body", "Hello"), ("MessagingServiceSid", &service)];
        last = simulator.send(&fields).await.1["sid"].as_str().unwrap().to_owned();
    }
    simulator.await_status(&last, "delivered").await;
    assert!(start.elapsed() > Duration::from_millis(1_400), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_message_of_a_campaign_that_is_not_verified_is_undelivered() {
    let simulator = TestSimulator::with_number().await;
    let service = simulator.service_with_numbers(&[]).await;
    simulator.new_campaign(&service).await;
    for (status, expected, code) in [
        ("IN_PROGRESS", "undelivered", Value::from(30034)),
        ("VERIFIED", "delivered", Value::Null),
        ("SUSPENDED", "undelivered", Value::from(30034)),
    ] {
        simulator.decide(&service, status, &[]).await;
        let (accepted, message) = simulator.send(&TEXT).await;
        assert_eq!(accepted, 201);
        let ended = simulator.await_status(message["sid"].as_str().unwrap(), expected).await;
        assert_eq!(ended["error_code"], code, "{status}");
    }
}

#[tokio::test]
async fn a_fault_lets_a_message_end_as_undelivered_with_a_code() {
    let simulator = TestSimulator::with_number().await;
    simulator.control("fault", &[("Kind", "undelivered:30022")]).await;
    let (_, message) = simulator.send(&TEXT).await;
    let ended = simulator.await_status(message["sid"].as_str().unwrap(), "undelivered").await;
    assert_eq!(ended["error_code"], 30022);
}

#[tokio::test]
async fn a_queue_of_more_than_ten_hours_is_refused_or_fails_later() {
    let simulator = TestSimulator::with_number().await;
    let long = "a".repeat(1600); // 11 segments
    let fields = [("To", PHONE), ("From", PRODUCT), ("Body", long.as_str())];
    let mut accepted = 0;
    let (status, failure) = loop {
        let (status, answer) = simulator.send(&fields).await;
        if status != 201 {
            break (status, answer);
        }
        accepted += 1;
    };
    assert!((3_273..3_300).contains(&accepted), "{accepted}");
    assert_eq!((status, &failure["code"]), (429, &21611.into()));
    let service = simulator.service_with_numbers(&[]).await;
    let callback = simulator.product.status_callback();
    let more = [("MessagingServiceSid", service.as_str()), ("StatusCallback", &callback)];
    assert_eq!(simulator.send(&[&TEXT[..], &more].concat()).await.0, 201);
    let received = simulator.product.await_requests(1).await;
    assert_eq!((statuses(&received), received[0].field("ErrorCode")), (vec!["failed"], "30001"));
}

#[tokio::test]
async fn a_token_that_was_rotated_away_is_refused_and_signs_nothing() {
    let simulator = TestSimulator::with_number().await;
    let post = |path: &str, token: &str| {
        let url = format!("{}{path}", simulator.base);
        read(client().post(url).form(&TEXT).basic_auth(ACCOUNT, Some(token)))
    };
    let messages = TestSimulator::account("Messages.json");
    let (status, secondary) = post("/v1/AuthTokens/Secondary", TOKEN).await.unwrap();
    assert_eq!(status, 201);
    let next = secondary["secondary_auth_token"].as_str().unwrap();
    assert_eq!(post(&messages, TOKEN).await.unwrap().0, 201);
    assert_eq!(post(&messages, next).await.unwrap().0, 201);

    let (status, promoted) = post("/v1/AuthTokens/Promote", TOKEN).await.unwrap();
    assert_eq!((status, &promoted["auth_token"]), (200, &next.into()));
    assert_eq!(post(&messages, TOKEN).await.unwrap().0, 401);
    assert_eq!(post(&messages, next).await.unwrap().0, 201);
    assert_eq!(post("/v1/AuthTokens/Promote", next).await.unwrap().0, 404);

    let inbound = [("To", PRODUCT), ("From", PHONE), ("Body", "Hi")];
    assert_eq!(simulator.control("inbound-message", &inbound).await.0, 200);
    assert!(!simulator.product.received()[0].is_signed(&simulator.product.base));
}

#[tokio::test]
async fn faults_of_the_account_affect_all_of_the_api_but_no_control_route() {
    let simulator = TestSimulator::with_number().await;
    for (kind, expected) in [("unauthorized", 401), ("suspended", 403)] {
        simulator.control("fault", &[("Kind", kind), ("Seconds", "60")]).await;
        assert_eq!(simulator.send(&TEXT).await.0, expected);
        assert_eq!(simulator.get(&TestSimulator::account("Messages.json")).await.0, expected);
        assert_eq!(simulator.control("fault", &[("Kind", "none")]).await.0, 200);
        assert_eq!(simulator.send(&TEXT).await.0, 201);
    }
    simulator.control("fault", &[("Kind", "down")]).await;
    let down = client().get(simulator.messages()).basic_auth(ACCOUNT, Some(TOKEN)).send().await.unwrap();
    assert_eq!(down.status().as_u16(), 503);
    assert_eq!(simulator.send(&TEXT).await.0, 201);
}

#[tokio::test]
async fn a_suspended_account_receives_no_messages_and_no_calls() {
    let simulator = TestSimulator::with_number().await;
    simulator.control("fault", &[("Kind", "suspended"), ("Seconds", "60")]).await;
    let message = [("To", PRODUCT), ("From", PHONE), ("Body", "Hi")];
    for (route, fields) in [("inbound-message", &message[..]), ("inbound-call", &message[..2])] {
        let (status, failure) = simulator.control(route, fields).await;
        assert_eq!((status, &failure["code"]), (403, &20005.into()), "{route}");
    }
    simulator.control("fault", &[("Kind", "none")]).await;
    assert!(simulator.product.received().is_empty());
    assert_eq!(simulator.list(&[]).await["messages"], serde_json::json!([]), "Twilio does not keep them");
    assert_eq!(simulator.control("inbound-message", &message).await.0, 200);
    assert_eq!(simulator.product.received().len(), 1);
}

#[tokio::test]
async fn a_lost_webhook_or_callback_is_not_sent() {
    let simulator = TestSimulator::with_number().await;
    simulator.control("fault", &[("Kind", "lost-webhook")]).await;
    let inbound = [("To", PRODUCT), ("From", PHONE), ("Body", "Hi")];
    let (status, answer) = simulator.control("inbound-message", &inbound).await;
    assert_eq!((status, &answer["webhookStatus"], &answer["attempts"]), (200, &Value::Null, &0.into()));
    assert!(simulator.product.received().is_empty());
    assert_eq!(simulator.list(&[("From", PHONE)]).await["messages"].as_array().unwrap().len(), 1);

    simulator.control("fault", &[("Kind", "lost-callback"), ("Count", "3")]).await;
    simulator.send_text("Hello").await;
    assert_eq!(statuses(&simulator.product.await_requests(1).await), ["delivered"]);
}

#[tokio::test]
async fn smart_encoding_replaces_typographic_characters_unless_the_service_or_the_message_forbids_it() {
    let simulator = TestSimulator::with_number().await;
    let text = "\u{201c}Tomorrow\u{201d} \u{2013} it\u{2019}s free\u{2026}";
    for (setting, listed) in [("true", "\"Tomorrow\" - it's free..."), ("false", text)] {
        let service =
            simulator.create("/v1/Services", &[("FriendlyName", "d"), ("SmartEncoding", setting)]).await;
        let service = service["sid"].as_str().unwrap();
        let fields = [("To", PHONE), ("From", PRODUCT), ("Body", text), ("MessagingServiceSid", service)];
        let (_, message) = simulator.send(&fields).await;
        assert_eq!(message["body"], listed);
        let (_, message) = simulator.send(&[&fields[..], &[("SmartEncoded", "false")]].concat()).await;
        assert_eq!(message["body"], text);
    }
}
