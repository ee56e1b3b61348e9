//! Campaigns, against a server on loopback.

use axum::http::Method;
use serde_json::{Value, json};
use shared_carriers::twilio::{Campaign, CampaignDetails, CampaignError, CampaignStatus};

use crate::calls::{KEY, managing, sid};
use crate::support::{Request, Server, answer, fixture, fixture_text};

fn service() -> String {
    sid("MG", 'a')
}

fn path() -> String {
    format!("/v1/Services/{}/Compliance/Usa2p", service())
}

fn details() -> CampaignDetails {
    CampaignDetails {
        brand_sid: sid("BN", 'a'),
        use_case: "LOW_VOLUME".into(),
        description: "Replies of our front desk".into(),
        message_flow: "At the desk & by form".into(),
        message_samples: vec!["Your visit is on Friday".into(), "We got your question".into()],
        has_embedded_links: true,
        has_embedded_phone: false,
        privacy_policy_url: Some("https://clinic.example/privacy".into()),
        terms_url: None,
    }
}

fn campaign(status: CampaignStatus) -> Campaign {
    Campaign {
        sid: sid("QE", 'a'),
        status,
        campaign_id: None,
        errors: vec![],
        segments_per_second: None,
        updated_at: Some("2026-11-22T10:00:00Z".parse().unwrap()),
    }
}

