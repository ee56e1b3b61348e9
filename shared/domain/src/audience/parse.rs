//! Parses a filter from JSON. Everything that is wrong is reported with its JSON pointer.

use serde_json::{Map, Value};

use super::{
    Condition, Filter, FlagField, MAX_BROADCASTS, MAX_DAYS, MAX_DEPTH, MAX_LENGTH, MAX_NODES,
    MAX_VALUE_LENGTH, MAX_VALUES, TextField, TextTest, TimeField, TimeTest,
};
use crate::{
    broadcast::RecipientState,
    field::{FieldError, FieldErrors, escape_pointer},
    ids::BroadcastId,
    import::MAX_CUSTOM_NAME_LENGTH,
    question::Answer,
    text,
    time::Timestamp,
};

const FILTER: &str = "an object with all, any, not, or with field, op and value";
const FIELD: &str = "one of firstName, lastName, externalId, assignedUserId, optedOut, blocked, provisional, \
                     createdAt, lastInboundAt, lastOutboundAt, tag, custom.<name>, broadcast.<id>.state, \
                     broadcast.<id>.answer";
const TEXT_OPERATORS: &str = "one of eq, ne, in, contains, startsWith, exists";
const NAME_OPERATORS: &str = "one of eq, ne, in, exists";
const FLAG_OPERATORS: &str = "one of eq, ne";
const TIME_OPERATORS: &str = "one of before, after, withinDays, exists";
const VALUE: &str = "1 to 500 characters without control characters";

impl Filter {
    /// Parses a filter. It has at most 100 conditions, lists and negations, a depth of at most 10, and asks
    /// for at most 5 broadcasts.
    ///
    /// # Errors
    /// All [`FieldError`]s, with pointers that begin with `pointer`.
    pub fn parse(pointer: &str, json: &Value) -> Result<Self, Vec<FieldError>> {
        let mut parser = Parser { errors: FieldErrors::default(), nodes: 0 };
        let filter = parser.filter(pointer, json, 1);
        if parser.nodes > MAX_NODES {
            parser.errors.add(pointer, "at most 100 conditions");
        }
        if filter.as_ref().is_some_and(|filter| filter.broadcasts().len() > MAX_BROADCASTS) {
            parser.errors.add(pointer, "at most 5 broadcasts");
        }
        if filter.as_ref().is_some_and(|filter| filter.to_json().to_string().len() > MAX_LENGTH) {
            parser.errors.add(pointer, "a filter of at most 16 kB");
        }
        parser.errors.finish_with(filter)
    }
}

struct Parser {
    errors: FieldErrors,
    nodes: usize,
}

