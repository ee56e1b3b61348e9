//! The carrier simulator: Twilio's HTTP API for messages, phone numbers and their registration, on loopback.
//!
//! It accepts messages and reports their delivery by signed status callbacks. Inbound messages and calls come
//! from the phone page or from control routes. It sells numbers, keeps messaging services and campaigns, and
//! delivers events to sinks. As at Twilio, inbound messages and calls go to the URLs of the number or of its
//! messaging service, and nowhere if those have none; a sender must belong to the account and sends no faster
//! than its rate. Unlike Twilio, it answers no keyword, and it opts a phone out (`opt-out`) and decides on a
//! campaign (`campaign-status`) only on request. Failures also happen only on request ([`faults`]), except
//! that numbers ending in 0000 are never available. All state is in memory.
//!
//! | route | module |
//! |---|---|
//! | `GET /`, `POST /`, `GET /conversations`, `GET /help`: pages for people | [`phone_page`] |
//! | `POST /_twilio/simulate/…`: control routes, described at `/help` | [`control`], [`campaigns`] |
//! | `GET`, `POST /2010-04-01/Accounts/{sid}/Messages.json`: list, send | [`messages`] |
//! | `GET /2010-04-01/Accounts/{sid}/Messages/{sid}.json`, `…/Media/{sid}`: one message, one attachment | [`messages`] |
//! | `GET /2010-04-01/Accounts/{sid}/AvailablePhoneNumbers/{US,CA}/Local.json`: search | [`numbers`] |
//! | `GET`, `POST /2010-04-01/Accounts/{sid}/IncomingPhoneNumbers.json`: list, buy | [`numbers`] |
//! | `GET`, `POST`, `DELETE …/IncomingPhoneNumbers/{sid}.json`: one number | [`numbers`] |
//! | `GET`, `POST /v1/Services`; `GET`, `POST`, `DELETE /v1/Services/{sid}` | [`services`] |
//! | `GET`, `POST /v1/Services/{sid}/PhoneNumbers`; `GET`, `DELETE …/PhoneNumbers/{sid}` | [`services`] |
//! | `GET`, `POST /v1/Services/{sid}/Compliance/Usa2p`; `GET`, `POST`, `DELETE …/Usa2p/{sid}` | [`campaigns`] |
//! | `GET`, `POST /v1/a2p/BrandRegistrations`; `GET …/{sid}` | [`campaigns`] |
//! | `POST`, `DELETE /v1/AuthTokens/Secondary`; `POST /v1/AuthTokens/Promote` | [`auth_tokens`] |
//! | `GET`, `POST /v1/Sinks`; `GET`, `POST`, `DELETE /v1/Sinks/{sid}` | [`events`] |
//! | `GET`, `POST /v1/Subscriptions`; `GET`, `DELETE /v1/Subscriptions/{sid}` | [`events`] |
//!
//! This server replaces all of Twilio's hosts (`api`, `messaging`, `events`, `accounts`, media storage). All
//! routes except the pages and the media storage require Basic authentication with the account and its token.
//! Responses have the shapes of Twilio's OpenAPI description, which the tests check. Logs contain sids and
//! states, but no numbers and no texts.

mod attribute;
mod auth;
mod auth_tokens;
mod campaigns;
mod control;
mod date;
mod events;
mod failure;
mod faults;
mod form;
mod messages;
mod numbers;
mod paging;
mod phone_page;
mod resources;
mod routes;
mod services;
mod sid;
mod site;
mod webhook;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;

use auth_tokens::AuthTokens;
use faults::fault::Faults;
use messages::log::MessageLog;
use resources::Resources;
use webhook::Webhooks;

/// AT&T's rate for a campaign with a trust score from 50 to 74: 2400 messages per minute.
pub const DEFAULT_SEGMENTS_PER_SECOND: u32 = 40;

/// The settings of a simulator.
pub struct Settings {
    /// The only account, `AC…`.
    pub account_sid: String,
    /// The password of the account, which is also the key of webhook signatures.
    pub auth_token: String,
    /// Base URL of the product, without a trailing slash. The phone page may show media from there.
    pub webhook_base: String,
    /// The pause before each of `queued`, `sending`, `sent`, `delivered`.
    pub step: Duration,
    /// Segments per second that a verified campaign allows its numbers together. Other numbers send one each.
    pub segments_per_second: u32,
    /// The delay of a response under the fault `timeout-after`.
    pub hold: Duration,
}

impl Settings {
    /// Settings with the default timing: messages are delivered after 0.6 s, and timeouts take 30 s.
    pub fn new(account_sid: &str, auth_token: &str, webhook_base: &str) -> Self {
        Self {
            account_sid: account_sid.to_owned(),
            auth_token: auth_token.to_owned(),
            webhook_base: webhook_base.trim_end_matches('/').to_owned(),
            step: Duration::from_millis(150),
            segments_per_second: DEFAULT_SEGMENTS_PER_SECOND,
            hold: Duration::from_secs(30),
        }
    }
}

/// Serves on a bound listener until the task is dropped.
pub async fn serve(listener: TcpListener, settings: Settings) -> std::io::Result<()> {
    axum::serve(listener, routes::router(Arc::new(Carrier::new(settings)))).await
}

/// The state that all routes share.
struct Carrier {
    settings: Settings,
    tokens: Arc<AuthTokens>,
    webhooks: Webhooks,
    log: Mutex<MessageLog>,
    faults: Mutex<Faults>,
    resources: Mutex<Resources>,
}

impl Carrier {
    fn new(settings: Settings) -> Self {
        let tokens = Arc::new(AuthTokens::new(&settings.auth_token));
        let webhooks = Webhooks::new(Arc::clone(&tokens));
        Self {
            settings,
            tokens,
            webhooks,
            log: Mutex::default(),
            faults: Mutex::default(),
            resources: Mutex::default(),
        }
    }

    /// Locks the messages. Must not be held across an await.
    fn log(&self) -> MutexGuard<'_, MessageLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the account's other resources. Must not be held across an await.
    fn resources(&self) -> MutexGuard<'_, Resources> {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
