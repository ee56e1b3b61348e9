//! Opt-outs: concurrent changes, the items of a change, and the ledgers.

use shared_aws::{
    messaging::{Accepted, Guard},
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
        OptOutSubject, after_carrier_refusal, after_keyword, after_user,
    },
    time::Timestamp,
};
use tokio::task::JoinSet;

use crate::support::{TestStores, ada, at_second, contact, number, outbound_message, shared_inbox};

/// Returns stores with one contact.
async fn stores_with_contact() -> TestStores {
    let stores = TestStores::start().await;
    stores.contacts.put(stores.inbox.team_key(), &contact(1)).await.unwrap();
    stores
}

fn personal() -> Inbox {
    Inbox { kind: InboxKind::Personal, ..shared_inbox() }
}

fn change_by(before: &OptOutRecord, keyword: Keyword) -> OptOutChange {
    match after_keyword(&before.state, keyword, true, KeywordReplies::Product, false) {
        KeywordDecision::Keyword { change: Some(change), .. } => change,
        other => panic!("expected a change: {other:?}"),
    }
}

fn message_id(at: Timestamp) -> MessageId {
    outbound_message(&shared_inbox(), &number(1), "STOP", &ada(), at).id
}

async fn record(
    opt_outs: &OptOuts,
    inbox: &Inbox,
    (before, change): (&OptOutRecord, &OptOutChange),
    confirmation: Option<&Message>,
    at: Timestamp,
) -> bool {
    let (subject, known): (_, Contact) = (OptOutSubject::of(inbox, &number(1)), contact(1));
    let by_keyword = change.source == OptOutSource::Keyword;
    let entry = change.entry(&subject, known.id.clone(), by_keyword.then(|| message_id(at)), None, at);
    let inbox_of_keyword = by_keyword.then_some(&inbox.id);
    let recorded = OptOutWrite {
        team: &inbox.team,
        contact: &known,
        entry: &entry,
        inbox: inbox_of_keyword,
        confirmation,
        notify: true,
    };
    opt_outs.record(&subject, before, change, recorded).await.unwrap()
}

async fn opt_out_state(stores: &TestStores, inbox: &Inbox) -> OptOutRecord {
    stores.opt_outs.get(&OptOutSubject::of(inbox, &number(1))).await.unwrap()
}

async fn flag(stores: &TestStores) -> bool {
    let found = stores.contacts.get(stores.inbox.team_key(), &contact(1).id).await;
    found.unwrap().unwrap().opted_out
}

async fn say(stores: &TestStores, inbox: &Inbox, keyword: Keyword, at: Timestamp) {
    let before = opt_out_state(stores, inbox).await;
    assert!(record(&stores.opt_outs, inbox, (&before, &change_by(&before, keyword)), None, at).await);
}

