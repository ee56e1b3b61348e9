//! Opt-outs: one of many at once, what is stored with it, and the ledgers.

use shared_aws::{
    opt_out::{OptOutRecord, OptOutWrite, OptOuts},
    table::Page,
};
use shared_domain::{
    contact::Contact,
    ids::MessageId,
    inbox::{Inbox, InboxKind},
    keys::TeamKey,
    message::Message,
    opt_out::{
        Keyword, KeywordDecision, KeywordReplies, LedgerEntry, OptOutChange, OptOutSource, OptOutState,
        OptOutSubject, after_keyword, after_user,
    },
    time::Timestamp,
};
use tokio::task::JoinSet;

use crate::support::{Desk, ada, contact, draft, number, seconds, shared_inbox};

/// The front desk, with somebody on its list.
async fn desk() -> Desk {
    let desk = Desk::open().await;
    desk.contacts
        .put(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, &contact(1))
        .await
        .unwrap();
    desk
}

fn personal() -> Inbox {
    Inbox { kind: InboxKind::Personal, ..shared_inbox() }
}

fn said(standing: &OptOutRecord, keyword: Keyword) -> OptOutChange {
    match after_keyword(&standing.state, keyword, true, KeywordReplies::Product, false) {
        KeywordDecision::Keyword { change: Some(change), .. } => change,
        other => panic!("nothing changes: {other:?}"),
    }
}

fn text(at: Timestamp) -> MessageId {
    draft(&shared_inbox(), &number(1), "STOP", &ada(), at).id
}

async fn record(
    opt_outs: &OptOuts,
    inbox: &Inbox,
    (standing, change): (&OptOutRecord, &OptOutChange),
    confirmation: Option<&Message>,
    at: Timestamp,
) -> bool {
    let (subject, known): (_, Contact) = (OptOutSubject::of(inbox, &number(1)), contact(1));
    let by_keyword = change.source == OptOutSource::Keyword;
    let entry = change.entry(&subject, known.id.clone(), by_keyword.then(|| text(at)), None, at);
    let inbox_of_keyword = by_keyword.then_some(&inbox.id);
    let recorded = OptOutWrite {
        team: &inbox.team,
        contact: &known,
        entry: &entry,
        inbox: inbox_of_keyword,
        confirmation,
        notify: true,
    };
    opt_outs.record(&subject, standing, change, recorded).await.unwrap()
}

async fn standing(desk: &Desk, inbox: &Inbox) -> OptOutRecord {
    desk.opt_outs.get(&OptOutSubject::of(inbox, &number(1))).await.unwrap()
}

async fn flag(desk: &Desk) -> bool {
    let found = desk
        .contacts
        .get(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, &contact(1).id)
        .await;
    found.unwrap().unwrap().opted_out
}

async fn say(desk: &Desk, inbox: &Inbox, keyword: Keyword, at: Timestamp) {
    let before = standing(desk, inbox).await;
    assert!(record(&desk.opt_outs, inbox, (&before, &said(&before, keyword)), None, at).await);
}

