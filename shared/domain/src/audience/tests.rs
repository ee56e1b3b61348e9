use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    field::FieldError,
    ids::{TeamId, UserId},
    phone::PhoneNumber,
    user::UserRef,
};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const DAY: Duration = Duration::from_hours(24);

fn parse(json: Value) -> Result<Filter, Vec<FieldError>> {
    Filter::parse("/filter", &json)
}

fn pointers(json: Value) -> Vec<String> {
    parse(json).unwrap_err().into_iter().map(|error| error.pointer).collect()
}

fn condition(field: &str, op: &str, value: impl Into<Value>) -> Value {
    json!({ "field": field, "op": op, "value": value.into() })
}

fn ada() -> Contact {
    let number = PhoneNumber::parse("(202) 555-0143").unwrap();
    Contact {
        external_id: Some("S-7".into()),
        first_name: Some("Ada".into()),
        assigned: Some(UserRef { id: UserId::parse("ben").unwrap(), name: "Ben".into() }),
        blocked: true,
        provisional: false,
        ..Contact::provisional(&TeamId::parse("team_1").unwrap(), &number)
    }
}

/// Whether the filter matches Ada, who has tags, a custom field and an answer.
fn matches_ada(json: Value) -> bool {
    let custom = BTreeMap::from([("Home Room".to_owned(), "Café 12".to_owned())]);
    let result = BroadcastResult { state: RecipientState::Delivered, answer: Some(Answer::Yes) };
    let (contact, tags) = (ada(), Tags::from_cell("Parent, Grade 7").unwrap());
    let facts = ContactFacts {
        created_at: Some(NOW - 10 * DAY),
        last_inbound_at: Some(NOW - DAY),
        results: &[(BroadcastId::parse("bct_1").unwrap(), result)],
        ..ContactFacts::new(&contact, &custom, &tags)
    };
    parse(json).unwrap().matches(&facts, NOW)
}

#[test]
fn each_operator_of_a_text_matches_as_documented() {
    for (op, value, expected) in [
        ("eq", json!("ada"), true),
        ("eq", json!("Ad"), false),
        ("ne", json!("ADA"), false),
        ("ne", json!("Eve"), true),
        ("in", json!(["Eve", "ADA"]), true),
        ("in", json!(["Eve"]), false),
        ("contains", json!("D"), true),
        ("contains", json!("x"), false),
        ("startsWith", json!("ad"), true),
        ("startsWith", json!("da"), false),
        ("exists", json!(true), true),
        ("exists", json!(false), false),
    ] {
        assert_eq!(matches_ada(condition("firstName", op, value.clone())), expected, "{op} {value}");
    }
}

#[test]
fn a_field_without_a_value_matches_ne_and_exists_false_alone() {
    for (op, value, expected) in [
        ("eq", json!("x"), false),
        ("ne", json!("x"), true),
        ("in", json!(["x"]), false),
        ("contains", json!("x"), false),
        ("startsWith", json!("x"), false),
        ("exists", json!(true), false),
        ("exists", json!(false), true),
    ] {
        for field in ["lastName", "custom.Bus"] {
            assert_eq!(matches_ada(condition(field, op, value.clone())), expected, "{field} {op} {value}");
        }
    }
    for (op, value) in [
        ("before", json!("2100-01-01T00:00:00Z")),
        ("after", json!("2000-01-01T00:00:00Z")),
        ("withinDays", json!(3650)),
        ("exists", json!(true)),
    ] {
        assert!(!matches_ada(condition("lastOutboundAt", op, value)), "{op}");
    }
    assert!(matches_ada(condition("lastOutboundAt", "exists", false)));
}

#[test]
fn ids_are_compared_exactly_and_other_texts_without_regard_to_case() {
    assert!(matches_ada(condition("externalId", "eq", "S-7")));
    assert!(!matches_ada(condition("externalId", "eq", "s-7")));
    assert!(matches_ada(condition("assignedUserId", "in", json!(["ada", "ben"]))));
    assert!(!matches_ada(condition("assignedUserId", "eq", "Ben")));
    assert!(matches_ada(condition("custom.home room", "eq", "CAFE\u{301} 12")));
}

