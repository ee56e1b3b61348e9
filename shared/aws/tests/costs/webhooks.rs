//! Outgoing webhooks.

use std::time::Duration;

use shared_aws::webhook::{CreateEndpointOutcome, WebhookDeliveries, WebhookEndpoints};
use shared_domain::{
    event::{EventScope, EventType},
    ids::{EventId, WebhookEndpointId},
    webhook::{
        delivery::{Answer, Delivery},
        endpoint::{EndpointScope, TypePattern, WebhookEndpoint},
        health::Health,
        signature::{EndpointSecrets, Secret},
    },
};

use crate::support::{TestStores, ada, at_second, audit_event};

use super::Measurements;

fn endpoint(index: u64) -> WebhookEndpoint {
    WebhookEndpoint {
        id: WebhookEndpointId::new(at_second(index), index),
        url: "https://crm.clinic.example/integrations/shared-inbox?key=4f9a1c".into(),
        types: vec![TypePattern::parse("message.*").unwrap(), TypePattern::parse("contact.updated").unwrap()],
        scope: EndpointScope::Organization,
        inboxes: Vec::new(),
        description: Some("CRM of the clinic".into()),
        disabled: None,
        secrets: EndpointSecrets::single(Secret::new([1; 32])),
        health: Health::default(),
        created_by: ada().id,
        created_at: at_second(0),
    }
}

fn delivery(stores: &TestStores, index: u64) -> Delivery {
    let event = EventId::of_record(&index.to_string(), 0);
    let body = "x".repeat(700);
    Delivery::new(&endpoint(0).id, stores.organization(), event, "message.created", body, at_second(index))
}

pub(super) async fn an_event_for_an_endpoint(measured: &mut Measurements) {
    for index in 0..10 {
        let user = ada();
        let event = audit_event(&user, "webhook.create", "wep_1", at_second(index));
        let endpoints = WebhookEndpoints::new(measured.stores.table());
        let endpoint = endpoint(index);
        let created =
            endpoints.create(measured.stores.organization(), &endpoint, &event, None).await.unwrap();
        assert_eq!(created, CreateEndpointOutcome::Done);
    }
    let find = async |stores: &TestStores| {
        let (organization, inbox) = (stores.organization().clone(), stores.inbox.id.clone());
        let scope = EventScope::Inbox { organization, inbox };
        let endpoints = WebhookEndpoints::new(stores.metered_table());
        let found = endpoints.for_event(EventType::MessageCreated, &scope, None).await.unwrap();
        assert_eq!(found.len(), 10);
    };
    measured.measure("find the endpoints of an event among 10", async |stores| find(stores).await).await;
    let store = async |stores: &TestStores| {
        let deliveries = WebhookDeliveries::new(stores.metered_table());
        assert!(deliveries.create(&delivery(stores, 1)).await.unwrap());
    };
    measured.measure("store a webhook delivery", async |stores| store(stores).await).await;
    let attempt = async |stores: &TestStores| {
        let deliveries = WebhookDeliveries::new(stores.metered_table());
        let endpoints = WebhookEndpoints::new(stores.metered_table());
        let (organization, before) = (stores.organization(), delivery(stores, 1));
        let read = deliveries.get(organization, &before.endpoint, &before.id).await.unwrap().unwrap();
        endpoints.get(organization, &before.endpoint).await.unwrap().unwrap();
        let after = read.after(&Answer::status(204), at_second(2), Duration::from_millis(120), 0);
        assert!(deliveries.save(&after, None).await.unwrap());
    };
    measured.measure("attempt a webhook delivery", async |stores| attempt(stores).await).await;
    let sweep = async |stores: &TestStores| {
        let endpoints = WebhookEndpoints::new(stores.metered_table());
        assert_eq!(endpoints.due(at_second(100)).await.unwrap(), []);
    };
    measured.measure("look for webhook deliveries that wait", async |stores| sweep(stores).await).await;
}
