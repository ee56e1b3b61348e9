//! Hosts that crash in the middle of their work, as a killed process does: requests that were sent still
//! take effect, and their answers are lost.

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
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinHandle,
};

use crate::{carrier::http_client, clock::within, engine::TABLE};

/// More requests than a host sends at the same time.
const MAX_UNDER_WAY: u32 = 1_000;

/// The point at which a host crashes. Points are counted over all its proxies: each request has one before
/// it is forwarded and one before its answer is returned. Clones share the count.
#[derive(Debug, Clone)]
pub struct CrashPoint(Arc<Points>);

#[derive(Debug)]
struct Points {
    left: AtomicUsize,
    crash: Notify,
    /// Each request that was sent and not answered holds a permit.
    under_way: Arc<Semaphore>,
}

impl CrashPoint {
    /// Crashes at the `nth` point, counted from 1.
    #[must_use]
    pub fn at(nth: usize) -> Self {
        let under_way = Arc::new(Semaphore::new(MAX_UNDER_WAY as usize));
        Self(Arc::new(Points { left: AtomicUsize::new(nth), crash: Notify::new(), under_way }))
    }

    /// Runs `work` on the host. `None` if the host crashes first.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let work = Box::pin(work);
        tokio::select! {
            biased;
            () = self.0.crash.notified() => None,
            done = work => Some(done),
        }
    }

    /// Waits until the requests that the host had sent before it crashed have taken effect.
    pub async fn requests_done(&self) {
        let all = self.0.under_way.acquire_many(MAX_UNDER_WAY);
        drop(within("the requests of the host are done", all).await.unwrap());
    }

    /// Counts one point. Returns whether it is the last one, or after it: the host has crashed.
    fn is_last(&self) -> bool {
        let before = self.0.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        let is_last = before.unwrap_or(0) <= 1;
        if is_last {
            self.0.crash.notify_one();
        }
        is_last
    }
}

/// The connection of a host to another service. It closes when dropped, so that thousands of hosts can run
/// one after the other.
#[derive(Debug)]
pub struct CrashingProxy {
    /// The endpoint: `http://127.0.0.1:…`.
    pub url: String,
    server: JoinHandle<()>,
}

impl Drop for CrashingProxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Clone)]
struct Target {
    url: String,
    crash_point: CrashPoint,
    http: reqwest::Client,
}

impl CrashingProxy {
    /// Starts on a free port in front of the service at `url`.
    pub async fn start(url: &str, crash_point: &CrashPoint) -> Self {
        let target = Target { url: url.to_owned(), crash_point: crash_point.clone(), http: http_client() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(forward).with_state(target);
        let server = tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { url, server }
    }
}

async fn forward(
    State(target): State<Target>,
    method: Method,
    uri: Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, Bytes) {
    let under_way = Arc::clone(&target.crash_point.0.under_way).acquire_owned().await.unwrap();
    if target.crash_point.is_last() {
        drop(under_way);
        return std::future::pending().await;
    }
    headers.remove(header::HOST);
    let url = format!("{}{uri}", target.url);
    let request = target.http.request(method, url).headers(headers).body(body);
    // This future ends with the connection of the host, and what the host sent takes effect all the same.
    let sent = tokio::spawn(async move {
        let response = request.send().await.unwrap();
        let (status, mut headers) = (response.status(), response.headers().clone());
        headers.remove(header::TRANSFER_ENCODING);
        headers.remove(header::CONTENT_LENGTH);
        let body = response.bytes().await.unwrap_or_default();
        drop(under_way);
        (status, headers, body)
    });
    let answer = sent.await.unwrap();
    if target.crash_point.is_last() {
        return std::future::pending().await;
    }
    answer
}

/// More requests than a host makes in any test.
const MAX_POINTS: usize = 500;

/// Counts from 0: after how many requests a host crashes, or another one overtakes it. A test goes through
/// all points until the host finishes its work before one. Panics if it never does, so that the test does not
/// run for ever.
pub fn points() -> impl Iterator<Item = usize> {
    (0..).inspect(|point| assert!(*point < MAX_POINTS, "the host is still interrupted at point {point}"))
}

/// Returns the table of a host that crashes after `requests` requests: all later ones fail before they are
/// sent.
#[must_use]
pub fn crashing_table(aws: &Aws, requests: usize) -> Table {
    interrupted_table(aws, RequestLimit { left: AtomicUsize::new(requests), once: false })
}

/// Returns the table of a host whose request number `nth` fails before it is sent. The first has number 0.
#[must_use]
pub fn table_failing_once(aws: &Aws, nth: usize) -> Table {
    interrupted_table(aws, RequestLimit { left: AtomicUsize::new(nth), once: true })
}

fn interrupted_table(aws: &Aws, limit: RequestLimit) -> Table {
    let config = aws.dynamodb_config().interceptor(limit).build();
    Table::new(Client::from_conf(config), TABLE)
}

#[derive(Debug)]
struct RequestLimit {
    /// How many requests the host still sends before one fails.
    left: AtomicUsize,
    /// Whether only one request fails.
    once: bool,
}

impl Intercept for RequestLimit {
    fn name(&self) -> &'static str {
        "request limit"
    }

    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let next = |left: usize| left.checked_sub(1).or(self.once.then_some(usize::MAX));
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(1..) => Ok(()),
            Ok(0) | Err(_) => Err("this host has crashed".into()),
        }
    }
}

/// Runs `work` and drops it when it waits for the `nth` time. `None` if it was dropped. How often it waits
/// depends on timing, so this suits random crashes; [`CrashPoint`] counts points that are the same in every
/// run.
pub fn dropped_at_wait<T>(nth: usize, work: impl Future<Output = T>) -> impl Future<Output = Option<T>> {
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
