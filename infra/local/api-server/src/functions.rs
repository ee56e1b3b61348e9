//! The HTTP functions with their routes and clients.

use std::{sync::Arc, time::Duration};

use axum::Router;
use futures_util::future::BoxFuture;
use lambda_http::{Body, Request, Response};
use seed_demo::Failure;
use shared_app::callbacks::SignedCallbacks;
use shared_aws::{
    clients::{Bucket, EventStreamsLogin, UserPool},
    table::Table,
};
use shared_carriers::twilio::{Client, Verifier};
use shared_domain::{lock::LockPolicy, opt_out::KeywordReplies};
use shared_http::{caller::Claims, cursor::Cursors, serve};
use shared_lambda::clock::{entropy, now};
use test_kit::{
    carrier::{TOKEN, client_at},
    queue::{broadcast_queue, registration_queue, webhook_queue},
    twilio::fixed_account,
};
use utoipa::OpenApi;

use crate::{BRAND, EVENT_LOGIN};

const CARRIER_TIMEOUT: Duration = Duration::from_secs(8);
const SIGNING_SECRET: &str = "signing-secret";
/// This server has no WebSocket.
const REALTIME_URL: &str = "ws://127.0.0.1/live";
/// The defaults of the template.
const LIMITS: messages::Limits = messages::Limits { reply: 1500, compose: 306 };

/// What the functions use.
pub(crate) struct Services {
    pub(crate) table: Table,
    pub(crate) bucket: Bucket,
    pub(crate) queue_url: String,
    pub(crate) carrier_url: String,
    pub(crate) public_url: String,
}

impl Services {
    pub(crate) fn carrier(&self) -> Client {
        client_at(&self.carrier_url, CARRIER_TIMEOUT)
    }
}

/// Answers a request as the function does.
pub(crate) type Handler = Arc<dyn Fn(Request) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// A function: its routes and its handler.
pub(crate) struct Function {
    pub(crate) routes: utoipa::openapi::OpenApi,
    pub(crate) handler: Handler,
}

impl Function {
    fn new<F>(
        routes: utoipa::openapi::OpenApi,
        handler: impl Fn(Request) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        Self { routes, handler: Arc::new(move |request| Box::pin(handler(request))) }
    }

    fn of_router(routes: utoipa::openapi::OpenApi, router: Router) -> Self {
        Self::new(routes, move |request| {
            let router = router.clone();
            async move { serve::answer(&router, now(), entropy(), request).await }
        })
    }
}

/// The functions that serve pages.
pub(crate) struct Pages {
    pub(crate) console: Handler,
    pub(crate) reference: Handler,
}

impl Pages {
    /// Users sign in to the console with this pool.
    pub(crate) fn new(services: &Services, pool: UserPool) -> Self {
        let app = Arc::new(console::App::new(
            Some(console::Provider::Pool(pool)),
            None,
            &services.bucket,
            &services.public_url,
            REALTIME_URL,
        ));
        let console = Function::new(utoipa::openapi::OpenApi::default(), move |request| {
            let app = app.clone();
            async move { console::handle(&app, now(), entropy(), request).await }
        });
        Self { console: console.handler, reference: reference(services).handler }
    }
}

/// The function of the OpenAPI document and its pages.
fn reference(services: &Services) -> Function {
    let sign_in = openapi::ConfigSignIn {
        issuer: services.public_url.clone(),
        client_id: None,
        kind: openapi::SignInKind::Oidc,
        authorize_url: None,
        token_url: None,
    };
    let config = openapi::Config::new(&LockPolicy::default(), LIMITS.reply, LIMITS.compose, sign_in, None);
    Function::of_router(openapi::Api::openapi(), openapi::router(openapi::App::new(config)))
}

