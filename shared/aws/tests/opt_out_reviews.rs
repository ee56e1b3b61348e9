//! Opt-out reviews: each is opened once and resolved once, together with its opt-out.

use shared_aws::{
    opt_out::{OptOutReviews, OptOutWrite, ReviewEntry},
    table::Page,
};
use shared_domain::{
    ids::{MessageId, ReviewId},
    keys::TeamInboxKey,
    opt_out::{OptOutReview, OptOutSource, OptOutSubject, ReviewOutcome, ReviewResolution, after_user},
    time::Timestamp,
    user::UserRef,
};
use tokio::task::JoinSet;

use crate::support::{TestStores, ada, at_second, ben, contact, number};

const TEXT: &str = "please stop texting me";

fn inbox_in_team(stores: &TestStores) -> TeamInboxKey<'_> {
    TeamInboxKey { organization: stores.organization(), team: &stores.inbox.team, inbox: &stores.inbox.id }
}

/// Receives the message from a known contact.
async fn receive_from(stores: &TestStores, index: usize, at: Timestamp) -> MessageId {
    stores.contacts.put(stores.inbox.team_key(), &contact(index)).await.unwrap();
    stores.receive(&number(index), TEXT, at).await
}

async fn open_review(stores: &TestStores, index: usize, message: &MessageId) -> bool {
    stores.reviews.open_review(inbox_in_team(stores), message, &number(index), TEXT).await.unwrap()
}

async fn open(stores: &TestStores, limit: u16, after: Option<&str>) -> Page<ReviewEntry> {
    stores.reviews.open(inbox_in_team(stores), limit, after).await.unwrap()
}

async fn open_messages(stores: &TestStores) -> Vec<MessageId> {
    open(stores, 100, None).await.items.into_iter().map(|entry| entry.review.message).collect()
}

async fn stored_review(stores: &TestStores, message: &MessageId) -> ReviewEntry {
    stores.reviews.get(inbox_in_team(stores), &ReviewId::of(message)).await.unwrap().unwrap()
}

fn resolution(outcome: ReviewOutcome, by: UserRef, at: u64) -> ReviewResolution {
    ReviewResolution { outcome, by, at: at_second(at) }
}

async fn opt_out(reviews: &OptOutReviews, stores: &TestStores, review: &OptOutReview, by: UserRef) -> bool {
    let subject = OptOutSubject::of_team(stores.organization(), &stores.inbox.team, &review.number);
    let before = stores.opt_outs.get(&subject).await.unwrap();
    let change = after_user(&before.state, true).expect("the contact was opted in");
    let (known, at) = (contact(1), at_second(50));
    let message = Some(review.message.clone());
    let entry = change.entry(&subject, known.id.clone(), message, Some(by.id.clone()), at);
    let with = OptOutWrite {
        team: &stores.inbox.team,
        contact: &known,
        entry: &entry,
        inbox: None,
        confirmation: None,
        notify: true,
    };
    let decision = resolution(ReviewOutcome::OptedOut, by, 50);
    let state = (&before, &change);
    reviews
        .resolve_with_opt_out(inbox_in_team(stores), (review, &decision), &subject, state, with)
        .await
        .unwrap()
}

