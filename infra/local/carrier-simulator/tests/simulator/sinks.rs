//! Sinks and subscriptions.

use serde_json::{Value, json};

use crate::registration::{TOLD, sid, type_version};
use crate::schema::{Api, assert_answer};
use crate::support::TestSimulator;

fn check(operation: &str, status: u16, answer: &(u16, Value)) {
    assert_eq!(answer.0, status, "{operation}: {}", answer.1);
    assert_answer(Api::Events, operation, status, &answer.1);
}

async fn make_sink(simulator: &TestSimulator, kind: &str, configuration: &str) -> (u16, Value) {
    let fields = [("Description", "A2P"), ("SinkType", kind), ("SinkConfiguration", configuration)];
    simulator.post_to("/v1/Sinks", &fields).await
}

#[tokio::test]
async fn a_sink_is_created_described_fetched_and_deleted() {
    let simulator = TestSimulator::start().await;
    let configuration =
        json!({ "destination": "http://u:p@127.0.0.1:1/e", "method": "POST", "batch_events": false });
    let made = make_sink(&simulator, "webhook", &configuration.to_string()).await;
    check("POST /v1/Sinks", 201, &made);
    assert_eq!((&made.1["sink_configuration"], &made.1["status"]), (&configuration, &"active".into()));
    let path = format!("/v1/Sinks/{}", sid(&made.1));
    let fetched = simulator.get_url(made.1["url"].as_str().unwrap()).await;
    check("GET /v1/Sinks/{Sid}", 200, &fetched);
    assert_eq!(fetched, (200, made.1));
    let updated = simulator.post_to(&path, &[("Description", "Compliance")]).await;
    check("POST /v1/Sinks/{Sid}", 200, &updated);
    assert_eq!(updated.1["description"], "Compliance");
    assert_eq!(simulator.post_to(&path, &[]).await.0, 400);
    assert_eq!(simulator.delete(&path).await, (204, Value::Null));
    assert_eq!((simulator.delete(&path).await.0, simulator.get(&path).await.0), (404, 404));
    assert_eq!(simulator.post_to(&path, &[("Description", "Compliance")]).await.0, 404);
}

#[tokio::test]
async fn a_sink_needs_a_valid_webhook() {
    let simulator = TestSimulator::start().await;
    let fine = json!({ "destination": "https://hooks.test/e" }).to_string();
    assert_eq!(make_sink(&simulator, "kinesis", &fine).await.0, 400);
    for wrong in [
        "",
        "https://hooks.test/e",
        "{}",
        r#"{"destination":"hooks.test"}"#,
        r#"{"destination":"https://hooks.test/e","method":"GET"}"#,
    ] {
        assert_eq!(make_sink(&simulator, "webhook", wrong).await.0, 400, "{wrong}");
    }
    assert_eq!(make_sink(&simulator, "webhook", &fine).await.0, 201);
}

#[tokio::test]
async fn sinks_and_subscriptions_are_listed_and_deleted_together() {
    let simulator = TestSimulator::start().await;
    let fine = json!({ "destination": "https://hooks.test/e" }).to_string();
    let idle = sid(&make_sink(&simulator, "webhook", &fine).await.1);
    let busy = simulator.new_sink(true).await;
    let sinks = async |query: &str| {
        let list = simulator.get(&format!("/v1/Sinks?{query}")).await;
        check("GET /v1/Sinks", 200, &list);
        assert_eq!(list.1["meta"]["key"], "sinks");
        list.1["sinks"].as_array().unwrap().iter().map(sid).collect::<Vec<_>>()
    };
    assert_eq!(sinks("").await, [busy.clone(), idle.clone()]);
    assert_eq!(sinks("InUse=true&Status=active").await, std::slice::from_ref(&busy));
    assert_eq!(sinks("InUse=false").await, std::slice::from_ref(&idle));
    assert!(sinks("Status=failed").await.is_empty());

    let subscriptions = async |query: &str| {
        let list = simulator.get(&format!("/v1/Subscriptions?{query}")).await;
        check("GET /v1/Subscriptions", 200, &list);
        assert_eq!(list.1["meta"]["key"], "subscriptions");
        list.1["subscriptions"].as_array().unwrap().len()
    };
    assert_eq!(subscriptions("").await, 1);
    assert_eq!(subscriptions(&format!("SinkSid={idle}")).await, 0);
    simulator.delete(&format!("/v1/Sinks/{busy}")).await;
    assert_eq!(subscriptions("").await, 0);
}

#[tokio::test]
async fn a_subscription_needs_known_event_types() {
    let simulator = TestSimulator::start().await;
    let sink = simulator.new_sink(true).await;
    let subscribe = async |sink: &str, types: &str| {
        let fields = [("Description", "A2P"), ("SinkSid", sink), ("Types", types)];
        simulator.post_to("/v1/Subscriptions", &fields).await
    };
    let array = format!("[{},{}]", type_version(TOLD[0], 2), type_version("number-registration.failed", 1));
    let made = subscribe(&sink, &array).await;
    check("POST /v1/Subscriptions", 201, &made);
    assert_eq!(made.1["sink_sid"], sink);
    let path = format!("/v1/Subscriptions/{}", sid(&made.1));
    let fetched = simulator.get_url(made.1["url"].as_str().unwrap()).await;
    check("GET /v1/Subscriptions/{Sid}", 200, &fetched);
    for wrong in [
        "",
        "campaign-submitted",
        &type_version("campaign-registration.campaign-forgotten", 1),
        &type_version(TOLD[0], 0),
        &type_version(TOLD[0], 4),
    ] {
        assert_eq!(subscribe(&sink, wrong).await.0, 400, "{wrong}");
    }
    assert_eq!(subscribe(&format!("DG{}", "0".repeat(32)), &array).await.0, 400);
    assert_eq!(simulator.delete(&path).await, (204, Value::Null));
    assert_eq!((simulator.delete(&path).await.0, simulator.get(&path).await.0), (404, 404));
}
