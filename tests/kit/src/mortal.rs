//! Hosts that die in the middle of their work, as a process that is killed stops for ever: what it has sent is on its way, and
//! what comes back is read by nobody.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};

use aws_sdk_dynamodb::{
    Client,
    config::{
        ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeSerializationInterceptorContextRef,
    },
    error::BoxError,
};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header},
};
use shared_aws::{clients::Aws, table::Table};
use tokio::{sync::Notify, task::JoinHandle};

use crate::engine::TABLE;

/// The points at which a host depends on others, counted over all its gates: when a request of it has come and is not yet
/// passed on, and when the answer has come and is not yet given. At the chosen one it dies. Clones share the count.
#[derive(Debug, Clone)]
pub struct Life(Arc<Points>);

#[derive(Debug)]
struct Points {
    left: AtomicUsize,
    end: Notify,
}

impl Life {
    /// Ends at the `nth` point, counted from 1.
    #[must_use]
    pub fn until(nth: usize) -> Self {
        Self(Arc::new(Points { left: AtomicUsize::new(nth), end: Notify::new() }))
    }

    /// Runs `work` until it is done or its host dies: `None`.
    pub async fn of<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let work = Box::pin(work);
        tokio::select! {
            biased;
            () = self.0.end.notified() => None,
            done = work => Some(done),
        }
    }

    /// One of the points: nobody passes the last one.
    async fn point(&self) {
        let before = self.0.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if before.unwrap_or(0) <= 1 {
            self.0.end.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

/// What a host reaches another service through; closed when dropped, so that thousands of hosts can die one after the other.
#[derive(Debug)]
pub struct Gate {
    /// Where it answers.
    pub url: String,
    server: JoinHandle<()>,
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Clone)]
struct Passage {
    to: String,
    life: Life,
    http: reqwest::Client,
}

impl Gate {
    /// In front of the service at this address, on a free port.
    pub async fn open(to: &str, life: &Life) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default(); // once is enough
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let passage = Passage { to: to.to_owned(), life: life.clone(), http };
        let router = Router::new().fallback(pass).with_state(passage);
        let server = tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { url, server }
    }
}

async fn pass(
    State(passage): State<Passage>,
    method: Method,
    uri: Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, Bytes) {
    passage.life.point().await;
    headers.remove(header::HOST);
    let url = format!("{}{uri}", passage.to);
    let answer = passage.http.request(method, url).headers(headers).body(body).send().await.unwrap();
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    headers.remove(header::TRANSFER_ENCODING);
    headers.remove(header::CONTENT_LENGTH);
    let body = answer.bytes().await.unwrap_or_default();
    passage.life.point().await;
    (status, headers, body)
}

/// The table as a host sees it that dies once it has sent so many requests: all that follow fail before they are sent.
#[must_use]
pub fn mortal_host(aws: &Aws, requests: usize) -> Table {
    let config = aws.dynamodb_config().interceptor(Left(AtomicUsize::new(requests))).build();
    Table::new(Client::from_conf(config), TABLE)
}

/// How many requests a host will still send.
#[derive(Debug)]
struct Left(AtomicUsize);

impl Intercept for Left {
    fn name(&self) -> &'static str {
        "requests left"
    }

    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        before.map(|_| ()).map_err(|_| "this host is dead".into())
    }
}

/// Runs `work` and drops it where it waits for the `nth` time. `None` when it died. How often it waits depends on how quickly it
/// is answered, so this is for entropy; [`Life`] counts what is the same each time.
pub fn killed_at<T>(nth: usize, work: impl Future<Output = T>) -> impl Future<Output = Option<T>> {
    let mut work = Box::pin(work);
    let mut waits = 0;
    std::future::poll_fn(move |context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => {
            waits += 1;
            if waits >= nth { Poll::Ready(None) } else { Poll::Pending }
        }
    })
}
