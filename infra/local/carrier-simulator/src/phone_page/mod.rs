//! The phone page: all customers' phones in one place, to read messages and to send them.
//!
//! | route | shows |
//! |---|---|
//! | `GET /`, `GET /?phone=+1…` | a form that sends a message, beside the conversations of all phones or of one |
//! | `POST /` | sends the form's message to the product |
//! | `GET /conversations` | the conversations: a frame of `/` that reloads itself, unless it shows a history |
//! | `GET /help` | the control routes |
//!
//! The pages need no credentials and run no script. Only the frame reloads, so text typed into the form is
//! kept.

pub(crate) mod conversations;
pub(crate) mod names;

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ORIGIN, REFERRER_POLICY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;
use url::Url;

use crate::Carrier;
use crate::form::Fields;
use crate::messages::media::Kind;
use crate::messages::send_request::is_e164;
use crate::site::Site;
use conversations::{Conversation, conversations};

const STYLE: &str = include_str!("../../templates/phones.css");

/// What the query of a page asks for. Empty values count as absent.
#[derive(Default, Deserialize)]
pub(crate) struct View {
    phone: Option<String>,
    inbox: Option<String>,
    /// The status that the product's webhook answered the sent message with; `none` if it did not answer.
    webhook: Option<String>,
    /// Given to show all messages of the phone.
    history: Option<String>,
}

/// What is in the form's fields.
#[derive(Default)]
struct Draft {
    phone: String,
    inbox: String,
    text: String,
}

struct Notice {
    text: String,
    is_warning: bool,
}

/// A number that the form offers.
struct Choice {
    number: String,
    name: Option<String>,
}

#[derive(Template)]
#[template(path = "phones.html")]
struct PhonesPage {
    phone: Option<String>,
    draft: Draft,
    phones: Vec<Choice>,
    inboxes: Vec<Choice>,
    attachments: Vec<Kind>,
    notice: Option<Notice>,
    frame_query: String,
}

#[derive(Template)]
#[template(path = "conversations.html")]
struct ConversationsPage<'a> {
    conversations: Vec<Conversation<'a>>,
    product_origin: &'a str,
    is_live: bool,
    live_url: String,
}

#[derive(Template)]
#[template(path = "help.html")]
struct HelpPage {
    base: String,
    attachments: Vec<Kind>,
    hold_seconds: u64,
    segments_per_second: u32,
}

/// `GET /`.
pub(crate) async fn show(State(carrier): State<Arc<Carrier>>, Query(view): Query<View>) -> Response {
    let phone = view.phone.filter(|phone| !phone.is_empty());
    let draft = Draft {
        phone: phone.clone().unwrap_or_default(),
        inbox: view.inbox.unwrap_or_default(),
        text: String::new(),
    };
    phones_page(&carrier, StatusCode::OK, phone, draft, view.webhook.as_deref().map(Notice::of_webhook))
}

/// `POST /`: sends a message as the control route `inbound-message` does. Only this page's own form may:
/// other sites in the same browser can also post here, but not under this origin.
pub(crate) async fn send(
    State(carrier): State<Arc<Carrier>>,
    site: Site,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Response {
    let field = |name| fields.get(name).unwrap_or_default().to_owned();
    let (phone, draft) =
        (field("From"), Draft { phone: field("From"), inbox: field("To"), text: field("Body") });
    let refused = |status, text: &str, draft: Draft| {
        phones_page(&carrier, status, None, draft, Some(Notice::warning(text)))
    };
    if headers.get(ORIGIN).is_some_and(|origin| *origin != site.url("")) {
        return refused(StatusCode::FORBIDDEN, "Send messages with the form of this page.", draft);
    }
    if !is_e164(&draft.phone) || !is_e164(&draft.inbox) {
        let text = "Enter both numbers in international format, such as +12025550123.";
        return refused(StatusCode::BAD_REQUEST, text, draft);
    }
    if draft.text.is_empty() && fields.get("Media").is_none() {
        return refused(StatusCode::BAD_REQUEST, "Enter a message or choose an attachment.", draft);
    }
    // The product knows the simulator by this address, whatever name the browser used.
    match carrier.deliver_message(&site.under("127.0.0.1"), &fields).await {
        Ok((_, answer)) => {
            let status = answer.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
            let query = query(&[("phone", &phone), ("inbox", &draft.inbox), ("webhook", &status)]);
            Redirect::to(&format!("/{query}")).into_response()
        }
        Err(failure) => refused(StatusCode::BAD_REQUEST, failure.message(), draft),
    }
}

/// `GET /conversations`.
pub(crate) async fn show_conversations(
    State(carrier): State<Arc<Carrier>>,
    Query(view): Query<View>,
) -> Response {
    let origin = product_origin(&carrier.settings.webhook_base);
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self' {origin}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'self'"
    );
    let (log, resources) = (carrier.log(), carrier.resources());
    let phone = view.phone.as_deref().filter(|phone| !phone.is_empty());
    let is_live = view.history.is_none();
    let live_url = format!("/conversations{}", phone_query(phone));
    let conversations = conversations(&log, &resources.names, phone, !is_live);
    page(
        StatusCode::OK,
        &policy,
        &ConversationsPage { conversations, product_origin: &origin, is_live, live_url },
    )
}

