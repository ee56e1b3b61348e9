//! `templates`, and messages that use them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared_aws::{
    contact::{ContactEntry, Contacts},
    table::Table,
    template::Templates,
};
use shared_domain::{
    contact::Contact,
    ids::{ContactId, MessageId, TemplateId},
    keys::TeamKey,
    phone::PhoneNumber,
    template::Template,
};
use shared_http::{caller::Claims, cursor::Cursors, serve::answer};
use shared_lambda::clock::{self, now};
use templates::{App, router};
use test_kit::{
    TestApp,
    build::{organization_id, team_id},
    gateway::{Event, json as body_of},
};

const LIST: &str = "GET /v1/teams/{teamId}/templates";
const CREATE: &str = "POST /v1/teams/{teamId}/templates";
const READ: &str = "GET /v1/teams/{teamId}/templates/{templateId}";
const CHANGE: &str = "PATCH /v1/teams/{teamId}/templates/{templateId}";
const REMOVE: &str = "DELETE /v1/teams/{teamId}/templates/{templateId}";
const RENDER: &str = "POST /v1/teams/{teamId}/templates/{templateId}/render";

fn app(test: &TestApp) -> App {
    App::new(&test.table(), Claims::standard(), Cursors::fixed("secret"))
}

async fn call(app: &App, event: &Event) -> (u16, Value) {
    let response = answer(&router(app.clone()), now(), clock::entropy(), event.request()).await;
    (response.status().as_u16(), body_of(&response))
}

fn team_event(route: &'static str, who: &str) -> Event {
    Event::new(route, &[("teamId", "team_1")]).user("org_1", who)
}

fn template_event(route: &'static str, who: &str, id: &str) -> Event {
    Event::new(route, &[("teamId", "team_1"), ("templateId", id)]).user("org_1", who)
}

