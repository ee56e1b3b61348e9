//! Every function that answers over HTTP, in this process, over one table: requests come in as the gateway's events and
//! take the way they take when deployed.

use std::{
    any::Any,
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client as Dynamo,
    config::{
        ConfigBag, Intercept, RuntimeComponents, interceptors::AfterDeserializationInterceptorContextRef,
        timeout::TimeoutConfig,
    },
    error::BoxError,
    operation::{
        batch_write_item::BatchWriteItemOutput, delete_item::DeleteItemOutput, put_item::PutItemOutput,
        transact_write_items::TransactWriteItemsOutput, update_item::UpdateItemOutput,
    },
    types::AttributeValue,
};
use axum::{Json, Router, body::Bytes, extract::State, http::StatusCode};
use carrier_simulator::Settings;
use futures_util::FutureExt;
use lambda_http::{Body, Request, Response, request::LambdaRequest};
use serde_json::{Value, json};
use shared_aws::{
    clients::{Aws, Bucket, EventStreamsLogin, RegistrationQueue},
    inbox::Inboxes,
    registration::Registrations,
    table::Table,
    team::{Members, Teams},
};
use shared_carriers::{
    callback::StatusCallbacks,
    twilio::{Client, Credentials, Verifier},
};
use shared_domain::{
    ids::{InboxId, OrganizationId, TeamId, UserId},
    inbox::{Inbox, InboxKind, Stage},
    lock::LockPolicy,
    membership::{Membership, Role, TeamRole},
    opt_out::KeywordReplies,
    phone::PhoneNumber,
    registration::{Registration, RegistrationStatus},
    team::Team,
    time::Timestamp,
    user::{User, UserRef},
};
use shared_http::{caller::Claims, cursor::Cursors, serve, webhook::EventsLogin};
use test_kit::{
    engine::{Engine, TABLE},
    gateway::Event,
};

use crate::signed::{ACCOUNT, BASE, PREVIOUS_TOKEN, TOKEN};

pub(crate) const ORGANIZATION: &str = "org_1";
/// Owns the organization, and is a member of everything.
pub(crate) const OWNER: &str = "olga";
pub(crate) const TEAM: &str = "team_1";
pub(crate) const INBOX: &str = "inb_1";
pub(crate) const NUMBER: &str = "+12025550100";
/// Of another team's inbox.
pub(crate) const OTHER_NUMBER: &str = "+12025550101";
/// The messaging service of that team.
pub(crate) const SERVICE: &str = "MGaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const EVENTS_USER: &str = "events";
pub(crate) const EVENTS_PASSWORD: &str = "Pa55word";
const SIGNING: &str = "signing-secret";

/// Counts the writes that took effect.
#[derive(Debug, Clone, Default)]
struct Ledger(Arc<Mutex<usize>>);

impl Intercept for Ledger {
    fn name(&self) -> &'static str {
        "ledger"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Ok(done) = context.output_or_error() else { return Ok(()) };
        let wrote = done.downcast_ref::<PutItemOutput>().is_some()
            || done.downcast_ref::<UpdateItemOutput>().is_some()
            || done.downcast_ref::<DeleteItemOutput>().is_some()
            || done.downcast_ref::<BatchWriteItemOutput>().is_some()
            || done.downcast_ref::<TransactWriteItemsOutput>().is_some();
        *self.0.lock().unwrap() += usize::from(wrote);
        Ok(())
    }
}

/// A server that answers everything alike, and remembers what it was told: a queue, or a bucket without files.
#[derive(Clone)]
struct Stub {
    url: String,
    heard: Arc<Mutex<Vec<(String, Bytes)>>>,
}

impl Stub {
    async fn open(answer: Value) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stub = Self { url: format!("http://{}", listener.local_addr().unwrap()), heard: Arc::default() };
        let hear = async move |State(stub): State<Self>, method: axum::http::Method, body: Bytes| {
            let reads = method == "GET" || method == "HEAD";
            stub.heard.lock().unwrap().push((method.to_string(), body));
            (if reads { StatusCode::NOT_FOUND } else { StatusCode::OK }, Json(answer.clone()))
        };
        let router = Router::new()
            .fallback(hear)
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(stub.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        stub
    }
}

