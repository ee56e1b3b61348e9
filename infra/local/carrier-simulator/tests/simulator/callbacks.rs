//! Status callbacks, and statuses set by the control route.

use crate::schema::assert_message;
use crate::support::{PHONE, PRODUCT, Received, TestSimulator, form_fixture};

fn statuses(received: &[Received]) -> Vec<&str> {
    received.iter().map(|callback| callback.field("MessageStatus")).collect()
}

#[tokio::test]
async fn status_callbacks_are_sent_in_order_and_signed() {
    let simulator = TestSimulator::with_number().await;
    let message = simulator.send_text("Hello").await;
    let received = simulator.product.await_requests(4).await;
    assert_eq!(statuses(&received), ["queued", "sending", "sent", "delivered"]);
    for callback in &received {
        assert_eq!(callback.path, "/webhooks/twilio/status?m=msg_1&sig=a%2Fb");
        assert!(callback.is_signed(&simulator.product.base));
        assert_eq!(callback.field("MessageSid"), message["sid"]);
    }
    let delivered = simulator.await_status(message["sid"].as_str().unwrap(), "delivered").await;
    assert!(delivered["date_sent"].is_string());
    assert_message(&delivered);
}

#[tokio::test]
async fn callbacks_have_the_recorded_fields() {
    let simulator = TestSimulator::with_number().await;
    let callback = simulator.product.status_callback();
    let service = simulator.service_with_numbers(&[]).await;
    let fields = [("To", PHONE), ("From", PRODUCT), ("MessagingServiceSid", &service), ("Body", "Hello")];
    let (_, message) = simulator.send(&[&fields[..], &[("StatusCallback", &callback)]].concat()).await;
    let received = simulator.product.await_requests(4).await;
    for (callback, status) in received.iter().zip(["queued", "sending", "sent", "delivered"]) {
        let mut recorded = form_fixture(&format!("status_{status}.form"));
        for (name, value) in &mut recorded {
            match name.as_str() {
                "MessageSid" | "SmsSid" => message["sid"].as_str().unwrap().clone_into(value),
                "MessagingServiceSid" => service.clone_into(value),
                "RawDlrDoneDate" => callback.field(name).clone_into(value),
                _ => {}
            }
        }
        assert_eq!(callback.fields, recorded);
    }
    assert_eq!(received[3].field("RawDlrDoneDate").len(), "YYMMDDhhmm".len());
}

#[tokio::test]
async fn a_message_without_a_callback_url_is_delivered_without_callbacks() {
    let simulator = TestSimulator::with_number().await;
    let (_, message) = simulator.send(&[("To", PHONE), ("From", PRODUCT), ("Body", "Hello")]).await;
    simulator.await_status(message["sid"].as_str().unwrap(), "delivered").await;
    assert!(simulator.product.received().is_empty());
}

#[tokio::test]
async fn a_refused_callback_is_not_retried() {
    let simulator = TestSimulator::with_number().await;
    simulator.product.answer_next_with(&[500, 403]);
    simulator.send_text("Hello").await;
    assert_eq!(
        statuses(&simulator.product.await_requests(4).await),
        ["queued", "sending", "sent", "delivered"]
    );
}

#[tokio::test]
async fn a_connection_override_retries_a_refused_callback() {
    let simulator = TestSimulator::with_number().await;
    simulator.product.answer_next_with(&[500]);
    let callback = format!("{}/webhooks/twilio/status#rc=2&rp=5xx", simulator.product.base);
    simulator
        .send(&[("To", PHONE), ("From", PRODUCT), ("Body", "Hello"), ("StatusCallback", &callback)])
        .await;
    let received = simulator.product.await_requests(5).await;
    assert_eq!(statuses(&received), ["queued", "queued", "sending", "sent", "delivered"]);
    assert!(received.iter().all(|callback| callback.is_signed(&simulator.product.base)));
    assert_eq!(
        received[0].header("i-twilio-idempotency-token"),
        received[1].header("i-twilio-idempotency-token")
    );
    assert_ne!(
        received[1].header("i-twilio-idempotency-token"),
        received[2].header("i-twilio-idempotency-token")
    );
}

#[tokio::test]
async fn a_status_that_is_set_is_called_back_at_once_and_recorded() {
    let simulator = TestSimulator::with_number().await;
    simulator.control("fault", &[("Kind", "silent")]).await;
    let message = simulator.send_text("Hello").await;
    let sid = message["sid"].as_str().unwrap();
    let (status, answer) = simulator
        .control("message-status", &[("MessageSid", sid), ("Status", "undelivered"), ("ErrorCode", "30003")])
        .await;
    assert_eq!((status, &answer["webhookStatus"], &answer["attempts"]), (200, &200.into(), &1.into()));
    let received = simulator.product.received();
    assert_eq!(statuses(&received), ["undelivered"]);
    assert_eq!(received[0].field("ErrorCode"), "30003");
    assert!(received[0].is_signed(&simulator.product.base));
    let recorded = simulator.await_status(sid, "undelivered").await;
    assert_eq!(recorded["error_code"], 30003);
    assert_message(&recorded);
}

#[tokio::test]
async fn a_status_can_be_set_twice_and_in_any_order() {
    let simulator = TestSimulator::with_number().await;
    simulator.control("fault", &[("Kind", "silent")]).await;
    let message = simulator.send_text("Hello").await;
    for status in ["delivered", "delivered", "sent"] {
        simulator
            .control(
                "message-status",
                &[("MessageSid", message["sid"].as_str().unwrap()), ("Status", status)],
            )
            .await;
    }
    assert_eq!(statuses(&simulator.product.received()), ["delivered", "delivered", "sent"]);
}

#[tokio::test]
async fn a_callback_without_a_connection_is_tried_twice() {
    let simulator = TestSimulator::with_number().await;
    let closed = closed_port().await;
    simulator.control("fault", &[("Kind", "silent")]).await;
    let (_, message) = simulator
        .send(&[("To", PHONE), ("From", PRODUCT), ("Body", "Hello"), ("StatusCallback", &closed)])
        .await;
    let sid = message["sid"].as_str().unwrap();
    let (status, answer) =
        simulator.control("message-status", &[("MessageSid", sid), ("Status", "failed")]).await;
    assert_eq!((status, &answer["attempts"]), (200, &2.into()));
    assert!(answer["webhookStatus"].is_null());
}

#[tokio::test]
async fn a_status_needs_a_known_message_and_a_known_name() {
    let simulator = TestSimulator::with_number().await;
    let unknown = format!("SM{}", "0".repeat(32));
    let (status, _) =
        simulator.control("message-status", &[("MessageSid", &unknown), ("Status", "sent")]).await;
    assert_eq!(status, 404);
    let message = simulator.send_text("Hello").await;
    let sid = message["sid"].as_str().unwrap();
    for fields in
        [&[("MessageSid", sid), ("Status", "gone")][..], &[("MessageSid", sid)], &[("Status", "sent")]]
    {
        assert_eq!(simulator.control("message-status", fields).await.0, 400);
    }
}

/// A URL on this machine that nothing listens on.
async fn closed_port() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/status", listener.local_addr().unwrap())
}
