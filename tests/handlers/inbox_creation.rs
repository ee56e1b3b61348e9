//! Requests that create inboxes, for the tests of several functions.

use inboxes::{App, router};
use serde_json::{Value, json};
use shared_carriers::twilio::Client;
use shared_http::{caller::Claims, serve::answer};
use shared_lambda::clock;
use test_kit::{
    TestApp,
    gateway::{self, Event},
    twilio::BASE_URL,
};

const CREATE: &str = "POST /v1/teams/{teamId}/inboxes";

/// The service of the team at the carrier cannot be read after the purchase of the number.
pub(crate) const SERVICE_UNAVAILABLE: [(&str, &str); 1] = [("error-before", "services")];

/// Returns `inboxes` on a new host.
pub(crate) fn app(test: &TestApp) -> App {
    app_with_carrier(test, test.carrier.client())
}

/// Returns `inboxes` with another client of the carrier.
pub(crate) fn app_with_carrier(test: &TestApp, carrier: Client) -> App {
    App::new(&test.table(), Claims::standard(), carrier, BASE_URL.into())
}

/// Returns `inboxes` on a host that crashes after `requests` requests to the table.
pub(crate) fn crashing_app(test: &TestApp, requests: usize) -> App {
    let table = test.engine.crashing_table(requests);
    App::new(&table, Claims::standard(), test.carrier.client(), BASE_URL.into())
}

/// Returns the body of a creation with this API code and the number `+1202555{line}`.
pub(crate) fn details(api_code: &str, line: u16) -> Value {
    json!({
        "name": "Front desk", "color": "#336699", "apiCode": api_code, "phoneNumber": format!("+1202555{line}"),
    })
}

pub(crate) fn create(user: &str, team: &str, body: &Value) -> Event {
    Event::new(CREATE, &[("teamId", team)]).user("org_1", user).json(body)
}

/// Returns a creation in the other organization.
pub(crate) fn create_elsewhere(team: &str, body: &Value) -> Event {
    Event::new(CREATE, &[("teamId", team)]).user("org_2", "zoe").json(body)
}

pub(crate) async fn call(app: &App, event: &Event) -> (u16, Value) {
    let response = answer(&router(app.clone()), clock::now(), clock::entropy(), event.request()).await;
    (response.status().as_u16(), gateway::json(&response))
}

/// Starts a creation that these faults of the carrier interrupt after the purchase. Returns the id of the
/// inbox, which is stored but not active.
pub(crate) async fn interrupt_creation(test: &TestApp, event: &Event, faults: &[(&str, &str)]) -> String {
    for (kind, on) in faults {
        test.carrier.fault_on(on, kind).await;
    }
    let (status, problem) = call(&app(test), event).await;
    assert_eq!(status, 503, "{problem}");
    let owned = test.carrier.owned_numbers().await;
    assert_eq!(owned.len(), 1);
    owned[0]["friendly_name"].as_str().unwrap().to_owned()
}
