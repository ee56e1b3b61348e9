//! Endpoints of outgoing webhooks and their deliveries.
//!
//! The owner manages the endpoints of the organization, and the admins of a team those of their teams. To
//! everyone else an endpoint does not exist. A secret is shown once: a repeated request never returns it.

mod access;
mod deliveries;
mod endpoints;

use axum::{Router, extract::FromRef};
use shared_app::webhook::{DeliveryQueue, Resolver};
use shared_aws::{
    clients::{Aws, Secrets, SigningSecret, WebhookQueue},
    inbox::Inboxes,
    table::{Table, UsedKeys},
    team::Members,
    webhook::{WebhookDeliveries, WebhookEndpoints},
};
use shared_domain::webhook::url::AllowedAddresses;
use shared_http::{caller::Claims, cursor::Cursors, serve};
use shared_lambda::config::Environment;

/// The function's clients and settings.
#[derive(Debug, Clone, FromRef)]
pub struct App {
    claims: Claims,
    cursors: Cursors,
    members: Members,
    inboxes: Inboxes,
    endpoints: WebhookEndpoints,
    deliveries: WebhookDeliveries,
    queue: DeliveryQueue,
    keys: UsedKeys,
    resolver: Resolver,
    allowed: AllowedAddresses,
}

impl App {
    /// Reads the settings and creates the clients. Errors with every invalid setting.
    pub fn from_environment() -> Result<Self, lambda_http::Error> {
        let mut env = Environment::default();
        let (name, signing) = (env.required("TABLE_NAME"), env.required("SIGNING_SECRET"));
        let queue = env.required("WEBHOOK_QUEUE_URL");
        let allowed = env.optional("WEBHOOK_HOSTS_ALLOWED").unwrap_or_default();
        let claims = Claims::from_environment(&mut env);
        env.finish()?;
        let aws = Aws::from_environment()?;
        let cursors = Cursors::new(SigningSecret::named(&Secrets::of(&aws), signing));
        let allowed = AllowedAddresses::parse(&allowed).ok_or("WEBHOOK_HOSTS_ALLOWED has no IP addresses")?;
        let queue = WebhookQueue::new(&aws, queue);
        Ok(Self { allowed, ..Self::new(&Table::of(&aws, name), queue, claims, cursors) })
    }

    /// Uses this table and queue.
    pub fn new(table: &Table, queue: WebhookQueue, claims: Claims, cursors: Cursors) -> Self {
        Self {
            claims,
            cursors,
            members: Members::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            endpoints: WebhookEndpoints::new(table.clone()),
            deliveries: WebhookDeliveries::new(table.clone()),
            queue: DeliveryQueue::new(table, queue),
            keys: UsedKeys::new(table.clone()),
            resolver: Resolver::system(),
            allowed: AllowedAddresses::default(),
        }
    }

    /// Looks names up with this resolver.
    #[must_use]
    pub fn with_resolver(self, resolver: Resolver) -> Self {
        Self { resolver, ..self }
    }

    /// Allows these addresses.
    #[must_use]
    pub fn with_allowed(self, allowed: AllowedAddresses) -> Self {
        Self { allowed, ..self }
    }
}

shared_http::routes! {
    App:
    endpoints::list, endpoints::create,
    endpoints::read, endpoints::update, endpoints::remove,
    endpoints::rotate_secret,
    deliveries::test, deliveries::recover,
    deliveries::list, deliveries::replay,
}

/// The function's router.
pub fn router(app: App) -> Router {
    serve::router(routes(), app)
}
