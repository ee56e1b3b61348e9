//! Two workers, or a worker and users, at the same time.

use shared_app::import::SliceOutcome;
use shared_aws::{
    contact::{ContactEntry, ContactWrite},
    import::{ImportTurn, Imports},
};
use shared_domain::import::ImportStatus;

use crate::team::{HEADER, START, TestTeam, clock_at, sums};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_worker_stops_and_another_import_waits() {
    let team = TestTeam::start().await;
    let (one, other) = (team.create_import("imp_1").await, team.create_import("imp_2").await);
    let imports = Imports::new(team.table());
    let until = START + std::time::Duration::from_secs(150);
    assert_eq!(imports.take_turn(&one, 1, START, until).await.unwrap(), ImportTurn::Mine);
    let file = format!("{HEADER}S-1,A,B,2025550141,,,\n");
    let soon = clock_at(1);
    let slice = async |import| team.run_slice(&team.table(), import, file.as_bytes(), &|| soon.now()).await;
    assert_eq!(slice(&one).await.unwrap(), SliceOutcome::Over);
    assert_eq!(slice(&other).await.unwrap(), SliceOutcome::ContinueLater);
    assert_eq!(team.stored(&one).await.status, ImportStatus::Queued);
    imports.end_turn(&one, 2).await.unwrap(); // not the holder
    assert_eq!(slice(&other).await.unwrap(), SliceOutcome::ContinueLater);
    imports.end_turn(&one, 1).await.unwrap();
    assert_eq!(slice(&other).await.unwrap(), SliceOutcome::Over);
    assert_eq!(team.stored(&other).await.status, ImportStatus::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_after_the_end_changes_nothing_and_a_concurrent_one_counts_nothing() {
    let team = TestTeam::start().await;
    let file = format!(
        "{HEADER}S-1,A,B,2025550141,,,\nS-2,A,B,2025550142,,,\nS-3,A,B,2025550143,,,\nS-4,,,bad,,,\n"
    );
    let import = team.create_import("imp_1").await;
    // Both see the turn as free, as if the first had outlasted its own.
    let (early, late) = (clock_at(1), clock_at(1000));
    let (early_table, late_table) = (team.table(), team.table());
    let (early_now, late_now) = (|| early.now(), || late.now());
    let (one, other) = tokio::join!(
        team.run_slice(&early_table, &import, file.as_bytes(), &early_now),
        team.run_slice(&late_table, &import, file.as_bytes(), &late_now),
    );
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    let done = team.stored(&import).await;
    assert_eq!((done.status, sums(&done)), (ImportStatus::Completed, [4, 3, 0, 0, 1]));
    let all = team.contacts().page(team.inbox.team_key(), 10, None).await.unwrap();
    assert_eq!(all.items.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_lost_its_turn_writes_no_progress() {
    let team = TestTeam::start().await;
    let mut stale = team.create_import("imp_1").await;
    team.run(&stale, format!("{HEADER}S-1,A,B,2025550141,,,\n").as_bytes()).await;
    let before = team.stored(&stale).await;
    assert!(!Imports::new(team.table()).advance(&mut stale, &[]).await.unwrap());
    assert_eq!(team.stored(&stale).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_concurrent_edit_by_a_user_is_not_lost() {
    let team = TestTeam::start().await;
    team.import("imp_0", "S-1,Ada,L,2025550141,,,old\n").await;
    let import = team.create_import("imp_1").await;
    let file = format!("{HEADER}S-1,Ada,King,2025550141,,,\n");
    // Users change a custom field repeatedly while the import changes the name.
    let edits = async {
        for campus in ["North", "South", "West"] {
            let before = team.contact("S-1").await.unwrap();
            let mut after = ContactEntry { version: before.version + 1, ..before.clone() };
            after.custom.insert("Campus".into(), campus.into());
            let written =
                team.contacts().write(team.inbox.team_key(), Some(&before), &after, None).await.unwrap();
            if written != ContactWrite::Done {
                return false; // refused: the user reads the contact again
            }
        }
        true
    };
    let clock = clock_at(1);
    let (table, now) = (team.table(), || clock.now());
    let (read, edited) = tokio::join!(team.run_slice(&table, &import, file.as_bytes(), &now), edits);
    assert_eq!(read.unwrap(), SliceOutcome::Over);
    let entry = team.contact("S-1").await.unwrap();
    assert_eq!(entry.contact.last_name.as_deref(), Some("King"));
    assert!(entry.custom.get("Campus").is_some_and(|campus| campus == "West") || !edited);
}
