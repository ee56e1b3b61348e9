//! Inbound messages and calls.

use serde_json::Value;

use crate::schema::assert_message;
use crate::support::{PHONE, PRODUCT, TWIML, TestSimulator, form_fixture};

/// Fields whose values differ in every recorded form.
const OWN: [&str; 4] = ["MessageSid", "SmsSid", "SmsMessageSid", "MessagingServiceSid"];

fn sorted(mut fields: Vec<(String, String)>) -> Vec<(String, String)> {
    fields.retain(|(name, _)| !OWN.contains(&name.as_str()));
    fields.sort();
    fields
}

#[tokio::test]
async fn an_inbound_message_is_as_recorded_and_signed() {
    let simulator = TestSimulator::with_number().await;
    let service = simulator.service_with_numbers(&[("UseInboundWebhookOnNumber", "true")]).await;
    for recorded in
        ["inbound_sms.form", "inbound_sms_emoji_two_segments.form", "inbound_stop_advanced_opt_out.form"]
    {
        let recorded = form_fixture(recorded);
        let fields: Vec<(&str, &str)> = recorded
            .iter()
            .filter(|(name, _)| ["To", "From", "Body", "OptOutType"].contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let (status, answer) = simulator.control("inbound-message", &fields).await;
        assert_eq!((status, &answer["webhookStatus"], &answer["attempts"]), (200, &200.into(), &1.into()));
        assert_eq!(answer["webhookBody"], TWIML);
        let webhook = simulator.product.received().pop().unwrap();
        assert_eq!(webhook.path, "/webhooks/twilio/messages");
        assert!(webhook.is_signed(&simulator.product.base));
        assert!(OWN[..3].iter().all(|name| webhook.field(name) == answer["messageSid"]));
        assert_eq!(webhook.field("MessagingServiceSid"), service);
        assert_eq!(sorted(webhook.fields), sorted(recorded));
    }
}

#[tokio::test]
async fn spaces_around_a_text_are_kept() {
    let simulator = TestSimulator::with_number().await;
    simulator.control("inbound-message", &[("To", PRODUCT), ("From", PHONE), ("Body", "  yes  ")]).await;
    assert_eq!(simulator.product.received()[0].field("Body"), "  yes  ");
}

#[tokio::test]
async fn inbound_media_are_as_recorded() {
    let simulator = TestSimulator::with_number().await;
    let recorded = form_fixture("inbound_mms.form");
    let fields: Vec<(&str, &str)> = recorded
        .iter()
        .filter(|(name, _)| ["To", "From", "Body"].contains(&name.as_str()) || name.starts_with("Media"))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let (_, answer) = simulator.control("inbound-message", &fields).await;
    assert!(answer["messageSid"].as_str().unwrap().starts_with("MM"));
    let webhook = simulator.product.received().pop().unwrap();
    assert!(webhook.is_signed(&simulator.product.base));
    assert_eq!(sorted(webhook.fields), sorted(recorded));
}

#[tokio::test]
async fn media_can_have_no_text_and_no_content_type() {
    let simulator = TestSimulator::with_number().await;
    let card = "https://media.example.com/anna.vcf?x=1.png";
    simulator.control("inbound-message", &[("To", PRODUCT), ("From", PHONE), ("MediaUrl", card)]).await;
    let webhook = &simulator.product.received()[0];
    assert_eq!((webhook.field("Body"), webhook.field("NumMedia")), ("", "1"));
    assert_eq!((webhook.field("MediaUrl0"), webhook.field("MediaContentType0")), (card, "text/x-vcard"));
}

#[tokio::test]
async fn an_inbound_message_is_listed_as_inbound() {
    let simulator = TestSimulator::with_number().await;
    let (_, answer) =
        simulator.control("inbound-message", &[("To", PRODUCT), ("From", PHONE), ("Body", "Hi")]).await;
    let list = simulator.list(&[("From", PHONE)]).await;
    let message = &list["messages"][0];
    assert_eq!((&message["sid"], &message["direction"]), (&answer["messageSid"], &"inbound".into()));
    assert_eq!((&message["status"], &message["body"]), (&"received".into(), &"Hi".into()));
    assert_message(message);
}

#[tokio::test]
async fn a_known_sid_delivers_the_same_form_again() {
    let simulator = TestSimulator::with_number().await;
    let (_, first) =
        simulator.control("inbound-message", &[("To", PRODUCT), ("From", PHONE), ("Body", "Hi")]).await;
    let sid = first["messageSid"].as_str().unwrap();
    let (status, again) = simulator.control("inbound-message", &[("MessageSid", sid)]).await;
    assert_eq!((status, &again["messageSid"]), (200, &first["messageSid"]));
    let received = simulator.product.received();
    assert_eq!(received[0].fields, received[1].fields);
    assert!(received[1].is_signed(&simulator.product.base));
    assert_eq!(simulator.list(&[]).await["messages"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_sid_can_be_chosen_but_not_that_of_an_outbound_message() {
    let simulator = TestSimulator::with_number().await;
    let chosen = format!("SM{}", "5".repeat(32));
    let fields = [("MessageSid", chosen.as_str()), ("To", PRODUCT), ("From", PHONE), ("Body", "Hi")];
    assert_eq!(simulator.control("inbound-message", &fields).await.1["messageSid"], chosen);
    let sent = simulator.send_text("Hello").await;
    for sid in [sent["sid"].as_str().unwrap(), "SM5"] {
        let fields = [("MessageSid", sid), ("To", PRODUCT), ("From", PHONE)];
        assert_eq!(simulator.control("inbound-message", &fields).await.0, 400);
    }
}

#[tokio::test]
async fn without_overrides_an_answered_webhook_is_not_retried() {
    let simulator = TestSimulator::with_number().await;
    simulator.product.answer_next_with(&[503]);
    let (_, answer) =
        simulator.control("inbound-message", &[("To", PRODUCT), ("From", PHONE), ("Body", "Hi")]).await;
    assert_eq!((&answer["webhookStatus"], &answer["attempts"]), (&503.into(), &1.into()));
}

#[tokio::test]
async fn the_number_decides_on_retries_and_all_have_the_same_form() {
    let simulator = TestSimulator::start().await;
    simulator.buy_for_product(PRODUCT, "#rc=3&rp=ct,rt,5xx").await;
    let fields = [("To", PRODUCT), ("From", PHONE), ("Body", "Hi")];
    simulator.product.answer_next_with(&[500, 503]);
    let (_, answer) = simulator.control("inbound-message", &fields).await;
    assert_eq!((&answer["webhookStatus"], &answer["attempts"]), (&200.into(), &3.into()));
    let received = simulator.product.received();
    assert!(received.iter().all(|webhook| webhook.fields == received[0].fields));
    let token = received[0].header("i-twilio-idempotency-token");
    assert!(received.iter().all(|webhook| webhook.header("i-twilio-idempotency-token") == token));

    simulator.product.answer_next_with(&[503, 503, 503, 503]);
    let (_, answer) = simulator.control("inbound-message", &fields).await;
    assert_eq!((&answer["webhookStatus"], &answer["attempts"]), (&503.into(), &4.into()));

    simulator.product.answer_next_with(&[403]);
    let (_, answer) = simulator.control("inbound-message", &fields).await;
    assert_eq!((&answer["webhookStatus"], &answer["attempts"]), (&403.into(), &1.into()));
}

#[tokio::test]
async fn a_failed_webhook_is_posted_to_the_fallback_with_the_error() {
    let simulator = TestSimulator::with_number().await;
    let (url, fallback) = (
        format!("{}/first#rc=1&rp=5xx", simulator.product.base),
        format!("{}/second", simulator.product.base),
    );
    let fields = [("PhoneNumber", "+12025552000"), ("SmsUrl", &url), ("SmsFallbackUrl", &fallback)];
    simulator.create(&TestSimulator::account("IncomingPhoneNumbers.json"), &fields).await;
    simulator.product.answer_next_with(&[500, 500]);
    let text = [("To", "+12025552000"), ("From", PHONE), ("Body", "Hi")];
    let (_, answer) = simulator.control("inbound-message", &text).await;
    assert_eq!((&answer["webhookStatus"], &answer["attempts"]), (&200.into(), &3.into()));
    let received = simulator.product.received();
    let paths: Vec<_> = received.iter().map(|webhook| webhook.path.as_str()).collect();
    assert_eq!(paths, ["/first", "/first", "/second"]);
    assert_eq!(received[2].field("ErrorCode"), "11200");
    assert_eq!(received[2].field("ErrorUrl"), format!("{}/first", simulator.product.base));
    assert!(received[2].is_signed(&simulator.product.base));
}

#[tokio::test]
async fn a_service_takes_the_messages_of_its_numbers_unless_it_leaves_them_to_the_number() {
    let simulator = TestSimulator::with_number().await;
    let url = format!("{}/of-the-service", simulator.product.base);
    let service = simulator.service_with_numbers(&[("InboundRequestUrl", &url)]).await;
    let text = [("To", PRODUCT), ("From", PHONE), ("Body", "Hi")];
    simulator.control("inbound-message", &text).await;
    let fields = [("UseInboundWebhookOnNumber", "true")];
    simulator.post_to(&format!("/v1/Services/{service}"), &fields).await;
    simulator.control("inbound-message", &text).await;
    let received = simulator.product.received();
    let paths: Vec<_> = received.iter().map(|webhook| webhook.path.as_str()).collect();
    assert_eq!(paths, ["/of-the-service", "/webhooks/twilio/messages"]);
    assert_eq!(received[0].field("MessagingServiceSid"), service);
}

#[tokio::test]
async fn a_number_without_an_address_keeps_its_messages_and_an_unowned_number_gets_none() {
    let simulator = TestSimulator::start().await;
    let fields = [("PhoneNumber", PRODUCT)];
    simulator.create(&TestSimulator::account("IncomingPhoneNumbers.json"), &fields).await;
    let text = [("To", PRODUCT), ("From", PHONE), ("Body", "Hi")];
    let (status, answer) = simulator.control("inbound-message", &text).await;
    assert_eq!((status, &answer["webhookStatus"], &answer["attempts"]), (200, &Value::Null, &0.into()));
    assert_eq!(simulator.list(&[("To", PRODUCT)]).await["messages"].as_array().unwrap().len(), 1);
    let unowned = [("To", "+12025559999"), ("From", PHONE), ("Body", "Hi")];
    assert_eq!(simulator.control("inbound-message", &unowned).await.0, 400);
    assert_eq!(simulator.control("inbound-call", &unowned).await.0, 400);
}

#[tokio::test]
async fn a_message_needs_both_numbers() {
    let simulator = TestSimulator::with_number().await;
    for fields in [[("To", PRODUCT), ("Body", "Hi")], [("From", PHONE), ("Body", "Hi")]] {
        assert_eq!(simulator.control("inbound-message", &fields).await.0, 400);
    }
    assert!(simulator.product.received().is_empty());
}

#[tokio::test]
async fn an_inbound_call_is_as_recorded_and_returns_the_twiml() {
    let simulator = TestSimulator::with_number().await;
    let (status, answer) = simulator.control("inbound-call", &[("To", PRODUCT), ("From", PHONE)]).await;
    assert_eq!((status, &answer["webhookStatus"], &answer["webhookBody"]), (200, &200.into(), &TWIML.into()));
    let webhook = simulator.product.received().pop().unwrap();
    assert_eq!(webhook.path, "/webhooks/twilio/voice");
    assert!(webhook.is_signed(&simulator.product.base));
    let mut recorded = form_fixture("voice_inbound.form");
    recorded.retain(|(name, _)| name != "CallSid");
    let mut fields = webhook.fields;
    fields.retain(|(name, value)| name != "CallSid" || *value != answer["callSid"]);
    assert_eq!(sorted(fields), sorted(recorded));
}

#[tokio::test]
async fn an_unknown_control_route_is_not_found() {
    let simulator = TestSimulator::with_number().await;
    let (status, failure) = simulator.control("earthquake", &[("Status", "VERIFIED")]).await;
    assert_eq!((status, &failure["code"]), (404, &20404.into()));
}
