//! Campaigns and their review.

use serde_json::{Value, json};

use crate::registration::{BRAND, CAMPAIGN, campaign_with, sid};
use crate::schema::{Api, assert_answer};
use crate::support::{ACCOUNT, TOKEN, TestSimulator, client, json_fixture, read};

const LIST: &str = "/v1/Services/{MessagingServiceSid}/Compliance/Usa2p";
const ONE: &str = "/v1/Services/{MessagingServiceSid}/Compliance/Usa2p/{Sid}";

fn campaigns(service: &str) -> String {
    format!("/v1/Services/{service}/Compliance/Usa2p")
}

/// Creates a service. Returns its sid and the path of its campaign.
async fn submitted(simulator: &TestSimulator) -> (String, String) {
    let service = simulator.new_service().await;
    let path = format!("{}/{}", campaigns(&service), simulator.new_campaign(&service).await);
    (service, path)
}

async fn fetched(simulator: &TestSimulator, path: &str) -> Value {
    let (status, campaign) = simulator.get(path).await;
    assert_eq!(status, 200, "{campaign}");
    assert_answer(Api::Messaging, &format!("GET {ONE}"), 200, &campaign);
    campaign
}

/// Replaces random values and times by the recorded ones.
fn assert_recorded(campaign: &Value, recorded: &str) {
    let mut campaign = campaign.clone();
    for (name, value) in json_fixture(recorded).as_object().unwrap() {
        match name.as_str() {
            "sid" | "messaging_service_sid" | "date_created" | "date_updated" => {}
            "rate_limits" => assert_eq!(campaign[name].is_object(), value.is_object()),
            "campaign_id" => assert_eq!(campaign[name].is_string(), value.is_string()),
            _ => assert_eq!(&campaign[name], value, "{name}"),
        }
        campaign.as_object_mut().unwrap().remove(name);
    }
    let rest: Vec<_> = campaign.as_object().unwrap().keys().cloned().collect();
    assert_eq!(rest, ["help_message", "opt_in_message", "opt_out_message", "url"]);
}

#[tokio::test]
async fn a_campaign_is_under_review_until_its_status_is_set() {
    let simulator = TestSimulator::start().await;
    let service = simulator.new_service().await;
    let (status, campaign) = simulator.post_to(&campaigns(&service), &CAMPAIGN).await;
    assert_eq!(status, 201, "{campaign}");
    assert_answer(Api::Messaging, &format!("POST {LIST}"), 201, &campaign);
    assert_recorded(&campaign, "usa2p_fetch_in_progress.json");
    let path = format!("{}/{}", campaigns(&service), sid(&campaign));
    assert_eq!(fetched(&simulator, &path).await, campaign);
    assert_eq!(simulator.get_url(campaign["url"].as_str().unwrap()).await.1, campaign);
    let (_, list) = simulator.get(&campaigns(&service)).await;
    assert_answer(Api::Messaging, &format!("GET {LIST}"), 200, &list);
    assert_eq!((&list["meta"]["key"], &list["compliance"]), (&"compliance".into(), &json!([campaign])));

    let decided = simulator.decide(&service, "VERIFIED", &[]).await;
    assert_eq!((&decided["campaignSid"], &decided["status"]), (&campaign["sid"], &"VERIFIED".into()));
    let verified = fetched(&simulator, &path).await;
    assert_recorded(&verified, "usa2p_fetch_verified.json");
    let (_, registered) = simulator.get(&format!("/v1/Services/{service}")).await;
    assert_eq!(registered["us_app_to_person_registered"], true);

    simulator.decide(&service, "SUSPENDED", &[]).await;
    assert_eq!(fetched(&simulator, &path).await["campaign_status"], "SUSPENDED");
    let (_, suspended) = simulator.get(&format!("/v1/Services/{service}")).await;
    assert_eq!(suspended["us_app_to_person_registered"], false);
}

#[tokio::test]
async fn a_corrected_campaign_is_under_review_again() {
    let simulator = TestSimulator::start().await;
    let (service, path) = submitted(&simulator).await;
    let first = fetched(&simulator, &path).await;
    simulator.decide(&service, "FAILED", &[("ErrorCode", "30886")]).await;
    let failed = fetched(&simulator, &path).await;
    assert_recorded(&failed, "usa2p_fetch_failed.json");

    let better = "Replies of our front desk to patients who wrote to us first.";
    let (status, updated) = simulator.post_to(&path, &campaign_with("Description", better)).await;
    assert_eq!(status, 200, "{updated}");
    assert_answer(Api::Messaging, &format!("POST {ONE}"), 200, &updated);
    assert_eq!((&updated["campaign_status"], &updated["errors"]), (&"IN_PROGRESS".into(), &json!([])));
    assert_eq!((&updated["description"], &updated["sid"]), (&better.into(), &first["sid"]));
    assert_eq!(fetched(&simulator, &path).await, updated);
    let dates = [&first, &failed, &updated].map(|campaign| campaign["date_updated"].as_str().unwrap());
    assert!(dates.is_sorted(), "{dates:?}");
}

