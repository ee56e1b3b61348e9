//! Webhook endpoints and deliveries: who gets an event, and that each attempt is counted once.

use std::time::Duration;

use shared_aws::{
    table::Idempotency,
    team::AuditEvent,
    webhook::{
        CreateEndpointOutcome, DueEndpoint, EndpointChange, WaitingDelivery, WebhookDeliveries,
        WebhookEndpoints,
    },
};
use shared_domain::{
    event::{EventScope, EventType},
    ids::{EventId, InboxId, OrganizationId, TeamId, WebhookDeliveryId, WebhookEndpointId},
    keys::TeamKey,
    time::Timestamp,
    user::UserRef,
    webhook::{
        delivery::{Answer, Delivery, DeliveryState},
        endpoint::{DisabledReason, EndpointScope, TypePattern, WebhookEndpoint},
        health::Health,
        signature::{EndpointSecrets, Secret},
    },
};

use crate::support::{TestStores, ada, at_second, audit_event};

const CREATED: EventType = EventType::MessageCreated;

fn endpoint(id: &str) -> WebhookEndpoint {
    WebhookEndpoint {
        id: WebhookEndpointId::parse(id).unwrap(),
        url: "https://receiver.example/hook".into(),
        types: vec![TypePattern::parse("message.*").unwrap()],
        scope: EndpointScope::Organization,
        inboxes: Vec::new(),
        description: Some("CRM".into()),
        disabled: None,
        secrets: EndpointSecrets::single(Secret::new([1; 32])),
        health: Health::default(),
        created_by: ada().id,
        created_at: at_second(0),
    }
}

fn delivery(endpoint: &WebhookEndpoint, organization: &OrganizationId, index: u64) -> Delivery {
    let event = EventId::of_record(&index.to_string(), 0);
    Delivery::new(&endpoint.id, organization, event, "message.created", "{}".into(), at_second(index))
}

fn failed(delivery: &Delivery, at: Timestamp) -> Delivery {
    delivery.after(&Answer::status(410), at, Duration::from_millis(5), 0)
}

