//! All routes, grouped by Twilio's hosts.

use std::sync::Arc;

use axum::http::{StatusCode, Uri};
use axum::routing::{get, post};
use axum::{Router, middleware};

use crate::campaigns::{brands, control as campaign_control};
use crate::events::{sinks, subscriptions};
use crate::failure::Failure;
use crate::faults::middleware as fault_middleware;
use crate::messages::{list as message_list, media};
use crate::numbers::available as available_numbers;
use crate::services::phone_numbers as service_numbers;
use crate::{Carrier, auth, auth_tokens, campaigns, control, messages, numbers, phone_page, services};

/// The paths of control routes.
pub(crate) const CONTROL_PREFIX: &str = "/_twilio/";

/// The routes of the simulator. Faults affect only authenticated requests.
pub(crate) fn router(carrier: Arc<Carrier>) -> Router {
    let guarded = Router::new()
        .merge(accounts())
        .merge(messaging())
        .merge(events())
        .merge(tokens())
        .merge(controls())
        .fallback(async |uri: Uri| Failure::not_found(uri.path()))
        .layer(middleware::from_fn_with_state(Arc::clone(&carrier), fault_middleware::apply))
        .layer(middleware::from_fn_with_state(Arc::clone(&carrier), auth::require_account));
    Router::new()
        .route("/", get(phone_page::show).post(phone_page::send))
        .route("/conversations", get(phone_page::show_conversations))
        .route("/help", get(phone_page::help))
        .route("/phones.css", get(phone_page::style))
        .route("/favicon.ico", get(async || StatusCode::NO_CONTENT))
        .route("/storage/{account}/{file}", get(media::storage))
        .merge(guarded)
        .with_state(carrier)
}

/// Routes of `api.twilio.com`.
fn accounts() -> Router<Arc<Carrier>> {
    let below = |path: &str| format!("/2010-04-01/Accounts/{{account}}/{path}");
    Router::new()
        .route(&below("Messages.json"), get(message_list::list).post(messages::create))
        .route(&below("Messages/{file}"), get(messages::fetch))
        .route(&below("Messages/{message}/Media.json"), get(media::list))
        .route(&below("Messages/{message}/Media/{file}"), get(media::redirect))
        .route(&below("AvailablePhoneNumbers/{country}/Local.json"), get(available_numbers::search))
        .route(&below("IncomingPhoneNumbers.json"), get(numbers::list).post(numbers::buy))
        .route(
            &below("IncomingPhoneNumbers/{file}"),
            get(numbers::fetch).post(numbers::update).delete(numbers::release),
        )
}

/// Routes of `messaging.twilio.com`.
fn messaging() -> Router<Arc<Carrier>> {
    Router::new()
        .route("/v1/Services", get(services::list).post(services::create))
        .route("/v1/Services/{service}", get(services::fetch).post(services::update).delete(services::delete))
        .route("/v1/Services/{service}/PhoneNumbers", get(service_numbers::list).post(service_numbers::add))
        .route(
            "/v1/Services/{service}/PhoneNumbers/{number}",
            get(service_numbers::fetch).delete(service_numbers::remove),
        )
        .route("/v1/Services/{service}/Compliance/Usa2p", get(campaigns::list).post(campaigns::create))
        .route(
            "/v1/Services/{service}/Compliance/Usa2p/{campaign}",
            get(campaigns::fetch).post(campaigns::update).delete(campaigns::delete),
        )
        .route("/v1/a2p/BrandRegistrations", get(brands::list).post(brands::create))
        .route("/v1/a2p/BrandRegistrations/{brand}", get(brands::fetch))
}

/// Routes of `events.twilio.com`.
fn events() -> Router<Arc<Carrier>> {
    Router::new()
        .route("/v1/Sinks", get(sinks::list).post(sinks::create))
        .route("/v1/Sinks/{sink}", get(sinks::fetch).post(sinks::update).delete(sinks::delete))
        .route("/v1/Subscriptions", get(subscriptions::list).post(subscriptions::create))
        .route("/v1/Subscriptions/{subscription}", get(subscriptions::fetch).delete(subscriptions::delete))
}

/// Routes of `accounts.twilio.com`.
fn tokens() -> Router<Arc<Carrier>> {
    Router::new()
        .route(
            "/v1/AuthTokens/Secondary",
            post(auth_tokens::create_secondary).delete(auth_tokens::delete_secondary),
        )
        .route("/v1/AuthTokens/Promote", post(auth_tokens::promote))
}

/// Control routes, which Twilio does not have.
fn controls() -> Router<Arc<Carrier>> {
    let below = |name: &str| format!("{CONTROL_PREFIX}simulate/{name}");
    Router::new()
        .route(&below("inbound-message"), post(control::inbound_message))
        .route(&below("inbound-call"), post(control::inbound_call))
        .route(&below("message-status"), post(control::message_status))
        .route(&below("message-media"), post(control::message_media))
        .route(&below("campaign-status"), post(campaign_control::campaign_status))
        .route(&below("redeliver-event"), post(campaign_control::redeliver_event))
        .route(&below("fault"), post(control::fault))
        .route(&below("opt-out"), post(control::opt_out))
        .route(&below("name"), post(control::name))
}
