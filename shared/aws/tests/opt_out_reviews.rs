//! Texts that may be wishes for no more texts: put up once, judged once, and honored in the same instant.

use shared_aws::{
    opt_out::{InboxInTeam, OptOutReviews, OptOutWrite, ReviewEntry},
    table::Page,
};
use shared_domain::{
    ids::{MessageId, ReviewId},
    keys::TeamKey,
    opt_out::{OptOutReview, OptOutSource, OptOutSubject, ReviewOutcome, ReviewResolution, after_user},
    time::Timestamp,
    user::UserRef,
};
use tokio::task::JoinSet;

use crate::support::{Desk, ada, ben, contact, number, seconds};

const WORDS: &str = "please stop texting me";

fn place(desk: &Desk) -> InboxInTeam<'_> {
    InboxInTeam { organization: desk.organization(), team: &desk.inbox.team, inbox: &desk.inbox.id }
}

/// Somebody of the list says it.
async fn said(desk: &Desk, who: usize, at: Timestamp) -> MessageId {
    desk.contacts
        .put(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, &contact(who))
        .await
        .unwrap();
    desk.hear(&number(who), WORDS, at).await
}

async fn open_review(desk: &Desk, who: usize, message: &MessageId) -> bool {
    desk.reviews.open_review(place(desk), message, &number(who), WORDS).await.unwrap()
}

async fn open(desk: &Desk, limit: u16, after: Option<&str>) -> Page<ReviewEntry> {
    desk.reviews.open(place(desk), limit, after).await.unwrap()
}

async fn waiting(desk: &Desk) -> Vec<MessageId> {
    open(desk, 100, None).await.items.into_iter().map(|entry| entry.review.message).collect()
}

async fn found(desk: &Desk, message: &MessageId) -> ReviewEntry {
    desk.reviews.get(place(desk), &ReviewId::of(message)).await.unwrap().unwrap()
}

fn decided(verdict: ReviewOutcome, by: UserRef, at: u64) -> ReviewResolution {
    ReviewResolution { verdict, by, at: seconds(at) }
}

async fn opt_out(reviews: &OptOutReviews, desk: &Desk, review: &OptOutReview, by: UserRef) -> bool {
    let subject = OptOutSubject::of_team(desk.organization(), &desk.inbox.team, &review.number);
    let standing = desk.opt_outs.get(&subject).await.unwrap();
    let change = after_user(&standing.state, true).expect("it was open");
    let (known, at) = (contact(1), seconds(50));
    let message = Some(review.message.clone());
    let entry = change.entry(&subject, known.id.clone(), message, Some(by.id.clone()), at);
    let with = OptOutWrite {
        team: &desk.inbox.team,
        contact: &known,
        entry: &entry,
        inbox: None,
        confirmation: None,
        notify: true,
    };
    let decision = decided(ReviewOutcome::OptedOut, by, 50);
    let state = (&standing, &change);
    reviews.resolve_with_opt_out(place(desk), (review, &decision), &subject, state, with).await.unwrap()
}