fn event(action: &'static str) -> AuditEvent<'static> {
    static ACTOR: std::sync::LazyLock<UserRef> = std::sync::LazyLock::new(ada);
    audit_event(&ACTOR, action, "wep_1", at_second(1))
}

struct Stores {
    base: TestStores,
    endpoints: WebhookEndpoints,
    deliveries: WebhookDeliveries,
}

impl Stores {
    async fn start() -> Self {
        let stores = TestStores::start().await;
        let (endpoints, deliveries) =
            (WebhookEndpoints::new(stores.table()), WebhookDeliveries::new(stores.table()));
        Self { base: stores, endpoints, deliveries }
    }

    fn organization(&self) -> &OrganizationId {
        self.base.organization()
    }

    async fn create(&self, endpoint: &WebhookEndpoint) {
        let created = self.create_once(endpoint, None).await;
        assert_eq!(created, CreateEndpointOutcome::Done);
    }

    async fn create_once(
        &self,
        endpoint: &WebhookEndpoint,
        key: Option<Idempotency<'_>>,
    ) -> CreateEndpointOutcome {
        self.endpoints.create(self.organization(), endpoint, &event("webhook.create"), key).await.unwrap()
    }

    async fn read(&self, endpoint: &WebhookEndpoint) -> Option<WebhookEndpoint> {
        self.endpoints.get(self.organization(), &endpoint.id).await.unwrap()
    }

    async fn for_event(&self, inbox: &str, team: &TeamId) -> Vec<String> {
        let organization = self.organization().clone();
        let scope = EventScope::Inbox { organization, inbox: InboxId::parse(inbox).unwrap() };
        let found = self.endpoints.for_event(CREATED, &scope, Some(team)).await.unwrap();
        found.into_iter().map(|endpoint| endpoint.id.to_string()).collect()
    }

    async fn waiting(&self, endpoint: &WebhookEndpoint) -> Vec<WaitingDelivery> {
        self.deliveries.waiting(self.organization(), &endpoint.id, 10).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_stored_with_its_secrets_and_found_by_the_events_it_gets() {
    let test = Stores::start().await;
    let team = test.base.inbox.team.clone();
    let all = endpoint("wep_1");
    let of_team = WebhookEndpoint { scope: EndpointScope::Teams(vec![team.clone()]), ..endpoint("wep_2") };
    let of_inbox = WebhookEndpoint { inboxes: vec![InboxId::parse("inb_7").unwrap()], ..endpoint("wep_3") };
    for endpoint in [&all, &of_team, &of_inbox] {
        test.create(endpoint).await;
        assert_eq!(test.read(endpoint).await.as_ref(), Some(endpoint));
    }
    assert_eq!(test.for_event("inb_1", &team).await, ["wep_1", "wep_2"]);
    assert_eq!(test.for_event("inb_7", &TeamId::parse("team_9").unwrap()).await, ["wep_1", "wep_3"]);
    assert_eq!(test.endpoints.list(test.organization()).await.unwrap(), [all, of_team, of_inbox]);
    assert_eq!(test.endpoints.list(&OrganizationId::parse("org_9").unwrap()).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_admins_do_with_an_endpoint_is_in_the_audit_trail_of_its_team() {
    let test = Stores::start().await;
    let team = test.base.inbox.team.clone();
    let endpoint = WebhookEndpoint { scope: EndpointScope::Teams(vec![team.clone()]), ..endpoint("wep_1") };
    test.create(&endpoint).await;
    let key = TeamKey { organization: test.organization(), team: &team };
    let page = test.base.audit.page(key, 10, None).await.unwrap();
    let entries: Vec<_> =
        page.items.iter().map(|entry| (entry.action.as_str(), entry.target.as_str())).collect();
    assert_eq!(entries, [("webhook.create", "wep_1")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_creates_one_endpoint() {
    let test = Stores::start().await;
    let key = Idempotency { principal: "user", route: "webhook-endpoints", key: "k", body: "b" };
    assert_eq!(test.create_once(&endpoint("wep_1"), Some(key)).await, CreateEndpointOutcome::Done);
    assert_eq!(test.create_once(&endpoint("wep_2"), Some(key)).await, CreateEndpointOutcome::KeyTaken);
    let made = test.base.used_keys.get(test.organization(), key, at_second(2)).await.unwrap();
    assert_eq!(made.unwrap().made, "wep_1");
    assert_eq!(test.endpoints.list(test.organization()).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_keeps_what_it_does_not_name_and_enabling_forgets_failures() {
    let test = Stores::start().await;
    let before = endpoint("wep_1");
    test.create(&before).await;
    let update = async |change: EndpointChange| {
        let event = event("webhook.update");
        assert!(test.endpoints.update(test.organization(), &before, &change, &event).await.unwrap());
        test.read(&before).await.unwrap()
    };
    let changed = update(EndpointChange {
        url: Some("https://other.example".into()),
        types: Some(vec![TypePattern::parse("*").unwrap()]),
        inboxes: Some(vec![InboxId::parse("inb_1").unwrap()]),
        description: Some(None),
        enabled: Some(false),
    });
    let changed = changed.await;
    assert_eq!(
        changed,
        WebhookEndpoint {
            url: "https://other.example".into(),
            types: vec![TypePattern::parse("*").unwrap()],
            inboxes: vec![InboxId::parse("inb_1").unwrap()],
            description: None,
            disabled: Some(DisabledReason::ByUser),
            ..before.clone()
        }
    );
    assert_eq!(update(EndpointChange::default()).await, changed);

    test.endpoints.record_failure(test.organization(), &before.id, at_second(3)).await.unwrap();
    let enabled = update(EndpointChange { enabled: Some(true), ..EndpointChange::default() }).await;
    assert_eq!((enabled.disabled, enabled.health), (None, Health::default()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_endpoint_is_not_changed_or_brought_back() {
    let test = Stores::start().await;
    let endpoint = endpoint("wep_1");
    test.create(&endpoint).await;
    let event = event("webhook.remove");
    assert!(test.endpoints.remove(test.organization(), &endpoint, &event).await.unwrap());
    assert!(!test.endpoints.remove(test.organization(), &endpoint, &event).await.unwrap());
    let change = EndpointChange { enabled: Some(true), ..EndpointChange::default() };
    assert!(!test.endpoints.update(test.organization(), &endpoint, &change, &event).await.unwrap());
    let health =
        test.endpoints.record_failure(test.organization(), &endpoint.id, at_second(3)).await.unwrap();
    assert_eq!(health, None);
    test.endpoints.record_success(test.organization(), &endpoint.id).await.unwrap();
    test.endpoints.disable(test.organization(), &endpoint.id, DisabledReason::Gone).await.unwrap();
    test.endpoints.check_at(test.organization(), &endpoint.id, at_second(3)).await.unwrap();
    assert_eq!(test.read(&endpoint).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rotations_at_the_same_time_replace_the_secret_once() {
    let test = Stores::start().await;
    let before = endpoint("wep_1");
    test.create(&before).await;
    let rotate = async |byte: u8| {
        let secrets = before.secrets.rotated(Secret::new([byte; 32]), at_second(2));
        let event = event("webhook.rotate_secret");
        test.endpoints.rotate(test.organization(), &before, &secrets, &event, None).await.unwrap()
    };
    assert_eq!(rotate(2).await, CreateEndpointOutcome::Done);
    assert_eq!(rotate(3).await, CreateEndpointOutcome::Changed);
    let secrets = test.read(&before).await.unwrap().secrets;
    assert_eq!(secrets.current(), &Secret::new([2; 32]));
    assert_eq!(secrets.signatures("e", at_second(2), "{}").split(' ').count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_counted_until_a_success() {
    let test = Stores::start().await;
    let endpoint = endpoint("wep_1");
    test.create(&endpoint).await;
    let (organization, id) = (test.organization(), &endpoint.id);
    for count in 1..=3_u32 {
        let health =
            test.endpoints.record_failure(organization, id, at_second(count.into())).await.unwrap().unwrap();
        let expected = Health { failures: count, failing_since: Some(at_second(1)) };
        assert_eq!(health, expected);
    }
    test.endpoints.record_success(organization, id).await.unwrap();
    assert_eq!(test.read(&endpoint).await.unwrap().health, Health::default());
    test.endpoints.disable(organization, id, DisabledReason::Gone).await.unwrap();
    test.endpoints.disable(organization, id, DisabledReason::NoSuccess).await.unwrap();
    assert_eq!(test.read(&endpoint).await.unwrap().disabled, Some(DisabledReason::Gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_due_at_its_earliest_time_and_one_sweep_moves_it() {
    let test = Stores::start().await;
    let endpoint = endpoint("wep_1");
    test.create(&endpoint).await;
    let (organization, id) = (test.organization(), &endpoint.id);
    assert_eq!(test.endpoints.due(at_second(100)).await.unwrap(), []);
    for at in [20, 10, 30] {
        test.endpoints.check_at(organization, id, at_second(at)).await.unwrap();
    }
    assert_eq!(test.endpoints.due(at_second(9)).await.unwrap(), []);
    let due = DueEndpoint { organization: organization.clone(), endpoint: id.clone(), at: at_second(10) };
    assert_eq!(test.endpoints.due(at_second(10)).await.unwrap(), std::slice::from_ref(&due));
    assert!(test.endpoints.move_check(&due, at_second(70)).await.unwrap());
    assert!(!test.endpoints.move_check(&due, at_second(80)).await.unwrap(), "moved by another sweep");
    assert_eq!(test.endpoints.due(at_second(69)).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_is_stored_once() {
    let test = Stores::start().await;
    let endpoint = endpoint("wep_1");
    let first = delivery(&endpoint, test.organization(), 1);
    assert!(test.deliveries.create(&first).await.unwrap());
    assert!(!test.deliveries.create(&first).await.unwrap());
    let read = async || test.deliveries.get(test.organization(), &endpoint.id, &first.id).await.unwrap();
    assert_eq!(read().await.as_ref(), Some(&first));

    let after = first.after(&Answer::status(500), at_second(1), Duration::from_millis(7), 0);
    assert!(test.deliveries.save(&after, None).await.unwrap());
    let other = first.after(&Answer::status(200), at_second(1), Duration::from_millis(7), 0);
    assert!(!test.deliveries.save(&other, None).await.unwrap(), "the version has changed");
    assert_eq!(read().await.as_ref(), Some(&after));
    let unknown = WebhookDeliveryId::parse("del_unknown").unwrap();
    assert_eq!(test.deliveries.get(test.organization(), &endpoint.id, &unknown).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_listed_newest_first_in_pages_and_failed_ones_by_time() {
    let test = Stores::start().await;
    let endpoint = endpoint("wep_1");
    for index in 1..=5 {
        let delivery = delivery(&endpoint, test.organization(), index);
        assert!(test.deliveries.create(&delivery).await.unwrap());
        if index != 3 {
            assert!(test.deliveries.save(&failed(&delivery, at_second(index)), None).await.unwrap());
        }
    }
    let first = test.deliveries.page(test.organization(), &endpoint.id, 3, None).await.unwrap();
    let next = first.next.clone().unwrap();
    let second = test.deliveries.page(test.organization(), &endpoint.id, 3, Some(&next)).await.unwrap();
    let times = first.items.iter().chain(&second.items).map(|delivery| delivery.created_at);
    assert_eq!(times.collect::<Vec<_>>(), [5, 4, 3, 2, 1].map(at_second));

    let failed = async |since, until, limit| {
        let (since, until) = (at_second(since), at_second(until));
        let found =
            test.deliveries.failed(test.organization(), &endpoint.id, since, until, limit).await.unwrap();
        found.into_iter().map(|delivery| delivery.created_at).collect::<Vec<_>>()
    };
    assert_eq!(failed(2, 5, 10).await, [2, 4].map(at_second));
    assert_eq!(failed(0, 9, 3).await, [1, 2, 4].map(at_second));
    assert_eq!(failed(5, 5, 3).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_waits_is_taken_once_and_again_if_its_attempt_is_lost() {
    let test = Stores::start().await;
    let endpoint = endpoint("wep_1");
    let (organization, id) = (test.organization(), &endpoint.id);
    let pending = delivery(&endpoint, organization, 1);
    test.deliveries.create(&pending).await.unwrap();
    assert_eq!(test.waiting(&endpoint).await, []);
    test.deliveries.wait(&pending, at_second(40)).await.unwrap();
    let later = delivery(&endpoint, organization, 2);
    test.deliveries.create(&later).await.unwrap();
    let after = later.after(&Answer::status(500), at_second(2), Duration::ZERO, 0);
    test.deliveries.save(&after, Some(at_second(30))).await.unwrap();

    let waiting = test.waiting(&endpoint).await;
    assert_eq!(waiting.iter().map(|waiting| waiting.at).collect::<Vec<_>>(), [30, 40].map(at_second));
    let taken = test.deliveries.take(organization, id, &waiting[0], at_second(600)).await.unwrap().unwrap();
    assert_eq!((&taken.id, taken.version, taken.state), (&later.id, 1, DeliveryState::Pending));
    assert_eq!(test.deliveries.take(organization, id, &waiting[0], at_second(600)).await.unwrap(), None);
    assert_eq!(test.waiting(&endpoint).await[1].at, at_second(600), "due again if no attempt is stored");

    let done = taken.after(&Answer::status(200), at_second(31), Duration::ZERO, 0);
    assert!(test.deliveries.save(&done, None).await.unwrap());
    assert_eq!(test.waiting(&endpoint).await.len(), 1);
    let done_pending = pending.after(&Answer::status(200), at_second(31), Duration::ZERO, 0);
    assert!(test.deliveries.save(&done_pending, None).await.unwrap());
    test.deliveries.wait(&pending, at_second(50)).await.unwrap();
    assert_eq!(test.waiting(&endpoint).await, [], "a finished delivery does not wait");
}
