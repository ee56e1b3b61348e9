//! What a subscriber of the topic gets of an event.

use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value, json};
use shared_aws::event::PublishedEvent;
use shared_domain::{
    event::{Event, EventScope, EventType, NewEvent},
    ids::{ConversationId, EventId, InboxId, MessageId, OrganizationId, TeamId},
    time::Timestamp,
};

fn event(kind: EventType, data: &Value) -> Event {
    let organization = OrganizationId::parse("org_1").unwrap();
    let scope = EventScope::Inbox { organization, inbox: InboxId::parse("inb_1").unwrap() };
    let event = NewEvent {
        id: EventId::of_record("1", 0),
        kind,
        at: Timestamp::from_millis(1_800_000_000_000),
        scope,
        team: TeamId::parse("team_1").ok(),
        conversation: ConversationId::parse("cnv_1").ok(),
        message: MessageId::parse("msg_1").ok(),
        data: data.to_string(),
    };
    Event { sequence: 7, event }
}

/// JSON whose every value is a text that occurs nowhere else.
fn private_json() -> impl Strategy<Value = Value> {
    let private = "private [a-z]{8}".prop_map(Value::from);
    private.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((field_name(), inner), 0..6).prop_map(|fields| Map::from_iter(fields).into()),
        ]
    })
}

/// A part of the name of a public field, or the name of a field that is not public.
fn field_name() -> impl Strategy<Value = String> {
    let public =
        EventType::ALL.iter().flat_map(|kind| kind.public_fields()).flat_map(|field| field.split('/'));
    let names: Vec<_> = public.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    prop_oneof![proptest::sample::select(names), "[a-z]{1,6}"]
}

/// Removes what is at the public fields, unless it has fields or entries of its own.
fn without_public_values(kind: EventType, mut data: Value) -> Value {
    for pointer in kind.public_fields() {
        if let Some(value) = data.pointer_mut(pointer).filter(|value| value.is_string()) {
            *value = Value::Null;
        }
    }
    data
}

proptest! {
    #[test]
    fn nothing_but_the_public_fields_is_published(
        kind in proptest::sample::select(EventType::ALL.to_vec()),
        data in private_json(),
    ) {
        let data = without_public_values(kind, data);
        let body = serde_json::to_string(&PublishedEvent::of(&event(kind, &data))).unwrap();
        prop_assert!(!body.contains("private"), "{body} of {data}");
    }
}

#[test]
fn every_public_field_is_published_where_it_was() {
    for kind in EventType::ALL {
        let mut data = json!({});
        for pointer in kind.public_fields() {
            let mut place = &mut data;
            for name in pointer.split('/').skip(1) {
                place = &mut place[name];
            }
            *place = json!(*pointer);
        }
        let published = PublishedEvent::of(&event(kind, &data));
        assert_eq!(published.data, data, "{kind:?}");
        assert_eq!(PublishedEvent::parse(&serde_json::to_string(&published).unwrap()).unwrap(), published);
    }
}

#[test]
fn the_scope_of_a_published_event_is_the_inbox_or_else_the_team() {
    let of_inbox = event(EventType::InboxChanged, &json!({}));
    assert_eq!(PublishedEvent::of(&of_inbox).scope(), Some(of_inbox.event.scope.clone()));
    let organization = OrganizationId::parse("org_1").unwrap();
    let scope = EventScope::Team { organization, team: TeamId::parse("team_1").unwrap() };
    let of_team = NewEvent { scope: scope.clone(), ..of_inbox.event };
    assert_eq!(PublishedEvent::of(&Event { sequence: 7, event: of_team }).scope(), Some(scope));
}
