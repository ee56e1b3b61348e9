//! A large import runs while the same team receives fifty messages a second, half of them STOP, and its
//! partition takes 1,000 write units a second. Every STOP is honored within seconds.

use std::{
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use inbound_sms::{App, handle};
use shared_app::import::{ContactFile, ImportError, ImportWorkflow, SliceLimits, SliceOutcome};
use shared_aws::{
    import::Imports,
    opt_out::OptOuts,
    table::{StoreError, Table},
    team::AuditEvent,
};
use shared_domain::{
    ids::{ImportId, UserId},
    import::{Import, ImportOptions, ImportStatus},
    opt_out::{KeywordReplies, OptOutSubject},
    phone::PhoneNumber,
};
use shared_lambda::clock;
use test_kit::{
    build::INBOX_NUMBER,
    carrier::ACCOUNT,
    partitions::Partitions,
    twilio::{signed_fields, webhook_accounts},
};
use tokio::task::JoinSet;

use crate::{full_run, test_inbox::TestInbox};

/// How long a second of the partition takes by default, so that a slow machine keeps up with it. `SLOWNESS=1`
/// is real time.
const SLOWNESS: u32 = 5;
const MESSAGES_PER_SECOND: u32 = 50;
/// The carrier repeats a delivery that was answered with 5xx up to five times.
const MAX_DELIVERIES: u32 = 5;
/// The most refused deliveries of one STOP. Each is repeated after a second.
const MAX_REFUSED: u32 = 2;

/// Creates an import that has its file.
async fn create_import(inbox: &TestInbox) -> Import {
    let (by, now) = (UserId::parse("ada").unwrap(), clock::now());
    let team = inbox.inbox().team_key();
    let id = ImportId::parse("imp_1").unwrap();
    let import = Import::queued(id, team, by.clone(), ImportOptions::default(), now);
    let event = AuditEvent { actor: &by, action: "contacts.import", target: "imp_1", at: now, entropy: 1 };
    assert!(Imports::new(inbox.table()).create(&import, now, &event, None).await.unwrap());
    import
}

fn file(numbers: &[PhoneNumber]) -> Vec<u8> {
    let rows = numbers.iter().enumerate();
    let rows = rows.map(|(row, number)| format!("S-{row},Ada,Lovelace,{}", number.as_str()));
    let lines: Vec<_> =
        std::iter::once("ContactId,FirstName,LastName,MobileNumber".to_owned()).chain(rows).collect();
    lines.join("\n").into_bytes()
}

/// Runs an import to its end, slice by slice.
async fn run(table: &Table, inbox: &TestInbox, import: &Import, content: &[u8], slowness: u32) -> Import {
    let limits = SliceLimits::default();
    let limits = SliceLimits { units_per_second: limits.units_per_second / slowness, ..limits };
    let imports = ImportWorkflow::new(table, limits);
    // The queue delivers a slice again that failed because the table was busy, and it continues where it was.
    let stored = async || loop {
        match Imports::new(inbox.table()).get(inbox.inbox().team_key(), &import.id).await {
            Err(StoreError::Unavailable(why)) => eprintln!("the import is read again: {why}"),
            stored => return stored.unwrap().unwrap(),
        }
    };
    loop {
        let file = ContactFile { etag: "\"1\"".into(), content: content.to_vec() };
        let slice = imports.run_slice(stored().await, ready(Ok(file)), clock::now, clock::entropy());
        match slice.await {
            Ok(SliceOutcome::Over) => return stored().await,
            Ok(_) => {}
            Err(ImportError::Store(StoreError::Unavailable(why))) => eprintln!("a slice is repeated: {why}"),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Delivers a message until it is accepted, as the carrier does. Returns how often it was refused.
async fn deliver(app: &App, from: &PhoneNumber, text: &str, sid: u64) -> u32 {
    let sid = format!("SM{sid:032}");
    let fields = [
        ("MessageSid", sid.as_str()),
        ("AccountSid", ACCOUNT),
        ("From", from.as_str()),
        ("To", INBOX_NUMBER),
        ("Body", text),
        ("NumMedia", "0"),
    ];
    for refused in 0..=MAX_DELIVERIES {
        let request = signed_fields("POST /webhooks/twilio/messages", "", &fields).request();
        match handle(app, clock::now(), clock::entropy(), request).await.status().as_u16() {
            200 => return refused,
            500..=599 => tokio::time::sleep(Duration::from_secs(1)).await,
            other => panic!("{other}: {text} from {}", from.as_str()),
        }
    }
    panic!("{text} from {} was refused {MAX_DELIVERIES} times", from.as_str());
}

/// A whole number in the environment.
fn chosen(name: &str) -> Option<u32> {
    Some(std::env::var(name).ok()?.parse().unwrap_or_else(|_| panic!("{name} is a whole number")))
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_leave_room_for_the_messages_and_opt_outs_of_their_team() {
    let slowness = chosen("SLOWNESS").unwrap_or(SLOWNESS);
    let rows = chosen("ROWS").map_or(if full_run() { 5_000 } else { 100 }, |rows| rows as usize);
    // The first half is in the file. Messages come from both halves.
    let inbox = TestInbox::start(2 * rows).await;
    let partitions = Partitions::slowed(slowness);
    let import = create_import(&inbox).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let content = file(&inbox.numbers[..rows]);
    let begun = Instant::now();
    let importing = async {
        let done = run(&partitions.table(&inbox.app.engine), &inbox, &import, &content, slowness).await;
        is_over.store(true, Ordering::Relaxed);
        done
    };
    let receiving = async {
        let table = partitions.table(&inbox.app.engine);
        let app = Arc::new(App::new(table, webhook_accounts(), KeywordReplies::Carrier));
        let mut pause = tokio::time::interval(Duration::from_secs(1) * slowness / MESSAGES_PER_SECOND);
        // After a pause of the machine, the messages of that time would come at once, and be throttled.
        pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut deliveries, mut stopped) = (JoinSet::new(), Vec::new());
        for (sid, place) in (0..).zip((0..2 * rows).cycle().step_by(2 * rows / 5 + 1)) {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            pause.tick().await;
            let (from, app) = (inbox.numbers[place].clone(), Arc::clone(&app));
            let text = if sid % 2 == 0 { "STOP" } else { "See you at noon" };
            if sid % 2 == 0 {
                stopped.push(from.clone());
            }
            deliveries.spawn(async move { (text, deliver(&app, &from, text, sid).await) });
        }
        (deliveries.join_all().await, stopped)
    };
    let (done, (deliveries, stopped)) = tokio::join!(importing, receiving);
    let refused = deliveries.iter().map(|(_, refused)| refused).max().unwrap();
    eprintln!(
        "{rows} rows in {:?}; {} messages, of which {} were STOP; refused at most {refused} times; {} writes throttled",
        begun.elapsed(),
        deliveries.len(),
        stopped.len(),
        partitions.throttled(),
    );
    assert_eq!((done.status, done.counts.created), (ImportStatus::Completed, u64::try_from(rows).unwrap()));
    let throttled = usize::try_from(partitions.throttled()).unwrap();
    assert!(throttled <= deliveries.len(), "the partition has room: {throttled} writes were throttled");
    for (text, refused) in &deliveries {
        assert!(*refused <= MAX_REFUSED, "{text} was refused {refused} times");
    }
    let opt_outs = OptOuts::new(inbox.table());
    for number in &stopped {
        let subject = OptOutSubject::of_team(inbox.organization(), &inbox.inbox().team, number);
        assert!(opt_outs.any_out(&[subject]).await.unwrap(), "{} is opted out", number.as_str());
    }
}
