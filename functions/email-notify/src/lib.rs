//! Tells teams by e-mail: mail queue → SES.
//!
//! Exactly one e-mail for each address and notice, by a claim that is made before the e-mail goes out: of all deliveries
//! of a queue message one sends to an address. SES's answer is one of four:
//!
//! | answer | what follows |
//! |---|---|
//! | accepted | the claim stays |
//! | surely not sent, may work later (429, a quota, no connection) | the claim is given back and the queue repeats; the other addresses stay claimed |
//! | surely not sent, never will be | the claim stays; event `mail_refused` |
//! | lost (time-out, reset, 5xx) | the claim stays, never sent again; event `mail_unknown` |
//!
//! A claim without an answer is an attempt that died: SES may have the e-mail, so it stays as well.

use std::collections::HashSet;

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use shared_aws::{
    clients::{Aws, Mail, Mailer, Sent},
    notification::Notices,
    table::{StoreError, Table},
    team::{Members, Teams},
};
use shared_domain::{
    notice::{Notification, NotificationKind},
    time::Timestamp,
};
use shared_lambda::config::{ConfigError, Environment};

pub mod letter;
mod templates;
mod writer;

use crate::writer::Writer;

/// What the function uses.
#[derive(Debug)]
pub struct App {
    mailer: Mailer,
    notices: Notices,
    teams: Teams,
    members: Members,
    writer: Writer,
}

impl App {
    /// Reads settings and makes clients.
    ///
    /// # Errors
    /// [`ConfigError`] naming every setting that is wrong.
    pub fn from_environment() -> Result<Self, ConfigError> {
        let mut env = Environment::default();
        let (name, from) = (env.required("TABLE_NAME"), env.required("MAIL_FROM"));
        let configuration_set = env.optional("MAIL_CONFIGURATION_SET");
        env.finish()?;
        let aws = Aws::from_environment()?;
        Ok(Self::new(Table::of(&aws, name), Mailer::new(&aws, from, configuration_set)))
    }

    /// Over this table and mailer.
    pub fn new(table: Table, mailer: Mailer) -> Self {
        Self {
            mailer,
            notices: Notices::new(table.clone()),
            teams: Teams::new(table.clone()),
            members: Members::new(table.clone()),
            writer: Writer::new(table),
        }
    }
}

/// Why a queue message should come again.
#[derive(Debug, thiserror::Error)]
pub enum Again {
    /// The database did not answer before anything was sent.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Not a notice: it ends among the dead letters, where a person looks.
    #[error("not understood: {0}")]
    NotUnderstood(StoreError),
    /// The e-mail could not be written.
    #[error(transparent)]
    NotWritten(#[from] letter::NotWritten),
    /// Some were surely not told and may be told later.
    #[error("{0} addresses are still to be told")]
    Untold(usize),
}

/// Tells one batch of notices. A notice that fails is reported alone; the others go on.
pub async fn handle(app: &App, now: Timestamp, event: SqsEvent) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    for record in event.records {
        // In a box: calls of the SDK lie so deep in one another that the compiler meets its limit in `main`.
        if let Err(again) = Box::pin(one(app, now, &record)).await {
            let queue_message = record.message_id.as_deref();
            if matches!(again, Again::NotUnderstood(_)) {
                tracing::error!(event = "unreadable_notice", queue_message, %again, "no notice");
            } else {
                tracing::warn!(queue_message, %again, "comes again");
            }
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = record.message_id.unwrap_or_default();
            response.batch_item_failures.push(failure);
        }
    }
    response
}

async fn one(app: &App, now: Timestamp, record: &SqsMessage) -> Result<(), Again> {
    let body = record.body.as_deref().unwrap_or_default();
    let notice = Notices::of_text(body).map_err(Again::NotUnderstood)?;
    let addresses = addresses(app, &notice).await?;
    let tally =
        if addresses.is_empty() { Tally::default() } else { tell(app, now, &notice, &addresses).await? };
    tracing::info!(
        notice = notice.id,
        kind = kind(&notice.subject),
        addresses = addresses.len(),
        sent = tally.sent,
        earlier = tally.earlier,
        refused = tally.refused,
        unknown = tally.unknown,
        untold = tally.untold,
        "told"
    );
    if tally.untold == 0 { Ok(()) } else { Err(Again::Untold(tally.untold)) }
}

/// Who is to be told, each once whatever the case of the letters: the claim does not tell it either.
async fn addresses(app: &App, notice: &Notification) -> Result<Vec<String>, StoreError> {
    let mut addresses = match &notice.subject {
        NotificationKind::RegistrationApproved
        | NotificationKind::RegistrationRejected(_)
        | NotificationKind::RegistrationSuspended(_) => addresses_of_admins(app, notice).await?,
        subject @ (NotificationKind::OptOutChanged { .. }
        | NotificationKind::UnknownContact { .. }
        | NotificationKind::ContactAdded { .. }) => {
            let settings = app.teams.notification_settings(&notice.organization, &notice.team).await?;
            settings.recipients(subject).to_vec()
        }
    };
    let mut seen = HashSet::new();
    addresses.retain(|address| seen.insert(address.to_lowercase()));
    Ok(addresses)
}

/// Where the notice's admins are reached now; who is no user any more is passed over.
async fn addresses_of_admins(app: &App, notice: &Notification) -> Result<Vec<String>, StoreError> {
    let mut addresses = Vec::with_capacity(notice.admins.len());
    for admin in &notice.admins {
        let user = app.members.user(&notice.organization, admin).await?;
        addresses.extend(user.map(|user| user.email));
    }
    Ok(addresses)
}

/// The word of a subject in logs, as it travels.
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

/// What became of a notice's addresses, counted.
#[derive(Debug, Default)]
struct Tally {
    sent: usize,
    /// Claimed in an earlier delivery, or by another worker at this moment.
    earlier: usize,
    refused: usize,
    unknown: usize,
    untold: usize,
}

/// Tells every address, whatever became of the one before.
async fn tell(
    app: &App,
    now: Timestamp,
    notice: &Notification,
    addresses: &[String],
) -> Result<Tally, Again> {
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
                tracing::warn!(notice = notice.id, %error, "an address could not be claimed");
                tally.untold += 1;
            }
        }
    }
    Ok(tally)
}

/// Sends to an address that is claimed.
async fn send(app: &App, notice: &Notification, mail: &Mail, tally: &mut Tally) {
    let notice_id = &notice.id;
    match app.mailer.send(mail).await {
        Sent::Accepted { id } => {
            tracing::debug!(notice = notice_id, mail = id, "accepted");
            tally.sent += 1;
        }
        Sent::Refused { code } => {
            tracing::error!(
                notice = notice_id,
                event = "mail_refused",
                code,
                "an e-mail is refused for good"
            );
            tally.refused += 1;
        }
        Sent::Unknown { code } => {
            tracing::warn!(
                notice = notice_id,
                event = "mail_unknown",
                code,
                "nobody knows whether an e-mail went"
            );
            tally.unknown += 1;
        }
        Sent::NotSent { code } => {
            tracing::warn!(notice = notice_id, code, "an e-mail was not sent");
            give_back(app, notice, &mail.to, tally).await;
        }
    }
}

/// A claim that stays though nothing was sent looks to the next delivery like any other: nobody will be told.
async fn give_back(app: &App, notice: &Notification, address: &str, tally: &mut Tally) {
    tally.untold += 1;
    if let Err(error) = app.notices.give_back(&notice.organization, &notice.id, address).await {
        tracing::error!(
            notice = notice.id,
            event = "mail_unknown",
            %error,
            "an e-mail was not sent, and its claim may stay"
        );
    }
}
