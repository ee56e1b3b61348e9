//! Faults of sending.

use std::time::Duration;

use crate::support::{ACCOUNT, HOLD, PHONE, PRODUCT, TOKEN, TestSimulator, client, json_fixture, read};

const TEXT: [(&str, &str); 3] = [("To", PHONE), ("From", PRODUCT), ("Body", "Hello")];

async fn sent(simulator: &TestSimulator) -> usize {
    simulator.list(&[("To", PHONE)]).await["messages"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_refused_message_is_not_stored() {
    let simulator = TestSimulator::with_number().await;
    let cases = [
        ("refuse", 400, Some("send_error_400_21211.json")),
        ("refuse:21610", 400, Some("send_error_400_21610.json")),
        ("refuse:21611", 429, Some("send_error_429_21611.json")),
        ("refuse:30999", 400, None),
        ("rate-limit", 429, Some("send_error_429_20429.json")),
        ("error-before", 500, None),
    ];
    for (kind, expected, recorded) in cases {
        assert_eq!(simulator.control("fault", &[("Kind", kind)]).await.0, 200);
        let (status, failure) = simulator.send(&TEXT).await;
        assert_eq!(status, expected, "{kind}");
        if let Some(recorded) = recorded {
            assert_eq!(failure, json_fixture(recorded));
        }
    }
    assert_eq!(sent(&simulator).await, 0);
    assert_eq!(simulator.send(&TEXT).await.0, 201);
}

#[tokio::test]
async fn a_fault_lasts_for_its_count_and_none_ends_it() {
    let simulator = TestSimulator::with_number().await;
    simulator.control("fault", &[("Kind", "rate-limit"), ("Count", "2")]).await;
    let statuses =
        [simulator.send(&TEXT).await.0, simulator.send(&TEXT).await.0, simulator.send(&TEXT).await.0];
    assert_eq!(statuses, [429, 429, 201]);
    simulator.control("fault", &[("Kind", "rate-limit"), ("Count", "2")]).await;
    simulator.control("fault", &[("Kind", "none")]).await;
    assert_eq!(simulator.send(&TEXT).await.0, 201);
}

#[tokio::test]
async fn after_an_error_the_accepted_message_is_delivered() {
    let simulator = TestSimulator::with_number().await;
    simulator.control("fault", &[("Kind", "down-after")]).await;
    let request = client().post(simulator.messages()).form(&TEXT).basic_auth(ACCOUNT, Some(TOKEN));
    assert_eq!(request.send().await.unwrap().status(), 503); // with the body of a proxy, which is no JSON
    assert_eq!(sent(&simulator).await, 1);
    let simulator = TestSimulator::with_number().await;
    simulator.control("fault", &[("Kind", "error-after")]).await;
    let callback = simulator.product.status_callback();
    let (status, failure) = simulator.send(&[&TEXT[..], &[("StatusCallback", &callback)]].concat()).await;
    assert_eq!((status, &failure["code"]), (500, &20500.into()));
    assert_eq!(sent(&simulator).await, 1);
    assert_eq!(simulator.product.await_requests(4).await[3].field("MessageStatus"), "delivered");
}

#[tokio::test]
async fn after_a_timeout_the_accepted_message_is_delivered() {
    let simulator = TestSimulator::with_number().await;
    simulator.control("fault", &[("Kind", "timeout-after"), ("Count", "2")]).await;
    let request = || client().post(simulator.messages()).form(&TEXT).basic_auth(ACCOUNT, Some(TOKEN));
    let impatient = read(request().timeout(HOLD / 3)).await;
    assert!(impatient.is_err_and(|error| error.is_timeout()));
    assert_eq!(sent(&simulator).await, 1);
    let (status, message) = read(request().timeout(HOLD + Duration::from_secs(10))).await.unwrap();
    assert_eq!(status, 201);
    simulator.await_status(message["sid"].as_str().unwrap(), "delivered").await;
}

#[tokio::test]
async fn a_silent_carrier_accepts_messages_and_sends_no_callbacks() {
    let simulator = TestSimulator::with_number().await;
    simulator.control("fault", &[("Kind", "silent")]).await;
    let silent = simulator.send_text("Hello").await;
    simulator.await_status(silent["sid"].as_str().unwrap(), "sent").await;
    let message = simulator.send_text("Hello").await;
    simulator.product.await_requests(4).await;
    assert!(
        simulator.product.received().iter().all(|callback| callback.field("MessageSid") == message["sid"])
    );
    simulator.await_status(silent["sid"].as_str().unwrap(), "sent").await;
}

#[tokio::test]
async fn a_fault_of_a_phone_leaves_messages_to_others_alone() {
    let simulator = TestSimulator::with_number().await;
    let to = |phone| [("To", phone), ("From", PRODUCT), ("Body", "Hello")];
    let other = "+12065550142";
    simulator.control("fault", &[("Kind", "refuse"), ("Phone", PHONE)]).await;
    let statuses =
        [simulator.send(&to(other)).await.0, simulator.send(&TEXT).await.0, simulator.send(&TEXT).await.0];
    assert_eq!(statuses, [201, 400, 201]);
    let fault = async |kind, on| {
        let fields = [("Kind", kind), ("Phone", PHONE), ("On", on)];
        assert_eq!(simulator.control("fault", &fields).await.0, 200, "{kind}");
    };
    fault("lost-webhook", "").await;
    let inbound = |phone| [("From", phone), ("To", PRODUCT), ("Body", "Hi")];
    for (phone, arrives) in [(other, true), (PHONE, false), (PHONE, true)] {
        let delivered = simulator.control("inbound-message", &inbound(phone)).await.1;
        assert_eq!(delivered["webhookStatus"].is_number(), arrives, "{phone}: {delivered}");
    }
    fault("suspended", "messages").await;
    assert_eq!(simulator.send(&TEXT).await.0, 403);
    fault("silent", "").await;
    let sid = simulator.send_text("Hello").await["sid"].as_str().unwrap().to_owned();
    simulator.await_status(&sid, "sent").await;
    fault("lost-callback", "").await;
    let status = [("MessageSid", sid.as_str()), ("Status", "delivered")];
    for arrives in [false, true] {
        let set = simulator.control("message-status", &status).await.1;
        assert_eq!(set["webhookStatus"].is_number(), arrives, "{set}");
    }
}

#[tokio::test]
async fn an_unknown_fault_is_refused_and_changes_nothing() {
    let simulator = TestSimulator::with_number().await;
    let of_account = [("Kind", "down"), ("Phone", PHONE)];
    for fields in
        [&[("Kind", "explode")][..], &[("Count", "1")], &[("Kind", "refuse"), ("Count", "many")], &of_account]
    {
        assert_eq!(simulator.control("fault", fields).await.0, 400);
    }
    assert_eq!(simulator.send(&TEXT).await.0, 201);
}
