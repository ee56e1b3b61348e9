//! Invalid requests get a documented error, never a panic or a 5xx, and store nothing. Accepted requests
//! match the OpenAPI document.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use serde_json::Value;
use test_kit::gateway::Event;

use crate::{
    api::{Api, ApiResponse, ORGANIZATION, OWNER, now},
    broken_requests::{Case, api_case, list_case, webhook_case},
    chosen_seed,
    contract::{Ids, Route, routes},
    full_run,
    webhook::{MESSAGES, REGISTRATIONS, STATUS, VOICE, accepted_tokens, parameters, signature},
};

/// Returns what is wrong with a response.
fn find_failure(routes: &[Route], case: &Case, response: &ApiResponse) -> Option<String> {
    let route = routes.iter().find(|route| route.key == case.route).unwrap();
    let status = response.status;
    if status == 404 && case.event["rawPath"].as_str().unwrap_or_default().len() + case.query.len() > 10_000 {
        return None; // longer than the gateway accepts
    }
    if !route.statuses.contains(&status) {
        return Some(format!("{status} is not documented; the route has {:?}", route.statuses));
    }
    if status >= 500 {
        return Some(format!("{status} for an invalid request"));
    }
    if status < 400 {
        return find_wrong_acceptance(route, case);
    }
    let problem = response.json();
    if response.content_type != "application/problem+json" || problem["status"] != status {
        return Some(format!("not a problem document: {problem}"));
    }
    if !route.codes.iter().any(|code| problem["code"] == **code) {
        return Some(format!("{} is not documented; the route has {:?}", problem["code"], route.codes));
    }
    // A 409 may follow writes that were rolled back.
    (matches!(status, 400 | 401 | 403 | 404 | 413 | 415 | 422) && response.writes > 0)
        .then(|| format!("{status} with {} writes", response.writes))
}

/// Returns why an accepted request should have been refused.
fn find_wrong_acceptance(route: &Route, case: &Case) -> Option<String> {
    if let (Some(schema), Some(body)) = (&route.schema, &case.body) {
        let csv = route.key.ends_with("/contact-imports"); // a CSV body is checked later, by the worker
        match serde_json::from_slice(body) {
            Ok(value) if schema.is_valid(&value) => {}
            Ok(_) | Err(_) if csv => {}
            Ok(value) => return Some(format!("accepted, but does not match the schema: {value:.200}")),
            // Deep nesting and unpaired surrogates are valid JSON (RFC 8259), but this parser refuses them.
            Err(error)
                if ["recursion limit", "hex escape"]
                    .iter()
                    .any(|reason| error.to_string().contains(reason)) => {}
            Err(error) => return Some(format!("accepted, but is not JSON: {error}")),
        }
    }
    let pairs = parameters(case.query.as_bytes());
    let first =
        |name: &str| pairs.iter().find(|(key, _)| key == name.as_bytes()).map(|(_, value)| value.as_slice());
    let defines = |name: &str| route.query.iter().any(|known| known == name);
    if case.webhook.is_none()
        && let Some((name, _)) = pairs.iter().find(|(name, _)| !std::str::from_utf8(name).is_ok_and(defines))
    {
        return Some(format!("accepted the unknown parameter {:?}", String::from_utf8_lossy(name)));
    }
    if defines("cursor") && first("cursor").is_some() {
        return Some("accepted a cursor that was never issued".into());
    }
    if let Some(limit) = first("limit").filter(|_| defines("limit")) {
        let limit = std::str::from_utf8(limit)
            .ok()
            .and_then(|limit| limit.trim_start_matches('+').parse::<u8>().ok());
        if !limit.is_some_and(|limit| (1..=100).contains(&limit)) {
            return Some("accepted an invalid limit".into());
        }
    }
    let webhook = case.webhook.as_ref()?;
    let form = webhook.is_form().then_some(&*webhook.body);
    let genuine = accepted_tokens()
        .any(|token| webhook.signature.as_deref() == Some(&*signature(&webhook.url(), form, token)));
    if !genuine {
        return Some("accepted without a valid signature".into());
    }
    let fields = parameters(&webhook.body);
    let field = |name: &str| {
        fields.iter().find(|(key, _)| key == name.as_bytes()).map_or(&b""[..], |(_, value)| value)
    };
    let sid = |name: &str, begin: &[u8]| {
        let value = field(name);
        value.len() == 34 && value.starts_with(begin) && value[2..].iter().all(u8::is_ascii_hexdigit)
    };
    let valid = match route.key {
        MESSAGES | STATUS => sid("MessageSid", b"SM") || sid("MessageSid", b"MM"),
        VOICE => sid("CallSid", b"CA"),
        _ => serde_json::from_slice::<Value>(&webhook.body)
            .is_ok_and(|events| events.is_array() || events.is_object()),
    };
    (!valid).then(|| "accepted without the required ids".to_owned())
}

/// A defect that is injected into the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defect {
    None,
    /// Panics on NUL.
    Panics,
    /// Answers 500 instead of 400.
    Breaks,
    /// Accepts what it should refuse.
    Accepts,
    /// Writes before it validates.
    WritesFirst,
}

