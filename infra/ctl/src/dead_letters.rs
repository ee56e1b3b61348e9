//! Dead-letter queues: queue messages that a worker gave up on. They are kept for 14 days.
//!
//! Reading a queue hides its messages from other readers. They are visible again when the command ends, or
//! after two minutes if it is interrupted. Bodies are never printed, because they can contain personal data.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use futures_util::future::join_all;
use serde::Serialize;
use shared_aws::{
    clients::{Aws, DeadLetter, DeadLetterQueue, Stack},
    messaging::Messages,
};
use shared_domain::ids::{ConversationId, MessageId, OrganizationId};

use crate::{Error, Operator};

/// A dead-letter queue of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum QueueName {
    /// Messages that could not be handed to the carrier
    Send,
    /// Batches of the table's stream
    Relay,
    /// Registrations that could not be checked
    Registration,
    /// Notifications that could not be sent by e-mail
    Mail,
    /// Media files that could not be copied
    Media,
    /// Contact imports
    Import,
    /// Broadcasts that could not be continued
    Broadcast,
    /// Attempts of outgoing webhooks
    Webhook,
    /// Events for outgoing webhooks
    WebhookEvent,
    /// Events that could not be pushed to open screens
    Realtime,
}

impl QueueName {
    fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Relay => "relay",
            Self::Registration => "registration",
            Self::Mail => "mail",
            Self::Media => "media",
            Self::Import => "import",
            Self::Broadcast => "broadcast",
            Self::Webhook => "webhook",
            Self::WebhookEvent => "webhook-event",
            Self::Realtime => "realtime",
        }
    }

    /// The output of the stack with the queue's URL.
    fn output(self) -> &'static str {
        match self {
            Self::Send => "SendDeadLettersUrl",
            Self::Relay => "RelayFailuresUrl",
            Self::Registration => "RegistrationDeadLettersUrl",
            Self::Mail => "MailDeadLettersUrl",
            Self::Media => "MediaDeadLettersUrl",
            Self::Import => "ImportDeadLettersUrl",
            Self::Broadcast => "BroadcastDeadLettersUrl",
            Self::Webhook => "WebhookDeadLettersUrl",
            Self::WebhookEvent => "WebhookEventDeadLettersUrl",
            Self::Realtime => "RealtimeDeadLettersUrl",
        }
    }

    /// The outputs with the URLs of the queues that messages and texts of broadcasts are sent back to.
    fn sources(self) -> Option<(&'static str, &'static str)> {
        (self == Self::Send).then_some(("SendQueueUrl", "BroadcastSendQueueUrl"))
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Send => "The message could not be handed to the carrier.",
            Self::Relay => {
                "A batch of the table's stream could not be relayed. A sweep delivers its content."
            }
            Self::Registration => "The registration could not be checked at the carrier.",
            Self::Mail => "The notification could not be sent by e-mail.",
            Self::Media => "The media file could not be copied from the carrier.",
            Self::Import => "The contact import could not be continued.",
            Self::Broadcast => "The broadcast could not be continued. A sweep queues it again.",
            Self::Webhook => "The attempt of an outgoing webhook could not be made.",
            Self::WebhookEvent => "The event could not be handed to the outgoing webhooks.",
            Self::Realtime => "The event could not be pushed to WebSockets. The feed has it.",
        }
    }
}

/// The queue messages that a command works on.
#[derive(Debug, Clone, Default, Args)]
pub struct Selection {
    /// Dead-letter queue. By default, all of them
    #[arg(long)]
    pub queue: Option<QueueName>,
    /// Organization that the queue messages name. By default, all of them, and those that name none
    #[arg(long, value_parser = OrganizationId::parse)]
    pub organization: Option<OrganizationId>,
    /// ID of one queue message, as `list` prints it
    #[arg(long)]
    pub id: Option<String>,
}

impl Selection {
    fn queues<'a>(&self, queues: &'a [NamedQueue]) -> impl Iterator<Item = &'a NamedQueue> {
        let wanted = self.queue;
        queues.iter().filter(move |queue| wanted.is_none_or(|wanted| wanted == queue.name))
    }

    fn includes(&self, letter: &DeadLetter) -> bool {
        self.id.as_ref().is_none_or(|id| *id == letter.id)
            && (self.organization.is_none() || self.organization == letter.organization)
    }

    /// Errors if one queue message was selected and none has its ID.
    fn require(&self, found: usize) -> Result<(), Error> {
        match &self.id {
            Some(id) if found == 0 => Err(unknown(id)),
            _ => Ok(()),
        }
    }
}

