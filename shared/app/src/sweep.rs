//! The sweep of inbound messages: finds messages at the carrier whose webhook was lost, and takes them in
//! like a webhook does. It also sets the webhooks of numbers that lost theirs.
//!
//! Each run lists the account's numbers, and for each number that belongs to an inbox one page of its
//! messages. [`shared_domain::sweep`] decides which of them are checked. A message is checked once: it needs
//! no delivery if it is stored and shown, its media is copied, and it has no keyword. Anything else is taken
//! in again, which is idempotent.
//!
//! | number | requests to the carrier | read units | write units |
//! |---|---|---|---|
//! | nothing new | 1 | 0 | 0 |
//! | new messages that are complete | 1 | 1 and 1.5 for each | 1 |
//! | lost messages | 1 and 1 for each with media | the same | 1 and those of the messages |
//!
//! A page with a message that cannot be taken in is read again by the next run.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, stream};
use shared_aws::{
    inbox::Inboxes,
    messaging::{Inbound, InboundText, SweptNumber, SweptNumbers},
    table::{StoreError, Table},
};
use shared_carriers::twilio::{
    CallError, CarrierMessage, Client, Direction, LookupError, NumberWebhooks, OwnedNumber,
};
use shared_domain::{
    inbox::Inbox,
    opt_out::{KeywordReplies, wants_review},
    phone::{ChannelAddress, PhoneNumber},
    sweep::{Listed, MAX_AGE, SweepPosition},
    time::Timestamp,
};

use crate::{
    inbound::{InboundError, InboundWorkflow, inbound_text},
    keyword::keyword_of,
};

/// Numbers that are swept at the same time.
const MAX_CONCURRENCY: usize = 8;

/// What one run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Numbers whose list was read.
    pub numbers: usize,
    /// Lost messages that were taken in.
    pub found: usize,
    /// Numbers whose webhooks were set.
    pub restored: usize,
    /// Numbers of which a list or a message could not be read or stored. The next run tries again.
    pub failed: usize,
    /// Numbers that were not begun, because the time was over. The next run reads them.
    pub skipped: usize,
}

/// Why no number was swept.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the numbers were not listed: {0}")]
    Carrier(#[from] CallError),
}

#[derive(Debug, thiserror::Error)]
enum NumberError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Carrier(#[from] LookupError),
    #[error("a message was not taken in")]
    Incomplete,
}

/// A number of this run.
#[derive(Debug)]
struct Number {
    swept: SweptNumber,
    /// Earlier messages belong to an earlier owner of the number.
    bought_at: Timestamp,
}

/// The workflow of the sweep.
#[derive(Debug)]
pub struct SweepWorkflow {
    carrier: Client,
    webhooks: NumberWebhooks,
    inboxes: Inboxes,
    numbers: SweptNumbers,
    stored: Inbound,
    inbound: InboundWorkflow,
}

impl SweepWorkflow {
    /// `webhooks` are those that every number of an inbox must have. `replies` says who answers keywords.
    pub fn new(table: &Table, carrier: Client, webhooks: NumberWebhooks, replies: KeywordReplies) -> Self {
        Self {
            carrier,
            webhooks,
            inboxes: Inboxes::new(table.clone()),
            numbers: SweptNumbers::new(table.clone()),
            stored: Inbound::new(table.clone()),
            inbound: InboundWorkflow::new(table, replies),
        }
    }

    /// Takes in messages that had their automatic reply before, as all that a restore finds.
    #[must_use]
    pub fn without_replies(self) -> Self {
        Self { inbound: self.inbound.without_replies(), ..self }
    }

    /// Whether a part of a number's list is not checked yet, so that another run is needed.
    pub async fn has_gaps(&self) -> Result<bool, StoreError> {
        Ok(self.numbers.all().await?.iter().any(|number| number.position.gap.is_some()))
    }

