//! Bad input gives a refusal that the API's document names, never a crash and never a 5xx, and a refusal stores nothing;
//! what is accepted is what the document describes.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use serde_json::Value;

use crate::{
    broken::{Case, api_case, list_case, webhook_case},
    chosen_seed,
    contract::{Ids, Route, routes},
    full_run,
    house::{Done, House, now},
    signed::{MESSAGES, REGISTRATIONS, STATUS, VOICE, parameters, signature, tokens_of},
};

/// What is wrong with an answer, if anything is.
fn wrong(routes: &[Route], case: &Case, done: &Done) -> Option<String> {
    let route = routes.iter().find(|route| route.key == case.route).unwrap();
    let status = done.status;
    if status == 404 && case.event["rawPath"].as_str().unwrap_or_default().len() + case.query.len() > 10_000 {
        return None; // longer than any address that the gateway takes: no route of ours
    }
    if !route.answers.contains(&status) {
        return Some(format!("{status} is not among the documented {:?}", route.answers));
    }
    if status >= 500 {
        return Some(format!("{status} for what came in"));
    }
    if status < 400 {
        return accepted_wrongly(route, case);
    }
    let problem = done.json();
    if done.content_type != "application/problem+json"
        || problem["status"] != status
        || !problem["code"].is_string()
    {
        return Some(format!("no problem document: {problem}"));
    }
    // Who is told that somebody else was first may have begun something, and given it up.
    (matches!(status, 400 | 401 | 403 | 404 | 413 | 415 | 422) && done.writes > 0)
        .then(|| format!("{status}, and {} writes", done.writes))
}

/// What was accepted has to be what the document describes.
fn accepted_wrongly(route: &Route, case: &Case) -> Option<String> {
    if let (Some(schema), Some(body)) = (&route.schema, &case.body) {
        let list = route.key.ends_with("/contact-imports"); // a list may be a list, whatever it holds
        match serde_json::from_slice(body) {
            Ok(value) if schema.is_valid(&value) => {}
            Ok(_) | Err(_) if list => {}
            Ok(value) => return Some(format!("accepted, though not of the document's shape: {value:.200}")),
            // Deeper than is read, or half a letter by its escape, is JSON all the same (RFC 8259) where nobody asks for it.
            Err(error)
                if ["recursion limit", "hex escape"].iter().any(|said| error.to_string().contains(said)) => {}
            Err(error) => return Some(format!("accepted, and no JSON: {error}")),
        }
    }
    let pairs = parameters(case.query.as_bytes());
    let first =
        |name: &str| pairs.iter().find(|(key, _)| key == name.as_bytes()).map(|(_, value)| value.as_slice());
    let takes = |name: &str| route.query.iter().any(|known| known == name);
    if takes("cursor") && first("cursor").is_some() {
        return Some("accepted a cursor that was never given".into());
    }
    if let Some(limit) = first("limit").filter(|_| takes("limit")) {
        let limit = std::str::from_utf8(limit)
            .ok()
            .and_then(|limit| limit.trim_start_matches('+').parse::<u8>().ok());
        if !limit.is_some_and(|limit| (1..=100).contains(&limit)) {
            return Some("accepted a limit that is none".into());
        }
    }
    let webhook = case.webhook.as_ref()?;
    let form = webhook.is_form().then_some(&*webhook.body);
    let genuine = tokens_of()
        .any(|token| webhook.signature.as_deref() == Some(&*signature(&webhook.url(), form, token)));
    if !genuine {
        return Some("accepted without a signature".into());
    }
    let fields = parameters(&webhook.body);
    let field = |name: &str| {
        fields.iter().find(|(key, _)| key == name.as_bytes()).map_or(&b""[..], |(_, value)| value)
    };
    let sid = |name: &str, begin: &[u8]| {
        let value = field(name);
        value.len() == 34 && value.starts_with(begin) && value[2..].iter().all(u8::is_ascii_hexdigit)
    };
    let shaped = match route.key {
        MESSAGES | STATUS => sid("MessageSid", b"SM") || sid("MessageSid", b"MM"),
        VOICE => sid("CallSid", b"CA"),
        _ => serde_json::from_slice::<Value>(&webhook.body)
            .is_ok_and(|events| events.is_array() || events.is_object()),
    };
    (!shaped).then(|| "accepted without the ids that it needs".to_owned())
}

