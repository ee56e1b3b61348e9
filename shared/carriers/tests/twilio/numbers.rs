//! Searching, buying, finding and releasing numbers, against a server on loopback.

use axum::http::Method;
use serde_json::json;
use shared_carriers::twilio::{
    AvailableNumber, CallError, Country, NumberSearch, NumberWebhooks, OwnedNumber, Purchase, PurchaseError,
};

use crate::calls::{KEY, managing, refusal, sid};
use crate::support::{ACCOUNT, Server, answer, fixture_text};

const NUMBER: &str = "+12025550100";
const MESSAGES_URL: &str = "https://hooks.example.com/twilio/messages";
const VOICE_URL: &str = "https://hooks.example.com/twilio/voice";

fn search(exchange: Option<&str>, limit: u16) -> NumberSearch {
    let exchange = exchange.map(str::to_owned);
    NumberSearch { country: Country::UnitedStates, area_code: "202".into(), exchange, limit }
}

fn purchase() -> Purchase {
    Purchase {
        phone_number: NUMBER.into(),
        friendly_name: "Front desk".into(),
        webhooks: NumberWebhooks {
            messages: MESSAGES_URL.into(),
            messages_fallback: MESSAGES_URL.into(),
            calls: VOICE_URL.into(),
            calls_fallback: VOICE_URL.into(),
        },
    }
}

fn owned() -> OwnedNumber {
    OwnedNumber {
        sid: sid("PN", '1'),
        phone_number: NUMBER.into(),
        friendly_name: "Front desk".into(),
        webhooks: NumberWebhooks::default(),
        bought_at: None,
    }
}

fn list(numbers: &[serde_json::Value]) -> String {
    json!({ "incoming_phone_numbers": numbers, "page": 0, "next_page_uri": null }).to_string()
}

#[tokio::test]
async fn a_search_asks_for_numbers_with_messages_and_calls() {
    let server = Server::start([answer(200, fixture_text("numbers_search_empty.json"))]).await;
    let carrier = managing(&server.base_url);
    assert_eq!(carrier.search_numbers(&search(None, 20)).await, Ok(vec![]));
    let in_canada = NumberSearch { country: Country::Canada, ..search(Some("555"), 0) };
    assert_eq!(carrier.search_numbers(&in_canada).await, Ok(vec![]));
    let [by_area, by_exchange] = server.requests().try_into().unwrap_or_else(|_| panic!("two requests"));
    let path = |country| format!("/2010-04-01/Accounts/{ACCOUNT}/AvailablePhoneNumbers/{country}/Local.json");
    let query = "AreaCode=202&SmsEnabled=true&VoiceEnabled=true&PageSize=20";
    assert_eq!(by_area.method, Method::GET);
    assert_eq!(by_area.uri.to_string(), format!("{}?{query}", path("US")));
    assert_eq!(by_area.headers["authorization"], KEY);
    let query = "Contains=%2B1202555&SmsEnabled=true&VoiceEnabled=true&PageSize=1";
    assert_eq!(by_exchange.uri.to_string(), format!("{}?{query}", path("CA")));
}

#[tokio::test]
async fn the_recorded_search_is_read_up_to_the_limit() {
    let server = Server::start([answer(200, fixture_text("numbers_search_response.json"))]).await;
    let carrier = managing(&server.base_url);
    let numbers = carrier.search_numbers(&search(None, 20)).await.unwrap();
    let first = AvailableNumber {
        phone_number: NUMBER.into(),
        friendly_name: "(202) 555-0100".into(),
        locality: Some("Washington".into()),
        region: Some("DC".into()),
        postal_code: Some("20001".into()),
        sms: true,
        mms: true,
        voice: true,
    };
    assert_eq!((numbers.len(), &numbers[0]), (2, &first));
    assert_eq!(carrier.search_numbers(&search(None, 1)).await, Ok(vec![first]));
}

