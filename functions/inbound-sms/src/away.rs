//! Out of Office: the automatic answer to a text that came in while the inbox is closed.
//!
//! At most one for each contact and closed period, however often the carrier repeats the text: the answer's transaction
//! claims the period. Never to opt-out words, to machines, or to ourselves.

use shared_aws::inbox::Account;
use shared_domain::{
    ids::ConversationId,
    inbox::Inbox,
    message::Message,
    out_of_office::{self, ClosedPeriod, Inbound, Schedule},
    phone::PhoneNumber,
    time::Timestamp,
};
use shared_http::problem::Problem;

use crate::{App, automatic};

/// Answers where that is wanted and allowed. `now` is when the text came first.
pub(crate) async fn answer(
    app: &App,
    now: Timestamp,
    entropy: u64,
    inbox: &Inbox,
    from: &PhoneNumber,
    words: &str,
) -> Result<(), Problem> {
    let Some(saved) = app.out_of_office.get(&inbox.organization, &inbox.id).await? else { return Ok(()) };
    let Ok(schedule) = Schedule::parse(&saved.draft) else {
        tracing::error!(inbox = %inbox.id, event = "unreadable_schedule", "Out of Office is not what it should be");
        return Ok(());
    };
    // A text that comes again says nothing of hours that were set after it came first.
    if saved.saved_at > now {
        return Ok(());
    }
    let Some(period) = out_of_office::closed_period(&schedule, now, saved.saved_at) else { return Ok(()) };
    let conversation = ConversationId::of(&inbox.id, from);
    let what = Inbound {
        keyword: false, // a keyword has an answer of its own, and never comes here
        automatic: out_of_office::echoes(words, schedule.message()),
        from_own_number: app.inboxes.is_ours(from).await?,
        short_code: !from.as_str().starts_with('+'),
    };
    let recent = app.out_of_office.recent(&inbox.organization, &inbox.id, &conversation, now).await?;
    if !out_of_office::should_answer(Some(&period), &what, recent) {
        return Ok(());
    }
    let Some(account) = app.inboxes.account(&inbox.organization, &inbox.id).await? else { return Ok(()) };
    if !automatic::may_send(&account) {
        return Ok(());
    }
    let message = automatic::text(&account, from, schedule.message(), now, entropy);
    send(app, &account, &period, &message).await
}

async fn send(app: &App, account: &Account, period: &ClosedPeriod, message: &Message) -> Result<(), Problem> {
    let answered = app.out_of_office.answer(&account.inbox.organization, period, message).await?;
    if answered {
        tracing::info!(inbox = %account.inbox.id, message_id = %message.id, "answered out of office");
    }
    Ok(())
}
