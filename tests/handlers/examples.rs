//! The examples of the OpenAPI document as requests: what it shows of broadcasts and segments is accepted.

use axum::Router;
use serde_json::{Value, json};
use shared_aws::{
    segment::{SegmentWrite, Segments},
    template::{TemplateWrite, Templates},
};
use shared_domain::{
    audience::{AudienceSegment, SegmentKind},
    broadcast::SegmentPrice,
    contact::Contact,
    ids::{ContactId, SegmentId, TemplateId},
    membership::Role,
    template::Template,
    time::Timestamp,
};
use shared_http::{caller::Claims, cursor::Cursors, serve::answer};
use shared_lambda::clock;
use test_kit::{
    TestApp, build,
    gateway::{Event, json as body_of},
    queue::broadcast_queue,
};

const DOCUMENT: &str = include_str!("../../functions/openapi/openapi.json");
/// Before the times of the examples.
const NOW: &str = "2026-11-23T12:00:00.000Z";

/// The table has the entities that the examples name.
struct Examples {
    document: Value,
    test: TestApp,
    broadcasts: Router,
    segments: Router,
}

impl Examples {
    async fn start() -> Self {
        let test = TestApp::start().await;
        let (team, now) = (test.inbox.team_key(), Timestamp::parse(NOW).unwrap());
        test.add_user(test.organization(), &build::user("ada"), &[("team_1", Role::Admin)]).await;
        let contact = ContactId::parse("con_01KB5Q8Z7M4T9XRA").unwrap();
        test.add_contact(&Contact { id: contact, ..build::contact() }).await;
        let id = TemplateId::parse("tpl_01KB5Q8Z7M4T9XRA").unwrap();
        let template = Template::parse(id, "Closed", "We are closed today.").unwrap();
        let written = Templates::new(test.table()).write(team, None, &template, None).await.unwrap();
        assert_eq!(written, TemplateWrite::Done);
        let segment = AudienceSegment {
            id: SegmentId::parse("seg_01KB5Q8Z7M4T9XRA").unwrap(),
            name: "Bus 12".to_owned(),
            kind: SegmentKind::Static,
            count: 0,
            complete: true,
            counted_at: now,
        };
        let written = Segments::new(test.table()).write(team, None, &segment, None).await.unwrap();
        assert_eq!(written, SegmentWrite::Done);

        let (table, queue) = (test.table(), broadcast_queue(&test.queue.url));
        let (limit, price) = (broadcasts::TextLimit(306), SegmentPrice::parse("0.01 USD"));
        let app =
            broadcasts::App::new(&table, queue, Claims::standard(), Cursors::fixed("secret"), limit, price);
        let broadcasts = broadcasts::router(app);
        let app = segments::App::new(&table, Claims::standard(), Cursors::fixed("secret"));
        let segments = segments::router(app);
        Self { document: serde_json::from_str(DOCUMENT).unwrap(), test, broadcasts, segments }
    }

    /// The example of the body of a route.
    fn body(&self, route: &str) -> Value {
        let (method, path) = route.split_once(' ').unwrap();
        let operation = &self.document["paths"][path][method.to_lowercase()];
        operation["requestBody"]["content"]["application/json"]["example"].clone()
    }

    /// The routes with a path of this kind whose body has an example.
    fn routes(&self, path: &str) -> Vec<String> {
        let mut routes = Vec::new();
        let paths = self.document["paths"].as_object().unwrap().iter();
        for (found, operations) in paths.filter(|(found, _)| found.contains(path)) {
            for method in operations.as_object().unwrap().keys() {
                let route = format!("{} {found}", method.to_uppercase());
                if !self.body(&route).is_null() {
                    routes.push(route);
                }
            }
        }
        routes
    }

    /// Sends a body to a route, and returns the response. Panics if it is refused.
    async fn send(&self, router: &Router, route: &str, id: (&str, &str), body: &Value) -> Value {
        let event = Event::new(route, &[("teamId", "team_1"), id]).user("org_1", "ada").json(body);
        let now = Timestamp::parse(NOW).unwrap();
        let response = answer(router, now, clock::entropy(), event.request()).await;
        let answered = body_of(&response);
        assert!(response.status().is_success(), "{route} {body}: {answered}");
        answered
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_segments_are_accepted() {
    let it = Examples::start().await;
    let (create, by_hand) = ("POST /v1/teams/{teamId}/segments", ("segmentId", "seg_01KB5Q8Z7M4T9XRA"));
    let created = it.send(&it.segments, create, by_hand, &it.body(create)).await;
    let filtered = ("segmentId", created["segmentId"].as_str().unwrap());
    let routes = it.routes("/segments");
    for route in &routes {
        let target = if route.ends_with("/contacts") { by_hand } else { filtered };
        it.send(&it.segments, route, target, &it.body(route)).await;
    }
    assert_eq!(routes.len(), 5, "{routes:?}");
}

/// Without the confirmation and the correction of an answer, which name an estimate and a reply.
#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_broadcasts_are_accepted_with_a_text_and_with_a_template() {
    let it = Examples::start().await;
    let (create, change) = ("POST /v1/broadcasts", "PATCH /v1/broadcasts/{broadcastId}");
    let mut new = it.body(create);
    new["from"] = json!({ "inboxId": it.test.inbox.id });
    let created = it.send(&it.broadcasts, create, ("broadcastId", "none"), &new).await;
    let draft = ("broadcastId", created["broadcastId"].as_str().unwrap());
    it.send(&it.broadcasts, change, draft, &it.body(change)).await;
    for (route, mut body) in [(create, new), (change, it.body(change))] {
        body.as_object_mut().unwrap().remove("text");
        body["templateId"] = json!("tpl_01KB5Q8Z7M4T9XRA");
        let copied = it.send(&it.broadcasts, route, draft, &body).await;
        assert_eq!(copied["text"], "We are closed today.");
    }
}
