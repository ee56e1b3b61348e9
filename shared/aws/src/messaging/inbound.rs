//! Inbound messages: each is stored exactly once, however often the carrier repeats its webhook.
//!
//! Three conditional writes in a row, each safe to repeat: the *claim* under the carrier's message id, which
//! fixes the message's id and time; the *message*; the *conversation*. A redelivery finds the claim (1 write
//! unit), checks whether message and conversation followed, and writes what is missing, so a crash between
//! two writes loses nothing. A transaction would cost twice as much and conflict with replies.
//!
//! | delivery | requests | write units |
//! |---|---|---|
//! | first, conversation unread | 3 | 7 (claim 1, message 1, conversation 1, its entries in the list and the unread list move, 2 each) |
//! | first, conversation read | 4 | 7 (the list entry moves, the unread list gains one, and the inbox's counter grows) |
//! | first message of a known contact | 5 and 3 reads | 7 (claim 1, message 1, conversation not there 1, conversation 1 and two index entries, counter 1) |
//! | first message of an unknown number | 6 and 4 reads | 8 (claim 1, message 1, conversation not there 1, contact 1, conversation 1 and two index entries, counter 1) |
//! | the same with a notification | 6 and 4 reads | 11 (contact and notification are a transaction: 4) |
//! | again | 2 | 1 (and 2 read units: message and conversation) |
//!
//! Each costs 2 more if the contact is assigned to a user, because the entry in the assigned list moves (1 if
//! it is new).

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use serde::Deserialize;
use shared_domain::{
    broadcast::Asked,
    conversation::{Folder, InboundPosition, MessagePreview, inbound_position},
    ids::{ConversationId, MessageId},
    inbox::{Inbox, InboxKind},
    media::{Media, MediaState},
    message::{Delivery, DeliveryState, Direction, Message},
    phone::{Channel, PhoneNumber},
    time::Timestamp,
};

use crate::{
    contact::contacts::Contacts,
    conversation::{
        rows::{ConversationRow, MessagePreviewRow},
        unread::Unread,
    },
    messaging::rows::{ClaimRow, MessageRow},
    table::{
        error::StoreError,
        item::{Item, attribute, by_key, from_item, number, string_attribute, text},
        keys::{self, Key},
        requests::{Conditional, IS_NEW, Table},
    },
};

/// Maximum number of attempts to update the conversation while other writes change it.
const CONVERSATION_ATTEMPTS: usize = 4;

/// The name of the carrier in claims.
pub const CARRIER: &str = "twilio";

/// An inbound message as a carrier reports it.
#[derive(Debug, Clone)]
pub struct InboundText {
    pub carrier: &'static str,
    /// The carrier's id, which makes the webhook idempotent.
    pub carrier_id: String,
    pub from: PhoneNumber,
    pub channel: Channel,
    /// May be empty if there is media.
    pub text: String,
    pub media: Vec<Media>,
}

/// The outcome of receiving a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// Stored by this delivery.
    Stored(MessageId),
    /// Stored by an earlier delivery. This delivery completed the missing steps.
    Duplicate(MessageId),
    /// Erased since an earlier delivery. Nothing is stored again.
    Erased,
}

/// What a conversation had before an inbound message: the texts of broadcasts that the message may answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BeforeInbound {
    pub asked: Asked,
    /// The text before `asked`. It is that text itself if it was the first one.
    #[serde(default)]
    pub asked_before: Option<Asked>,
    /// The newest outbound message.
    #[serde(default)]
    pub last_outbound: Option<MessageId>,
    /// The newest outbound message before `asked`.
    #[serde(default)]
    pub outbound_before: Option<MessageId>,
}

impl BeforeInbound {
    /// The texts that the message may answer, newest first.
    pub fn texts(&self) -> impl Iterator<Item = &Asked> {
        let before = self.asked_before.as_ref().filter(|before| before.of != self.asked.of);
        std::iter::once(&self.asked).chain(before)
    }

    /// The outbound messages that are known, newest first.
    pub fn outbound(&self) -> impl Iterator<Item = &MessageId> {
        self.last_outbound.iter().chain(&self.outbound_before)
    }

    fn of(conversation: &Item) -> Option<Self> {
        conversation.contains_key("asked").then(|| from_item(conversation.clone()).ok()).flatten()
    }
}

/// Stores inbound messages.
#[derive(Debug, Clone)]
pub struct Inbound {
    table: Table,
    contacts: Contacts,
    unread: Unread,
}

impl Inbound {
    pub fn new(table: Table) -> Self {
        Self { contacts: Contacts::new(table.clone()), unread: Unread::new(table.clone()), table }
    }

