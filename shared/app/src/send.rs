//! Sending an accepted message to the carrier.
//!
//! Idempotent by the claim on the message: of all deliveries of a queue message, one calls the carrier.
//! Everything that is checked before the call is read before the claim, so that an error of the table leaves
//! no claim behind and the message stays `queued`. In a wait of more than a second for the turn, all of it is
//! read again shortly before.
//!
//! | the carrier's answer | result |
//! |---|---|
//! | accepted | `sent`, with the carrier's id |
//! | not called: sending is paused, the number's turn is later, or an earlier message of the other queue has no outcome | `queued`; the queue delivers the message again later |
//! | not called: after the message was accepted, the contact opted out, the inbox was retired, the registration was suspended, the contact was blocked, the broadcast was canceled, or the sending hours of its recipient ended | `failed` |
//! | not sent, may succeed later (429) | `queued`; the claim is given back, and the queue delivers the message again later |
//! | not sent, because the account is refused or there is no connection | the same, and sending is paused |
//! | not sent, cannot succeed | `failed`, with the carrier's code; an opt-out at the carrier is recorded |
//! | unknown (timeout, reset, 5xx) | `unknown`: `reconcile` asks the carrier; a 503, or several lost answers in a row, pause sending |
//!
//! A claim without an outcome is an attempt that died. The message becomes `unknown` as well, because the
//! carrier may have accepted it.
//!
//! An `unknown` message stays in the queue and holds back its conversation. If the carrier does not have it,
//! `reconcile` makes it `queued` again, and the next delivery sends it before the later messages of the
//! conversation.

use std::time::Duration;

use futures_util::future::try_join;
use shared_aws::{
    broadcast::Broadcasts,
    clients::{Bucket, BucketError, Disposition, SendJob},
    inbox::Inboxes,
    messaging::{Claim, Deliveries, Messages, Outbox, stored_at},
    opt_out::OptOuts,
    sending::{Paces, SendingPauses, StoredPace},
    table::{StoreError, Table},
};
use shared_carriers::twilio::{
    AccountFault, Client, Refusal, SendMessage, SendOutcome, error_code, with_retries,
};
use shared_domain::{
    broadcast::AHEAD,
    inbox::{Stage, TeamInbox},
    keys::InboxKey,
    media::{Media, MediaState},
    message::{DeliveryState, Message, Report},
    sending_hours::validity,
    sending_pause::{PauseCause, SendingPause, SendingState},
    time::Timestamp,
};

use crate::{
    callbacks::SignedCallbacks,
    limits::LimitWorkflow,
    opt_out::{OptOutWorkflow, Outcome},
    send_order::SendOrder,
    turn::Turns,
};

/// How long the carrier may fetch a file of a message.
const MEDIA_URL_TTL: Duration = Duration::from_hours(1);

/// How long a message waits after a refusal that concerns only itself or its number.
const REFUSAL_DELAY: Duration = Duration::from_secs(20);

/// The shortest and the longest delay of a message whose outcome is unknown.
const MIN_UNKNOWN_DELAY: Duration = Duration::from_secs(15);
const MAX_UNKNOWN_DELAY: Duration = Duration::from_mins(5);

/// How often the claim of a message that was not sent is given back if the table does not answer, and the
/// interval in between.
const RELEASE_ATTEMPTS: u32 = 3;
const RELEASE_INTERVAL: Duration = Duration::from_millis(500);

/// Why a message was not sent. The queue delivers it again.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The report is stored. The next delivery records the opt-out.
    #[error("the opt-out changed at the same time")]
    OptOutChanged,
    /// The message can be sent later, and its conversation waits for it.
    #[error("{why}")]
    Delayed { delay: Duration, why: &'static str },
    /// The message is sent after an earlier one of its conversation.
    #[error("an earlier message of the conversation is not sent yet")]
    OutOfOrder { delay: Duration },
    #[error("{0} does not exist")]
    NoMessage(String),
}

