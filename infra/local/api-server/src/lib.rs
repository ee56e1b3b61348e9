//! All HTTP functions in one process on loopback, for quick tries during development.
//!
//! Each request becomes an event of the HTTP API and goes to the function that the template's route belongs
//! to. The table, the bucket, the queue and the carrier are the ones of the handler tests, in this process
//! and in memory. Of the queue workers, only the one that checks registrations runs: a sent message stays
//! `queued`. `make run` runs the whole system.

mod functions;
mod gateway;
mod registrations;
mod tokens;

use std::{collections::BTreeMap, net::Ipv4Addr};

use carrier_simulator::Settings;
use inboxctl::Operator;
use seed_demo::{Failure, Options, Site};
use shared_carriers::twilio::sink_destination;
use shared_lambda::clock;
use test_kit::{
    carrier,
    engine::Engine,
    queue::FakeQueue,
    s3::FakeS3,
    user_pool::{FakeUser, FakeUserPool},
};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

pub use crate::tokens::Tokens;

/// The brand of the demo campaign, as in the local cloud.
const BRAND: &str = "BN00000000000000000000000000000000";
/// User and password of the carrier's registration events.
const EVENT_LOGIN: &str = "events";
/// The machine client that sends for the first demo organization.
const MACHINE: &str = "machine";

/// A running server. Dropping it does not stop it: see [`Server::stop`].
#[derive(Debug)]
pub struct Server {
    /// The base URL, such as `http://127.0.0.1:3000`.
    pub url: String,
    /// The URL of the carrier simulator's pages.
    pub carrier_url: String,
    /// The tokens that the server accepts.
    pub tokens: Tokens,
    task: JoinHandle<std::io::Result<()>>,
    /// Ends the worker when it is dropped.
    _worker: oneshot::Sender<()>,
}

impl Server {
    /// Starts on a port of 127.0.0.1, with demo data in an empty table. Port 0 chooses a free one.
    pub async fn start(port: u16) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let carrier_listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let carrier_url = format!("http://{}", carrier_listener.local_addr()?);
        let settings = Settings::new(carrier::ACCOUNT, carrier::TOKEN, &url);
        tokio::spawn(carrier_simulator::serve(carrier_listener, settings));

        let queue = FakeQueue::start().await;
        let services = functions::Services {
            table: Engine::start().await.table(),
            bucket: FakeS3::start().await.bucket(),
            queue_url: queue.url.clone(),
            carrier_url: carrier_url.clone(),
            public_url: url.clone(),
        };
        let destination = sink_destination(&url, EVENT_LOGIN, EVENT_LOGIN);
        services.carrier().create_event_sink(&destination).await?;
        let worker = registrations::start(queue, services.table.clone(), services.carrier())?;
        let tokens = Tokens::of_demo(MACHINE);
        let pool = FakeUserPool::start(logins()).await;
        let pages = functions::Pages::new(&services, pool.client());
        let router = gateway::router(functions::all(&services)?, pages, &tokens);
        let task = tokio::spawn(async { axum::serve(listener, router).await });

        let operator = Operator::new(services.table.clone(), None, clock::now(), clock::entropy());
        let account = (carrier::ACCOUNT.into(), carrier::TOKEN.into());
        let site = Site { api_url: url.clone(), carrier_url: carrier_url.clone(), account };
        let options = Options { machine_client_id: Some(MACHINE.into()), ..Options::default() };
        seed_demo::seed(&operator, site, options).await?;
        Ok(Self { url, carrier_url, tokens, task, _worker: worker })
    }

    /// Stops the server and waits until it no longer accepts requests.
    pub async fn stop(self) {
        self.task.abort();
        let _ = self.task.await; // always an error: the task was aborted
    }
}

/// The demo users by e-mail address. Each signs in to the console with any password.
fn logins() -> BTreeMap<String, FakeUser> {
    let users = seed_demo::users().map(|user| {
        let login = FakeUser { password: None, is_invited: false, token: user.id.into() };
        (user.email(), login)
    });
    users.collect()
}