async fn is_out(desk: &Desk) -> bool {
    let subject = OptOutSubject::of_team(desk.organization(), &desk.inbox.team, &number(1));
    desk.opt_outs.get(&subject).await.unwrap().state.is_out_by(OptOutSource::User)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_text_is_put_up_once_whoever_comes_at_once_and_again() {
    let desk = Desk::open().await;
    let message = said(&desk, 1, seconds(1)).await;
    let mut hosts = JoinSet::new();
    for _ in 0..16 {
        let (reviews, inbox, message) =
            (OptOutReviews::new(desk.other_host()), desk.inbox.clone(), message.clone());
        hosts.spawn(async move {
            let place =
                InboxInTeam { organization: &inbox.organization, team: &inbox.team, inbox: &inbox.id };
            reviews.open_review(place, &message, &number(1), WORDS).await.unwrap()
        });
    }
    assert_eq!(hosts.join_all().await.into_iter().filter(|first| *first).count(), 1);
    let ReviewEntry { review, contact: shown } = found(&desk, &message).await;
    assert_eq!((review.text.as_str(), review.number, review.at), (WORDS, number(1), seconds(1)));
    assert_eq!((review.conversation, review.decided), (desk.conversation_with(&number(1)), None));
    assert_eq!(shown, contact(1));
    assert_eq!(waiting(&desk).await, [message]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_waits_no_longer_and_is_not_put_up_again() {
    let desk = Desk::open().await;
    let message = said(&desk, 1, seconds(1)).await;
    open_review(&desk, 1, &message).await;
    let review = found(&desk, &message).await.review;
    let decision = decided(ReviewOutcome::Dismissed, ada(), 9);
    assert!(desk.reviews.resolve(place(&desk), &review, &decision).await.unwrap());
    let rows = desk.rows().await;
    assert!(!open_review(&desk, 1, &message).await);
    let late = decided(ReviewOutcome::Dismissed, ben(), 10);
    assert!(!desk.reviews.resolve(place(&desk), &review, &late).await.unwrap());
    assert_eq!(desk.rows().await, rows);
    assert_eq!(waiting(&desk).await, []);
    assert_eq!(found(&desk, &message).await.review, OptOutReview { decided: Some(decision), ..review });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_who_decide_at_once_one_wins_and_the_opt_out_goes_with_the_decision() {
    for first in [ReviewOutcome::OptedOut, ReviewOutcome::Dismissed] {
        let desk = Desk::open().await;
        let message = said(&desk, 1, seconds(1)).await;
        open_review(&desk, 1, &message).await;
        let review = found(&desk, &message).await.review;
        let host = OptOutReviews::new(desk.other_host());
        let dismissed = decided(ReviewOutcome::Dismissed, ben(), 50);
        let (out, dismissed) = match first {
            ReviewOutcome::OptedOut => tokio::join!(
                opt_out(&host, &desk, &review, ada()),
                desk.reviews.resolve(place(&desk), &review, &dismissed)
            ),
            ReviewOutcome::Dismissed => {
                let (dismissed, out) = tokio::join!(
                    desk.reviews.resolve(place(&desk), &review, &dismissed),
                    opt_out(&host, &desk, &review, ada())
                );
                (out, dismissed)
            }
        };
        assert_ne!(out, dismissed.unwrap(), "one of them");
        let decision = found(&desk, &message).await.review.decided.unwrap();
        assert_eq!((decision.verdict == ReviewOutcome::OptedOut, is_out(&desk).await), (out, out));
        let all = (seconds(0), seconds(99));
        let ledger = desk
            .opt_outs
            .of_team(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, all, 9, None)
            .await
            .unwrap();
        let lines: Vec<_> = ledger.items.iter().map(|line| (line.source, line.message.clone())).collect();
        assert_eq!(lines, if out { vec![(OptOutSource::User, Some(message))] } else { vec![] });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_has_pages_newest_first_with_the_contacts_of_now() {
    let desk = Desk::open().await;
    let mut messages = Vec::new();
    for (who, at) in [(1, 10), (2, 20), (1, 30), (3, 40), (2, 50)] {
        let message = said(&desk, who, seconds(at)).await;
        assert!(open_review(&desk, who, &message).await);
        messages.insert(0, message);
    }
    assert_eq!(waiting(&desk).await, messages, "two of them are of one conversation");
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = open(&desk, 2, after.as_deref()).await;
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
async fn another_inbox_has_none_of_it() {
    let desk = Desk::open().await;
    let message = said(&desk, 1, seconds(1)).await;
    open_review(&desk, 1, &message).await;
    let other = crate::support::another_inbox(1);
    let elsewhere = InboxInTeam { inbox: &other.id, ..place(&desk) };
    assert_eq!(desk.reviews.open(elsewhere, 9, None).await.unwrap().items, []);
    assert_eq!(desk.reviews.get(elsewhere, &ReviewId::of(&message)).await.unwrap(), None);
    let guessed = ReviewId::parse("rev_1").unwrap();
    assert_eq!(desk.reviews.get(place(&desk), &guessed).await.unwrap(), None);
}
