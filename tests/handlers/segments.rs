//! `segments`: groups of contacts of a team.

use segments::{App, router};
use serde_json::{Value, json};
use shared_aws::{
    broadcast::Broadcasts,
    contact::{ContactEntry, ContactWrite, Contacts},
    opt_out::OptOuts,
    segment::Segments as StoredSegments,
    team::AuditEvent,
};
use shared_domain::{
    broadcast::Broadcast,
    contact::Contact,
    ids::{BroadcastId, ContactId, SegmentId},
    inbox::Inbox,
    keys::TeamKey,
    phone::PhoneNumber,
    tag::Tags,
};
use shared_http::{caller::Claims, cursor::Cursors, serve::answer};
use shared_lambda::clock::{self, now};
use test_kit::{
    TestApp,
    build::{self, number, organization_id, team_id, user_ref},
    contention::overtaken_table,
    gateway::{Event, json as body_of},
};

const LIST: &str = "GET /v1/teams/{teamId}/segments";
const CREATE: &str = "POST /v1/teams/{teamId}/segments";
const PREVIEW: &str = "POST /v1/teams/{teamId}/segments/preview";
const READ: &str = "GET /v1/teams/{teamId}/segments/{segmentId}";
const CHANGE: &str = "PATCH /v1/teams/{teamId}/segments/{segmentId}";
const REMOVE: &str = "DELETE /v1/teams/{teamId}/segments/{segmentId}";
const ADD: &str = "POST /v1/teams/{teamId}/segments/{segmentId}/contacts";
const TAKE_OUT: &str = "DELETE /v1/teams/{teamId}/segments/{segmentId}/contacts";

struct Segments {
    app: App,
    test: TestApp,
}

impl Segments {
    async fn start() -> Self {
        let test = TestApp::with_two_teams().await;
        Self { app: App::new(&test.table(), Claims::standard(), Cursors::fixed("secret")), test }
    }

    async fn call(&self, event: &Event) -> (u16, Value) {
        let response = answer(&router(self.app.clone()), now(), clock::entropy(), event.request()).await;
        (response.status().as_u16(), body_of(&response))
    }

    async fn of_team(&self, route: &'static str, body: &Value) -> (u16, Value) {
        self.call(&team_event(route, "bob").json(body)).await
    }

    async fn of_segment(&self, route: &'static str, id: &str, body: &Value) -> (u16, Value) {
        self.call(&segment_event(route, "bob", id).json(body)).await
    }

    /// Adds a contact with this number, external id and tags to the team.
    async fn add_contact(&self, last_digits: u32, tags: &str) -> Contact {
        self.add_contact_with(&format!("+1202555{last_digits:04}"), last_digits, tags).await
    }

    async fn add_contact_with(&self, number: &str, last_digits: u32, tags: &str) -> Contact {
        let number = PhoneNumber::from_carrier(number).unwrap();
        let contact = Contact {
            id: ContactId::parse(&format!("con_{last_digits}")).unwrap(),
            external_id: Some(format!("S-{last_digits}")),
            provisional: false,
            ..Contact::provisional(&team_id("team_1"), &number)
        };
        let tags = Tags::from_cell(tags).unwrap();
        let entry = ContactEntry { tags, created_at: Some(now()), ..ContactEntry::new(contact.clone()) };
        let contacts = Contacts::new(self.test.table());
        let organization = organization_id("org_1");
        let team = TeamKey { organization: &organization, team: &team_id("team_1") };
        assert_eq!(contacts.write(team, None, &entry, None).await.unwrap(), ContactWrite::Done);
        contact
    }
}

fn team_event(route: &'static str, who: &str) -> Event {
    Event::new(route, &[("teamId", "team_1")]).user("org_1", who)
}

fn segment_event(route: &'static str, who: &str, id: &str) -> Event {
    Event::new(route, &[("teamId", "team_1"), ("segmentId", id)]).user("org_1", who)
}

fn has_tag(tag: &str) -> Value {
    json!({ "field": "tag", "op": "eq", "value": tag })
}

