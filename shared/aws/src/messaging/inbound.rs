//! Inbound texts: stored exactly once, whatever the carrier repeats.
//!
//! Three conditional writes in a row, each safe to repeat: the *claim* under the carrier's message id, which fixes our id
//! and time; the *message*; the *thread*. A redelivery finds the claim (1 write unit), looks whether message and thread
//! followed, and does what is missing, so a crash between two writes loses nothing. A transaction would cost twice as
//! much and conflict with replies.
//!
//! | delivery | requests | write units |
//! |---|---|---|
//! | first, thread unread | 3 | 7 (claim 1, message 1, thread 1, its entries in the list and among the unread move, 2 each) |
//! | first, thread was read | 4 | 7 (the list entry moves, the unread index gains one, and the inbox's counter grows) |
//! | first text of a known contact | 5 and 2 reads | 7 (claim 1, message 1, thread not there 1, thread 1 and two index entries, counter 1) |
//! | first text of an unknown number | 6 and 3 reads | 8 (claim 1, message 1, thread not there 1, contact 1, thread 1 and two index entries, counter 1) |
//! | the same, told by e-mail | 6 and 3 reads | 11 (contact and notice are a transaction: 4) |
//! | again | 2 | 1 (and 2 read units: message and thread) |
//!
//! Where the contact is assigned to a user, 2 more: its entry among the assigned moves, too (1 where it is new).