#[tokio::test]
async fn missing_properties_of_a_number_are_absent() {
    let body = json!({ "available_phone_numbers": [
        { "phone_number": NUMBER, "capabilities": { "SMS": true, "MMS": false, "voice": true }, "locality": null },
        { "phone_number": "+12025550101" },
        { "friendly_name": "no number" },
    ] });
    let server = Server::start([answer(200, body.to_string())]).await;
    let numbers = managing(&server.base_url).search_numbers(&search(None, 20)).await.unwrap();
    assert_eq!(numbers.len(), 2);
    assert_eq!((numbers[0].sms, numbers[0].mms, numbers[0].voice), (true, false, true));
    assert_eq!((numbers[0].friendly_name.as_str(), &numbers[0].locality), (NUMBER, &None));
    assert_eq!((numbers[1].sms, numbers[1].mms, numbers[1].voice), (false, false, false));
}

#[tokio::test]
async fn a_purchase_request_is_as_recorded_with_both_fallbacks() {
    let server = Server::start([answer(201, fixture_text("number_purchase_response_201.json"))]).await;
    let bought = OwnedNumber {
        webhooks: NumberWebhooks {
            messages: MESSAGES_URL.into(),
            calls: VOICE_URL.into(),
            ..NumberWebhooks::default()
        },
        bought_at: Some("2026-11-22T10:00:00Z".parse().unwrap()),
        ..owned()
    };
    assert_eq!(managing(&server.base_url).buy_number(&purchase()).await, Ok(bought));
    let request = &server.requests()[0];
    assert_eq!(request.method, Method::POST);
    assert_eq!(request.uri.to_string(), format!("/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers.json"));
    assert_eq!(request.headers["authorization"], KEY);
    assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
    let recorded = fixture_text("number_purchase_request.form");
    let fallback = |kind, path| {
        let url = format!("https%3A%2F%2Fhooks.example.com%2Ftwilio%2F{path}");
        format!("&{kind}FallbackUrl={url}&{kind}FallbackMethod=POST")
    };
    assert_eq!(request.body, recorded + &fallback("Sms", "messages") + &fallback("Voice", "voice"));
}

#[tokio::test]
async fn a_number_that_someone_else_bought_is_gone() {
    let gone = fixture_text("number_purchase_error_400_21422.json");
    let other = r#"{"code":21421,"message":"+12025550100 is invalid"}"#;
    let server = Server::start([answer(400, gone), answer(400, other)]).await;
    let carrier = managing(&server.base_url);
    assert_eq!(carrier.buy_number(&purchase()).await, Err(PurchaseError::Gone));
    let PurchaseError::Call(error) = carrier.buy_number(&purchase()).await.unwrap_err() else {
        panic!("gone")
    };
    assert_eq!(refusal(error), (Some(21421), 400, "[number] is invalid".into()));
}

#[tokio::test]
async fn an_owned_number_is_found_only_by_the_full_number() {
    let ours = json!({ "sid": sid("PN", '1'), "phone_number": NUMBER, "friendly_name": "Front desk" });
    let longer = json!({ "sid": sid("PN", '2'), "phone_number": "+120255501000", "friendly_name": null });
    let server = Server::start([
        answer(200, list(&[longer.clone(), ours])),
        answer(200, list(&[longer])),
        answer(200, list(&[])),
    ])
    .await;
    let carrier = managing(&server.base_url);
    assert_eq!(carrier.owned_number(NUMBER).await, Ok(Some(owned())));
    assert_eq!(carrier.owned_number(NUMBER).await, Ok(None));
    assert_eq!(carrier.owned_number(NUMBER).await, Ok(None));
    let request = &server.requests()[0];
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers.json");
    assert_eq!(request.method, Method::GET);
    assert_eq!(request.uri.to_string(), format!("{path}?PhoneNumber=%2B12025550100"));
    assert_eq!(request.headers["authorization"], KEY);
}

