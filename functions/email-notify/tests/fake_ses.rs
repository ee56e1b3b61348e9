//! A fake of SES.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{ConnectInfo, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use shared_aws::clients::{Aws, Mailer};
use shared_domain::time::Timestamp;

pub(crate) const FROM: &str = "Shared Inbox <no-reply@inbox.example>";

pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(1_795_341_600_000)
}

/// An error that SES responds with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    TooMany,
    Rejected,
    Down,
}

/// Accepts e-mails and records them. Responds with an error once for each address that has a fault.
#[derive(Clone, Default)]
pub(crate) struct FakeSes(Arc<Mutex<Calls>>);

#[derive(Default)]
struct Calls {
    mails: Vec<Value>,
    requests: usize,
    peers: HashSet<SocketAddr>,
    faults: HashMap<String, Fault>,
}

impl FakeSes {
    /// Starts on a free port. Returns a mailer that sends to it.
    pub(crate) async fn start(configuration_set: Option<&str>) -> (Self, Mailer) {
        let ses = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let aws = Aws::loopback(format!("http://{}", listener.local_addr().unwrap()));
        let route = Router::new().route("/v2/email/outbound-emails", post(accept)).with_state(ses.clone());
        let service = route.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        (ses, Mailer::new(&aws, FROM.into(), configuration_set.map(Into::into)))
    }

    /// Makes the next e-mail to this address fail.
    pub(crate) fn fail_next(&self, address: &str, fault: Fault) {
        self.0.lock().unwrap().faults.insert(address.into(), fault);
    }

    /// Returns the accepted e-mails in their order.
    pub(crate) fn mails(&self) -> Vec<Value> {
        self.0.lock().unwrap().mails.clone()
    }

    /// Returns the recipients of the accepted e-mails, sorted.
    pub(crate) fn recipients(&self) -> Vec<String> {
        let mails = self.mails();
        let mut to: Vec<_> =
            mails.iter().map(|mail| mail["Destination"]["ToAddresses"][0].as_str().unwrap().into()).collect();
        to.sort();
        to
    }

    /// Returns the number of requests, including those that failed.
    pub(crate) fn calls(&self) -> usize {
        self.0.lock().unwrap().requests
    }

    /// Returns the number of connections.
    pub(crate) fn connections(&self) -> usize {
        self.0.lock().unwrap().peers.len()
    }
}

async fn accept(
    State(ses): State<FakeSes>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Json(mail): Json<Value>,
) -> Response {
    let mut calls = ses.0.lock().unwrap();
    calls.requests += 1;
    calls.peers.insert(peer);
    let address = mail["Destination"]["ToAddresses"][0].as_str().unwrap_or_default().to_owned();
    let error = |status: StatusCode, code: &'static str| {
        (status, [("x-amzn-errortype", code)], Json(json!({ "message": "refused" }))).into_response()
    };
    match calls.faults.remove(&address) {
        Some(Fault::TooMany) => error(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException"),
        Some(Fault::Rejected) => error(StatusCode::BAD_REQUEST, "MessageRejected"),
        Some(Fault::Down) => error(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure"),
        None => {
            calls.mails.push(mail);
            Json(json!({ "MessageId": format!("ses-{}", calls.mails.len()) })).into_response()
        }
    }
}
