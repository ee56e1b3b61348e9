//! Notifies teams by e-mail: mail queue → SES.
//!
//! Idempotent by notification and address: a claim is written before the e-mail is sent, so of all deliveries of a queue
//! message one sends to an address. SES's answer is one of four:
//!
//! | answer | what follows |
//! |---|---|
//! | accepted | the claim is kept |
//! | not sent, may succeed later (429, a quota, no connection) | the claim is removed and the queue retries |
//! | not sent, cannot succeed | the claim is kept; event `mail_refused` |
//! | lost (timeout, reset, 5xx) | the claim is kept and the e-mail never sent again; event `mail_unknown` |
//!
//! A claim without an answer is an attempt that died. SES may have the e-mail, so the claim is kept as well.

use std::collections::HashSet;

use shared_aws::{
    clients::{Aws, Mail, Mailer, Sent},
    notification::Notifications,
    table::{StoreError, Table},
    team::{Members, Teams},
};
use shared_domain::{
    keys::TeamKey,
    notice::{Notification, NotificationKind},
    time::Timestamp,
};
use shared_lambda::{
    config::{ConfigError, Environment},
    queue::{self, Record, RecordError, SqsBatchResponse, SqsEvent},
};

pub mod letter;
mod templates;
mod writer;

use crate::writer::Writer;

/// What the function uses.
#[derive(Debug)]
pub struct App {
    mailer: Mailer,
    notices: Notifications,
    teams: Teams,
    members: Members,
    writer: Writer,
}

impl App {
    /// Reads settings and creates clients.
    pub fn from_environment() -> Result<Self, ConfigError> {
        let mut env = Environment::default();
        let (name, from) = (env.required("TABLE_NAME"), env.required("MAIL_FROM"));
        let configuration_set = env.optional("MAIL_CONFIGURATION_SET");
        env.finish()?;
        let aws = Aws::from_environment()?;
        Ok(Self::new(Table::of(&aws, name), Mailer::new(&aws, from, configuration_set)))
    }

    #[expect(missing_docs, reason = "the name says it all")]
    pub fn new(table: Table, mailer: Mailer) -> Self {
        Self {
            mailer,
            notices: Notifications::new(table.clone()),
            teams: Teams::new(table.clone()),
            members: Members::new(table.clone()),
            writer: Writer::new(table),
        }
    }
}

/// Why a notification is not finished. The queue delivers it again.
#[derive(Debug, thiserror::Error)]
enum NotifyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    NotWritten(#[from] letter::NotWritten),
    #[error("{0} addresses are still to be notified")]
    Unsent(usize),
}

/// Sends the e-mails of one batch of notifications.
pub async fn handle(app: &App, now: Timestamp, event: SqsEvent) -> SqsBatchResponse {
    let notify = async |record: Record<'_>| {
        let notice = Notifications::of_text(record.body).map_err(RecordError::unreadable)?;
        Ok(notify(app, now, &notice).await?)
    };
    queue::each_record(event, notify).await
}

async fn notify(app: &App, now: Timestamp, notice: &Notification) -> Result<(), NotifyError> {
    let addresses = addresses(app, notice).await?;
    let tally =
        if addresses.is_empty() { Tally::default() } else { send_all(app, now, notice, &addresses).await? };
    tracing::info!(
        event = "notification_sent",
        notification = notice.id,
        kind = kind(&notice.subject),
        addresses = addresses.len(),
        sent = tally.sent,
        earlier = tally.earlier,
        refused = tally.refused,
        unknown = tally.unknown,
        unsent = tally.unsent,
        "notification processed"
    );
    if tally.unsent == 0 { Ok(()) } else { Err(NotifyError::Unsent(tally.unsent)) }
}