struct Apps {
    inbound_sms: inbound_sms::App,
    delivery_status: delivery_status::App,
    registration_status: registration_status::App,
    inbound_voice: inbound_voice::App,
    teams: teams::App,
    inboxes: inboxes::App,
    out_of_office: out_of_office::App,
    registrations: registrations::App,
    contacts: contacts::App,
    contact_imports: contact_imports::App,
    templates: templates::App,
    conversations: conversations::App,
    lock: conversation_lock::App,
    messages: messages::App,
}

pub(crate) struct House {
    pub(crate) engine: Engine,
    apps: Apps,
    ledger: Ledger,
    queue: Stub,
    bucket: Stub,
    entropy: AtomicU64,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
    /// Writes that took effect, in the table, the bucket and the queue.
    pub(crate) writes: usize,
}

impl Done {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000)
}

pub(crate) fn callbacks() -> StatusCallbacks {
    StatusCallbacks::new(BASE, SIGNING)
}

/// Both tokens of a rotation.
pub(crate) fn tokens() -> Vec<String> {
    vec![TOKEN.into(), PREVIOUS_TOKEN.into()]
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::open_with(BASE, tokens()).await
    }

    /// With webhooks below this address, signed with one of these tokens.
    pub(crate) async fn open_with(base: &str, tokens: Vec<String>) -> Self {
        let engine = Engine::start().await;
        let ledger = Ledger::default();
        let config = patient(&engine).interceptor(ledger.clone()).build();
        let table = Table::new(Dynamo::from_conf(config), TABLE);
        let queue = Stub::open(json!({ "Successful": [], "Failed": [] })).await;
        let bucket = Stub::open(json!({})).await;
        let carrier = simulator().await;
        let apps = apps(&table, &queue, &bucket, &carrier, base, tokens);
        let house = Self { engine, apps, ledger, queue, bucket, entropy: AtomicU64::new(1) };
        house.furnish().await;
        house
    }

    pub(crate) fn table(&self) -> Table {
        self.engine.table()
    }

    async fn furnish(&self) {
        let organization = OrganizationId::parse(ORGANIZATION).unwrap();
        let teams = [(TEAM, INBOX, NUMBER, "FRONT"), ("team_2", "inb_2", OTHER_NUMBER, "BACK")];
        let owner = User {
            id: UserId::parse(OWNER).unwrap(),
            name: "Olga".into(),
            email: "olga@clinic.example".into(),
            owner: true,
        };
        let members = Members::new(self.table());
        members.put_user(&organization, &owner).await.unwrap();
        for (team, inbox, number, code) in teams {
            let team = Team {
                id: TeamId::parse(team).unwrap(),
                name: "Front".into(),
                registration: RegistrationStatus::Approved,
                messaging_service: None,
            };
            Teams::new(self.table()).put(&organization, &team).await.unwrap();
            let registration = Registration {
                status: RegistrationStatus::Approved,
                messaging_service: (team.id.as_str() == "team_2").then(|| SERVICE.into()),
                ..Registration::default()
            };
            Registrations::new(self.table()).put(&organization, &team.id, &registration).await.unwrap();
            let role = TeamRole { team: team.id.clone(), role: Role::Admin };
            members.put_role(&organization, &owner, &role).await.unwrap();
            let inbox = Inbox {
                organization: organization.clone(),
                id: InboxId::parse(inbox).unwrap(),
                team: team.id.clone(),
                kind: InboxKind::Shared,
                name: "Front desk".into(),
                color: "#336699".into(),
                api_code: code.into(),
                number: PhoneNumber::from_carrier(number).unwrap(),
                number_sid: None,
                voice_forwarding: Some(PhoneNumber::from_carrier("+12025550188").unwrap()),
                creator: None,
                stage: Stage::Active,
            };
            Inboxes::new(self.table()).put(&inbox).await.unwrap();
            let member = Membership {
                inbox: inbox.id.clone(),
                kind: inbox.kind,
                team: team.id.clone(),
                user: UserRef { id: owner.id.clone(), name: owner.name.clone() },
            };
            members.add(&organization, &member).await.unwrap();
        }
    }

    /// Answers an event as the deployed function does that the gateway would hand it to; the words of a panic, if it does
    /// not.
    pub(crate) async fn answer(&self, now: Timestamp, event: &Value) -> Result<Done, String> {
        let before = self.writes();
        let answered = AssertUnwindSafe(async {
            let route = event["routeKey"].as_str().unwrap_or_default();
            let event: LambdaRequest =
                serde_json::from_value(event.clone()).map_err(|error| format!("no event: {error}"))?;
            let request = Request::from(serve::presentable(event));
            Ok::<_, String>(self.hand_over(now, route, request).await)
        });
        let answer = answered.catch_unwind().await.map_err(|panic| words(&*panic))??;
        let content_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok());
        let bytes: &[u8] = answer.body();
        Ok(Done {
            status: answer.status().as_u16(),
            content_type: content_type.unwrap_or_default().to_owned(),
            body: bytes.to_vec(),
            writes: self.writes() - before,
        })
    }

    /// The same for what is made by the builder.
    pub(crate) async fn does(&self, event: &Event) -> Done {
        self.answer(now(), &event.event()).await.unwrap_or_else(|panic| panic!("{panic}"))
    }

    /// Writes that took effect so far, in the table, the bucket and the queue.
    fn writes(&self) -> usize {
        let puts = self.bucket.heard.lock().unwrap().iter().filter(|(method, _)| method == "PUT").count();
        *self.ledger.0.lock().unwrap() + puts + self.queue.heard.lock().unwrap().len()
    }

    /// The messages that were queued.
    pub(crate) fn queued(&self) -> Vec<String> {
        let heard = self.queue.heard.lock().unwrap();
        let batches = heard.iter().filter_map(|(_, body)| serde_json::from_slice::<Value>(body).ok());
        let entries = batches.flat_map(|batch| batch["Entries"].as_array().cloned().unwrap_or_default());
        entries.filter_map(|entry| entry["MessageBody"].as_str().map(str::to_owned)).collect()
    }

    async fn hand_over(&self, now: Timestamp, route: &str, request: Request) -> Response<Body> {
        let apps = &self.apps;
        // No two of these have the same beginning, of which ids are made.
        let entropy = self.entropy.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        match function_of(route) {
            "inbound-sms" => inbound_sms::handle(&apps.inbound_sms, now, entropy, request).await,
            "delivery-status" => delivery_status::handle(&apps.delivery_status, now, request).await,
            "registration-status" => {
                registration_status::handle(&apps.registration_status, now, request).await
            }
            "inbound-voice" => inbound_voice::handle(&apps.inbound_voice, request).await,
            "teams" => teams::handle(&apps.teams, now, entropy, request).await,
            "inboxes" => inboxes::handle(&apps.inboxes, now, entropy, request).await,
            "out-of-office" => out_of_office::handle(&apps.out_of_office, now, entropy, request).await,
            "registrations" => registrations::handle(&apps.registrations, now, entropy, request).await,
            "contacts" => contacts::handle(&apps.contacts, now, entropy, request).await,
            "contact-imports" => contact_imports::handle(&apps.contact_imports, now, entropy, request).await,
            "templates" => templates::handle(&apps.templates, now, entropy, request).await,
            "conversations" => conversations::handle(&apps.conversations, now, request).await,
            "conversation-lock" => conversation_lock::handle(&apps.lock, now, request).await,
            "messages" => messages::handle(&apps.messages, now, entropy, request).await,
            "openapi" => openapi::handle(&request),
            other => panic!("no function {other} for {route}"),
        }
    }

    /// All rows of the table, by their keys.
    pub(crate) async fn rows(&self) -> BTreeMap<String, String> {
        let client = Dynamo::from_conf(patient(&self.engine).build());
        let items = client.scan().table_name(TABLE).into_paginator().items().send();
        let items = items.collect::<Result<Vec<_>, _>>().await.unwrap();
        let rows = items.into_iter().map(|item| {
            let key = |name: &str| item[name].as_s().unwrap().clone();
            (format!("{} {}", key("pk"), key("sk")), alike(&AttributeValue::M(item)))
        });
        rows.collect()
    }
}

