//! `POST …/Messages.json`.

use serde_json::Value;

use crate::schema::assert_message;
use crate::support::{ACCOUNT, PHONE, PRODUCT, TOKEN, TestSimulator, client, json_fixture, read};

#[tokio::test]
async fn an_accepted_message_has_the_recorded_response() {
    let simulator = TestSimulator::with_number().await;
    let recorded = json_fixture("send_response_201_queued.json");
    let text = recorded["body"].as_str().unwrap();
    let (status, mut message) = simulator.send(&[("To", PHONE), ("From", PRODUCT), ("Body", text)]).await;
    assert_eq!(status, 201);
    assert_message(&message);
    let sid = message["sid"].as_str().unwrap().to_owned();
    assert!(message["uri"].as_str().unwrap().ends_with(&format!("{sid}.json")));
    for field in ["sid", "uri", "subresource_uris", "date_created", "date_updated"] {
        message[field] = recorded[field].clone();
    }
    assert_eq!(message, recorded);
}

#[tokio::test]
async fn a_messaging_service_accepts_first_and_counts_segments_later() {
    let simulator = TestSimulator::with_number().await;
    let service = simulator.service_with_numbers(&[]).await;
    let fields = [("To", PHONE), ("From", PRODUCT), ("MessagingServiceSid", &service), ("Body", "Hello")];
    let (status, message) = simulator.send(&fields).await;
    assert_eq!(
        (status, &message["status"], &message["num_segments"]),
        (201, &"accepted".into(), &"0".into())
    );
    assert_message(&message);
    let delivered = simulator.await_status(message["sid"].as_str().unwrap(), "delivered").await;
    assert_eq!((&delivered["num_segments"], &delivered["from"]), (&"1".into(), &PRODUCT.into()));
}

#[tokio::test]
async fn a_message_with_media_has_another_sid_and_counts_its_files() {
    let simulator = TestSimulator::with_number().await;
    let media = "https://media.example.com/plan.png?sig=abc";
    let fields = [("To", PHONE), ("From", PRODUCT), ("MediaUrl", media), ("MediaUrl", media)];
    let (status, message) = simulator.send(&fields).await;
    assert_eq!((status, &message["num_media"]), (201, &"2".into()));
    assert!(message["sid"].as_str().unwrap().starts_with("MM"));
    assert_message(&message);
}

#[tokio::test]
async fn an_invalid_message_is_refused_with_twilios_code() {
    let simulator = TestSimulator::with_number().await;
    let long = "a".repeat(1601);
    let media = ("MediaUrl", "https://media.example.com/a.png");
    let (to, from, body) = (("To", PHONE), ("From", PRODUCT), ("Body", "Hello"));
    let service = ("MessagingServiceSid", "MGaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    let cases: [(u32, &[(&str, &str)]); 16] = [
        (21604, &[from, body]),
        (21211, &[("To", "2025550143"), from, body]),
        (21211, &[("To", "+0"), from, body]),
        (21603, &[to, body]),
        (21606, &[to, ("From", "my desk"), body]),
        (21266, &[to, ("From", PHONE), body]),
        (21602, &[to, from]),
        (21602, &[to, from, ("Body", "")]),
        (21619, &[to, service]),
        (21617, &[to, from, ("Body", &long)]),
        (21620, &[to, from, ("MediaUrl", "plan.png")]),
        (21623, &[to, from, media, media, media, media, media, media, media, media, media, media, media]),
        (21705, &[to, from, body, ("MessagingServiceSid", "MG1")]),
        (21705, &[to, from, body, service]),
        (21606, &[to, ("From", "+12025550199"), body]),
        (21609, &[to, from, body, ("StatusCallback", "/status")]),
    ];
    for (code, fields) in cases {
        let (status, failure) = simulator.send(fields).await;
        assert_eq!((status, &failure["code"], &failure["status"]), (400, &code.into(), &400.into()));
    }
    assert_eq!(simulator.list(&[]).await["messages"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn errors_are_as_recorded() {
    let simulator = TestSimulator::with_number().await;
    let (_, failure) = simulator.send(&[("To", "nobody"), ("From", PRODUCT), ("Body", "Hello")]).await;
    assert_eq!(failure, json_fixture("send_error_400_21211.json"));
    let (_, failure) = simulator.send(&[("To", PHONE), ("From", PRODUCT), ("Body", &"a".repeat(1601))]).await;
    assert_eq!(failure, json_fixture("send_error_400_21617.json"));
}

#[tokio::test]
async fn sixteen_hundred_characters_are_accepted() {
    let simulator = TestSimulator::with_number().await;
    let (status, message) =
        simulator.send(&[("To", PHONE), ("From", PRODUCT), ("Body", &"\u{1f44b}".repeat(1600))]).await;
    assert_eq!((status, &message["num_segments"]), (201, &"49".into()));
}

#[tokio::test]
async fn without_valid_credentials_nothing_is_returned_or_done() {
    let simulator = TestSimulator::with_number().await;
    let control = format!("{}/_twilio/simulate/fault", simulator.base);
    let unknown = format!("{}/2010-04-01/Accounts/{ACCOUNT}/Calls.json", simulator.base);
    for url in [simulator.messages(), control, unknown] {
        for request in [client().post(&url), client().post(&url).basic_auth(ACCOUNT, Some("another token"))] {
            let (status, failure) = read(request.form(&[("Kind", "refuse")])).await.unwrap();
            assert_eq!((status, failure), (401, json_fixture("send_error_401_20003.json")));
        }
    }
    simulator.send_text("Hello").await;
}

#[tokio::test]
async fn unknown_resources_are_not_found() {
    let simulator = TestSimulator::with_number().await;
    let unknown = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages/SM{}.json", "0".repeat(32));
    let another = format!("/2010-04-01/Accounts/AC{}/Messages.json", "b".repeat(32));
    let calls = format!("/2010-04-01/Accounts/{ACCOUNT}/Calls.json");
    for path in [&unknown, &another, &calls] {
        let (status, failure) = simulator.get(path).await;
        assert_eq!((status, &failure["code"], &failure["status"]), (404, &20404.into(), &404.into()));
        assert_eq!(failure["message"], format!("The requested resource {path} was not found"));
    }
    let url = format!("{}{another}", simulator.base);
    let (status, _) =
        read(client().post(url).form(&[("To", PHONE)]).basic_auth(ACCOUNT, Some(TOKEN))).await.unwrap();
    assert_eq!(status, 404);
}
