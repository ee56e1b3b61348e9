//! Errors that the engine does not produce: throttling, conflicts, and lost or broken answers. A server on
//! loopback returns prepared DynamoDB answers to the client that the functions use.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_dynamodb::{Client, config::timeout::TimeoutConfig, types::AttributeValue};
use axum::{Router, extract::State, http::StatusCode, response::IntoResponse};
use serde_json::{Value, json};
use shared_aws::{
    clients::Aws,
    conversation::{Locks, Renewed},
    inbox::Inboxes,
    messaging::{Acceptance, Accepted, Guard, Sends},
    table::{StoreError, Table, keys},
};
use shared_domain::{
    contact::Contact,
    ids::{ConversationId, MessageId},
    keys::ConversationKey,
    lock::{FencingToken, LockPolicy},
};
use tokio::net::TcpListener;

use crate::support::{Item, TestStores, ada, at_second, number, outbound_message, shared_inbox};

const SECRET: &str = "my diagnosis is confidential";

type Answer = (u16, String);

/// Returns the prepared answers in order, repeats the last one, and counts the requests.
#[derive(Clone)]
struct Service {
    endpoint: String,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    requests: Arc<Mutex<usize>>,
}

impl Service {
    async fn with_answers(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            requests: Arc::default(),
        };
        let app = Router::new().fallback(answer).with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        service
    }

    fn table(&self) -> Table {
        Table::of(&Aws::loopback(&self.endpoint), "contract")
    }

    fn requests(&self) -> usize {
        *self.requests.lock().unwrap()
    }

    async fn renew(&self) -> Result<Renewed, StoreError> {
        renew(self.table()).await
    }

    async fn accept(&self) -> Result<Accepted, StoreError> {
        let inbox = shared_inbox();
        let message = outbound_message(&inbox, &number(143), SECRET, &ada(), at_second(0));
        let contact = Contact::provisional(&inbox.team, &number(143));
        let guard = Guard::Compose { user: None };
        let organization = &inbox.organization;
        let wanted =
            Acceptance { organization, message: &message, contact: &contact, guard, idempotency: None };
        Sends::new(self.table()).accept(wanted).await
    }
}

async fn answer(State(service): State<Service>) -> impl IntoResponse {
    *service.requests.lock().unwrap() += 1;
    let mut answers = service.answers.lock().unwrap();
    let (status, body) =
        if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }.unwrap();
    let kind = [("content-type", "application/x-amz-json-1.0")];
    (StatusCode::from_u16(status).unwrap(), kind, body)
}

fn response(status: u16, body: &Value) -> Answer {
    (status, body.to_string())
}

fn error(status: u16, code: &str) -> Answer {
    response(
        status,
        &json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": SECRET}),
    )
}

fn canceled(codes: &[&str]) -> Answer {
    let reasons: Vec<Value> = codes.iter().map(|code| json!({"Code": code, "Message": SECRET})).collect();
    let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    response(400, &json!({"__type": kind, "Message": SECRET, "CancellationReasons": reasons}))
}

/// Renews a lock, which is one conditional update.
async fn renew(table: Table) -> Result<Renewed, StoreError> {
    let inbox = shared_inbox();
    let conversation = ConversationId::of(&inbox.id, &number(143));
    let key =
        ConversationKey { organization: &inbox.organization, inbox: &inbox.id, conversation: &conversation };
    let token = FencingToken::new(1);
    Locks::new(table).renew(key, &ada().id, token, true, at_second(0), &LockPolicy::default()).await
}

/// Returns the answer to an update of a conversation that Ada has locked.
async fn locked_conversation() -> Answer {
    let stores = TestStores::start().await;
    let conversation = stores.start_conversation(&number(143), at_second(0)).await;
    stores.acquire_lock(&conversation, &ada(), at_second(0)).await;
    let key = keys::conversation(stores.inbox.key().conversation(&conversation));
    response(200, &json!({"Attributes": wire(stores.item(key).await.unwrap())}))
}

