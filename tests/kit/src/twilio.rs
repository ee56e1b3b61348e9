//! Webhooks as Twilio signs them, and what checks them.

use shared_app::{
    callbacks::SignedCallbacks,
    carrier::{WebhookAccount, WebhookAccounts},
};
use shared_aws::clients::EventStreamsLogin;
use shared_carriers::{
    callback::StatusCallbacks,
    twilio::{Verifier, signature},
};

use crate::{
    carrier::{ACCOUNT, TOKEN},
    gateway::Event,
};

/// The public address of the API, which Twilio signs.
pub const BASE_URL: &str = "https://inbox.example";
/// The token before the last rotation. It is still accepted.
pub const PREVIOUS_TOKEN: &str = "previous-token";
/// The key that signs status callback URLs.
pub const SIGNING_SECRET: &str = "signing-secret";

/// Returns a verifier that accepts both tokens.
pub fn verifier() -> Verifier {
    Verifier::new(BASE_URL, vec![TOKEN.into(), PREVIOUS_TOKEN.into()]).unwrap()
}

/// Returns the account [`ACCOUNT`] with both tokens and no login of Event Streams.
pub fn webhook_accounts() -> WebhookAccounts {
    fixed_account(verifier(), None)
}

/// Returns the account [`ACCOUNT`] with this verifier and login.
pub fn fixed_account(verifier: Verifier, event_streams: Option<EventStreamsLogin>) -> WebhookAccounts {
    WebhookAccounts::fixed(WebhookAccount { verifier, account_sid: ACCOUNT.into(), event_streams })
}

/// Returns the signer of status callback URLs.
pub fn callbacks() -> SignedCallbacks {
    SignedCallbacks::fixed(BASE_URL, SIGNING_SECRET)
}

/// Returns the URL of the status callbacks of a message.
pub fn callback_url(organization: &str, message: &str) -> String {
    StatusCallbacks::new(BASE_URL).url(SIGNING_SECRET, organization, message)
}

/// Returns a form webhook signed with `token` over the public URL, the query and the form.
pub fn signed(route: &'static str, query: &str, form: &str, token: &str) -> Event {
    let path = route.split(' ').nth(1).unwrap();
    let question_mark = if query.is_empty() { "" } else { "?" };
    let url = format!("{BASE_URL}{path}{question_mark}{query}");
    let fields: Vec<(String, String)> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let signature = signature::sign(&url, &fields, token);
    Event::new(route, &[]).query(query).form(form).header("x-twilio-signature", &signature)
}

/// Returns a form webhook with these fields, signed with the current token.
pub fn signed_fields(route: &'static str, query: &str, fields: &[(&str, &str)]) -> Event {
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    signed(route, query, &form, TOKEN)
}
