//! Machine clients that the owner adds and removes.

use futures_util::future::join_all;
use serde_json::{Value, json};
use shared_aws::{
    clients::{Aws, UserDirectory},
    team::Members,
};
use test_kit::{
    crash::{self, CrashPoint, CrashingProxy},
    engine::TABLE,
    user_directory::{FakeUserDirectory, MACHINE_CLIENT, POOL},
};

use super::*;

const ORGANIZATION: &str = "org_9";
const OWNER: &str = "nora";
const ROUTE: &str = "/v1/machine-clients";

fn add(body: &Value) -> Event {
    Event::new(&format!("POST {ROUTE}"), &[]).user(ORGANIZATION, OWNER).json(body)
}

fn remove_client(client: &str) -> Event {
    Event::new(&format!("DELETE {ROUTE}/{{clientId}}"), &[("clientId", client)]).user(ORGANIZATION, OWNER)
}

async fn listed(app: &App) -> Value {
    let (status, page) = call(app, &Event::new(&format!("GET {ROUTE}"), &[]).user(ORGANIZATION, OWNER)).await;
    assert_eq!(status, 200, "{page}");
    page["items"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_the_user_pool_has_a_secret_that_is_shown_once() {
    let test = TestApp::with_two_teams().await;
    organization::create(&test, ORGANIZATION, "Clinic", OWNER).await;
    let directory = FakeUserDirectory::start().await;
    let app =
        app(&test).with_directory(directory.client()).with_machine_clients(&[MACHINE_CLIENT, "client-2"]);
    let event = add(&json!({ "name": "Booking" })).header("idempotency-key", "k-1");
    let (status, created) = call_at(&app, &event, Timestamp::from_millis(1_000)).await;
    let view = json!({
        "clientId": "client-1", "name": "Booking", "createdAt": "1970-01-01T00:00:01.000Z", "accepted": false,
    });
    let mut with_secret = view.clone();
    with_secret["clientSecret"] = "secret of client-1".into();
    assert_eq!((status, &created), (201, &with_secret));
    assert_eq!(
        call_at(&app, &event, Timestamp::from_millis(2_000)).await,
        (201, view.clone()),
        "a repetition"
    );
    let (_, second) = call(&app, &add(&json!({ "name": "Till" }))).await;
    assert_eq!(second["accepted"], true, "{second}");
    assert_eq!(listed(&app).await[0], view);

    let (status, refused) = call(&app, &add(&json!({ "name": "Till" })).user("org_1", "ada")).await;
    assert_eq!((status, &refused["code"]), (403, &json!("owner_required")));
    let (status, refused) = call(&app, &add(&json!({ "name": "Booking", "clientId": "mine" }))).await;
    assert_eq!((status, pointers(&refused)), (422, vec!["/clientId"]));
}

fn rotate(client: &str) -> Event {
    let route = format!("POST {ROUTE}/{{clientId}}/rotate-secret");
    Event::new(&route, &[("clientId", client)]).user(ORGANIZATION, OWNER)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_has_two_secrets_at_most_and_the_owner_says_which_one_ends() {
    let test = TestApp::with_two_teams().await;
    organization::create(&test, ORGANIZATION, "Clinic", OWNER).await;
    let directory = FakeUserDirectory::start().await;
    let app = app(&test).with_directory(directory.client()).with_machine_clients(&[MACHINE_CLIENT]);
    call(&app, &add(&json!({ "name": "Booking" }))).await;
    let secrets = async || directory.client().machine_secrets("client-1", now()).await.unwrap();

    let event = rotate("client-1").header("idempotency-key", "k-1");
    let (status, rotated) = call(&app, &event).await;
    assert_eq!((status, &rotated["clientSecret"]), (200, &json!("secret 2 of client-1")), "{rotated}");
    let (status, again) = call(&app, &event).await;
    assert_eq!((status, &again["clientId"], again.get("clientSecret")), (200, &json!("client-1"), None));
    assert_eq!(secrets().await, ["1", "2"], "the secret before stays valid");

    let (status, refused) = call(&app, &rotate("client-1")).await;
    assert_eq!((status, &refused["code"]), (409, &json!("two_secrets")));
    let (_, rotated) = call(&app, &rotate("client-1").query("replace=newer")).await;
    assert_eq!(rotated["clientSecret"], "secret 2 of client-1", "{rotated}");
    assert_eq!(secrets().await, ["1", "2"]);
    let (_, rotated) = call(&app, &rotate("client-1").query("replace=older")).await;
    assert_eq!(rotated["clientSecret"], "secret 3 of client-1");
    assert_eq!(secrets().await, ["2", "3"]);
    let (status, refused) = call(&app, &rotate("client-1").query("replace=both")).await;
    assert_eq!((status, pointers(&refused)), (422, vec!["?replace"]));

    assert_eq!(call(&app, &rotate("client-1").user("org_1", "ada")).await.0, 403, "not an owner");
    assert_eq!(call(&app, &rotate("client-1").user("org_1", "olga")).await.0, 404, "another owner");
    assert_eq!(call(&app, &rotate("unknown")).await.0, 404);
}

/// The app of a host that crashes at this point of its requests to the table and the user pool.
async fn crashing_app(
    test: &TestApp,
    directory: &FakeUserDirectory,
    crash_point: &CrashPoint,
) -> (App, [CrashingProxy; 2]) {
    let table = CrashingProxy::start(&test.engine.endpoint, crash_point).await;
    let pool = CrashingProxy::start(&directory.url, crash_point).await;
    let directory = UserDirectory::new(&Aws::loopback(pool.url.clone()), POOL);
    let app = app_over(&Table::of(&Aws::loopback(table.url.clone()), TABLE)).with_directory(directory);
    (app, [table, pool])
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_rotation_stops_it_is_in_the_audit_trail_and_a_repetition_ends_no_other_secret() {
    for nth in crash::points().skip(1) {
        let test = TestApp::with_two_teams().await;
        organization::create(&test, ORGANIZATION, "Clinic", OWNER).await;
        let directory = FakeUserDirectory::start().await;
        let app = app(&test).with_directory(directory.client());
        call(&app, &add(&json!({ "name": "Booking" }))).await;
        call(&app, &rotate("client-1")).await;
        let secrets = async || directory.client().machine_secrets("client-1", now()).await.unwrap();
        let rotations = async || {
            let items = test.engine.items().await;
            items.values().filter(|item| item.contains("machine.rotate_secret")).count()
        };

        let event = rotate("client-1").query("replace=older").header("idempotency-key", "k-1");
        let crash_point = CrashPoint::at(nth);
        let (crashing, _proxies) = crashing_app(&test, &directory, &crash_point).await;
        let first = crash_point.run(call(&crashing, &event)).await;
        let left = secrets().await;
        assert!(left == ["1", "2"] || rotations().await == 2, "{nth}: {left:?} without an audit event");

        let (status, again) = call(&app, &event).await;
        assert_eq!(secrets().await, ["2", "3"], "{nth}: the secret in use stays");
        match (status, again["clientSecret"].as_str()) {
            (200, Some(secret)) => {
                assert_eq!((secret, left.contains(&"3".to_owned())), ("secret 3 of client-1", false));
            }
            (200 | 409, None) => assert_eq!(left, ["2", "3"], "{nth}: {again}"),
            other => panic!("{nth}: {other:?}"),
        }
        if let Some((status, rotated)) = first {
            assert_eq!((status, &rotated["clientSecret"]), (200, &json!("secret 3 of client-1")));
            assert_eq!(rotations().await, 2);
            assert!(nth > 15, "{nth}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_rotations_at_once_one_adds_a_secret() {
    let test = TestApp::with_two_teams().await;
    organization::create(&test, ORGANIZATION, "Clinic", OWNER).await;
    let directory = FakeUserDirectory::start().await;
    let app = app(&test).with_directory(directory.client()).with_machine_clients(&[MACHINE_CLIENT]);
    call(&app, &add(&json!({ "name": "Booking" }))).await;
    let event = rotate("client-1");
    let outcomes = join_all((0..8).map(|_| call(&app, &event))).await;
    let mut statuses: Vec<_> = outcomes.iter().map(|(status, _)| *status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
    let event = rotate("client-1").query("replace=older");
    let outcomes = join_all((0..8).map(|_| call(&app, &event))).await;
    assert!(outcomes.iter().all(|(status, _)| [200, 409].contains(status)), "{outcomes:?}");
    assert!(outcomes.iter().any(|(status, _)| *status == 200), "{outcomes:?}");
    assert_eq!(directory.client().machine_secrets("client-1", now()).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_requests_with_one_key_one_gets_a_secret_and_the_secret_in_use_stays() {
    let test = TestApp::with_two_teams().await;
    organization::create(&test, ORGANIZATION, "Clinic", OWNER).await;
    let directory = FakeUserDirectory::start().await;
    let app = app(&test).with_directory(directory.client());
    call(&app, &add(&json!({ "name": "Booking" }))).await;
    call(&app, &rotate("client-1")).await;
    let event = rotate("client-1").query("replace=older").header("idempotency-key", "k-1");
    let outcomes = join_all((0..8).map(|_| call(&app, &event))).await;
    let added =
        outcomes.iter().filter(|(_, rotated)| rotated["clientSecret"] == "secret 3 of client-1").count();
    assert_eq!(added, 1, "{outcomes:?}");
    for (status, refused) in outcomes.iter().filter(|(status, _)| *status != 200) {
        assert_eq!((*status, &refused["code"]), (409, &json!("two_secrets")));
    }
    assert_eq!(directory.client().machine_secrets("client-1", now()).await.unwrap(), ["2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_of_a_client_of_another_issuer_is_rotated_there() {
    let test = TestApp::with_two_teams().await;
    organization::create(&test, ORGANIZATION, "Clinic", OWNER).await;
    let app = app(&test);
    call(&app, &add(&json!({ "name": "Booking", "clientId": "0oa1" }))).await;
    let (status, refused) = call(&app, &rotate("0oa1")).await;
    assert_eq!((status, &refused["code"]), (409, &json!("issuer_keeps_secret")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_client_has_no_access_and_belongs_to_no_other_organization() {
    let test = TestApp::with_two_teams().await;
    organization::create(&test, ORGANIZATION, "Clinic", OWNER).await;
    let directory = FakeUserDirectory::start().await;
    let app = app(&test).with_directory(directory.client()).with_machine_clients(&["template"]);
    let (members, organization) = (Members::new(test.table()), build::organization_id(ORGANIZATION));
    members.put_machine("template", &organization).await.unwrap();
    call(&app, &add(&json!({ "name": "Booking" }))).await;
    assert_eq!(members.machine("client-1").await.unwrap().as_ref(), Some(&organization));

    assert_eq!(call(&app, &remove_client("client-1").user("org_1", "ada")).await.0, 403, "not an owner");
    assert_eq!(call(&app, &remove_client("client-1").user("org_1", "olga")).await.0, 404, "another owner");
    for client in ["unknown", "\u{7f}"] {
        assert_eq!(call(&app, &remove_client(client)).await.0, 404, "{client:?}");
    }
    directory.fail(Some("InternalErrorException"));
    assert_eq!(call(&app, &remove_client("client-1")).await.0, 500);
    assert_eq!(members.machine("client-1").await.unwrap(), None, "access ends first");
    directory.fail(None);
    for client in ["client-1", "client-1", "template"] {
        assert_eq!(call(&app, &remove_client(client)).await.0, 204, "{client}");
    }
    assert_eq!(directory.deleted_clients(), ["client-1", "client-1"], "not that of the template");
    assert_eq!(listed(&app).await, json!([]));
    assert_eq!(members.machine("template").await.unwrap(), None);
    assert_eq!(members.organization_of_machine("template").await.unwrap().as_ref(), Some(&organization));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_another_issuer_is_named_and_belongs_to_one_organization() {
    let test = TestApp::with_two_teams().await;
    organization::create(&test, ORGANIZATION, "Clinic", OWNER).await;
    let app = app(&test);
    let named = |client: &str| add(&json!({ "name": "Booking", "clientId": client }));
    let (status, created) = call(&app, &named("0oa1")).await;
    assert_eq!((status, &created["accepted"], created.get("clientSecret")), (201, &json!(true), None));
    let other = build::organization_id("org_2");
    Members::new(test.table()).put_machine("0oa2", &other).await.unwrap();
    let (status, refused) = call(&app, &named("0oa2")).await;
    assert_eq!((status, &refused["code"]), (409, &json!("client_taken")));
    assert_eq!(call(&app, &remove_client("0oa2")).await.0, 404);
    for client in [json!(null), json!(""), json!("\u{7f}")] {
        let (status, refused) = call(&app, &add(&json!({ "name": "Booking", "clientId": client }))).await;
        assert_eq!((status, pointers(&refused)), (422, vec!["/clientId"]), "{client}");
    }
}
