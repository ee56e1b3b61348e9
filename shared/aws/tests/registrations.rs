//! Registrations: each transition is one transaction with one notification.

mod messaging_services;
mod polls;

use shared_aws::{
    registration::{PendingRegistration, Registrations, Submitted, Transition},
    table::{Idempotency, StoreError},
};
use shared_domain::{
    ids::TeamId,
    keys::TeamKey,
    notification::{Notification, NotificationKind},
    registration::{
        CampaignSubmission, CarrierReason, Registration, RegistrationStatus, StepSource, TimelineStep,
    },
    time::Timestamp,
};
use tokio::task::JoinSet;

use crate::support::{TestStores, ada, at_second, audit_event, ben, team_with_registration};

use RegistrationStatus::{Approved, NotStarted, Pending, Rejected, Suspended};

const SERVICE: &str = "MG0123456789abcdef0123456789abcdef";
const CAMPAIGN: &str = "QE2c6890da8086d771620e9b13fadeba0b";
const KEY: Idempotency<'static> = Idempotency {
    principal: "staff-104217",
    route: "registration team_1",
    key: "0d9c7f3e",
    body: "9f86d081",
};

fn submission() -> CampaignSubmission {
    CampaignSubmission {
        use_case: "LOW_VOLUME".into(),
        description: "Replies of our front desk to applicants who asked about their documents.".into(),
        message_flow: "Applicants give their mobile number on the form and tick the box to be texted.".into(),
        message_samples: vec![
            "Your transcript arrived today, thank you.".into(),
            "Your visit is on Friday at 3pm.".into(),
        ],
        has_embedded_links: false,
        has_embedded_phone: false,
        privacy_policy_url: Some("https://college.example/privacy".into()),
        terms_url: None,
    }
}

pub(crate) fn step(id: &str, status: RegistrationStatus, at: Timestamp) -> TimelineStep {
    TimelineStep {
        id: id.to_owned(),
        status,
        at,
        source: StepSource::Callback,
        codes: Vec::new(),
        detail: None,
        by: None,
    }
}

fn reason() -> CarrierReason {
    CarrierReason { code: 30_909, detail: "The call to action does not say how people agree.".into() }
}

/// Returns a transition with a notification to Ada.
fn transition_by<'a>(step: &'a TimelineStep, reasons: &'a [CarrierReason]) -> Transition<'a> {
    Transition { to: step.status, as_of: step.at, reasons, step, admins: vec![ada().id] }
}

async fn submit_from(
    stores: &TestStores,
    from: &Registration,
    at: Timestamp,
    key: Option<Idempotency<'_>>,
) -> bool {
    let step = TimelineStep {
        source: StepSource::User,
        ..step(&format!("submission-{}", at.millis()), Pending, at)
    };
    let (submission, ada) = (submission(), ada());
    let submitted =
        Submitted { submission: &submission, brand: "BN1", campaign: CAMPAIGN, as_of: at, step: &step };
    let (organization, team) = (stores.organization(), &stores.inbox.team);
    let audit_event = audit_event(&ada, "registration.submit", team.as_str(), at);
    stores
        .registrations
        .submitted(TeamKey { organization, team }, from, submitted, &audit_event, key)
        .await
        .unwrap()
}

/// Submits the campaign from the stored registration.
pub(crate) async fn submit(stores: &TestStores, at: Timestamp) {
    let from = stores.registrations.get(stores.inbox.team_key()).await.unwrap();
    assert!(submit_from(stores, &from, at, None).await);
}

/// A team and its registration.
struct TestTeam {
    stores: TestStores,
}

impl TestTeam {
    async fn new() -> Self {
        let stores = TestStores::start().await;
        stores.teams.put(stores.organization(), &team_with_registration(NotStarted)).await.unwrap();
        Self { stores }
    }

    async fn submitted() -> Self {
        let team = Self::new().await;
        team.store()
            .set_service(TeamKey { organization: team.stores.organization(), team: team.id() }, SERVICE)
            .await
            .unwrap();
        assert!(team.submit(&team.now().await, 1, None).await);
        team
    }

    fn store(&self) -> &Registrations {
        &self.stores.registrations
    }

    fn id(&self) -> &TeamId {
        &self.stores.inbox.team
    }

    async fn now(&self) -> Registration {
        self.store().get(TeamKey { organization: self.stores.organization(), team: self.id() }).await.unwrap()
    }

    /// Returns the status in the team item, which sends are checked against.
    async fn team_status(&self) -> RegistrationStatus {
        let team = self
            .stores
            .teams
            .get(TeamKey { organization: self.stores.organization(), team: self.id() })
            .await
            .unwrap();
        team.unwrap().registration
    }

    async fn submit(&self, from: &Registration, at: u64, key: Option<Idempotency<'_>>) -> bool {
        submit_from(&self.stores, from, at_second(at), key).await
    }

