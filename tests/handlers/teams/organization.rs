//! The organization's name and settings.

use serde_json::{Value, json};
use shared_aws::team::{AuditEvent, Organization, Organizations};
use shared_domain::{opt_out::SharedOptOutScope, time::Timestamp, user::User};
use test_kit::{TestApp, build, gateway::Event};

use super::{app, call};

/// Creates an organization with this owner.
pub(super) async fn create(test: &TestApp, id: &str, name: &str, owner: &str) {
    let owner = User {
        id: build::user_id(owner),
        name: owner.to_uppercase(),
        email: format!("{owner}@clinic.example"),
        owner: true,
    };
    let at = Timestamp::from_millis(1_800_000_000_000);
    let organization = Organization {
        id: build::organization_id(id),
        name: name.into(),
        owner: owner.id.clone(),
        created_at: at,
        opt_out_scope: SharedOptOutScope::Team,
    };
    let event = AuditEvent { actor: &owner.id, action: "organization.create", target: id, at, entropy: 7 };
    Organizations::new(test.table()).create(&organization, &owner, &event).await.unwrap();
}

fn read(who: &str) -> Event {
    Event::new("GET /v1/organization", &[]).user("org_9", who)
}

fn edit(who: &str, body: &Value) -> Event {
    Event::new("PATCH /v1/organization", &[]).user("org_9", who).json(body)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_reads_and_changes_the_organization() {
    let test = TestApp::with_two_teams().await;
    create(&test, "org_9", "Clinic", "nora").await;
    create(&test, "org_8", "School", "zoe").await;
    let app = app(&test);
    let shown = |name: &str, scope: &str| {
        let created_at = Timestamp::from_millis(1_800_000_000_000).to_string();
        json!({ "organizationId": "org_9", "name": name, "optOutScope": scope, "createdAt": created_at })
    };
    assert_eq!(call(&app, &read("nora")).await, (200, shown("Clinic", "team")));
    let scope = json!({ "optOutScope": "organization" });
    assert_eq!(call(&app, &edit("nora", &scope)).await, (200, shown("Clinic", "organization")));
    assert_eq!(call(&app, &edit("nora", &json!({}))).await, (200, shown("Clinic", "organization")));
    for name in ["clinic", "Clinic & Sons"] {
        let (status, answer) = call(&app, &edit("nora", &json!({ "name": name }))).await;
        assert_eq!((status, answer), (200, shown(name, "organization")));
    }
    assert_eq!(call(&app, &read("nora")).await, (200, shown("Clinic & Sons", "organization")));
    let (status, problem) = call(&app, &edit("nora", &json!({ "name": "SCHOOL" }))).await;
    assert_eq!((status, &problem["code"]), (409, &json!("name_taken")));
    let names = Organizations::new(test.table());
    assert_eq!(names.find("Clinic").await.unwrap(), None, "the former name is free again");
    assert!(names.find("clinic & sons").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_is_shown_to_its_owner_only_and_bad_values_are_refused() {
    let test = TestApp::with_two_teams().await;
    create(&test, "org_9", "Clinic", "nora").await;
    let app = app(&test);
    for route in ["GET /v1/organization", "PATCH /v1/organization"] {
        let event = Event::new(route, &[]).user("org_1", "ada").json(&json!({ "optOutScope": "nobody" }));
        let (status, problem) = call(&app, &event).await;
        assert_eq!((status, &problem["code"]), (403, &json!("owner_required")), "{route}");
    }
    for (body, status) in [
        (json!({ "optOutScope": "nobody" }), 400),
        (json!({ "optOutScope": 1 }), 400),
        (json!({ "name": " " }), 422),
    ] {
        assert_eq!(call(&app, &edit("nora", &body)).await.0, status, "{body}");
    }
}
