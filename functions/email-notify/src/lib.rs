//! Notifies teams by e-mail: mail queue → SES.
//!
//! Idempotent by notification and address: a claim is written before the e-mail is sent, so of all deliveries
//! of a queue message one sends to an address. SES's answer is one of four:
//!
//! | result | what follows |
//! |---|---|
//! | accepted | the claim is kept |
//! | not sent, may succeed later (429, a quota, no connection) | the claim is removed and the queue retries |
//! | not sent, cannot succeed | the claim is kept; event `mail_refused` |
//! | unknown (timeout, reset, 5xx) | the claim is kept and the e-mail is not sent again; event `mail_unknown` |
//!
//! If the function dies between the claim and the result, SES may have the e-mail, so the claim is kept as
//! well.

use shared_aws::{
    clients::{Aws, Mail, Mailer, Sent},
    notification::Notifications,
    table::{StoreError, Table},
};
use shared_domain::{
    notification::{Notification, NotificationKind},
    time::Timestamp,
};
use shared_lambda::{
    config::{ConfigError, Environment},
    queue::{self, Record, RecordError, SqsBatchResponse, SqsEvent},
};

mod composer;
pub mod email;
mod recipients;
mod templates;

use crate::{composer::Composer, recipients::Recipients};

/// What the function uses.
#[derive(Debug)]
pub struct App {
    mailer: Mailer,
    notifications: Notifications,
    recipients: Recipients,
    composer: Composer,
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
            notifications: Notifications::new(table.clone()),
            recipients: Recipients::new(table.clone()),
            composer: Composer::new(table),
        }
    }
}

/// Why a notification is not finished. The queue delivers it again.
#[derive(Debug, thiserror::Error)]
enum NotifyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Render(#[from] email::RenderError),
    #[error("the e-mail was not sent to {0} addresses")]
    Unsent(usize),
}

/// Sends the e-mails of one batch of notifications.
pub async fn handle(app: &App, now: Timestamp, event: SqsEvent) -> SqsBatchResponse {
    let notify = async |record: Record<'_>| {
        let notification = Notifications::of_text(record.body).map_err(RecordError::unreadable)?;
        Ok(notify(app, now, &notification).await?)
    };
    queue::each_record(event, notify).await
}

async fn notify(app: &App, now: Timestamp, notification: &Notification) -> Result<(), NotifyError> {
    let addresses = app.recipients.addresses(notification).await?;
    let tally = if addresses.is_empty() {
        Tally::default()
    } else {
        send_all(app, now, notification, &addresses).await?
    };
    tracing::info!(
        event = "notification_sent",
        notification = notification.id,
        kind = kind(&notification.subject),
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

/// Returns the name of a kind in logs, which is also its name in the queue.
fn kind(subject: &NotificationKind) -> &'static str {
    match subject {
        NotificationKind::RegistrationApproved => "registrationApproved",
        NotificationKind::RegistrationRejected(_) => "registrationRejected",
        NotificationKind::RegistrationSuspended(_) => "registrationSuspended",
        NotificationKind::NumberNotRegistered(_) => "numberNotRegistered",
        NotificationKind::OptOutChanged { .. } => "optOutChanged",
        NotificationKind::UnknownContact { .. } => "unknownContact",
        NotificationKind::ContactAdded { .. } => "contactAdded",
        NotificationKind::WebhookFailing { .. } => "webhookFailing",
        NotificationKind::WebhookDisabled { .. } => "webhookDisabled",
    }
}

/// Number of addresses by result.
#[derive(Debug, Default)]
struct Tally {
    sent: usize,
    /// Claimed by an earlier delivery or by another worker.
    earlier: usize,
    refused: usize,
    unknown: usize,
    /// Retried with the next delivery.
    unsent: usize,
}

/// Sends to every address. A failure does not stop the others.
async fn send_all(
    app: &App,
    now: Timestamp,
    notification: &Notification,
    addresses: &[String],
) -> Result<Tally, NotifyError> {
    let email = app.composer.compose(notification).await?;
    let (subject, text, html) = (email.subject(), email.text()?, email.html()?);
    let mut tally = Tally::default();
    for address in addresses {
        let mail =
            Mail { to: address.clone(), subject: subject.clone(), text: text.clone(), html: html.clone() };
        match app.notifications.claim(&notification.organization, &notification.id, address, now).await {
            Ok(true) => send(app, notification, &mail, &mut tally).await,
            Ok(false) => tally.earlier += 1,
            Err(error) => {
                tracing::warn!(event = "mail_not_claimed", notification = notification.id, %error, "address not claimed");
                tally.unsent += 1;
            }
        }
    }
    Ok(tally)
}

/// Sends to a claimed address.
async fn send(app: &App, notification: &Notification, mail: &Mail, tally: &mut Tally) {
    match app.mailer.send(mail).await {
        Sent::Accepted { id } => {
            tracing::debug!(
                event = "mail_accepted",
                notification = notification.id,
                mail = id,
                "e-mail accepted"
            );
            tally.sent += 1;
        }
        Sent::Refused { code } => {
            tracing::error!(notification = notification.id, event = "mail_refused", code, "e-mail refused");
            tally.refused += 1;
        }
        Sent::Unknown { code } => {
            tracing::warn!(
                notification = notification.id,
                event = "mail_unknown",
                code,
                "e-mail may not have been sent"
            );
            tally.unknown += 1;
        }
        Sent::NotSent { code } => {
            tracing::warn!(event = "mail_not_sent", notification = notification.id, code, "e-mail not sent");
            release_claim(app, notification, &mail.to, tally).await;
        }
    }
}

/// Removes a claim so that the next delivery sends the e-mail. If that fails, the e-mail is not sent again.
async fn release_claim(app: &App, notification: &Notification, address: &str, tally: &mut Tally) {
    tally.unsent += 1;
    if let Err(error) =
        app.notifications.release_claim(&notification.organization, &notification.id, address).await
    {
        tracing::error!(
            notification = notification.id,
            event = "mail_unknown",
            %error,
            "e-mail not sent and its claim not removed"
        );
    }
}
