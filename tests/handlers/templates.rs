//! `templates`, and texts that are made of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared_aws::contact::{ContactBook, ContactEntry};
use shared_domain::{
    contact::Contact,
    ids::{ContactId, MessageId},
    phone::PhoneNumber,
};
use shared_http::{caller::Claims, cursor::Cursors};
use templates::{App, handle};
use test_kit::gateway::Event;

use crate::{
    office::{Office, org, team},
    stage::{Stage, json as body_of, no_bucket, now},
};

const LIST: &str = "GET /v1/teams/{teamId}/templates";
const CREATE: &str = "POST /v1/teams/{teamId}/templates";
const READ: &str = "GET /v1/teams/{teamId}/templates/{templateId}";
const CHANGE: &str = "PATCH /v1/teams/{teamId}/templates/{templateId}";
const REMOVE: &str = "DELETE /v1/teams/{teamId}/templates/{templateId}";
const RENDER: &str = "POST /v1/teams/{teamId}/templates/{templateId}/render";

fn app(office: &Office) -> App {
    App::new(&office.table(), Claims::standard(), Cursors::new("secret"))
}

async fn ask(app: &App, event: &Event) -> (u16, Value) {
    let answer = handle(app, now(), shared_lambda::clock::entropy(), event.request()).await;
    (answer.status().as_u16(), body_of(&answer))
}

fn of_team(route: &'static str, who: &str) -> Event {
    Event::new(route, &[("teamId", "team_1")]).user("org_1", who)
}

fn one(route: &'static str, who: &str, id: &str) -> Event {
    Event::new(route, &[("teamId", "team_1"), ("templateId", id)]).user("org_1", who)
}

