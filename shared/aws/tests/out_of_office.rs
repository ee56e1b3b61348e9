//! Out of Office: one answer to a contact in a closed period.

use shared_aws::inbox::OutOfOffice;
use shared_domain::{
    contact::Contact,
    keys::{InboxKey, TeamKey},
    message::Message,
    out_of_office::ClosedPeriod,
    time::Timestamp,
};
use tokio::task::JoinSet;

use crate::support::{Desk, ada, contact, draft, number, seconds, shared_inbox};

fn period(id: &str) -> ClosedPeriod {
    ClosedPeriod { id: id.to_owned(), since: seconds(0), until: None }
}

fn answer(at: Timestamp) -> Message {
    let text = draft(&shared_inbox(), &number(1), "We are closed.", &ada(), at);
    Message { sender: None, automatic: true, ..text }
}

async fn say(desk: &Desk, of: &str, at: Timestamp) -> bool {
    desk.out_of_office.answer(desk.organization(), &period(of), &answer(at)).await.unwrap()
}

async fn recent(desk: &Desk, now: Timestamp) -> u32 {
    let conversation = desk.conversation_with(&number(1));
    desk.out_of_office
        .recent(InboxKey { organization: desk.organization(), inbox: &desk.inbox.id }, &conversation, now)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_answers_at_one_instant_one_is_accepted() {
    let desk = Desk::open().await;
    let conversation = desk.conversation_begun_by(&number(1), seconds(1)).await;
    let (before, rows) = (desk.look_at(&conversation).await, desk.rows().await.len());
    let mut rivals = JoinSet::new();
    for place in 0..16 {
        let (away, organization) = (OutOfOffice::new(desk.other_host()), desk.organization().clone());
        rivals.spawn(async move {
            away.answer(&organization, &period("on-1"), &answer(seconds(10 + place))).await.unwrap()
        });
    }
    assert_eq!(rivals.join_all().await.into_iter().filter(|done| *done).count(), 1);
    assert_eq!(desk.rows().await.len(), rows + 3, "the claim, the text and its outbox row");
    assert_eq!(desk.outbox.overdue(seconds(10_000)).await.unwrap().len(), 1);
    assert_eq!(desk.look_at(&conversation).await, before, "nothing moves, and nothing is read");
    assert!(say(&desk, "on-2", seconds(40)).await, "another period");
    assert!(!say(&desk, "on-1", seconds(50)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_the_last_hour_are_counted_for_each_contact() {
    let desk = Desk::open().await;
    desk.conversation_begun_by(&number(1), seconds(1)).await;
    desk.conversation_begun_by(&number(2), seconds(1)).await;
    assert_eq!(recent(&desk, seconds(10)).await, 0);
    for (at, name) in [(10, "a"), (20, "b"), (3_000, "c")] {
        assert!(say(&desk, name, seconds(at)).await);
    }
    let counts = [3_000, 3_609, 3_610, 3_620, 6_600].map(seconds);
    for (now, wanted) in counts.into_iter().zip([3, 3, 2, 1, 0]) {
        assert_eq!(recent(&desk, now).await, wanted, "{now:?}");
    }
    let other = desk.conversation_with(&number(2));
    let of_other = desk
        .out_of_office
        .recent(InboxKey { organization: desk.organization(), inbox: &desk.inbox.id }, &other, seconds(30))
        .await;
    assert_eq!(of_other.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_opted_out_is_blocked_or_never_wrote_gets_none() {
    for contact in [Contact { opted_out: true, ..contact(1) }, Contact { blocked: true, ..contact(1) }] {
        let desk = Desk::open().await;
        desk.contacts
            .put(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, &contact)
            .await
            .unwrap();
        desk.conversation_begun_by(&number(1), seconds(1)).await;
        let rows = desk.rows().await;
        assert!(!say(&desk, "on-1", seconds(10)).await);
        assert_eq!(desk.rows().await, rows);
    }
    let desk = Desk::open().await;
    assert!(!say(&desk, "on-1", seconds(10)).await);
    assert!(desk.rows().await.is_empty());
}
