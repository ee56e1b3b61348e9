//! The worker that checks registrations after an event of the carrier.

use std::time::Duration;

use registration_check::App;
use shared_aws::table::Table;
use shared_carriers::twilio::Client;
use shared_lambda::clock::now;
use test_kit::{
    lambda_event::{event, sqs_record},
    queue::FakeQueue,
};
use tokio::{runtime, sync::oneshot};

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Starts the worker in a thread, because its futures cannot move to another one. It ends when the returned
/// sender is dropped.
pub(crate) fn start(queue: FakeQueue, table: Table, carrier: Client) -> std::io::Result<oneshot::Sender<()>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (sender, ended) = oneshot::channel();
    std::thread::spawn(move || {
        let app = App::new(table, carrier);
        runtime.block_on(async {
            tokio::select! {
                () = check(&queue, &app) => {}
                _ = ended => {}
            }
        });
    });
    Ok(sender)
}

/// Passes the messages of the queue to the function, and puts those back that failed.
async fn check(queue: &FakeQueue, app: &App) {
    loop {
        for body in queue.drain() {
            let batch = event(vec![sqs_record("1", None, &body, 1)]);
            if !registration_check::handle(app, now, batch).await.batch_item_failures.is_empty() {
                queue.push(body);
            }
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
