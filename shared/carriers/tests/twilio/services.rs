//! Messaging Services and their numbers, against a server on loopback.

use axum::http::Method;
use serde_json::{Value, json};
use shared_carriers::twilio::{CallError, MessagingService};

use crate::calls::{KEY, managing, refusal, sid};
use crate::support::{Server, answer};

fn service(digit: char, friendly_name: &str) -> MessagingService {
    MessagingService { sid: sid("MG", digit), friendly_name: friendly_name.into() }
}

fn wire(digit: char, friendly_name: &str) -> Value {
    json!({ "sid": sid("MG", digit), "friendly_name": friendly_name, "use_inbound_webhook_on_number": true })
}

fn page(services: &[Value], next_page_url: Option<&str>) -> String {
    json!({ "services": services, "meta": { "next_page_url": next_page_url, "page": 0 } }).to_string()
}

#[tokio::test]
async fn the_numbers_of_a_service_keep_their_webhooks() {
    let server = Server::start([answer(201, wire('a', "Team 1").to_string())]).await;
    let made = managing(&server.base_url).create_service("Team 1").await;
    assert_eq!(made, Ok(service('a', "Team 1")));
    let request = &server.requests()[0];
    assert_eq!((request.method.clone(), request.uri.to_string()), (Method::POST, "/v1/Services".into()));
    assert_eq!(request.headers["authorization"], KEY);
    assert_eq!(request.body, "FriendlyName=Team+1&UseInboundWebhookOnNumber=true&SmartEncoding=false");
}

#[tokio::test]
async fn a_service_is_found_by_its_full_name_on_any_page() {
    let next = "https://messaging.twilio.com/v1/Services?PageSize=1000&Page=1&PageToken=PAMG1";
    let server = Server::start([
        answer(200, page(&[wire('a', "Team 12"), json!({ "sid": sid("MG", 'b') })], Some(next))),
        answer(200, page(&[wire('c', "Team 1"), wire('d', "Team 1")], Some(next))),
    ])
    .await;
    let found = managing(&server.base_url).find_service("Team 1").await;
    assert_eq!(found, Ok(Some(service('c', "Team 1"))));
    let requests = server.requests();
    let asked: Vec<_> = requests.iter().map(|request| request.uri.to_string()).collect();
    let pages = ["/v1/Services?PageSize=1000", "/v1/Services?PageSize=1000&Page=1&PageToken=PAMG1"];
    assert_eq!(asked, pages, "on our own base, whatever host the list names");
    assert!(requests.iter().all(|request| request.headers["authorization"] == KEY));
}

#[tokio::test]
async fn an_unknown_service_is_none() {
    for body in [page(&[wire('a', "Team 12")], None), json!({ "services": [] }).to_string()] {
        let server = Server::start([answer(200, body)]).await;
        assert_eq!(managing(&server.base_url).find_service("Team 1").await, Ok(None));
    }
}

#[tokio::test]
async fn an_endless_list_is_an_error() {
    let next = "https://messaging.twilio.com/v1/Services?Page=1";
    let server = Server::start([answer(200, page(&[], Some(next)))]).await;
    assert_eq!(managing(&server.base_url).find_service("Team 1").await, Err(CallError::Unknown));
    assert_eq!(server.requests().len(), 20);
}

#[tokio::test]
async fn a_page_outside_the_api_is_not_requested() {
    for elsewhere in ["https://elsewhere.test/", "/v1/Services", "@elsewhere.test/v1/", "https://a.test/v1"] {
        let server = Server::start([answer(200, page(&[], Some(elsewhere)))]).await;
        let found = managing(&server.base_url).find_service("Team 1").await;
        assert_eq!(found, Err(CallError::Unknown), "{elsewhere}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_number_can_be_added_twice() {
    let (service, number) = (sid("MG", 'a'), sid("PN", '1'));
    for (status, body) in [
        (201, json!({ "sid": number, "service_sid": service }).to_string()),
        (200, "{}".into()),
        (409, r#"{"code":21710,"message":"Phone Number or Short Code is already in the service"}"#.into()),
        (400, r#"{"code":21710}"#.into()),
        (409, "conflict".into()),
    ] {
        let server = Server::start([answer(status, body)]).await;
        assert_eq!(managing(&server.base_url).add_number(&service, &number).await, Ok(()), "{status}");
        let request = &server.requests()[0];
        assert_eq!(request.method, Method::POST);
        assert_eq!(request.uri.to_string(), format!("/v1/Services/{service}/PhoneNumbers"));
        assert_eq!(request.headers["authorization"], KEY);
        assert_eq!(request.body, format!("PhoneNumberSid={number}"));
    }
}

#[tokio::test]
async fn a_number_in_another_service_is_refused() {
    let body = r#"{"code":21712,"message":"Associated with another Messaging Service"}"#;
    let server = Server::start([answer(409, body)]).await;
    let added = managing(&server.base_url).add_number(&sid("MG", 'a'), &sid("PN", '1')).await;
    let sentence = "Associated with another Messaging Service";
    assert_eq!(refusal(added.unwrap_err()), (Some(21712), 409, sentence.into()));
}

#[tokio::test]
async fn a_number_can_be_removed_twice() {
    let (service, number) = (sid("MG", 'a'), sid("PN", '1'));
    let server = Server::start([answer(204, ""), answer(404, r#"{"code":20404}"#)]).await;
    let carrier = managing(&server.base_url);
    for _ in 0..2 {
        assert_eq!(carrier.remove_number(&service, &number).await, Ok(()));
    }
    let request = &server.requests()[0];
    let path = format!("/v1/Services/{service}/PhoneNumbers/{number}");
    assert_eq!((request.method.clone(), request.uri.to_string()), (Method::DELETE, path));
    assert_eq!(request.headers["authorization"], KEY);
}