    /// Stores a message and moves its conversation to the top of the inbox, unread.
    ///
    /// Also returns the text of a broadcast that the message may answer. After an error the message may not
    /// be stored, and the carrier must repeat the webhook.
    pub async fn receive(
        &self,
        inbox: &Inbox,
        text: &InboundText,
        now: Timestamp,
    ) -> Result<(Receipt, Option<BeforeInbound>), StoreError> {
        let conversation = ConversationId::of(&inbox.id, &text.from);
        let id = MessageId::of_inbound(&conversation, now, &text.carrier_id);
        match self.claim(inbox, text, &id, now).await? {
            None => {
                let message = message(inbox, text, conversation, id.clone(), now);
                self.put_message(inbox, &message).await?;
                let before = self.update_conversation(inbox, &message, Seen::NOTHING, true).await?;
                Ok((Receipt::Stored(id), before))
            }
            Some(ClaimRow { message: None, .. }) => Ok((Receipt::Erased, None)),
            Some(ClaimRow { message: Some(id), at }) => {
                let message = message(inbox, text, conversation, id.clone(), at);
                let before = self.resume(inbox, &message).await?;
                Ok((Receipt::Duplicate(id), before))
            }
        }
    }

    /// Returns which of these messages need no further delivery: they are stored, their conversation shows
    /// them, and their media is copied; or they were erased. 1.5 read units for each message, in two requests
    /// for each hundred.
    pub async fn complete(&self, inbox: &Inbox, texts: &[&InboundText]) -> Result<Vec<bool>, StoreError> {
        let claim =
            |text: &InboundText| keys::inbound_claim(&inbox.organization, text.carrier, &text.carrier_id);
        let claims = self.items(texts.iter().copied().map(claim)).await?;
        let progress = |text: &&InboundText| {
            let Some(row) = claims.get(&claim(text)) else { return Ok(Progress::Unknown) };
            let ClaimRow { message: Some(message), .. } = from_item(row.clone())? else {
                return Ok(Progress::Erased);
            };
            let conversation = ConversationId::of(&inbox.id, &text.from);
            let message = keys::message(&inbox.organization, &conversation, &message);
            Ok(Progress::Claimed([message, keys::conversation(inbox.key().conversation(&conversation))]))
        };
        let progress = texts.iter().map(progress).collect::<Result<Vec<_>, StoreError>>()?;
        let items = self.items(progress.iter().flat_map(Progress::keys).cloned()).await?;
        let is_complete = |progress: &Progress| match progress {
            Progress::Claimed([message, conversation]) => {
                is_complete(items.get(message), items.get(conversation))
            }
            Progress::Unknown => Ok(false),
            Progress::Erased => Ok(true),
        };
        progress.iter().map(is_complete).collect()
    }

    async fn items(&self, keys: impl Iterator<Item = Key>) -> Result<HashMap<Key, Item>, StoreError> {
        let distinct: BTreeSet<Key> = keys.collect();
        Ok(by_key(self.table.batch_get(distinct.into_iter().collect(), false).await?))
    }

    /// Claims the carrier's id. Returns the claim of an earlier delivery if there is one.
    async fn claim(
        &self,
        inbox: &Inbox,
        text: &InboundText,
        id: &MessageId,
        now: Timestamp,
    ) -> Result<Option<ClaimRow>, StoreError> {
        let key = keys::inbound_claim(&inbox.organization, text.carrier, &text.carrier_id);
        match self.table.put_new(key, &ClaimRow { message: Some(id.clone()), at: now }).await? {
            Conditional::Done(_) => Ok(None),
            Conditional::Failed(claim) => Ok(Some(from_item(claim.unwrap_or_default())?)),
        }
    }

    /// Completes the steps that an earlier delivery missed. Usually there are none.
    async fn resume(&self, inbox: &Inbox, message: &Message) -> Result<Option<BeforeInbound>, StoreError> {
        let message_key = keys::message(&inbox.organization, &message.conversation, &message.id);
        let conversation_key = keys::conversation(inbox.key().conversation(&message.conversation));
        let found = self.table.batch_get(vec![message_key, conversation_key.clone()], true).await?;
        let is_conversation =
            |item: &&Item| string_attribute(item, "sk") == Some(conversation_key.sk.as_str());
        let conversation = found.iter().find(is_conversation).cloned();
        let missing = found.len() == usize::from(conversation.is_some());
        if missing {
            self.put_message(inbox, message).await?;
        }
        self.update_conversation(inbox, message, Seen::new(conversation, &message.id)?, missing).await
    }

    /// Writes the message unless it is there already: a delayed request must not overwrite later changes,
    /// such as the state of an attachment.
    async fn put_message(&self, inbox: &Inbox, message: &Message) -> Result<(), StoreError> {
        let key = keys::message(&inbox.organization, &message.conversation, &message.id);
        self.table.put_new(key, &MessageRow::of(message)).await.map(drop)
    }

