//! The rate of an inbox, in segments per second.

use serde_json::{Value, json};
use test_kit::{
    TestApp,
    build::SEGMENTS_PER_SECOND,
    gateway::{Event, pointers},
};

use crate::inbox_creation::{app, call, create, details};

fn edit(user: &str, inbox: &str, body: &Value) -> Event {
    Event::new("PATCH /v1/inboxes/{inboxId}", &[("inboxId", inbox)]).user("org_1", user).json(body)
}

fn read(inbox: &str) -> Event {
    Event::new("GET /v1/inboxes/{inboxId}", &[("inboxId", inbox)]).user("org_1", "dan")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_lowers_the_rate_and_resets_it_to_what_the_carrier_allows() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let (_, created) = call(&app, &create("dan", "team_2", &details("back", 2001))).await;
    let id = created["inboxId"].as_str().unwrap();
    assert_eq!(created["segmentsPerSecond"], SEGMENTS_PER_SECOND);
    for (body, expected) in [
        (json!({ "segmentsPerSecond": 3 }), 3),
        (json!({ "name": "Back office", "voiceForwardingNumber": "+12025550177" }), 3),
        (json!({ "segmentsPerSecond": SEGMENTS_PER_SECOND }), SEGMENTS_PER_SECOND),
        (json!({ "segmentsPerSecond": 1 }), 1),
        (json!({ "segmentsPerSecond": null }), SEGMENTS_PER_SECOND),
    ] {
        let (status, edited) = call(&app, &edit("dan", id, &body)).await;
        assert_eq!((status, &edited["segmentsPerSecond"]), (200, &json!(expected)), "{body}");
        assert_eq!(call(&app, &read(id)).await.1["segmentsPerSecond"], expected, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_that_the_carrier_does_not_allow_is_refused_with_its_pointer() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let (_, created) = call(&app, &create("dan", "team_2", &details("back", 2001))).await;
    let id = created["inboxId"].as_str().unwrap();
    for (rate, status) in [
        (json!(0), 422),
        (json!(-1), 422),
        (json!(SEGMENTS_PER_SECOND + 1), 422),
        (json!(i64::MAX), 422),
        (json!(1.5), 400),
        (json!("2"), 400),
        (json!([2]), 400),
    ] {
        let body = json!({ "segmentsPerSecond": rate });
        let (actual, problem) = call(&app, &edit("dan", id, &body)).await;
        assert_eq!((actual, pointers(&problem)), (status, vec!["/segmentsPerSecond"]), "{problem}");
    }
    let (status, problem) = call(&app, &edit("cyn", id, &json!({ "segmentsPerSecond": 1 }))).await;
    assert!(matches!(status, 403 | 404), "{problem}");
    assert_eq!(call(&app, &read(id)).await.1["segmentsPerSecond"], SEGMENTS_PER_SECOND);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_without_a_registration_sends_one_segment_per_second() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let (_, created) = call(&app, &create("ada", "team_1", &details("front", 2001))).await;
    assert_eq!(created["segmentsPerSecond"], 1, "{created}");
    let id = created["inboxId"].as_str().unwrap();
    let (status, problem) = call(&app, &edit("ada", id, &json!({ "segmentsPerSecond": 2 }))).await;
    assert_eq!((status, pointers(&problem)), (422, vec!["/segmentsPerSecond"]));
}