/// Returns the addresses to notify, each once. Upper and lower case are the same address, as they are for the claim.
async fn addresses(app: &App, notice: &Notification) -> Result<Vec<String>, StoreError> {
    let mut addresses = match &notice.subject {
        NotificationKind::RegistrationApproved
        | NotificationKind::RegistrationRejected(_)
        | NotificationKind::RegistrationSuspended(_) => addresses_of_admins(app, notice).await?,
        subject @ (NotificationKind::OptOutChanged { .. }
        | NotificationKind::UnknownContact { .. }
        | NotificationKind::ContactAdded { .. }) => {
            let settings = app
                .teams
                .notification_settings(TeamKey { organization: &notice.organization, team: &notice.team })
                .await?;
            settings.recipients(subject).to_vec()
        }
    };
    let mut seen = HashSet::new();
    addresses.retain(|address| seen.insert(address.to_lowercase()));
    Ok(addresses)
}

/// Returns the current addresses of the notification's admins. Former users are skipped.
async fn addresses_of_admins(app: &App, notice: &Notification) -> Result<Vec<String>, StoreError> {
    let mut addresses = Vec::with_capacity(notice.admins.len());
    for admin in &notice.admins {
        let user = app.members.user(&notice.organization, admin).await?;
        addresses.extend(user.map(|user| user.email));
    }
    Ok(addresses)
}

/// Returns the name of a kind in logs, which is also its name in the queue.
fn kind(subject: &NotificationKind) -> &'static str {
    match subject {
        NotificationKind::RegistrationApproved => "registrationApproved",
        NotificationKind::RegistrationRejected(_) => "registrationRejected",
        NotificationKind::RegistrationSuspended(_) => "registrationSuspended",
        NotificationKind::OptOutChanged { .. } => "optOutChanged",
        NotificationKind::UnknownContact { .. } => "unknownContact",
        NotificationKind::ContactAdded { .. } => "contactAdded",
    }
}

/// How many addresses had each outcome.
#[derive(Debug, Default)]
struct Tally {
    sent: usize,
    /// Claimed by an earlier delivery or by another worker.
    earlier: usize,
    refused: usize,
    unknown: usize,
    /// To be retried.
    unsent: usize,
}

/// Sends to every address. A failure does not stop the others.
async fn send_all(
    app: &App,
    now: Timestamp,
    notice: &Notification,
    addresses: &[String],
) -> Result<Tally, NotifyError> {
    let letter = app.writer.letter(notice).await?;
    let (subject, text, html) = (letter.subject(), letter.text()?, letter.html()?);
    let mut tally = Tally::default();
    for address in addresses {
        let mail =
            Mail { to: address.clone(), subject: subject.clone(), text: text.clone(), html: html.clone() };
        match app.notices.claim(&notice.organization, &notice.id, address, now).await {
            Ok(true) => send(app, notice, &mail, &mut tally).await,
            Ok(false) => tally.earlier += 1,
            Err(error) => {
                tracing::warn!(event = "mail_not_claimed", notification = notice.id, %error, "address not claimed");
                tally.unsent += 1;
            }
        }
    }
    Ok(tally)
}

/// Sends to a claimed address.
async fn send(app: &App, notice: &Notification, mail: &Mail, tally: &mut Tally) {
    let notice_id = &notice.id;
    match app.mailer.send(mail).await {
        Sent::Accepted { id } => {
            tracing::debug!(event = "mail_accepted", notification = notice_id, mail = id, "e-mail accepted");
            tally.sent += 1;
        }
        Sent::Refused { code } => {
            tracing::error!(notification = notice_id, event = "mail_refused", code, "e-mail refused");
            tally.refused += 1;
        }
        Sent::Unknown { code } => {
            tracing::warn!(
                notification = notice_id,
                event = "mail_unknown",
                code,
                "the answer of the mail service is unknown"
            );
            tally.unknown += 1;
        }
        Sent::NotSent { code } => {
            tracing::warn!(event = "mail_not_sent", notification = notice_id, code, "e-mail not sent");
            release_claim(app, notice, &mail.to, tally).await;
        }
    }
}

/// If the claim cannot be removed, the next delivery takes the e-mail for sent.
async fn release_claim(app: &App, notice: &Notification, address: &str, tally: &mut Tally) {
    tally.unsent += 1;
    if let Err(error) = app.notices.unclaim(&notice.organization, &notice.id, address).await {
        tracing::error!(
            notification = notice.id,
            event = "mail_unknown",
            %error,
            "e-mail not sent and its claim not removed"
        );
    }
}
