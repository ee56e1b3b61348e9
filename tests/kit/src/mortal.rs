//! Hosts that die in the middle of their work.

use std::task::Poll;

/// Runs `work` and drops it where it waits for the `nth` time, as a process that is killed there stops for ever: what it has
/// sent is on its way, and what comes back is read by nobody. `None` when it died; the points are counted from 1, so who tries
/// them one after the other until the work ends has tried them all.
pub fn killed_at<T>(nth: usize, work: impl Future<Output = T>) -> impl Future<Output = Option<T>> {
    let mut work = Box::pin(work);
    let mut waits = 0;
    std::future::poll_fn(move |context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => {
            waits += 1;
            if waits >= nth { Poll::Ready(None) } else { Poll::Pending }
        }
    })
}
