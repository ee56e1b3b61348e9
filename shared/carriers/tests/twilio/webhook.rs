//! The recorded inbound messages and status callbacks, and invalid ones.

use shared_carriers::twilio::{
    CarrierState, InboundMessage, MessageStatus, OptOutType, StatusCallback, WebhookError,
};

use crate::support::{ACCOUNT, fixture, fixture_text};

const CONTACT: &str = "+12025550143";
const INBOX: &str = "+12025550100";

fn inbound(name: &str) -> InboundMessage {
    InboundMessage::parse(&fixture(&format!("inbound_{name}.form"))).unwrap()
}

fn status(name: &str) -> StatusCallback {
    StatusCallback::parse(&fixture(&format!("status_{name}.form"))).unwrap()
}

#[test]
fn every_recorded_inbound_message_is_read() {
    let emoji = "👋 See you at the open house on Saturday, we will bring the papers along. Thanks!";
    for (name, sid_digit, body, segments, opt_out_type) in [
        ("sms", '1', "Hi, is the 3pm slot still free? Café or office?", 1, None),
        ("sms_emoji_two_segments", '2', emoji, 2, None),
        ("sms_leading_trailing_space", '3', "  yes  ", 1, None),
        ("stop_advanced_opt_out", 'a', "Stop", 1, Some(OptOutType::Stop)),
        ("help_advanced_opt_out", 'b', "Help", 1, Some(OptOutType::Help)),
        ("start_advanced_opt_out", 'c', "Start", 1, Some(OptOutType::Start)),
        ("stop_no_opt_out_type", 'd', "STOP", 1, None),
        ("free_text_revocation", 'e', "please stop texting me", 1, None),
        ("fallback_url", 'f', "Hello", 1, None),
    ] {
        let expected = InboundMessage {
            message_sid: format!("SM{}", sid_digit.to_string().repeat(32)),
            account_sid: ACCOUNT.into(),
            from: CONTACT.into(),
            to: INBOX.into(),
            body: body.into(),
            media: vec![],
            opt_out_type,
            num_segments: segments,
            messaging_service_sid: Some(format!("MG{}", "a".repeat(32))),
        };
        assert!(inbound(name) == expected, "{name}");
    }
}

#[test]
fn media_have_their_order_and_their_types() {
    let message = inbound("mms");
    assert_eq!((message.message_sid, message.body), (format!("MM{}", "4".repeat(32)), "two photos".into()));
    let base =
        format!("https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages/MM{}/Media", "4".repeat(32));
    let files: Vec<_> =
        message.media.iter().map(|file| (file.url.clone(), file.content_type.as_str())).collect();
    let expected = [
        (format!("{base}/ME{}", "5".repeat(32)), "image/jpeg"),
        (format!("{base}/ME{}", "6".repeat(32)), "image/png"),
    ];
    assert_eq!(files, expected);
}

#[test]
fn media_can_come_without_a_text() {
    let message = inbound("mms_no_text");
    assert_eq!(message.body, "");
    let types: Vec<_> = message.media.iter().map(|file| file.content_type.as_str()).collect();
    assert_eq!(types, ["text/x-vcard"]);
}

#[test]
fn every_recorded_status_is_read() {
    for (name, status, state, error_code) in [
        ("queued", MessageStatus::Queued, CarrierState::Queued, None),
        ("sending", MessageStatus::Sending, CarrierState::Sending, None),
        ("sent", MessageStatus::Sent, CarrierState::Sent, None),
        ("delivered", MessageStatus::Delivered, CarrierState::Delivered, None),
        ("failed_30001", MessageStatus::Failed, CarrierState::Failed, Some(30001)),
        ("undelivered_30003", MessageStatus::Undelivered, CarrierState::Undelivered, Some(30003)),
        ("undelivered_30007", MessageStatus::Undelivered, CarrierState::Undelivered, Some(30007)),
        ("undelivered_30034", MessageStatus::Undelivered, CarrierState::Undelivered, Some(30034)),
    ] {
        let expected = StatusCallback {
            message_sid: format!("SM{}", "9".repeat(32)),
            account_sid: ACCOUNT.into(),
            status,
            error_code,
            from: Some(INBOX.into()),
            to: Some(CONTACT.into()),
        };
        let callback = self::status(name);
        assert_eq!(callback.status.carrier_state(), Some(state), "{name}");
        assert!(callback == expected, "{name}");
    }
}

