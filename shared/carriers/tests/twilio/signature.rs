//! Signatures: the recorded vectors and further cases.

use serde::Deserialize;
use shared_carriers::twilio::signature::{sign, sign_json, verify_url};
use shared_carriers::twilio::{
    MAX_BODY_BYTES, MAX_JSON_BYTES, SignatureError, SignedRequest, Verifier, VerifierError,
};

use crate::support::fixture;

const FORM: &str = "application/x-www-form-urlencoded";

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    valid: bool,
    secret: String,
    url: String,
    signed_url: Option<String>,
    headers: Headers,
    content_type: String,
    params: Option<Vec<(String, String)>>,
    raw_body: String,
}

#[derive(Deserialize)]
struct Headers {
    #[serde(rename = "X-Twilio-Signature")]
    signature: Option<String>,
}

fn vectors() -> Vec<Vector> {
    let file: Vectors = serde_json::from_slice(&fixture("signatures.json")).unwrap();
    assert_eq!(file.vectors.len(), 17);
    file.vectors
}

fn check(vector: &Vector) -> Result<(), SignatureError> {
    let signature = vector.headers.signature.as_deref();
    verify_url(
        &vector.url,
        Some(&vector.content_type),
        vector.raw_body.as_bytes(),
        signature,
        &[&vector.secret],
    )
}

#[test]
fn every_vector_of_twilios_libraries_is_decided_correctly() {
    for vector in vectors() {
        let expected = match vector.id.as_str() {
            _ if vector.valid => Ok(()),
            "form-missing-header" => Err(SignatureError::Missing),
            "json-body-without-hash-parameter" => Err(SignatureError::BodyHashMissing),
            _ => Err(SignatureError::Mismatch),
        };
        assert_eq!(check(&vector), expected, "{}", vector.id);
    }
}

#[test]
fn signing_reproduces_every_valid_vector() {
    for vector in vectors() {
        let (Some(url), Some(params)) = (&vector.signed_url, &vector.params) else { continue };
        let params: Vec<_> = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(Some(sign(url, &params, &vector.secret)), vector.headers.signature, "{}", vector.id);
    }
}

#[test]
fn any_change_to_a_valid_vector_is_refused() {
    for vector in vectors().into_iter().filter(|vector| vector.valid) {
        for position in 0..vector.raw_body.len() {
            let mut body = vector.raw_body.clone().into_bytes();
            body[position] ^= 1;
            let signature = vector.headers.signature.as_deref();
            let answer =
                verify_url(&vector.url, Some(&vector.content_type), &body, signature, &[&vector.secret]);
            // A change to the letter case of an escape leaves the parameters the same.
            let same = form_urlencoded::parse(&body).eq(form_urlencoded::parse(vector.raw_body.as_bytes()));
            assert_eq!(answer.is_ok(), same && vector.params.is_some(), "{} at {position}", vector.id);
        }
        let other_path = vector.url.replace("myapp", "otherapp");
        let other = Vector { url: other_path, ..vector };
        assert_eq!(check(&other), Err(SignatureError::Mismatch), "{}", other.id);
    }
}

#[test]
fn the_url_is_the_public_base_with_the_raw_path_and_query() {
    let verifier = Verifier::new("https://hooks.example.com/", vec!["token".into()]).unwrap();
    for (path, query, url) in [
        ("/webhooks/twilio/messages", None, "https://hooks.example.com/webhooks/twilio/messages"),
        ("/webhooks/twilio/messages", Some(""), "https://hooks.example.com/webhooks/twilio/messages"),
        ("/a%20b", Some("x=%2B1&y=a+b"), "https://hooks.example.com/a%20b?x=%2B1&y=a+b"),
    ] {
        let signature = sign(url, &[("Body", "  yes  ")], "token");
        let request = SignedRequest {
            raw_path: path,
            raw_query: query,
            content_type: Some("Application/X-WWW-Form-URLencoded; charset=UTF-8"),
            signature: Some(&signature),
            body: b"Body=++yes++",
        };
        assert_eq!(verifier.verify(&request), Ok(()), "{url}");
        let trimmed = SignedRequest { body: b"Body=yes", ..request };
        assert_eq!(verifier.verify(&trimmed), Err(SignatureError::Mismatch), "{url}");
    }
}

#[test]
fn during_a_rotation_only_the_two_tokens_are_accepted() {
    let verifier = Verifier::new("https://a.test", vec!["new".into(), "old".into()]).unwrap();
    for (token, expected) in [
        ("new", Ok(())),
        ("old", Ok(())),
        ("other", Err(SignatureError::Mismatch)),
        ("", Err(SignatureError::Mismatch)),
    ] {
        let signature = sign("https://a.test/p", &[("A", "1")], token);
        let request = SignedRequest {
            raw_path: "/p",
            raw_query: None,
            content_type: Some(FORM),
            signature: Some(&signature),
            body: b"A=1",
        };
        assert_eq!(verifier.verify(&request), expected, "{token}");
    }
}