#[test]
fn a_contact_has_each_of_its_tags() {
    assert!(matches_ada(condition("tag", "eq", "parent")));
    assert!(matches_ada(condition("tag", "eq", "GRADE 7")));
    assert!(!matches_ada(condition("tag", "ne", "parent")), "one of the tags is equal");
    assert!(matches_ada(condition("tag", "ne", "vip")));
    assert!(matches_ada(condition("tag", "startsWith", "grade ")));
    assert!(matches_ada(condition("tag", "exists", true)));
}

#[test]
fn flags_times_and_results_of_broadcasts_match_as_documented() {
    for (filter, expected) in [
        (condition("blocked", "eq", true), true),
        (condition("blocked", "ne", true), false),
        (condition("optedOut", "eq", false), true),
        (condition("provisional", "ne", true), true),
        (condition("createdAt", "before", (NOW - 9 * DAY).to_string()), true),
        (condition("createdAt", "before", (NOW - 10 * DAY).to_string()), false),
        (condition("createdAt", "after", (NOW - 11 * DAY).to_string()), true),
        (condition("createdAt", "after", (NOW - 10 * DAY).to_string()), false),
        (condition("createdAt", "withinDays", 10), true),
        (condition("createdAt", "withinDays", 9), false),
        (condition("broadcast.bct_1.state", "in", json!(["sent", "delivered"])), true),
        (condition("broadcast.bct_1.state", "eq", "failed"), false),
        (condition("broadcast.bct_1.answer", "eq", "yes"), true),
        (condition("broadcast.bct_1.answer", "exists", false), false),
        (condition("broadcast.bct_2.answer", "exists", false), true),
    ] {
        assert_eq!(matches_ada(filter.clone()), expected, "{filter}");
    }
}

#[test]
fn lists_and_negations_combine_conditions() {
    let (yes, no) = (condition("firstName", "eq", "Ada"), condition("firstName", "eq", "Eve"));
    for (filter, expected) in [
        (json!({ "all": [yes, yes] }), true),
        (json!({ "all": [yes, no] }), false),
        (json!({ "any": [no, yes] }), true),
        (json!({ "any": [no, no] }), false),
        (json!({ "not": no }), true),
        (json!({ "not": { "all": [yes, { "not": no }] } }), false),
        (json!({ "all": [] }), true),
    ] {
        assert_eq!(matches_ada(filter.clone()), expected, "{filter}");
    }
}

#[test]
fn the_broadcasts_of_a_filter_are_listed_once() {
    let filter = json!({ "any": [
        condition("broadcast.bct_2.state", "eq", "sent"),
        { "not": condition("broadcast.bct_1.answer", "exists", true) },
        condition("broadcast.bct_2.answer", "eq", "a"),
        condition("tag", "eq", "vip"),
    ] });
    let broadcasts = [BroadcastId::parse("bct_1").unwrap(), BroadcastId::parse("bct_2").unwrap()];
    let filter = parse(filter).unwrap();
    assert_eq!(filter.broadcasts(), broadcasts.iter().collect::<Vec<_>>());
    let places = filter.broadcasts_at("/filter");
    let places: Vec<_> = places.iter().map(|(pointer, id)| (pointer.as_str(), id.as_str())).collect();
    let expected = [
        ("/filter/any/0/field", "bct_2"),
        ("/filter/any/1/not/field", "bct_1"),
        ("/filter/any/2/field", "bct_2"),
    ];
    assert_eq!(places, expected);
}

