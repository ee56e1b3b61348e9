//! Messaging services, their numbers, and brands.

use serde_json::Value;

use crate::registration::sid;
use crate::schema::{Api, assert_answer};
use crate::support::{TestSimulator, client};

const ONE: &str = "/v1/Services/{Sid}";
const NUMBERS: &str = "/v1/Services/{ServiceSid}/PhoneNumbers";
const NUMBER: &str = "/v1/Services/{ServiceSid}/PhoneNumbers/{Sid}";
const BRANDS: &str = "/v1/a2p/BrandRegistrations";

fn check(operation: &str, status: u16, answer: &(u16, Value)) {
    assert_eq!(answer.0, status, "{operation}: {}", answer.1);
    assert_answer(Api::Messaging, operation, status, &answer.1);
}

#[tokio::test]
async fn a_service_is_created_changed_fetched_and_deleted() {
    let simulator = TestSimulator::start().await;
    let fields =
        [("FriendlyName", "Desk"), ("InboundRequestUrl", "https://hooks.test"), ("StickySender", "false")];
    let made = simulator.post_to("/v1/Services", &fields).await;
    check("POST /v1/Services", 201, &made);
    assert_eq!((&made.1["friendly_name"], &made.1["sticky_sender"]), (&"Desk".into(), &false.into()));
    let path = format!("/v1/Services/{}", sid(&made.1));
    let fetched = simulator.get_url(made.1["url"].as_str().unwrap()).await;
    check(&format!("GET {ONE}"), 200, &fetched);
    assert_eq!(fetched.1, made.1);
    let change = [("UseInboundWebhookOnNumber", "true"), ("InboundRequestUrl", "")];
    let updated = simulator.post_to(&path, &change).await;
    check(&format!("POST {ONE}"), 200, &updated);
    assert_eq!(
        (&updated.1["use_inbound_webhook_on_number"], &updated.1["inbound_request_url"]),
        (&true.into(), &Value::Null)
    );
    assert_eq!(simulator.post_to(&path, &[("StickySender", "maybe")]).await.0, 400);
    assert_eq!(simulator.post_to("/v1/Services", &[]).await.0, 400);
    assert_eq!(simulator.delete(&path).await, (204, Value::Null));
    assert_eq!(simulator.delete(&path).await, (404, 20404.into()));
    assert_eq!(simulator.get(&path).await.0, 404);
    assert_eq!(simulator.post_to(&path, &change).await.0, 404);
}

#[tokio::test]
async fn lists_have_pages_that_link_to_each_other() {
    let simulator = TestSimulator::start().await;
    let (first, second, third) =
        (simulator.new_service().await, simulator.new_service().await, simulator.new_service().await);
    let sids = |list: &Value| list["services"].as_array().unwrap().iter().map(sid).collect::<Vec<_>>();
    let page = simulator.get("/v1/Services?PageSize=2").await;
    check("GET /v1/Services", 200, &page);
    assert_eq!(sids(&page.1), [third, second]);
    let meta = &page.1["meta"];
    assert_eq!((&meta["key"], &meta["page"], &meta["page_size"]), (&"services".into(), &0.into(), &2.into()));
    assert!(meta["previous_page_url"].is_null());
    let next = simulator.get_url(meta["next_page_url"].as_str().unwrap()).await;
    check("GET /v1/Services", 200, &next);
    assert_eq!((sids(&next.1), &next.1["meta"]["next_page_url"]), (vec![first], &Value::Null));
    let back = simulator.get_url(next.1["meta"]["previous_page_url"].as_str().unwrap()).await;
    assert_eq!(back, page);
    assert_eq!(simulator.get_url(next.1["meta"]["first_page_url"].as_str().unwrap()).await, page);
    let beyond = simulator.get("/v1/Services?PageSize=2&Page=9").await;
    check("GET /v1/Services", 200, &beyond);
    assert!(sids(&beyond.1).is_empty());
    assert_eq!(simulator.get("/v1/Services?Page=x").await.0, 400);
    assert_eq!(simulator.get("/v1/Services").await.1["meta"]["page_size"], 50);
}