    async fn transition(&self, from: &Registration, step: &TimelineStep, reasons: &[CarrierReason]) -> bool {
        self.store()
            .transition(
                TeamKey { organization: self.stores.organization(), team: self.id() },
                from,
                transition_by(step, reasons),
            )
            .await
            .unwrap()
    }

    /// Stores a transition from the current registration.
    async fn transition_to(&self, id: &str, to: RegistrationStatus, at: u64) {
        assert!(self.transition(&self.now().await, &step(id, to, at_second(at)), &[]).await);
    }

    async fn timeline(&self) -> Vec<TimelineStep> {
        self.store()
            .timeline(TeamKey { organization: self.stores.organization(), team: self.id() })
            .await
            .unwrap()
    }

    async fn notifications(&self) -> Vec<Notification> {
        self.stores.notifications.overdue(at_second(1_000_000)).await.unwrap()
    }

    async fn is_pending(&self) -> bool {
        let pending = self.store().pending().await.unwrap();
        assert!(pending.len() <= 1);
        !pending.is_empty()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_registration_is_not_started_and_has_no_timeline() {
    let team = TestTeam::new().await;
    assert_eq!(team.now().await, Registration::default());
    assert_eq!(team.timeline().await, []);
    assert!(!team.is_pending().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submitted_registration_is_pending_with_its_details_and_is_polled() {
    let team = TestTeam::submitted().await;
    let registration = Registration {
        status: Pending,
        as_of: at_second(1),
        submission: Some(submission()),
        messaging_service: Some(SERVICE.into()),
        brand: Some("BN1".into()),
        campaign: Some(CAMPAIGN.into()),
        reasons: Vec::new(),
    };
    assert_eq!((team.now().await, team.team_status().await), (registration, Pending));
    assert_eq!(team.timeline().await.len(), 1);
    assert_eq!(team.stores.audit_entries().await.len(), 1);
    let organization = team.stores.organization().clone();
    let pending = PendingRegistration { organization, team: team.id().clone(), asked: None };
    assert_eq!(team.store().pending().await.unwrap(), [pending]);
    assert_eq!(team.notifications().await, [], "a submission creates no notification");
}

#[tokio::test(flavor = "multi_thread")]
async fn details_are_submitted_once_for_each_key_and_the_key_returns_the_campaign() {
    let team = TestTeam::new().await;
    assert!(team.submit(&team.now().await, 1, Some(KEY)).await);
    let remembered =
        team.stores.used_keys.get(team.stores.organization(), KEY, at_second(2)).await.unwrap().unwrap();
    assert_eq!((remembered.made.as_str(), remembered.body.as_str()), (CAMPAIGN, KEY.body));
    let before = team.stores.all_items().await;
    assert!(!team.submit(&team.now().await, 2, Some(KEY)).await);
    assert_eq!(team.stores.all_items().await, before, "nothing was written");
    assert!(team.submit(&team.now().await, 3, Some(Idempotency { key: "another", ..KEY })).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn details_submitted_after_a_transition_are_refused_with_their_key() {
    let team = TestTeam::submitted().await;
    let stale = team.now().await;
    team.transition_to("EZ1", Approved, 2).await;
    let before = team.stores.all_items().await;
    assert!(!team.submit(&stale, 3, Some(KEY)).await);
    assert_eq!(team.stores.all_items().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn details_keep_a_messaging_service_created_after_the_read() {
    let team = TestTeam::new().await;
    let before = team.now().await;
    team.store()
        .set_service(TeamKey { organization: team.stores.organization(), team: team.id() }, SERVICE)
        .await
        .unwrap();
    assert!(team.submit(&before, 1, None).await);
    assert_eq!(team.now().await.messaging_service.as_deref(), Some(SERVICE));
}

#[tokio::test(flavor = "multi_thread")]
async fn corrected_details_clear_the_reasons_of_the_rejection() {
    let team = TestTeam::submitted().await;
    assert!(team.transition(&team.now().await, &step("EZ1", Rejected, at_second(2)), &[reason()]).await);
    assert_eq!(team.now().await.reasons, [reason()]);
    assert!(team.submit(&team.now().await, 3, None).await);
    let again = team.now().await;
    assert_eq!((again.status, again.reasons, again.as_of), (Pending, Vec::new(), at_second(3)));
    assert!(team.is_pending().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_concurrent_transitions_one_is_stored_with_one_notification() {
    let team = TestTeam::submitted().await;
    let from = team.now().await;
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let (store, from) = (Registrations::new(team.stores.table()), from.clone());
        let (organization, id) = (team.stores.organization().clone(), team.id().clone());
        tasks.spawn(async move {
            let step = step("EZ1", Approved, at_second(2));
            store
                .transition(
                    TeamKey { organization: &organization, team: &id },
                    &from,
                    transition_by(&step, &[]),
                )
                .await
                .unwrap()
        });
    }
    let stored = tasks.join_all().await;
    assert_eq!(stored.into_iter().filter(|stored| *stored).count(), 1);
    assert_eq!((team.now().await.status, team.team_status().await), (Approved, Approved));
    assert_eq!(team.timeline().await.len(), 2, "the submission and one approval");
    let notifications = team.notifications().await;
    let [notification] = &notifications[..] else { panic!("expected one notification: {notifications:?}") };
    assert_eq!(
        (&notification.subject, &notification.admins[..]),
        (&NotificationKind::RegistrationApproved, &[ada().id][..])
    );
    assert_eq!((notification.team.as_ref(), notification.at), (Some(team.id()), at_second(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transition_from_a_stale_read_is_refused_and_writes_nothing() {
    let team = TestTeam::submitted().await;
    let stale = team.now().await;
    team.transition_to("EZ1", Approved, 2).await;
    let before = team.stores.all_items().await;
    assert!(!team.transition(&stale, &step("EZ2", Rejected, at_second(3)), &[reason()]).await);
    let same_state_older = Registration { status: Approved, ..stale };
    assert!(!team.transition(&same_state_older, &step("EZ3", Suspended, at_second(4)), &[]).await);
    assert_eq!(team.stores.all_items().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transition_keeps_the_details_and_stores_the_reasons() {
    let team = TestTeam::submitted().await;
    let before = team.now().await;
    assert!(team.transition(&before, &step("EZ1", Rejected, at_second(2)), &[reason()]).await);
    let after = Registration { status: Rejected, as_of: at_second(2), reasons: vec![reason()], ..before };
    assert_eq!((team.now().await, team.team_status().await), (after, Rejected));
    assert_eq!(team.notifications().await[0].subject, NotificationKind::RegistrationRejected(vec![reason()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_team_gets_no_transition_and_no_messaging_service() {
    let stores = TestStores::start().await;
    let (organization, team) = (stores.organization(), &stores.inbox.team);
    let refused = stores.registrations.set_service(TeamKey { organization, team }, SERVICE).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))));
    let refused = stores.registrations.get_or_set_service(TeamKey { organization, team }, SERVICE).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))));
    let approval = step("EZ1", Approved, at_second(2));
    let from = Registration::default();
    assert!(
        !stores
            .registrations
            .transition(TeamKey { organization, team }, &from, transition_by(&approval, &[]))
            .await
            .unwrap()
    );
    assert!(stores.items().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_registration_is_polled_and_a_decided_one_is_not() {
    for (path, pending_at_the_end) in [
        (vec![Approved], false),
        (vec![Rejected], false),
        (vec![Suspended], true),
        (vec![Approved, Suspended], true),
        (vec![Approved, Suspended, Approved], false),
        (vec![Suspended, Approved, Suspended], true),
    ] {
        let team = TestTeam::submitted().await;
        assert!(team.is_pending().await);
        for (index, to) in path.iter().enumerate() {
            team.transition_to(&format!("EZ{index}"), *to, 2 + index as u64).await;
            assert_eq!(team.is_pending().await, *to == Suspended, "{path:?}");
        }
        assert_eq!(team.is_pending().await, pending_at_the_end, "{path:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_event_keeps_its_first_detail_and_changes_no_state() {
    let team = TestTeam::submitted().await;
    let before = team.now().await;
    let note = async |detail: &str| {
        let line = TimelineStep { detail: Some(detail.into()), ..step("EZ1", Approved, at_second(500)) };
        team.store()
            .record_event(TeamKey { organization: team.stores.organization(), team: team.id() }, &line)
            .await
            .unwrap();
    };
    note("Its record says that the campaign is in review.").await;
    note("Its record says that the campaign has failed.").await;
    let timeline = team.timeline().await;
    assert_eq!(timeline.iter().map(|step| step.at).collect::<Vec<_>>(), [at_second(500), at_second(1)]);
    assert_eq!(timeline[0].detail.as_deref(), Some("Its record says that the campaign is in review."));
    assert_eq!((team.now().await, team.team_status().await), (before, Pending));
    assert!(team.is_pending().await);
    assert_eq!(team.notifications().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_step_is_read_as_written_and_the_newest_hundred_are_listed() {
    let team = TestTeam::submitted().await;
    let full = TimelineStep {
        codes: vec![30_909, 30_896],
        detail: Some("One of the team's numbers could not join the campaign.".into()),
        by: Some(ben().id),
        source: StepSource::Poll,
        ..step("EZ0", Suspended, at_second(10_000))
    };
    team.store()
        .record_event(TeamKey { organization: team.stores.organization(), team: team.id() }, &full)
        .await
        .unwrap();
    for index in 0..110 {
        let line = step(&format!("EZ{index}"), Pending, at_second(100 + index));
        team.store()
            .record_event(TeamKey { organization: team.stores.organization(), team: team.id() }, &line)
            .await
            .unwrap();
    }
    let timeline = team.timeline().await;
    assert_eq!((timeline.len(), &timeline[0], &timeline[1].id), (100, &full, &"EZ109".to_owned()));
}
