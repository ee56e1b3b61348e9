//! Endpoints: who creates, sees and changes them, which URLs are allowed, and when a secret is shown.

use shared_aws::team::Audit;
use shared_domain::{ids::InboxId, inbox::Inbox, keys::TeamKey};

use super::*;

const URL: &str = "https://receiver.example/hook";

fn new(types: &[&str]) -> Value {
    json!({ "url": URL, "types": types })
}

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["endpointId"].as_str().unwrap()).collect()
}

fn id(created: &Value) -> WebhookEndpointId {
    WebhookEndpointId::parse(created["endpointId"].as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_has_a_secret_that_is_shown_once() {
    let webhooks = Webhooks::start().await;
    let body = json!({ "url": URL, "types": ["message.*"], "description": " CRM " });
    let event = create("olga", &body).header("idempotency-key", "k-1");
    let (status, created) = webhooks.call(&event).await;
    let id = id(&created);
    let view = json!({
        "endpointId": id.as_str(), "url": URL, "types": ["message.*"], "inboxIds": [], "description": "CRM",
        "status": "enabled", "failingSince": null, "createdAt": NOW.to_string(),
    });
    assert_eq!(status, 201, "{created}");
    let secret = created["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_") && secret.len() == "whsec_".len() + 44, "32 bytes");
    let mut with_secret = view.clone();
    with_secret["secret"] = secret.into();
    assert_eq!(created, with_secret);

    assert_eq!(webhooks.call(&event).await, (201, view.clone()), "a repeated request shows no secret");
    assert_eq!(webhooks.call(&at("GET ", "olga", &id)).await, (200, view.clone()));
    let (_, page) = webhooks.call(&Event::new(&format!("GET {ROUTE}"), &[]).user(ORGANIZATION, "olga")).await;
    assert_eq!(page, json!({ "items": [view], "nextCursor": null }));
    let (_, other) = webhooks.call(&create("olga", &body)).await;
    assert_ne!(other["secret"], created["secret"]);
    let list = |query: &str| Event::new(&format!("GET {ROUTE}"), &[]).user(ORGANIZATION, "olga").query(query);
    let (_, first) = webhooks.call(&list("limit=1")).await;
    let query = format!("cursor={}", first["nextCursor"].as_str().unwrap());
    let (_, second) = webhooks.call(&list(&query)).await;
    assert_eq!((ids(&first).len(), ids(&second).len(), second["nextCursor"].is_null()), (1, 1, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_manages_the_endpoints_of_own_teams_and_the_owner_manages_all() {
    let webhooks = Webhooks::start().await;
    let list = async |user: &str| {
        let event = Event::new(&format!("GET {ROUTE}"), &[]).user(ORGANIZATION, user);
        let (status, page) = webhooks.call(&event).await;
        assert_eq!(status, 200, "{page}");
        ids(&page).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let (_, of_owner) = webhooks.call(&create("olga", &new(&["*"]))).await;
    let (status, of_ada) = webhooks.call(&create("ada", &new(&["*"]))).await;
    assert_eq!((status, &of_ada["teamIds"]), (201, &json!(["team_1"])));
    assert_eq!(of_owner.get("teamIds"), None);
    let (owners, adas) = (id(&of_owner), id(&of_ada));
    let mut all = vec![owners.to_string(), adas.to_string()];
    all.sort();
    assert_eq!(
        (list("olga").await, list("ada").await, list("dan").await),
        (all, vec![adas.to_string()], vec![])
    );

    for user in ["bob", "unknown"] {
        let (status, refused) = webhooks.call(&create(user, &new(&["*"]))).await;
        assert_eq!((status, &refused["code"]), (403, &json!("admin_required")), "{user}");
    }
    for (user, endpoint) in [("dan", &adas), ("bob", &adas), ("ada", &owners), ("unknown", &adas)] {
        for route in ["GET ", "PATCH ", "DELETE ", "POST /rotate-secret", "POST /test", "GET /deliveries"] {
            let event = at(route, user, endpoint).json(&json!({}));
            assert_eq!(webhooks.call(&event).await.0, 404, "{user} {route}");
        }
        let recover = at("POST /recover", user, endpoint).json(&json!({ "since": "2026-01-01T00:00:00Z" }));
        assert_eq!(webhooks.call(&recover).await.0, 404, "{user}");
    }
    let elsewhere = at("GET ", "zoe", &adas).user("org_2", "zoe");
    assert_eq!(webhooks.call(&elsewhere).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_names_only_inboxes_of_own_teams() {
    let webhooks = Webhooks::start().await;
    let inbox = |id: &str, team: &str| Inbox {
        id: InboxId::parse(id).unwrap(),
        api_code: id.into(),
        team: build::team_id(team),
        ..build::inbox()
    };
    webhooks.test.add_inbox(&inbox("inb_1", "team_1")).await;
    webhooks.test.add_inbox(&inbox("inb_2", "team_2")).await;
    let named =
        |user: &str, ids: &[&str]| create(user, &json!({ "url": URL, "types": ["*"], "inboxIds": ids }));
    let (status, refused) = webhooks.call(&named("ada", &["inb_1", "inb_2", "inb_9", "?"])).await;
    assert_eq!((status, pointers(&refused)), (422, vec!["/inboxIds/1", "/inboxIds/2", "/inboxIds/3"]));
    let (status, created) = webhooks.call(&named("ada", &["inb_1", "inb_1"])).await;
    assert_eq!((status, &created["inboxIds"]), (201, &json!(["inb_1"])));
    let (status, created) = webhooks.call(&named("olga", &["inb_1", "inb_2"])).await;
    assert_eq!((status, &created["inboxIds"]), (201, &json!(["inb_1", "inb_2"])));
    let too_many: Vec<String> = (0..101).map(|index| format!("inb_{index}")).collect();
    let body = json!({ "url": URL, "types": ["*"], "inboxIds": too_many });
    let (status, refused) = webhooks.call(&create("olga", &body)).await;
    assert_eq!((status, pointers(&refused)), (422, vec!["/inboxIds"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn urls_that_lead_inside_are_refused() {
    let webhooks = Webhooks::start().await;
    let (id, _) = webhooks.create(URL).await;
    for url in [
        "",
        "receiver.example",
        "http://receiver.example",
        "https://receiver.example:22",
        "ftp://receiver.example",
        "https://ada:pw@receiver.example",
        "https://10.0.0.1",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]",
        "https://2130706434",
        "https://inside.example",
        "https://3.5.8.13",
        "https://user@127.0.0.1",
        "http://127.0.0.1.receiver.example",
    ] {
        let (status, refused) = webhooks.call(&create("olga", &json!({ "url": url, "types": ["*"] }))).await;
        assert_eq!((status, &refused["code"]), (422, &json!("url_not_allowed")), "{url}");
        assert_eq!(pointers(&refused), ["/url"], "{url}");
        let changed = at("PATCH ", "olga", &id).json(&json!({ "url": url }));
        assert_eq!(webhooks.call(&changed).await.0, 422, "{url}");
    }
    for url in ["https://unknown.example", "http://127.0.0.1:4100/hook", "http://local.example:4100"] {
        let (status, created) = webhooks.call(&create("olga", &json!({ "url": url, "types": ["*"] }))).await;
        assert_eq!(status, 201, "{url} {created}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_invalid_field_is_reported() {
    let webhooks = Webhooks::start().await;
    let body = json!({ "url": URL, "types": ["lock.*", "message.*"], "description": "x".repeat(201) });
    let (status, refused) = webhooks.call(&create("olga", &body)).await;
    assert_eq!((status, pointers(&refused)), (422, vec!["/types/0", "/description"]));
    let (id, _) = webhooks.create(URL).await;
    let changes = json!({ "types": [], "status": "paused" });
    let (status, refused) = webhooks.call(&at("PATCH ", "olga", &id).json(&changes)).await;
    assert_eq!((status, pointers(&refused)), (422, vec!["/types", "/status"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_changed_disabled_enabled_and_removed() {
    let webhooks = Webhooks::start().await;
    let (id, _) = webhooks.create(URL).await;
    let patch = async |changes: Value| webhooks.call(&at("PATCH ", "olga", &id).json(&changes)).await;
    let (status, changed) = patch(json!({ "types": ["inbox.changed"], "status": "disabled" })).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(
        (&changed["types"], &changed["status"], &changed["disabledReason"], &changed["url"]),
        (&json!(["inbox.changed"]), &json!("disabled"), &json!("by_user"), &json!(URL))
    );
    for _ in 0..2 {
        let (_, enabled) = patch(json!({ "status": "enabled" })).await;
        assert_eq!((&enabled["status"], enabled.get("disabledReason")), (&json!("enabled"), None));
    }
    assert_eq!(webhooks.call(&at("DELETE ", "olga", &id)).await.0, 204);
    assert_eq!(webhooks.call(&at("DELETE ", "olga", &id)).await.0, 404);
    assert_eq!(patch(json!({})).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_is_shown_once_and_the_replaced_one_signs_for_a_day() {
    let webhooks = Webhooks::start().await;
    let (id, first) = webhooks.create(URL).await;
    let event = at("POST /rotate-secret", "olga", &id).header("idempotency-key", "k-1");
    let (status, rotated) = webhooks.call(&event).await;
    let second = rotated["secret"].as_str().unwrap().to_owned();
    assert_eq!((status, second == first), (200, false));
    let (status, again) = webhooks.call(&event).await;
    assert_eq!((status, again.get("secret")), (200, None), "a repeated request");
    let endpoint = webhooks.endpoint(&id).await;
    assert_eq!(endpoint.secrets.current().to_text(), second);
    assert_eq!(endpoint.secrets.signatures("evt_1", NOW, "{}").split(' ').count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_admin_does_is_in_the_audit_trail_of_the_team() {
    let webhooks = Webhooks::start().await;
    let (_, created) = webhooks.call(&create("ada", &new(&["*"]))).await;
    let id = id(&created);
    for route in ["PATCH ", "POST /rotate-secret", "DELETE "] {
        assert!(webhooks.call(&at(route, "ada", &id).json(&json!({}))).await.0 < 300, "{route}");
    }
    let organization = build::organization_id(ORGANIZATION);
    let team = build::team_id("team_1");
    let key = TeamKey { organization: &organization, team: &team };
    let page = Audit::new(webhooks.test.table()).page(key, 10, None).await.unwrap();
    let mut actions: Vec<_> = page.items.into_iter().map(|entry| entry.action).collect();
    actions.sort();
    assert_eq!(actions, ["webhook.create", "webhook.remove", "webhook.rotate_secret", "webhook.update"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_has_at_most_fifty_endpoints() {
    let webhooks = Webhooks::start().await;
    for _ in 0..50 {
        webhooks.create(URL).await;
    }
    let (status, refused) = webhooks.call(&create("olga", &new(&["*"]))).await;
    assert_eq!((status, &refused["code"]), (409, &json!("too_many_endpoints")));
    let (status, _) = webhooks.call(&create("zoe", &new(&["*"])).user("org_2", "zoe")).await;
    assert_eq!(status, 201, "another organization");
}