    /// Updates the conversation with the message. Each attempt is one conditional write; if its condition
    /// fails, the returned item shows what is left to do. `stored_now` says that this delivery wrote the
    /// message, so that no member can have read it yet.
    async fn update_conversation(
        &self,
        inbox: &Inbox,
        message: &Message,
        mut seen: Seen,
        stored_now: bool,
    ) -> Result<Option<BeforeInbound>, StoreError> {
        for _ in 0..CONVERSATION_ATTEMPTS {
            let update = match seen.left {
                InboundPosition::AlreadyShown => return Ok(seen.before),
                InboundPosition::BehindInbound if !stored_now => return Ok(seen.before),
                InboundPosition::BehindInbound => Self::mark_unread(inbox, message, &seen),
                InboundPosition::Newest => Self::put_on_top(inbox, message)?,
                InboundPosition::BehindOutbound => Self::put_below(inbox, message, &seen),
            };
            let current = match self.write(inbox, message, update).await? {
                Conditional::Done(before) => return Ok(BeforeInbound::of(&before)),
                Conditional::Failed(Some(current)) => Some(current),
                Conditional::Failed(None) => match self.begin(inbox, message).await? {
                    Conditional::Done(_) => return Ok(None),
                    Conditional::Failed(begun_by_another) => begun_by_another,
                },
            };
            seen = Seen::new(current, &message.id)?;
        }
        Err(StoreError::Unavailable("the conversation kept changing".into()))
    }

    /// Creates the conversation with its first message.
    async fn begin(&self, inbox: &Inbox, message: &Message) -> Result<Conditional, StoreError> {
        let shown = self.contacts.of_inbound(inbox, message).await?;
        let (mut expression, mut values) = Self::newest(inbox, message)?;
        values.insert(":contact".into(), attribute(&shown.copy())?);
        expression.push_str(", contact = :contact");
        if let Some(user) = &shown.contact.assigned {
            expression.push_str(", assignedIn = :assigned");
            values.insert(":assigned".into(), text(keys::assigned_in(inbox.key(), &user.id)));
        }
        let begun =
            self.write(inbox, message, Update { expression, condition: IS_NEW.into(), values }).await?;
        // The contact, or the status of its number, may have changed since it was read, when there was no
        // conversation to update.
        if begun.is_done() {
            self.contacts.sync_if_changed(inbox.team_key(), &shown).await?;
        }
        Ok(begun)
    }

    fn put_on_top(inbox: &Inbox, message: &Message) -> Result<Update, StoreError> {
        let (expression, values) = Self::newest(inbox, message)?;
        let condition = format!("lastMessage.id < :message AND {NEWEST_INBOUND}");
        Ok(Update { expression, condition, values })
    }

    /// Returns the update for the newest inbound message, if an outbound message is newer.
    fn put_below(inbox: &Inbox, message: &Message, seen: &Seen) -> Update {
        let mut values = Self::at_same_place(inbox, message, seen);
        values.insert(":message".into(), text(&message.id));
        Update {
            expression: format!("{IN_INBOX_UNREAD}, lastInbound = :message"),
            condition: format!("place = :seen AND {NEWEST_INBOUND}"),
            values,
        }
    }

    /// Returns the update that marks the conversation unread and moves it to the inbox folder, if an inbound
    /// message is newer.
    fn mark_unread(inbox: &Inbox, message: &Message, seen: &Seen) -> Update {
        Update {
            expression: IN_INBOX_UNREAD.into(),
            condition: "place = :seen".into(),
            values: Self::at_same_place(inbox, message, seen),
        }
    }

    /// Returns the expression and its values for the top of the inbox, with `message` as the newest message
    /// of the conversation. The contact waits from then on, unless an earlier message has no answer yet.
    fn newest(inbox: &Inbox, message: &Message) -> Result<(String, Item), StoreError> {
        let mut expression = format!("{IN_INBOX_UNREAD}, {NEWEST}");
        let mut values = Self::unread_at(inbox, message, message.created_at);
        if message.needs_answer() {
            expression.push_str(", waitingSince = if_not_exists(waitingSince, :since)");
            values.insert(":since".into(), number(message.created_at.millis()));
        }
        values.insert(":message".into(), text(&message.id));
        values.insert(":last".into(), attribute(&MessagePreviewRow::of(&MessagePreview::of(message)))?);
        Ok((expression, values))
    }

    /// Returns the values for the inbox folder, with the current time of the conversation.
    fn at_same_place(inbox: &Inbox, message: &Message, seen: &Seen) -> Item {
        let mut values = Self::unread_at(inbox, message, seen.last_activity_at);
        values.insert(":seen".into(), text(&seen.place));
        values
    }

