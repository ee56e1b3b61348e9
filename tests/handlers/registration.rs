//! `registration-status`, `registration-check` and `registration-poll`: from an event, or from nobody's word, to a turn.

mod check;
mod poll;
mod status;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use axum::{Json, Router, extract::State, http::StatusCode};
use base64::{Engine, prelude::BASE64_STANDARD};
use registration_poll::Tally;
use serde_json::{Value, json};
use shared_aws::{
    clients::{Aws, EventStreamsLogin, RegistrationJob, RegistrationQueue},
    inbox::Inboxes,
    notification::Notices,
    registration::{PendingRegistration, Registrations, Submitted},
    team::{AuditEvent, Members},
};
use shared_carriers::twilio::{Client, Credentials, signature::sign_json};
use shared_domain::{
    ids::UserId,
    membership::{Role, TeamRole},
    notice::{Notification, NotificationKind},
    registration::{
        CampaignEvent, CampaignSubmission, CampaignUpdate, CarrierReason, Registration, RegistrationStatus,
        StepSource, TimelineStep,
    },
    time::Timestamp,
    user::User,
};
use shared_http::webhook::EventsLogin;
use test_kit::{gateway::Event, queue::FakeQueue as Queue};

use crate::stage::{ACCOUNT, BASE, Stage, TOKEN, json as body_of, now, verifier};

const NOWHERE: &str = "http://127.0.0.1:9";
const ROUTE: &str = "POST /webhooks/twilio/registrations";
const USER: &str = "events";
const PASSWORD: &str = "Pa55word";
const SERVICE: &str = "MGaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const CAMPAIGN: &str = "QEaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const BATCH: &str = include_str!("../fixtures/twilio/events_batch_two.json");
const APPROVED: &str = include_str!("../fixtures/twilio/events_campaign_approved.json");
const FAILURE: &str = include_str!("../fixtures/twilio/events_campaign_failure.json");
const NUMBER: &str = include_str!("../fixtures/twilio/events_number_registration_successful.json");
const BRAND: &str = include_str!("../fixtures/twilio/events_brand_failure.json");
const RECORD_IN_REVIEW: &str = include_str!("../fixtures/twilio/usa2p_fetch_in_progress.json");
const RECORD_VERIFIED: &str = include_str!("../fixtures/twilio/usa2p_fetch_verified.json");
const RECORD_FAILED: &str = include_str!("../fixtures/twilio/usa2p_fetch_failed.json");
/// When the recorded events happened and the recorded campaigns changed: 2026-11-22T10:00:00Z.
const RECORDED: i64 = 1_795_341_600_000;

/// Seconds after the recorded instant.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(RECORDED + seconds * 1000)
}

/// A server that answers everything alike and remembers what it was asked.
#[derive(Clone)]
struct Stub {
    url: String,
    answer: Arc<Mutex<(u16, Value)>>,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Stub {
    async fn open(status: u16, answer: Value) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stub = Self { url, answer: Arc::new(Mutex::new((status, answer))), asked: Arc::default() };
        let hear = async |State(stub): State<Self>, body: String| stub.hear(&body);
        let router = Router::new().fallback(hear).with_state(stub.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        stub
    }

    fn hear(&self, body: &str) -> (StatusCode, Json<Value>) {
        self.asked.lock().unwrap().push(serde_json::from_str(body).unwrap_or_default());
        let (status, answer) = self.answer.lock().unwrap().clone();
        (StatusCode::from_u16(status).unwrap(), Json(answer))
    }

    fn says(&self, status: u16, answer: Value) {
        *self.answer.lock().unwrap() = (status, answer);
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

/// The registration queue there, or nowhere.
fn at_queue(url: &str) -> RegistrationQueue {
    RegistrationQueue::new(&Aws::loopback(url), format!("{url}/queue"))
}

fn jobs(queue: &Queue) -> Vec<RegistrationJob> {
    queue.bodies().iter().map(|body| RegistrationJob::parse(body).unwrap()).collect()
}

/// A stage whose team has submitted its campaign, a day before the recorded instant.
async fn submitted() -> Stage {
    let stage = Stage::set().await;
    let (organization, team) = (stage.organization(), &stage.account.team.id);
    admit(&stage, "ada", Role::Admin).await;
    admit(&stage, "bob", Role::Member).await;
    let registrations = registrations(&stage);
    registrations.remember_service(organization, team, SERVICE).await.unwrap();
    let from = registrations.get(organization, team).await.unwrap();
    let details = CampaignSubmission {
        use_case: "LOW_VOLUME".into(),
        description: "Replies of our front desk to people who asked for an appointment.".into(),
        message_flow: "People give their mobile number on the paper form and tick the box.".into(),
        message_samples: vec!["Your visit is on Friday.".into(), "We got your question.".into()],
        has_embedded_links: false,
        has_embedded_phone: false,
        privacy_policy_url: None,
        terms_url: None,
    };
    let as_of = at(-86_400);
    let step = TimelineStep {
        id: "submission".into(),
        status: RegistrationStatus::Pending,
        at: as_of,
        source: StepSource::User,
        codes: Vec::new(),
        detail: None,
        by: Some(stage.user.id.clone()),
    };
    let submitted = Submitted {
        submission: &details,
        brand: "BNaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        campaign: CAMPAIGN,
        as_of,
        step: &step,
    };
    let deed = AuditEvent {
        actor: &stage.user.id,
        action: "registration.submit",
        target: team.as_str(),
        at: as_of,
        entropy: 1,
    };
    assert!(registrations.submitted(organization, team, &from, submitted, &deed, None).await.unwrap());
    stage
}

async fn admit(stage: &Stage, user: &str, role: Role) {
    let user = User {
        id: UserId::parse(user).unwrap(),
        name: user.into(),
        email: format!("{user}@clinic.example"),
        owner: false,
    };
    let role = TeamRole { team: stage.account.team.id.clone(), role };
    Members::new(stage.table()).put_role(stage.organization(), &user, &role).await.unwrap();
}

fn registrations(stage: &Stage) -> Registrations {
    Registrations::new(stage.table())
}

async fn registration(stage: &Stage) -> Registration {
    registrations(stage).get(stage.organization(), &stage.account.team.id).await.unwrap()
}

/// Where the registration stands, in its own row and in the team's, which agree.
async fn status(stage: &Stage) -> RegistrationStatus {
    let account = Inboxes::new(stage.table());
    let account = account.account(stage.organization(), &stage.account.inbox.id).await.unwrap().unwrap();
    let registration = registration(stage).await.status;
    assert_eq!(account.team.registration, registration);
    registration
}

/// The timeline without the submission, oldest first.
async fn steps(stage: &Stage) -> Vec<TimelineStep> {
    let (organization, team) = (stage.organization(), &stage.account.team.id);
    let mut steps = registrations(stage).timeline(organization, team).await.unwrap();
    steps.retain(|step| step.source != StepSource::User);
    steps.reverse();
    steps
}

async fn notices(stage: &Stage) -> Vec<Notification> {
    Notices::new(stage.table()).overdue(now() + Duration::from_hours(24)).await.unwrap()
}

async fn waiting(stage: &Stage) -> Vec<PendingRegistration> {
    registrations(stage).pending().await.unwrap()
}
