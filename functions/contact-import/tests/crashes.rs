//! Hosts that crash during an import.

use shared_app::import::SliceOutcome;
use shared_domain::import::ImportStatus;

use crate::team::{HEADER, TestTeam, clock_at, sums};

/// New contacts, a merged provisional contact, updates with another number, opt-outs, a repeated contact
/// id, refusals, and a shared number.
const ROWS: &str = "S-1,Ada,L,2025550141,yes,ben,\nS-2,Bo,M,2025550142,,,9\nS-7,New,Number,2025550177,,ada,\n\
                    S-3,Cy,N,nope,,,\nS-2,Bob,M,2025550142,,,9\nS-4,Di,O,2025550144,,nobody,\nS-8,Eve,P,2025550141,,,\n\
                    S-9,Old,Name,2025550179,no,,\nS-5,Flo,Q,2025550145,yes,,\n";

/// A host may crash at any request. Every fourth request covers every step of every chunk.
const STEP: usize = 4;

async fn team_with_contacts() -> TestTeam {
    let team = TestTeam::start().await;
    team.import("imp_0", "S-7,Old,Number,2025550107,,,\nS-9,Older,Name,2025550179,yes,,\n").await;
    for (seconds, number) in ["2025550141", "2025550107", "2025550177", "2025550179"].iter().enumerate() {
        team.receive(number, "Hello?", seconds as u64).await;
    }
    team
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_request_leaves_exact_counts_and_the_same_contacts() {
    let file = format!("{HEADER}{ROWS}");
    let undisturbed = Box::pin(team_with_contacts()).await;
    let import = undisturbed.create_import("imp_1").await;
    let whole = undisturbed.run(&import, file.as_bytes()).await;
    assert_eq!(sums(&whole), [9, 5, 3, 0, 1]);
    let expected = undisturbed.items().await;
    for requests in (0..).step_by(STEP) {
        let team = Box::pin(team_with_contacts()).await;
        let import = team.create_import("imp_1").await;
        let first = clock_at(10);
        let crashed = team
            .run_slice(&team.crashing_table(requests), &import, file.as_bytes(), &|| first.now())
            .await
            .is_err();
        // The queue delivers the message again after the turn of the crashed host has expired.
        let second = clock_at(1000);
        let next = team.run_slice(&team.table(), &import, file.as_bytes(), &|| second.now()).await.unwrap();
        assert_eq!(next, SliceOutcome::Over);
        let after = team.stored(&import).await;
        assert_eq!(after.status, ImportStatus::Completed, "after {requests} requests");
        assert_eq!(after.counts, whole.counts, "after {requests} requests");
        assert_eq!(team.errors(&import).await.len(), 3, "after {requests} requests");
        let rows = team.items().await;
        for (key, row) in &expected {
            assert_eq!(rows.get(key), Some(row), "{key:?} after {requests} requests");
        }
        assert_eq!(rows.len(), expected.len(), "after {requests} requests");
        if !crashed {
            assert!(requests > 50, "{requests} requests were enough");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_slices_gives_the_same_result() {
    let file = format!("{HEADER}{ROWS}");
    let team = Box::pin(team_with_contacts()).await;
    let import = team.create_import("imp_1").await;
    let clock = clock_at(1);
    let mut slices = 1;
    while team
        .run_slice(&team.table(), &import, file.as_bytes(), &|| {
            clock.now_then_advance(std::time::Duration::from_mins(1))
        })
        .await
        .unwrap()
        == SliceOutcome::Continue
    {
        let progress = team.stored(&import).await;
        assert_eq!((progress.status, progress.counts.rows), (ImportStatus::Running, slices * 3));
        slices += 1;
    }
    assert_eq!(sums(&team.stored(&import).await), [9, 5, 3, 0, 1]);
    assert!(slices >= 3);
}
