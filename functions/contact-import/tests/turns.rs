//! Two workers, and people, at once.

use contact_import::{Again, Next};
use shared_aws::{
    contact::{ContactEntry, ContactWrite},
    import::{ImportTurn, Imports},
};
use shared_domain::import::ImportStatus;
use shared_domain::keys::TeamKey;

use crate::desk::{Clock, Desk, HEADER, START, sums};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_worker_goes_away_and_another_import_waits() {
    let desk = Desk::open().await;
    let (one, other) = (desk.asked("imp_1").await, desk.asked("imp_2").await);
    let imports = Imports::new(desk.table());
    let until = START + std::time::Duration::from_secs(150);
    assert_eq!(imports.take_turn(&one, 1, START, until).await.unwrap(), ImportTurn::Mine);
    let file = format!("{HEADER}S-1,A,B,2025550141,,,\n");
    let soon = Clock::at(1);
    let slice = async |import| desk.slice(&desk.table(), import, file.as_bytes(), &|| soon.now()).await;
    assert_eq!(slice(&one).await.unwrap(), Next::Over);
    assert_eq!(slice(&other).await.unwrap(), Next::Later);
    assert_eq!(desk.stored(&one).await.status, ImportStatus::Queued);
    imports.end_turn(&one, 2).await.unwrap(); // not the holder
    assert_eq!(slice(&other).await.unwrap(), Next::Later);
    imports.end_turn(&one, 1).await.unwrap();
    assert_eq!(slice(&other).await.unwrap(), Next::Over);
    assert_eq!(desk.stored(&other).await.status, ImportStatus::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_after_the_end_changes_nothing_and_one_beside_it_counts_nothing() {
    let desk = Desk::open().await;
    let file = format!(
        "{HEADER}S-1,A,B,2025550141,,,\nS-2,A,B,2025550142,,,\nS-3,A,B,2025550143,,,\nS-4,,,bad,,,\n"
    );
    let import = desk.asked("imp_1").await;
    // Both see the turn as free, as if the first had overslept its own.
    let (early, late) = (Clock::at(1), Clock::at(1000));
    let (early_table, late_table) = (desk.table(), desk.table());
    let (early_now, late_now) = (|| early.now(), || late.now());
    let (one, other) = tokio::join!(
        desk.slice(&early_table, &import, file.as_bytes(), &early_now),
        desk.slice(&late_table, &import, file.as_bytes(), &late_now),
    );
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    let done = desk.stored(&import).await;
    assert_eq!((done.status, sums(&done)), (ImportStatus::Completed, [4, 3, 0, 0, 1]));
    let all = desk
        .book()
        .page(TeamKey { organization: &desk.organization, team: desk.team() }, 10, None)
        .await
        .unwrap();
    assert_eq!(all.items.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_overtaken_writes_no_progress() {
    let desk = Desk::open().await;
    let mut stale = desk.asked("imp_1").await;
    desk.read(&stale, format!("{HEADER}S-1,A,B,2025550141,,,\n").as_bytes()).await;
    let before = desk.stored(&stale).await;
    assert!(!Imports::new(desk.table()).advance(&mut stale, &[]).await.unwrap());
    assert_eq!(desk.stored(&stale).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_replaced_while_it_is_read_ends_its_import() {
    use contact_import::{Bytes, Stores, slice};
    use shared_aws::clients::BucketError;
    let desk = Desk::open().await;
    let import = desk.asked("imp_1").await;
    let file = format!("{HEADER}{}", "S-1,A,B,2025550141,,,\n".repeat(20)).into_bytes();
    let reads = std::sync::atomic::AtomicU32::new(0);
    let bytes = Bytes {
        head: async || Ok(("\"1\"".to_owned(), file.len() as u64)),
        read: async |_: &str, from: u64, length: usize| {
            if reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 15 {
                return Err(BucketError::Absent);
            }
            let from = usize::try_from(from).unwrap();
            Ok(file[from..].iter().take(length).copied().collect())
        },
    };
    let clock = Clock::at(1);
    let stores = Stores::new(&desk.table());
    let ended: Result<Next, Again> =
        slice(&stores, import.clone(), &bytes, &|| clock.now(), 1, crate::desk::SMALL).await;
    assert_eq!(ended.unwrap(), Next::Over);
    let failed = desk.stored(&import).await;
    assert!(failed.status == ImportStatus::Failed && failed.reason.unwrap().contains("replaced"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_by_hand_beside_an_import_is_not_lost() {
    let desk = Desk::open().await;
    desk.import("imp_0", "S-1,Ada,L,2025550141,,,old\n").await;
    let (organization, team) = (desk.organization.clone(), desk.team().clone());
    let import = desk.asked("imp_1").await;
    let file = format!("{HEADER}S-1,Ada,King,2025550141,,,\n");
    // People block the contact, again and again, while the import changes its name.
    let edits = async {
        for blocked in [true, false, true] {
            let before = desk.contact("S-1").await.unwrap();
            let mut after = ContactEntry { version: before.version + 1, ..before.clone() };
            after.contact.blocked = blocked;
            let written = desk
                .book()
                .write(TeamKey { organization: &organization, team: &team }, Some(&before), &after, None)
                .await
                .unwrap();
            if written != ContactWrite::Done {
                return false; // refused, as by hand: the person reads again
            }
        }
        true
    };
    let clock = Clock::at(1);
    let (table, now) = (desk.table(), || clock.now());
    let (read, blocked) = tokio::join!(desk.slice(&table, &import, file.as_bytes(), &now), edits);
    read.unwrap();
    let contact = desk.contact("S-1").await.unwrap().contact;
    assert_eq!(contact.last_name.as_deref(), Some("King"));
    assert!(contact.blocked || !blocked);
}