/// A client that waits: that a machine is busy is no fault of what is tried.
fn patient(engine: &Engine) -> aws_sdk_dynamodb::config::Builder {
    let patience = TimeoutConfig::builder().operation_timeout(Duration::from_mins(2)).build();
    engine.aws.dynamodb_config().timeout_config(patience)
}

/// The same text for the same value, in whatever order its parts come.
fn alike(value: &AttributeValue) -> String {
    match value {
        AttributeValue::M(fields) => {
            let fields: BTreeMap<_, _> = fields.iter().map(|(name, value)| (name, alike(value))).collect();
            format!("{fields:?}")
        }
        AttributeValue::L(items) => format!("{:?}", items.iter().map(alike).collect::<Vec<_>>()),
        AttributeValue::Ss(texts) => format!("{:?}", texts.iter().collect::<std::collections::BTreeSet<_>>()),
        other => format!("{other:?}"),
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    format!("panicked: {}", text.or(panic.downcast_ref::<&str>().copied()).unwrap_or_default())
}

/// Which function has a route, by `template.yaml`.
pub(crate) fn function_of(route: &str) -> &'static str {
    static FUNCTIONS: std::sync::LazyLock<BTreeMap<String, String>> = std::sync::LazyLock::new(|| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml");
        let template: serde_norway::Value =
            serde_norway::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let mut found = BTreeMap::new();
        for (_, resource) in template["Resources"].as_mapping().unwrap() {
            let properties = &resource["Properties"];
            for (_, event) in properties["Events"].as_mapping().into_iter().flatten() {
                let event = &event["Properties"];
                if let (Some(method), Some(path)) = (event["Method"].as_str(), event["Path"].as_str()) {
                    let binary = resource["Metadata"]["BuildProperties"]["Binary"].as_str();
                    let code = properties["CodeUri"].as_str().unwrap_or_default();
                    let name =
                        binary.unwrap_or_else(|| code.trim_end_matches('/').rsplit('/').next().unwrap());
                    found.insert(format!("{} {path}", method.to_uppercase()), name.to_owned());
                }
            }
        }
        found
    });
    FUNCTIONS.get(route).map_or("none", String::as_str)
}