#[tokio::test]
async fn all_pages_of_the_numbers_are_listed() {
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers.json");
    let next = format!("{path}?PageSize=500&Page=1&PageToken=PA1");
    let one = json!({ "sid": sid("PN", '1'), "phone_number": NUMBER });
    let two = json!({ "sid": sid("PN", '2'), "phone_number": "+12025550101" });
    let first = json!({ "incoming_phone_numbers": [one], "next_page_uri": next }).to_string();
    let server = Server::start([answer(200, first), answer(200, list(&[two]))]).await;
    let numbers = managing(&server.base_url).owned_numbers().await.unwrap();
    let numbers: Vec<_> = numbers.into_iter().map(|number| number.phone_number).collect();
    assert_eq!(numbers, [NUMBER, "+12025550101"]);
    let uris: Vec<_> = server.requests().iter().map(|request| request.uri.to_string()).collect();
    assert_eq!(uris, [format!("{path}?PageSize=500"), next]);
}

#[tokio::test]
async fn a_list_with_an_unreadable_number_or_without_an_end_is_no_result() {
    let unreadable = list(&[json!({ "sid": "XX1", "phone_number": NUMBER })]);
    let server = Server::start([answer(200, unreadable)]).await;
    assert_eq!(managing(&server.base_url).owned_numbers().await, Err(CallError::Unknown));
    let endless = json!({ "incoming_phone_numbers": [], "next_page_uri": "/more" }).to_string();
    let server = Server::start([answer(200, endless)]).await;
    assert_eq!(managing(&server.base_url).owned_numbers().await, Err(CallError::Unknown));
    assert_eq!(server.requests().len(), 40);
}

#[tokio::test]
async fn a_url_that_is_not_called_by_post_or_that_an_application_replaces_is_not_a_webhook() {
    let number = json!({
        "sid": sid("PN", '1'), "phone_number": NUMBER, "sms_url": MESSAGES_URL, "sms_method": "GET",
        "sms_fallback_url": MESSAGES_URL, "sms_fallback_method": "POST", "sms_application_sid": "",
        "voice_url": VOICE_URL, "voice_method": "POST", "voice_application_sid": sid("AP", '1'),
    });
    let server = Server::start([answer(200, list(&[number]))]).await;
    let found = managing(&server.base_url).owned_number(NUMBER).await.unwrap().unwrap();
    let expected = NumberWebhooks { messages_fallback: MESSAGES_URL.into(), ..NumberWebhooks::default() };
    assert_eq!(found.webhooks, expected);
}

#[tokio::test]
async fn the_webhooks_of_a_number_are_set_together_without_applications() {
    let server = Server::start([answer(200, "{}")]).await;
    let number = sid("PN", '1');
    let carrier = managing(&server.base_url);
    assert_eq!(carrier.set_webhooks(&number, &purchase().webhooks).await, Ok(()));
    let request = &server.requests()[0];
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers/{number}.json");
    assert_eq!((request.method.clone(), request.uri.to_string()), (Method::POST, path));
    let fields: Vec<(String, String)> =
        form_urlencoded::parse(request.body.as_bytes()).into_owned().collect();
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    for (name, value) in [
        ("SmsUrl", MESSAGES_URL),
        ("SmsMethod", "POST"),
        ("SmsFallbackUrl", MESSAGES_URL),
        ("VoiceUrl", VOICE_URL),
        ("VoiceFallbackUrl", VOICE_URL),
        ("VoiceFallbackMethod", "POST"),
        ("SmsApplicationSid", ""),
        ("VoiceApplicationSid", ""),
    ] {
        assert_eq!(field(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn a_number_can_be_released_twice() {
    let server = Server::start([answer(204, ""), answer(404, r#"{"code":20404}"#)]).await;
    let carrier = managing(&server.base_url);
    let number = sid("PN", '1');
    for _ in 0..2 {
        assert_eq!(carrier.release_number(&number).await, Ok(()));
    }
    let request = &server.requests()[0];
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers/{number}.json");
    assert_eq!((request.method.clone(), request.uri.to_string()), (Method::DELETE, path));
    assert_eq!(request.headers["authorization"], KEY);
}

#[tokio::test]
async fn nothing_private_is_shown() {
    let server = Server::start([answer(200, fixture_text("numbers_search_response.json"))]).await;
    let found = managing(&server.base_url).search_numbers(&search(None, 20)).await.unwrap();
    let shown = format!("{found:?} {:?} {:?}", owned(), PurchaseError::Call(CallError::Unknown));
    assert!(!shown.contains("555"), "{shown}");
}
