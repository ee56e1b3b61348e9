//! Every kind of response to every call that manages the account.

use std::time::Duration;

use shared_carriers::twilio::{
    CallError, CampaignDetails, Client, Country, NumberSearch, NumberWebhooks, Purchase, PurchaseError,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{Answer, Server, answer, client, impatient_client};

pub(crate) const KEY: &str = "Basic U0trZXk6b3BlbiBzZXNhbWU=";

pub(crate) fn sid(kind: &str, digit: char) -> String {
    format!("{kind}{}", digit.to_string().repeat(32))
}

pub(crate) fn managing(base_url: &str) -> Client {
    client(base_url).with_messaging_url(&format!("{base_url}/")).unwrap()
}

pub(crate) fn refusal(error: CallError) -> (Option<u32>, u16, String) {
    match error {
        CallError::Refused { code, http_status, message } => (code, http_status, message),
        other => panic!("{other:?}"),
    }
}

fn search() -> NumberSearch {
    NumberSearch { country: Country::UnitedStates, area_code: "202".into(), exchange: None, limit: 20 }
}

fn purchase() -> Purchase {
    Purchase {
        phone_number: "+12025550100".into(),
        friendly_name: "Front desk".into(),
        webhooks: NumberWebhooks::of_product("https://hooks.example.com"),
    }
}

fn details() -> CampaignDetails {
    CampaignDetails {
        brand_sid: sid("BN", 'a'),
        use_case: "LOW_VOLUME".into(),
        description: "Replies of our front desk.".into(),
        message_flow: "People ask for it at the desk.".into(),
        message_samples: vec!["Your visit is on Friday.".into()],
        has_embedded_links: false,
        has_embedded_phone: false,
        privacy_policy_url: None,
        terms_url: None,
    }
}

/// Makes every call once. Returns the results by name.
pub(crate) async fn every_call(carrier: &Client) -> Vec<(&'static str, Result<(), CallError>)> {
    let (service, number, campaign) = (sid("MG", 'a'), sid("PN", '1'), sid("QE", 'a'));
    let bought = match carrier.buy_number(&purchase()).await {
        Ok(_) => Ok(()),
        Err(PurchaseError::Call(error)) => Err(error),
        Err(PurchaseError::Gone) => panic!("gone"),
    };
    vec![
        ("search_numbers", carrier.search_numbers(&search()).await.map(drop)),
        ("buy_number", bought),
        ("owned_number", carrier.owned_number("+12025550100").await.map(drop)),
        ("owned_numbers", carrier.owned_numbers().await.map(drop)),
        ("set_webhooks", carrier.set_webhooks(&number, &purchase().webhooks).await),
        ("release_number", carrier.release_number(&number).await),
        ("create_service", carrier.create_service("Team").await.map(drop)),
        ("find_service", carrier.find_service("Team").await.map(drop)),
        ("add_number", carrier.add_number(&service, &number).await),
        ("remove_number", carrier.remove_number(&service, &number).await),
        ("create_campaign", carrier.create_campaign(&service, &details()).await.map(drop)),
        ("update_campaign", carrier.update_campaign(&service, &campaign, &details()).await.map(drop)),
        ("fetch_campaign", carrier.fetch_campaign(&service, &campaign).await.map(drop)),
        ("find_campaign", carrier.find_campaign(&service).await.map(drop)),
        ("delete_campaign", carrier.delete_campaign(&service, &campaign).await),
    ]
}

const DELETIONS: [&str; 3] = ["release_number", "remove_number", "delete_campaign"];

/// Calls whose response body is ignored.
const UNREAD: [&str; 5] =
    ["set_webhooks", "release_number", "add_number", "remove_number", "delete_campaign"];

async fn answered(given: Answer) -> Vec<(&'static str, Result<(), CallError>)> {
    let server = Server::start([given]).await;
    let ended = every_call(&managing(&server.base_url)).await;
    assert_eq!(server.requests().len(), ended.len(), "one request each, whatever the answer");
    ended
}

#[tokio::test]
async fn too_many_requests_and_a_missing_connection_mean_unavailable() {
    let mut ended = answered(answer(429, "slow down")).await;
    ended.extend(answered(answer(400, r#"{"code":20429,"message":"Too many requests"}"#)).await);
    ended.extend(every_call(&managing("http://carrier.invalid")).await);
    for (call, ended) in ended {
        assert_eq!(ended, Err(CallError::Unavailable), "{call}");
    }
}

#[tokio::test]
async fn after_errors_of_the_carrier_the_result_is_unknown() {
    for status in [307, 408, 500, 502, 503, 504] {
        for (call, ended) in answered(answer(status, r#"{"code":20500}"#)).await {
            assert_eq!(ended, Err(CallError::Unknown), "{call} {status}");
        }
    }
}

#[tokio::test]
async fn after_an_unreadable_success_the_result_is_unknown() {
    for body in
        ["", "garbage", "{}", "[]", r#"{"sid":"XX1","phone_number":"+12025550100"}"#, r#"{"sid":null}"#]
    {
        for (call, ended) in answered(answer(200, body)).await {
            let expected = if UNREAD.contains(&call) { Ok(()) } else { Err(CallError::Unknown) };
            assert_eq!(ended, expected, "{call} {body}");
        }
    }
}

#[tokio::test]
async fn after_a_timeout_the_result_is_unknown() {
    let server = Server::start([answer(201, "{}").after(Duration::from_secs(5))]).await;
    let hasty = impatient_client(&server.base_url, Duration::from_secs(1));
    assert_eq!(hasty.buy_number(&purchase()).await, Err(CallError::Unknown.into()));
    let hasty = hasty.with_messaging_url(&server.base_url).unwrap();
    assert_eq!(hasty.create_service("Team").await, Err(CallError::Unknown));
    assert_eq!(server.requests().len(), 2, "they were received");
}

#[tokio::test]
async fn after_a_lost_connection_or_an_incomplete_response_the_result_is_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let carrier = client(&format!("http://{}", listener.local_addr().unwrap()));
    tokio::spawn(async move {
        for said in ["", "HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{\"sid\":"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"VoiceMethod=POST") {
                assert!(stream.read_buf(&mut request).await.unwrap() > 0, "the request ended early");
            }
            stream.write_all(said.as_bytes()).await.unwrap();
        }
    });
    for _ in 0..2 {
        assert_eq!(carrier.buy_number(&purchase()).await, Err(CallError::Unknown.into()));
    }
}

#[tokio::test]
async fn a_refusal_has_its_code_and_its_message() {
    let body = r#"{"code":20003,"message":"Authenticate, or call (202) 555-0143","more_info":"https://x","status":401}"#;
    for (call, ended) in answered(answer(401, body)).await {
        let error = ended.unwrap_err();
        assert!(!error.is_not_found(), "{call}");
        assert_eq!(refusal(error), (Some(20003), 401, "Authenticate, or call [number]".into()), "{call}");
    }
}

#[tokio::test]
async fn a_refusal_without_a_code_or_a_message_is_still_a_refusal() {
    for body in ["<html>", "", r#"{"code":null,"message":" "}"#, r#"{"code":"x"}"#] {
        for (call, ended) in answered(answer(403, body)).await {
            let sentence = "The carrier refused the request with status 403.";
            assert_eq!(refusal(ended.unwrap_err()), (None, 403, sentence.into()), "{call}");
        }
    }
}

#[tokio::test]
async fn a_missing_resource_is_distinguished_and_counts_as_deleted() {
    for (status, body) in
        [(404, r#"{"code":20404,"message":"Not found"}"#), (404, ""), (400, r#"{"code":20404}"#)]
    {
        for (call, ended) in answered(answer(status, body)).await {
            match ended {
                Ok(()) => assert!(DELETIONS.contains(&call), "{call}"),
                Err(error) => assert!(error.is_not_found() && !DELETIONS.contains(&call), "{call} {error:?}"),
            }
        }
    }
    assert!(!CallError::Unavailable.is_not_found() && !CallError::Unknown.is_not_found());
}

#[tokio::test]
async fn an_invalid_sid_does_not_become_part_of_a_url() {
    let server = Server::start([answer(204, "")]).await;
    let carrier = managing(&server.base_url);
    let (service, number) = (sid("MG", 'a'), sid("PN", '1'));
    let wrong = "../Messages";
    for ended in [
        carrier.release_number(wrong).await,
        carrier.add_number(wrong, &number).await,
        carrier.add_number(&service, wrong).await,
        carrier.remove_number(wrong, &number).await,
        carrier.remove_number(&service, wrong).await,
        carrier.find_campaign(wrong).await.map(drop),
        carrier.fetch_campaign(&service, wrong).await.map(drop),
        carrier.create_campaign(wrong, &details()).await.map(drop),
        carrier.update_campaign(&service, wrong, &details()).await.map(drop),
        carrier.delete_campaign(&service, wrong).await,
    ] {
        let (code, http_status, message) = refusal(ended.unwrap_err());
        assert_eq!((code, http_status), (None, 400));
        assert_eq!(message, "The resource's identifier is malformed.");
    }
    assert!(server.requests().is_empty());
}

#[test]
fn the_messaging_url_must_be_valid() {
    for wrong in ["", "messaging.twilio.com", "ftp://messaging.twilio.com", "https://a.test?b=c"] {
        assert!(client("https://api.twilio.com").with_messaging_url(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn nothing_private_is_shown() {
    let refused = CallError::Refused {
        code: Some(21422),
        http_status: 400,
        message: "Front desk is no good name".into(),
    };
    let shown = format!("{refused} {refused:?} {:?} {:?}", purchase(), details());
    for private in ["2025550", "Front desk", "front desk", "Friday", "People"] {
        assert!(!shown.contains(private), "{shown}");
    }
    assert_eq!(refused.to_string(), "the carrier refused with status 400 and code Some(21422)");
}
