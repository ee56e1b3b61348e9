//! Events.

use shared_aws::event::EventLog;
use shared_domain::{
    event::{EventScope, EventType, NewEvent},
    ids::{EventId, InboxId},
};

use crate::support::{TestStores, at_second, number};

use super::Measurements;

/// A conversation as `event-writer` stores it.
const CONVERSATION: &str = r#"{"contact":{"blocked":false,"contactId":"con_01MCC5RM0000010B","externalId":"S-2026-000003","firstName":"Charlotte","lastName":"Featherstonehaugh","optedOut":false,"phoneNumber":"+12025550003","provisional":false},"conversationId":"cnv_01MCC5RM0000010B","deliveryFailed":false,"folder":"inbox","inboxId":"inb_01MCC5RM0000000P","lastActivityAt":"2027-01-15T08:00:03.000Z","lastMessage":{"createdAt":"2027-01-15T08:00:03.000Z","direction":"inbound","media":0,"messageId":"msg_01MCC5RM0000000001MCC5RM0000010B","text":"Hello, I sent my transcripts two weeks ago and the portal still says that they are missing."},"lock":null,"read":false}"#;

fn events(stores: &TestStores, records: std::ops::Range<usize>) -> Vec<NewEvent> {
    let event = |record: usize| NewEvent {
        id: EventId::of_record(&record.to_string(), 0),
        kind: EventType::ConversationUpdated,
        at: at_second(0),
        scope: scope(stores, &stores.inbox.id),
        team: Some(stores.inbox.team.clone()),
        conversation: Some(stores.conversation_id(&number(3))),
        message: None,
        data: CONVERSATION.into(),
    };
    records.map(event).collect()
}

fn scope(stores: &TestStores, inbox: &InboxId) -> EventScope {
    EventScope::Inbox { organization: stores.organization().clone(), inbox: inbox.clone() }
}

pub(super) async fn events_of_an_inbox(measured: &mut Measurements) {
    let append = async |stores: &TestStores, records| {
        let log = EventLog::new(stores.metered_table());
        let events = events(stores, records);
        let appended = log.append(&events[0].scope, &events, at_second(0)).await;
        assert!(appended.failure.is_none());
    };
    append(&measured.stores, 0..1).await;
    measured.measure("write an event", async |stores| append(stores, 1..2).await).await;
    measured.measure("write 10 events of an inbox", async |stores| append(stores, 2..12).await).await;
    measured.measure("write an event, repeated", async |stores| append(stores, 11..12).await).await;
    let busy = scope(&measured.stores, &InboxId::new(at_second(0), 77));
    let append_late = async |stores: &TestStores, records, at| {
        let at_time = |event: NewEvent| NewEvent { at, ..event };
        let events: Vec<_> = events(stores, records).into_iter().map(at_time).collect();
        let log = EventLog::new(stores.metered_table());
        assert!(log.append(&busy, &events, at_second(100)).await.failure.is_none());
    };
    append_late(&measured.stores, 1_000..2_000, at_second(9)).await;
    for operation in ["write 10 events, behind 1,000 others", "write 10 events, behind others, repeated"] {
        measured.measure(operation, async |stores| append_late(stores, 0..10, at_second(5)).await).await;
        append_late(&measured.stores, 2_000..3_000, at_second(10)).await;
    }
    let look = async |stores: &TestStores| {
        let inboxes = (0..30).map(|index| InboxId::new(at_second(0), index));
        let scopes: Vec<_> = inboxes.map(|inbox| scope(stores, &inbox)).collect();
        EventLog::new(stores.metered_table()).newest(&scopes).await.unwrap();
    };
    measured.measure("look for events of 30 inboxes", async |stores| look(stores).await).await;
    let read = async |stores: &TestStores| {
        let log = EventLog::new(stores.metered_table());
        assert_eq!(log.after(&scope(stores, &stores.inbox.id), 2, 10).await.unwrap().len(), 10);
    };
    measured.measure("read 10 events", async |stores| read(stores).await).await;
}