use aws_sdk_dynamodb::{
    operation::{put_item::PutItemError, update_item::UpdateItemError},
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use shared_domain::{
    conversation::{Folder, LastMessage, Threading, thread_inbound},
    ids::{ConversationId, MessageId},
    inbox::{Inbox, InboxKind},
    media::Media,
    message::{Delivery, DeliveryState, Direction, Message},
    phone::PhoneNumber,
    time::Timestamp,
};

use crate::{
    contact::{contacts::Contacts, rows::ContactRow},
    conversation::{
        rows::{ConversationRow, LastMessageRow},
        unread::Unread,
    },
    messaging::rows::{ClaimRow, MessageRow},
    table::{
        error::StoreError,
        item::{Item, attribute, text},
        items::parse_id,
        keys,
        requests::{Table, row},
    },
};

/// An inbound text as a carrier reports it, for one of our inboxes.
#[derive(Debug, Clone)]
pub struct InboundText {
    /// Which carrier.
    pub carrier: &'static str,
    /// The carrier's id: the key that makes the webhook idempotent.
    pub carrier_id: String,
    /// Who wrote.
    pub from: PhoneNumber,
    /// The text; may be empty when there is media.
    pub text: String,
    /// Media of an MMS.
    pub media: Vec<Media>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// Stored now.
    Stored(MessageId),
    /// It was ours already; whatever an earlier delivery had left undone is done.
    Duplicate(MessageId),
}

/// Stores inbound texts.
#[derive(Debug, Clone)]
pub struct Inbound {
    table: Table,
    contacts: Contacts,
    unread: Unread,
}

impl Inbound {
    /// In this table.
    pub fn new(table: Table) -> Self {
        Self { contacts: Contacts::new(table.clone()), unread: Unread::new(table.clone()), table }
    }

    /// Stores a text and puts its conversation on top of the inbox, unread.
    ///
    /// # Errors
    /// [`StoreError`]: the text is then not promised to be stored, and the carrier must be told to repeat.
    pub async fn receive(
        &self,
        inbox: &Inbox,
        text: &InboundText,
        now: Timestamp,
    ) -> Result<Receipt, StoreError> {
        let conversation = ConversationId::of(&inbox.id, &text.from);
        let id = MessageId::of_inbound(&conversation, now, &text.carrier_id);
        match self.claim(inbox, text, &id, now).await? {
            None => {
                let message = message(inbox, text, conversation, id.clone(), now);
                self.put(inbox, &message).await?;
                self.thread(inbox, &message, Seen::NOTHING, true).await?;
                Ok(Receipt::Stored(id))
            }
            Some(claim) => {
                let id = parse_id::<shared_domain::ids::Message>(&claim.message)?;
                let message = message(inbox, text, conversation, id.clone(), claim.at);
                self.resume(inbox, &message).await?;
                Ok(Receipt::Duplicate(id))
            }
        }
    }

    /// Claims the carrier's id for us; gives the claim that was there before.
    async fn claim(
        &self,
        inbox: &Inbox,
        text: &InboundText,
        id: &MessageId,
        now: Timestamp,
    ) -> Result<Option<ClaimRow>, StoreError> {
        let key = keys::inbound_claim(&inbox.organization, text.carrier, &text.carrier_id);
        let put = self
            .table
            .client
            .put_item()
            .table_name(&self.table.name)
            .set_item(Some(row(key, &ClaimRow { message: id.to_string(), at: now })?))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match put {
            Ok(_) => Ok(None),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(taken)) => {
                    let item = taken.item().cloned().unwrap_or_default();
                    Ok(Some(serde_dynamo::from_item(item)?))
                }
                _ => Err(error.into()),
            },
        }
    }

    /// Does what an earlier delivery left undone: mostly nothing.
    async fn resume(&self, inbox: &Inbox, message: &Message) -> Result<(), StoreError> {
        let message_key = keys::message(&inbox.organization, &message.conversation, &message.id);
        let thread_key = keys::conversation(&inbox.organization, &inbox.id, &message.conversation);
        let found = self.table.batch_get(vec![message_key, thread_key.clone()], true).await?;
        let is_thread = |item: &&Item| item.get("sk").and_then(|sk| sk.as_s().ok()) == Some(&thread_key.sk);
        let thread = found.iter().find(is_thread).cloned();
        let missing = found.len() == usize::from(thread.is_some());
        if missing {
            self.put(inbox, message).await?;
        }
        self.thread(inbox, message, Seen::of(thread, &message.id)?, missing).await
    }

    /// The message row, unless it is there: a request that was stuck on its way takes nothing back of what came after it, such
    /// as the outcome of a file.
    async fn put(&self, inbox: &Inbox, message: &Message) -> Result<(), StoreError> {
        let key = keys::message(&inbox.organization, &message.conversation, &message.id);
        self.table.put_new(key, &MessageRow::of(message)).await
    }

    /// Brings the thread up to the message. Each try is one conditional write whose refusal tells what is left.
    /// `stored_now` says that this delivery wrote the message, so that nobody can have seen it yet.
    async fn thread(
        &self,
        inbox: &Inbox,
        message: &Message,
        mut seen: Seen,
        stored_now: bool,
    ) -> Result<(), StoreError> {
        for _ in 0..4 {
            let refused = match seen.left {
                Threading::Done => return Ok(()),
                Threading::Overtaken if !stored_now => return Ok(()),
                Threading::Overtaken => self.bring_back(inbox, message, &seen).await?,
                Threading::OnTop => self.put_on_top(inbox, message).await?,
                Threading::Below => self.put_below(inbox, message, &seen).await?,
            };
            let thread = match refused {
                None => return Ok(()),
                Some(None) => match self.begin(inbox, message).await? {
                    None => return Ok(()),
                    Some(begun_meanwhile) => begun_meanwhile,
                },
                Some(thread) => thread,
            };
            seen = Seen::of(thread, &message.id)?;
        }
        Err(StoreError::Unavailable("the thread kept changing".into()))
    }

    /// The first text of a thread.
    async fn begin(&self, inbox: &Inbox, message: &Message) -> Result<Option<Option<Item>>, StoreError> {
        let contact = self.contacts.of_text(inbox, message).await?;
        let mut values = Self::newest(inbox, message)?;
        values.insert(":contact".into(), attribute(&ContactRow::of(&contact))?);
        let mut expression = format!("{IN_INBOX_UNREAD}, {NEWEST}, contact = :contact");
        if let Some(user) = &contact.assigned {
            expression.push_str(", assignedIn = :assigned");
            let assigned = keys::assigned_in(&inbox.organization, &inbox.id, &user.id);
            values.insert(":assigned".into(), text(assigned));
        }
        self.update(inbox, message, expression, "attribute_not_exists(pk)".into(), values).await
    }

    async fn put_on_top(&self, inbox: &Inbox, message: &Message) -> Result<Option<Option<Item>>, StoreError> {
        let values = Self::newest(inbox, message)?;
        let expression = format!("{IN_INBOX_UNREAD}, {NEWEST}");
        let condition = format!("lastMessage.id < :message AND {NEWEST_INBOUND}");
        self.update(inbox, message, expression, condition, values).await
    }

    async fn put_below(
        &self,
        inbox: &Inbox,
        message: &Message,
        seen: &Seen,
    ) -> Result<Option<Option<Item>>, StoreError> {
        let mut values = Self::where_it_stands(inbox, message, seen);
        values.insert(":message".into(), text(&message.id));
        let expression = format!("{IN_INBOX_UNREAD}, lastInbound = :message");
        let condition = format!("place = :seen AND {NEWEST_INBOUND}");
        self.update(inbox, message, expression, condition, values).await
    }

    /// Unread in the inbox again, below what overtook it.
    async fn bring_back(
        &self,
        inbox: &Inbox,
        message: &Message,
        seen: &Seen,
    ) -> Result<Option<Option<Item>>, StoreError> {
        let values = Self::where_it_stands(inbox, message, seen);
        self.update(inbox, message, IN_INBOX_UNREAD.into(), "place = :seen".into(), values).await
    }

    /// On top of the inbox, with the message as the newest of the thread.
    fn newest(inbox: &Inbox, message: &Message) -> Result<Item, StoreError> {
        let mut values = Self::unread_at(inbox, message, message.created_at);
        values.insert(":message".into(), text(&message.id));
        values.insert(":last".into(), attribute(&LastMessageRow::of(&LastMessage::of(message)))?);
        Ok(values)
    }

    /// In the inbox, at the time that it has.
    fn where_it_stands(inbox: &Inbox, message: &Message, seen: &Seen) -> Item {
        let mut values = Self::unread_at(inbox, message, seen.last_activity_at);
        values.insert(":seen".into(), text(&seen.place));
        values
    }

    fn unread_at(inbox: &Inbox, message: &Message, last_activity_at: Timestamp) -> Item {
        let folder = Folder::after(Direction::Inbound);
        Item::from([
            (":place".into(), text(keys::place(folder, last_activity_at, &message.conversation))),
            (":inbox".into(), text(keys::inbox_partition(&inbox.organization, &inbox.id))),
            (":unread".into(), AttributeValue::Bool(false)),
        ])
    }

    /// `None` when done, otherwise the thread that refused it, if there is one.
    async fn update(
        &self,
        inbox: &Inbox,
        message: &Message,
        expression: String,
        condition: String,
        values: Item,
    ) -> Result<Option<Option<Item>>, StoreError> {
        let key = keys::conversation(&inbox.organization, &inbox.id, &message.conversation);
        let updated = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(key.into_item()))
            .update_expression(expression)
            .condition_expression(condition)
            .expression_attribute_names("#read", "read")
            .set_expression_attribute_values(Some(values))
            .return_values(ReturnValue::UpdatedOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match updated {
            Ok(updated) => {
                let was_unread = updated.attributes.is_some_and(|before| before.contains_key("unreadIn"));
                if !was_unread {
                    self.unread.count(&inbox.organization, &inbox.id, 1, message.created_at).await?;
                }
                Ok(None)
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(Some(refused.item().cloned()))
                }
                _ => Err(error.into()),
            },
        }
    }
}

