//! `registration-poll`: queues checks of pending registrations.

use std::time::Duration;

use registration_poll::{App, Tally, handle};
use shared_lambda::clock::now;
use test_kit::{TestApp, app::NO_SERVICE, queue::registration_queue};

use crate::registration::{jobs, start_with_submission};

const INTERVAL: Duration = Duration::from_secs(900);

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_registration_is_checked_once_per_interval() {
    let test = start_with_submission().await;
    let queue = &test.queue;
    let app = App::new(test.table(), registration_queue(&queue.url), INTERVAL);
    let (queued, not_due) =
        (Tally { queued: 1, ..Tally::default() }, Tally { not_due: 1, ..Tally::default() });
    let start = now();
    let almost = start + INTERVAL - Duration::from_millis(1);
    assert_eq!(handle(&app, start).await.unwrap(), queued);
    assert_eq!(handle(&app, almost).await.unwrap(), not_due);
    assert_eq!(handle(&app, start + INTERVAL).await.unwrap(), queued);
    let jobs = jobs(queue);
    assert_eq!((jobs.len(), &jobs[0].team, &jobs[0].announcement), (2, &test.team.id, &None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_was_not_queued_is_queued_in_the_next_run() {
    let test = start_with_submission().await;
    let queue = &test.queue;
    let app = App::new(test.table(), registration_queue(NO_SERVICE), INTERVAL);
    assert_eq!(handle(&app, now()).await.unwrap(), Tally { failed: 1, ..Tally::default() });
    let app = App::new(test.table(), registration_queue(&queue.url), INTERVAL);
    assert_eq!(handle(&app, now()).await.unwrap().queued, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_pending_before_a_submission_and_an_unreachable_table_is_an_error() {
    let test = TestApp::start().await;
    let queue = &test.queue;
    let app = App::new(test.table(), registration_queue(&queue.url), INTERVAL);
    assert_eq!(handle(&app, now()).await.unwrap(), Tally::default());
    assert_eq!(queue.bodies(), Vec::<String>::new());
    assert!(
        handle(&App::new(TestApp::unreachable_table(), registration_queue(&queue.url), INTERVAL), now())
            .await
            .is_err()
    );
}