#[test]
fn everything_that_is_wrong_is_reported_with_its_pointer() {
    let filter = json!({ "all": [
        condition("nickname", "eq", "x"),
        { "any": [condition("firstName", "like", "x"), { "not": condition("createdAt", "eq", "x") }] },
        condition("optedOut", "eq", "yes"),
        condition("tag", "in", json!(["ok", 7, " "])),
        condition("createdAt", "withinDays", 0),
        condition("createdAt", "before", "tomorrow"),
        { "field": "tag", "op": "eq", "value": "x", "a/b": 1 },
        { "field": "tag", "op": "eq" },
        "tag",
        { "any": [] },
        { "all": {} },
    ] });
    let expected = [
        "/filter/all/0/field",
        "/filter/all/1/any/0/op",
        "/filter/all/1/any/1/not/op",
        "/filter/all/2/value",
        "/filter/all/3/value/1",
        "/filter/all/3/value/2",
        "/filter/all/4/value",
        "/filter/all/5/value",
        "/filter/all/6/a~1b",
        "/filter/all/7/value",
        "/filter/all/8",
        "/filter/all/9/any",
        "/filter/all/10/all",
    ];
    assert_eq!(pointers(filter), expected);
}

#[test]
fn unknown_fields_and_operators_of_other_fields_are_refused() {
    for field in
        ["", "phoneNumber", "custom.", "custom.\u{200b}", "broadcast.bct_1", "broadcast.x.state", "Tag"]
    {
        assert_eq!(pointers(condition(field, "eq", "x")), ["/filter/field"], "{field:?}");
    }
    for (field, op, value) in [
        ("assignedUserId", "contains", json!("b")),
        ("broadcast.bct_1.state", "startsWith", json!("s")),
        ("optedOut", "exists", json!(true)),
        ("createdAt", "in", json!([])),
        ("firstName", "before", json!("2026-01-01T00:00:00Z")),
    ] {
        assert_eq!(pointers(condition(field, op, value)), ["/filter/op"], "{field} {op}");
    }
    for (field, value) in [("broadcast.bct_1.state", "replied"), ("broadcast.bct_1.answer", "maybe")] {
        assert_eq!(pointers(condition(field, "eq", value)), ["/filter/value"], "{field}");
    }
}

#[test]
fn a_filter_is_bounded_in_depth_number_and_length() {
    let nested =
        |depth: usize| (1..depth).fold(condition("tag", "eq", "x"), |inner, _| json!({ "not": inner }));
    assert!(parse(nested(MAX_DEPTH)).is_ok());
    assert_eq!(pointers(nested(MAX_DEPTH + 1)), [format!("/filter{}", "/not".repeat(MAX_DEPTH))]);
    let wide = |count: usize| json!({ "any": vec![condition("tag", "eq", "x"); count] });
    assert!(parse(wide(MAX_NODES - 1)).is_ok());
    assert_eq!(pointers(wide(MAX_NODES)), ["/filter"]);
    assert_eq!(pointers(wide(100_000)), ["/filter"]);
    let asking = |count: usize| {
        let of = |n: usize| condition(&format!("broadcast.bct_{n}.state"), "eq", "delivered");
        json!({ "any": (0..count).map(of).collect::<Vec<_>>() })
    };
    assert!(parse(asking(MAX_BROADCASTS)).is_ok());
    assert_eq!(pointers(asking(MAX_BROADCASTS + 1)), ["/filter"]);
    let values = |count: usize, length: usize| {
        let values: Vec<_> = (0..count).map(|n| format!("{n:0length$}")).collect();
        condition("tag", "in", values)
    };
    assert!(parse(values(MAX_VALUES, 9)).is_ok());
    assert_eq!(pointers(values(MAX_VALUES + 1, 9)), ["/filter/value"]);
    assert_eq!(pointers(values(0, 9)), ["/filter/value"]);
    assert_eq!(pointers(values(MAX_VALUES, 100)), ["/filter"], "the whole filter is too long");
    assert!(parse(condition("tag", "eq", "ü".repeat(MAX_VALUE_LENGTH))).is_ok());
    assert_eq!(pointers(condition("tag", "eq", "ü".repeat(MAX_VALUE_LENGTH + 1))), ["/filter/value"]);
    assert!(parse(condition("createdAt", "withinDays", MAX_DAYS)).is_ok());
    assert_eq!(pointers(condition("createdAt", "withinDays", MAX_DAYS + 1)), ["/filter/value"]);
}