/// The workflow of outbound messages.
#[derive(Debug)]
pub struct SendWorkflow {
    carrier: Client,
    callbacks: SignedCallbacks,
    messages: Messages,
    deliveries: Deliveries,
    outbox: Outbox,
    inboxes: Inboxes,
    broadcasts: Broadcasts,
    opt_outs: OptOuts,
    opt_out_changes: OptOutWorkflow,
    pauses: SendingPauses,
    paces: Paces,
    turns: Turns,
    order: SendOrder,
    limits: LimitWorkflow,
    bucket: Bucket,
}

impl SendWorkflow {
    pub fn new(table: Table, bucket: Bucket, carrier: Client, callbacks: SignedCallbacks) -> Self {
        Self {
            carrier,
            callbacks,
            messages: Messages::new(table.clone()),
            deliveries: Deliveries::new(table.clone()),
            outbox: Outbox::new(table.clone()),
            inboxes: Inboxes::new(table.clone()),
            broadcasts: Broadcasts::new(table.clone()),
            opt_outs: OptOuts::new(table.clone()),
            opt_out_changes: OptOutWorkflow::new(table.clone()),
            pauses: SendingPauses::new(table.clone()),
            limits: LimitWorkflow::new(&table),
            paces: Paces::new(table.clone()),
            turns: Turns::new(table.clone()),
            order: SendOrder::new(table),
            bucket,
        }
    }

    /// Sends a message if no other attempt has. `attempt` identifies this attempt in the message's claim.
    pub async fn send(
        &self,
        clock: impl Fn() -> Timestamp,
        attempt: u64,
        job: &SendJob,
    ) -> Result<(), SendError> {
        let Some(message) = self.messages.get(&job.organization, &job.message).await? else {
            return Err(SendError::NoMessage(job.message.to_string()));
        };
        let inbox = InboxKey { organization: &job.organization, inbox: &message.inbox };
        let before = self.paces.get_with_conversation(inbox.conversation(&message.conversation)).await?;
        if let Some(pause) = &before.state.pause {
            return Err(delayed_by(pause, clock()));
        }
        let callback = self.callbacks.url(clock(), job.organization.as_str(), job.message.as_str()).await;
        let callback = callback.map_err(|error| {
            tracing::error!(event = "secret_unreadable", %error, "the secret could not be read");
            SendError::Delayed { delay: MIN_UNKNOWN_DELAY, why: "the signing secret cannot be read" }
        })?;
        let mut refusal = None;
        match message.delivery.state() {
            DeliveryState::Unknown => return Err(delayed_as_unknown(unknown_delay(&message, clock()))),
            DeliveryState::Queued => {
                let found = self.inboxes.get_with_team(inbox).await?;
                refusal = self.refusal_since(clock(), job, &message, found.as_ref()).await?;
                if let Some(found) = found.filter(|_| refusal.is_none()) {
                    require_no_hold(before.pace, clock())?;
                    if let Some(delay) = self.order.delay(job, &message, &before, clock()).await? {
                        return Err(SendError::OutOfOrder { delay });
                    }
                    let check = async || self.change_since(&clock, job, &message).await;
                    refusal = self.turns.wait(&clock, &found, &before, &message, check).await?;
                }
            }
            _ => {}
        }
        match self.messages.claim(&job.organization, &job.message, attempt, clock()).await? {
            Claim::Yours(message) => {
                if let Some(refusal) = refusal {
                    return self.fail(clock(), job, &message, refusal).await;
                }
                let now = clock();
                let validity = message.send_until.map(|until| validity(until, now));
                if validity == Some(None) {
                    return self.fail(now, job, &message, refused_as_late()).await;
                }
                let answer = match self.request(now, job, &message, &callback, validity.flatten()) {
                    Ok(request) => self.carrier.send(&request).await,
                    Err(error) => SendOutcome::Refused(refused_without_media(&error)),
                };
                self.record_answer(clock(), attempt, job, &message, &before.state, answer).await
            }
            Claim::Interrupted(_) => {
                self.mark_unknown(clock(), job, "an earlier attempt died").await?;
                Err(delayed_as_unknown(MIN_UNKNOWN_DELAY))
            }
            // An attempt may have died between its report and the conversation's update.
            Claim::Settled(message) => {
                if has_failed_as_opted_out(&message) {
                    self.opt_out(clock(), job, &message).await?;
                }
                Ok(self.deliveries.update_conversation(&job.organization, &message).await?)
            }
            Claim::NoMessage => Err(SendError::NoMessage(job.message.to_string())),
        }
    }

