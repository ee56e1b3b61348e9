//! STOP, START, HELP: what the words do, and the one confirmation.
//!
//! Idempotent by the text's id, which the state remembers: a text that comes again, or late, acts no second time.

use shared_aws::{
    inbox::Account,
    opt_out::{OptOutRecord, OptOutWrite},
};
use shared_carriers::twilio::OptOutType;
use shared_domain::{
    contact::Contact,
    ids::MessageId,
    inbox::Inbox,
    message::Message,
    notice::NotificationKind,
    opt_out::{self, Keyword, KeywordDecision, KeywordReply, OptOutChange, OptOutSubject, Scope},
    out_of_office::ClosedPeriod,
    phone::PhoneNumber,
    time::Timestamp,
};
use shared_http::problem::Problem;

use crate::{App, automatic};

const HOUR: i64 = 3_600_000;

/// An inbound text with a keyword.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    pub inbox: &'a Inbox,
    pub from: &'a PhoneNumber,
    pub keyword: Keyword,
    /// The carrier has answered it already.
    pub carrier_answered: bool,
    pub message: &'a MessageId,
}

/// Acts on a keyword; `false` when it was an ordinary text after all (a YES from somebody who never opted out).
pub(crate) async fn act(app: &App, now: Timestamp, entropy: u64, said: Said<'_>) -> Result<bool, Problem> {
    let subject = OptOutSubject::of(said.inbox, said.from);
    for _ in 0..3 {
        let standing = app.opt_outs.get(&subject).await?;
        let same_number = standing.stopped_at.contains(&said.inbox.id);
        let is_new = standing.predates(said.message);
        let (keyword, answered) = (said.keyword, said.carrier_answered);
        let (change, reply) =
            match opt_out::after_keyword(&standing.state, keyword, same_number, app.answers, answered) {
                KeywordDecision::Ordinary if is_new => return Ok(false),
                KeywordDecision::Ordinary => (None, None), // a YES that has acted, and comes again
                KeywordDecision::Keyword { change, reply } => (change, reply),
            };
        let done = match &change {
            Some(change) if is_new => {
                store(app, now, entropy, said, &subject, &standing, change, reply).await?
            }
            None if is_new && keyword == Keyword::Stop => {
                app.opt_outs.record_message(&subject, &standing, said.message).await?
            }
            _ => true,
        };
        if !done {
            continue;
        }
        if matches!(subject.scope, Scope::Team(_)) {
            app.opt_outs.sync_copies(&subject.organization, &said.inbox.team, said.from).await?;
        }
        if reply == Some(KeywordReply::Help) {
            help(app, now, entropy, said).await?;
        }
        return Ok(true);
    }
    Err(Problem::changed("The opt-out changed at this instant; repeat."))
}

#[allow(clippy::too_many_arguments, reason = "one step of `act`, which has them all at hand")]
async fn store(
    app: &App,
    now: Timestamp,
    entropy: u64,
    said: Said<'_>,
    subject: &OptOutSubject,
    standing: &OptOutRecord,
    change: &OptOutChange,
    reply: Option<KeywordReply>,
) -> Result<bool, Problem> {
    let (organization, team) = (&subject.organization, &said.inbox.team);
    let contact = app.contacts.by_number_or_provisional(organization, team, said.from).await?;
    let confirmation = confirmation(app, now, entropy, said, reply).await?;
    let entry = change.entry(subject, contact.id.clone(), Some(said.message.clone()), None, now);
    let recorded = OptOutWrite {
        team,
        contact: &contact,
        entry: &entry,
        inbox: Some(&said.inbox.id),
        confirmation: confirmation.as_ref(),
        told: change.turned && is_told(app, said, &contact).await?,
    };
    let done = app.opt_outs.record(subject, standing, change, recorded).await?;
    if done {
        tracing::info!(inbox = %said.inbox.id, opted_out = change.state.is_out(), "opt-out changed by keyword");
    }
    Ok(done)
}

/// Whether the team wants an e-mail about it.
async fn is_told(app: &App, said: Said<'_>, contact: &Contact) -> Result<bool, Problem> {
    let news = NotificationKind::OptOutChanged { contact: contact.id.clone(), opted_out: true };
    Ok(app.teams.wants(&said.inbox.organization, &said.inbox.team, &news).await?)
}

async fn confirmation(
    app: &App,
    now: Timestamp,
    entropy: u64,
    said: Said<'_>,
    reply: Option<KeywordReply>,
) -> Result<Option<Message>, Problem> {
    let words: fn(&str) -> String = match reply {
        Some(KeywordReply::Stopped) => opt_out::stop_text,
        Some(KeywordReply::Started) => opt_out::start_text,
        Some(KeywordReply::Help) | None => return Ok(None),
    };
    let Some(account) = sender(app, said).await? else { return Ok(None) };
    let text = automatic::text(&account, said.from, &words(&account.team.name), now, entropy);
    Ok(Some(Message { bypass_opt_out: true, ..text }))
}

/// The help text, once an hour.
async fn help(app: &App, now: Timestamp, entropy: u64, said: Said<'_>) -> Result<(), Problem> {
    let Some(account) = sender(app, said).await? else { return Ok(()) };
    let text = automatic::text(&account, said.from, &opt_out::help_text(&account.team.name), now, entropy);
    let hour =
        ClosedPeriod { id: format!("help-{}", now.millis().div_euclid(HOUR)), since: now, until: None };
    app.out_of_office.answer(&said.inbox.organization, &hour, &text).await?;
    Ok(())
}

async fn sender(app: &App, said: Said<'_>) -> Result<Option<Account>, Problem> {
    let account = app.inboxes.account(&said.inbox.organization, &said.inbox.id).await?;
    Ok(account.filter(automatic::may_send))
}

/// The keyword of a text: what the carrier took it for, since its customer may have set other words.
pub(crate) fn of(text: &str, taken_for: Option<&OptOutType>) -> Option<Keyword> {
    match taken_for {
        Some(OptOutType::Stop) => Some(Keyword::Stop),
        Some(OptOutType::Start) => Some(Keyword::Start),
        Some(OptOutType::Help) => Some(Keyword::Help),
        Some(OptOutType::Other(_)) | None => opt_out::keyword(text),
    }
}