fn form(request: &Request) -> Vec<(String, String)> {
    form_urlencoded::parse(request.body.as_bytes()).into_owned().collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const COMMON: [(&str, &str); 7] = [
    ("Description", "Replies of our front desk"),
    ("MessageFlow", "At the desk & by form"),
    ("MessageSamples", "Your visit is on Friday"),
    ("MessageSamples", "We got your question"),
    ("HasEmbeddedLinks", "true"),
    ("HasEmbeddedPhone", "false"),
    ("PrivacyPolicyUrl", "https://clinic.example/privacy"),
];

#[tokio::test]
async fn a_campaign_is_submitted_with_all_its_details() {
    let server = Server::start([answer(201, fixture_text("usa2p_fetch_in_progress.json"))]).await;
    let carrier = managing(&server.base_url);
    let made = carrier.create_campaign(&service(), &details()).await;
    assert_eq!(made, Ok(campaign(CampaignStatus::InProgress)));
    let with_terms = CampaignDetails {
        privacy_policy_url: None,
        terms_url: Some("https://clinic.example/terms".into()),
        ..details()
    };
    carrier.create_campaign(&service(), &with_terms).await.unwrap();
    let requests = server.requests();
    assert_eq!((requests[0].method.clone(), requests[0].uri.to_string()), (Method::POST, path()));
    assert_eq!(requests[0].headers["authorization"], KEY);
    assert_eq!(requests[0].headers["x-twilio-api-version"], "v1.2");
    let brand = sid("BN", 'a');
    let first = [("BrandRegistrationSid", brand.as_str()), ("UsAppToPersonUsecase", "LOW_VOLUME")];
    assert_eq!(form(&requests[0]), pairs(&[first.as_slice(), &COMMON].concat()));
    let terms = [("TermsAndConditionsUrl", "https://clinic.example/terms")];
    assert_eq!(form(&requests[1]), pairs(&[first.as_slice(), &COMMON[..6], &terms].concat()));
}

#[tokio::test]
async fn a_failed_campaign_is_submitted_again_without_brand_and_use_case() {
    let server = Server::start([answer(200, fixture_text("usa2p_fetch_in_progress.json"))]).await;
    let sid = sid("QE", 'a');
    let changed = managing(&server.base_url).update_campaign(&service(), &sid, &details()).await;
    assert_eq!(changed, Ok(campaign(CampaignStatus::InProgress)));
    let request = &server.requests()[0];
    assert_eq!(
        (request.method.clone(), request.uri.to_string()),
        (Method::POST, format!("{}/{sid}", path()))
    );
    assert_eq!(request.headers["authorization"], KEY);
    assert_eq!(request.headers["x-twilio-api-version"], "v1.2");
    let required = [("AgeGated", "false"), ("DirectLending", "false")];
    assert_eq!(form(request), pairs(&[COMMON.as_slice(), &required].concat()));
}

#[tokio::test]
async fn every_recorded_campaign_is_read() {
    let rejected = CampaignError {
        code: 30886,
        description: "The campaign description does not fit the use case.".into(),
        fields: vec!["USE_CASE_DESCRIPTION".into()],
    };
    for (name, expected) in [
        ("in_progress", campaign(CampaignStatus::InProgress)),
        ("failed", Campaign { errors: vec![rejected], ..campaign(CampaignStatus::Failed) }),
        (
            "verified",
            Campaign {
                campaign_id: Some("CFOOBAR".into()),
                segments_per_second: Some(75),
                ..campaign(CampaignStatus::Verified)
            },
        ),
    ] {
        let server = Server::start([answer(200, fixture_text(&format!("usa2p_fetch_{name}.json")))]).await;
        let sid = sid("QE", 'a');
        let fetched = managing(&server.base_url).fetch_campaign(&service(), &sid).await;
        assert_eq!(fetched, Ok(expected), "{name}");
        let request = &server.requests()[0];
        assert_eq!(
            (request.method.clone(), request.uri.to_string()),
            (Method::GET, format!("{}/{sid}", path()))
        );
        assert_eq!(request.headers["authorization"], KEY);
    }
}

#[tokio::test]
async fn absent_fields_and_unknown_statuses_are_read() {
    let bare = Campaign { updated_at: None, ..campaign(CampaignStatus::Other) };
    let sid = sid("QE", 'a');
    for (wire, expected) in [
        (json!({ "sid": sid }), bare.clone()),
        (
            json!({ "sid": sid, "campaign_status": null, "campaign_id": "", "errors": null, "date_updated": "soon" }),
            bare.clone(),
        ),
        (json!({ "sid": sid, "campaign_status": "RENEWED", "errors": {} }), bare.clone()),
        (
            json!({ "sid": sid, "campaign_status": "pending" }),
            Campaign { status: CampaignStatus::Pending, ..bare.clone() },
        ),
        (
            json!({ "sid": sid, "campaign_status": "SUSPENDED", "errors": ["odd", { "fields": [1, "A"], "description": "call 202-555-0143" }] }),
            Campaign {
                status: CampaignStatus::Suspended,
                errors: vec![
                    CampaignError { code: 0, description: String::new(), fields: vec![] },
                    CampaignError { code: 0, description: "call [number]".into(), fields: vec!["A".into()] },
                ],
                ..bare
            },
        ),
    ] {
        let server = Server::start([answer(200, wire.to_string())]).await;
        assert_eq!(managing(&server.base_url).fetch_campaign(&service(), &sid).await, Ok(expected));
    }
}

#[tokio::test]
async fn the_campaign_of_a_service_is_the_first_in_the_list() {
    let recorded: Value = serde_json::from_slice(&fixture("usa2p_fetch_in_progress.json")).unwrap();
    let other = json!({ "sid": sid("QE", 'b') });
    let server = Server::start([
        answer(200, json!({ "compliance": [recorded, other], "meta": {} }).to_string()),
        answer(200, json!({ "compliance": [] }).to_string()),
    ])
    .await;
    let carrier = managing(&server.base_url);
    let found = carrier.find_campaign(&service()).await;
    assert_eq!(found, Ok(Some(campaign(CampaignStatus::InProgress))));
    assert_eq!(carrier.find_campaign(&service()).await, Ok(None));
    let request = &server.requests()[0];
    assert_eq!((request.method.clone(), request.uri.to_string()), (Method::GET, path()));
    assert_eq!(request.headers["authorization"], KEY);
}

#[tokio::test]
async fn a_campaign_can_be_deleted_twice() {
    let server = Server::start([answer(204, ""), answer(404, r#"{"code":20404}"#)]).await;
    let carrier = managing(&server.base_url);
    let sid = sid("QE", 'a');
    for _ in 0..2 {
        assert_eq!(carrier.delete_campaign(&service(), &sid).await, Ok(()));
    }
    let request = &server.requests()[0];
    assert_eq!(
        (request.method.clone(), request.uri.to_string()),
        (Method::DELETE, format!("{}/{sid}", path()))
    );
}

#[test]
fn a_finding_does_not_show_its_description() {
    let error = CampaignError { code: 1, description: "secret".into(), fields: vec![] };
    let found = Campaign { errors: vec![error], ..campaign(CampaignStatus::Failed) };
    assert!(!format!("{found:?}").contains("secret"));
}