/// A dead-letter queue with its name.
#[derive(Debug, Clone)]
pub struct NamedQueue {
    pub name: QueueName,
    pub queue: DeadLetterQueue,
    /// URL of the queue that texts of broadcasts are sent back to. `None` if it is that of all messages.
    pub texts: Option<String>,
}

impl NamedQueue {
    /// Returns the queue of texts of broadcasts if the message is such a text. The order of a conversation
    /// between the two queues depends on it.
    async fn text_queue(&self, operator: &Operator, letter: &DeadLetter) -> Option<&str> {
        let texts = self.texts.as_deref()?;
        let (organization, id) = (letter.organization.as_ref()?, letter.message.as_deref()?);
        let message = MessageId::parse(id).ok()?;
        // One that cannot be read is sent from neither queue.
        let found = Messages::new(operator.table.clone()).get(organization, &message).await.ok()??;
        found.broadcast.is_some().then_some(texts)
    }
}

/// A queue message in a list, without its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterView {
    pub id: String,
    pub queue: &'static str,
    /// When it was added to its first queue, or copied here by the sender. `None` if it is not known.
    pub at: Option<String>,
    pub reason: &'static str,
    /// ID of the message that it is about. `None` if it is about none.
    pub message_id: Option<String>,
    /// The other IDs of what it is about, such as `broadcastId`. Those that it does not name are left out.
    #[serde(flatten)]
    pub about: BTreeMap<&'static str, String>,
}

/// A queue message without its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterDetails {
    #[serde(flatten)]
    pub letter: DeadLetterView,
    /// How often it was received, including by operators.
    pub receives: u32,
}

/// Finds the dead-letter queues of a stack by its outputs.
pub fn queues(aws: &Aws, stack: &Stack) -> Result<Vec<NamedQueue>, Error> {
    let named = |&name: &QueueName| {
        let queue = DeadLetterQueue::new(aws, stack.output(name.output())?);
        let Some((messages, texts)) = name.sources() else {
            return Ok(NamedQueue { name, queue, texts: None });
        };
        let queue = queue.back_to(stack.output(messages)?);
        Ok(NamedQueue { name, queue, texts: stack.optional_output(texts).map(str::to_owned) })
    };
    QueueName::value_variants().iter().map(named).collect()
}

/// Lists the queue messages.
pub async fn list(queues: &[NamedQueue], selection: &Selection) -> Result<Vec<DeadLetterView>, Error> {
    Ok(read(queues, selection).await?.into_iter().map(|details| details.letter).collect())
}

/// Returns one queue message without its body.
pub async fn show(queues: &[NamedQueue], id: &str) -> Result<DeadLetterDetails, Error> {
    let selection = Selection { id: Some(id.to_owned()), ..Selection::default() };
    read(queues, &selection).await?.into_iter().next().ok_or_else(|| unknown(id))
}

/// Reads the queues at the same time, because each empty one takes a second. All are read to their end, also
/// if one fails, so that its error hides no messages of the others.
async fn read(queues: &[NamedQueue], selection: &Selection) -> Result<Vec<DeadLetterDetails>, Error> {
    let read = join_all(selection.queues(queues).map(|named| read_one(named, selection))).await;
    Ok(read.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
}

async fn read_one(
    NamedQueue { name, queue, .. }: &NamedQueue,
    selection: &Selection,
) -> Result<Vec<DeadLetterDetails>, Error> {
    let failed = Error::of_queue(name.as_str());
    let mut found = Vec::new();
    for letter in queue.receive().await.map_err(&failed)? {
        queue.release(&letter).await.map_err(&failed)?;
        if selection.includes(&letter) {
            found.push(details(*name, &letter));
        }
    }
    Ok(found)
}

fn details(name: QueueName, letter: &DeadLetter) -> DeadLetterDetails {
    DeadLetterDetails { letter: view(name, letter), receives: letter.receives }
}

fn view(name: QueueName, letter: &DeadLetter) -> DeadLetterView {
    DeadLetterView {
        id: letter.id.clone(),
        queue: name.as_str(),
        at: letter.at.map(|at| at.to_string()),
        reason: name.reason(),
        message_id: letter.message.clone(),
        about: letter.about.clone(),
    }
}

/// Sends queue messages to the queues from which they came. Batches of the stream are left, because no queue
/// can process them. Errors if such were named.
pub async fn redrive(
    operator: &Operator,
    queues: &[NamedQueue],
    selection: &Selection,
) -> Result<Vec<DeadLetterView>, Error> {
    if selection.queue == Some(QueueName::Relay) {
        return Err(without_queue(selection));
    }
    handle(operator, queues, selection, Action::Redrive).await
}

/// Deletes queue messages. Requires the ID of one, or `all_selected`.
pub async fn discard(
    operator: &Operator,
    queues: &[NamedQueue],
    selection: &Selection,
    all_selected: bool,
) -> Result<Vec<DeadLetterView>, Error> {
    if selection.id.is_none() && !all_selected {
        let detail =
            "Discarded queue messages are lost. Name one with --id, or pass --yes to discard all of them.";
        return Err(Error::Conflict(detail.into()));
    }
    handle(operator, queues, selection, Action::Discard).await
}

/// Deletes the queue messages about messages of these conversations, in rounds like [`handle`]. Returns how
/// many there were. They contain only IDs, and a worker ignores a message that does not exist.
pub(crate) async fn discard_of(
    queues: &[NamedQueue],
    conversations: &[ConversationId],
) -> Result<usize, Error> {
    let mut discarded = 0;
    for NamedQueue { name, queue, .. } in queues {
        let failed = Error::of_queue(name.as_str());
        loop {
            let before = discarded;
            for letter in queue.receive().await.map_err(&failed)? {
                let message = letter.message.as_deref().and_then(|id| MessageId::parse(id).ok());
                let conversation = message.and_then(|message| message.conversation());
                if conversation.is_some_and(|conversation| conversations.contains(&conversation)) {
                    queue.discard(&letter).await.map_err(&failed)?;
                    discarded += 1;
                } else {
                    queue.release(&letter).await.map_err(&failed)?;
                }
            }
            if discarded == before {
                break;
            }
        }
    }
    Ok(discarded)
}

#[derive(Debug, Clone, Copy)]
enum Action {
    Redrive,
    Discard,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::Redrive => "dead_letter.redrive",
            Self::Discard => "dead_letter.discard",
        }
    }
}

