//! Tickets, and the places of a user's connections when many are opened at once.

use std::time::Duration;

use shared_aws::realtime::{MAX_SOCKETS_PER_USER, NewSocket, Sockets, Ticket, Tickets, View};
use shared_domain::ids::{ConversationId, UserId};
use tokio::task::JoinSet;

use crate::support::{START, TestStores, shared_inbox};

fn socket(connection: usize) -> NewSocket {
    let token_expires_at = START + Duration::from_hours(1);
    NewSocket {
        connection: format!("connection-{connection}"),
        owner: false,
        token_expires_at,
        cursor: "cursor".into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_many_redeem_is_valid_once() {
    let stores = TestStores::start().await;
    let tickets = Tickets::new(stores.table());
    let ticket = Ticket {
        organization: shared_inbox().organization,
        user: UserId::parse("ada").unwrap(),
        name: "Ada".into(),
        owner: true,
        token_expires_at: START + Duration::from_hours(1),
        cursor: "cursor".into(),
    };
    tickets.issue("secret", &ticket, START + Duration::from_secs(30)).await.unwrap();
    assert_eq!(tickets.redeem("secret", START + Duration::from_secs(30)).await.unwrap(), None);
    let mut attempts = JoinSet::new();
    for _ in 0..8 {
        let tickets = tickets.clone();
        attempts.spawn(async move { tickets.redeem("secret", START).await.unwrap() });
    }
    let redeemed: Vec<_> = attempts.join_all().await.into_iter().flatten().collect();
    assert_eq!(redeemed, [ticket]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_connections_that_open_at_once_a_user_gets_ten() {
    let stores = TestStores::start().await;
    let (sockets, organization) = (Sockets::new(stores.table()), shared_inbox().organization);
    let user = UserId::parse("ada").unwrap();
    let mut attempts = JoinSet::new();
    for connection in 0..30 {
        let (sockets, organization, user) = (sockets.clone(), organization.clone(), user.clone());
        attempts.spawn(async move {
            sockets.open(&organization, &user, &socket(connection), START).await.unwrap()
        });
    }
    let places: Vec<_> = attempts.join_all().await.into_iter().flatten().collect();
    assert_eq!(places.len(), usize::from(MAX_SOCKETS_PER_USER));
    let mut slots: Vec<_> = places.iter().map(|place| place.slot).collect();
    slots.sort_unstable();
    assert_eq!(slots, (0..MAX_SOCKETS_PER_USER).collect::<Vec<_>>());
    assert_eq!(sockets.of_user(&organization, &user).await.unwrap().len(), places.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_takes_the_place_of_one_that_ended_by_its_age_and_is_not_closed_for_it() {
    let stores = TestStores::start().await;
    let (sockets, organization) = (Sockets::new(stores.table()), shared_inbox().organization);
    let user = UserId::parse("ada").unwrap();
    for connection in 0..10 {
        sockets.open(&organization, &user, &socket(connection), START).await.unwrap().unwrap();
    }
    let open = async |at| sockets.open(&organization, &user, &socket(10), at).await.unwrap();
    assert_eq!(open(START + Duration::from_mins(129)).await, None);
    let place = open(START + Duration::from_mins(131)).await.unwrap();

    let old = format!("connection-{}", place.slot);
    assert_eq!(sockets.close(&place, &old).await.unwrap(), None, "its end is reported late");
    assert!(!sockets.renew(&place, &old, false, START).await.unwrap());
    assert!(!sockets.set_view(&place, &old, None).await.unwrap());
    let conversation = ConversationId::parse("cnv_1").unwrap();
    let view = View { inbox: shared_inbox().id, conversation };
    assert!(sockets.set_view(&place, "connection-10", Some(&view)).await.unwrap());
    let closed = sockets.close(&place, "connection-10").await.unwrap().unwrap();
    assert_eq!(closed.view, Some(view));
}
