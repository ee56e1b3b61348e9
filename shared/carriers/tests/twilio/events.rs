//! The recorded events, and invalid ones.

use serde_json::{Value, json};
use shared_carriers::twilio::{
    BrandEvent, ComplianceEvent, EventBatch, EventKind, EventsError, MAX_JSON_BYTES, parse_events,
};

use crate::calls::sid;
use crate::support::{ACCOUNT, fixture};

const APPROVED: &str = "com.twilio.messaging.compliance.campaign-registration.campaign-approved";

fn recorded(name: &str) -> Vec<ComplianceEvent> {
    let batch = parse_events(&fixture(&format!("events_{name}.json"))).unwrap();
    assert_eq!(batch.unreadable, 0);
    batch.events
}

fn batch(value: &Value) -> EventBatch {
    parse_events(value.to_string().as_bytes()).unwrap()
}

fn event(data: &Value) -> ComplianceEvent {
    let mut batch = batch(&json!([{ "id": "EZ1", "type": APPROVED, "data": data }]));
    assert_eq!(batch.events.len(), 1);
    batch.events.remove(0)
}

fn expected(number: char, kind: EventKind) -> ComplianceEvent {
    ComplianceEvent {
        id: format!("EZ{}{number}", "0".repeat(31)),
        kind,
        time: Some("2026-11-22T10:00:00Z".parse().unwrap()),
        account_sid: Some(ACCOUNT.into()),
        messaging_service_sid: Some(sid("MG", 'a')),
        brand_sid: Some(sid("BN", 'a')),
        number_sid: None,
        error_codes: vec![],
        reasons: vec![],
    }
}

#[test]
fn every_recorded_event_is_read() {
    let submitted = expected('1', EventKind::CampaignSubmitted);
    let approved = expected('2', EventKind::CampaignApproved);
    let brand = |number, what| ComplianceEvent {
        messaging_service_sid: None,
        ..expected(number, EventKind::Brand(what))
    };
    for (name, events) in [
        ("campaign_submitted", vec![submitted.clone()]),
        ("campaign_approved", vec![approved.clone()]),
        ("batch_two", vec![submitted, approved]),
        (
            "campaign_failure",
            vec![ComplianceEvent { error_codes: vec![30886], ..expected('3', EventKind::CampaignFailure) }],
        ),
        ("brand_registered", vec![brand('4', BrandEvent::Registered)]),
        (
            "brand_failure",
            vec![ComplianceEvent {
                error_codes: vec![21736],
                reasons: vec!["Contact email of the brand is not valid.".into()],
                ..brand('5', BrandEvent::Failure)
            }],
        ),
        (
            "number_registration_successful",
            vec![ComplianceEvent {
                brand_sid: None,
                number_sid: Some(sid("PN", '1')),
                ..expected('6', EventKind::NumberSuccessful)
            }],
        ),
    ] {
        assert_eq!(recorded(name), events, "{name}");
    }
}

#[test]
fn a_single_event_without_a_list_is_accepted() {
    let alone = batch(&json!({ "id": "EZ1", "type": "com.twilio.something.new" }));
    assert_eq!((alone.events.len(), alone.unreadable), (1, 0));
    assert_eq!((alone.events[0].kind, alone.events[0].time), (EventKind::Other, None));
    assert_eq!(batch(&json!([])), EventBatch { events: vec![], unreadable: 0 });
}

#[test]
fn unreadable_elements_are_counted_and_do_not_affect_others() {
    let good = json!({ "id": "EZ_1-a", "type": APPROVED, "data": "odd", "more": [1] });
    let read = batch(&json!([
        null,
        "text",
        5,
        [],
        {},
        { "id": "EZ1" },
        { "type": APPROVED },
        { "id": 5, "type": APPROVED },
        { "id": "EZ1", "type": null },
        { "id": "EZ1", "type": "" },
        { "id": "", "type": APPROVED },
        { "id": "EZ#1", "type": APPROVED },
        { "id": "é", "type": APPROVED },
        { "id": "a".repeat(65), "type": APPROVED },
        good,
        { "id": "a".repeat(64), "type": APPROVED },
    ]));
    assert_eq!(read.unreadable, 14);
    let ids: Vec<_> = read.events.iter().map(|event| event.id.clone()).collect();
    assert_eq!(ids, ["EZ_1-a".to_owned(), "a".repeat(64)]);
}

