//! An organization with teams and without inboxes, and a carrier whose calls can fail or wait.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_sdk_dynamodb::Client as Dynamo;
use axum::{Router, body::Bytes, extract::State, http::StatusCode, response::IntoResponse};
use carrier_simulator::Settings;
use inboxes::App;
use serde_json::Value;
use shared_aws::{
    inbox::{Inboxes, NewInboxes},
    registration::Registrations,
    table::Table,
    team::{Members, Teams},
};
use shared_carriers::twilio::{Client, Credentials};
use shared_domain::{
    ids::{InboxId, OrganizationId, TeamId, UserId},
    inbox::Inbox,
    membership::{Role, TeamRole},
    registration::{Registration, RegistrationStatus},
    team::Team,
    user::User,
};
use shared_http::caller::Claims;
use test_kit::{
    crash::crashing_table,
    engine::{Engine, TABLE},
};
use tokio::sync::Notify;

use crate::stage::{ACCOUNT, BASE, TOKEN};

/// An organization without inboxes, and a carrier. `team_1` has not begun its registration, `team_2` may send. `olga` owns
/// it; `ada` is admin and `bob` member of `team_1`, `dan` admin and `cyn` and `eve` members of `team_2`. `zoe` owns
/// `org_2`, whose `team_9` has begun nothing.
pub(crate) struct Office {
    pub(crate) engine: Engine,
    pub(crate) carrier: Gate,
    /// The messaging service of `team_2`.
    pub(crate) service: String,
}

pub(crate) fn org(id: &str) -> OrganizationId {
    OrganizationId::parse(id).unwrap()
}

pub(crate) fn team(id: &str) -> TeamId {
    TeamId::parse(id).unwrap()
}

pub(crate) fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

impl Office {
    pub(crate) async fn set() -> Self {
        let (engine, carrier) = (Engine::start().await, Gate::open().await);
        let service = carrier.client(PATIENT).create_service("org_1 team_2").await.unwrap().sid;
        let office = Self { engine, carrier, service };
        office.team("org_1", "team_1", "Front", RegistrationStatus::NotStarted).await;
        office.team("org_1", "team_2", "Back", RegistrationStatus::Approved).await;
        office.team("org_2", "team_9", "Elsewhere", RegistrationStatus::NotStarted).await;
        let approved = Registration {
            status: RegistrationStatus::Approved,
            messaging_service: Some(office.service.clone()),
            ..Registration::default()
        };
        office.registrations().put(&org("org_1"), &team("team_2"), &approved).await.unwrap();
        office.person("org_1", "olga", true, &[]).await;
        office.person("org_1", "ada", false, &[("team_1", Role::Admin)]).await;
        office.person("org_1", "bob", false, &[("team_1", Role::Member)]).await;
        office.person("org_1", "dan", false, &[("team_2", Role::Admin)]).await;
        office.person("org_1", "cyn", false, &[("team_2", Role::Member)]).await;
        office.person("org_1", "eve", false, &[("team_2", Role::Member)]).await;
        office.person("org_2", "zoe", true, &[]).await;
        office
    }

    pub(crate) async fn team(&self, organization: &str, id: &str, name: &str, status: RegistrationStatus) {
        let team = Team { id: team(id), name: name.into(), registration: status, messaging_service: None };
        Teams::new(self.table()).put(&org(organization), &team).await.unwrap();
    }

    pub(crate) async fn person(&self, organization: &str, id: &str, owner: bool, roles: &[(&str, Role)]) {
        let (organization, members) = (org(organization), Members::new(self.table()));
        let email = format!("{id}@clinic.example");
        let person = User { id: user(id), name: id.to_uppercase(), email, owner };
        members.put_user(&organization, &person).await.unwrap();
        for (of, role) in roles {
            let role = TeamRole { team: team(of), role: *role };
            members.put_role(&organization, &person, &role).await.unwrap();
        }
    }

    pub(crate) fn table(&self) -> Table {
        self.engine.table()
    }

    /// The table over a client that dies after so many requests.
    pub(crate) fn mortal(&self, through: usize) -> Table {
        crashing_table(&self.engine.aws, through)
    }

    /// The function on a host that dies after so many requests to the table.
    pub(crate) fn dying(&self, through: usize) -> App {
        let carrier = self.carrier.client(PATIENT);
        App::new(&self.mortal(through), Claims::standard(), carrier, BASE.into())
    }

    /// The function, on a host of its own.
    pub(crate) fn app(&self) -> App {
        self.app_at(self.carrier.client(PATIENT))
    }

    pub(crate) fn app_at(&self, carrier: Client) -> App {
        App::new(&self.table(), Claims::standard(), carrier, BASE.into())
    }

    pub(crate) fn registrations(&self) -> Registrations {
        Registrations::new(self.table())
    }

    pub(crate) async fn inbox(&self, id: &str) -> Option<Inbox> {
        Inboxes::new(self.table()).get(&org("org_1"), &InboxId::parse(id).unwrap()).await.unwrap()
    }

    pub(crate) async fn status(&self, of: &str) -> RegistrationStatus {
        Teams::new(self.table()).get(&org("org_1"), &team(of)).await.unwrap().unwrap().registration
    }

    pub(crate) fn new_inboxes(&self) -> NewInboxes {
        NewInboxes::new(self.table())
    }

