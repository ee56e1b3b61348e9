//! `GET …/Messages.json`.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde_json::Value;

use crate::schema::assert_list;
use crate::support::{PHONE, PRODUCT, TestSimulator};

const DAY: Duration = Duration::from_hours(24);

fn bodies(list: &Value) -> Vec<&str> {
    list["messages"].as_array().unwrap().iter().map(|message| message["body"].as_str().unwrap()).collect()
}

/// Sends five messages, `1` to `5`, and waits until they are delivered.
async fn five_texts(simulator: &TestSimulator) {
    for text in ["1", "2", "3", "4", "5"] {
        let message = simulator.send_text(text).await;
        simulator.await_status(message["sid"].as_str().unwrap(), "delivered").await;
    }
}

#[tokio::test]
async fn messages_in_both_directions_are_listed_newest_first() {
    let simulator = TestSimulator::with_number().await;
    simulator.send_text("out").await;
    simulator.control("inbound-message", &[("To", PRODUCT), ("From", PHONE), ("Body", "in")]).await;
    let list = simulator.list(&[]).await;
    assert_list(&list);
    assert_eq!(bodies(&list), ["in", "out"]);
    assert_eq!((&list["page"], &list["page_size"], &list["end"]), (&0.into(), &50.into(), &1.into()));
    assert!(list["next_page_uri"].is_null() && list["previous_page_uri"].is_null());
}

#[tokio::test]
async fn messages_are_filtered_by_number() {
    let simulator = TestSimulator::with_number().await;
    simulator.send_text("out").await;
    simulator.send(&[("To", "+12025550144"), ("From", PRODUCT), ("Body", "another")]).await;
    simulator.control("inbound-message", &[("To", PRODUCT), ("From", PHONE), ("Body", "in")]).await;
    assert_eq!(bodies(&simulator.list(&[("To", PHONE), ("From", PRODUCT)]).await), ["out"]);
    assert_eq!(bodies(&simulator.list(&[("From", PRODUCT)]).await), ["another", "out"]);
    assert_eq!(bodies(&simulator.list(&[("To", PRODUCT)]).await), ["in"]);
    assert!(bodies(&simulator.list(&[("To", "+12025550199")]).await).is_empty());
}

#[tokio::test]
async fn messages_are_filtered_by_day_and_by_instant() {
    let simulator = TestSimulator::with_number().await;
    let before = Timestamp::now();
    let message = simulator.send_text("now").await;
    let delivered = simulator.await_status(message["sid"].as_str().unwrap(), "delivered").await;
    let sent = rfc2822::parse(delivered["date_sent"].as_str().unwrap()).unwrap().timestamp();
    let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    let (yesterday, today, tomorrow) = (day(sent - DAY), day(sent), day(sent + DAY));
    let later = (before + Duration::from_hours(1)).to_string();
    let since = before.to_string();
    let cases: [(&[(&str, &str)], usize); 10] = [
        (&[("DateSent>", &yesterday)], 1),
        (&[("DateSent>", &today)], 1),
        (&[("DateSent>", &since)], 1),
        (&[("DateSent>", &later)], 0),
        (&[("DateSent>", &tomorrow)], 0),
        (&[("DateSent<", &today)], 1),
        (&[("DateSent<", &yesterday)], 0),
        (&[("DateSent", &today)], 1),
        (&[("DateSent", &yesterday)], 0),
        (&[("DateSent>", &yesterday), ("DateSent<", &tomorrow), ("To", PHONE)], 1),
    ];
    for (query, expected) in cases {
        assert_eq!(bodies(&simulator.list(query).await).len(), expected, "{query:?}");
    }
}

#[tokio::test]
async fn an_invalid_date_is_refused() {
    let simulator = TestSimulator::with_number().await;
    let path = simulator.messages().replace(&simulator.base, "");
    for query in ["DateSent=yesterday", "DateSent%3E=2026-13-01", "PageSize=many", "PageToken=PAnone"] {
        assert_eq!(simulator.get(&format!("{path}?{query}")).await.0, 400, "{query}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_while_messages_arrive() {
    let simulator = TestSimulator::with_number().await;
    five_texts(&simulator).await;
    let first = simulator.list(&[("From", PRODUCT), ("PageSize", "2")]).await;
    assert_list(&first);
    assert_eq!(bodies(&first), ["5", "4"]);
    simulator.send_text("6").await;

    let (_, second) = simulator.get(first["next_page_uri"].as_str().unwrap()).await;
    assert_list(&second);
    assert_eq!((bodies(&second), &second["page"], &second["start"]), (vec!["3", "2"], &1.into(), &2.into()));
    let (_, third) = simulator.get(second["next_page_uri"].as_str().unwrap()).await;
    assert_eq!((bodies(&third), &third["next_page_uri"]), (vec!["1"], &Value::Null));
    let (_, back) = simulator.get(third["first_page_uri"].as_str().unwrap()).await;
    assert_eq!(bodies(&back), ["6", "5"]);
    assert!(second["previous_page_uri"].is_string());
}

#[tokio::test]
async fn a_page_can_be_requested_by_number() {
    let simulator = TestSimulator::with_number().await;
    five_texts(&simulator).await;
    assert_eq!(bodies(&simulator.list(&[("PageSize", "2"), ("Page", "2")]).await), ["1"]);
    let beyond = simulator.list(&[("PageSize", "2"), ("Page", "9")]).await;
    assert!(bodies(&beyond).is_empty() && beyond["next_page_uri"].is_null());
    assert_list(&beyond);
}
