//! All functions that answer over HTTP, in the test process and over one table. Requests are the events of
//! the gateway and are dispatched by route, as in a deployment.

use std::{
    any::Any,
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_sdk_dynamodb::{
    Client as Dynamo,
    config::{
        ConfigBag, Intercept, RuntimeComponents, interceptors::AfterDeserializationInterceptorContextRef,
    },
    error::BoxError,
    operation::{
        batch_write_item::BatchWriteItemOutput, delete_item::DeleteItemOutput, put_item::PutItemOutput,
        transact_write_items::TransactWriteItemsOutput, update_item::UpdateItemOutput,
    },
};
use futures_util::FutureExt;
use lambda_http::{Body, Request, Response, request::LambdaRequest};
use serde_json::Value;
use shared_app::webhook::Resolver;
use shared_aws::{
    clients::{Aws, EventStreamsLogin, RegistrationQueue},
    registration::Registrations,
    table::Table,
    team::{AuditEvent, Organization, Organizations},
};
use shared_carriers::twilio::Verifier;
use shared_domain::{
    inbox::Inbox,
    keys::TeamKey,
    lock::LockPolicy,
    membership::Role,
    opt_out::{KeywordReplies, SharedOptOutScope},
    registration::{Registration, RegistrationStatus},
    team::Team,
    time::Timestamp,
    user::User,
};
use shared_http::{caller::Claims, cursor::Cursors, serve};
use test_kit::{
    TestApp, build,
    carrier::TOKEN,
    engine::TABLE,
    gateway::Event,
    queue::{broadcast_queue, webhook_queue},
    twilio::{BASE_URL, PREVIOUS_TOKEN, callbacks, fixed_account},
};

pub(crate) const ORGANIZATION: &str = "org_1";
/// Owns the organization, and is an admin of both teams and a member of both inboxes.
pub(crate) const OWNER: &str = "olga";
pub(crate) const TEAM: &str = "team_1";
pub(crate) const INBOX: &str = "inb_1";
pub(crate) const NUMBER: &str = "+12025550100";
/// The number of the other team's inbox.
pub(crate) const OTHER_NUMBER: &str = "+12025550101";
/// The messaging service of the other team.
pub(crate) const SERVICE: &str = "MGaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const EVENTS_USER: &str = "events";
pub(crate) const EVENTS_PASSWORD: &str = "Pa55word";

/// Counts the successful writes to the table.
#[derive(Debug, Clone, Default)]
struct WriteCounter(Arc<Mutex<usize>>);

impl Intercept for WriteCounter {
    fn name(&self) -> &'static str {
        "write counter"
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

struct Apps {
    openapi: openapi::App,
    inbound_sms: inbound_sms::App,
    delivery_status: delivery_status::App,
    registration_status: registration_status::App,
    inbound_voice: inbound_voice::App,
    teams: teams::App,
    inboxes: inboxes::App,
    keyword_replies: keyword_replies::App,
    out_of_office: out_of_office::App,
    registrations: registrations::App,
    contacts: contacts::App,
    contact_imports: contact_imports::App,
    broadcasts: broadcasts::App,
    segments: segments::App,
    templates: templates::App,
    conversations: conversations::App,
    events: events::App,
    webhooks: webhook_endpoints::App,
    lock: conversation_lock::App,
    messages: messages::App,
}

/// All functions that answer over HTTP, over one [`TestApp`].
pub(crate) struct Api {
    pub(crate) app: TestApp,
    functions: Apps,
    table_writes: WriteCounter,
    entropy: AtomicU64,
}

/// The response of a function.
#[derive(Debug)]
pub(crate) struct ApiResponse {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
    /// How many writes to the table, the bucket and the queue succeeded.
    pub(crate) writes: usize,
}

impl ApiResponse {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000)
}

/// Returns the tokens that are accepted during a rotation.
pub(crate) fn tokens() -> Vec<String> {
    vec![TOKEN.into(), PREVIOUS_TOKEN.into()]
}

impl Api {
    pub(crate) async fn start() -> Self {
        Self::start_with(BASE_URL, tokens()).await
    }

    /// Starts with webhooks below `base_url` that are signed with one of `tokens`.
    pub(crate) async fn start_with(base_url: &str, tokens: Vec<String>) -> Self {
        let app = TestApp::empty().await;
        let table_writes = WriteCounter::default();
        let config = app.engine.patient_config().interceptor(table_writes.clone()).build();
        let table = Table::new(Dynamo::from_conf(config), TABLE);
        let functions = functions(&app, &table, base_url, tokens);
        let api = Self { app, functions, table_writes, entropy: AtomicU64::new(1) };
        api.add_two_teams().await;
        api
    }

    /// Adds two registered teams, each with an inbox. The owner is an admin of both teams and a member of
    /// both inboxes.
    async fn add_two_teams(&self) {
        let app = &self.app;
        let organization = build::organization_id(ORGANIZATION);
        let owner = User { name: "Olga".into(), owner: true, ..build::user(OWNER) };
        let named = Organization {
            id: organization.clone(),
            name: "Clinic".into(),
            owner: owner.id.clone(),
            created_at: now(),
            opt_out_scope: SharedOptOutScope::default(),
        };
        let event = AuditEvent {
            actor: &owner.id,
            action: "organization.create",
            target: ORGANIZATION,
            at: now(),
            entropy: 0,
        };
        Organizations::new(app.table()).create(&named, &owner, &event).await.unwrap();
        app.add_user(&organization, &owner, &[]).await;
        let teams = [(TEAM, INBOX, NUMBER, "FRONT"), ("team_2", "inb_2", OTHER_NUMBER, "BACK")];
        for (team, inbox, number, api_code) in teams {
            let team = Team { id: build::team_id(team), ..build::team() };
            app.add_team(&organization, &team).await;
            let registration = Registration {
                status: RegistrationStatus::Approved,
                messaging_service: (team.id.as_str() == "team_2").then(|| SERVICE.into()),
                ..Registration::default()
            };
            Registrations::new(app.table())
                .put(TeamKey { organization: &organization, team: &team.id }, &registration)
                .await
                .unwrap();
            app.add_user(&organization, &owner, &[(team.id.as_str(), Role::Admin)]).await;
            let inbox = Inbox {
                id: build::inbox_id(inbox),
                team: team.id,
                api_code: api_code.into(),
                number: build::number(number),
                voice_forwarding: Some(build::number("+12025550188")),
                ..build::inbox()
            };
            app.add_inbox(&inbox).await;
            app.add_member(&inbox, &build::user_ref(OWNER, "Olga")).await;
        }
    }

    /// Answers an event as the deployed function of its route does.
    ///
    /// # Errors
    /// If the function panics.
    pub(crate) async fn try_call(&self, now: Timestamp, event: &Value) -> Result<ApiResponse, String> {
        let before = self.writes();
        let answered = AssertUnwindSafe(async {
            let route = event["routeKey"].as_str().unwrap_or_default();
            let event: LambdaRequest =
                serde_json::from_value(event.clone()).map_err(|error| format!("not an event: {error}"))?;
            let request = Request::from(serve::presentable(event));
            Ok::<_, String>(self.dispatch(now, route, request).await)
        });
        let response = answered.catch_unwind().await.map_err(|panic| panic_message(&*panic))??;
        let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        let bytes: &[u8] = response.body();
        Ok(ApiResponse {
            status: response.status().as_u16(),
            content_type: content_type.unwrap_or_default().to_owned(),
            body: bytes.to_vec(),
            writes: self.writes() - before,
        })
    }

    /// Answers an event now. Panics if the function panics.
    pub(crate) async fn call(&self, event: &Event) -> ApiResponse {
        self.try_call(now(), &event.event()).await.unwrap_or_else(|panic| panic!("{panic}"))
    }

    /// Returns how many writes to the table, the bucket and the queue succeeded so far.
    fn writes(&self) -> usize {
        *self.table_writes.0.lock().unwrap() + self.app.s3.writes() + self.app.queue.bodies().len()
    }

    async fn dispatch(&self, now: Timestamp, route: &str, request: Request) -> Response<Body> {
        let apps = &self.functions;
        // Ids use the first bits, which are different in each of these.
        let entropy = self.entropy.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let router = match function_of(route) {
            "inbound-sms" => return inbound_sms::handle(&apps.inbound_sms, now, entropy, request).await,
            "delivery-status" => return delivery_status::handle(&apps.delivery_status, now, request).await,
            "registration-status" => {
                return registration_status::handle(&apps.registration_status, now, request).await;
            }
            "inbound-voice" => return inbound_voice::handle(&apps.inbound_voice, now, request).await,
            "teams" => teams::router(apps.teams.clone()),
            "inboxes" => inboxes::router(apps.inboxes.clone()),
            "keyword-replies" => keyword_replies::router(apps.keyword_replies.clone()),
            "out-of-office" => out_of_office::router(apps.out_of_office.clone()),
            "registrations" => registrations::router(apps.registrations.clone()),
            "contacts" => contacts::router(apps.contacts.clone()),
            "contact-imports" => contact_imports::router(apps.contact_imports.clone()),
            "broadcasts" => broadcasts::router(apps.broadcasts.clone()),
            "segments" => segments::router(apps.segments.clone()),
            "templates" => templates::router(apps.templates.clone()),
            "conversations" => conversations::router(apps.conversations.clone()),
            "events" => events::router(apps.events.clone()),
            "webhook-endpoints" => webhook_endpoints::router(apps.webhooks.clone()),
            "conversation-lock" => conversation_lock::router(apps.lock.clone()),
            "messages" => messages::router(apps.messages.clone()),
            "openapi" => openapi::router(apps.openapi.clone()),
            other => panic!("no function {other} for {route}"),
        };
        serve::answer(&router, now, entropy, request).await
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    format!("panicked: {}", text.or(panic.downcast_ref::<&str>().copied()).unwrap_or_default())
}

/// Returns the function of a route, as `template.yaml` declares it.
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

fn functions(app: &TestApp, table: &Table, base_url: &str, tokens: Vec<String>) -> Apps {
    let (claims, cursors) = (Claims::standard(), Cursors::fixed("cursor-secret"));
    let verifier = Verifier::new(base_url, tokens).unwrap();
    let (bucket, carrier) = (|| app.s3.bucket(), app.carrier.client());
    let login = EventStreamsLogin { user: EVENTS_USER.into(), password: EVENTS_PASSWORD.into() };
    let queue_url = &app.queue.url;
    let jobs = RegistrationQueue::new(&Aws::loopback(queue_url.clone()), format!("{queue_url}/queue"));
    let webhooks = webhook_queue(queue_url);
    let lock_policy = LockPolicy::default();
    let sign_in = openapi::ConfigSignIn {
        issuer: base_url.into(),
        client_id: None,
        kind: openapi::SignInKind::Oidc,
        authorize_url: None,
        token_url: None,
    };
    Apps {
        openapi: openapi::App::new(openapi::Config::new(&lock_policy, 1600, 1600, sign_in, None)),
        inbound_sms: inbound_sms::App::new(
            table.clone(),
            fixed_account(verifier.clone(), None),
            KeywordReplies::Product,
        ),
        delivery_status: delivery_status::App::new(
            table.clone(),
            fixed_account(verifier.clone(), None),
            callbacks(),
        ),
        registration_status: registration_status::App::new(
            table.clone(),
            fixed_account(verifier.clone(), Some(login)),
            jobs,
        ),
        inbound_voice: inbound_voice::App::new(table.clone(), fixed_account(verifier, None)),
        teams: teams::App::new(table, claims.clone(), cursors.clone()),
        inboxes: inboxes::App::new(table, claims.clone(), carrier.clone(), BASE_URL.into()),
        keyword_replies: keyword_replies::App::new(table, claims.clone(), cursors.clone()),
        out_of_office: out_of_office::App::new(table, claims.clone()),
        registrations: registrations::App::new(
            table,
            claims.clone(),
            carrier.clone(),
            Some("BN00000000000000000000000000000000".into()),
        ),
        contacts: contacts::App::new(table, claims.clone(), cursors.clone()),
        contact_imports: contact_imports::App::new(table, bucket(), claims.clone(), cursors.clone()),
        broadcasts: broadcasts::App::new(
            table,
            broadcast_queue(queue_url),
            claims.clone(),
            cursors.clone(),
            broadcasts::TextLimit(1600),
            None,
        ),
        segments: segments::App::new(table, claims.clone(), cursors.clone()),
        templates: templates::App::new(table, claims.clone(), cursors.clone()),
        events: events::App::new(
            table,
            claims.clone(),
            cursors.clone(),
            events::RealtimeUrl("wss://realtime.example/live".into()),
        ),
        webhooks: webhook_endpoints::App::new(table, webhooks, claims.clone(), cursors.clone())
            .with_resolver(Resolver::with(async |_| Ok(vec!["3.5.8.13".parse().unwrap()]))),
        conversations: conversations::App::new(table.clone(), bucket(), claims.clone(), cursors),
        lock: conversation_lock::App::new(table.clone(), claims.clone(), lock_policy),
        messages: messages::App::new(
            table.clone(),
            bucket(),
            claims,
            messages::Limits { reply: 1600, compose: 1600 },
        ),
    }
}
