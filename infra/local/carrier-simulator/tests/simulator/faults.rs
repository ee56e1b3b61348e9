//! Faults on demand.

use std::time::Duration;

use crate::stage::{ACCOUNT, HOLD, PHONE, PRODUCT, Stage, TOKEN, client, json_fixture, read};

const TEXT: [(&str, &str); 3] = [("To", PHONE), ("From", PRODUCT), ("Body", "Hello")];

async fn sent(stage: &Stage) -> usize {
    stage.list(&[("To", PHONE)]).await["messages"].as_array().unwrap().len()
}

#[tokio::test]
async fn refusing_faults_store_nothing() {
    let stage = Stage::open().await;
    let cases = [
        ("refuse", 400, Some("send_error_400_21211.json")),
        ("refuse:21610", 400, Some("send_error_400_21610.json")),
        ("refuse:21611", 429, Some("send_error_429_21611.json")),
        ("refuse:30999", 400, None),
        ("rate-limit", 429, Some("send_error_429_20429.json")),
        ("error-before", 500, None),
    ];
    for (kind, expected, recorded) in cases {
        assert_eq!(stage.control("fault", &[("Kind", kind)]).await.0, 200);
        let (status, failure) = stage.send(&TEXT).await;
        assert_eq!(status, expected, "{kind}");
        if let Some(recorded) = recorded {
            assert_eq!(failure, json_fixture(recorded));
        }
    }
    assert_eq!(sent(&stage).await, 0);
    assert_eq!(stage.send(&TEXT).await.0, 201);
}

#[tokio::test]
async fn a_fault_lasts_for_its_count_and_none_clears_it() {
    let stage = Stage::open().await;
    stage.control("fault", &[("Kind", "rate-limit"), ("Count", "2")]).await;
    let statuses = [stage.send(&TEXT).await.0, stage.send(&TEXT).await.0, stage.send(&TEXT).await.0];
    assert_eq!(statuses, [429, 429, 201]);
    stage.control("fault", &[("Kind", "rate-limit"), ("Count", "2")]).await;
    stage.control("fault", &[("Kind", "none")]).await;
    assert_eq!(stage.send(&TEXT).await.0, 201);
}

#[tokio::test]
async fn an_error_after_acceptance_leaves_a_text_that_is_delivered() {
    let stage = Stage::open().await;
    stage.control("fault", &[("Kind", "error-after")]).await;
    let callback = stage.product.status_callback();
    let (status, failure) = stage.send(&[&TEXT[..], &[("StatusCallback", &callback)]].concat()).await;
    assert_eq!((status, &failure["code"]), (500, &20500.into()));
    assert_eq!(sent(&stage).await, 1);
    assert_eq!(stage.product.receives(4).await[3].field("MessageStatus"), "delivered");
}

#[tokio::test]
async fn a_time_out_after_acceptance_leaves_a_text_that_is_delivered() {
    let stage = Stage::open().await;
    stage.control("fault", &[("Kind", "timeout-after"), ("Count", "2")]).await;
    let request = || client().post(stage.messages()).form(&TEXT).basic_auth(ACCOUNT, Some(TOKEN));
    let impatient = read(request().timeout(HOLD / 3)).await;
    assert!(impatient.is_err_and(|error| error.is_timeout()));
    assert_eq!(sent(&stage).await, 1);
    let (status, message) = read(request().timeout(HOLD + Duration::from_secs(10))).await.unwrap();
    assert_eq!(status, 201);
    stage.reaches(message["sid"].as_str().unwrap(), "delivered").await;
}

#[tokio::test]
async fn a_silent_carrier_accepts_sends_and_says_nothing() {
    let stage = Stage::open().await;
    stage.control("fault", &[("Kind", "silent")]).await;
    let silent = stage.send_text("Hello").await;
    stage.reaches(silent["sid"].as_str().unwrap(), "sent").await;
    let told = stage.send_text("Hello").await;
    stage.product.receives(4).await;
    assert!(stage.product.received().iter().all(|callback| callback.field("MessageSid") == told["sid"]));
    stage.reaches(silent["sid"].as_str().unwrap(), "sent").await;
}

#[tokio::test]
async fn an_unknown_fault_is_refused_and_changes_nothing() {
    let stage = Stage::open().await;
    for fields in [&[("Kind", "explode")][..], &[("Count", "1")], &[("Kind", "refuse"), ("Count", "many")]] {
        assert_eq!(stage.control("fault", fields).await.0, 400);
    }
    assert_eq!(stage.send(&TEXT).await.0, 201);
}