async fn is_opted_out(stores: &TestStores) -> bool {
    let subject = OptOutSubject::of_team(stores.organization(), &stores.inbox.team, &number(1));
    stores.opt_outs.get(&subject).await.unwrap().state.is_out_by(OptOutSource::User)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_and_repeated_deliveries_open_one_review() {
    let stores = TestStores::start().await;
    let message = receive_from(&stores, 1, at_second(1)).await;
    let mut hosts = JoinSet::new();
    for _ in 0..16 {
        let (reviews, inbox, message) =
            (OptOutReviews::new(stores.table()), stores.inbox.clone(), message.clone());
        hosts.spawn(async move {
            let inbox_in_team =
                TeamInboxKey { organization: &inbox.organization, team: &inbox.team, inbox: &inbox.id };
            reviews.open_review(inbox_in_team, &message, &number(1), TEXT).await.unwrap()
        });
    }
    assert_eq!(hosts.join_all().await.into_iter().filter(|first| *first).count(), 1);
    let ReviewEntry { review, contact: shown } = stored_review(&stores, &message).await;
    assert_eq!((review.text.as_str(), review.number, review.at), (TEXT, number(1), at_second(1)));
    assert_eq!((review.conversation, review.decided), (stores.conversation_id(&number(1)), None));
    assert_eq!(shown, contact(1));
    assert_eq!(open_messages(&stores).await, [message]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resolved_review_is_not_listed_and_not_opened_again() {
    let stores = TestStores::start().await;
    let message = receive_from(&stores, 1, at_second(1)).await;
    open_review(&stores, 1, &message).await;
    let review = stored_review(&stores, &message).await.review;
    let decision = resolution(ReviewOutcome::Dismissed, ada(), 9);
    assert!(stores.reviews.resolve(inbox_in_team(&stores), &review, &decision).await.unwrap());
    let items = stores.items().await;
    assert!(!open_review(&stores, 1, &message).await);
    let late = resolution(ReviewOutcome::Dismissed, ben(), 10);
    assert!(!stores.reviews.resolve(inbox_in_team(&stores), &review, &late).await.unwrap());
    assert_eq!(stores.items().await, items);
    assert_eq!(open_messages(&stores).await, []);
    assert_eq!(
        stored_review(&stores, &message).await.review,
        OptOutReview { decided: Some(decision), ..review }
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_concurrent_resolutions_one_succeeds_together_with_its_opt_out() {
    for first in [ReviewOutcome::OptedOut, ReviewOutcome::Dismissed] {
        let stores = TestStores::start().await;
        let message = receive_from(&stores, 1, at_second(1)).await;
        open_review(&stores, 1, &message).await;
        let review = stored_review(&stores, &message).await.review;
        let host = OptOutReviews::new(stores.table());
        let dismissed = resolution(ReviewOutcome::Dismissed, ben(), 50);
        let (out, dismissed) = match first {
            ReviewOutcome::OptedOut => tokio::join!(
                opt_out(&host, &stores, &review, ada()),
                stores.reviews.resolve(inbox_in_team(&stores), &review, &dismissed)
            ),
            ReviewOutcome::Dismissed => {
                let (dismissed, out) = tokio::join!(
                    stores.reviews.resolve(inbox_in_team(&stores), &review, &dismissed),
                    opt_out(&host, &stores, &review, ada())
                );
                (out, dismissed)
            }
        };
        assert_ne!(out, dismissed.unwrap(), "exactly one succeeds");
        let decision = stored_review(&stores, &message).await.review.decided.unwrap();
        assert_eq!((decision.outcome == ReviewOutcome::OptedOut, is_opted_out(&stores).await), (out, out));
        let all = (at_second(0), at_second(99));
        let ledger = stores.opt_outs.of_team(stores.inbox.team_key(), all, 9, None).await.unwrap();
        let lines: Vec<_> = ledger.items.iter().map(|line| (line.source, line.message.clone())).collect();
        assert_eq!(lines, if out { vec![(OptOutSource::User, Some(message))] } else { vec![] });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_paged_newest_first_with_current_contacts() {
    let stores = TestStores::start().await;
    let mut messages = Vec::new();
    for (index, at) in [(1, 10), (2, 20), (1, 30), (3, 40), (2, 50)] {
        let message = receive_from(&stores, index, at_second(at)).await;
        assert!(open_review(&stores, index, &message).await);
        messages.insert(0, message);
    }
    assert_eq!(open_messages(&stores).await, messages, "two reviews are of one conversation");
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = open(&stores, 2, after.as_deref()).await;
        assert!(page.items.len() <= 2);
        seen.extend(page.items.into_iter().map(|entry| (entry.review.message, entry.contact)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let index = [2, 3, 1, 2, 1].map(contact);
    assert_eq!(seen, messages.into_iter().zip(index).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_inbox_has_no_reviews() {
    let stores = TestStores::start().await;
    let message = receive_from(&stores, 1, at_second(1)).await;
    open_review(&stores, 1, &message).await;
    let other = crate::support::other_inbox(1);
    let elsewhere = TeamInboxKey { inbox: &other.id, ..inbox_in_team(&stores) };
    assert_eq!(stores.reviews.open(elsewhere, 9, None).await.unwrap().items, []);
    assert_eq!(stores.reviews.get(elsewhere, &ReviewId::of(&message)).await.unwrap(), None);
    let guessed = ReviewId::parse("rev_1").unwrap();
    assert_eq!(stores.reviews.get(inbox_in_team(&stores), &guessed).await.unwrap(), None);
}
