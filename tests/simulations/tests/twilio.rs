//! Webhooks as Twilio posts them.

use shared_carriers::{
    callback::StatusCallbacks,
    twilio::{Verifier, signature},
};
use test_kit::gateway::Event;

pub(crate) const ACCOUNT: &str = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const BASE: &str = "https://inbox.example";
const TOKEN: &str = "test-token";

pub(crate) fn verifier() -> Verifier {
    Verifier::new(BASE, vec![TOKEN.into()]).unwrap()
}

pub(crate) fn callbacks() -> StatusCallbacks {
    StatusCallbacks::new(BASE, "signing-secret")
}

/// A signed form for a route, with this query.
pub(crate) fn webhook(route: &'static str, query: &str, fields: &[(&str, &str)]) -> Event {
    let path = route.split(' ').nth(1).unwrap();
    let url = if query.is_empty() { format!("{BASE}{path}") } else { format!("{BASE}{path}?{query}") };
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let signature = signature::sign(&url, fields, TOKEN);
    Event::new(route, &[]).query(query).form(&form).header("x-twilio-signature", &signature)
}
