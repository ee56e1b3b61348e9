//! A team with an inbox and a contact, and a stand-in for SES.

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
use shared_aws::{
    clients::{Aws, Mailer},
    contact::Contacts,
    inbox::Inboxes,
    notification::Notifications,
    table::Table,
    team::{AuditEvent, Members, Teams},
};
use shared_domain::{
    contact::Contact,
    ids::{InboxId, OrganizationId, TeamId, UserId},
    inbox::{self, Inbox, InboxKind},
    keys::TeamKey,
    notice::{Notification, NotificationKind, NotificationSettings},
    phone::PhoneNumber,
    registration::RegistrationStatus,
    team::Team,
    time::Timestamp,
    user::User,
};
use test_kit::engine::Engine;

pub(crate) const FROM: &str = "Shared Inbox <no-reply@inbox.example>";

pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(1_795_341_600_000)
}

pub(crate) struct Stage {
    engine: Engine,
    pub(crate) organization: OrganizationId,
    pub(crate) team: TeamId,
    pub(crate) inbox: InboxId,
    pub(crate) contact: Contact,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let engine = Engine::start().await;
        let organization = OrganizationId::parse("org_1").unwrap();
        let team = Team {
            id: TeamId::parse("team_1").unwrap(),
            name: "Front".into(),
            registration: RegistrationStatus::Approved,
            messaging_service: None,
        };
        let inbox = Inbox {
            organization: organization.clone(),
            id: InboxId::parse("inb_1").unwrap(),
            team: team.id.clone(),
            kind: InboxKind::Shared,
            name: "Front desk".into(),
            color: "#336699".into(),
            api_code: "FRONT".into(),
            number: PhoneNumber::from_carrier("+12025550100").unwrap(),
            number_sid: None,
            voice_forwarding: None,
            creator: None,
            stage: inbox::Stage::Active,
        };
        let number = PhoneNumber::from_carrier("+12025550143").unwrap();
        let contact = Contact::provisional(&team.id, &number);
        Teams::new(engine.table()).put(&organization, &team).await.unwrap();
        Inboxes::new(engine.table()).put(&inbox).await.unwrap();
        let stage = Self { engine, organization, team: team.id, inbox: inbox.id, contact };
        stage.contact(&stage.contact).await;
        stage
    }

    pub(crate) fn table(&self) -> Table {
        self.engine.table()
    }

    /// A table that does not answer.
    pub(crate) fn dead_table() -> Table {
        Table::of(&Aws::loopback("http://127.0.0.1:9"), "none")
    }

    pub(crate) async fn contact(&self, contact: &Contact) {
        Contacts::new(self.table())
            .put(TeamKey { organization: &self.organization, team: &self.team }, contact)
            .await
            .unwrap();
    }

    /// Users, each with an address of their name.
    pub(crate) async fn users(&self, names: &[&str]) -> Vec<UserId> {
        let mut ids = Vec::new();
        for name in names {
            ids.push(self.user(name, &format!("{name}@clinic.example")).await);
        }
        ids
    }

    pub(crate) async fn user(&self, name: &str, email: &str) -> UserId {
        let id = UserId::parse(name).unwrap();
        let user = User { id: id.clone(), name: name.to_uppercase(), email: email.into(), owner: false };
        Members::new(self.table()).put_user(&self.organization, &user).await.unwrap();
        id
    }

    pub(crate) async fn settings(&self, settings: &NotificationSettings) {
        let actor = UserId::parse("ada").unwrap();
        let audit_event = AuditEvent {
            actor: &actor,
            action: "notifications.choose",
            target: self.team.as_str(),
            at: now(),
            entropy: 1,
        };
        let teams = Teams::new(self.table());
        teams
            .put_notification_settings(
                TeamKey { organization: &self.organization, team: &self.team },
                settings,
                &audit_event,
            )
            .await
            .unwrap();
    }

    pub(crate) fn notice(&self, subject: NotificationKind, admins: Vec<UserId>) -> Notification {
        Notification {
            id: "not_1".into(),
            organization: self.organization.clone(),
            team: self.team.clone(),
            subject,
            at: now(),
            admins,
        }
    }

    /// A notice as the queue brings it.
    pub(crate) fn approved(&self, admins: Vec<UserId>) -> String {
        Notifications::to_text(&self.notice(NotificationKind::RegistrationApproved, admins))
    }
}

/// What the stand-in answers instead of taking an e-mail.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    TooMany,
    Rejected,
    Down,
}

/// Stands in for SES: takes e-mails, and for some addresses answers a fault once.
#[derive(Clone, Default)]
pub(crate) struct Ses(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    mails: Vec<Value>,
    calls: usize,
    peers: HashSet<SocketAddr>,
    faults: HashMap<String, Fault>,
}

impl Ses {
    /// Opens, and gives a mailer for it.
    pub(crate) async fn open(configuration_set: Option<&str>) -> (Self, Mailer) {
        let ses = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let aws = Aws::loopback(format!("http://{}", listener.local_addr().unwrap()));
        let route = Router::new().route("/v2/email/outbound-emails", post(take)).with_state(ses.clone());
        let service = route.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        (ses, Mailer::new(&aws, FROM.into(), configuration_set.map(Into::into)))
    }

    /// The next e-mail to this address meets this.
    pub(crate) fn fault(&self, address: &str, fault: Fault) {
        self.0.lock().unwrap().faults.insert(address.into(), fault);
    }

    /// The e-mails taken, as they came.
    pub(crate) fn mails(&self) -> Vec<Value> {
        self.0.lock().unwrap().mails.clone()
    }

    /// To whom, in alphabetical order.
    pub(crate) fn told(&self) -> Vec<String> {
        let mails = self.mails();
        let mut to: Vec<_> =
            mails.iter().map(|mail| mail["Destination"]["ToAddresses"][0].as_str().unwrap().into()).collect();
        to.sort();
        to
    }

    /// How often it was called, e-mails that it did not take included.
    pub(crate) fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    /// Over how many connections.
    pub(crate) fn connections(&self) -> usize {
        self.0.lock().unwrap().peers.len()
    }
}

async fn take(
    State(ses): State<Ses>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Json(mail): Json<Value>,
) -> Response {
    let mut taken = ses.0.lock().unwrap();
    taken.calls += 1;
    taken.peers.insert(peer);
    let address = mail["Destination"]["ToAddresses"][0].as_str().unwrap_or_default().to_owned();
    let error = |status: StatusCode, code: &'static str| {
        (status, [("x-amzn-errortype", code)], Json(json!({ "message": "no" }))).into_response()
    };
    match taken.faults.remove(&address) {
        Some(Fault::TooMany) => error(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException"),
        Some(Fault::Rejected) => error(StatusCode::BAD_REQUEST, "MessageRejected"),
        Some(Fault::Down) => error(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure"),
        None => {
            taken.mails.push(mail);
            Json(json!({ "MessageId": format!("ses-{}", taken.mails.len()) })).into_response()
        }
    }
}