#[test]
fn a_json_body_must_match_the_hash_in_the_url() {
    let body = br#"{"a":1}"#;
    let (url, signature) = sign_json("https://a.test/p?x=1", body, "token");
    let verify =
        |url: &str, content_type, body| verify_url(url, content_type, body, Some(&signature), &["token"]);
    let json = Some("application/json");
    assert_eq!(verify(&url, json, body), Ok(()));
    assert_eq!(verify(&url, json, br#"{"a":2}"#), Err(SignatureError::BodyHashMismatch));
    assert_eq!(
        verify(&url.replace("bodySHA256", "bodysha256"), json, body),
        Err(SignatureError::BodyHashMissing)
    );
    assert_eq!(verify(&url.replace("x=1", "x=2"), json, body), Err(SignatureError::Mismatch));
    assert_eq!(verify(&url, None, body), Ok(()), "the digest covers any body");
}

#[test]
fn a_body_that_the_signature_does_not_cover_is_refused() {
    let signature = sign("https://a.test/p", &[], "token");
    let verify = |content_type, body: &[u8]| {
        verify_url("https://a.test/p", content_type, body, Some(&signature), &["token"])
    };
    for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencodedX"), Some("")] {
        assert_eq!(
            verify(content_type, b"Body=Hi"),
            Err(SignatureError::BodyHashMissing),
            "{content_type:?}"
        );
        assert_eq!(verify(content_type, b""), Ok(()), "{content_type:?}");
    }
}

#[test]
fn invalid_utf8_is_signed_as_bytes() {
    let replaced = sign("https://a.test/p", &[("Body", "\u{fffd}")], "token");
    let answer = verify_url("https://a.test/p", Some(FORM), b"Body=%FF", Some(&replaced), &["token"]);
    assert_eq!(answer, Err(SignatureError::Mismatch));
}

#[test]
fn malformed_signatures_are_refused() {
    let right = sign("https://a.test/p", &[], "token");
    for (header, expected) in [
        (None, SignatureError::Missing),
        (Some(""), SignatureError::Missing),
        (Some("AAAA"), SignatureError::Mismatch),
        (Some("é"), SignatureError::Mismatch),
        (Some(&right[..27]), SignatureError::Mismatch),
        (Some(&format!("{right},{right}")), SignatureError::Mismatch),
        (Some(&right.repeat(2)), SignatureError::Mismatch),
    ] {
        assert_eq!(
            verify_url("https://a.test/p", None, b"", header, &["token"]),
            Err(expected),
            "{header:?}"
        );
    }
    assert_eq!(verify_url("https://a.test/p", None, b"", Some(&right), &["token"]), Ok(()));
}

#[test]
fn a_body_over_the_limit_is_refused() {
    let body = vec![b'a'; MAX_BODY_BYTES + 1];
    let answer = verify_url("https://a.test/p", Some(FORM), &body, Some("x"), &["token"]);
    assert_eq!(answer, Err(SignatureError::BodyTooLarge));
}

#[test]
fn a_body_that_is_not_a_form_can_be_longer() {
    let verify = |length: usize| {
        let body = vec![b' '; length];
        let (url, signature) = sign_json("https://a.test/p", &body, "token");
        verify_url(&url, Some("application/json"), &body, Some(&signature), &["token"])
    };
    assert_eq!(verify(MAX_BODY_BYTES + 1), Ok(()));
    assert_eq!(verify(MAX_JSON_BYTES), Ok(()));
    assert_eq!(verify(MAX_JSON_BYTES + 1), Err(SignatureError::BodyTooLarge));
}

#[test]
fn an_event_can_be_signed_with_or_without_the_user_information_of_its_url() {
    let verifier = Verifier::new("https://hooks.example.com", vec!["token".into()]).unwrap();
    let body = b"[]";
    for (signed, plain, with_user_info) in [
        ("https://hooks.example.com/events?v=1", true, true),
        ("https://hooks.example.com:443/events?v=1", true, true),
        ("https://events:p%40ss@hooks.example.com/events?v=1", false, true),
        ("https://events:p%40ss@hooks.example.com:443/events?v=1", false, true),
        ("https://events:other@hooks.example.com/events?v=1", false, false),
        ("https://events@hooks.example.com/events?v=1", false, false),
    ] {
        let (url, signature) = sign_json(signed, body, "token");
        let request = SignedRequest {
            raw_path: "/events",
            raw_query: url.split_once('?').map(|(_, query)| query),
            content_type: Some("application/json"),
            signature: Some(&signature),
            body,
        };
        let expected = |right| if right { Ok(()) } else { Err(SignatureError::Mismatch) };
        assert_eq!(verifier.verify(&request), expected(plain), "{signed}");
        let answer = verifier.verify_with_user_info(&request, "events:p%40ss");
        assert_eq!(answer, expected(with_user_info), "{signed}");
        let other = SignedRequest { body: b"{}", ..request };
        let expected =
            if with_user_info { SignatureError::BodyHashMismatch } else { SignatureError::Mismatch };
        assert_eq!(verifier.verify_with_user_info(&other, "events:p%40ss"), Err(expected), "{signed}");
    }
}

#[test]
fn a_verifier_needs_a_url_and_one_or_two_tokens() {
    let new = |url: &str, tokens: &[&str]| {
        Verifier::new(url, tokens.iter().map(ToString::to_string).collect()).err()
    };
    assert_eq!(new("https://a.test", &["1", "2"]), None);
    assert_eq!(new("a.test", &["1"]), Some(VerifierError::BaseUrl));
    assert_eq!(new("https://a.test", &[]), Some(VerifierError::TokenCount(0)));
    assert_eq!(new("https://a.test", &["1", "2", "3"]), Some(VerifierError::TokenCount(3)));
    assert_eq!(new("https://a.test", &["1", ""]), Some(VerifierError::EmptyToken));
}

#[test]
fn a_verifier_does_not_show_its_tokens() {
    let verifier = Verifier::new("https://a.test", vec!["s3cret".into()]).unwrap();
    assert_eq!(format!("{verifier:?}"), r#"Verifier { public_base_url: "https://a.test", auth_tokens: 1 }"#);
}
