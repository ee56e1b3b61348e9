//! Media downloads: allowed hosts, credentials, and errors.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, LOCATION};
use axum::http::{HeaderMap, Response};
use shared_carriers::twilio::{Credentials, FetchError, MediaClient};
use tokio::net::TcpListener;

use crate::support::ACCOUNT;

/// Responds with its prepared redirects, then with a file. Records which requests had credentials.
#[derive(Clone)]
struct Host {
    authority: String,
    redirects_to: Arc<Mutex<Vec<String>>>,
    shown: Arc<Mutex<Vec<bool>>>,
}

impl Host {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let host = Self { authority, redirects_to: Arc::default(), shown: Arc::default() };
        let router = Router::new().fallback(Self::answer).with_state(host.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        host
    }

    async fn answer(State(host): State<Self>, headers: HeaderMap) -> Response<Body> {
        host.shown.lock().unwrap().push(headers.contains_key(AUTHORIZATION));
        let next = host.redirects_to.lock().unwrap().pop();
        match next {
            Some(next) if next == "slow" => {
                tokio::time::sleep(Duration::from_secs(2)).await;
                Response::new(Body::from("late"))
            }
            Some(status) if status.len() == 3 => {
                Response::builder().status(status.as_str()).body(Body::empty()).unwrap()
            }
            Some(next) => Response::builder().status(307).header(LOCATION, next).body(Body::empty()).unwrap(),
            None => Response::new(Body::from("a file")),
        }
    }

    fn url(&self) -> String {
        format!("http://{}/file", self.authority)
    }

    /// Sets the next responses, the last one first.
    fn redirects_to(&self, next: &[&str]) {
        *self.redirects_to.lock().unwrap() = next.iter().map(|next| (*next).to_owned()).collect();
    }

    fn shown(&self) -> Vec<bool> {
        std::mem::take(&mut self.shown.lock().unwrap())
    }
}

fn client(api: &str, storage: &[&str]) -> MediaClient {
    let credentials =
        Credentials { account_sid: ACCOUNT.into(), username: "SKkey".into(), password: "open sesame".into() };
    let storage = storage.iter().map(|host| (*host).to_owned()).collect();
    MediaClient::new(api, storage, credentials, Duration::from_secs(1)).unwrap()
}

#[tokio::test]
async fn the_api_receives_credentials_and_the_storage_host_does_not() {
    let (api, storage) = (Host::start().await, Host::start().await);
    api.redirects_to(&[&storage.url()]);
    let client = client(&format!("http://{}", api.authority), &[&storage.authority]);
    let fetched = client.fetch(&api.url(), 100).await.unwrap();
    assert_eq!(fetched.content, b"a file");
    assert_eq!((api.shown(), storage.shown()), (vec![true], vec![false]));
    // Directly from storage, like old URLs, with a redirect back to the API.
    storage.redirects_to(&[&api.url()]);
    client.fetch(&storage.url(), 100).await.unwrap();
    assert_eq!((api.shown(), storage.shown()), (vec![true], vec![false]));
}

#[tokio::test]
async fn a_host_that_is_not_listed_receives_no_request() {
    let (api, other) = (Host::start().await, Host::start().await);
    let client = client(&format!("http://{}", api.authority), &[]);
    assert_eq!(client.fetch(&other.url(), 100).await, Err(FetchError::UntrustedHost));
    api.redirects_to(&[&other.url()]);
    assert_eq!(client.fetch(&api.url(), 100).await, Err(FetchError::UntrustedHost));
    let port = api.authority.split(':').next_back().unwrap();
    for address in [
        format!("https://{}/file", api.authority),
        format!("http://api@{}/file", api.authority),
        format!("http://:secret@{}/file", api.authority),
        format!("http://{}.evil.example/file", api.authority.replace(':', "-")),
        format!("http://127.0.0.1.nip.io:{port}/file"),
        "http://127.0.0.1/file".to_owned(),
        "data:text/plain,x".to_owned(),
        String::new(),
    ] {
        assert_eq!(client.fetch(&address, 100).await, Err(FetchError::UntrustedHost), "{address}");
    }
    assert!(other.shown().is_empty());
    assert_eq!(api.shown().len(), 1);
}

#[tokio::test]
async fn private_addresses_receive_no_request_if_the_carrier_is_public() {
    let private = Host::start().await;
    let by_name = private.authority.replace("127.0.0.1", "localhost");
    let client = client("http://api.carrier.example", &[&by_name, &private.authority]);
    let refused = client.fetch(&format!("http://{by_name}/file"), 100).await;
    assert!(matches!(refused, Err(FetchError::UntrustedHost | FetchError::Unavailable(None))), "{refused:?}");
    assert_eq!(client.fetch(&private.url(), 100).await, Err(FetchError::UntrustedHost));
    assert!(private.shown().is_empty());
}

#[tokio::test]
async fn two_redirects_are_followed_and_a_third_is_not() {
    let api = Host::start().await;
    let client = client(&format!("http://{}", api.authority), &[]);
    api.redirects_to(&["/second", "/first"]);
    assert!(client.fetch(&api.url(), 100).await.is_ok());
    assert_eq!(api.shown().len(), 3);
    api.redirects_to(&["/third", "/second", "/first"]);
    assert_eq!(client.fetch(&api.url(), 100).await, Err(FetchError::UntrustedHost));
    assert_eq!(api.shown().len(), 3);
}

#[tokio::test]
async fn every_kind_of_error_is_distinguished() {
    let api = Host::start().await;
    let client = client(&format!("http://{}", api.authority), &[]);
    for (answer, error) in [
        ("404", FetchError::Gone),
        ("410", FetchError::Gone),
        ("401", FetchError::Unavailable(Some(401))),
        ("429", FetchError::Unavailable(Some(429))),
        ("503", FetchError::Unavailable(Some(503))),
        ("slow", FetchError::Unavailable(None)),
    ] {
        api.redirects_to(&[answer]);
        assert_eq!(client.fetch(&api.url(), 100).await, Err(error), "{answer}");
    }
    assert_eq!(client.fetch(&api.url(), 5).await, Err(FetchError::TooLarge));
    assert!(client.fetch(&api.url(), 6).await.is_ok());
    let down = self::client("http://127.0.0.1:9", &[]);
    assert_eq!(down.fetch("http://127.0.0.1:9/file", 5).await, Err(FetchError::Unavailable(None)));
}