#[tokio::test]
async fn a_number_is_in_one_service_at_most() {
    let simulator = TestSimulator::start().await;
    let (number, service, other) =
        (simulator.buy("+12025552000").await, simulator.new_service().await, simulator.new_service().await);
    let (path, others) =
        (format!("/v1/Services/{service}/PhoneNumbers"), format!("/v1/Services/{other}/PhoneNumbers"));
    let fields = [("PhoneNumberSid", number.as_str())];
    let added = simulator.post_to(&path, &fields).await;
    check(&format!("POST {NUMBERS}"), 201, &added);
    assert_eq!(
        (&added.1["phone_number"], &added.1["service_sid"]),
        (&"+12025552000".into(), &service.clone().into())
    );
    for (path, code) in [(&path, 21710), (&others, 21712)] {
        let (status, failure) = simulator.post_to(path, &fields).await;
        assert_eq!((status, &failure["code"]), (409, &code.into()));
    }
    let unknown = format!("PN{}", "0".repeat(32));
    assert_eq!(simulator.post_to(&path, &[("PhoneNumberSid", &unknown)]).await.1["code"], 20404);
    assert_eq!(simulator.post_to(&path, &[]).await.0, 400);
    assert_eq!(simulator.post_to("/v1/Services/MG1/PhoneNumbers", &fields).await.0, 404);

    let fetched = simulator.get_url(added.1["url"].as_str().unwrap()).await;
    check(&format!("GET {NUMBER}"), 200, &fetched);
    let list = simulator.get(&path).await;
    check(&format!("GET {NUMBERS}"), 200, &list);
    assert_eq!(list.1["phone_numbers"].as_array().unwrap(), &[fetched.1]);
    assert_eq!(simulator.get("/v1/Services/MG1/PhoneNumbers").await.0, 404);

    let place = format!("{path}/{number}");
    assert_eq!(simulator.delete(&format!("{others}/{number}")).await.0, 404);
    assert_eq!(simulator.delete(&place).await, (204, Value::Null));
    assert_eq!((simulator.delete(&place).await.0, simulator.get(&place).await.0), (404, 404));
    assert_eq!(simulator.post_to(&others, &fields).await.0, 201);
}

#[tokio::test]
async fn a_number_leaves_its_service_when_either_is_deleted() {
    let simulator = TestSimulator::start().await;
    let (number, service) = (simulator.buy("+12025552000").await, simulator.new_service().await);
    simulator.add_number(&service, &number).await;
    simulator.delete(&TestSimulator::number(&number)).await;
    let path = format!("/v1/Services/{service}/PhoneNumbers");
    assert_eq!(simulator.get(&path).await.1["phone_numbers"], Value::Array(vec![]));
    assert_eq!(simulator.get(&format!("{path}/{number}")).await.0, 404);

    let number = simulator.buy("+12025552000").await;
    simulator.add_number(&service, &number).await;
    simulator.delete(&format!("/v1/Services/{service}")).await;
    assert_eq!(simulator.get(&TestSimulator::number(&number)).await.0, 200);
    let next = simulator.new_service().await;
    simulator.add_number(&next, &number).await;
}

#[tokio::test]
async fn a_brand_is_approved_at_once() {
    let simulator = TestSimulator::start().await;
    let (customer, profile) = (format!("BU{}", "a".repeat(32)), format!("BU{}", "b".repeat(32)));
    let fields = [
        ("CustomerProfileBundleSid", customer.as_str()),
        ("A2PProfileBundleSid", &profile),
        ("Mock", "true"),
    ];
    let brand = simulator.post_to(BRANDS, &fields).await;
    check(&format!("POST {BRANDS}"), 201, &brand);
    assert_eq!((&brand.1["status"], &brand.1["mock"]), (&"APPROVED".into(), &true.into()));
    let fetched = simulator.get_url(brand.1["url"].as_str().unwrap()).await;
    check(&format!("GET {BRANDS}/{{Sid}}"), 200, &fetched);
    let list = simulator.get(BRANDS).await;
    check(&format!("GET {BRANDS}"), 200, &list);
    assert_eq!((&list.1["meta"]["key"], &list.1["data"][0]), (&"data".into(), &fetched.1));
    assert_eq!(simulator.post_to(BRANDS, &fields[..1]).await.0, 400);
    assert_eq!(simulator.post_to(BRANDS, &[fields[0], ("A2PProfileBundleSid", "BU1")]).await.0, 400);
    assert_eq!(simulator.get(&format!("{BRANDS}/BN1")).await.0, 404);
}

#[tokio::test]
async fn every_route_requires_authentication() {
    let simulator = TestSimulator::start().await;
    let paths = ["/v1/Services", BRANDS, "/v1/Sinks", "/v1/Subscriptions", &TestSimulator::numbers()];
    for path in paths {
        let response = client().get(format!("{}{path}", simulator.base)).send().await.unwrap();
        assert_eq!(response.status(), 401, "{path}");
    }
    let redelivery = format!("{}/_twilio/simulate/redeliver-event", simulator.base);
    assert_eq!(client().post(redelivery).send().await.unwrap().status(), 401);
}
