//! Two admins who edit at the same time: the one who names the version that they read is refused if it is not
//! the current one.

use axum::Router;
use lambda_http::{Body, Response};
use serde_json::{Value, json};
use shared_http::{caller::Claims, serve::answer};
use shared_lambda::clock::{entropy, now};
use test_kit::{
    TestApp,
    gateway::{Event, status_and_json},
};
use tokio::task::JoinSet;

use crate::inbox_creation::{app, call, create, details};

fn edit(inbox: &str, tag: Option<&str>, body: &Value) -> Event {
    let event =
        Event::new("PATCH /v1/inboxes/{inboxId}", &[("inboxId", inbox)]).user("org_1", "dan").json(body);
    tag.into_iter().fold(event, |event, tag| event.header("if-match", tag))
}

async fn response(router: &Router, event: &Event) -> Response<Body> {
    answer(router, now(), entropy(), event.request()).await
}

fn tag(response: &Response<Body>) -> String {
    response.headers()["etag"].to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_admins_who_edit_the_inbox_that_they_all_read_one_succeeds() {
    let test = TestApp::with_two_teams().await;
    let (_, created) = call(&app(&test), &create("dan", "team_2", &details("back", 2001))).await;
    let id = created["inboxId"].as_str().unwrap().to_owned();
    let read = || Event::new("GET /v1/inboxes/{inboxId}", &[("inboxId", &id)]).user("org_1", "dan");
    let tag = tag(&response(&inboxes::router(app(&test)), &read()).await);
    let mut edits = JoinSet::new();
    for number in 0..8 {
        let (app, id, tag) = (app(&test), id.clone(), tag.clone());
        let body = if number % 2 == 0 {
            json!({ "name": format!("Name {number}") })
        } else {
            json!({ "voiceForwardingNumber": format!("+1202555017{number}") })
        };
        edits.spawn(async move { call(&app, &edit(&id, Some(&tag), &body)).await });
    }
    let mut answers = edits.join_all().await;
    answers.sort_by_key(|(status, _)| *status);
    let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
    assert!(answers[1..].iter().all(|(_, problem)| problem["code"] == "edit_conflict"));
    assert_eq!(call(&app(&test), &read()).await.1, answers[0].1, "only one of the changes is stored");
    // Without a version, a change applies to whatever the inbox is, also while others edit it.
    let mut edits = JoinSet::new();
    for body in [json!({ "name": "Both" }), json!({ "color": "#0A7F3F" }), json!({ "apiCode": "4711" })] {
        let (app, id) = (app(&test), id.clone());
        edits.spawn(async move { call(&app, &edit(&id, None, &body)).await.0 });
    }
    assert_eq!(edits.join_all().await, [200, 200, 200]);
    let (_, edited) = call(&app(&test), &read()).await;
    let changed = ["name", "color", "apiCode"].map(|name| edited[name].as_str().unwrap());
    assert_eq!(changed, ["Both", "#0a7f3f", "4711"]);
    let (status, renamed) = call(&app(&test), &edit(&id, None, &json!({ "name": "Back" }))).await;
    assert_eq!((status, &renamed["name"]), (200, &json!("Back")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_admins_who_save_the_out_of_office_settings_that_they_all_read_one_succeeds() {
    let test = TestApp::with_two_teams().await;
    let (_, created) = call(&app(&test), &create("dan", "team_2", &details("back", 2001))).await;
    let id = created["inboxId"].as_str().unwrap();
    let router = out_of_office::router(out_of_office::App::new(&test.table(), Claims::standard()));
    let route = |method: &str| format!("{method} /v1/inboxes/{{inboxId}}/out-of-office");
    let parameters = [("inboxId", id)];
    let read = || Event::new(&route("GET"), &parameters).user("org_1", "dan");
    let save = |message: String, tag: Option<&str>| {
        let body =
            json!({ "mode": "on", "message": message, "timeZone": "UTC", "hours": {}, "holidays": [] });
        let event = Event::new(&route("PUT"), &parameters).user("org_1", "dan").json(&body);
        tag.into_iter().fold(event, |event, tag| event.header("if-match", tag))
    };
    // The first round replaces settings that were never saved, the next one those of the first.
    for round in 0..3 {
        let tag = tag(&response(&router, &read()).await);
        let mut saves = JoinSet::new();
        for number in 0..6 {
            let (router, event) = (router.clone(), save(format!("Closed {round} {number}"), Some(&tag)));
            saves.spawn(async move { status_and_json(&response(&router, &event).await) });
        }
        let mut answers = saves.join_all().await;
        answers.sort_by_key(|(status, _)| *status);
        let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
        assert_eq!(statuses, [200, 412, 412, 412, 412, 412]);
        assert!(answers[1..].iter().all(|(_, problem)| problem["code"] == "edit_conflict"));
        assert_eq!(status_and_json(&response(&router, &read()).await).1, answers[0].1);
    }
    let (status, _) = status_and_json(&response(&router, &save("Closed".into(), None)).await);
    assert_eq!(status, 200, "without a version, the settings are replaced whatever they are");
}
