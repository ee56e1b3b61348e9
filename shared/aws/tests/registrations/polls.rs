//! The list of pending registrations that the poll reads.

use std::collections::BTreeSet;

use shared_aws::{
    registration::{POLL_LIMIT, PendingRegistration},
    table::keys,
};
use shared_domain::{ids::TeamId, keys::TeamKey, registration::RegistrationStatus::Approved};

use super::TestTeam;
use crate::support::{Item, TestStores, at_second};

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_a_poll_is_recorded_only_while_the_registration_is_pending() {
    let team = TestTeam::submitted().await;
    let pending = team.store().pending().await.unwrap().pop().unwrap();
    team.store().mark_polled(&pending, at_second(60)).await.unwrap();
    let asked = PendingRegistration { asked: Some(at_second(60)), ..pending.clone() };
    assert_eq!(team.store().pending().await.unwrap(), [asked]);
    team.transition_to("EZ1", Approved, 61).await;
    team.store().mark_polled(&pending, at_second(120)).await.unwrap();
    assert!(!team.is_pending().await, "a poll does not make a decided registration pending");
}

/// Writes the items of `count` pending registrations.
async fn put_pending(stores: &TestStores, count: usize) -> BTreeSet<TeamId> {
    let ids = (0..count).map(|index| TeamId::new(at_second(0), index as u64));
    let ids: BTreeSet<TeamId> = ids.collect();
    let item = |team: &TeamId| -> Item {
        let key = keys::pending_registration(TeamKey { organization: stores.organization(), team });
        let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
        Item::from([
            ("pk".to_owned(), text(&key.pk)),
            ("sk".to_owned(), text(&key.sk)),
            ("org".to_owned(), text(stores.organization().as_str())),
            ("team".to_owned(), text(team.as_str())),
        ])
    };
    stores.put_items(ids.iter().map(item).collect()).await;
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pending_registrations_are_listed() {
    let stores = TestStores::start().await;
    let all = put_pending(&stores, 2_345).await;
    let pending = stores.registrations.pending().await.unwrap();
    assert_eq!(pending.len(), all.len());
    assert_eq!(pending.into_iter().map(|pending| pending.team).collect::<BTreeSet<_>>(), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_list_is_read_to_its_limit() {
    let stores = TestStores::start().await;
    put_pending(&stores, POLL_LIMIT + 30).await;
    assert_eq!(stores.registrations.pending().await.unwrap().len(), POLL_LIMIT);
}