    /// The keys of all rows.
    pub(crate) async fn rows(&self) -> BTreeSet<String> {
        let client = Dynamo::from_conf(self.engine.aws.dynamodb_config().build());
        let pages = client.scan().table_name(TABLE).into_paginator().items().send();
        let items = pages.collect::<Result<Vec<_>, _>>().await.unwrap();
        let key = |item: &std::collections::HashMap<String, _>, name: &str| -> String {
            let value: &aws_sdk_dynamodb::types::AttributeValue = &item[name];
            value.as_s().unwrap().clone()
        };
        items.iter().map(|item| format!("{} {}", key(item, "pk"), key(item, "sk"))).collect()
    }
}

pub(crate) const PATIENT: Duration = Duration::from_secs(10);

/// The simulator, behind a gate that lets one chosen call fail, or wait.
#[derive(Clone)]
pub(crate) struct Gate {
    url: String,
    behind: String,
    http: reqwest::Client,
    trap: Arc<Mutex<Option<Trap>>>,
}

/// What happens to the next call of this method whose path ends so.
#[derive(Clone)]
pub(crate) struct Trap {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) then: Then,
}

#[derive(Clone)]
pub(crate) enum Then {
    /// It is not done, and answered so.
    Refuse(u16, Value),
    /// It waits for `go`, after `reached`.
    Wait { reached: Arc<Notify>, go: Arc<Notify> },
}

impl Gate {
    async fn open() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default(); // once is enough
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let behind = format!("http://{}", listener.local_addr().unwrap());
        let mut settings = Settings::new(ACCOUNT, TOKEN, "http://127.0.0.1:9");
        settings.step = Duration::from_millis(1);
        settings.hold = Duration::from_secs(3);
        tokio::spawn(carrier_simulator::serve(listener, settings));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let gate = Self { url, behind, http: reqwest::Client::new(), trap: Arc::default() };
        let router = Router::new().fallback(Self::pass).with_state(gate.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        gate
    }

    async fn pass(
        State(gate): State<Self>,
        method: axum::http::Method,
        uri: axum::http::Uri,
        headers: axum::http::HeaderMap,
        body: Bytes,
    ) -> impl IntoResponse {
        let sprung = |trap: &mut Trap| method.as_str() == trap.method && uri.path().ends_with(trap.path);
        let trap = gate.trap.lock().unwrap().take_if(sprung);
        match trap.map(|trap| trap.then) {
            Some(Then::Refuse(status, answer)) => {
                return (StatusCode::from_u16(status).unwrap(), answer.to_string().into_bytes());
            }
            Some(Then::Wait { reached, go }) => {
                reached.notify_one();
                go.notified().await;
            }
            None => {}
        }
        let url = format!("{}{uri}", gate.behind);
        let mut request = gate.http.request(method, url).body(body);
        for name in ["authorization", "content-type", "x-twilio-api-version", "host"] {
            if let Some(value) = headers.get(name) {
                request = request.header(name, value);
            }
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.bytes().await.unwrap().to_vec())
    }

    pub(crate) fn set(&self, method: &'static str, path: &'static str, then: Then) {
        *self.trap.lock().unwrap() = Some(Trap { method, path, then });
    }

    /// Whether the trap was sprung.
    pub(crate) fn is_open(&self) -> bool {
        self.trap.lock().unwrap().is_none()
    }

    pub(crate) fn client(&self, timeout: Duration) -> Client {
        client(&self.url, timeout)
    }

    pub(crate) async fn fault(&self, kind: &str, count: &str, on: &str) {
        let form = [("Kind", kind), ("Count", count), ("On", on)];
        self.control("fault", &form).await;
    }

    pub(crate) async fn control(&self, route: &str, form: &[(&str, &str)]) {
        let url = format!("{}/_twilio/simulate/{route}", self.behind);
        let request = self.http.post(url).basic_auth(ACCOUNT, Some(TOKEN)).form(form);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    /// A list of the carrier's own.
    pub(crate) async fn list(&self, path: &str, name: &str) -> Vec<Value> {
        let url = format!("{}/{path}", self.behind);
        let answer = self.http.get(url).basic_auth(ACCOUNT, Some(TOKEN)).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer[name].as_array().unwrap().clone()
    }

    /// Numbers that the account pays for.
    pub(crate) async fn owned(&self) -> Vec<Value> {
        let path = format!("2010-04-01/Accounts/{ACCOUNT}/IncomingPhoneNumbers.json");
        self.list(&path, "incoming_phone_numbers").await
    }

    /// Numbers of a messaging service, by their sid.
    pub(crate) async fn joined(&self, service: &str) -> Vec<String> {
        let found = self.list(&format!("v1/Services/{service}/PhoneNumbers"), "phone_numbers").await;
        let mut sids: Vec<_> =
            found.iter().map(|number| number["sid"].as_str().unwrap().to_owned()).collect();
        sids.sort();
        sids
    }
}

fn client(url: &str, timeout: Duration) -> Client {
    let credentials =
        Credentials { account_sid: ACCOUNT.into(), username: ACCOUNT.into(), password: TOKEN.into() };
    Client::new(url, credentials, timeout).unwrap().with_messaging_url(url).unwrap()
}

/// A carrier where nobody listens.
pub(crate) fn nobody() -> Client {
    client("http://127.0.0.1:9", Duration::from_secs(1))
}
