//! Waiting for the turn of a number.
//!
//! A message reserves its turn and waits for it. A text of a broadcast waits first, and then takes its turn,
//! so any other message may go before it. A message whose turn is not near goes back to the queue.

use std::time::Duration;

use shared_aws::{
    sending::{BeforeSend, Paces, Reservation},
    table::Table,
};
use shared_domain::{
    inbox::TeamInbox,
    message::Message,
    pace::{MAX_RESERVATION, MAX_WAIT},
    segment::Segments,
    time::Timestamp,
};

use crate::send::SendError;

/// After a longer wait, what may have changed is read again before the message is sent.
const LONG_WAIT: Duration = Duration::from_secs(1);
/// How long before the turn that happens. It takes the time of two requests to the table.
const CHECK_TIME: Duration = Duration::from_millis(300);

/// The turns of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Turns {
    paces: Paces,
}

impl Turns {
    pub(crate) fn new(table: Table) -> Self {
        Self { paces: Paces::new(table) }
    }

    /// Takes the next turn of the inbox's number and waits for it. In a long wait, `check` is called shortly
    /// before the turn; what it returns ends the wait.
    ///
    /// # Errors
    /// [`SendError::Delayed`] if the turn is not near.
    pub(crate) async fn wait<T>(
        &self,
        clock: &impl Fn() -> Timestamp,
        from: &TeamInbox,
        before: &BeforeSend,
        message: &Message,
        check: impl AsyncFn() -> Result<Option<T>, SendError>,
    ) -> Result<Option<T>, SendError> {
        let segments = u32::try_from(Segments::of(&message.text).count).unwrap_or(u32::MAX);
        let (inbox, rate, start) = (from.inbox.key(), from.segments_per_second(), clock());
        let (mut now, mut checked) = (start, start);
        let mut reservation = match message.broadcast {
            Some(_) => {
                let waited = before.open_since(message.created_at).duration_until(start);
                self.paces.plan_turn(inbox, before.pace, rate, segments, waited, start).await?
            }
            None => self.paces.take_turn(inbox, before.pace, rate, segments, start).await?,
        };
        loop {
            let (Reservation::Turn(at) | Reservation::Planned(at) | Reservation::Later(at)) = reservation;
            if matches!(reservation, Reservation::Later(_)) {
                let delay = clock().duration_until(at);
                return Err(SendError::Delayed { delay, why: "the number's turn is later" });
            }
            if checked + LONG_WAIT < at {
                now = sleep(clock, now, at - CHECK_TIME).await;
                if let Some(found) = check().await? {
                    return Ok(Some(found));
                }
                checked = at;
            }
            now = sleep(clock, now, at).await;
            if matches!(reservation, Reservation::Turn(_)) {
                return Ok(None);
            }
            reservation = self.paces.take_planned_turn(inbox, rate, segments, at, now).await?;
            // Other messages took the turn. The next one may be near.
            if let Reservation::Later(until) = reservation
                && until <= now + MAX_RESERVATION
                && until <= start + MAX_WAIT
            {
                reservation = Reservation::Planned(until);
            }
        }
    }
}

/// Sleeps until a time, and returns at least this time, whatever the clock says.
async fn sleep(clock: &impl Fn() -> Timestamp, now: Timestamp, until: Timestamp) -> Timestamp {
    tokio::time::sleep(now.max(clock()).duration_until(until)).await;
    clock().max(until)
}