    /// Does one run. Begins no number after `budget`. Errors if the numbers cannot be listed.
    pub async fn run(
        &self,
        clock: impl Fn() -> Timestamp,
        entropy: u64,
        budget: Duration,
    ) -> Result<Swept, SweepError> {
        let now = clock();
        let mut swept = Swept::default();
        let mut numbers = self.update_list(now, &mut swept).await?;
        if !numbers.is_empty() {
            // Another number is first in each run, so that a run that ends early neglects none.
            let first = entropy % numbers.len() as u64;
            numbers.rotate_left(usize::try_from(first).unwrap_or(0));
        }
        let sweep = |number: Number| {
            let clock = &clock;
            async move {
                let is_over = clock() >= now + budget;
                if is_over { None } else { Some(self.sweep(&number, clock(), entropy).await) }
            }
        };
        let mut outcomes = stream::iter(numbers).map(sweep).buffer_unordered(MAX_CONCURRENCY);
        while let Some(outcome) = outcomes.next().await {
            match outcome {
                Some(Ok(found)) => {
                    swept.numbers += 1;
                    swept.found += found;
                }
                Some(Err(error)) => {
                    swept.failed += 1;
                    tracing::warn!(event = "number_not_swept", %error, "messages of a number not swept");
                }
                None => swept.skipped += 1,
            }
        }
        Ok(swept)
    }

    /// Brings the list of swept numbers up to date with the account's numbers, and sets webhooks that differ.
    async fn update_list(&self, now: Timestamp, swept: &mut Swept) -> Result<Vec<Number>, SweepError> {
        let owned = self.carrier.owned_numbers().await?;
        let listed = self.numbers.all().await?.into_iter();
        let mut listed: BTreeMap<_, _> = listed.map(|swept| (swept.number.clone(), swept)).collect();
        let mut numbers = Vec::with_capacity(owned.len());
        for owned in owned {
            let Ok(number) = PhoneNumber::from_carrier(&owned.phone_number) else { continue };
            let bought_at = owned.bought_at.map_or(now, |at| Timestamp::from_millis(at.as_millisecond()));
            let known = match listed.remove(&number) {
                Some(known) => Some(known),
                None => self.add(number, bought_at, now).await?,
            };
            let Some(known) = known else { continue };
            if owned.webhooks != self.webhooks {
                self.restore_webhooks(&owned, swept).await;
            }
            numbers.push(Number { swept: known, bought_at });
        }
        for released in listed.into_keys() {
            self.numbers.remove(&released).await?;
        }
        Ok(numbers)
    }