impl Parser {
    /// The filter at `pointer`. `None` after an error, or if there are too many nodes.
    fn filter(&mut self, pointer: &str, json: &Value, depth: usize) -> Option<Filter> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return None;
        }
        if depth > MAX_DEPTH {
            return self.refuse(pointer, "a depth of at most 10");
        }
        let Some(object) = json.as_object() else { return self.refuse(pointer, FILTER) };
        let names: Vec<&str> = object.keys().map(String::as_str).collect();
        match names.as_slice() {
            ["all"] => self.list(&format!("{pointer}/all"), &object["all"], 0, depth).map(Filter::All),
            ["any"] => self.list(&format!("{pointer}/any"), &object["any"], 1, depth).map(Filter::Any),
            ["not"] => {
                let filter = self.filter(&format!("{pointer}/not"), &object["not"], depth + 1)?;
                Some(Filter::Not(Box::new(filter)))
            }
            _ => self.condition(pointer, object).map(Filter::Is),
        }
    }

    fn list(&mut self, pointer: &str, json: &Value, min: usize, depth: usize) -> Option<Vec<Filter>> {
        let Some(list) = json.as_array().filter(|list| list.len() >= min) else {
            let expected = if min == 0 { "a list of filters" } else { "a list of at least one filter" };
            return self.refuse(pointer, expected);
        };
        let mut filters = Vec::new();
        for (index, filter) in list.iter().enumerate() {
            filters.push(self.filter(&format!("{pointer}/{index}"), filter, depth + 1));
            if self.nodes > MAX_NODES {
                return None;
            }
        }
        filters.into_iter().collect()
    }

    fn condition(&mut self, pointer: &str, object: &Map<String, Value>) -> Option<Condition> {
        if let Some(unknown) = object.keys().find(|name| !matches!(name.as_str(), "field" | "op" | "value")) {
            return self.refuse(format!("{pointer}/{}", escape_pointer(unknown)), FILTER);
        }
        let Some(field) = object.get("field").and_then(Value::as_str).and_then(Field::parse) else {
            return self.refuse(format!("{pointer}/field"), FIELD);
        };
        let op = object.get("op").and_then(Value::as_str).unwrap_or_default();
        let value = Operand { pointer, op, value: object.get("value").unwrap_or(&Value::Null) };
        match field {
            Field::Text(field) => {
                let test = self.text_test(&field, value)?;
                Some(Condition::Text { field, test })
            }
            Field::Flag(field) => {
                let negated = match op {
                    "eq" => false,
                    "ne" => true,
                    _ => return self.refuse_operator(value, FLAG_OPERATORS),
                };
                Some(Condition::Flag { field, is: self.boolean(value)? != negated })
            }
            Field::Time(field) => {
                let test = match op {
                    "before" => TimeTest::Before(self.time(value)?),
                    "after" => TimeTest::After(self.time(value)?),
                    "withinDays" => TimeTest::WithinDays(self.days(value)?),
                    "exists" => TimeTest::Exists(self.boolean(value)?),
                    _ => return self.refuse_operator(value, TIME_OPERATORS),
                };
                Some(Condition::Time { field, test })
            }
        }
    }

    fn text_test(&mut self, field: &TextField, value: Operand<'_>) -> Option<TextTest> {
        let is_name = matches!(
            field,
            TextField::AssignedUserId | TextField::BroadcastState(_) | TextField::BroadcastAnswer(_)
        );
        Some(match value.op {
            "eq" => TextTest::Eq(self.text(field, value)?),
            "ne" => TextTest::Ne(self.text(field, value)?),
            "in" => TextTest::In(self.texts(field, value)?),
            "exists" => TextTest::Exists(self.boolean(value)?),
            _ if is_name => return self.refuse_operator(value, NAME_OPERATORS),
            "contains" => TextTest::Contains(self.text(field, value)?),
            "startsWith" => TextTest::StartsWith(self.text(field, value)?),
            _ => return self.refuse_operator(value, TEXT_OPERATORS),
        })
    }

    fn text(&mut self, field: &TextField, operand: Operand<'_>) -> Option<String> {
        self.text_at(field, operand.value_pointer(), operand.value)
    }

    /// The texts of `in`, in order and without duplicates.
    fn texts(&mut self, field: &TextField, operand: Operand<'_>) -> Option<Vec<String>> {
        let values = operand.value.as_array().filter(|values| (1..=MAX_VALUES).contains(&values.len()));
        let Some(values) = values else {
            return self.refuse(operand.value_pointer(), "a list of 1 to 200 values");
        };
        let pointer = operand.value_pointer();
        let texts: Vec<_> = values
            .iter()
            .enumerate()
            .map(|(index, value)| self.text_at(field, format!("{pointer}/{index}"), value))
            .collect();
        let mut texts = texts.into_iter().collect::<Option<Vec<_>>>()?;
        texts.sort_unstable();
        texts.dedup();
        Some(texts)
    }

    fn text_at(&mut self, field: &TextField, pointer: String, value: &Value) -> Option<String> {
        let text = text::clean(value.as_str().unwrap_or_default()).trim().to_owned();
        let expected = match field {
            TextField::BroadcastState(_) if RecipientState::parse(&text).is_none() => {
                "one of pending, held, queued, sent, delivered, undelivered, failed, skipped"
            }
            TextField::BroadcastAnswer(_) if Answer::parse(&text).is_none() => {
                "one of yes, no, 1 to 5, a to h, other"
            }
            _ if !text::is_visible(&text)
                || text.chars().count() > MAX_VALUE_LENGTH
                || text.contains(char::is_control) =>
            {
                VALUE
            }
            _ => return Some(text),
        };
        self.refuse(pointer, expected)
    }

    fn boolean(&mut self, operand: Operand<'_>) -> Option<bool> {
        operand.value.as_bool().or_else(|| self.refuse(operand.value_pointer(), "true or false"))
    }

    fn time(&mut self, operand: Operand<'_>) -> Option<Timestamp> {
        let time = operand.value.as_str().and_then(Timestamp::parse);
        time.or_else(|| self.refuse(operand.value_pointer(), "a time, such as 2026-12-25T00:00:00Z"))
    }

    fn days(&mut self, operand: Operand<'_>) -> Option<u16> {
        let days = operand.value.as_u64().and_then(|days| u16::try_from(days).ok());
        let days = days.filter(|days| (1..=MAX_DAYS).contains(days));
        days.or_else(|| self.refuse(operand.value_pointer(), "a number of days, 1 to 3650"))
    }

    fn refuse<T>(&mut self, pointer: impl Into<String>, expected: &'static str) -> Option<T> {
        self.errors.add(pointer, expected);
        None
    }

    fn refuse_operator<T>(&mut self, operand: Operand<'_>, expected: &'static str) -> Option<T> {
        self.refuse(format!("{}/op", operand.pointer), expected)
    }
}

/// The operator and the value of a condition.
#[derive(Clone, Copy)]
struct Operand<'a> {
    /// Where the condition is.
    pointer: &'a str,
    op: &'a str,
    value: &'a Value,
}

impl Operand<'_> {
    fn value_pointer(self) -> String {
        format!("{}/value", self.pointer)
    }
}

enum Field {
    Text(TextField),
    Flag(FlagField),
    Time(TimeField),
}

impl Field {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "firstName" => Self::Text(TextField::FirstName),
            "lastName" => Self::Text(TextField::LastName),
            "externalId" => Self::Text(TextField::ExternalId),
            "assignedUserId" => Self::Text(TextField::AssignedUserId),
            "tag" => Self::Text(TextField::Tag),
            "optedOut" => Self::Flag(FlagField::OptedOut),
            "blocked" => Self::Flag(FlagField::Blocked),
            "provisional" => Self::Flag(FlagField::Provisional),
            "createdAt" => Self::Time(TimeField::CreatedAt),
            "lastInboundAt" => Self::Time(TimeField::LastInboundAt),
            "lastOutboundAt" => Self::Time(TimeField::LastOutboundAt),
            _ => Self::Text(custom(name).or_else(|| of_broadcast(name))?),
        })
    }
}

fn custom(name: &str) -> Option<TextField> {
    let name = text::clean(name.strip_prefix("custom.")?).trim().to_owned();
    let fits = text::is_visible(&name)
        && name.chars().count() <= MAX_CUSTOM_NAME_LENGTH
        && !name.contains(char::is_control);
    fits.then_some(TextField::Custom(name))
}

fn of_broadcast(name: &str) -> Option<TextField> {
    let (id, result) = name.strip_prefix("broadcast.")?.rsplit_once('.')?;
    let id = BroadcastId::parse(id).ok()?;
    match result {
        "state" => Some(TextField::BroadcastState(id)),
        "answer" => Some(TextField::BroadcastAnswer(id)),
        _ => None,
    }
}
