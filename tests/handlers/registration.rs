//! A team with a submitted registration, for the tests of `registration-status`, `registration-check` and
//! `registration-poll`.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Json, Router, extract::State, http::StatusCode};
use serde_json::Value;
use shared_aws::{
    clients::RegistrationJob,
    inbox::Inboxes,
    notification::Notifications,
    registration::{PendingRegistration, Submitted},
    team::AuditEvent,
};
use shared_domain::{
    keys::{InboxKey, TeamKey},
    membership::Role,
    notification::Notification,
    registration::{CampaignSubmission, Registration, RegistrationStatus, StepSource, TimelineStep},
    time::Timestamp,
};
use shared_lambda::clock::now;
use test_kit::{TestApp, build, queue::FakeQueue};

pub(crate) const ROUTE: &str = "POST /webhooks/twilio/registrations";
pub(crate) const USER: &str = "events";
pub(crate) const PASSWORD: &str = "Pa55word";
pub(crate) const SERVICE: &str = "MGaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const CAMPAIGN: &str = "QEaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const BATCH: &str = include_str!("../fixtures/twilio/events_batch_two.json");
pub(crate) const APPROVED: &str = include_str!("../fixtures/twilio/events_campaign_approved.json");
pub(crate) const FAILURE: &str = include_str!("../fixtures/twilio/events_campaign_failure.json");
pub(crate) const NUMBER: &str = include_str!("../fixtures/twilio/events_number_registration_successful.json");
pub(crate) const BRAND: &str = include_str!("../fixtures/twilio/events_brand_failure.json");
pub(crate) const RECORD_IN_REVIEW: &str = include_str!("../fixtures/twilio/usa2p_fetch_in_progress.json");
pub(crate) const RECORD_VERIFIED: &str = include_str!("../fixtures/twilio/usa2p_fetch_verified.json");
pub(crate) const RECORD_FAILED: &str = include_str!("../fixtures/twilio/usa2p_fetch_failed.json");
/// The time of the recorded events and campaigns: 2026-11-22T10:00:00Z.
pub(crate) const RECORDED: i64 = 1_795_341_600_000;

/// Returns a time this many seconds after the recorded time.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(RECORDED + seconds * 1000)
}

/// A carrier that gives every request the same answer.
#[derive(Debug, Clone)]
pub(crate) struct FixedCarrier {
    pub(crate) url: String,
    answer: Arc<Mutex<(u16, Value)>>,
    requests: Arc<Mutex<usize>>,
}

impl FixedCarrier {
    pub(crate) async fn start(status: u16, answer: Value) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let carrier = Self { url, answer: Arc::new(Mutex::new((status, answer))), requests: Arc::default() };
        let respond = async |State(carrier): State<Self>| carrier.respond();
        let router = Router::new().fallback(respond).with_state(carrier.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        carrier
    }

    fn respond(&self) -> (StatusCode, Json<Value>) {
        *self.requests.lock().unwrap() += 1;
        let (status, answer) = self.answer.lock().unwrap().clone();
        (StatusCode::from_u16(status).unwrap(), Json(answer))
    }

    pub(crate) fn set_answer(&self, status: u16, answer: Value) {
        *self.answer.lock().unwrap() = (status, answer);
    }

    /// Returns how many requests came.
    pub(crate) fn requests(&self) -> usize {
        *self.requests.lock().unwrap()
    }
}

pub(crate) fn jobs(queue: &FakeQueue) -> Vec<RegistrationJob> {
    queue.bodies().iter().map(|body| RegistrationJob::parse(body).unwrap()).collect()
}

/// Starts with a team that submitted its campaign a day before the recorded time.
pub(crate) async fn start_with_submission() -> TestApp {
    let test = TestApp::start().await;
    let (organization, team) = (test.organization(), &test.team.id);
    add_user(&test, "ada", Role::Admin).await;
    add_user(&test, "bob", Role::Member).await;
    let registrations = test.registrations();
    registrations.set_service(TeamKey { organization, team }, SERVICE).await.unwrap();
    let from = registrations.get(TeamKey { organization, team }).await.unwrap();
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
        by: Some(test.user.id.clone()),
    };
    let submitted = Submitted {
        submission: &details,
        brand: "BNaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        campaign: CAMPAIGN,
        as_of,
        step: &step,
    };
    let event = AuditEvent {
        actor: &test.user.id,
        action: "registration.submit",
        target: team.as_str(),
        at: as_of,
        entropy: 1,
    };
    assert!(
        registrations
            .submitted(TeamKey { organization, team }, &from, submitted, &event, None)
            .await
            .unwrap()
    );
    test
}

pub(crate) async fn add_user(test: &TestApp, user: &str, role: Role) {
    test.add_user(test.organization(), &build::user(user), &[(test.team.id.as_str(), role)]).await;
}

pub(crate) async fn registration(test: &TestApp) -> Registration {
    test.registrations()
        .get(TeamKey { organization: test.organization(), team: &test.team.id })
        .await
        .unwrap()
}

/// Returns the registration status. Asserts that the registration and the team agree.
pub(crate) async fn status(test: &TestApp) -> RegistrationStatus {
    let inboxes = Inboxes::new(test.table());
    let account = inboxes
        .get_with_team(InboxKey { organization: test.organization(), inbox: &test.inbox.id })
        .await
        .unwrap()
        .unwrap();
    let registration = registration(test).await.status;
    assert_eq!(account.team.registration, registration);
    registration
}

/// Returns the timeline without the submission, oldest first.
pub(crate) async fn steps(test: &TestApp) -> Vec<TimelineStep> {
    let (organization, team) = (test.organization(), &test.team.id);
    let mut steps = test.registrations().timeline(TeamKey { organization, team }).await.unwrap();
    steps.retain(|step| step.source != StepSource::User);
    steps.reverse();
    steps
}

pub(crate) async fn notifications(test: &TestApp) -> Vec<Notification> {
    Notifications::new(test.table()).overdue(now() + Duration::from_hours(24)).await.unwrap()
}

pub(crate) async fn pending(test: &TestApp) -> Vec<PendingRegistration> {
    test.registrations().pending().await.unwrap()
}
