//! Properties that hold for every input.

use proptest::collection::vec;
use proptest::prelude::*;
use shared_carriers::twilio::signature::{sign, sign_json, verify_url};
use shared_carriers::twilio::voice::{announcement, dial};
use shared_carriers::twilio::{
    BasicCredentials, InboundMessage, IncomingCall, SignatureError, StatusCallback, parse_events,
};

use crate::support::fixture_text;

const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

fn encoded(params: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish()
}

fn borrowed(params: &[(String, String)]) -> Vec<(&str, &str)> {
    params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Bytes that look like a form more often than random bytes.
fn form_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"MessageSid=SM11111111111111111111111111111111".to_vec()),
        Just(b"AccountSid=ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_vec()),
        Just(b"From=%2B12025550143".to_vec()),
        Just(b"To=%2B12025550100".to_vec()),
        Just(b"CallSid=CA11111111111111111111111111111111".to_vec()),
        Just(b"MessageStatus=".to_vec()),
        Just(b"MediaUrl0=".to_vec()),
        Just(b"NumSegments=".to_vec()),
        Just(b"&".to_vec()),
        Just(b"=".to_vec()),
        Just(b"%".to_vec()),
        vec(any::<u8>(), 0..8),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Bytes that look like a list of events more often than random bytes.
fn events_like() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just(r#""com.twilio.messaging.compliance.brand-registration.brand-failure""#.to_owned()),
        Just(r#""EZ1""#.to_owned()),
        Just("null".to_owned()),
        Just("1756043494500".to_owned()),
        Just("-9e99".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        "[a-z+(0-9/ ]{0,20}".prop_map(|text| format!("\"{text}\"")),
    ];
    let name = prop_oneof![
        Just("id"),
        Just("type"),
        Just("time"),
        Just("data"),
        Just("timestamp"),
        Just("errorcode"),
        Just("errors"),
        Just("failureReason"),
        Just("accountsid"),
    ];
    let json = leaf.prop_recursive(4, 64, 8, move |inner| {
        let pair = (name.clone(), inner.clone()).prop_map(|(name, value)| format!("\"{name}\":{value}"));
        prop_oneof![
            vec(inner, 0..8).prop_map(|list| format!("[{}]", list.join(","))),
            vec(pair, 0..8).prop_map(|pairs| format!("{{{}}}", pairs.join(","))),
        ]
    });
    json.prop_map(String::into_bytes)
}

/// Unescapes a text as an XML parser does. Fails if the text contains markup.
fn unescaped(escaped: &str) -> String {
    assert!(!escaped.contains(['<', '>', '"', '\'']), "{escaped}");
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    let bare = plain.iter().fold(escaped.to_owned(), |rest, (escape, _)| rest.replace(escape, ""));
    assert!(!bare.contains('&'), "{escaped}");
    plain.iter().fold(escaped.to_owned(), |text, (escape, mark)| text.replace(escape, mark))
}

proptest! {
    #[test]
    fn no_bytes_make_the_event_parser_panic(body in prop_oneof![vec(any::<u8>(), 0..2_000), events_like()]) {
        let _ = parse_events(&body);
    }

    #[test]
    fn no_element_of_a_list_of_events_is_lost(body in vec(events_like(), 0..8)) {
        let list = [b"[".to_vec(), body.join(&b','), b"]".to_vec()].concat();
        let batch = parse_events(&list).unwrap();
        prop_assert_eq!(batch.events.len() + batch.unreadable, body.len());
    }

    #[test]
    fn no_header_makes_the_credentials_panic_or_match(header in ".*") {
        prop_assert!(!BasicCredentials::new("user", "a long password").matches(Some(&header)));
    }

    #[test]
    fn a_response_to_a_call_is_well_formed_and_contains_its_arguments(text in "\\PC*", number in "\\PC+") {
        let said = announcement(&text);
        let said = said.split_once("<Say>").unwrap().1.split_once("</Say><Hangup/></Response>").unwrap();
        prop_assert_eq!((unescaped(said.0), said.1), (text.clone(), ""));
        let dialled = dial(&text, &number);
        let (caller_id, rest) = dialled.split_once("callerId=\"").unwrap().1.split_once("\"><Number>").unwrap();
        let (called, rest) = rest.split_once("</Number></Dial></Response>").unwrap();
        prop_assert_eq!((unescaped(caller_id), unescaped(called), rest), (number, text, ""));
    }

    #[test]
    fn no_bytes_make_a_parser_panic(body in prop_oneof![vec(any::<u8>(), 0..2_000), form_like()]) {
        let _ = InboundMessage::parse(&body);
        let _ = StatusCallback::parse(&body);
        let _ = IncomingCall::parse(&body);
    }

    #[test]
    fn no_request_makes_the_verifier_panic(
        url in ".*", content_type in proptest::option::of(".*"), body in form_like(), signature in ".*",
    ) {
        let answer = verify_url(&url, content_type.as_deref(), &body, Some(&signature), &["token"]);
        prop_assert!(answer.is_err());
    }

    #[test]
    fn a_signed_form_is_verified(params in vec((".*", ".*"), 0..12), path in "[a-zA-Z0-9/%?&=._:@-]{0,30}") {
        let url = format!("https://hooks.example.com/{path}");
        let body = encoded(&params);
        let signature = sign(&url, &borrowed(&params), "token");
        prop_assert_eq!(verify_url(&url, FORM, body.as_bytes(), Some(&signature), &["old", "token"]), Ok(()));
        let other = verify_url(&url, FORM, body.as_bytes(), Some(&signature), &["other"]);
        prop_assert_eq!(other, Err(SignatureError::Mismatch));
    }

    #[test]
    fn the_order_of_parameters_does_not_matter(params in vec(("[A-Za-z]{1,8}", ".*"), 0..12).prop_shuffle()) {
        let signature = sign("https://a.test/", &borrowed(&params), "token");
        let reversed: Vec<_> = params.into_iter().rev().collect();
        let body = encoded(&reversed);
        prop_assert_eq!(verify_url("https://a.test/", FORM, body.as_bytes(), Some(&signature), &["token"]), Ok(()));
    }

    #[test]
    fn a_signed_json_body_is_verified(body in vec(any::<u8>(), 1..500), flip in any::<prop::sample::Index>()) {
        let (url, signature) = sign_json("https://a.test/p", &body, "token");
        let json = Some("application/json");
        prop_assert_eq!(verify_url(&url, json, &body, Some(&signature), &["token"]), Ok(()));
        let mut other = body.clone();
        other[flip.index(body.len())] ^= 1;
        let answer = verify_url(&url, json, &other, Some(&signature), &["token"]);
        prop_assert_eq!(answer, Err(SignatureError::BodyHashMismatch));
    }

    #[test]
    fn a_text_is_read_unchanged(text in ".{0,400}") {
        let recorded = fixture_text("inbound_sms.form");
        let (body, rest) = (recorded.find("&Body=").unwrap(), recorded.find("&FromCountry=").unwrap());
        let text_field = encoded(&[("Body".into(), text.clone())]);
        let form = format!("{}&{text_field}{}", &recorded[..body], &recorded[rest..]);
        prop_assert_eq!(InboundMessage::parse(form.as_bytes()).unwrap().body, text);
    }
}