#[tokio::test(flavor = "multi_thread")]
async fn members_write_segments_and_others_get_404() {
    let segments = Segments::start().await;
    let body = json!({ "name": " Parents ", "kind": "static" });
    let (status, created) = segments.of_team(CREATE, &body).await;
    assert_eq!(
        (status, &created["name"], &created["count"]),
        (201, &json!("Parents"), &json!(0)),
        "{created}"
    );
    assert_eq!((&created["filter"], &created["complete"]), (&Value::Null, &json!(true)));
    let id = created["segmentId"].as_str().unwrap();

    let (_, changed) = segments.of_segment(CHANGE, id, &json!({ "name": "Guardians" })).await;
    assert_eq!(changed["name"], "Guardians");
    assert_eq!(segments.call(&segment_event(READ, "ada", id)).await.1, changed);
    let (_, page) = segments.call(&team_event(LIST, "olga")).await;
    assert_eq!(page["items"], json!([changed]));
    for outsider in ["dan", "zoe"] {
        for event in [
            team_event(LIST, outsider),
            team_event(CREATE, outsider).json(&body),
            team_event(PREVIEW, outsider).json(&json!({ "filter": has_tag("vip") })),
            segment_event(READ, outsider, id),
            segment_event(CHANGE, outsider, id).json(&json!({ "name": "Mine" })),
            segment_event(ADD, outsider, id).json(&json!({})),
            segment_event(REMOVE, outsider, id),
        ] {
            assert_eq!(segments.call(&event).await.0, 404, "{outsider}");
        }
    }
    assert_eq!(segments.call(&segment_event(REMOVE, "bob", id)).await.0, 204);
    assert_eq!(segments.call(&segment_event(READ, "bob", id)).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_counted_when_it_is_written_and_previewed_with_what_is_excluded() {
    let segments = Segments::start().await;
    for (digits, tags) in [(1, "VIP"), (2, "vip, parent"), (3, "parent"), (4, "")] {
        segments.add_contact(digits, tags).await;
    }
    let organization = organization_id("org_1");
    let team = TeamKey { organization: &organization, team: &team_id("team_1") };
    let opt_outs = OptOuts::new(segments.test.table());
    opt_outs.set_blocked(team, &number("+12025550002"), true).await.unwrap();

    let (_, preview) = segments.of_team(PREVIEW, &json!({ "filter": has_tag("VIP") })).await;
    assert_eq!((&preview["count"], &preview["complete"]), (&json!(2), &json!(true)), "{preview}");
    assert_eq!(preview["excluded"], json!([{ "reason": "blocked", "count": 1 }]));
    assert_eq!(preview["sample"][0]["tags"], json!(["VIP"]));
    assert!(preview["sample"][0]["createdAt"].is_string());

    let body = json!({ "name": "VIPs", "kind": "filter", "filter": { "not": has_tag("parent") } });
    let (status, created) = segments.of_team(CREATE, &body).await;
    assert_eq!((status, &created["count"]), (201, &json!(2)), "{created}");
    assert_eq!((&created["filter"], &created["complete"]), (&body["filter"], &json!(true)));
    let id = created["segmentId"].as_str().unwrap();
    let (_, changed) = segments.of_segment(CHANGE, id, &json!({ "filter": has_tag("parent") })).await;
    assert_eq!((&changed["count"], &changed["filter"]), (&json!(2), &has_tag("parent")));
    let recent = json!({ "field": "createdAt", "op": "withinDays", "value": 1 });
    let (_, preview) = segments.of_team(PREVIEW, &json!({ "filter": recent })).await;
    assert_eq!(preview["count"], 4);
    let texted = json!({ "field": "lastInboundAt", "op": "exists", "value": true });
    assert_eq!(segments.of_team(PREVIEW, &json!({ "filter": texted })).await.1["count"], 0);
}

/// As the estimate of a broadcast counts them.
#[tokio::test(flavor = "multi_thread")]
async fn a_short_code_is_excluded_from_a_preview() {
    let segments = Segments::start().await;
    segments.add_contact(1, "sender").await;
    segments.add_contact_with("72345", 2, "sender").await;
    let (_, preview) = segments.of_team(PREVIEW, &json!({ "filter": has_tag("sender") })).await;
    assert_eq!(preview["count"], 2, "{preview}");
    assert_eq!(preview["excluded"], json!([{ "reason": "invalid_number", "count": 1 }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_segment_is_refused_with_the_pointer_of_each_error() {
    let segments = Segments::start().await;
    let filter = |filter: Value| json!({ "name": "Odd", "kind": "filter", "filter": filter });
    for (body, status, pointer) in [
        (json!({ "name": "Odd", "kind": "filter" }), 400, "/filter"),
        (json!({ "name": "Odd", "kind": "magic" }), 400, "/kind"),
        (json!({ "name": "", "kind": "static" }), 422, "/name"),
        (json!({ "name": "Odd", "kind": "static", "filter": has_tag("a") }), 422, "/filter"),
        (filter(json!({ "field": "shoeSize", "op": "eq", "value": "9" })), 422, "/filter/field"),
        (filter(json!({ "all": [{ "field": "tag", "op": "like", "value": "a" }] })), 422, "/filter/all/0/op"),
    ] {
        let (found, problem) = segments.of_team(CREATE, &body).await;
        assert_eq!(
            (found, problem["errors"][0]["pointer"].as_str()),
            (status, Some(pointer)),
            "{body}: {problem}"
        );
    }
}

/// A negated condition on a broadcast that does not exist would match everybody.
#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_asks_for_a_broadcast_of_another_team_or_none_is_refused_where_it_does() {
    let segments = Segments::start().await;
    segments.add_contact(1, "").await;
    for (id, team) in [("bct_1", "team_1"), ("bct_2", "team_2")] {
        let inbox = Inbox { team: team_id(team), ..segments.test.inbox.clone() };
        let by = user_ref("dan", "Dan");
        let broadcast = Broadcast { id: BroadcastId::parse(id).unwrap(), ..build::broadcast(&inbox, &by) };
        let event =
            AuditEvent { actor: &by.id, action: "broadcast.create", target: id, at: now(), entropy: 1 };
        Broadcasts::new(segments.test.table()).create(&broadcast, &event, None).await.unwrap();
    }
    let has = |id: &str| json!({ "field": format!("broadcast.{id}.state"), "op": "exists", "value": true });
    let body = |filter: &Value| json!({ "name": "Silent", "kind": "filter", "filter": filter });
    let (status, created) = segments.of_team(CREATE, &body(&json!({ "not": has("bct_1") }))).await;
    assert_eq!((status, &created["count"]), (201, &json!(1)), "{created}");
    let id = created["segmentId"].as_str().unwrap();
    for unknown in ["bct_2", "bct_3"] {
        let filter = json!({ "all": [has("bct_1"), { "not": has(unknown) }] });
        for (status, problem) in [
            segments.of_team(CREATE, &body(&filter)).await,
            segments.of_team(PREVIEW, &json!({ "filter": filter })).await,
            segments.of_segment(CHANGE, id, &json!({ "filter": filter })).await,
        ] {
            let expected =
                json!([{ "pointer": "/filter/all/1/not/field", "detail": "a broadcast of the team" }]);
            assert_eq!((status, &problem["errors"]), (422, &expected), "{unknown}: {problem}");
        }
    }
    assert_eq!(segments.call(&segment_event(READ, "bob", id)).await.1["filter"], created["filter"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_are_put_into_a_static_segment_by_id_external_id_and_number_each_once() {
    let segments = Segments::start().await;
    for digits in 1..=3 {
        segments.add_contact(digits, "").await;
    }
    let (_, created) = segments.of_team(CREATE, &json!({ "name": "Some", "kind": "static" })).await;
    let id = created["segmentId"].as_str().unwrap();
    let body = json!({
        "contactIds": ["con_1", "con_404"], "externalIds": ["S-2", "S-1", "S-9"],
        "phoneNumbers": ["(202) 555-0003", "+12025550009"],
    });
    let (status, added) = segments.of_segment(ADD, id, &body).await;
    assert_eq!((status, &added["added"]), (200, &json!(3)), "{added}");
    assert_eq!(added["missing"], json!(["con_404", "S-9", "+12025550009"]));
    let (_, again) = segments.of_segment(ADD, id, &json!({ "contactIds": ["con_1"] })).await;
    assert_eq!(again["added"], 0);
    assert_eq!(segments.call(&segment_event(READ, "bob", id)).await.1["count"], 3);

    let (status, removed) =
        segments.of_segment(TAKE_OUT, id, &json!({ "externalIds": ["S-1", "S-9"] })).await;
    assert_eq!((status, &removed["missing"]), (200, &json!(["S-9"])));
    assert_eq!(segments.call(&segment_event(READ, "bob", id)).await.1["count"], 2);

    let (status, problem) = segments.of_segment(ADD, id, &json!({ "phoneNumbers": ["none"] })).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/phoneNumbers/0")));
    let many: Vec<_> = (0..1_001).map(|index| format!("con_{index}")).collect();
    assert_eq!(segments.of_segment(ADD, id, &json!({ "contactIds": many })).await.0, 422);
    let filtered = json!({ "name": "VIPs", "kind": "filter", "filter": has_tag("vip") });
    let filtered = segments.of_team(CREATE, &filtered).await.1;
    let (status, problem) = segments
        .of_segment(ADD, filtered["segmentId"].as_str().unwrap(), &json!({ "contactIds": ["con_1"] }))
        .await;
    assert_eq!((status, &problem["code"]), (409, &json!("segment_not_static")));
}

/// Of two requests at once, the one that stores its count last counted the contacts of both.
#[tokio::test(flavor = "multi_thread")]
async fn contacts_that_two_requests_put_in_at_once_are_all_counted() {
    let segments = Segments::start().await;
    let contacts = [segments.add_contact(1, "").await.id, segments.add_contact(2, "").await.id];
    let mut overtaken = 0;
    for nth in 0..14 {
        let (_, created) = segments.of_team(CREATE, &json!({ "name": "Bus", "kind": "static" })).await;
        let id = SegmentId::parse(created["segmentId"].as_str().unwrap()).unwrap();
        let (stored, segment, second) =
            (StoredSegments::new(segments.test.table()), id.clone(), contacts[1].clone());
        let other = async move {
            let (organization, team) = (organization_id("org_1"), team_id("team_1"));
            let team = TeamKey { organization: &organization, team: &team };
            stored.add_contacts(&organization, &segment, &[second]).await.unwrap();
            let before = stored.get(team, &segment).await.unwrap().unwrap();
            let count = stored.count_contacts(&organization, &segment).await.unwrap();
            assert!(stored.set_count(team, &before, count, now()).await.unwrap());
        };
        let table = overtaken_table(&segments.test.engine.aws, nth, other);
        let app = App::new(&table, Claims::standard(), Cursors::fixed("secret"));
        let body = json!({ "contactIds": [contacts[0].as_str()] });
        let request = segment_event(ADD, "bob", id.as_str()).json(&body).request();
        let response = answer(&router(app), now(), clock::entropy(), request).await;
        assert_eq!(response.status(), 200, "overtaken before request {nth}");

        let members = StoredSegments::new(segments.test.table());
        let members = members.count_contacts(&organization_id("org_1"), &id).await.unwrap();
        let (_, read) = segments.call(&segment_event(READ, "bob", id.as_str())).await;
        assert_eq!(read["count"], members, "overtaken before request {nth}");
        overtaken += usize::from(members == 2);
    }
    assert!(overtaken > 4, "{overtaken}");
}

/// As the removal of a large segment that takes longer than a request may.
#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_ended_in_between_is_completed_by_another_request() {
    let segments = Segments::start().await;
    let (organization, team) = (organization_id("org_1"), team_id("team_1"));
    let team = TeamKey { organization: &organization, team: &team };
    let stored = StoredSegments::new(segments.test.table());
    let contact = segments.add_contact(1, "").await.id;
    let (mut hidden, mut done) = (0, 0);
    for requests in 0..12 {
        let (_, created) = segments.of_team(CREATE, &json!({ "name": "Bus", "kind": "static" })).await;
        let id = SegmentId::parse(created["segmentId"].as_str().unwrap()).unwrap();
        stored.add_contacts(&organization, &id, std::slice::from_ref(&contact)).await.unwrap();
        let table = segments.test.engine.crashing_table(requests);
        let app = App::new(&table, Claims::standard(), Cursors::fixed("secret"));
        let remove = segment_event(REMOVE, "bob", id.as_str());
        let first = answer(&router(app), now(), clock::entropy(), remove.request()).await;
        let (read, _) = segments.call(&segment_event(READ, "bob", id.as_str())).await;
        let (_, page) = segments.call(&team_event(LIST, "bob")).await;
        assert_eq!(page["items"].as_array().unwrap().is_empty(), read == 404, "{requests}: {page}");
        let (again, _) = segments.call(&remove).await;
        if first.status() == 204 {
            done += 1;
            assert_eq!((read, again), (404, 404), "{requests}");
        } else {
            hidden += usize::from(read == 404);
            assert_eq!(again, 204, "{requests}");
        }
        assert!(stored.get(team, &id).await.unwrap().is_none(), "{requests}");
        assert_eq!(stored.count_contacts(&organization, &id).await.unwrap(), 0, "{requests}");
        assert_eq!(segments.call(&remove).await.0, 404, "{requests}");
    }
    assert!(hidden > 1 && done > 1, "{hidden} {done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_creates_one_segment() {
    let segments = Segments::start().await;
    let create = team_event(CREATE, "bob").json(&json!({ "name": "Once", "kind": "static" }));
    let create = create.header("idempotency-key", "k-1");
    let (_, first) = segments.call(&create).await;
    let (status, second) = segments.call(&create).await;
    assert_eq!((status, &second["segmentId"]), (201, &first["segmentId"]));
    assert_eq!(segments.call(&team_event(LIST, "bob")).await.1["items"].as_array().unwrap().len(), 1);
}
