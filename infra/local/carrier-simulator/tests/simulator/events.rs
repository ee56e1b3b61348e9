//! Events: content, signature, delivery and redelivery.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use shared_carriers::twilio::signature::verify_url;

use crate::registration::{CAMPAIGN, TOLD, sid};
use crate::support::{Received, TOKEN, TestSimulator, json_fixture};

/// Creates a service with a campaign under review, and waits for its event.
async fn in_review(simulator: &TestSimulator) -> String {
    let service = simulator.new_service().await;
    simulator.new_campaign(&service).await;
    simulator.product.await_requests(1).await;
    service
}

/// The types of all received events, by post.
fn kinds(received: &[Received]) -> Vec<Vec<String>> {
    let kind = |event: Value| event["type"].as_str().unwrap().rsplit('.').next().unwrap().to_owned();
    received.iter().map(|post| post.events().into_iter().map(kind).collect()).collect()
}

/// The signature covers the URL without user information and the hash of the body. Credentials are sent at
/// once.
fn assert_genuine(post: &Received, base: &str) {
    assert!(post.path.starts_with("/events?of=a2p&bodySHA256="), "{}", post.path);
    let url = format!("{base}{}", post.path);
    let signature = Some(post.header("x-twilio-signature"));
    let verified = verify_url(&url, Some(post.header("content-type")), &post.body, signature, &[TOKEN]);
    assert_eq!(verified, Ok(()));
    assert!(verify_url(&url, Some("application/json"), b"[]", signature, &[TOKEN]).is_err());
    assert_eq!(post.header("authorization"), format!("Basic {}", STANDARD.encode("carrier:p@ss")));
    assert_eq!(post.header("content-type"), "application/json");
}

/// Checks that an event equals the recorded one, except for ids and times.
fn assert_recorded(event: &Value, recorded: &str, service: &str) {
    let recorded = &json_fixture(recorded)[0];
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((names(event), names(&event["data"])), (names(recorded), names(&recorded["data"])));
    for name in ["specversion", "type", "dataschema", "datacontenttype"] {
        assert_eq!(event[name], recorded[name]);
    }
    assert_eq!(event["source"], format!("/v1/Services/{service}/Compliance"));
    assert!(event["id"].as_str().unwrap().starts_with("EZ"));
    assert_eq!(event["time"].as_str().unwrap().len(), "2026-11-22T10:00:00.000Z".len());
    for (name, value) in recorded["data"].as_object().unwrap() {
        match name.as_str() {
            "messagingservicesid" => assert_eq!(event["data"][name], service),
            "campaignsid" => assert!(event["data"][name].as_str().unwrap().starts_with("CM")),
            "phonenumbersid" => assert!(event["data"][name].as_str().unwrap().starts_with("PN")),
            "externalcampaignid" => assert!(event["data"][name].as_str().unwrap().starts_with('C')),
            "createddate" | "updateddate" | "timestamp" => assert!(event["data"][name].is_i64()),
            _ => assert_eq!(&event["data"][name], value, "{name}"),
        }
    }
}

#[tokio::test]
async fn the_sink_receives_each_step_from_a_search_to_a_verified_number() {
    let simulator = TestSimulator::start().await;
    simulator.new_sink(true).await;
    let (_, found) =
        simulator.get(&TestSimulator::account("AvailablePhoneNumbers/US/Local.json?AreaCode=202")).await;
    let number = simulator.buy(found["available_phone_numbers"][0]["phone_number"].as_str().unwrap()).await;
    let service = simulator.new_service().await;
    simulator.add_number(&service, &number).await;
    simulator.new_campaign(&service).await;
    simulator.product.await_requests(1).await;

    let decided = simulator.decide(&service, "VERIFIED", &[]).await;
    assert_eq!((&decided["webhookStatus"], &decided["attempts"]), (&200.into(), &1.into()));
    let late = simulator.buy("+12025552500").await;
    simulator.add_number(&service, &late).await;
    let received = simulator.product.await_requests(3).await;
    let expected = [&["campaign-submitted"][..], &["campaign-approved", "successful"], &["successful"]];
    assert_eq!(kinds(&received), expected);
    for post in &received {
        assert_genuine(post, &simulator.product.base);
    }

    let events = received[1].events();
    assert_eq!(decided["eventIds"], json!([events[0]["id"], events[1]["id"]]));
    assert_recorded(&received[0].events()[0], "events_campaign_submitted.json", &service);
    assert_recorded(&events[0], "events_campaign_approved.json", &service);
    assert_recorded(&events[1], "events_number_registration_successful.json", &service);
    assert_eq!(events[1]["data"]["phonenumbersid"], number);
    assert_eq!(received[2].events()[0]["data"]["phonenumbersid"], late);
    assert_eq!(events[0]["data"]["campaignsid"], received[0].events()[0]["data"]["campaignsid"]);
}

