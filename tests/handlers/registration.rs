//! `registration-status`, `registration-check` and `registration-poll`: from an event, or from nobody's word, to a turn.

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
    audit::Deed,
    client::Aws,
    inboxes::Inboxes,
    members::Members,
    notices::Notices,
    queue::{RegistrationJob, RegistrationQueue},
    registrations::{Registrations, Submitted, Waiting},
    secrets::EventStreamsLogin,
};
use shared_carriers::twilio::{Client, Credentials, signature::sign_json};
use shared_domain::{
    ids::UserId,
    membership::{Role, TeamRole, User},
    notice::{Notice, Subject},
    registration::{
        Announced, Announcement, CarrierReason, Registration, RegistrationStatus, Source, Step, Submission,
    },
    time::Timestamp,
};
use shared_http::webhook::EventsLogin;
use test_kit::{gateway::Event, queue::Queue};

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
    let (organisation, team) = (stage.organisation(), &stage.account.team.id);
    admit(&stage, "ada", Role::Admin).await;
    admit(&stage, "bob", Role::Member).await;
    let registrations = registrations(&stage);
    registrations.remember_service(organisation, team, SERVICE).await.unwrap();
    let from = registrations.get(organisation, team).await.unwrap();
    let details = Submission {
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
    let step = Step {
        id: "submission".into(),
        status: RegistrationStatus::Pending,
        at: as_of,
        source: Source::User,
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
    let deed = Deed {
        actor: &stage.user.id,
        action: "registration.submit",
        target: team.as_str(),
        at: as_of,
        chance: 1,
    };
    assert!(registrations.submitted(organisation, team, &from, submitted, &deed, None).await.unwrap());
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
    Members::new(stage.table()).put_role(stage.organisation(), &user, &role).await.unwrap();
}

fn registrations(stage: &Stage) -> Registrations {
    Registrations::new(stage.table())
}

async fn registration(stage: &Stage) -> Registration {
    registrations(stage).get(stage.organisation(), &stage.account.team.id).await.unwrap()
}

/// Where the registration stands, in its own row and in the team's, which agree.
async fn status(stage: &Stage) -> RegistrationStatus {
    let account = Inboxes::new(stage.table());
    let account = account.account(stage.organisation(), &stage.account.inbox.id).await.unwrap().unwrap();
    let registration = registration(stage).await.status;
    assert_eq!(account.team.registration, registration);
    registration
}

/// The timeline without the submission, oldest first.
async fn steps(stage: &Stage) -> Vec<Step> {
    let (organisation, team) = (stage.organisation(), &stage.account.team.id);
    let mut steps = registrations(stage).timeline(organisation, team).await.unwrap();
    steps.retain(|step| step.source != Source::User);
    steps.reverse();
    steps
}

async fn notices(stage: &Stage) -> Vec<Notice> {
    Notices::new(stage.table()).left_behind(now().plus(Duration::from_hours(24))).await.unwrap()
}

async fn waiting(stage: &Stage) -> Vec<Waiting> {
    registrations(stage).waiting().await.unwrap()
}

mod status {
    use registration_status::{App, handle};

    use super::*;

    fn app(stage: &Stage, queue: RegistrationQueue) -> App {
        let login = EventStreamsLogin { user: USER.into(), password: PASSWORD.into() };
        App::new(stage.table(), verifier(), Some(EventsLogin::new(&login)), ACCOUNT.into(), queue)
    }

    fn basic(user: &str, password: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
    }

    /// Events as Twilio posts them, signed over this base.
    fn signed(base: &str, body: &str, token: &str) -> Event {
        let path = ROUTE.split(' ').nth(1).unwrap();
        let (url, signature) = sign_json(&format!("{base}{path}"), body.as_bytes(), token);
        Event::new(ROUTE, &[])
            .query(url.split_once('?').unwrap().1)
            .header("content-type", "application/json")
            .header("x-twilio-signature", &signature)
            .header("authorization", &basic(USER, PASSWORD))
            .raw(body)
    }

    async fn post(app: &App, event: &Event) -> (u16, Value) {
        let answer = handle(app, now(), event.request()).await;
        (answer.status().as_u16(), body_of(&answer))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_batch_of_two_is_two_jobs_in_their_order_with_either_signature() {
        let (stage, queue) = (submitted().await, Queue::open().await);
        let app = app(&stage, at_queue(&queue.url));
        let with_user_info = BASE.replace("://", &format!("://{USER}:{PASSWORD}@"));
        for base in [BASE, &with_user_info] {
            assert_eq!(post(&app, &signed(base, BATCH, TOKEN)).await, (200, json!({})), "{base}");
        }
        let jobs = jobs(&queue);
        assert_eq!(jobs.len(), 4, "told twice, queued twice");
        assert_eq!(jobs[..2], jobs[2..]);
        let told = |job: &RegistrationJob| job.announcement.clone().unwrap();
        assert_eq!((told(&jobs[0]).what, told(&jobs[1]).what), (Announced::Submitted, Announced::Approved));
        assert_eq!(
            (told(&jobs[1]).id.as_str(), told(&jobs[1]).at),
            ("EZ00000000000000000000000000000002", at(0))
        );
        assert_eq!((&jobs[0].organisation, &jobs[0].team), (stage.organisation(), &stage.account.team.id));
        assert_eq!(status(&stage).await, RegistrationStatus::Pending, "the event itself approves nothing");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn either_proof_missing_or_wrong_queues_nothing() {
        let (stage, queue) = (submitted().await, Queue::open().await);
        let app = app(&stage, at_queue(&queue.url));
        let genuine = signed(BASE, APPROVED, TOKEN);
        let elsewhere = BASE.replace("://", "://events:other@");
        let forged = [
            genuine.clone().header("authorization", ""),
            genuine.clone().header("authorization", &basic(USER, "other")),
            genuine.clone().header("authorization", &basic(USER, "")),
            genuine.clone().header("x-twilio-signature", ""),
            genuine.clone().raw(APPROVED.replace("approved", "failed")),
            genuine.clone().query(""),
            signed(BASE, APPROVED, "other-token"),
            signed(&elsewhere, APPROVED, TOKEN),
            Event::new(ROUTE, &[]).raw(APPROVED),
        ];
        for event in forged {
            let (status, problem) = post(&app, &event).await;
            assert_eq!((status, &problem["code"]), (403, &json!("signature")));
        }
        let unset = App::new(stage.table(), verifier(), None, ACCOUNT.into(), at_queue(&queue.url));
        assert_eq!(post(&unset, &genuine).await.0, 403, "without a login of ours nobody comes in");
        assert_eq!(jobs(&queue), []);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_concerns_no_registration_of_ours_is_taken_without_effect() {
        let (stage, queue) = (submitted().await, Queue::open().await);
        let app = app(&stage, at_queue(&queue.url));
        let bodies = [
            APPROVED.replace(SERVICE, "MGbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"),
            APPROVED.replace(ACCOUNT, "ACbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"),
            APPROVED.replace("messagingservicesid", "nothing"),
            APPROVED.replace("campaign-approved", "campaign-deleted"),
            APPROVED.replace("campaign-approved", "campaign-renewed"),
            NUMBER.replace("number-registration.successful", "number-deregistration.pending"),
            BRAND.into(),
            "[]".into(),
            r#"[7, {"id": "EZ1"}]"#.into(),
        ];
        for body in bodies {
            assert_eq!(post(&app, &signed(BASE, &body, TOKEN)).await, (200, json!({})), "{body}");
        }
        assert_eq!(queue.bodies(), Vec::<String>::new());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_event_without_a_time_happened_now_and_one_without_an_account_counts() {
        let (stage, queue) = (submitted().await, Queue::open().await);
        let mut events: Value = serde_json::from_str(FAILURE).unwrap();
        events[0].as_object_mut().unwrap().remove("time");
        for field in ["timestamp", "accountsid"] {
            events[0]["data"].as_object_mut().unwrap().remove(field);
        }
        let before = now();
        assert_eq!(
            post(&app(&stage, at_queue(&queue.url)), &signed(BASE, &events.to_string(), TOKEN)).await.0,
            200
        );
        let told = jobs(&queue)[0].announcement.clone().unwrap();
        assert!(before <= told.at && told.at <= now());
        assert_eq!((told.what, told.codes), (Announced::Failed, vec![30886]));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_no_json_is_a_400_and_what_is_too_large_a_413() {
        let (stage, queue) = (submitted().await, Queue::open().await);
        let app = app(&stage, at_queue(&queue.url));
        for body in ["not JSON", "7", ""] {
            assert_eq!(post(&app, &signed(BASE, body, TOKEN)).await.0, 400, "{body}");
        }
        let large = format!("[{}]", " ".repeat(256 * 1024));
        let (status, problem) = post(&app, &signed(BASE, &large, TOKEN)).await;
        assert_eq!((status, &problem["detail"]), (413, &json!("The body is larger than 256 KiB.")));
        let many = format!("[{}1]", "1,".repeat(1000));
        assert_eq!(post(&app, &signed(BASE, &many, TOKEN)).await.0, 413);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_not_queued_or_looked_up_is_never_answered_with_2xx() {
        let (stage, queue) = (submitted().await, Queue::open().await);
        queue.refuse(&["1"]);
        let event = signed(BASE, BATCH, TOKEN);
        assert_eq!(post(&app(&stage, at_queue(&queue.url)), &event).await.0, 503, "one of two");
        assert_eq!(post(&app(&stage, at_queue(NOWHERE)), &event).await.0, 503);
        let login = EventStreamsLogin { user: USER.into(), password: PASSWORD.into() };
        let login = Some(EventsLogin::new(&login));
        let dead = App::new(Stage::dead_table(), verifier(), login, ACCOUNT.into(), at_queue(&queue.url));
        assert_eq!(post(&dead, &event).await.0, 503);
    }
}

mod check {
    use registration_check::{App, handle};

    use super::*;

    fn app(stage: &Stage, carrier: &Stub) -> App {
        let credentials =
            Credentials { account_sid: ACCOUNT.into(), username: ACCOUNT.into(), password: TOKEN.into() };
        let client = Client::new(&carrier.url, credentials, Duration::from_secs(2)).unwrap();
        App::new(stage.table(), client.with_messaging_url(&carrier.url).unwrap())
    }

    /// The carrier, holding this campaign.
    async fn carrier(record: &str) -> Stub {
        Stub::open(200, serde_json::from_str(record).unwrap()).await
    }

    fn event(id: &str, seconds: i64, what: Announced) -> Option<Announcement> {
        Some(Announcement { id: id.into(), at: at(seconds), what, codes: Vec::new() })
    }

    fn failure() -> Option<Announcement> {
        event("EZ3", 1, Announced::Failed).map(|told| Announcement { codes: vec![30886, 30034], ..told })
    }

    /// Delivers a job; whether it is done.
    async fn deliver(stage: &Stage, app: &App, announcement: Option<Announcement>) -> bool {
        let (organisation, team) = (stage.organisation().clone(), stage.account.team.id.clone());
        deliver_text(app, &RegistrationJob { organisation, team, announcement }.body()).await
    }

    async fn deliver_text(app: &App, body: &str) -> bool {
        let record = json!({ "messageId": "job", "body": body, "eventSource": "aws:sqs" });
        let event: SqsEvent = serde_json::from_value(json!({ "Records": [record] })).unwrap();
        let SqsBatchResponse { batch_item_failures: failures, .. } = handle(app, now, event).await;
        assert!(failures.iter().all(|failure| failure.item_identifier == "job"));
        failures.is_empty()
    }

    fn admins(notice: &Notice) -> Vec<&str> {
        notice.admins.iter().map(UserId::as_str).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_approval_that_the_record_does_not_know_approves_nothing() {
        let (stage, carrier) = (submitted().await, carrier(RECORD_IN_REVIEW).await);
        assert!(deliver(&stage, &app(&stage, &carrier), event("EZ2", 1, Announced::Approved)).await);
        assert_eq!(status(&stage).await, RegistrationStatus::Pending);
        let steps = steps(&stage).await;
        assert_eq!((steps.len(), steps[0].status), (1, RegistrationStatus::Pending));
        assert!(steps[0].detail.as_ref().unwrap().contains("in review"), "{steps:?}");
        assert_eq!(notices(&stage).await, []);
        assert_eq!(waiting(&stage).await.len(), 1, "the poll goes on asking");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_approval_that_the_record_confirms_turns_once_however_often_it_is_told() {
        let (stage, carrier) = (submitted().await, carrier(RECORD_VERIFIED).await);
        let app = app(&stage, &carrier);
        let told = || event("EZ2", 1, Announced::Approved);
        let at_once = tokio::join!(
            deliver(&stage, &app, told()),
            deliver(&stage, &app, told()),
            deliver(&stage, &app, event("EZ9", 1, Announced::Submitted))
        );
        assert_eq!(at_once, (true, true, true));
        let first = notices(&stage).await;
        admit(&stage, "cyd", Role::Admin).await;
        assert!(deliver(&stage, &app, told()).await);
        assert!(deliver(&stage, &app, None).await);
        assert_eq!(status(&stage).await, RegistrationStatus::Approved);
        let told_of = steps(&stage).await.into_iter().filter(|step| step.id == "EZ2");
        assert_eq!(told_of.map(|step| step.status).collect::<Vec<_>>(), [RegistrationStatus::Approved]);
        assert_eq!((first.len(), &first[0].subject), (1, &Subject::RegistrationApproved));
        assert_eq!(admins(&first[0]), ["ada"], "the admins of that instant");
        assert_eq!(notices(&stage).await, first, "once");
        assert_eq!(waiting(&stage).await, []);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_older_event_stands_in_the_timeline_and_changes_nothing() {
        let (stage, carrier) = (submitted().await, carrier(RECORD_VERIFIED).await);
        let app = app(&stage, &carrier);
        assert!(deliver(&stage, &app, event("EZ2", 60, Announced::Approved)).await);
        let asked = carrier.asked().len();
        for what in [Announced::Failed, Announced::Suspended, Announced::Submitted] {
            assert!(deliver(&stage, &app, event(&format!("EZ-{what:?}"), 30, what)).await);
        }
        assert_eq!(carrier.asked().len(), asked, "nobody is asked");
        assert_eq!(status(&stage).await, RegistrationStatus::Approved);
        let steps = steps(&stage).await;
        let old: Vec<_> = steps[..3].iter().map(|step| (step.id.as_str(), step.status)).collect();
        let expected = [
            ("EZ-Failed", RegistrationStatus::Rejected),
            ("EZ-Submitted", RegistrationStatus::Pending),
            ("EZ-Suspended", RegistrationStatus::Suspended),
        ];
        assert_eq!(old, expected);
        assert!(steps[..3].iter().all(|step| step.detail.as_ref().unwrap().contains("no effect")));
        assert_eq!(notices(&stage).await.len(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_refusal_keeps_the_carriers_reasons_and_tells_the_admins() {
        let (stage, carrier) = (submitted().await, carrier(RECORD_FAILED).await);
        let app = app(&stage, &carrier);
        for _ in 0..2 {
            assert!(deliver(&stage, &app, failure()).await);
        }
        assert_eq!(status(&stage).await, RegistrationStatus::Rejected);
        let detail = "The campaign description does not fit the use case.".to_owned();
        let reasons = vec![CarrierReason { code: 30886, detail: detail.clone() }];
        assert_eq!(registration(&stage).await.reasons, reasons);
        let steps = steps(&stage).await;
        assert_eq!((steps.len(), &steps[0].codes), (1, &vec![30886, 30034]));
        assert_eq!((steps[0].source, steps[0].detail.as_ref()), (Source::Callback, Some(&detail)));
        let notices = notices(&stage).await;
        assert_eq!((notices.len(), &notices[0].subject), (1, &Subject::RegistrationRejected(reasons)));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_record_without_reasons_leaves_those_of_the_event() {
        let mut record: Value = serde_json::from_str(RECORD_FAILED).unwrap();
        record["errors"] = json!([]);
        let (stage, carrier) = (submitted().await, Stub::open(200, record).await);
        assert!(deliver(&stage, &app(&stage, &carrier), failure()).await);
        let codes: Vec<_> = registration(&stage).await.reasons.iter().map(|reason| reason.code).collect();
        assert_eq!(codes, [30886, 30034]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_suspension_counts_though_the_record_says_verified_and_ends_with_a_newer_approval() {
        let (stage, carrier) = (submitted().await, carrier(RECORD_VERIFIED).await);
        let app = app(&stage, &carrier);
        let first = || event("EZ2", 1, Announced::Approved);
        let suspension = || event("EZ4", 2, Announced::Suspended);
        assert!(deliver(&stage, &app, first()).await);
        for _ in 0..2 {
            assert!(deliver(&stage, &app, suspension()).await);
            assert_eq!(status(&stage).await, RegistrationStatus::Suspended);
        }
        // Nothing that is older, or that does not speak of an approval, lifts it: the record knows nothing of it.
        assert!(deliver(&stage, &app, first()).await);
        assert!(deliver(&stage, &app, event("EZ5", 3, Announced::Submitted)).await);
        assert!(deliver(&stage, &app, None).await, "a question that was queued long ago");
        assert_eq!(status(&stage).await, RegistrationStatus::Suspended);
        assert!(deliver(&stage, &app, event("EZ6", 4, Announced::Approved)).await);
        assert_eq!(status(&stage).await, RegistrationStatus::Approved);
        assert!(deliver(&stage, &app, suspension()).await);
        assert_eq!(status(&stage).await, RegistrationStatus::Approved, "told late again");
        let subjects: Vec<_> = notices(&stage).await.into_iter().map(|notice| notice.subject).collect();
        assert_eq!(subjects.len(), 3, "{subjects:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_suspension_that_was_lifted_before_it_was_told_suspends_nothing() {
        let (stage, carrier) = (submitted().await, carrier(RECORD_VERIFIED).await);
        let app = app(&stage, &carrier);
        assert!(deliver(&stage, &app, event("EZ2", 1, Announced::Approved)).await);
        assert!(deliver(&stage, &app, event("EZ7", 3, Announced::NumberRegistered)).await);
        assert!(deliver(&stage, &app, event("EZ6", 60, Announced::Approved)).await);
        assert!(deliver(&stage, &app, event("EZ4", 30, Announced::Suspended)).await);
        assert_eq!(status(&stage).await, RegistrationStatus::Approved);
        assert!(deliver(&stage, &app, event("EZ8", 61, Announced::NumberRegistered)).await);
        assert!(deliver(&stage, &app, event("EZ5", 60, Announced::Suspended)).await);
        assert_eq!(status(&stage).await, RegistrationStatus::Suspended, "a number's line lifts nothing");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn changes_within_a_second_go_by_the_record() {
        let record = |status: &str, updated: &str| {
            let mut record: Value = serde_json::from_str(RECORD_VERIFIED).unwrap();
            (record["campaign_status"], record["date_updated"]) = (status.into(), updated.into());
            record
        };
        let (stage, carrier) =
            (submitted().await, Stub::open(200, record("VERIFIED", "2026-11-22T10:00:02Z")).await);
        let app = app(&stage, &carrier);
        assert!(deliver(&stage, &app, event("EZ2", 1, Announced::Approved)).await);
        carrier.says(200, record("SUSPENDED", "2026-11-22T10:00:03Z"));
        assert!(deliver(&stage, &app, event("EZ4", 1, Announced::Suspended)).await);
        assert_eq!(status(&stage).await, RegistrationStatus::Suspended);
        carrier.says(200, record("VERIFIED", "2026-11-22T10:00:04Z"));
        assert!(deliver(&stage, &app, event("EZ6", 1, Announced::Approved)).await);
        assert_eq!(status(&stage).await, RegistrationStatus::Approved);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_carrier_that_does_not_say_leaves_the_job_in_the_queue() {
        let (stage, carrier) = (submitted().await, carrier(RECORD_VERIFIED).await);
        let app = app(&stage, &carrier);
        for (status, answer) in
            [(500, json!({})), (429, json!({ "code": 20429 })), (404, json!({ "code": 20404 }))]
        {
            carrier.says(status, answer);
            assert!(!deliver(&stage, &app, event("EZ2", 1, Announced::Approved)).await, "{status}");
        }
        let nobody = Stub { url: NOWHERE.into(), ..carrier.clone() };
        assert!(!deliver(&stage, &self::app(&stage, &nobody), None).await);
        assert_eq!((status(&stage).await, steps(&stage).await.len()), (RegistrationStatus::Pending, 0));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn our_own_question_approves_too_and_leaves_no_line_otherwise() {
        let (stage, carrier) = (submitted().await, carrier(RECORD_IN_REVIEW).await);
        let app = app(&stage, &carrier);
        assert!(deliver(&stage, &app, None).await);
        assert_eq!(steps(&stage).await, []);
        carrier.says(200, serde_json::from_str(RECORD_VERIFIED).unwrap());
        assert!(deliver(&stage, &app, None).await);
        let steps = steps(&stage).await;
        assert_eq!((steps.len(), steps[0].source, steps[0].at), (1, Source::Poll, at(0)));
        assert_eq!((status(&stage).await, notices(&stage).await.len()), (RegistrationStatus::Approved, 1));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_event_of_a_number_or_before_any_submission_is_a_line_without_a_question() {
        let (stage, carrier) = (submitted().await, carrier(RECORD_VERIFIED).await);
        let app = app(&stage, &carrier);
        for (id, what) in [("EZ6", Announced::NumberRegistered), ("EZ7", Announced::NumberFailed)] {
            assert!(deliver(&stage, &app, event(id, 1, what)).await);
        }
        assert_eq!(steps(&stage).await.len(), 2);
        let fresh = Stage::set().await;
        let app = self::app(&fresh, &carrier);
        assert!(deliver(&fresh, &app, event("EZ2", 1, Announced::Approved)).await);
        assert!(deliver(&fresh, &app, None).await);
        assert_eq!(steps(&fresh).await[0].status, RegistrationStatus::NotStarted);
        assert_eq!(carrier.asked(), Vec::<Value>::new());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_event_whose_time_is_that_of_its_arrival_is_one_line() {
        let (stage, carrier) = (submitted().await, carrier(RECORD_IN_REVIEW).await);
        let app = app(&stage, &carrier);
        for seconds in [1, 7] {
            assert!(deliver(&stage, &app, event("EZ1", seconds, Announced::Submitted)).await);
        }
        assert_eq!(steps(&stage).await.len(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_no_job_or_meets_a_dead_store_comes_again() {
        let (stage, carrier) = (submitted().await, carrier(RECORD_VERIFIED).await);
        assert!(!deliver_text(&app(&stage, &carrier), "not JSON").await);
        let credentials =
            Credentials { account_sid: ACCOUNT.into(), username: ACCOUNT.into(), password: TOKEN.into() };
        let client = Client::new(&carrier.url, credentials, Duration::from_secs(2)).unwrap();
        assert!(!deliver(&stage, &App::new(Stage::dead_table(), client), None).await);
        assert_eq!(carrier.asked(), Vec::<Value>::new());
    }
}

mod poll {
    use registration_poll::{App, handle};

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(900);

    #[tokio::test(flavor = "multi_thread")]
    async fn a_registration_that_waits_is_asked_about_once_per_interval() {
        let (stage, queue) = (submitted().await, Queue::open().await);
        let app = App::new(stage.table(), at_queue(&queue.url), INTERVAL);
        let (queued, not_due) =
            (Tally { queued: 1, ..Tally::default() }, Tally { not_due: 1, ..Tally::default() });
        let begin = now();
        let almost = begin.plus(INTERVAL).minus(Duration::from_millis(1));
        assert_eq!(handle(&app, begin).await.unwrap(), queued);
        assert_eq!(handle(&app, almost).await.unwrap(), not_due);
        assert_eq!(handle(&app, begin.plus(INTERVAL)).await.unwrap(), queued);
        let jobs = jobs(&queue);
        assert_eq!((jobs.len(), &jobs[0].team, &jobs[0].announcement), (2, &stage.account.team.id, &None));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_the_queue_did_not_take_is_asked_about_in_the_next_run() {
        let (stage, queue) = (submitted().await, Queue::open().await);
        let app = App::new(stage.table(), at_queue(NOWHERE), INTERVAL);
        assert_eq!(handle(&app, now()).await.unwrap(), Tally { failed: 1, ..Tally::default() });
        let app = App::new(stage.table(), at_queue(&queue.url), INTERVAL);
        assert_eq!(handle(&app, now()).await.unwrap().queued, 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nobody_waits_before_a_submission_and_a_dead_store_is_an_error() {
        let (stage, queue) = (Stage::set().await, Queue::open().await);
        let app = App::new(stage.table(), at_queue(&queue.url), INTERVAL);
        assert_eq!(handle(&app, now()).await.unwrap(), Tally::default());
        assert_eq!(queue.bodies(), Vec::<String>::new());
        assert!(handle(&App::new(Stage::dead_table(), at_queue(&queue.url), INTERVAL), now()).await.is_err());
    }
}