    /// Returns why a message that was accepted must not be sent any more.
    async fn refusal_since(
        &self,
        now: Timestamp,
        job: &SendJob,
        message: &Message,
        inbox: Option<&TeamInbox>,
    ) -> Result<Option<Refusal>, SendError> {
        if let Some(reason) = inbox.and_then(reason_against_inbox) {
            return Ok(Some(refusal(reason)));
        }
        if !message.bypass_opt_out {
            let status = self.opt_outs.status(&message.opt_out_subjects(&job.organization)).await?;
            if status.opted_out {
                return Ok(Some(refused_by_opt_out()));
            }
            if status.blocked {
                return Ok(Some(refusal(
                    "The contact was blocked before the message was sent. It was not sent.",
                )));
            }
        }
        self.refusal_by_broadcast(now, job, message).await
    }

    /// Refuses the text of a broadcast that was canceled. Texts that wait no longer than the 15 seconds that
    /// are released ahead are not asked about; the others cost 1 read unit.
    async fn refusal_by_broadcast(
        &self,
        now: Timestamp,
        job: &SendJob,
        message: &Message,
    ) -> Result<Option<Refusal>, SendError> {
        let Some(of) = message.broadcast.as_ref().filter(|_| now >= message.created_at + AHEAD) else {
            return Ok(None);
        };
        let is_stopped = self.broadcasts.stops_texts(&job.organization, &of.broadcast).await?;
        Ok(is_stopped
            .then(|| refusal("The broadcast was canceled before the text was sent. It was not sent.")))
    }

    /// [`SendWorkflow::refusal_since`] in a long wait.
    ///
    /// # Errors
    /// [`SendError::Delayed`] if sending is paused or the number held by now.
    async fn change_since(
        &self,
        clock: &impl Fn() -> Timestamp,
        job: &SendJob,
        message: &Message,
    ) -> Result<Option<Refusal>, SendError> {
        let inbox = InboxKey { organization: &job.organization, inbox: &message.inbox };
        let (sending, inboxes) =
            (self.paces.get_with_sending_state(inbox), self.inboxes.get_with_team(inbox));
        let ((state, pace), found) = try_join(sending, inboxes).await?;
        if let Some(pause) = &state.pause {
            return Err(delayed_by(pause, clock()));
        }
        require_no_hold(pace, clock())?;
        self.refusal_since(clock(), job, message, found.as_ref()).await
    }

    fn request(
        &self,
        now: Timestamp,
        job: &SendJob,
        message: &Message,
        callback: &str,
        validity: Option<Duration>,
    ) -> Result<SendMessage, BucketError> {
        let url = |media: &Media| match &media.state {
            MediaState::Linked { url } => Ok(url.clone()),
            MediaState::Stored { .. } | MediaState::Pending { .. } | MediaState::Refused { .. } => {
                let key =
                    stored_at(InboxKey { organization: &job.organization, inbox: &message.inbox }, media);
                self.bucket.presigned_get(&key, Disposition::Inline, MEDIA_URL_TTL, now)
            }
        };
        Ok(SendMessage {
            to: message.contact_number.as_str().to_owned(),
            from: message.inbox_number.as_str().to_owned(),
            body: message.text.clone(),
            media_urls: message.media.iter().map(url).collect::<Result<_, _>>()?,
            status_callback: with_retries(callback),
            messaging_service_sid: message.messaging_service.clone(),
            validity,
        })
    }