    fn unread_at(inbox: &Inbox, message: &Message, last_activity_at: Timestamp) -> Item {
        let folder = Folder::after(Direction::Inbound);
        Item::from([
            (":place".into(), text(keys::place(folder, last_activity_at, &message.conversation))),
            (":inbox".into(), text(keys::inbox_partition(inbox.key()))),
            (":unread".into(), AttributeValue::Bool(false)),
        ])
    }

    async fn write(
        &self,
        inbox: &Inbox,
        message: &Message,
        update: Update,
    ) -> Result<Conditional, StoreError> {
        let key = keys::conversation(inbox.key().conversation(&message.conversation));
        let written = self.table.update_if(key, |request| {
            request
                .update_expression(update.expression)
                .condition_expression(update.condition)
                .expression_attribute_names("#read", "read")
                .set_expression_attribute_values(Some(update.values))
                .return_values(ReturnValue::AllOld)
        });
        let written = written.await?;
        if let Conditional::Done(before) = &written
            && !before.contains_key("unreadIn")
        {
            self.unread.add(inbox.key(), 1, message.created_at).await?;
        }
        Ok(written)
    }
}

/// What the claim of a message says.
enum Progress {
    /// There is no claim.
    Unknown,
    Erased,
    /// The keys of the message and of its conversation.
    Claimed([Key; 2]),
}

impl Progress {
    fn keys(&self) -> &[Key] {
        match self {
            Self::Claimed(keys) => keys,
            Self::Unknown | Self::Erased => &[],
        }
    }
}

/// A conditional write on the conversation.
struct Update {
    expression: String,
    condition: String,
    values: Item,
}

const IN_INBOX_UNREAD: &str = "SET #read = :unread, unreadIn = :inbox, place = :place";

const NEWEST: &str = "lastInbound = :message, lastMessage = :last";

/// The newest inbound message of a conversation only moves forward, whatever the clocks of hosts do.
const NEWEST_INBOUND: &str = "(attribute_not_exists(lastInbound) OR lastInbound < :message)";

/// A conversation as it was read, and what is left to do. A write that keeps its time requires that it is
/// still at this place.
struct Seen {
    left: InboundPosition,
    place: String,
    last_activity_at: Timestamp,
    before: Option<BeforeInbound>,
}

impl Seen {
    /// What a first delivery assumes without a read.
    const NOTHING: Self = Self {
        left: InboundPosition::Newest,
        place: String::new(),
        last_activity_at: Timestamp::from_millis(0),
        before: None,
    };

    fn new(conversation: Option<Item>, message: &MessageId) -> Result<Self, StoreError> {
        let Some(item) = conversation else { return Ok(Self::NOTHING) };
        let before = BeforeInbound::of(&item);
        let row: ConversationRow = from_item(item)?;
        let place = row.place.clone();
        let conversation = row.conversation()?;
        let newest = (&conversation.last_message, conversation.last_inbound.as_ref());
        let left = inbound_position(Some(newest), message);
        Ok(Self { left, place, last_activity_at: conversation.last_activity_at, before })
    }
}

fn is_complete(message: Option<&Item>, conversation: Option<&Item>) -> Result<bool, StoreError> {
    let Some((message, conversation)) = message.zip(conversation) else { return Ok(false) };
    let message = from_item::<MessageRow>(message.clone())?.message()?;
    let is_copied = !message.media.iter().any(|media| matches!(media.state, MediaState::Pending { .. }));
    let is_shown = match Seen::new(Some(conversation.clone()), &message.id)?.left {
        InboundPosition::AlreadyShown | InboundPosition::BehindInbound => true,
        InboundPosition::Newest | InboundPosition::BehindOutbound => false,
    };
    Ok(is_copied && is_shown)
}

fn message(
    inbox: &Inbox,
    text: &InboundText,
    conversation: ConversationId,
    id: MessageId,
    at: Timestamp,
) -> Message {
    Message {
        id,
        conversation,
        inbox: inbox.id.clone(),
        team: inbox.team.clone(),
        personal: inbox.kind == InboxKind::Personal,
        inbox_number: inbox.number.clone(),
        contact_number: text.from.clone(),
        direction: Direction::Inbound,
        channel: text.channel,
        text: text.text.clone(),
        media: text.media.clone(),
        sender: None,
        automatic: false,
        bypass_opt_out: false,
        created_at: at,
        messaging_service: None,
        carrier_id: Some(text.carrier_id.clone()),
        retry_of: None,
        retried_by: None,
        broadcast: None,
        send_until: None,
        delivery: Delivery::starting(DeliveryState::Received, at),
    }
}