/// A function that would be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    /// Ends with a panic where there is a NUL.
    Panics,
    /// Answers 500 instead of 400.
    Breaks,
    /// Takes what it should refuse.
    Takes,
    /// Writes before it looks.
    WritesFirst,
}

impl Flaw {
    fn spoil(self, case: &Case, done: Result<Done, String>) -> Result<Done, String> {
        let done = done?;
        let refused = done.status == 400;
        match self {
            Self::Panics if case.event.to_string().contains("\\u0000") => Err("panicked".into()),
            Self::Breaks if refused => Ok(Done { status: 500, ..done }),
            Self::Takes if refused => Ok(Done { status: 200, ..done }),
            Self::WritesFirst if refused => Ok(Done { writes: 1, ..done }),
            _ => Ok(done),
        }
    }
}

/// So many broken requests to all routes; what was answered wrongly, and how often which status came.
async fn run(seed: u64, cases: usize, flaw: Flaw) -> (Vec<String>, BTreeMap<u16, usize>) {
    let house = House::open().await;
    let ids = Ids::of(&house).await;
    let (routes, mut entropy) = (routes(), fastrand::Rng::with_seed(seed));
    let (mut wrongs, mut statuses) = (Vec::new(), BTreeMap::new());
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
        let done = flaw.spoil(&case, house.answer(now(), &case.event).await);
        let found = match &done {
            Err(panic) => Some(panic.clone()),
            Ok(done) => {
                *statuses.entry(done.status).or_insert(0) += 1;
                wrong(&routes, &case, done)
            }
        };
        if let Some(found) = found {
            wrongs.push(format!("SEED={seed}: case {number}: {}: {}: {found}", case.route, case.what));
        }
    }
    (wrongs, statuses)
}

#[test]
fn every_route_has_a_request_to_break() {
    let without: Vec<_> = routes()
        .iter()
        .filter(|route| crate::house::function_of(route.key) == "none")
        .map(|route| route.key)
        .collect();
    assert_eq!(without, Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "a seed that is not printed cannot be repeated")]
async fn bad_input_is_refused_as_documented_and_stores_nothing() {
    let (seeds, cases) = if full_run() { (0..10, 1_000) } else { (0..2, 300) };
    let seeds: Vec<u64> = chosen_seed().map_or_else(|| seeds.collect(), |seed| vec![seed]);
    let waiting = Arc::new(std::sync::Mutex::new(seeds));
    let workers = (0..2).map(|_| {
        let waiting = waiting.clone();
        tokio::spawn(async move {
            loop {
                let next = waiting.lock().unwrap().pop();
                let Some(seed) = next else { return };
                let begun = Instant::now();
                let (found, statuses) = run(seed, cases, Flaw::None).await;
                println!("SEED={seed}: {cases} requests in {:?}: {statuses:?}", begun.elapsed());
                assert_eq!(found, Vec::<String>::new());
                assert!(statuses.len() >= 8, "answers are of many kinds: {statuses:?}");
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
}

/// Each flaw is found within a few requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_takes_breaks_or_stores_bad_input_is_noticed() {
    for (flaw, said) in [
        (Flaw::Panics, "panicked"),
        (Flaw::Breaks, "500"),
        (Flaw::Takes, "accepted"),
        (Flaw::WritesFirst, "writes"),
    ] {
        let (found, _) = run(1, 300, flaw).await;
        assert!(found.iter().any(|found| found.contains(said)), "{flaw:?}: {found:?}");
    }
}