async fn ledger(
    desk: &Desk,
    from: Timestamp,
    to: Timestamp,
    limit: u16,
    after: Option<&str>,
) -> Page<LedgerEntry> {
    let team = &desk.inbox.team;
    desk.opt_outs
        .of_team(TeamKey { organization: desk.organization(), team }, (from, to), limit, after)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_identical_changes_one_is_recorded_with_one_line_and_one_confirmation() {
    let desk = desk().await;
    let before = desk.rows().await.len();
    let start = standing(&desk, &desk.inbox).await;
    let mut rivals = JoinSet::new();
    for place in 0..16 {
        let (opt_outs, start, inbox) = (OptOuts::new(desk.other_host()), start.clone(), desk.inbox.clone());
        rivals.spawn(async move {
            let at = seconds(10 + place);
            let confirmation = Message { sender: None, ..draft(&inbox, &number(1), "Done.", &ada(), at) };
            let change = said(&start, Keyword::Stop);
            record(&opt_outs, &inbox, (&start, &change), Some(&confirmation), at).await
        });
    }
    let done = rivals.join_all().await.into_iter().filter(|done| *done).count();
    assert_eq!(done, 1);
    assert!(standing(&desk, &desk.inbox).await.state.is_out() && flag(&desk).await);
    let lines = ledger(&desk, seconds(0), seconds(100), 50, None).await.items;
    assert_eq!(lines.len(), 1);
    let conversation = desk.conversation_with(&number(1));
    let history = desk.messages.history(desk.organization(), &conversation, 50, None).await.unwrap();
    assert_eq!(history.items.len(), 1);
    let waiting = desk.outbox.overdue(seconds(10_000)).await.unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].message, history.items[0].id);
    assert_eq!(desk.rows().await.len(), before + 6, "state, two lines, text, outbox row and notice");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_a_change_writes_nothing() {
    let desk = desk().await;
    let old = standing(&desk, &desk.inbox).await;
    say(&desk, &desk.inbox, Keyword::Stop, seconds(10)).await;
    let out = standing(&desk, &desk.inbox).await;
    say(&desk, &desk.inbox, Keyword::Start, seconds(20)).await;
    let rows = desk.rows().await;
    for stale in [&old, &out] {
        let change = after_user(&stale.state, !stale.state.is_out()).unwrap();
        assert!(!record(&desk.opt_outs, &desk.inbox, (stale, &change), None, seconds(30)).await);
        let subject = OptOutSubject::of(&desk.inbox, &number(1));
        assert!(!desk.opt_outs.record_message(&subject, stale, &text(seconds(30))).await.unwrap());
    }
    assert_eq!(desk.rows().await, rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_recorded_of_a_contact_that_is_gone() {
    let desk = Desk::open().await;
    let before = standing(&desk, &desk.inbox).await;
    let change = said(&before, Keyword::Stop);
    assert!(!record(&desk.opt_outs, &desk.inbox, (&before, &change), None, seconds(10)).await);
    assert!(desk.rows().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_teams_opt_out_is_the_contacts_and_a_personal_one_is_not() {
    let desk = desk().await;
    let version = async || {
        desk.contacts
            .get_entry(TeamKey { organization: desk.organization(), team: &desk.inbox.team }, &contact(1).id)
            .await
    };
    let first = version().await.unwrap().unwrap().version;
    say(&desk, &personal(), Keyword::Stop, seconds(10)).await;
    assert!(standing(&desk, &personal()).await.state.is_out());
    assert!(!standing(&desk, &desk.inbox).await.state.is_out() && !flag(&desk).await);
    assert_eq!(version().await.unwrap().unwrap().version, first);
    say(&desk, &desk.inbox, Keyword::Stop, seconds(20)).await;
    assert!(flag(&desk).await);
    assert_eq!(version().await.unwrap().unwrap().version, first + 1, "a change that was read before fails");
    say(&desk, &desk.inbox, Keyword::Start, seconds(30)).await;
    assert!(!flag(&desk).await);
    let lines = ledger(&desk, seconds(0), seconds(100), 50, None).await.items;
    let scopes: Vec<_> = lines.iter().map(|line| line.scope.as_str()).collect();
    assert_eq!(scopes, ["team", "team", "personal"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inboxes_that_stop_was_texted_to_are_forgotten_once_it_is_open_whoever_opened_it() {
    let desk = desk().await;
    for by_user in [false, true] {
        say(&desk, &desk.inbox, Keyword::Stop, seconds(10)).await;
        let out = standing(&desk, &desk.inbox).await;
        assert_eq!(out.stopped_at, std::slice::from_ref(&desk.inbox.id));
        let change =
            if by_user { after_user(&out.state, false).unwrap() } else { said(&out, Keyword::Start) };
        assert!(record(&desk.opt_outs, &desk.inbox, (&out, &change), None, seconds(20)).await);
        let open = standing(&desk, &desk.inbox).await;
        assert_eq!((open.state, open.stopped_at), (OptOutState::default(), vec![]), "by user: {by_user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standing_knows_of_the_text_that_made_it_and_of_older_ones() {
    let desk = desk().await;
    assert!(standing(&desk, &desk.inbox).await.predates(&text(seconds(0))));
    say(&desk, &desk.inbox, Keyword::Stop, seconds(10)).await;
    let knows = async |at| !standing(&desk, &desk.inbox).await.predates(&text(seconds(at)));
    assert!(knows(9).await && knows(10).await && !knows(11).await);
    let before = standing(&desk, &desk.inbox).await;
    let by_hand = after_user(&before.state, true).unwrap();
    assert!(record(&desk.opt_outs, &desk.inbox, (&before, &by_hand), None, seconds(20)).await);
    assert!(knows(10).await && !knows(11).await, "a change by hand is no text");
    let (before, subject) = (standing(&desk, &desk.inbox).await, OptOutSubject::of(&desk.inbox, &number(1)));
    assert!(desk.opt_outs.record_message(&subject, &before, &text(seconds(30))).await.unwrap());
    assert!(knows(30).await && !knows(31).await);
    let after = standing(&desk, &desk.inbox).await;
    assert_eq!((after.state, after.stopped_at), (before.state, before.stopped_at));
    assert_eq!(ledger(&desk, seconds(0), seconds(100), 50, None).await.items.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_of_several_scopes_counts() {
    let desk = desk().await;
    let subjects =
        draft(&personal(), &number(1), "Hi", &ada(), seconds(0)).opt_out_subjects(&personal().organization);
    assert_eq!(subjects.len(), 2);
    let any = async |subjects: &[OptOutSubject]| desk.opt_outs.any_out(subjects).await.unwrap();
    assert!(!any(&subjects).await);
    say(&desk, &personal(), Keyword::Stop, seconds(10)).await;
    assert!(any(&subjects).await && !any(&subjects[..1]).await);
    say(&desk, &personal(), Keyword::Start, seconds(20)).await;
    assert!(!any(&subjects).await, "rows that say opted in");
    say(&desk, &desk.inbox, Keyword::Stop, seconds(30)).await;
    assert!(any(&subjects).await && any(&subjects[..1]).await && !any(&subjects[1..]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn ledgers_are_read_newest_first_between_instants_and_page_by_page() {
    let desk = desk().await;
    for round in 0..3 {
        say(&desk, &desk.inbox, Keyword::Stop, seconds(20 * round + 10)).await;
        say(&desk, &desk.inbox, Keyword::Start, seconds(20 * round + 20)).await;
    }
    let times = |page: &Page<LedgerEntry>| page.items.iter().map(|line| line.at).collect::<Vec<_>>();
    let at = |all: &[u64]| all.iter().map(|at| seconds(*at)).collect::<Vec<_>>();
    let all = ledger(&desk, seconds(0), seconds(100), 50, None).await;
    assert_eq!(times(&all), at(&[60, 50, 40, 30, 20, 10]));
    let line = &all.items[1];
    assert_eq!((&line.contact, &line.number, line.opted_out), (&contact(1).id, &number(1), true));
    assert_eq!(
        (line.source, &line.message, &line.user),
        (OptOutSource::Keyword, &Some(text(seconds(50))), &None)
    );
    let some = ledger(&desk, seconds(20), seconds(50), 50, None).await;
    assert_eq!(times(&some), at(&[40, 30, 20]), "the end is not part of it");
    let backwards = ledger(&desk, seconds(50), seconds(20), 50, None).await;
    assert_eq!((times(&backwards), backwards.next), (vec![], None));
    let (mut seen, mut own) = (Vec::new(), Vec::new());
    let (mut after, mut place): (Option<String>, Option<String>) = (None, None);
    for _ in 0..4 {
        let page = ledger(&desk, seconds(0), seconds(100), 2, after.as_deref()).await;
        seen.extend(times(&page));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    for _ in 0..4 {
        let (id, organization) = (contact(1).id, desk.organization());
        let page = desk.opt_outs.of_contact(organization, &id, 2, place.as_deref()).await.unwrap();
        own.extend(times(&page));
        place = page.next;
        if place.is_none() {
            break;
        }
    }
    assert_eq!((seen, after), (times(&all), None));
    assert_eq!((own, place), (times(&all), None));
    let nobody = desk.opt_outs.of_contact(desk.organization(), &contact(2).id, 50, None).await.unwrap();
    assert_eq!(nobody.items, []);
}
