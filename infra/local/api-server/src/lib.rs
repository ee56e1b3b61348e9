//! All HTTP functions in one process on loopback, for quick tries during development.
//!
//! Each request becomes an event of the HTTP API and goes to the function that the template's route belongs
//! to. The table, the bucket, the queue and the carrier are the ones of the handler tests, in this process
//! and in memory. The queue workers do not run: a sent message stays `queued`. `make run` runs the whole
//! system.

mod functions;
mod gateway;
mod tokens;

use std::{collections::BTreeMap, net::Ipv4Addr};

use carrier_simulator::Settings;
use inboxctl::Operator;
use seed_demo::{DemoData, Failure};
use shared_lambda::clock;
use test_kit::{
    carrier,
    engine::Engine,
    queue::FakeQueue,
    s3::FakeS3,
    user_pool::{FakeUser, FakeUserPool},
};
use tokio::{net::TcpListener, task::JoinHandle};

pub use crate::tokens::Tokens;

/// The brand of the demo campaign, as in the local cloud.
const BRAND: &str = "BN00000000000000000000000000000000";
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
}

impl Server {
    /// Starts on a port of 127.0.0.1, with demo data in an empty table. Port 0 chooses a free one.
    pub async fn start(port: u16) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let carrier_listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let carrier_url = format!("http://{}", carrier_listener.local_addr()?);
        let settings = Settings::new(carrier::ACCOUNT, carrier::TOKEN, &url);
        let rate = settings.segments_per_second;
        tokio::spawn(carrier_simulator::serve(carrier_listener, settings));

        let services = functions::Services {
            table: Engine::start().await.table(),
            bucket: FakeS3::start().await.bucket(),
            queue_url: FakeQueue::start().await.url,
            carrier_url: carrier_url.clone(),
            public_url: url.clone(),
        };
        let carrier = services.carrier();
        let table = services.table.clone();
        let operator = Operator::new(table.clone(), None, clock::now(), clock::entropy());
        let data =
            seed_demo::seed(&operator, table, Some(carrier), url.clone(), BRAND.into(), rate, Some(MACHINE))
                .await?;
        let tokens = Tokens::of(&data);
        let pool = FakeUserPool::start(logins(&data)).await;
        let pages = functions::Pages::new(&services, pool.client());
        let router = gateway::router(functions::all(&services)?, pages, &tokens);
        let task = tokio::spawn(async { axum::serve(listener, router).await });
        Ok(Self { url, carrier_url, tokens, task })
    }

    /// Stops the server and waits until it no longer accepts requests.
    pub async fn stop(self) {
        self.task.abort();
        let _ = self.task.await; // always an error: the task was aborted
    }
}

/// The demo users by e-mail address. Each signs in to the console with any password.
fn logins(data: &DemoData) -> BTreeMap<String, FakeUser> {
    let users = data.users.iter().map(|user| {
        let login = FakeUser { password: None, is_invited: false, token: user.id.clone() };
        (user.email.clone(), login)
    });
    users.collect()
}