    async fn record_answer(
        &self,
        now: Timestamp,
        attempt: u64,
        job: &SendJob,
        message: &Message,
        state: &SendingState,
        answer: SendOutcome,
    ) -> Result<(), SendError> {
        match answer {
            SendOutcome::Accepted { sid, .. } => {
                let report = Report::at(now);
                self.report(job, DeliveryState::Sent, &report, Some(&sid)).await?;
                let millis = u64::try_from(message.created_at.duration_until(now).as_millis()).ok();
                tracing::info!(event = "message_sent", message_id = %job.message, carrier_id = sid, millis, "message sent");
                if state.lost_answers > 0 {
                    self.pauses.reset_lost_answers(&job.organization).await?;
                }
                Ok(())
            }
            SendOutcome::Refused(refusal) => {
                let cause = pause_cause(&refusal);
                let code = refusal.code;
                if cause.is_none() && !refusal.retryable {
                    self.fail(now, job, message, refusal).await?;
                    return self.apply_limit(now, job, message, code).await;
                }
                self.release_claim(job, attempt).await?;
                let Some(cause) = cause else {
                    self.apply_limit(now, job, message, code).await?;
                    return Err(SendError::Delayed {
                        delay: REFUSAL_DELAY,
                        why: "the carrier accepts the message later",
                    });
                };
                if self.pauses.pause_automatically(&job.organization, cause, now).await? {
                    log_pause(job, cause, code);
                }
                let delay = SendingPause::automatic(cause, now).delay(now);
                Err(SendError::Delayed { delay, why: "the carrier accepts no messages" })
            }
            SendOutcome::Unknown { why } => {
                self.mark_unknown(now, job, &why.to_string()).await?;
                let cause = PauseCause::CarrierDown;
                let paused = if why.is_outage() {
                    self.pauses.pause_automatically(&job.organization, cause, now).await?
                } else {
                    self.pauses.count_lost_answer(&job.organization, now).await?
                };
                if paused {
                    log_pause(job, cause, None);
                }
                Err(delayed_as_unknown(MIN_UNKNOWN_DELAY))
            }
        }
    }

    /// Restrains the number if a code says that it reached a limit.
    async fn apply_limit(
        &self,
        now: Timestamp,
        job: &SendJob,
        message: &Message,
        code: Option<u32>,
    ) -> Result<(), SendError> {
        match code {
            Some(code) => Ok(self.limits.apply(now, &job.organization, message, code).await?),
            None => Ok(()),
        }
    }

    /// Gives back the claim of a message that was certainly not sent. A claim that stays makes the message
    /// `unknown`: `reconcile` then asks the carrier, and the message is sent later than necessary.
    async fn release_claim(&self, job: &SendJob, attempt: u64) -> Result<(), StoreError> {
        let mut attempts = 1;
        loop {
            match self.messages.release_claim(&job.organization, &job.message, attempt).await {
                Err(_) if attempts < RELEASE_ATTEMPTS => tokio::time::sleep(RELEASE_INTERVAL).await,
                released => return released,
            }
            attempts += 1;
        }
    }

    async fn fail(
        &self,
        now: Timestamp,
        job: &SendJob,
        message: &Message,
        refusal: Refusal,
    ) -> Result<(), SendError> {
        let code = refusal.code;
        if refusal.account_fault.is_some() {
            tracing::error!(event = "carrier_account_fault", code, "carrier refused the account");
        }
        tracing::warn!(event = "message_failed", message_id = %job.message, code, "message failed");
        let report =
            Report { at: now, code: code.map(|code| code.to_string()), detail: Some(refusal.reason) };
        self.report(job, DeliveryState::Failed, &report, None).await?;
        // After the report: a redelivery that finds the report completes an opt-out that a crash prevented.
        if refusal.opted_out {
            self.opt_out(now, job, message).await?;
        }
        Ok(())
    }

    async fn opt_out(&self, now: Timestamp, job: &SendJob, message: &Message) -> Result<(), SendError> {
        match self.opt_out_changes.apply_carrier_refusal(&job.organization, message, now).await? {
            Outcome::Done | Outcome::ContactRemoved => Ok(()),
            Outcome::Contended => Err(SendError::OptOutChanged),
        }
    }