/// Returns all HTTP functions except the console.
pub(crate) fn all(services: &Services) -> Result<Vec<Function>, Failure> {
    let Services { table, bucket, public_url, .. } = services;
    let (claims, cursors) = (Claims::standard, Cursors::fixed(SIGNING_SECRET));
    let verifier = Verifier::new(public_url, vec![TOKEN.into()])?;
    let events = EventStreamsLogin { user: EVENT_LOGIN.into(), password: EVENT_LOGIN.into() };
    let webhook_accounts = || fixed_account(verifier.clone(), Some(events.clone()));
    let brand = Some(BRAND.to_owned());

    let contact_imports = contact_imports::App::new(table, bucket.clone(), claims(), cursors.clone());
    let contacts = contacts::App::new(table, claims(), cursors.clone());
    let locks = conversation_lock::App::new(table.clone(), claims(), LockPolicy::default());
    let conversations = conversations::App::new(table.clone(), bucket.clone(), claims(), cursors.clone());
    let events = events::App::new(table, claims(), cursors.clone(), events::RealtimeUrl(REALTIME_URL.into()));
    let inboxes = inboxes::App::new(table, claims(), services.carrier(), public_url.clone());
    let messages = messages::App::new(table.clone(), bucket.clone(), claims(), LIMITS);
    let keyword_replies = keyword_replies::App::new(table, claims(), cursors.clone());
    let out_of_office = out_of_office::App::new(table, claims());
    let registrations = registrations::App::new(table, claims(), services.carrier(), brand);
    let teams = teams::App::new(table, claims(), cursors.clone());
    let broadcast_queue = broadcast_queue(&services.queue_url);
    let limit = broadcasts::TextLimit(LIMITS.compose);
    let broadcasts = broadcasts::App::new(table, broadcast_queue, claims(), cursors.clone(), limit, None);
    let segments = segments::App::new(table, claims(), cursors.clone());
    let templates = templates::App::new(table, claims(), cursors.clone());
    let webhooks = webhook_endpoints::App::new(table, webhook_queue(&services.queue_url), claims(), cursors);

    let callbacks = SignedCallbacks::fixed(public_url.as_str(), SIGNING_SECRET);
    let delivery_status = Arc::new(delivery_status::App::new(table.clone(), webhook_accounts(), callbacks));
    let inbound_sms =
        Arc::new(inbound_sms::App::new(table.clone(), webhook_accounts(), KeywordReplies::Carrier));
    let inbound_voice = Arc::new(inbound_voice::App::new(table.clone(), webhook_accounts()));
    let queue = registration_queue(&services.queue_url);
    let registration_status =
        Arc::new(registration_status::App::new(table.clone(), webhook_accounts(), queue));

    Ok(vec![
        Function::of_router(contact_imports::Api::openapi(), contact_imports::router(contact_imports)),
        Function::of_router(contacts::Api::openapi(), contacts::router(contacts)),
        Function::of_router(conversation_lock::Api::openapi(), conversation_lock::router(locks)),
        Function::of_router(conversations::Api::openapi(), conversations::router(conversations)),
        Function::of_router(events::Api::openapi(), events::router(events)),
        Function::of_router(inboxes::Api::openapi(), inboxes::router(inboxes)),
        Function::of_router(messages::Api::openapi(), messages::router(messages)),
        reference(services),
        Function::of_router(keyword_replies::Api::openapi(), keyword_replies::router(keyword_replies)),
        Function::of_router(out_of_office::Api::openapi(), out_of_office::router(out_of_office)),
        Function::of_router(registrations::Api::openapi(), registrations::router(registrations)),
        Function::of_router(teams::Api::openapi(), teams::router(teams)),
        Function::of_router(broadcasts::Api::openapi(), broadcasts::router(broadcasts)),
        Function::of_router(segments::Api::openapi(), segments::router(segments)),
        Function::of_router(templates::Api::openapi(), templates::router(templates)),
        Function::of_router(webhook_endpoints::Api::openapi(), webhook_endpoints::router(webhooks)),
        Function::new(delivery_status::Api::openapi(), move |request| {
            let app = delivery_status.clone();
            async move { delivery_status::handle(&app, now(), request).await }
        }),
        Function::new(inbound_sms::Api::openapi(), move |request| {
            let app = inbound_sms.clone();
            async move { inbound_sms::handle(&app, now(), entropy(), request).await }
        }),
        Function::new(inbound_voice::Api::openapi(), move |request| {
            let app = inbound_voice.clone();
            async move { inbound_voice::handle(&app, now(), request).await }
        }),
        Function::new(registration_status::Api::openapi(), move |request| {
            let app = registration_status.clone();
            async move { registration_status::handle(&app, now(), request).await }
        }),
    ])
}