/// `GET /help`.
pub(crate) async fn help(State(carrier): State<Arc<Carrier>>, site: Site) -> Response {
    let policy =
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let attachments = Kind::all().collect();
    let hold_seconds = carrier.settings.hold.as_secs();
    let segments_per_second = carrier.settings.segments_per_second;
    let base = site.url("");
    page(StatusCode::OK, policy, &HelpPage { base, attachments, hold_seconds, segments_per_second })
}

/// `GET /phones.css`.
pub(crate) async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "max-age=3600")], STYLE)
}

impl Notice {
    fn warning(text: &str) -> Self {
        Self { text: text.to_owned(), is_warning: true }
    }

    fn of_webhook(status: &str) -> Self {
        match status.parse::<u16>() {
            Ok(200..=299) => {
                Self { text: "Message sent. The product received it.".to_owned(), is_warning: false }
            }
            Ok(status) => Self::warning(&format!(
                "Message sent, but the product did not accept it: its webhook answered with status {status}."
            )),
            Err(_) => Self::warning(
                "Message sent, but the product did not receive it: its webhook did not answer, or the number has none.",
            ),
        }
    }
}

fn phones_page(
    carrier: &Carrier,
    status: StatusCode,
    phone: Option<String>,
    mut draft: Draft,
    notice: Option<Notice>,
) -> Response {
    let policy = "default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; \
                  frame-ancestors 'none'";
    let (phones, inboxes) = choices(carrier, &draft.inbox);
    if draft.inbox.is_empty()
        && let Some(first) = inboxes.first()
    {
        draft.inbox.clone_from(&first.number);
    }
    let frame_query = phone_query(phone.as_deref());
    let attachments = Kind::all().collect();
    page(status, policy, &PhonesPage { phone, draft, phones, inboxes, attachments, notice, frame_query })
}

/// The phones and inboxes that the form offers: those with a name, those with messages, and the account's
/// numbers.
fn choices(carrier: &Carrier, chosen_inbox: &str) -> (Vec<Choice>, Vec<Choice>) {
    let (log, resources) = (carrier.log(), carrier.resources());
    let names = &resources.names;
    let found = conversations(&log, names, None, false);
    let phones = names.phones().chain(found.iter().map(|conversation| conversation.phone));
    let inboxes = names
        .inboxes()
        .chain(resources.numbers.iter().map(|number| number.e164.as_str()))
        .chain(found.iter().map(|conversation| conversation.inbox))
        .chain([chosen_inbox]);
    let choose = |numbers: Vec<&str>| {
        let mut choices: Vec<Choice> = Vec::new();
        for number in numbers.into_iter().filter(|number| is_e164(number)) {
            if choices.iter().all(|choice| choice.number != number) {
                choices
                    .push(Choice { number: number.to_owned(), name: names.get(number).map(str::to_owned) });
            }
        }
        choices
    };
    (choose(phones.collect()), choose(inboxes.collect()))
}

fn page(status: StatusCode, policy: &str, template: &impl Template) -> Response {
    let headers =
        [(CONTENT_SECURITY_POLICY, policy), (CACHE_CONTROL, "no-store"), (REFERRER_POLICY, "same-origin")];
    match template.render() {
        Ok(html) => (status, headers, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "page not rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn phone_query(phone: Option<&str>) -> String {
    phone.map(|phone| query(&[("phone", phone)])).unwrap_or_default()
}

/// A query with its question mark.
fn query(pairs: &[(&str, &str)]) -> String {
    format!("?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
}

/// Scheme, host and port of the product's public URL, where its media are.
fn product_origin(webhook_base: &str) -> String {
    Url::parse(webhook_base).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}