    /// Writes the item that makes `reconcile` ask the carrier before the state that users see. If the
    /// function dies in between, the carrier is asked once more than needed.
    async fn mark_unknown(&self, now: Timestamp, job: &SendJob, why: &str) -> Result<(), SendError> {
        tracing::warn!(event = "send_unknown", message_id = %job.message, why, "message may not have been sent");
        self.outbox.mark_unknown(&job.organization, &job.message, now).await?;
        let detail = "The carrier's answer was lost. We are asking whether it has the message.";
        let report = Report { at: now, code: None, detail: Some(detail.into()) };
        self.report(job, DeliveryState::Unknown, &report, None).await?;
        Ok(())
    }

    async fn report(
        &self,
        job: &SendJob,
        state: DeliveryState,
        report: &Report,
        carrier_id: Option<&str>,
    ) -> Result<(), StoreError> {
        self.deliveries.report(&job.organization, &job.message, state, report, carrier_id).await?;
        Ok(())
    }
}

fn delayed_by(pause: &SendingPause, now: Timestamp) -> SendError {
    SendError::Delayed { delay: pause.delay(now), why: "sending is paused" }
}

fn require_no_hold(pace: StoredPace, now: Timestamp) -> Result<(), SendError> {
    let Some((_, until)) = pace.held(now) else { return Ok(()) };
    Err(SendError::Delayed { delay: now.duration_until(until), why: "the number is held" })
}

fn delayed_as_unknown(delay: Duration) -> SendError {
    SendError::Delayed { delay, why: "the carrier is asked whether it has the message" }
}

/// A tenth of the time for which the outcome is unknown, so that a long outage uses few of the receives that
/// the queue allows.
fn unknown_delay(message: &Message, now: Timestamp) -> Duration {
    let since = message.delivery.report(DeliveryState::Unknown).map_or(now, |report| report.at);
    (since.duration_until(now) / 10).clamp(MIN_UNKNOWN_DELAY, MAX_UNKNOWN_DELAY)
}

/// Returns why a refusal pauses all sending. `None` if it concerns one message or one number.
fn pause_cause(refusal: &Refusal) -> Option<PauseCause> {
    if refusal.account_fault == Some(AccountFault::Refused) {
        Some(PauseCause::AccountRefused)
    } else if refusal.is_outage() {
        Some(PauseCause::CarrierDown)
    } else {
        None
    }
}

fn log_pause(job: &SendJob, cause: PauseCause, code: Option<u32>) {
    let cause = cause.as_str();
    tracing::error!(event = "sending_paused", organization = %job.organization, cause, code, "sending paused");
}

/// Whether a report says that the carrier refused the message because of an opt-out.
fn has_failed_as_opted_out(message: &Message) -> bool {
    let code = message.delivery.report(DeliveryState::Failed).and_then(|report| report.code.as_deref());
    code.and_then(|code| code.parse().ok()).is_some_and(error_code::is_opt_out)
}

/// Returns why an inbox that could send when the message was accepted cannot send any more.
fn reason_against_inbox(found: &TeamInbox) -> Option<&'static str> {
    if found.may_send() {
        None
    } else if found.inbox.stage == Stage::Retired {
        Some("The inbox was retired before the message was sent. It was not sent.")
    } else {
        Some("The team's registration was suspended before the message was sent. It was not sent.")
    }
}

fn refused_without_media(error: &BucketError) -> Refusal {
    tracing::error!(event = "media_url_failed", %error, "media URL not created");
    refusal("The files of this message are not available. It was not sent.")
}

fn refused_as_late() -> Refusal {
    refusal("The sending hours of the recipient ended before the message was sent. It was not sent.")
}

fn refused_by_opt_out() -> Refusal {
    refusal("The contact opted out before the message was sent. It was not sent.")
}

fn refusal(reason: &str) -> Refusal {
    Refusal {
        code: None,
        http_status: None,
        reason: reason.into(),
        retryable: false,
        opted_out: false,
        account_fault: None,
    }
}