const IN_INBOX_UNREAD: &str = "SET #read = :unread, unreadIn = :inbox, place = :place";

const NEWEST: &str = "lastInbound = :message, lastMessage = :last";

/// The newest inbound text of a thread only moves forward, whatever the clocks of hosts do.
const NEWEST_INBOUND: &str = "(attribute_not_exists(lastInbound) OR lastInbound < :message)";

/// A thread as it stood when it was looked at, and what is left to do there. A write that keeps its time holds only while
/// the thread still stands in that place.
struct Seen {
    left: Threading,
    place: String,
    last_activity_at: Timestamp,
}

impl Seen {
    /// What most first deliveries can assume.
    const NOTHING: Self =
        Self { left: Threading::OnTop, place: String::new(), last_activity_at: Timestamp::from_millis(0) };

    fn of(thread: Option<Item>, message: &MessageId) -> Result<Self, StoreError> {
        let Some(item) = thread else { return Ok(Self::NOTHING) };
        let row: ConversationRow = serde_dynamo::from_item(item)?;
        let place = row.place.clone();
        let conversation = row.conversation()?;
        let stands = (&conversation.last_message, conversation.last_inbound.as_ref());
        let left = thread_inbound(Some(stands), message);
        Ok(Self { left, place, last_activity_at: conversation.last_activity_at })
    }
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
        text: text.text.clone(),
        media: text.media.clone(),
        sender: None,
        automatic: false,
        bypass_opt_out: false,
        created_at: at,
        messaging_service: None,
        carrier_id: Some(text.carrier_id.clone()),
        delivery: Delivery::starting(DeliveryState::Received, at),
    }
}