/// Redrives or discards the selected messages, in rounds: a FIFO queue returns ten messages of a group at a
/// time.
async fn handle(
    operator: &Operator,
    queues: &[NamedQueue],
    selection: &Selection,
    action: Action,
) -> Result<Vec<DeadLetterView>, Error> {
    let (mut handled, mut leaves_batch) = (Vec::new(), false);
    for named in selection.queues(queues) {
        let NamedQueue { name, queue, .. } = named;
        let failed = Error::of_queue(name.as_str());
        let source = match action {
            Action::Redrive => queue.source().await.map_err(&failed)?,
            Action::Discard => None,
        };
        loop {
            let before = handled.len();
            for letter in queue.receive().await.map_err(&failed)? {
                let is_handled = match (action, &source) {
                    _ if !selection.includes(&letter) => false,
                    (Action::Discard, _) => {
                        queue.discard(&letter).await.map_err(&failed)?;
                        true
                    }
                    (Action::Redrive, Some(source)) => {
                        let texts = named.text_queue(operator, &letter).await;
                        queue.redrive(&letter, texts.unwrap_or(source)).await.map_err(&failed)?;
                        true
                    }
                    (Action::Redrive, None) => {
                        leaves_batch = true;
                        false
                    }
                };
                if is_handled {
                    record(operator, &letter, action, handled.len()).await?;
                    handled.push(view(*name, &letter));
                } else {
                    queue.release(&letter).await.map_err(&failed)?;
                }
            }
            if handled.len() == before || selection.id.is_some() {
                break;
            }
        }
        // Its ID is that of one message, so the other queues need not be read.
        if selection.id.is_some() && !handled.is_empty() {
            break;
        }
    }
    if selection.id.is_some() && leaves_batch {
        return Err(without_queue(selection));
    }
    selection.require(handled.len())?;
    Ok(handled)
}

/// Writes to the audit trail of the organization that the queue message names.
async fn record(operator: &Operator, letter: &DeadLetter, action: Action, place: usize) -> Result<(), Error> {
    let Some(organization) = &letter.organization else { return Ok(()) };
    // Events of the same instant differ in their random number.
    let operator = operator.at(operator.now, operator.entropy.wrapping_add(place as u64));
    operator.organizations.record(organization, &operator.event(action.as_str(), &letter.id)).await?;
    Ok(())
}

fn without_queue(selection: &Selection) -> Error {
    let named =
        selection.id.as_ref().map_or_else(|| "--queue relay --yes".to_owned(), |id| format!("--id {id}"));
    Error::Conflict(format!(
        "Batches of the table's stream come from no queue, so they cannot be sent again. A sweep delivers their \
         content. To delete what you named: `inboxctl dead-letters discard {named}`."
    ))
}

fn unknown(id: &str) -> Error {
    Error::Conflict(format!(
        "No dead-letter queue has a message {id}. `inboxctl dead-letters list` lists them."
    ))
}