#[tokio::test]
async fn a_failure_a_correction_and_a_suspension_have_events() {
    let simulator = TestSimulator::start().await;
    simulator.new_sink(true).await;
    let service = in_review(&simulator).await;
    let failed = simulator.decide(&service, "FAILED", &[("ErrorCode", "30886")]).await;
    let path = format!("/v1/Services/{service}/Compliance/Usa2p/{}", failed["campaignSid"].as_str().unwrap());
    assert_eq!(simulator.post_to(&path, &CAMPAIGN).await.0, 200);
    simulator.product.await_requests(3).await;
    simulator.decide(&service, "SUSPENDED", &[]).await;
    let received = simulator.product.await_requests(4).await;
    let expected =
        [["campaign-submitted"], ["campaign-failure"], ["campaign-submitted"], ["campaign-suspended"]];
    assert_eq!(kinds(&received), expected);
    assert_recorded(&received[1].events()[0], "events_campaign_failure.json", &service);
    let suspended = &received[3].events()[0];
    assert_eq!(suspended["data"]["campaignregistrationstatus"], "suspended");
    assert!(suspended["data"].get("errorcode").is_none());
}

#[tokio::test]
async fn numbers_have_one_event_when_the_campaign_becomes_verified() {
    let simulator = TestSimulator::start().await;
    simulator.new_sink(true).await;
    let service = in_review(&simulator).await;
    let number = simulator.buy("+12025552000").await;
    simulator.add_number(&service, &number).await;
    for status in ["VERIFIED", "VERIFIED", "SUSPENDED", "VERIFIED"] {
        simulator.decide(&service, status, &[]).await;
    }
    let expected = [
        &["campaign-submitted"][..],
        &["campaign-approved", "successful"],
        &["campaign-approved"],
        &["campaign-suspended"],
        &["campaign-approved", "successful"],
    ];
    assert_eq!(kinds(&simulator.product.received()), expected);
}

#[tokio::test]
async fn a_sink_without_batches_receives_each_event_separately() {
    let simulator = TestSimulator::start().await;
    simulator.new_sink(false).await;
    let service = in_review(&simulator).await;
    let number = simulator.buy("+12025552000").await;
    simulator.add_number(&service, &number).await;
    let decided = simulator.decide(&service, "VERIFIED", &[]).await;
    assert_eq!(decided["attempts"], 2);
    assert_eq!(
        kinds(&simulator.product.received()),
        [["campaign-submitted"], ["campaign-approved"], ["successful"]]
    );
}

#[tokio::test]
async fn only_subscribed_types_are_delivered() {
    let simulator = TestSimulator::start().await;
    let service = simulator.new_service().await;
    simulator.new_campaign(&service).await;
    let unheard = simulator.decide(&service, "FAILED", &[]).await;
    assert_eq!((&unheard["webhookStatus"], &unheard["attempts"]), (&Value::Null, &0.into()));
    assert_eq!(unheard["eventIds"].as_array().unwrap().len(), 1);

    let destination = json!({ "destination": format!("{}/events", simulator.product.base) }).to_string();
    let fields =
        [("Description", "A2P"), ("SinkType", "webhook"), ("SinkConfiguration", destination.as_str())];
    let sink = sid(&simulator.create("/v1/Sinks", &fields).await);
    simulator.decide(&service, "FAILED", &[]).await;
    let subscription = sid(&simulator.subscribe(&sink, &TOLD[1..2]).await);
    simulator.decide(&service, "FAILED", &[]).await;
    assert!(simulator.product.received().is_empty());
    simulator.decide(&service, "VERIFIED", &[]).await;
    assert_eq!(kinds(&simulator.product.received()), [["campaign-approved"]]);
    assert_eq!(simulator.product.received()[0].header("authorization"), "");
    simulator.delete(&format!("/v1/Subscriptions/{subscription}")).await;
    simulator.decide(&service, "VERIFIED", &[]).await;
    assert_eq!(simulator.product.received().len(), 1);
}

