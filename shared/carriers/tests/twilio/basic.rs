//! Basic credentials: the recorded vectors and further cases.

use serde::Deserialize;
use shared_carriers::twilio::BasicCredentials;

use crate::support::fixture;

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    valid: bool,
    username: String,
    password: String,
    headers: Headers,
}

#[derive(Deserialize)]
struct Headers {
    #[serde(rename = "Authorization")]
    authorization: Option<String>,
}

#[test]
fn every_vector_is_decided_correctly() {
    let Vectors { vectors } = serde_json::from_slice(&fixture("basic.json")).unwrap();
    assert_eq!(vectors.len(), 4);
    for vector in vectors {
        let credentials = BasicCredentials::new(&vector.username, &vector.password);
        let matches = credentials.matches(vector.headers.authorization.as_deref());
        assert_eq!(matches, vector.valid, "{}", vector.id);
    }
}

#[test]
fn the_scheme_is_read_in_any_letter_case() {
    let credentials = BasicCredentials::new("Aladdin", "open sesame");
    for header in ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "basic  QWxhZGRpbjpvcGVuIHNlc2FtZQ== "] {
        assert!(credentials.matches(Some(header)), "{header}");
    }
}

#[test]
fn malformed_headers_do_not_match() {
    let credentials = BasicCredentials::new("Aladdin", "open sesame");
    for header in [
        "",
        "Basic",
        "Basic ",
        "QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ",
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==, Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "Basic Aladdin:open sesame",
        "Basic é",
        "Basic QWxhZGRpbg==",
    ] {
        assert!(!credentials.matches(Some(header)), "{header}");
    }
    assert!(!credentials.matches(None));
}

#[test]
fn unusable_credentials_match_nothing() {
    // "user:" and "a:b:c"
    assert!(!BasicCredentials::new("user", "").matches(Some("Basic dXNlcjo=")));
    assert!(!BasicCredentials::new("a:b", "c").matches(Some("Basic YTpiOmM=")));
    assert!(BasicCredentials::new("a", "b:c").matches(Some("Basic YTpiOmM=")));
}

#[test]
fn credentials_are_not_shown() {
    let shown = format!("{:?}", BasicCredentials::new("Aladdin", "open sesame"));
    assert_eq!(shown, "BasicCredentials { .. }");
}