async fn known(table: shared_aws::table::Table, custom: &[(&str, &str)]) -> Contact {
    let contact = Contact {
        id: ContactId::parse("con_anna").unwrap(),
        first_name: Some("Anna".into()),
        provisional: false,
        ..Contact::provisional(&team("team_1"), &PhoneNumber::from_carrier("+12025550143").unwrap())
    };
    let custom: BTreeMap<_, _> =
        custom.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let entry = ContactEntry { contact: contact.clone(), custom, version: 1 };
    ContactBook::new(table).write(&org("org_1"), &team("team_1"), None, &entry, None).await.unwrap();
    contact
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_and_the_owner_write_members_read_and_nobody_else_sees_anything() {
    let office = Office::set().await;
    let app = app(&office);
    let body = json!({ "name": " Office  hours ", "text": "Hi {{firstName|there}}, we open at nine." });
    let (status, made) = ask(&app, &of_team(CREATE, "ada").json(&body)).await;
    assert_eq!((status, &made["name"]), (201, &json!("Office hours")), "{made}");
    let id = made["templateId"].as_str().unwrap().to_owned();
    let (status, second) =
        ask(&app, &of_team(CREATE, "olga").json(&json!({ "name": "Bye", "text": "Bye" }))).await;
    assert_eq!(status, 201);

    assert_eq!(ask(&app, &one(READ, "bob", &id)).await.1["text"], body["text"]);
    let (_, page) = ask(&app, &of_team(LIST, "bob").query("limit=1")).await;
    assert_eq!(page["items"][0]["templateId"], json!(id));
    let cursor = format!("limit=1&cursor={}", page["nextCursor"].as_str().unwrap());
    let (_, page) = ask(&app, &of_team(LIST, "bob").query(&cursor)).await;
    assert_eq!(page["items"][0]["templateId"], second["templateId"]);

    let patch = one(CHANGE, "bob", &id).json(&json!({ "text": "x" }));
    for event in [&of_team(CREATE, "bob").json(&body), &patch, &one(REMOVE, "bob", &id)] {
        assert_eq!(ask(&app, event).await.0, 403);
    }
    for stranger in ["dan", "zoe"] {
        for event in
            [of_team(LIST, stranger), one(READ, stranger, &id), of_team(CREATE, stranger).json(&body)]
        {
            assert_eq!(ask(&app, &event).await.0, 404, "{stranger}");
        }
    }
    let (status, changed) =
        ask(&app, &one(CHANGE, "ada", &id).json(&json!({ "text": "We open at ten." }))).await;
    assert_eq!(
        (status, &changed["name"], &changed["text"]),
        (200, &json!("Office hours"), &json!("We open at ten."))
    );
    assert_eq!(ask(&app, &one(REMOVE, "ada", &id)).await.0, 204);
    assert_eq!(ask(&app, &one(READ, "bob", &id)).await.0, 404);
    assert_eq!(ask(&app, &one(READ, "bob", "tpl_none")).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_fields_and_taken_names_are_refused_and_named() {
    let office = Office::set().await;
    let app = app(&office);
    let create = |name: &str, text: &str| of_team(CREATE, "ada").json(&json!({ "name": name, "text": text }));
    let (status, problem) = ask(&app, &create("A", "Hi {{nickname}} {{firstName}}")).await;
    assert_eq!(status, 422);
    assert_eq!(problem["errors"][0]["pointer"], "/text");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("nickname"), "{problem}");
    assert_eq!(ask(&app, &create("A", "Hi {{firstName}}")).await.0, 201);
    let (status, problem) = ask(&app, &create("a", "Other")).await;
    assert_eq!((status, &problem["code"]), (409, &json!("template_name_taken")));
    let (_, other) = ask(&app, &create("B", "Other")).await;
    let rename = one(CHANGE, "ada", other["templateId"].as_str().unwrap()).json(&json!({ "name": "A" }));
    assert_eq!(ask(&app, &rename).await.0, 409);
    for body in [json!({}), json!({ "name": 7, "text": "x" }), json!({ "name": "x" })] {
        assert_eq!(ask(&app, &of_team(CREATE, "ada").json(&body)).await.0, 400);
    }
    let keyed = create("C", "With a key").header("idempotency-key", "k");
    let (one, two) = (ask(&app, &keyed).await, ask(&app, &keyed).await);
    assert_eq!((one.0, &one.1["templateId"]), (201, &two.1["templateId"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_filled_in_for_a_contact_or_says_what_is_missing() {
    let office = Office::set().await;
    let app = app(&office);
    let contact = known(office.table(), &[("Campus", "North")]).await;
    let text = "Hi {{firstName}}, {{custom.campus}} is open. {{senderName}}";
    let (_, made) = ask(&app, &of_team(CREATE, "ada").json(&json!({ "name": "A", "text": text }))).await;
    let id = made["templateId"].as_str().unwrap();
    let render = |id: &str, contact: &str| one(RENDER, "bob", id).json(&json!({ "contactId": contact }));
    let (status, filled) = ask(&app, &render(id, contact.id.as_str())).await;
    assert_eq!(
        (status, filled),
        (200, json!({ "text": "Hi Anna, North is open. BOB", "segments": 1, "missing": [] }))
    );
    let text = "{{lastName}} {{contactId}} {{lastName}} {{firstName}}";
    let (_, made) = ask(&app, &of_team(CREATE, "ada").json(&json!({ "name": "B", "text": text }))).await;
    let (_, filled) = ask(&app, &render(made["templateId"].as_str().unwrap(), contact.id.as_str())).await;
    assert_eq!(filled, json!({ "text": null, "segments": null, "missing": ["lastName", "contactId"] }));
    assert_eq!(ask(&app, &render(id, "con_none")).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_made_of_a_template_for_its_contact_and_sender() {
    let stage = Stage::set().await;
    known(stage.table(), &[("Campus", "North")]).await;
    let limits = messages::Limits { reply: 1500, compose: 60 };
    let app = messages::App::new(stage.table(), no_bucket(), Claims::standard(), limits);
    let templates = shared_aws::template::Templates::new(stage.table());
    let template = async |id: &str, text: &str| {
        let id = shared_domain::ids::TemplateId::parse(id).unwrap();
        let name = id.to_string();
        let response = shared_domain::template::CannedResponse::parse(id, &name, text).unwrap();
        templates.write(stage.organization(), &stage.account.team.id, None, &response, None).await.unwrap();
    };
    template("tpl_hi", "Hi {{firstName}} of {{custom.Campus}}, {{senderName}} here").await;
    template("tpl_gap", "Dear {{lastName}}").await;
    template("tpl_long", &format!("{{{{firstName}}}} {}", "a".repeat(60))).await;
    let compose = async |content: Value| {
        let mut body = json!({ "from": { "inboxId": "inb_1" }, "to": { "phoneNumber": "+12025550143" } });
        body.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
        let event = Event::new("POST /v1/messages", &[]).user("org_1", "ada").json(&body);
        let answer = messages::handle(&app, now(), shared_lambda::clock::entropy(), event.request()).await;
        (answer.status().as_u16(), body_of(&answer))
    };
    let (status, accepted) = compose(json!({ "templateId": "tpl_hi" })).await;
    assert_eq!((status, &accepted["text"]), (202, &json!("Hi Anna of North, Ada here")), "{accepted}");
    let (status, problem) = compose(json!({ "templateId": "tpl_gap" })).await;
    assert_eq!(
        (status, &problem["code"], &problem["missing"]),
        (422, &json!("template_incomplete"), &json!(["lastName"]))
    );
    let (status, problem) = compose(json!({ "templateId": "tpl_long" })).await;
    assert_eq!((status, &problem["code"]), (422, &json!("text_too_long")), "counted as it goes out");
    for unknown in ["tpl_none", "no id"] {
        let (status, problem) = compose(json!({ "templateId": unknown })).await;
        assert_eq!((status, &problem["code"]), (422, &json!("unknown_template")));
    }
    let (status, problem) = compose(json!({ "templateId": "tpl_hi", "text": "Hi" })).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!("/templateId")));
    let (status, problem) = compose(json!({})).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!("/text")));
    assert_eq!(stage.history().await.len(), 1);
    let sent: MessageId = stage.history().await[0].id.clone();
    assert_eq!(stage.message(&sent).await.text, "Hi Anna of North, Ada here");
}