#[tokio::test]
async fn only_a_failed_campaign_can_be_updated_and_only_with_all_fields() {
    let simulator = TestSimulator::start().await;
    let (service, path) = submitted(&simulator).await;
    for (status, code) in [("IN_PROGRESS", 20001), ("VERIFIED", 20001), ("SUSPENDED", 21729)] {
        simulator.decide(&service, status, &[]).await;
        let (answer, failure) = simulator.post_to(&path, &CAMPAIGN).await;
        assert_eq!((answer, &failure["code"]), (400, &code.into()), "{status}");
        assert_eq!(fetched(&simulator, &path).await["campaign_status"], status);
    }
    simulator.decide(&service, "FAILED", &[]).await;
    for (name, text, code) in
        [("AgeGated", "", 21727), ("DirectLending", "", 21727), ("MessageFlow", "Too short", 21728)]
    {
        let (status, failure) = simulator.post_to(&path, &campaign_with(name, text)).await;
        assert_eq!((status, &failure["code"]), (400, &code.into()), "{name}");
        assert!(failure["message"].as_str().unwrap().contains(name), "{failure}");
    }
    assert_eq!(fetched(&simulator, &path).await["campaign_status"], "FAILED");
}

#[tokio::test]
async fn a_service_has_one_campaign_until_it_is_deleted() {
    let simulator = TestSimulator::start().await;
    let (service, path) = submitted(&simulator).await;
    let (status, failure) = simulator.post_to(&campaigns(&service), &CAMPAIGN).await;
    assert_eq!((status, &failure["code"]), (409, &21711.into()));
    assert_eq!(
        simulator.delete(&campaigns(&service).replace("Usa2p", "Usa2p/QE1")).await,
        (404, 20404.into())
    );
    assert_eq!(simulator.delete(&path).await, (204, Value::Null));
    assert_eq!((simulator.get(&path).await.0, simulator.delete(&path).await.0), (404, 404));
    assert_eq!(simulator.post_to(&path, &CAMPAIGN).await.0, 404);
    assert_eq!(simulator.get(&campaigns(&service)).await.1["compliance"], json!([]));
    simulator.new_campaign(&service).await;
}

#[tokio::test]
async fn an_incomplete_campaign_is_refused_with_the_name_of_the_field() {
    let simulator = TestSimulator::start().await;
    let service = simulator.new_service().await;
    let long = "a".repeat(2049);
    let cases = [
        ("Description", "", 21727),
        ("HasEmbeddedLinks", "", 21727),
        ("Description", "Too short", 21728),
        ("MessageFlow", &long, 21728),
        ("MessageSamples", "One sample, which is one too few.", 21728),
        ("HelpMessage", "Too short", 21728),
    ];
    for (name, text, code) in cases {
        let (status, failure) = simulator.post_to(&campaigns(&service), &campaign_with(name, text)).await;
        assert_eq!((status, &failure["code"]), (400, &code.into()), "{name}");
        assert!(failure["message"].as_str().unwrap().contains(name), "{failure}");
    }
    for (name, text, code) in
        [("BrandRegistrationSid", "BN1", 21717), ("UsAppToPersonUsecase", "low volume", 21720)]
    {
        let (status, failure) = simulator.post_to(&campaigns(&service), &campaign_with(name, text)).await;
        assert_eq!((status, &failure["code"]), (400, &code.into()), "{name}");
    }
    assert_eq!(simulator.post_to(&campaigns("MG1"), &CAMPAIGN).await.0, 404);
    assert_eq!(simulator.get(&campaigns("MG1")).await.0, 404);
    let campaign = simulator.new_campaign(&service).await;
    let made = fetched(&simulator, &format!("{}/{campaign}", campaigns(&service))).await;
    assert_eq!(made["brand_registration_sid"], BRAND);
}

#[tokio::test]
async fn only_the_newer_version_has_the_policy_urls() {
    let simulator = TestSimulator::start().await;
    let service = simulator.new_service().await;
    let fields = campaign_with("PrivacyPolicyUrl", "https://clinic.test/privacy");
    let first = simulator.create(&campaigns(&service), &fields).await;
    let path = format!("{}{}/{}", simulator.base, campaigns(&service), sid(&first));
    let request = client().get(path).header("X-Twilio-Api-Version", "v1.2").basic_auth(ACCOUNT, Some(TOKEN));
    let (_, newer) = read(request).await.unwrap();
    assert_answer(Api::Messaging, &format!("GET {ONE}"), 200, &newer);
    assert_eq!(newer["privacy_policy_url"], "https://clinic.test/privacy");
    assert_eq!((first.get("privacy_policy_url"), &newer["terms_and_conditions_url"]), (None, &Value::Null));
}

#[tokio::test]
async fn setting_a_status_needs_a_campaign_and_a_known_status() {
    let simulator = TestSimulator::start().await;
    let empty = simulator.new_service().await;
    for service in [&empty, "MG1"] {
        let (status, failure) = simulator
            .control("campaign-status", &[("MessagingServiceSid", service), ("Status", "VERIFIED")])
            .await;
        assert_eq!((status, &failure["code"]), (404, &20404.into()));
    }
    let (service, path) = submitted(&simulator).await;
    let service = ("MessagingServiceSid", service.as_str());
    let wrong: [&[(&str, &str)]; 5] = [
        &[service],
        &[("Status", "VERIFIED")],
        &[service, ("Status", "PENDING")],
        &[service, ("Status", "VERIFIED"), ("ErrorCode", "30886")],
        &[service, ("Status", "VERIFIED"), ("Notify", "perhaps")],
    ];
    for fields in wrong {
        assert_eq!(simulator.control("campaign-status", fields).await.0, 400, "{fields:?}");
    }
    assert_eq!(fetched(&simulator, &path).await["campaign_status"], "IN_PROGRESS");
}
