//! Enumerations in responses and query parameters, for the OpenAPI document. The values themselves come from
//! the domain types.

use utoipa::ToSchema;

/// Whether a message was received or sent.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Direction {
    Inbound,
    Outbound,
}

/// Delivery status of a message. Inbound messages are `received`. An outbound message is `unknown` if the
/// carrier did not confirm the request to send it.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum DeliveryState {
    Received,
    Queued,
    Sending,
    Unknown,
    Sent,
    Delivered,
    Undelivered,
    Failed,
}

/// State of a file: `pending` (being copied from the carrier), `stored`, `refused`, or `linked` (sent as a
/// URL that the carrier fetches).
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum MediaState {
    Pending,
    Stored,
    Refused,
    Linked,
}

/// Why a file was refused.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum MediaRefusal {
    UnsupportedType,
    NotWhatItSays,
    TooLarge,
    Empty,
    ForeignAddress,
    Gone,
    Unavailable,
}

/// Kind of an inbox. A personal inbox belongs to one user.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum InboxKind {
    Shared,
    Personal,
}

/// Status of a team's A2P 10DLC registration.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum RegistrationStatus {
    NotStarted,
    Pending,
    Approved,
    Rejected,
    Suspended,
}

/// Where a step of the registration came from.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum RegistrationSource {
    Callback,
    Poll,
    User,
}

/// Status of an import.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum ImportStatus {
    Queued,
    Running,
    Completed,
    Failed,
}

/// Why sending is paused: by the owner, because the carrier refuses the account, or because it is down.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum PauseCause {
    Owner,
    AccountRefused,
    CarrierDown,
}

/// Service that carries a message. `sms` is SMS and MMS.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum Channel {
    Sms,
    Rcs,
    Whatsapp,
}

/// What separates the cells of a file.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum CellSeparator {
    Comma,
    Semicolon,
    Tab,
}

/// Encoding of a file.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "kebab-case")]
pub enum FileEncoding {
    #[schema(rename = "utf-8")]
    Utf8,
    #[schema(rename = "windows-1252")]
    Windows1252,
}

/// State of an opt-out after a change.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum OptOutStatus {
    OptedOut,
    OptedIn,
}

/// What an opt-out applies to: a team, the whole organization, or all personal inboxes of the organization.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum OptOutScope {
    Team,
    Organization,
    Personal,
}

/// Where a change of an opt-out came from.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum OptOutSource {
    Keyword,
    User,
    Import,
    Carrier,
}

/// Why a lock was lost.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum LockLossReason {
    Expired,
    Idle,
    Superseded,
    Released,
    Broken,
    Taken,
}

/// Code of a reason against a reply.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum ReplyRefusal {
    InboxRetired,
    RegistrationIncomplete,
    LockRequired,
    Locked,
    LockLost,
    Blocked,
    OptedOut,
    CannotReceive,
    OwnNumber,
}

/// Method of an upload.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "UPPERCASE")]
pub enum UploadMethod {
    Put,
}

/// Read state of a conversation.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum ReadState {
    Read,
    Unread,
}

/// What an event reports. More types may be added: ignore those that you do not know.
#[derive(Debug, ToSchema)]
pub enum EventTypeName {
    #[schema(rename = "conversation.updated")]
    ConversationUpdated,
    #[schema(rename = "message.created")]
    MessageCreated,
    #[schema(rename = "message.updated")]
    MessageUpdated,
    #[schema(rename = "lock.acquired")]
    LockAcquired,
    #[schema(rename = "lock.released")]
    LockReleased,
    #[schema(rename = "lock.broken")]
    LockBroken,
    #[schema(rename = "inbox.changed")]
    InboxChanged,
    #[schema(rename = "membership.changed")]
    MembershipChanged,
    #[schema(rename = "contact.updated")]
    ContactUpdated,
    #[schema(rename = "opt_out.changed")]
    OptOutChanged,
    #[schema(rename = "registration.changed")]
    RegistrationChanged,
    #[schema(rename = "import.changed")]
    ImportChanged,
    #[schema(rename = "broadcast.changed")]
    BroadcastChanged,
}

/// Country of a phone number.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "UPPERCASE")]
pub enum Country {
    Us,
    Ca,
}

/// Whether a webhook endpoint gets events.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum WebhookEndpointStatus {
    Enabled,
    Disabled,
}

/// Why a webhook endpoint is disabled: by a user, after five days without a success, or because the receiver
/// answered `410`.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum DisabledReasonName {
    ByUser,
    NoSuccess,
    Gone,
}

/// State of a delivery to a webhook endpoint.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum WebhookDeliveryState {
    Pending,
    Succeeded,
    Failed,
}

/// Why an attempt had no response, or one that is not accepted. Redirects are not followed.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum DeliveryError {
    TimedOut,
    NotResolved,
    UrlNotAllowed,
    ConnectionFailed,
    Redirected,
    EndpointDisabled,
}

/// Why a number gets no text from a broadcast. No number has `not_registered` or `replied` yet: a broadcast
/// of a team that is not registered waits.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum SkipReason {
    OptedOut,
    Blocked,
    InvalidNumber,
    NoValue,
    NotRegistered,
    Retired,
    NoAccess,
    Replied,
    Canceled,
    Expired,
}

/// Status of a broadcast.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum BroadcastStatus {
    Draft,
    Scheduled,
    Preparing,
    Running,
    Paused,
    Completed,
    Canceled,
    Failed,
}

/// What a broadcast waits for.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum WaitReason {
    QuietHours,
    Pace,
    DailyCap,
    Registration,
    PausedByUser,
    Carrier,
    Locked,
    Error,
}

/// State of a recipient of a broadcast.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum RecipientState {
    Pending,
    Held,
    Queued,
    Sent,
    Delivered,
    Undelivered,
    Failed,
    Skipped,
}

/// Kind of a question.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum QuestionKind {
    YesNo,
    Scale,
    Choice,
}

/// How often a broadcast repeats.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum RecurrenceFrequency {
    Daily,
    Weekly,
    Monthly,
}

/// Level of an item of the checklist. With a `stop`, the broadcast cannot be confirmed.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum CheckLevel {
    Ok,
    Review,
    Stop,
}