#[test]
fn the_time_is_in_the_event_or_in_its_data() {
    let at = |time: &Value, timestamp: &Value| {
        let data = json!({ "timestamp": timestamp });
        let read = batch(&json!([{ "id": "EZ1", "type": APPROVED, "time": time, "data": data }]));
        read.events[0].time.map(|time| time.to_string())
    };
    let stated = Some("2026-11-22T10:00:00Z".to_owned());
    let in_data = Some("2025-08-24T13:51:34.5Z".to_owned());
    let millis = json!(1_756_043_494_500_i64);
    assert_eq!(at(&json!("2026-11-22T10:00:00.000Z"), &millis), stated);
    assert_eq!(at(&json!("2026-11-22T11:00:00+01:00"), &millis), stated);
    assert_eq!(at(&json!("some day"), &millis), in_data);
    assert_eq!(at(&json!(null), &millis), in_data);
    for none in [json!(null), json!("x"), json!(i64::MAX), json!(i64::MIN), json!(1.5), json!(1e300)] {
        assert_eq!(at(&json!(null), &none), None, "{none}");
    }
}

#[test]
fn codes_and_reasons_are_found_where_twilio_puts_them() {
    for (data, codes, reasons) in [
        (json!({ "errorcode": "30897" }), vec![30897], vec![]),
        (json!({ "errorcode": 0 }), vec![], vec![]),
        (json!({ "errorcode": -1, "failurereason": "" }), vec![], vec![]),
        (
            json!({ "failureReason": "https://www.twilio.com/docs/api/errors/30126" }),
            vec![30126],
            vec!["https://www.twilio.com/docs/api/errors/30126"],
        ),
        (
            json!({ "campaignfailurereason": "call +1 202 555 0143", "errorcode": 1 }),
            vec![1],
            vec!["call [number]"],
        ),
        (
            json!({ "brandvettingerrors": [{ "errorcode": 30801, "errordescription": "No such address." }, 5] }),
            vec![30801],
            vec!["No such address."],
        ),
        (
            json!({ "campaignregistrationerrors": [
                { "registrationerrorcode": "3001", "registrationerrordescription": "Too vague." },
                { "registrationerrorcode": 3002, "registrationerrorfields": ["a"] },
            ] }),
            vec![3001, 3002],
            vec!["Too vague."],
        ),
        (json!({ "brandregistrationerrors": "none" }), vec![], vec![]),
    ] {
        let event = event(&data);
        assert_eq!(
            (event.error_codes, event.reasons),
            (codes, reasons.into_iter().map(str::to_owned).collect())
        );
    }
    let many: Vec<_> = (1..=50).map(|code| json!({ "errorcode": code, "errordescription": "x" })).collect();
    let event = event(&json!({ "errors": many }));
    assert_eq!((event.error_codes.len(), event.reasons.len()), (20, 20));
}

#[test]
fn invalid_sids_are_absent() {
    let named = event(&json!({ "accountSid": "AC1", "messagingServiceSid": "MG1", "phoneNumberSid": "PN1" }));
    assert_eq!((named.account_sid.as_deref(), named.number_sid.as_deref()), (Some("AC1"), Some("PN1")));
    let odd = event(
        &json!({ "accountsid": "AC#1", "messagingservicesid": 5, "brandsid": "", "phonenumbersid": null }),
    );
    assert_eq!(
        (odd.account_sid, odd.messaging_service_sid, odd.brand_sid, odd.number_sid),
        (None, None, None, None)
    );
}

#[test]
fn bodies_without_events_are_refused() {
    for body in ["", "null", "5", "\"text\"", "[", "{}{}", "\u{feff}[]"] {
        assert_eq!(parse_events(body.as_bytes()), Err(EventsError::Malformed), "{body}");
    }
    assert_eq!(parse_events(b"[\"\xff\"]"), Err(EventsError::Malformed));
    assert_eq!(parse_events("[".repeat(10_000).as_bytes()), Err(EventsError::Malformed));
}

#[test]
fn the_length_of_a_body_and_of_its_list_is_limited() {
    let list = |count: usize| format!("[{}]", vec!["0"; count].join(","));
    assert_eq!(parse_events(list(1000).as_bytes()).unwrap().unreadable, 1000);
    assert_eq!(parse_events(list(1001).as_bytes()), Err(EventsError::TooMany));
    let padded = |length: usize| format!("[]{}", " ".repeat(length - 2));
    assert!(parse_events(padded(MAX_JSON_BYTES).as_bytes()).is_ok());
    assert_eq!(parse_events(padded(MAX_JSON_BYTES + 1).as_bytes()), Err(EventsError::TooLarge));
}

#[test]
fn reasons_are_not_shown() {
    let shown = format!("{:?}", recorded("brand_failure"));
    assert!(shown.contains("21736") && !shown.contains("email"), "{shown}");
}
