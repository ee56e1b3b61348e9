//! What holds for every input.

use proptest::collection::vec;
use proptest::prelude::*;
use shared_carriers::twilio::signature::{sign, sign_json, verify_url};
use shared_carriers::twilio::{InboundMessage, SignatureError, StatusCallback};

use crate::support::fixture_text;

const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

fn encoded(params: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish()
}

fn borrowed(params: &[(String, String)]) -> Vec<(&str, &str)> {
    params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Bytes that look like a form more often than chance would have it.
fn form_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"MessageSid=SM11111111111111111111111111111111".to_vec()),
        Just(b"AccountSid=ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_vec()),
        Just(b"From=%2B12025550143".to_vec()),
        Just(b"To=%2B12025550100".to_vec()),
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

proptest! {
    #[test]
    fn no_bytes_make_a_parser_panic(body in prop_oneof![vec(any::<u8>(), 0..2_000), form_like()]) {
        let _ = InboundMessage::parse(&body);
        let _ = StatusCallback::parse(&body);
    }

    #[test]
    fn no_request_makes_the_verifier_panic(
        url in ".*", content_type in proptest::option::of(".*"), body in form_like(), signature in ".*",
    ) {
        let answer = verify_url(&url, content_type.as_deref(), &body, Some(&signature), &["token"]);
        prop_assert!(answer.is_err());
    }

    #[test]
    fn what_was_signed_is_verified(params in vec((".*", ".*"), 0..12), path in "[a-zA-Z0-9/%?&=._:@-]{0,30}") {
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
    fn what_was_signed_as_json_is_verified(body in vec(any::<u8>(), 1..500), flip in any::<prop::sample::Index>()) {
        let (url, signature) = sign_json("https://a.test/p", &body, "token");
        let json = Some("application/json");
        prop_assert_eq!(verify_url(&url, json, &body, Some(&signature), &["token"]), Ok(()));
        let mut other = body.clone();
        other[flip.index(body.len())] ^= 1;
        let answer = verify_url(&url, json, &other, Some(&signature), &["token"]);
        prop_assert_eq!(answer, Err(SignatureError::BodyHashMismatch));
    }

    #[test]
    fn a_text_comes_through_as_it_was_written(text in ".{0,400}") {
        let recorded = fixture_text("inbound_sms.form");
        let (body, rest) = (recorded.find("&Body=").unwrap(), recorded.find("&FromCountry=").unwrap());
        let text_field = encoded(&[("Body".into(), text.clone())]);
        let form = format!("{}&{text_field}{}", &recorded[..body], &recorded[rest..]);
        prop_assert_eq!(InboundMessage::parse(form.as_bytes()).unwrap().body, text);
    }
}
