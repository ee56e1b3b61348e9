//! An inbound message without I/O: JSON event, signature, form, numbers, ids, and the decision.

use std::{fs, hint::black_box, path::Path};

use criterion::Criterion;
use product_bench::fixture::{Fixture, verifier};
use shared_carriers::twilio::{InboundMessage, Verifier};
use shared_domain::{
    conversation::{InboundPosition, MessagePreview, inbound_position},
    ids::{ConversationId, InboxId, MessageId},
    opt_out::{keyword, wants_review},
    time::Timestamp,
};
use shared_http::webhook;

use crate::figure::Figure;

const NAME: &str = "inbound-decision";

/// The folder of criterion's samples.
const FOLDER: &str = "target/criterion";

pub(crate) async fn measure() -> Figure {
    let fixture = Fixture::start().await;
    let (event, inbox, verifier) =
        (fixture.inbound_webhook(1, 1).event().to_string(), fixture.inbox.id.clone(), verifier());
    let decide = || decide(black_box(&event), black_box(&inbox), &verifier);
    assert_eq!(decide(), (InboundPosition::Newest, false, false));
    let folder = Path::new(FOLDER);
    Criterion::default()
        .without_plots()
        .output_directory(folder)
        .bench_function(NAME, |bencher| bencher.iter(decide));
    let micros = median_micros(folder);
    Figure::new(
        "event, signature, form and decision of an inbound message, no I/O, p50",
        format!("{micros:.1} µs"),
        "≤ 100 µs",
        micros <= 100.0,
    )
}

fn decide(event: &str, inbox: &InboxId, verifier: &Verifier) -> (InboundPosition, bool, bool) {
    let request = lambda_http::request::from_str(event).unwrap();
    let body = webhook::twilio_body(verifier, "/webhooks/twilio/messages", &request).unwrap();
    let inbound = InboundMessage::parse(body).unwrap();
    let (from, _to) = (webhook::number(&inbound.from).unwrap(), webhook::number(&inbound.to).unwrap());
    let conversation = ConversationId::of(inbox, &from);
    let id =
        MessageId::of_inbound(&conversation, Timestamp::from_millis(1_795_341_600_000), &inbound.message_sid);
    let latest: Option<(&MessagePreview, Option<&MessageId>)> = None;
    (inbound_position(latest, &id), keyword(&inbound.body).is_some(), wants_review(&inbound.body))
}

fn median_micros(folder: &Path) -> f64 {
    let estimates = fs::read_to_string(folder.join(NAME).join("new/estimates.json"))
        .expect("criterion has written its estimates");
    let estimates: serde_json::Value = serde_json::from_str(&estimates).unwrap();
    estimates["median"]["point_estimate"].as_f64().unwrap() / 1000.0
}
