//! Series: each occurrence schedules the next.

use std::time::Duration;

use serde_json::{Value, json};
use shared_app::broadcast::BroadcastSweep;
use shared_aws::team::{AuditEvent, Members};
use shared_domain::{
    keys::TeamKey, membership::Role, registration::RegistrationStatus, team::Team, time::Timestamp,
};
use shared_lambda::clock::now;
use test_kit::{build, gateway::Event, queue::broadcast_queue};

use super::{Broadcasting, CHANGE, CONFIRM, ESTIMATE, LIST};

/// ◆ product 8a: recurring; each occurrence is evaluated again, and a missed one is skipped.
#[tokio::test(flavor = "multi_thread")]
async fn each_occurrence_of_a_series_schedules_the_next_and_a_missed_one_is_skipped() {
    let it = Broadcasting::start().await;
    let id = it.draft(&[it.test.contact.as_str()], "Practice today").await;
    let first = now() + Duration::from_hours(24);
    let recurrence = json!({ "frequency": "daily", "count": 4, "timeZone": "America/New_York" });
    let change = json!({ "scheduledAt": first.to_string(), "recurrence": recurrence });
    let (status, changed) = it.of("ada", CHANGE, &id, Some(change)).await;
    assert_eq!((status, &changed["recurrence"]["timeZone"]), (200, &json!("America/New_York")), "{changed}");
    it.confirm(&id).await;
    let sweep = BroadcastSweep::new(&it.test.table(), broadcast_queue(&it.test.queue.url));
    let pass = async |at: Timestamp| {
        it.test.queue.drain();
        sweep.run(at).await.unwrap();
        it.work(at).await;
        let (_, list) = it.call(&Event::new(LIST, &[]).user("org_1", "ada")).await;
        let status = |one: &Value| one["status"].as_str().unwrap().to_owned();
        list["items"].as_array().unwrap().iter().rev().map(status).collect::<Vec<_>>()
    };
    assert_eq!(pass(first).await, ["running", "scheduled"]);
    assert_eq!(pass(first).await.len(), 2, "it starts once");
    let days = |count: u64| first + Duration::from_hours(24 * count + 2);
    assert_eq!(pass(days(1)).await[1..], ["failed", "scheduled"], "two hours late");
    let last = first + Duration::from_hours(24 * 3);
    let statuses = pass(days(2)).await;
    assert_eq!(statuses[1..], ["failed", "failed", "scheduled"]);
    assert_eq!(
        pass(last + Duration::from_secs(1)).await[1..],
        ["failed", "failed", "running"],
        "the last one"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_needs_a_time_and_valid_fields() {
    let it = Broadcasting::start().await;
    let id = it.draft(&["+12025550143"], "Practice today").await;
    let at = (now() + Duration::from_hours(24)).to_string();
    for (change, pointer) in [
        (json!({ "recurrence": { "frequency": "daily" } }), "/recurrence"),
        (json!({ "scheduledAt": at, "recurrence": { "frequency": "hourly" } }), "/recurrence/frequency"),
        (
            json!({ "scheduledAt": at, "recurrence": { "frequency": "daily", "timeZone": "Mars" } }),
            "/recurrence/timeZone",
        ),
        (
            json!({ "scheduledAt": at, "recurrence": { "frequency": "daily", "count": 0 } }),
            "/recurrence/count",
        ),
        (json!({ "question": { "kind": "open" } }), "/question/kind"),
    ] {
        let (status, refused) = it.of("ada", CHANGE, &id, Some(change)).await;
        assert_eq!((status, refused["errors"][0]["pointer"].as_str()), (422, Some(pointer)), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_is_not_confirmed_after_its_first_time() {
    let it = Broadcasting::start().await;
    let id = it.draft(&["+12025550143"], "Practice today").await;
    let first = now() + Duration::from_secs(60);
    let change = json!({ "scheduledAt": first.to_string(), "recurrence": { "frequency": "daily" } });
    assert_eq!(it.of("ada", CHANGE, &id, Some(change)).await.0, 200);
    let later = first + Duration::from_secs(1);
    let event = |route| Event::new(route, &[("broadcastId", &id)]).user("org_1", "ada");
    let (_, estimate) = it.call_at(later, &event(ESTIMATE)).await;
    let body = json!({ "estimateId": estimate["estimateId"] });
    let (status, refused) = it.call_at(later, &event(CONFIRM).json(&body)).await;
    assert_eq!((status, &refused["code"]), (409, &json!("estimate_stop")));
    let stops = refused["checks"].as_array().unwrap().iter().filter(|check| check["level"] == "stop");
    assert_eq!(stops.map(|check| &check["code"]).collect::<Vec<_>>(), ["schedule"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_occurrences_of_a_series_that_cannot_be_sent_do_not_pile_up() {
    let it = Broadcasting::start().await;
    let id = it.draft(&["+12025550143"], "Practice today").await;
    let first = now() + Duration::from_secs(60);
    let change = json!({ "scheduledAt": first.to_string(), "recurrence": { "frequency": "daily" } });
    it.of("ada", CHANGE, &id, Some(change)).await;
    it.confirm(&id).await;
    let suspended = Team { registration: RegistrationStatus::Suspended, ..it.test.team.clone() };
    it.test.add_team(it.test.organization(), &suspended).await;
    it.work(first).await;
    let skipped = it.read(&id).await;
    assert_eq!(skipped["status"], "failed", "{skipped}");
    assert!(skipped["reason"].as_str().unwrap().contains("could not send"), "{skipped}");
    let (_, list) = it.call(&Event::new(LIST, &[]).user("org_1", "ada")).await;
    assert_eq!(list["items"][0]["status"], "scheduled", "the next one");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_occurrence_whose_sender_lost_the_right_to_broadcast_is_skipped() {
    for is_removed in [false, true] {
        let it = Broadcasting::start().await;
        let id = it.draft(&["+12025550143"], "Practice today").await;
        let first = now() + Duration::from_secs(60);
        let change = json!({ "scheduledAt": first.to_string(), "recurrence": { "frequency": "daily" } });
        it.of("ada", CHANGE, &id, Some(change)).await;
        it.confirm(&id).await;
        if is_removed {
            let members = Members::new(it.test.table());
            let ada = build::user_id("ada");
            let event =
                AuditEvent { actor: &ada, action: "member.remove", target: "ada", at: now(), entropy: 9 };
            let team = TeamKey { organization: it.test.organization(), team: &it.test.team.id };
            members.remove(team, it.test.inbox.key(), &ada, &event).await.unwrap();
        } else {
            let member = [("team_1", Role::Member)];
            it.test.add_user(it.test.organization(), &build::user("ada"), &member).await;
        }
        it.work(first).await;
        let skipped = it.read(&id).await;
        assert_eq!(skipped["status"], "failed", "{skipped}");
        assert!(skipped["reason"].as_str().unwrap().contains("may no longer send"), "{skipped}");
        let (_, list) = it.call(&Event::new(LIST, &[]).user("org_1", "bob")).await;
        let next = &list["items"][0];
        assert_eq!(next["status"], "scheduled", "the next one");
        assert!(it.test.history().await.is_empty());
        // Another user confirms the next one, which is then sent in that user's name.
        let next = next["broadcastId"].as_str().unwrap();
        let admin = [("team_1", Role::Admin)];
        it.test.add_user(it.test.organization(), &build::user("bob"), &admin).await;
        let (_, estimate) = it.of("bob", ESTIMATE, next, None).await;
        let body = json!({ "estimateId": estimate["estimateId"] });
        let (status, confirmed) = it.of("bob", CONFIRM, next, Some(body)).await;
        assert_eq!((status, &confirmed["confirmedBy"]["userId"]), (202, &json!("bob")), "{confirmed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_time_of_a_later_occurrence_keeps_the_series() {
    let it = Broadcasting::start().await;
    let id = it.draft(&["+12025550143"], "Practice today").await;
    let first = now() + Duration::from_secs(60);
    let series = json!({ "frequency": "daily", "count": 2, "timeZone": "America/New_York" });
    it.of("ada", CHANGE, &id, Some(json!({ "scheduledAt": first.to_string(), "recurrence": series }))).await;
    it.confirm(&id).await;
    it.work(first).await;
    let (_, list) = it.call(&Event::new(LIST, &[]).user("org_1", "ada")).await;
    let last = list["items"][0]["broadcastId"].as_str().unwrap().to_owned();
    let moved = first + Duration::from_hours(30);
    let (status, _) = it.of("ada", CHANGE, &last, Some(json!({ "scheduledAt": moved.to_string() }))).await;
    assert_eq!(status, 200);
    it.confirm(&last).await;
    BroadcastSweep::new(&it.test.table(), broadcast_queue(&it.test.queue.url)).run(moved).await.unwrap();
    it.work(moved).await;
    let (_, list) = it.call(&Event::new(LIST, &[]).user("org_1", "ada")).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 2, "it was the last one");
    let (status, refused) = it.of("ada", CHANGE, &last, Some(json!({ "scheduledAt": null }))).await;
    assert_eq!(status, 409, "{refused}");
}

/// One that is moved to the day before does not come again at its own time.
#[tokio::test(flavor = "multi_thread")]
async fn an_occurrence_that_was_moved_earlier_is_sent_once() {
    let it = Broadcasting::start().await;
    let id = it.draft(&["+12025550143"], "Practice tomorrow").await;
    let day = |days: u64| now() + Duration::from_hours(24 * days);
    let first = day(1);
    let series = json!({ "frequency": "daily", "timeZone": "UTC" });
    it.of("ada", CHANGE, &id, Some(json!({ "scheduledAt": first.to_string(), "recurrence": series }))).await;
    it.confirm(&id).await;
    it.sweep(first).await;
    it.work(first).await;
    let list = async || it.call(&Event::new(LIST, &[]).user("org_1", "ada")).await.1["items"].clone();
    let second = list().await[0].clone();
    let planned = Timestamp::parse(second["scheduledAt"].as_str().unwrap()).unwrap();
    let (second, moved) =
        (second["broadcastId"].as_str().unwrap(), planned - Duration::from_mins(24 * 60 - 1));
    it.of("ada", CHANGE, second, Some(json!({ "scheduledAt": moved.to_string() }))).await;
    it.confirm(second).await;
    it.sweep(moved).await;
    it.work(moved).await;
    let third = list().await[0]["scheduledAt"].as_str().unwrap().to_owned();
    assert_eq!(Timestamp::parse(&third), Some(planned + Duration::from_hours(24)));
}