async fn ledger(
    stores: &TestStores,
    from: Timestamp,
    to: Timestamp,
    limit: u16,
    after: Option<&str>,
) -> Page<LedgerEntry> {
    let team = &stores.inbox.team;
    stores
        .opt_outs
        .of_team(TeamKey { organization: stores.organization(), team }, (from, to), limit, after)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_identical_changes_one_is_recorded_with_one_entry_and_one_confirmation() {
    let stores = stores_with_contact().await;
    let before = stores.items().await.len();
    let start = opt_out_state(&stores, &stores.inbox).await;
    let mut tasks = JoinSet::new();
    for place in 0..16 {
        let (opt_outs, start, inbox) = (OptOuts::new(stores.table()), start.clone(), stores.inbox.clone());
        tasks.spawn(async move {
            let at = at_second(10 + place);
            let confirmation =
                Message { sender: None, ..outbound_message(&inbox, &number(1), "Done.", &ada(), at) };
            let change = change_by(&start, Keyword::Stop);
            record(&opt_outs, &inbox, (&start, &change), Some(&confirmation), at).await
        });
    }
    let done = tasks.join_all().await.into_iter().filter(|done| *done).count();
    assert_eq!(done, 1);
    assert!(opt_out_state(&stores, &stores.inbox).await.state.is_out() && flag(&stores).await);
    let lines = ledger(&stores, at_second(0), at_second(100), 50, None).await.items;
    assert_eq!(lines.len(), 1);
    let conversation = stores.conversation_id(&number(1));
    let history = stores.messages.history(stores.organization(), &conversation, 50, None).await.unwrap();
    assert_eq!(history.items.len(), 1);
    let waiting = stores.outbox.overdue(at_second(10_000)).await.unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].message, history.items[0].id);
    assert_eq!(
        stores.items().await.len(),
        before + 6,
        "the state, two ledger entries, the message, its outbox item and the notification"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_read_writes_nothing() {
    let stores = stores_with_contact().await;
    let old = opt_out_state(&stores, &stores.inbox).await;
    say(&stores, &stores.inbox, Keyword::Stop, at_second(10)).await;
    let out = opt_out_state(&stores, &stores.inbox).await;
    say(&stores, &stores.inbox, Keyword::Start, at_second(20)).await;
    let items = stores.items().await;
    for stale in [&old, &out] {
        let change = after_user(&stale.state, !stale.state.is_out()).unwrap();
        assert!(!record(&stores.opt_outs, &stores.inbox, (stale, &change), None, at_second(30)).await);
        let subject = OptOutSubject::of(&stores.inbox, &number(1));
        assert!(!stores.opt_outs.remember_stop(&subject, stale, &message_id(at_second(30))).await.unwrap());
    }
    assert_eq!(stores.items().await, items);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_contact_records_nothing() {
    let stores = TestStores::start().await;
    let before = opt_out_state(&stores, &stores.inbox).await;
    let change = change_by(&before, Keyword::Stop);
    assert!(!record(&stores.opt_outs, &stores.inbox, (&before, &change), None, at_second(10)).await);
    assert!(stores.items().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_opt_out_is_shown_on_the_contact_and_a_personal_one_is_not() {
    let stores = stores_with_contact().await;
    let version = async || stores.contacts.get_entry(stores.inbox.team_key(), &contact(1).id).await;
    let first = version().await.unwrap().unwrap().version;
    say(&stores, &personal(), Keyword::Stop, at_second(10)).await;
    assert!(opt_out_state(&stores, &personal()).await.state.is_out());
    assert!(!opt_out_state(&stores, &stores.inbox).await.state.is_out() && !flag(&stores).await);
    assert_eq!(version().await.unwrap().unwrap().version, first);
    say(&stores, &stores.inbox, Keyword::Stop, at_second(20)).await;
    assert!(flag(&stores).await);
    assert_eq!(version().await.unwrap().unwrap().version, first, "the opt-out belongs to the number");
    say(&stores, &stores.inbox, Keyword::Start, at_second(30)).await;
    assert!(!flag(&stores).await);
    let lines = ledger(&stores, at_second(0), at_second(100), 50, None).await.items;
    let scopes: Vec<_> = lines.iter().map(|line| line.scope.as_str()).collect();
    assert_eq!(scopes, ["team", "team", "personal"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inboxes_that_received_stop_are_cleared_by_any_opt_in() {
    let stores = stores_with_contact().await;
    for by_user in [false, true] {
        say(&stores, &stores.inbox, Keyword::Stop, at_second(10)).await;
        let out = opt_out_state(&stores, &stores.inbox).await;
        assert_eq!(out.stopped_at, std::slice::from_ref(&stores.inbox.id));
        let change =
            if by_user { after_user(&out.state, false).unwrap() } else { change_by(&out, Keyword::Start) };
        assert!(record(&stores.opt_outs, &stores.inbox, (&out, &change), None, at_second(20)).await);
        let open = opt_out_state(&stores, &stores.inbox).await;
        assert_eq!((open.state, open.stopped_at), (OptOutState::default(), vec![]), "by user: {by_user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_opt_out_state_knows_the_message_that_changed_it_and_older_ones() {
    let stores = stores_with_contact().await;
    assert!(opt_out_state(&stores, &stores.inbox).await.precedes(&message_id(at_second(0))));
    say(&stores, &stores.inbox, Keyword::Stop, at_second(10)).await;
    let knows = async |at| !opt_out_state(&stores, &stores.inbox).await.precedes(&message_id(at_second(at)));
    assert!(knows(9).await && knows(10).await && !knows(11).await);
    let before = opt_out_state(&stores, &stores.inbox).await;
    let by_hand = after_user(&before.state, true).unwrap();
    assert!(record(&stores.opt_outs, &stores.inbox, (&before, &by_hand), None, at_second(20)).await);
    assert!(knows(10).await && !knows(11).await, "a change by a user has no message");
    let (before, subject) =
        (opt_out_state(&stores, &stores.inbox).await, OptOutSubject::of(&stores.inbox, &number(1)));
    assert!(stores.opt_outs.remember_stop(&subject, &before, &message_id(at_second(30))).await.unwrap());
    assert!(knows(30).await && !knows(31).await);
    let after = opt_out_state(&stores, &stores.inbox).await;
    assert_eq!((after.state, after.stopped_at), (before.state, before.stopped_at));
    assert_eq!(ledger(&stores, at_second(0), at_second(100), 50, None).await.items.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_of_several_scopes_counts() {
    let stores = stores_with_contact().await;
    let subjects = outbound_message(&personal(), &number(1), "Hi", &ada(), at_second(0))
        .opt_out_subjects(&personal().organization);
    assert_eq!(subjects.len(), 3);
    let any = async |subjects: &[OptOutSubject]| stores.opt_outs.any_out(subjects).await.unwrap();
    assert!(!any(&subjects).await);
    say(&stores, &personal(), Keyword::Stop, at_second(10)).await;
    assert!(any(&subjects).await && !any(&subjects[..1]).await);
    say(&stores, &personal(), Keyword::Start, at_second(20)).await;
    assert!(!any(&subjects).await, "the subjects are opted in");
    say(&stores, &stores.inbox, Keyword::Stop, at_second(30)).await;
    assert!(any(&subjects).await && any(&subjects[..1]).await && !any(&subjects[1..]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn ledgers_are_read_newest_first_between_two_times_and_page_by_page() {
    let stores = stores_with_contact().await;
    for round in 0..3 {
        say(&stores, &stores.inbox, Keyword::Stop, at_second(20 * round + 10)).await;
        say(&stores, &stores.inbox, Keyword::Start, at_second(20 * round + 20)).await;
    }
    let times = |page: &Page<LedgerEntry>| page.items.iter().map(|line| line.at).collect::<Vec<_>>();
    let at = |all: &[u64]| all.iter().map(|at| at_second(*at)).collect::<Vec<_>>();
    let all = ledger(&stores, at_second(0), at_second(100), 50, None).await;
    assert_eq!(times(&all), at(&[60, 50, 40, 30, 20, 10]));
    let line = &all.items[1];
    assert_eq!((&line.contact, &line.number, line.opted_out), (&contact(1).id, &number(1), true));
    assert_eq!(
        (line.source, &line.message, &line.user),
        (OptOutSource::Keyword, &Some(message_id(at_second(50))), &None)
    );
    let some = ledger(&stores, at_second(20), at_second(50), 50, None).await;
    assert_eq!(times(&some), at(&[40, 30, 20]), "the end is exclusive");
    let backwards = ledger(&stores, at_second(50), at_second(20), 50, None).await;
    assert_eq!((times(&backwards), backwards.next), (vec![], None));
    let (mut seen, mut own) = (Vec::new(), Vec::new());
    let (mut after, mut place): (Option<String>, Option<String>) = (None, None);
    for _ in 0..4 {
        let page = ledger(&stores, at_second(0), at_second(100), 2, after.as_deref()).await;
        seen.extend(times(&page));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    for _ in 0..4 {
        let (id, organization) = (contact(1).id, stores.organization());
        let page = stores.opt_outs.of_contact(organization, &id, 2, place.as_deref()).await.unwrap();
        own.extend(times(&page));
        place = page.next;
        if place.is_none() {
            break;
        }
    }
    assert_eq!((seen, after), (times(&all), None));
    assert_eq!((own, place), (times(&all), None));
    let other = stores.opt_outs.of_contact(stores.organization(), &contact(2).id, 50, None).await.unwrap();
    assert_eq!(other.items, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_recorded_once_for_each_message() {
    let stores = stores_with_contact().await;
    let subject = OptOutSubject::of(&stores.inbox, &number(1));
    let organization = stores.organization();
    stores.start_conversation(&number(1), at_second(1)).await;
    let message = stores.outbound(&number(1), "Hello", &ada(), at_second(2));
    let guard = Guard::Compose { user: None };
    assert!(stores.opt_outs.is_refusal_recorded(organization, &message.id).await.unwrap(), "no such message");
    assert_eq!(stores.accept(&message, guard, None).await, Accepted::Stored);
    let is_recorded = async || stores.opt_outs.is_refusal_recorded(organization, &message.id).await.unwrap();
    let refuse = async |at| {
        let before = opt_out_state(&stores, &stores.inbox).await;
        let change = after_carrier_refusal(&before.state).unwrap();
        let known = contact(1);
        let entry = change.entry(&subject, known.id.clone(), Some(message.id.clone()), None, at);
        let (team, inbox, confirmation) = (&stores.inbox.team, None, None);
        let write = OptOutWrite { team, contact: &known, entry: &entry, inbox, confirmation, notify: false };
        stores.opt_outs.record_refusal(&subject, (&before, &change), write, &message.id).await.unwrap()
    };
    assert!(!is_recorded().await);
    assert!(refuse(at_second(3)).await);
    assert!(is_recorded().await && opt_out_state(&stores, &stores.inbox).await.state.is_out());
    let out = opt_out_state(&stores, &stores.inbox).await;
    let opt_in = after_user(&out.state, false).unwrap();
    assert!(record(&stores.opt_outs, &stores.inbox, (&out, &opt_in), None, at_second(4)).await);
    let items = stores.items().await;
    assert!(!refuse(at_second(5)).await, "the message is marked");
    stores.opt_outs.mark_refusal_recorded(organization, &message.id).await.unwrap();
    assert_eq!(stores.items().await, items);
}
