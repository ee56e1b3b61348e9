//! The canonical form of a filter: the JSON that is stored and shown. Parsing it gives the same filter.

use serde_json::{Value, json};

use super::{Condition, Filter, FlagField, TextField, TextTest, TimeField, TimeTest};

impl Filter {
    /// The filter as JSON. Values are clean, those of `in` are in order and without duplicates, and times are
    /// in UTC.
    pub fn to_json(&self) -> Value {
        let list = |filters: &[Self]| filters.iter().map(Self::to_json).collect::<Vec<_>>();
        match self {
            Self::All(filters) => json!({ "all": list(filters) }),
            Self::Any(filters) => json!({ "any": list(filters) }),
            Self::Not(filter) => json!({ "not": filter.to_json() }),
            Self::Is(condition) => condition.to_json(),
        }
    }
}

impl Condition {
    fn to_json(&self) -> Value {
        let (field, (op, value)) = match self {
            Self::Text { field, test } => (field.name(), test.to_json()),
            Self::Flag { field, is } => (field.name().to_owned(), ("eq", json!(is))),
            Self::Time { field, test } => (field.name().to_owned(), test.to_json()),
        };
        json!({ "field": field, "op": op, "value": value })
    }
}

impl TextField {
    fn name(&self) -> String {
        match self {
            Self::FirstName => "firstName".to_owned(),
            Self::LastName => "lastName".to_owned(),
            Self::ExternalId => "externalId".to_owned(),
            Self::AssignedUserId => "assignedUserId".to_owned(),
            Self::Tag => "tag".to_owned(),
            Self::Custom(name) => format!("custom.{name}"),
            Self::BroadcastState(id) => format!("broadcast.{id}.state"),
            Self::BroadcastAnswer(id) => format!("broadcast.{id}.answer"),
        }
    }
}

impl FlagField {
    fn name(self) -> &'static str {
        match self {
            Self::OptedOut => "optedOut",
            Self::Blocked => "blocked",
            Self::Provisional => "provisional",
        }
    }
}

impl TimeField {
    fn name(self) -> &'static str {
        match self {
            Self::CreatedAt => "createdAt",
            Self::LastInboundAt => "lastInboundAt",
            Self::LastOutboundAt => "lastOutboundAt",
        }
    }
}

impl TextTest {
    fn to_json(&self) -> (&'static str, Value) {
        match self {
            Self::Eq(value) => ("eq", json!(value)),
            Self::Ne(value) => ("ne", json!(value)),
            Self::In(values) => ("in", json!(values)),
            Self::Contains(value) => ("contains", json!(value)),
            Self::StartsWith(value) => ("startsWith", json!(value)),
            Self::Exists(exists) => ("exists", json!(exists)),
        }
    }
}

impl TimeTest {
    fn to_json(self) -> (&'static str, Value) {
        match self {
            Self::Before(instant) => ("before", json!(instant.to_string())),
            Self::After(instant) => ("after", json!(instant.to_string())),
            Self::WithinDays(days) => ("withinDays", json!(days)),
            Self::Exists(exists) => ("exists", json!(exists)),
        }
    }
}