#[test]
fn the_canonical_form_is_clean_and_sorted() {
    let entered = json!({ "all": [
        condition("custom. Home Room ", "in", json!(["b ", "\u{200b}a", "b"])),
        condition("optedOut", "ne", true),
        condition("createdAt", "after", "2026-11-22T11:00:00+01:00"),
    ] });
    let canonical = json!({ "all": [
        condition("custom.Home Room", "in", json!(["a", "b"])),
        condition("optedOut", "eq", false),
        condition("createdAt", "after", "2026-11-22T10:00:00.000Z"),
    ] });
    assert_eq!(parse(entered).unwrap().to_json(), canonical);
}

/// Imports remove one of the apostrophes that spreadsheets add. A filter names the field as it is stored.
#[test]
fn the_name_of_a_custom_field_keeps_its_apostrophes() {
    let entered = condition("custom.''=x", "eq", "1");
    assert_eq!(parse(entered.clone()).unwrap().to_json(), entered);
}

fn text_test() -> impl Strategy<Value = TextTest> {
    let text = || "[a-c]{1,3}";
    prop_oneof![
        text().prop_map(TextTest::Eq),
        text().prop_map(TextTest::Ne),
        prop::collection::btree_set(text(), 1..4).prop_map(|all| TextTest::In(all.into_iter().collect())),
        text().prop_map(TextTest::Contains),
        text().prop_map(TextTest::StartsWith),
        any::<bool>().prop_map(TextTest::Exists),
    ]
}

fn any_condition() -> impl Strategy<Value = Condition> {
    let text = prop::sample::select(vec![
        TextField::FirstName,
        TextField::LastName,
        TextField::ExternalId,
        TextField::Tag,
        TextField::Custom("Bus".into()),
    ]);
    let flag = prop::sample::select(vec![FlagField::OptedOut, FlagField::Blocked, FlagField::Provisional]);
    let time =
        prop::sample::select(vec![TimeField::CreatedAt, TimeField::LastInboundAt, TimeField::LastOutboundAt]);
    let instant = (0..2_000_000_000_000_i64).prop_map(Timestamp::from_millis);
    let time_test = prop_oneof![
        instant.clone().prop_map(TimeTest::Before),
        instant.prop_map(TimeTest::After),
        (1..=MAX_DAYS).prop_map(TimeTest::WithinDays),
        any::<bool>().prop_map(TimeTest::Exists),
    ];
    prop_oneof![
        (text, text_test()).prop_map(|(field, test)| Condition::Text { field, test }),
        (flag, any::<bool>()).prop_map(|(field, is)| Condition::Flag { field, is }),
        (time, time_test).prop_map(|(field, test)| Condition::Time { field, test }),
    ]
}

fn any_filter() -> impl Strategy<Value = Filter> {
    any_condition().prop_map(Filter::Is).prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::All),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Filter::Any),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
}

proptest! {
    #[test]
    fn a_filter_is_parsed_again_from_its_canonical_form(filter in any_filter()) {
        prop_assert_eq!(parse(filter.to_json()), Ok(filter));
    }

    #[test]
    fn exactly_one_of_a_filter_and_its_negation_matches(
        filter in any_filter(),
        first_name in prop::option::of("[a-cA-C]{1,3}"),
        tags in "[a-c]{0,3},[a-c]{0,3}",
        created in prop::option::of(0..2_000_000_000_000_i64),
    ) {
        let contact = Contact { first_name, ..ada() };
        let (custom, tags) = (BTreeMap::new(), Tags::from_cell(&tags).unwrap());
        let facts = ContactFacts {
            created_at: created.map(Timestamp::from_millis),
            ..ContactFacts::new(&contact, &custom, &tags)
        };
        let negation = Filter::Not(Box::new(filter.clone()));
        prop_assert_ne!(filter.matches(&facts, NOW), negation.matches(&facts, NOW));
        if let Filter::All(filters) = &filter {
            let not_all = filters.iter().cloned().map(|filter| Filter::Not(Box::new(filter))).collect();
            prop_assert_eq!(negation.matches(&facts, NOW), Filter::Any(not_all).matches(&facts, NOW));
        }
    }
}