#[tokio::test]
async fn without_notification_only_the_resource_changes() {
    let simulator = TestSimulator::start().await;
    simulator.new_sink(true).await;
    let service = in_review(&simulator).await;
    let decided = simulator.decide(&service, "VERIFIED", &[("Notify", "false")]).await;
    assert_eq!((&decided["eventIds"], &decided["attempts"]), (&json!([]), &0.into()));
    let (_, list) = simulator.get(&format!("/v1/Services/{service}/Compliance/Usa2p")).await;
    assert_eq!(list["compliance"][0]["campaign_status"], "VERIFIED");
    assert_eq!(simulator.product.received().len(), 1);
}

#[tokio::test]
async fn a_refused_event_is_retried_after_growing_pauses() {
    let simulator = TestSimulator::start().await;
    simulator.new_sink(true).await;
    let service = in_review(&simulator).await;
    simulator.product.answer_next_with(&[500, 404, 204]);
    let start = Instant::now();
    let decided = simulator.decide(&service, "VERIFIED", &[]).await;
    assert!(start.elapsed() >= Duration::from_millis(1500), "half a second, then a whole one");
    assert_eq!((&decided["webhookStatus"], &decided["attempts"]), (&204.into(), &3.into()));
    let received = simulator.product.received();
    assert_eq!(received.len(), 4);
    assert!(received[2..].iter().all(|post| post.body == received[1].body && post.path == received[1].path));
}

#[tokio::test]
async fn an_event_is_given_up_after_four_attempts() {
    let simulator = TestSimulator::start().await;
    simulator.new_sink(true).await;
    let service = in_review(&simulator).await;
    simulator.product.answer_next_with(&[503; 4]);
    let decided = simulator.decide(&service, "VERIFIED", &[]).await;
    assert_eq!((&decided["webhookStatus"], &decided["attempts"]), (&503.into(), &4.into()));
    assert_eq!(simulator.product.received().len(), 5);
}

#[tokio::test]
async fn an_event_can_be_redelivered_with_the_same_id_and_time() {
    let simulator = TestSimulator::start().await;
    simulator.new_sink(true).await;
    let service = in_review(&simulator).await;
    let number = simulator.buy("+12025552000").await;
    simulator.add_number(&service, &number).await;
    let decided = simulator.decide(&service, "VERIFIED", &[]).await;
    let event = decided["eventIds"][0].as_str().unwrap();
    let (status, again) = simulator.control("redeliver-event", &[("EventId", event), ("Count", "2")]).await;
    assert_eq!((status, &again["eventId"], &again["attempts"]), (200, &event.into(), &2.into()));
    assert_eq!(again["webhookStatus"], 200);
    let received = simulator.product.received();
    assert_eq!(received.len(), 4);
    for post in &received[2..] {
        assert_eq!(post.events(), received[1].events()[..1]);
        assert_genuine(post, &simulator.product.base);
    }
    for wrong in [
        &[("EventId", "EZ1")][..],
        &[],
        &[("EventId", event), ("Count", "0")],
        &[("EventId", event), ("Count", "101")],
    ] {
        let (status, _) = simulator.control("redeliver-event", wrong).await;
        assert_eq!(status, if wrong == [("EventId", "EZ1")] { 404 } else { 400 }, "{wrong:?}");
    }
    assert_eq!(simulator.product.received().len(), 4);
}