#[test]
fn an_unknown_status_and_an_invalid_error_code_are_accepted() {
    let body = fixture_text("status_sent.form").replace("=sent", "=teleported") + "&ErrorCode=none";
    let callback = StatusCallback::parse(body.as_bytes()).unwrap();
    assert_eq!(callback.status, MessageStatus::Unknown("teleported".into()));
    assert_eq!(callback.status.carrier_state(), None);
    assert_eq!(callback.error_code, None);
}

#[test]
fn error_code_zero_is_none() {
    let body = fixture_text("status_sent.form") + "&ErrorCode=0";
    assert_eq!(StatusCallback::parse(body.as_bytes()).unwrap().error_code, None);
}

#[test]
fn a_missing_or_malformed_required_field_is_named() {
    let body = fixture_text("inbound_sms.form");
    for field in ["MessageSid", "AccountSid", "From", "To"] {
        let without = format!("&{body}").replace(&format!("&{field}="), "&Other=");
        assert_eq!(InboundMessage::parse(without.as_bytes()), Err(WebhookError::Missing(field)));
        let malformed = format!("{field}=%00bad&{body}");
        let parsed = InboundMessage::parse(malformed.as_bytes());
        match field {
            "From" => assert_eq!(parsed.unwrap().from, "\0bad", "a message of an odd sender is not lost"),
            _ => assert_eq!(parsed, Err(WebhookError::Malformed(field))),
        }
    }
    let body = fixture_text("status_sent.form");
    for field in ["MessageSid", "AccountSid", "MessageStatus"] {
        let without = format!("&{body}").replace(&format!("&{field}="), "&Other=");
        assert_eq!(StatusCallback::parse(without.as_bytes()), Err(WebhookError::Missing(field)));
    }
    assert_eq!(WebhookError::Missing("From").to_string(), "the field From is missing");
}

#[test]
fn invalid_optional_fields_do_not_lose_a_message() {
    let body = fixture_text("inbound_mms.form")
        .replace("NumMedia=2", "NumMedia=x")
        .replace("NumSegments=1", "NumSegments=-1");
    let message = InboundMessage::parse(format!("OptOutType=PAUSE&{body}").as_bytes()).unwrap();
    assert_eq!((message.media.len(), message.num_segments), (2, 1));
    assert_eq!(message.opt_out_type, Some(OptOutType::Other("PAUSE".into())));
}

#[test]
fn the_text_can_be_absent_or_invalid_utf8() {
    let body = fixture_text("inbound_stop_no_opt_out_type.form");
    assert_eq!(InboundMessage::parse(body.replace("&Body=", "&Other=").as_bytes()).unwrap().body, "");
    let broken = InboundMessage::parse(body.replace("Body=STOP", "Body=a%FFb").as_bytes()).unwrap();
    assert_eq!(broken.body, "a\u{fffd}b");
}

#[test]
fn at_most_ten_media_are_read() {
    let files =
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(|n| format!("&MediaUrl{n}=https://m.test/{n}")).concat();
    let message = InboundMessage::parse((fixture_text("inbound_sms.form") + &files).as_bytes()).unwrap();
    assert_eq!(message.media.len(), 10);
    assert_eq!(message.media[9].url, "https://m.test/9");
    assert_eq!(message.media[9].content_type, "application/octet-stream");
}

#[test]
fn a_gap_does_not_lose_the_media_after_it() {
    let body = fixture_text("inbound_mms.form").replace("&MediaUrl0=", "&Other=");
    let message = InboundMessage::parse(body.as_bytes()).unwrap();
    assert_eq!(
        message.media.iter().map(|file| file.content_type.as_str()).collect::<Vec<_>>(),
        ["image/png"]
    );
}

#[test]
fn nothing_private_is_shown() {
    let message = inbound("mms");
    let callback = status("failed_30001");
    let shown = format!("{message:?} {:?} {callback:?}", message.media);
    for private in ["2025550", "photos", "https", "Media/"] {
        assert!(!shown.contains(private), "{shown}");
    }
}
