//! `registration-poll`: a registration that nothing was heard of is asked about.

use registration_poll::{App, handle};

use super::*;

const INTERVAL: Duration = Duration::from_secs(900);

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_waits_is_asked_about_once_per_interval() {
    let (stage, queue) = (submitted().await, Queue::start().await);
    let app = App::new(stage.table(), at_queue(&queue.url), INTERVAL);
    let (queued, not_due) =
        (Tally { queued: 1, ..Tally::default() }, Tally { not_due: 1, ..Tally::default() });
    let begin = now();
    let almost = begin + INTERVAL - Duration::from_millis(1);
    assert_eq!(handle(&app, begin).await.unwrap(), queued);
    assert_eq!(handle(&app, almost).await.unwrap(), not_due);
    assert_eq!(handle(&app, begin + INTERVAL).await.unwrap(), queued);
    let jobs = jobs(&queue);
    assert_eq!((jobs.len(), &jobs[0].team, &jobs[0].announcement), (2, &stage.account.team.id, &None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_queue_did_not_take_is_asked_about_in_the_next_run() {
    let (stage, queue) = (submitted().await, Queue::start().await);
    let app = App::new(stage.table(), at_queue(NOWHERE), INTERVAL);
    assert_eq!(handle(&app, now()).await.unwrap(), Tally { failed: 1, ..Tally::default() });
    let app = App::new(stage.table(), at_queue(&queue.url), INTERVAL);
    assert_eq!(handle(&app, now()).await.unwrap().queued, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_before_a_submission_and_a_dead_store_is_an_error() {
    let (stage, queue) = (Stage::set().await, Queue::start().await);
    let app = App::new(stage.table(), at_queue(&queue.url), INTERVAL);
    assert_eq!(handle(&app, now()).await.unwrap(), Tally::default());
    assert_eq!(queue.bodies(), Vec::<String>::new());
    assert!(handle(&App::new(Stage::dead_table(), at_queue(&queue.url), INTERVAL), now()).await.is_err());
}
