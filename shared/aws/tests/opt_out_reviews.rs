//! Texts that may be wishes for no more texts: put up once, judged once, and honored in the same instant.

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

const WORDS: &str = "please stop texting me";

fn place(stores: &TestStores) -> TeamInboxKey<'_> {
    TeamInboxKey { organization: stores.organization(), team: &stores.inbox.team, inbox: &stores.inbox.id }
}

/// Somebody of the list says it.
async fn said(stores: &TestStores, who: usize, at: Timestamp) -> MessageId {
    stores.contacts.put(stores.inbox.team_key(), &contact(who)).await.unwrap();
    stores.receive(&number(who), WORDS, at).await
}

async fn open_review(stores: &TestStores, who: usize, message: &MessageId) -> bool {
    stores.reviews.open_review(place(stores), message, &number(who), WORDS).await.unwrap()
}

async fn open(stores: &TestStores, limit: u16, after: Option<&str>) -> Page<ReviewEntry> {
    stores.reviews.open(place(stores), limit, after).await.unwrap()
}

async fn waiting(stores: &TestStores) -> Vec<MessageId> {
    open(stores, 100, None).await.items.into_iter().map(|entry| entry.review.message).collect()
}

async fn found(stores: &TestStores, message: &MessageId) -> ReviewEntry {
    stores.reviews.get(place(stores), &ReviewId::of(message)).await.unwrap().unwrap()
}

fn decided(verdict: ReviewOutcome, by: UserRef, at: u64) -> ReviewResolution {
    ReviewResolution { verdict, by, at: at_second(at) }
}

async fn opt_out(reviews: &OptOutReviews, stores: &TestStores, review: &OptOutReview, by: UserRef) -> bool {
    let subject = OptOutSubject::of_team(stores.organization(), &stores.inbox.team, &review.number);
    let standing = stores.opt_outs.get(&subject).await.unwrap();
    let change = after_user(&standing.state, true).expect("it was open");
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
    let decision = decided(ReviewOutcome::OptedOut, by, 50);
    let state = (&standing, &change);
    reviews.resolve_with_opt_out(place(stores), (review, &decision), &subject, state, with).await.unwrap()
}

async fn is_out(stores: &TestStores) -> bool {
    let subject = OptOutSubject::of_team(stores.organization(), &stores.inbox.team, &number(1));
    stores.opt_outs.get(&subject).await.unwrap().state.is_out_by(OptOutSource::User)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_and_repeated_deliveries_open_one_review() {
    let stores = TestStores::start().await;
    let message = said(&stores, 1, at_second(1)).await;
    let mut hosts = JoinSet::new();
    for _ in 0..16 {
        let (reviews, inbox, message) =
            (OptOutReviews::new(stores.table()), stores.inbox.clone(), message.clone());
        hosts.spawn(async move {
            let place =
                TeamInboxKey { organization: &inbox.organization, team: &inbox.team, inbox: &inbox.id };
            reviews.open_review(place, &message, &number(1), WORDS).await.unwrap()
        });
    }
    assert_eq!(hosts.join_all().await.into_iter().filter(|first| *first).count(), 1);
    let ReviewEntry { review, contact: shown } = found(&stores, &message).await;
    assert_eq!((review.text.as_str(), review.number, review.at), (WORDS, number(1), at_second(1)));
    assert_eq!((review.conversation, review.decided), (stores.conversation_id(&number(1)), None));
    assert_eq!(shown, contact(1));
    assert_eq!(waiting(&stores).await, [message]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resolved_review_is_not_listed_and_not_opened_again() {
    let stores = TestStores::start().await;
    let message = said(&stores, 1, at_second(1)).await;
    open_review(&stores, 1, &message).await;
    let review = found(&stores, &message).await.review;
    let decision = decided(ReviewOutcome::Dismissed, ada(), 9);
    assert!(stores.reviews.resolve(place(&stores), &review, &decision).await.unwrap());
    let rows = stores.items().await;
    assert!(!open_review(&stores, 1, &message).await);
    let late = decided(ReviewOutcome::Dismissed, ben(), 10);
    assert!(!stores.reviews.resolve(place(&stores), &review, &late).await.unwrap());
    assert_eq!(stores.items().await, rows);
    assert_eq!(waiting(&stores).await, []);
    assert_eq!(found(&stores, &message).await.review, OptOutReview { decided: Some(decision), ..review });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_concurrent_resolutions_one_succeeds_together_with_its_opt_out() {
    for first in [ReviewOutcome::OptedOut, ReviewOutcome::Dismissed] {
        let stores = TestStores::start().await;
        let message = said(&stores, 1, at_second(1)).await;
        open_review(&stores, 1, &message).await;
        let review = found(&stores, &message).await.review;
        let host = OptOutReviews::new(stores.table());
        let dismissed = decided(ReviewOutcome::Dismissed, ben(), 50);
        let (out, dismissed) = match first {
            ReviewOutcome::OptedOut => tokio::join!(
                opt_out(&host, &stores, &review, ada()),
                stores.reviews.resolve(place(&stores), &review, &dismissed)
            ),
            ReviewOutcome::Dismissed => {
                let (dismissed, out) = tokio::join!(
                    stores.reviews.resolve(place(&stores), &review, &dismissed),
                    opt_out(&host, &stores, &review, ada())
                );
                (out, dismissed)
            }
        };
        assert_ne!(out, dismissed.unwrap(), "one of them");
        let decision = found(&stores, &message).await.review.decided.unwrap();
        assert_eq!((decision.verdict == ReviewOutcome::OptedOut, is_out(&stores).await), (out, out));
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
    for (who, at) in [(1, 10), (2, 20), (1, 30), (3, 40), (2, 50)] {
        let message = said(&stores, who, at_second(at)).await;
        assert!(open_review(&stores, who, &message).await);
        messages.insert(0, message);
    }
    assert_eq!(waiting(&stores).await, messages, "two of them are of one conversation");
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
    let who = [2, 3, 1, 2, 1].map(contact);
    assert_eq!(seen, messages.into_iter().zip(who).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_inbox_has_no_reviews() {
    let stores = TestStores::start().await;
    let message = said(&stores, 1, at_second(1)).await;
    open_review(&stores, 1, &message).await;
    let other = crate::support::other_inbox(1);
    let elsewhere = TeamInboxKey { inbox: &other.id, ..place(&stores) };
    assert_eq!(stores.reviews.open(elsewhere, 9, None).await.unwrap().items, []);
    assert_eq!(stores.reviews.get(elsewhere, &ReviewId::of(&message)).await.unwrap(), None);
    let guessed = ReviewId::parse("rev_1").unwrap();
    assert_eq!(stores.reviews.get(place(&stores), &guessed).await.unwrap(), None);
}
