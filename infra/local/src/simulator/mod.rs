//! A carrier on loopback that speaks Twilio's own HTTP API for text messages.
//!
//! It takes sends, reports their fate by signed status callbacks, and makes inbound texts and calls when told to. It
//! decides nothing: no keyword is answered, no recipient is opted out, no number is checked for its owner. What goes
//! wrong goes wrong on demand (`fault`). Everything is held in memory and forgotten at the end.
//!
//! | route | does |
//! |---|---|
//! | `POST /2010-04-01/Accounts/{sid}/Messages.json` | send (`messages`, `send_request`) |
//! | `GET /2010-04-01/Accounts/{sid}/Messages.json` | list, newest first (`message_list`) |
//! | `GET /2010-04-01/Accounts/{sid}/Messages/{sid}.json` | one message |
//! | `POST /_twilio/simulate/{inbound-message,inbound-call,message-status,fault}` | what a person or a test wants to happen (`control`) |
//! | `GET /` | the texts, for a person to watch (`phone_page`) |
//!
//! All but the page ask for Basic auth with account and token. Shapes follow Twilio's OpenAPI description; a test
//! holds them to it. A request logs sids and states, never a number or a text.

mod auth;
mod callbacks;
mod control;
mod failure;
mod fault;
mod form;
mod inbound;
mod message;
mod message_filter;
mod message_list;
mod message_log;
mod messages;
mod phone_page;
mod send_request;
mod sid;
mod webhook;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::Uri;
use axum::routing::{get, post};
use axum::{Router, middleware};
use tokio::net::TcpListener;

use failure::Failure;
use fault::Faults;
use message_log::MessageLog;
use webhook::Webhooks;

/// What a simulator is started with.
pub struct Settings {
    /// The one account it serves, `AC…`.
    pub account_sid: String,
    /// The account's password and the key of its signatures.
    pub auth_token: String,
    /// Base URL of the inbound webhooks, without a slash at its end.
    pub webhook_base: String,
    /// The pause before each of `queued`, `sending`, `sent`, `delivered`.
    pub step: Duration,
    /// How long the fault `timeout-after` holds its answer back.
    pub hold: Duration,
}

impl Settings {
    /// Settings with the pace of the real program: delivered in 0.6 s, time-outs of 30 s.
    pub fn new(account_sid: &str, auth_token: &str, webhook_base: &str) -> Self {
        Self {
            account_sid: account_sid.to_owned(),
            auth_token: auth_token.to_owned(),
            webhook_base: webhook_base.trim_end_matches('/').to_owned(),
            step: Duration::from_millis(150),
            hold: Duration::from_secs(30),
        }
    }
}

/// Serves on a bound listener until the task is dropped.
///
/// # Errors
/// What the listener reports when it cannot go on.
pub async fn serve(listener: TcpListener, settings: Settings) -> std::io::Result<()> {
    axum::serve(listener, router(Arc::new(Carrier::new(settings)))).await
}

fn router(carrier: Arc<Carrier>) -> Router {
    let guarded = Router::new()
        .route("/2010-04-01/Accounts/{account}/Messages.json", get(message_list::list).post(messages::create))
        .route("/2010-04-01/Accounts/{account}/Messages/{file}", get(messages::fetch))
        .route("/_twilio/simulate/inbound-message", post(control::inbound_message))
        .route("/_twilio/simulate/inbound-call", post(control::inbound_call))
        .route("/_twilio/simulate/message-status", post(control::message_status))
        .route("/_twilio/simulate/fault", post(control::fault))
        .fallback(async |uri: Uri| Failure::not_found(uri.path()))
        .layer(middleware::from_fn_with_state(Arc::clone(&carrier), auth::require_account));
    Router::new().route("/", get(phone_page::show)).merge(guarded).with_state(carrier)
}

/// Everything the routes share.
struct Carrier {
    settings: Settings,
    webhooks: Webhooks,
    log: Mutex<MessageLog>,
    faults: Mutex<Faults>,
}

impl Carrier {
    fn new(settings: Settings) -> Self {
        let webhooks = Webhooks::new(&settings.auth_token);
        Self { settings, webhooks, log: Mutex::default(), faults: Mutex::default() }
    }

    /// The messages. Never held across an await.
    fn log(&self) -> MutexGuard<'_, MessageLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
