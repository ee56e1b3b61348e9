//! The list of the teams that are swept: who enters, leaves and misses it.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use retention_sweep::{SweepError, handle};
use shared_app::retention::Expired;
use shared_aws::team::{AuditEvent, ExpiringTeam, Organization, Organizations, Retentions};
use shared_domain::{opt_out::SharedOptOutScope, user::User};
use test_kit::{TestApp, build, engine::TABLE};

use super::{DAY, KEPT_DAYS, WORDS, app, edit, keep, now, start, sweep, words};

/// Whatever wrote it, each run reports it, and sweeps the other teams.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_of_the_list_that_cannot_be_read_stops_no_team() {
    let test = start().await;
    let text = |text: &str| AttributeValue::S(text.into());
    let client = aws_sdk_dynamodb::Client::from_conf(test.engine.patient_config().build());
    let put = client.put_item().table_name(TABLE).item("pk", text("RETENTION")).item("sk", text("ORG#0"));
    put.item("team", text("of another version")).send().await.unwrap();
    let swept = handle(&app(&test.table(), test.s3.bucket()), now).await;
    let Err(SweepError::Incomplete(expired)) = swept else { panic!("{swept:?}") };
    assert_eq!(expired, Expired { teams: 1, messages: 3, files: 4, failed: 1, ..Expired::default() });
    assert_eq!(words(&test).await, [WORDS[2]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_that_keeps_messages_forever_again_leaves_the_list() {
    let test = start().await;
    edit(&test, keep(None)).await;
    assert_eq!(sweep(&test, now()).await, Expired::default());
    assert_eq!(words(&test).await, &WORDS[..4]);
    assert!(!test.engine.keys().await.iter().any(|key| key.starts_with("RETENTION ")));

    // A backup may have the entry of a team that has no retention.
    edit(&test, keep(Some(KEPT_DAYS))).await;
    let due = Retentions::new(test.table()).due(now()).await.unwrap();
    let [entry]: [ExpiringTeam; 1] = due.teams.try_into().unwrap();
    edit(&test, keep(None)).await;
    Retentions::new(test.table()).put(&entry).await.unwrap();
    assert_eq!(sweep(&test, now()).await, Expired::default());
    assert_eq!(words(&test).await, &WORDS[..4]);
    assert!(!test.engine.keys().await.iter().any(|key| key.starts_with("RETENTION ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shorter_retention_makes_the_team_due_at_once() {
    let test = start().await;
    sweep(&test, now()).await;
    edit(&test, keep(Some(1))).await;
    let expected = Expired { teams: 1, messages: 1, files: 1, ..Expired::default() };
    assert_eq!(sweep(&test, now()).await, expected);
}

/// Versions that had no sweep stored a retention, but no entry in its list.
async fn without_entry(test: &TestApp) {
    let retentions = Retentions::new(test.table());
    let [entry]: [ExpiringTeam; 1] = retentions.due(now() + DAY * 9).await.unwrap().teams.try_into().unwrap();
    retentions.remove(&entry).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retention_that_the_list_misses_is_found_within_a_day_and_takes_effect_a_day_later() {
    let test = start().await;
    let user = User {
        id: build::user_id("olga"),
        name: "Olga".into(),
        email: "olga@example.com".into(),
        owner: true,
    };
    let event = AuditEvent { actor: &user.id, action: "test", target: "test", at: now(), entropy: 1 };
    let organization = Organization {
        id: test.organization().clone(),
        name: "University".into(),
        owner: user.id.clone(),
        created_at: now(),
        opt_out_scope: SharedOptOutScope::default(),
    };
    Organizations::new(test.table()).create(&organization, &user, &event).await.unwrap();
    without_entry(&test).await;
    assert_eq!(sweep(&test, now()).await, Expired::default());
    let almost = Duration::from_secs(24 * 3600 - 1);
    assert_eq!(sweep(&test, now() + almost).await, Expired::default(), "an owner has a day to look at it");
    assert_eq!(sweep(&test, now() + DAY).await.messages, 3);
    without_entry(&test).await;
    assert_eq!(sweep(&test, now() + DAY + almost).await, Expired::default(), "once a day");
    assert_eq!(sweep(&test, now() + DAY * 2).await, Expired::default());
    assert_eq!(sweep(&test, now() + DAY * 3).await.teams, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_retention_again_adds_a_team_that_the_list_misses() {
    let test = start().await;
    without_entry(&test).await;
    edit(&test, keep(Some(KEPT_DAYS))).await;
    assert_eq!(sweep(&test, now()).await.messages, 3);
}
