//! Faults of requests about numbers and services.

use serde_json::Value;

use crate::support::{ACCOUNT, HOLD, PHONE, PRODUCT, TOKEN, TestSimulator, client, read};

const NUMBER: [(&str, &str); 1] = [("PhoneNumber", "+12025552000")];
const SERVICE: [(&str, &str); 1] = [("FriendlyName", "Desk")];

async fn set(simulator: &TestSimulator, kind: &str, target: &str, count: &str) {
    let (status, answer) =
        simulator.control("fault", &[("Kind", kind), ("On", target), ("Count", count)]).await;
    assert_eq!((status, &answer["on"]), (200, &target.into()), "{answer}");
}

async fn owned(simulator: &TestSimulator) -> usize {
    simulator.get(&TestSimulator::numbers()).await.1["incoming_phone_numbers"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_refused_purchase_buys_nothing_and_other_requests_succeed() {
    let simulator = TestSimulator::with_number().await;
    let cases = [
        ("refuse", 400, 21422),
        ("refuse:21421", 400, 21421),
        ("rate-limit", 429, 20429),
        ("error-before", 500, 20500),
    ];
    for (kind, status, code) in cases {
        set(&simulator, kind, "purchases", "1").await;
        assert_eq!(owned(&simulator).await, 1);
        assert_eq!(
            simulator.get(&TestSimulator::account("AvailablePhoneNumbers/US/Local.json")).await.0,
            200
        );
        assert_eq!(simulator.send(&[("To", PHONE), ("From", PRODUCT), ("Body", "Hello")]).await.0, 201);
        let (answer, failure) = simulator.post_to(&TestSimulator::numbers(), &NUMBER).await;
        assert_eq!((answer, &failure["code"]), (status, &code.into()), "{kind}");
        assert_eq!(owned(&simulator).await, 1);
    }
    simulator.buy(NUMBER[0].1).await;
}

#[tokio::test]
async fn a_fault_on_numbers_affects_search_listing_purchase_and_release() {
    let simulator = TestSimulator::start().await;
    let number = simulator.buy("+12025552001").await;
    set(&simulator, "rate-limit", "numbers", "5").await;
    let search = TestSimulator::account("AvailablePhoneNumbers/US/Local.json?AreaCode=202");
    assert_eq!(simulator.get(&search).await.0, 429);
    assert_eq!(simulator.get(&TestSimulator::numbers()).await.0, 429);
    assert_eq!(simulator.post_to(&TestSimulator::numbers(), &NUMBER).await.0, 429);
    assert_eq!(simulator.get(&TestSimulator::number(&number)).await.0, 429);
    assert_eq!(simulator.delete(&TestSimulator::number(&number)).await, (429, 20429.into()));
    assert_eq!(simulator.get("/v1/Services").await.0, 200);
    assert_eq!(owned(&simulator).await, 1);
}

#[tokio::test]
async fn a_fault_of_a_number_leaves_requests_about_others_alone() {
    let simulator = TestSimulator::with_number().await;
    let number = NUMBER[0].1;
    for (kind, on) in [("error-after", "purchases"), ("error-before", "numbers")] {
        let fields = [("Kind", kind), ("On", on), ("Phone", number)];
        assert_eq!(simulator.control("fault", &fields).await.0, 200, "{on}");
    }
    let named = |number: &str| format!("{}?PhoneNumber=%2B{}", TestSimulator::numbers(), &number[1..]);
    assert_eq!(owned(&simulator).await, 1);
    assert_eq!(simulator.get(&named(PRODUCT)).await.0, 200);
    simulator.buy("+12025552001").await;
    assert_eq!(simulator.post_to(&TestSimulator::numbers(), &NUMBER).await.0, 500);
    assert_eq!(owned(&simulator).await, 3, "it was bought");
    let statuses = [simulator.get(&named(number)).await.0, simulator.get(&named(number)).await.0];
    assert_eq!(statuses, [500, 200]);
    let of_services = [("Kind", "down"), ("On", "services"), ("Phone", number)];
    assert_eq!(simulator.control("fault", &of_services).await.0, 400);
}

#[tokio::test]
async fn an_error_after_acceptance_keeps_the_resource_and_does_not_replace_a_refusal() {
    let simulator = TestSimulator::start().await;
    set(&simulator, "error-after", "purchases", "2").await;
    let (status, failure) = simulator.post_to(&TestSimulator::numbers(), &NUMBER).await;
    assert_eq!((status, &failure["code"]), (500, &20500.into()));
    assert_eq!(owned(&simulator).await, 1);
    let (status, failure) = simulator.post_to(&TestSimulator::numbers(), &NUMBER).await;
    assert_eq!((status, &failure["code"]), (400, &21422.into()));

    set(&simulator, "error-after", "services", "1").await;
    assert_eq!(simulator.post_to("/v1/Services", &SERVICE).await.0, 500);
    assert_eq!(simulator.get("/v1/Services").await.1["services"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_timeout_after_acceptance_keeps_the_resource() {
    let simulator = TestSimulator::start().await;
    set(&simulator, "timeout-after", "services", "1").await;
    let request = client().post(format!("{}/v1/Services", simulator.base)).form(&SERVICE);
    let impatient = read(request.basic_auth(ACCOUNT, Some(TOKEN)).timeout(HOLD / 3)).await;
    assert!(impatient.is_err_and(|error| error.is_timeout()));
    assert_eq!(simulator.get("/v1/Services").await.1["services"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_fault_on_services_affects_everything_below_them_and_nothing_else() {
    let simulator = TestSimulator::start().await;
    let service = simulator.new_service().await;
    set(&simulator, "refuse:20429", "services", "3").await;
    for path in ["", "/PhoneNumbers", "/Compliance/Usa2p"] {
        assert_eq!(simulator.get("/v1/a2p/BrandRegistrations").await.0, 200);
        assert_eq!(simulator.get("/v1/Sinks").await.0, 200);
        assert_eq!(simulator.get(&format!("/v1/Services/{service}{path}")).await.0, 429);
    }
    assert_eq!(simulator.get("/v1/Services").await.0, 200);
}

#[tokio::test]
async fn none_ends_the_faults_of_one_target_or_all() {
    let simulator = TestSimulator::with_number().await;
    for target in ["messages", "purchases", "services"] {
        set(&simulator, "rate-limit", target, "9").await;
    }
    set(&simulator, "none", "services", "1").await;
    assert_eq!(simulator.get("/v1/Services").await.0, 200);
    assert_eq!(simulator.post_to(&TestSimulator::numbers(), &NUMBER).await.0, 429);
    let text = [("To", PHONE), ("From", PRODUCT), ("Body", "Hello")];
    assert_eq!(simulator.send(&text).await.0, 429);
    let (_, answer) = simulator.control("fault", &[("Kind", "none")]).await;
    assert_eq!(answer["on"], Value::Null);
    assert_eq!(simulator.post_to(&TestSimulator::numbers(), &NUMBER).await.0, 201);
    assert_eq!(simulator.send(&text).await.0, 201);
    for wrong in [&[("Kind", "refuse"), ("On", "brands")][..], &[("Kind", "silent"), ("On", "numbers")]] {
        assert_eq!(simulator.control("fault", wrong).await.0, 400);
    }
}

#[tokio::test]
async fn a_request_without_credentials_does_not_use_up_a_fault() {
    let simulator = TestSimulator::start().await;
    set(&simulator, "rate-limit", "services", "1").await;
    let anonymous = client().get(format!("{}/v1/Services", simulator.base)).send().await.unwrap();
    assert_eq!(anonymous.status(), 401);
    assert_eq!(simulator.get("/v1/Services").await.0, 429);
}