/// Converts an item to DynamoDB's JSON.
fn wire(item: Item) -> Value {
    fn value(value: AttributeValue) -> Value {
        match value {
            AttributeValue::S(text) => json!({"S": text}),
            AttributeValue::N(digits) => json!({"N": digits}),
            AttributeValue::Bool(truth) => json!({"BOOL": truth}),
            AttributeValue::M(map) => json!({"M": wire(map)}),
            other => panic!("unexpected value: {other:?}"),
        }
    }
    item.into_iter().map(|(name, attribute)| (name, value(attribute))).collect()
}

fn unavailable<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> String {
    match answer {
        Err(StoreError::Unavailable(why)) => why,
        other => panic!("not unavailable: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_is_unavailable_after_five_attempts() {
    for (status, code) in [
        (400, "ThrottlingException"),
        (400, "ProvisionedThroughputExceededException"),
        (400, "RequestLimitExceeded"),
        (500, "InternalServerError"),
        (503, "ServiceUnavailable"),
    ] {
        let service = Service::with_answers([error(status, code)]).await;
        assert_eq!(unavailable(service.renew().await), code);
        assert_eq!(service.requests(), 5, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn brief_throttling_is_retried() {
    let service =
        Service::with_answers([error(400, "ThrottlingException"), locked_conversation().await]).await;
    assert!(matches!(service.renew().await, Ok(Renewed::Held(_))));
    assert_eq!(service.requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_error_without_a_readable_body_is_unavailable() {
    for (status, body) in [(500, ""), (502, "<html>Bad Gateway</html>"), (503, "{}"), (504, "null")] {
        let service = Service::with_answers([(status, body.to_owned())]).await;
        unavailable(service.renew().await);
        assert_eq!(service.requests(), 5, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_with_a_conflict_is_retried() {
    let conflict = error(400, "TransactionConflictException");
    let service =
        Service::with_answers([conflict.clone(), conflict.clone(), locked_conversation().await]).await;
    assert!(matches!(service.renew().await, Ok(Renewed::Held(_))));
    assert_eq!(service.requests(), 3);
    let service = Service::with_answers([conflict]).await;
    assert_eq!(unavailable(service.renew().await), "TransactionConflictException");
    assert_eq!(service.requests(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_with_a_conflict_is_retried() {
    let conflict = canceled(&["TransactionConflict", "None", "None"]);
    let service = Service::with_answers([conflict.clone(), response(200, &json!({}))]).await;
    assert_eq!(service.accept().await.unwrap(), Accepted::Stored);
    assert_eq!(service.requests(), 2);
    let service = Service::with_answers([conflict]).await;
    assert_eq!(unavailable(service.accept().await), "TransactionCanceledException");
    assert_eq!(service.requests(), 5);
}

/// The answer of the first attempt was lost or late. Its message is accepted, so a 503 would make the user
/// send it again. The SDK repeats the request with the same token.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_whose_first_attempt_is_in_progress_is_retried_until_it_is_done() {
    let in_progress = || error(400, "TransactionInProgressException");
    let service = Service::with_answers([in_progress(), in_progress(), response(200, &json!({}))]).await;
    assert_eq!(service.accept().await.unwrap(), Accepted::Stored);
    assert_eq!(service.requests(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_transaction_is_retried() {
    for code in ["ThrottlingError", "ProvisionedThroughputExceeded"] {
        let throttled = canceled(&["None", code, "None"]);
        let service = Service::with_answers([throttled, response(200, &json!({}))]).await;
        assert_eq!(service.accept().await.unwrap(), Accepted::Stored, "{code}");
        assert_eq!(service.requests(), 2, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_guard_is_an_answer_even_if_another_item_had_a_conflict() {
    let service =
        Service::with_answers([canceled(&["ConditionalCheckFailed", "TransactionConflict", "None"])]).await;
    assert_eq!(service.accept().await.unwrap(), Accepted::Refused(None));
    assert_eq!(service.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_still_in_progress_or_throttled_is_unavailable() {
    let in_progress = error(400, "TransactionInProgressException");
    let service = Service::with_answers([in_progress]).await;
    assert_eq!(unavailable(service.accept().await), "TransactionInProgressException");
    assert_eq!(service.requests(), 5);
    let throttled = canceled(&["None", "ThrottlingError", "None"]);
    let service = Service::with_answers([throttled]).await;
    unavailable(service.accept().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn unprocessed_keys_of_a_batch_are_requested_again() {
    let stores = TestStores::start().await;
    stores.inboxes.put(&stores.inbox).await.unwrap();
    let key = keys::inbox(stores.inbox.key());
    let wire_key = json!({"pk": {"S": key.pk}, "sk": {"S": key.sk}});
    let left_out =
        response(200, &json!({"Responses": {}, "UnprocessedKeys": {"contract": {"Keys": [wire_key]}}}));
    let given = response(200, &json!({"Responses": {"contract": [wire(stores.item(key).await.unwrap())]}}));
    let service = Service::with_answers([left_out.clone(), left_out.clone(), given]).await;
    let wanted = [stores.inbox.id.clone()];
    let (found, _) =
        Inboxes::new(service.table()).with_teams(stores.organization(), &wanted, &[]).await.unwrap();
    assert_eq!((found.len(), service.requests()), (1, 3));
    let service = Service::with_answers([left_out]).await;
    let requests = Inboxes::new(service.table());
    unavailable(requests.with_teams(stores.organization(), &wanted, &[]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_is_unavailable() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let aws = Aws::loopback(format!("http://{port}"));
    assert_eq!(unavailable(renew(Table::of(&aws, "contract")).await), "no connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_closes_without_an_answer_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let aws = Aws::loopback(format!("http://{}", listener.local_addr().unwrap()));
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            drop(connection);
        }
    });
    unavailable(renew(Table::of(&aws, "contract")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let aws = Aws::loopback(format!("http://{}", listener.local_addr().unwrap()));
    let impatient = TimeoutConfig::builder().operation_timeout(Duration::from_millis(50)).build();
    let client = Client::from_conf(aws.dynamodb_config().timeout_config(impatient).build());
    assert_eq!(unavailable(renew(Table::new(client, "contract")).await), "timed out");
    drop(listener);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_can_never_succeed_is_not_retried() {
    for code in ["ValidationException", "ResourceNotFoundException", "AccessDeniedException"] {
        let service = Service::with_answers([error(400, code)]).await;
        let Err(StoreError::Refused(why)) = service.renew().await else { panic!("{code} is not refused") };
        assert_eq!((why.as_str(), service.requests()), (code, 1));
    }
    let service = Service::with_answers([canceled(&["None", "ValidationError", "None"])]).await;
    assert!(service.accept().await.is_err());
    assert_eq!(service.requests(), 1);
}

/// Returns everything that a log line could contain of an error.
fn rendered(error: &StoreError) -> String {
    let mut rendered = format!("{error} {error:?}");
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        rendered.push_str(&inner.to_string());
        source = inner.source();
    }
    rendered
}

#[tokio::test(flavor = "multi_thread")]
async fn no_error_contains_values_of_an_item() {
    for answer in [
        error(400, "ValidationException"),
        error(400, "ThrottlingException"),
        error(500, "InternalServerError"),
        canceled(&["None", "ValidationError", "None"]),
        (400, SECRET.to_owned()),
    ] {
        let service = Service::with_answers([answer]).await;
        for error in [service.renew().await.unwrap_err(), service.accept().await.unwrap_err()] {
            assert!(!rendered(&error).contains(SECRET), "{}", rendered(&error));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_error_of_a_corrupt_item_does_not_contain_its_values() {
    let stores = TestStores::start().await;
    let id = stores.receive(&number(143), SECRET, at_second(0)).await;
    let key = keys::message(stores.organization(), &id.conversation().unwrap(), &id);
    let item = stores.item(key).await.unwrap();
    for attribute in ["direction", "at", "states", "sender", "media", "inbox"] {
        let mut bad = item.clone();
        bad.insert(attribute.into(), AttributeValue::S(SECRET.into()));
        stores.put_item(bad).await;
        let error = get(&stores, &id).await.expect_err("the item is corrupt");
        assert!(!rendered(&error).contains(SECRET), "{attribute}: {}", rendered(&error));
    }
}

async fn get(stores: &TestStores, id: &MessageId) -> Result<(), StoreError> {
    stores.messages.get(stores.organization(), id).await.map(drop)
}