async fn add_contact(table: Table, custom: &[(&str, &str)]) -> Contact {
    let contact = Contact {
        id: ContactId::parse("con_anna").unwrap(),
        first_name: Some("Anna".into()),
        provisional: false,
        ..Contact::provisional(&team_id("team_1"), &PhoneNumber::from_carrier("+12025550143").unwrap())
    };
    let custom: BTreeMap<_, _> =
        custom.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let entry = ContactEntry { custom, ..ContactEntry::new(contact.clone()) };
    Contacts::new(table)
        .write(
            TeamKey { organization: &organization_id("org_1"), team: &team_id("team_1") },
            None,
            &entry,
            None,
        )
        .await
        .unwrap();
    contact
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_and_the_owner_write_templates_members_read_them_and_others_get_404() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let body = json!({ "name": " Office  hours ", "text": "Hi {{firstName|there}}, we open at nine." });
    let (status, created) = call(&app, &team_event(CREATE, "ada").json(&body)).await;
    assert_eq!((status, &created["name"]), (201, &json!("Office hours")), "{created}");
    let id = created["templateId"].as_str().unwrap().to_owned();
    let (status, second) =
        call(&app, &team_event(CREATE, "olga").json(&json!({ "name": "Bye", "text": "Bye" }))).await;
    assert_eq!(status, 201);

    assert_eq!(call(&app, &template_event(READ, "bob", &id)).await.1["text"], body["text"]);
    let (_, page) = call(&app, &team_event(LIST, "bob").query("limit=1")).await;
    assert_eq!(page["items"][0]["templateId"], json!(id));
    let cursor = format!("limit=1&cursor={}", page["nextCursor"].as_str().unwrap());
    let (_, page) = call(&app, &team_event(LIST, "bob").query(&cursor)).await;
    assert_eq!(page["items"][0]["templateId"], second["templateId"]);

    let patch = template_event(CHANGE, "bob", &id).json(&json!({ "text": "x" }));
    for event in [&team_event(CREATE, "bob").json(&body), &patch, &template_event(REMOVE, "bob", &id)] {
        assert_eq!(call(&app, event).await.0, 403);
    }
    for outsider in ["dan", "zoe"] {
        for event in [
            team_event(LIST, outsider),
            template_event(READ, outsider, &id),
            team_event(CREATE, outsider).json(&body),
        ] {
            assert_eq!(call(&app, &event).await.0, 404, "{outsider}");
        }
    }
    let (status, changed) =
        call(&app, &template_event(CHANGE, "ada", &id).json(&json!({ "text": "We open at ten." }))).await;
    assert_eq!(
        (status, &changed["name"], &changed["text"]),
        (200, &json!("Office hours"), &json!("We open at ten."))
    );
    assert_eq!(call(&app, &template_event(REMOVE, "ada", &id)).await.0, 204);
    assert_eq!(call(&app, &template_event(READ, "bob", &id)).await.0, 404);
    assert_eq!(call(&app, &template_event(READ, "bob", "tpl_none")).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_merge_fields_and_taken_names_are_refused() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let create =
        |name: &str, text: &str| team_event(CREATE, "ada").json(&json!({ "name": name, "text": text }));
    let (status, problem) = call(&app, &create("A", "Hi {{nickname}} {{firstName}}")).await;
    assert_eq!(status, 422);
    assert_eq!(problem["errors"][0]["pointer"], "/text");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("nickname"), "{problem}");
    assert_eq!(call(&app, &create("A", "Hi {{firstName}}")).await.0, 201);
    let (status, problem) = call(&app, &create("a", "Other")).await;
    assert_eq!((status, &problem["code"]), (409, &json!("template_name_taken")));
    let (_, other) = call(&app, &create("B", "Other")).await;
    let rename =
        template_event(CHANGE, "ada", other["templateId"].as_str().unwrap()).json(&json!({ "name": "A" }));
    assert_eq!(call(&app, &rename).await.0, 409);
    for body in [json!({}), json!({ "name": 7, "text": "x" }), json!({ "name": "x" })] {
        assert_eq!(call(&app, &team_event(CREATE, "ada").json(&body)).await.0, 400);
    }
    let keyed = create("C", "With a key").header("idempotency-key", "k");
    let (template_event, two) = (call(&app, &keyed).await, call(&app, &keyed).await);
    assert_eq!((template_event.0, &template_event.1["templateId"]), (201, &two.1["templateId"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_rendered_for_a_contact_or_lists_the_missing_fields() {
    let test = TestApp::with_two_teams().await;
    let app = app(&test);
    let contact = add_contact(test.table(), &[("Campus", "North")]).await;
    let text = "Hi {{firstName}}, {{custom.campus}} is open. {{senderName}}";
    let (_, created) =
        call(&app, &team_event(CREATE, "ada").json(&json!({ "name": "A", "text": text }))).await;
    let id = created["templateId"].as_str().unwrap();
    let render =
        |id: &str, contact: &str| template_event(RENDER, "bob", id).json(&json!({ "contactId": contact }));
    let (status, filled) = call(&app, &render(id, contact.id.as_str())).await;
    assert_eq!(
        (status, filled),
        (200, json!({ "text": "Hi Anna, North is open. BOB", "segments": 1, "missing": [] }))
    );
    let text = "{{lastName}} {{contactId}} {{lastName}} {{firstName}}";
    let (_, created) =
        call(&app, &team_event(CREATE, "ada").json(&json!({ "name": "B", "text": text }))).await;
    let (_, filled) = call(&app, &render(created["templateId"].as_str().unwrap(), contact.id.as_str())).await;
    assert_eq!(filled, json!({ "text": null, "segments": null, "missing": ["lastName", "contactId"] }));
    assert_eq!(call(&app, &render(id, "con_none")).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_renders_its_template_for_contact_and_sender() {
    let test = TestApp::start().await;
    add_contact(test.table(), &[("Campus", "North")]).await;
    let limits = messages::Limits { reply: 1500, compose: 60 };
    let app = messages::App::new(test.table(), TestApp::unreachable_bucket(), Claims::standard(), limits);
    let templates = Templates::new(test.table());
    let template = async |id: &str, text: &str| {
        let id = TemplateId::parse(id).unwrap();
        let name = id.to_string();
        let response = Template::parse(id, &name, text).unwrap();
        templates
            .write(TeamKey { organization: test.organization(), team: &test.team.id }, None, &response, None)
            .await
            .unwrap();
    };
    template("tpl_hi", "Hi {{firstName}} of {{custom.Campus}}, {{senderName}} here").await;
    template("tpl_gap", "Dear {{lastName}}").await;
    template("tpl_long", &format!("{{{{firstName}}}} {}", "a".repeat(60))).await;
    let compose = async |content: Value| {
        let mut body = json!({ "from": { "inboxId": "inb_1" }, "to": { "phoneNumber": "+12025550143" } });
        body.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
        let event = Event::new("POST /v1/messages", &[]).user("org_1", "ada").json(&body);
        let response = answer(&messages::router(app.clone()), now(), clock::entropy(), event.request()).await;
        (response.status().as_u16(), body_of(&response))
    };
    let (status, accepted) = compose(json!({ "templateId": "tpl_hi" })).await;
    assert_eq!((status, &accepted["text"]), (202, &json!("Hi Anna of North, Ada here")), "{accepted}");
    let (status, problem) = compose(json!({ "templateId": "tpl_gap" })).await;
    assert_eq!(
        (status, &problem["code"], &problem["missing"]),
        (422, &json!("template_incomplete"), &json!(["lastName"]))
    );
    let (status, problem) = compose(json!({ "templateId": "tpl_long" })).await;
    assert_eq!((status, &problem["code"]), (422, &json!("text_too_long")), "the rendered text counts");
    for unknown in ["tpl_none", "no id"] {
        let (status, problem) = compose(json!({ "templateId": unknown })).await;
        assert_eq!((status, &problem["code"]), (422, &json!("unknown_template")));
    }
    let (status, problem) = compose(json!({ "templateId": "tpl_hi", "text": "Hi" })).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!("/templateId")));
    let (status, problem) = compose(json!({})).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!("/text")));
    assert_eq!(test.history().await.len(), 1);
    let sent: MessageId = test.history().await[0].id.clone();
    assert_eq!(test.message(&sent).await.text, "Hi Anna of North, Ada here");
}
