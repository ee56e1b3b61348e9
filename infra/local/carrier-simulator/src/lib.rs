//! A carrier on loopback that speaks Twilio's own HTTP API for text messages, numbers and their registration.
//!
//! It takes sends, reports their fate by signed status callbacks, and makes inbound texts and calls when told to. It
//! sells numbers, keeps messaging services and campaigns, and tells sinks what becomes of them. It decides nothing: no
//! keyword is answered, no recipient is opted out, no sender is checked for its owner, no campaign is approved but on
//! demand (`campaign-status`). What goes wrong goes wrong on demand (`fault`), but for numbers that end in 0000, which
//! are always gone. Everything is held in memory and forgotten at the end.
//!
//! | route | does |
//! |---|---|
//! | `POST /2010-04-01/Accounts/{sid}/Messages.json` | send (`messages`, `send_request`) |
//! | `GET /2010-04-01/Accounts/{sid}/Messages.json` | list, newest first (`message_list`) |
//! | `GET /2010-04-01/Accounts/{sid}/Messages/{sid}.json` | one message |
//! | `GET /2010-04-01/Accounts/{sid}/Messages/{sid}/Media/{sid}` | a file of an inbound text, by way of a storage host (`media`) |
//! | `GET /2010-04-01/Accounts/{sid}/AvailablePhoneNumbers/{US,CA}/Local.json` | search (`available_numbers`) |
//! | `GET`, `POST /2010-04-01/Accounts/{sid}/IncomingPhoneNumbers.json` | list, buy (`numbers`) |
//! | `GET`, `POST`, `DELETE …/IncomingPhoneNumbers/{sid}.json` | one number: fetch, update, release |
//! | `GET`, `POST /v1/Services`; `GET`, `POST`, `DELETE /v1/Services/{sid}` | messaging services (`services`) |
//! | `GET`, `POST …/PhoneNumbers`; `GET`, `DELETE …/PhoneNumbers/{sid}` | a service's numbers (`service_numbers`) |
//! | `GET`, `POST …/Compliance/Usa2p`; `GET`, `POST`, `DELETE …/Compliance/Usa2p/{sid}` | a service's campaign (`campaigns`, `campaign_request`) |
//! | `GET`, `POST /v1/a2p/BrandRegistrations`; `GET …/{sid}` | brands (`brands`) |
//! | `GET`, `POST /v1/Sinks`; `GET`, `POST`, `DELETE /v1/Sinks/{sid}` | where events go (`sinks`, `event_delivery`) |
//! | `GET`, `POST /v1/Subscriptions`; `GET`, `DELETE /v1/Subscriptions/{sid}` | which of them (`subscriptions`, `event_type`) |
//! | `POST /_twilio/simulate/{inbound-message,inbound-call,message-status,message-media,campaign-status,redeliver-event,fault}` | what a person or a test wants to happen (`control`, `campaign_control`) |
//! | `GET /` | the texts, for a person to watch (`phone_page`) |
//!
//! Twilio's hosts (`api`, `messaging`, `events`, storage) are all this one. All but the page and the storage ask for Basic auth with account and
//! token. Shapes follow Twilio's OpenAPI description; tests hold them to it. A request logs sids and states, never a
//! number or a text.

mod attribute;
mod auth;
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

use faults::fault::Faults;
use messages::log::MessageLog;
use resources::Resources;
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
    axum::serve(listener, routes::router(Arc::new(Carrier::new(settings)))).await
}

/// Everything the routes share.
struct Carrier {
    settings: Settings,
    webhooks: Webhooks,
    log: Mutex<MessageLog>,
    faults: Mutex<Faults>,
    resources: Mutex<Resources>,
}

impl Carrier {
    fn new(settings: Settings) -> Self {
        let webhooks = Webhooks::new(&settings.auth_token);
        Self {
            settings,
            webhooks,
            log: Mutex::default(),
            faults: Mutex::default(),
            resources: Mutex::default(),
        }
    }

    /// The messages. Never held across an await.
    fn log(&self) -> MutexGuard<'_, MessageLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers, services and what else the account has. Never held across an await.
    fn resources(&self) -> MutexGuard<'_, Resources> {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
