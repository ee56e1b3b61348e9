//! Runs that crash, end early, fail or happen at the same time.

use std::time::Duration;

use retention_sweep::{SweepError, handle};
use shared_app::retention::Expired;
use test_kit::{TestApp, build, clock::TestClock, crash};

use super::{DAY, KEPT_DAYS, LEASE, WORDS, app, edit, keep, now, orphans, receive, start, sweep, words};

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_run_crashes_no_file_is_left_alone_and_a_later_run_finishes() {
    let finished = start().await;
    sweep(&finished, now()).await;
    let keys = finished.engine.keys().await;
    for requests in crash::points() {
        let test = start().await;
        let crashing = test.engine.crashing_table(requests);
        let result = handle(&app(&crashing, test.s3.bucket()), now).await;
        let is_unlisted = matches!(result, Err(SweepError::Store(_)));
        assert_eq!(is_unlisted, requests == 0, "{requests}: only the list of teams is needed by all");
        assert_eq!(orphans(&test).await, [""; 0], "{requests}");
        assert!(words(&test).await.contains(&WORDS[2]), "{requests}");
        // Conversations that failed are swept again after an hour.
        for wait in [LEASE, Duration::from_hours(2)] {
            sweep(&test, now() + wait).await;
        }
        assert_eq!((words(&test).await, test.s3.objects().len()), (vec![WORDS[2]], 1), "{requests}");
        assert_eq!(test.engine.keys().await.len(), keys.len(), "{requests}");
        if result.is_ok_and(|expired| expired.teams == 1) {
            assert!(requests > 12, "{requests}");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_the_same_time_erase_each_message_once() {
    let test = start().await;
    let (one, other) = (app(&test.table(), test.s3.bucket()), app(&test.table(), test.s3.bucket()));
    let (one, other) = tokio::join!(handle(&one, now), handle(&other, now));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!((one.messages + other.messages, one.teams + other.teams), (3, 1));
    assert_eq!(words(&test).await, [WORDS[2]]);
}

/// A clock that moves with each look ends a run soon, and each run goes on where the one before ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_in_time_and_the_next_ones_go_on() {
    let test = TestApp::start().await;
    let contacts: Vec<_> =
        (0..120).map(|index| build::number(&format!("+1202555{:04}", 1000 + index))).collect();
    for contact in &contacts {
        receive(&test, contact, &format!("old {}", contact.as_str()), &[], now() - DAY * 40).await;
    }
    edit(&test, keep(Some(KEPT_DAYS))).await;
    let moving = TestClock::at(now());
    let mut runs = Vec::new();
    while runs.iter().all(|run: &Expired| run.teams == 0) {
        assert!(runs.len() < 60, "{runs:?}");
        let clock = || moving.now_then_advance(Duration::from_millis(300));
        runs.push(handle(&app(&test.table(), test.s3.bucket()), clock).await.unwrap());
    }
    assert!(runs.len() > 3 && runs.iter().all(|run| run.failed == 0), "{runs:?}");
    assert_eq!(runs.iter().map(|run| run.messages).sum::<usize>(), contacts.len());
    let items: Vec<_> = test.engine.items().await.into_values().collect();
    assert!(!items.iter().any(|item| item.contains("old +")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_does_not_answer_keeps_messages_with_files_for_the_next_hour() {
    let test = start().await;
    let failing = app(&test.table(), TestApp::unreachable_bucket());
    let SweepError::Incomplete(expired) = handle(&failing, now).await.unwrap_err() else { panic!() };
    assert_eq!(expired, Expired { teams: 1, messages: 1, failed: 1, ..Expired::default() });
    assert_eq!(words(&test).await, &WORDS[..3]);
    assert_eq!(sweep(&test, now() + Duration::from_mins(59)).await, Expired::default());
    let rest = Expired { teams: 1, messages: 2, files: 4, ..Expired::default() };
    assert_eq!(sweep(&test, now() + Duration::from_hours(1)).await, rest);
}

/// Every conversation has a file, the first run has no bucket, and its time is over after some of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_in_an_earlier_run_is_tried_again_within_an_hour() {
    let test = TestApp::start().await;
    for (index, file) in ["a", "b", "c", "d", "e", "f"].into_iter().enumerate() {
        let contact = build::number(&format!("+1202555{:04}", 1000 + index));
        receive(&test, &contact, file, &[file], now() - DAY * 40).await;
    }
    edit(&test, keep(Some(KEPT_DAYS))).await;
    let moving = TestClock::at(now());
    let clock = || moving.now_then_advance(Duration::from_millis(1500));
    let failing = handle(&app(&test.table(), TestApp::unreachable_bucket()), clock).await;
    let Err(SweepError::Incomplete(Expired { failed, teams: 0, messages: 0, .. })) = failing else {
        panic!("{failing:?}")
    };
    let later = now() + Duration::from_mins(10);
    let expected = Expired { teams: 1, messages: 6 - failed, files: 6 - failed, ..Expired::default() };
    assert_eq!(sweep(&test, later).await, expected, "no failure of its own");
    assert!(failed > 0 && failed < 6);
    let expected = Expired { teams: 1, messages: failed, files: failed, ..Expired::default() };
    assert_eq!(sweep(&test, later + Duration::from_hours(1)).await, expected);
}