impl Defect {
    fn apply(self, case: &Case, response: Result<ApiResponse, String>) -> Result<ApiResponse, String> {
        let response = response?;
        let refused = response.status == 400;
        match self {
            Self::Panics if case.event.to_string().contains("\\u0000") => Err("panicked".into()),
            Self::Breaks if refused => Ok(ApiResponse { status: 500, ..response }),
            Self::Accepts if refused => Ok(ApiResponse { status: 200, ..response }),
            Self::WritesFirst if refused => Ok(ApiResponse { writes: 1, ..response }),
            _ => Ok(response),
        }
    }
}

/// Sends random invalid requests to all routes. Returns the failures and how often each status occurred.
async fn run(seed: u64, cases: usize, defect: Defect) -> (Vec<String>, BTreeMap<u16, usize>) {
    let api = Api::start().await;
    let ids = Ids::create(&api).await;
    let (routes, mut entropy) = (routes(), fastrand::Rng::with_seed(seed));
    let (mut failures, mut statuses) = (Vec::new(), BTreeMap::new());
    for number in 0..cases {
        let route = &routes[entropy.usize(..routes.len())];
        let case = match entropy.u8(..10) {
            0..3 => {
                webhook_case([MESSAGES, STATUS, REGISTRATIONS, VOICE][entropy.usize(..4)], &ids, &mut entropy)
            }
            3 if entropy.u8(..3) == 0 => list_case(&mut entropy),
            _ if route.key.contains("/webhooks/") => webhook_case(route.key, &ids, &mut entropy),
            _ => api_case(route, &ids, &mut entropy),
        };
        let response = defect.apply(&case, api.try_call(now(), &case.event).await);
        let found = match &response {
            Err(panic) => Some(panic.clone()),
            Ok(response) => {
                *statuses.entry(response.status).or_insert(0) += 1;
                find_failure(&routes, &case, response)
            }
        };
        if let Some(found) = found {
            failures.push(format!("SEED={seed}: case {number}: {}: {}: {found}", case.route, case.what));
        }
    }
    (failures, statuses)
}

#[test]
fn every_documented_route_has_a_function() {
    let without: Vec<_> = routes()
        .iter()
        .filter(|route| crate::api::function_of(route.key) == "none")
        .map(|route| route.key)
        .collect();
    assert_eq!(without, Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the seed repeats a failed run")]
async fn invalid_requests_are_refused_as_documented_and_store_nothing() {
    let (seeds, cases) = if full_run() { (0..10, 1_000) } else { (0..2, 300) };
    let seeds: Vec<u64> = chosen_seed().map_or_else(|| seeds.collect(), |seed| vec![seed]);
    let waiting = Arc::new(std::sync::Mutex::new(seeds));
    let workers = (0..2).map(|_| {
        let waiting = waiting.clone();
        tokio::spawn(async move {
            loop {
                let next = waiting.lock().unwrap().pop();
                let Some(seed) = next else { return };
                let start = Instant::now();
                let (found, statuses) = run(seed, cases, Defect::None).await;
                println!("SEED={seed}: {cases} requests in {:?}: {statuses:?}", start.elapsed());
                assert_eq!(found, Vec::<String>::new());
                assert!(statuses.len() >= 8, "statuses vary: {statuses:?}");
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_refuses_an_unknown_parameter_and_an_unknown_field_and_stores_nothing() {
    let api = Api::start().await;
    let ids = Ids::create(&api).await;
    for route in routes().iter().filter(|route| !route.key.contains("/webhooks/")) {
        let parameters: Vec<_> = route.ids.iter().map(|name| (*name, ids.get(name))).collect();
        let event = || Event::new(route.key, &parameters).user(ORGANIZATION, OWNER);
        let body = ids.body(route.key);
        let with_parameter = match &body {
            Some(body) => event().json(body),
            None => event(),
        };
        let mut refused = vec![(with_parameter.query("unred=1"), "?unred")];
        if let Some(mut body) = body.filter(|_| !route.key.ends_with("/contact-imports")) {
            body["assignedUser"] = "usr_1".into();
            refused.push((event().json(&body), "/assignedUser"));
        }
        for (event, pointer) in refused {
            let response = api.try_call(now(), &event.event()).await.unwrap();
            let problem = response.json();
            assert_eq!((response.status, response.writes), (400, 0), "{}: {problem}", route.key);
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{}: {problem}", route.key);
        }
    }
}

/// Each injected defect is found within 300 requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_accepts_fails_on_or_stores_invalid_input_would_be_noticed() {
    for (defect, message) in [
        (Defect::Panics, "panicked"),
        (Defect::Breaks, "500"),
        (Defect::Accepts, "accepted"),
        (Defect::WritesFirst, "writes"),
    ] {
        let (found, _) = run(1, 300, defect).await;
        assert!(found.iter().any(|found| found.contains(message)), "{defect:?}: {found:?}");
    }
}