    /// Adds a number to the list. `None` if no inbox has it.
    async fn add(
        &self,
        number: PhoneNumber,
        bought_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<SweptNumber>, StoreError> {
        if !self.inboxes.is_ours(&number).await? {
            return Ok(None);
        }
        let position = SweepPosition::starting_at(bought_at.max(now - MAX_AGE));
        let added = SweptNumber { number, position };
        self.numbers.add(&added).await?;
        Ok(Some(added))
    }

    async fn restore_webhooks(&self, owned: &OwnedNumber, swept: &mut Swept) {
        match self.carrier.set_webhooks(&owned.sid, &self.webhooks).await {
            Ok(()) => {
                swept.restored += 1;
                tracing::warn!(
                    event = "webhooks_restored",
                    number_sid = owned.sid,
                    "webhooks of a number restored"
                );
            }
            Err(error) => {
                tracing::error!(event = "webhooks_not_restored", number_sid = owned.sid, %error, "webhooks of a number not restored");
            }
        }
    }

    /// Reads one page of a number's messages. Returns how many lost messages it contained.
    async fn sweep(&self, number: &Number, now: Timestamp, entropy: u64) -> Result<usize, NumberError> {
        let SweptNumber { number: to, position } = &number.swept;
        let range = position.range(now);
        let (since, until) = (instant(range.since.max(number.bought_at)), range.until.map(instant));
        let page = self.carrier.messages_to(to.as_str(), since, until).await?;
        let listed: Vec<Listed> = page.messages.iter().map(listed).collect();
        let is_of_inbox = |place: &usize| {
            page.messages[*place].direction == Direction::Inbound && listed[*place].at >= number.bought_at
        };
        let unchecked = position.unchecked(&listed, now).into_iter().filter(is_of_inbox);
        let unchecked: Vec<_> = unchecked.map(|place| (listed[place].at, &page.messages[place])).collect();
        let found = if unchecked.is_empty() { 0 } else { self.check(to, &unchecked, now, entropy).await? };
        if let Some(after) = position.after(&listed, page.is_last, now) {
            self.numbers.advance(&number.swept, &after).await?;
        }
        Ok(found)
    }

    /// Takes in the messages that need it, oldest first. Returns how many were lost.
    async fn check(
        &self,
        to: &PhoneNumber,
        messages: &[(Timestamp, &CarrierMessage)],
        now: Timestamp,
        entropy: u64,
    ) -> Result<usize, NumberError> {
        let Some(inbox) = self.inboxes.by_number(to).await? else { return Ok(0) };
        let texts: Vec<_> = messages.iter().filter_map(|(at, message)| text(*at, message)).collect();
        let listed: Vec<_> = texts.iter().map(|text| &text.text).collect();
        let complete = self.stored.complete(&inbox, &listed).await?;
        let (mut found, mut failed, mut last) = (0, false, Timestamp::default());
        for (text, is_complete) in texts.into_iter().zip(complete) {
            // The carrier's dates are in seconds. Messages of one second keep the order of the list.
            last = text.at.max(last + Duration::from_millis(1));
            if is_complete && !has_follow_up(&text.text.text) {
                continue;
            }
            let carrier_id = text.text.carrier_id.clone();
            let seconds = text.at.duration_until(now).as_secs();
            match self.take_in(&inbox, text, last, now, entropy).await {
                Ok(()) if is_complete => {}
                Ok(()) => {
                    found += 1;
                    tracing::warn!(event = "lost_message_found", inbox = %inbox.id, carrier_id, seconds, "lost message stored");
                }
                Err(error) => {
                    failed = true;
                    tracing::error!(event = "lost_message_failed", inbox = %inbox.id, carrier_id, %error, "lost message not stored");
                }
            }
        }
        if failed { Err(NumberError::Incomplete) } else { Ok(found) }
    }

    async fn take_in(
        &self,
        inbox: &Inbox,
        listed: ListedText,
        at: Timestamp,
        now: Timestamp,
        entropy: u64,
    ) -> Result<(), TakeInError> {
        let ListedText { text, has_media, .. } = listed;
        let media = if has_media { self.carrier.media_of(&text.carrier_id).await? } else { Vec::new() };
        let from = ChannelAddress { channel: text.channel, number: text.from };
        let text = inbound_text(&text.carrier_id, from, text.text, &media);
        // The list does not contain `OptOutType`, so the words decide.
        Ok(self.inbound.take_in(now, entropy, at, inbox, &text, None).await?)
    }
}

#[derive(Debug, thiserror::Error)]
enum TakeInError {
    #[error(transparent)]
    Inbound(#[from] InboundError),
    #[error(transparent)]
    Carrier(#[from] LookupError),
}

/// A message of the list, without its media.
struct ListedText {
    at: Timestamp,
    text: InboundText,
    has_media: bool,
}

/// `None` if nothing of the sender can be shown, as for the webhook.
fn text(at: Timestamp, message: &CarrierMessage) -> Option<ListedText> {
    let from = message.from.as_deref().map(ChannelAddress::parse);
    let Some(Ok(from)) = from else {
        tracing::warn!(
            event = "unknown_sender",
            carrier_id = message.sid,
            "message without a sender skipped"
        );
        return None;
    };
    let text = inbound_text(&message.sid, from, message.body.clone(), &[]);
    Some(ListedText { at, text, has_media: message.media > 0 })
}

/// Whether a message has an effect besides being shown, which an interrupted delivery may have missed.
fn has_follow_up(text: &str) -> bool {
    keyword_of(text, None).is_some() || wants_review(text)
}

/// A message without a date sorts before all others and is not checked.
fn listed(message: &CarrierMessage) -> Listed {
    let at = message.date_created.map_or(0, jiff::Timestamp::as_millisecond);
    Listed { id: message.sid.clone(), at: Timestamp::from_millis(at) }
}

fn instant(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(at.millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}