async fn simulator() -> Client {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut settings = Settings::new(ACCOUNT, TOKEN, "http://127.0.0.1:9");
    settings.step = Duration::from_millis(1);
    tokio::spawn(carrier_simulator::serve(listener, settings));
    let credentials =
        Credentials { account_sid: ACCOUNT.into(), username: ACCOUNT.into(), password: TOKEN.into() };
    Client::new(&url, credentials, Duration::from_secs(10)).unwrap().with_messaging_url(&url).unwrap()
}

fn apps(
    table: &Table,
    queue: &Stub,
    bucket: &Stub,
    carrier: &Client,
    base: &str,
    tokens: Vec<String>,
) -> Apps {
    let (claims, cursors) = (Claims::standard(), Cursors::new("cursor-secret"));
    let verifier = Verifier::new(base, tokens).unwrap();
    let bucket = || Bucket::new(&Aws::loopback(&bucket.url), "files");
    let login = EventStreamsLogin { user: EVENTS_USER.into(), password: EVENTS_PASSWORD.into() };
    let jobs = RegistrationQueue::new(&Aws::loopback(queue.url.clone()), format!("{}/queue", queue.url));
    Apps {
        inbound_sms: inbound_sms::App::new(
            table.clone(),
            verifier.clone(),
            ACCOUNT.into(),
            KeywordReplies::Product,
        ),
        delivery_status: delivery_status::App::new(table.clone(), verifier.clone(), callbacks()),
        registration_status: registration_status::App::new(
            table.clone(),
            verifier.clone(),
            Some(EventsLogin::new(&login)),
            ACCOUNT.into(),
            jobs,
        ),
        inbound_voice: inbound_voice::App::new(table.clone(), verifier, ACCOUNT.into()),
        teams: teams::App::new(table, claims.clone(), cursors.clone()),
        inboxes: inboxes::App::new(table, claims.clone(), carrier.clone(), BASE.into()),
        out_of_office: out_of_office::App::new(table, claims.clone()),
        registrations: registrations::App::new(
            table,
            claims.clone(),
            carrier.clone(),
            Some("BN00000000000000000000000000000000".into()),
        ),
        contacts: contacts::App::new(table, claims.clone(), cursors.clone()),
        contact_imports: contact_imports::App::new(table, bucket(), claims.clone(), cursors.clone()),
        templates: templates::App::new(table, claims.clone(), cursors.clone()),
        conversations: conversations::App::new(table.clone(), bucket(), claims.clone(), cursors),
        lock: conversation_lock::App::new(table.clone(), claims.clone(), LockPolicy::default()),
        messages: messages::App::new(
            table.clone(),
            bucket(),
            claims,
            messages::Limits { reply: 1600, compose: 1600 },
        ),
    }
}
