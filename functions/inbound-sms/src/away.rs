//! Out of Office: the automatic answer to a text that came in while the inbox is closed.
//!
//! At most one for each contact and closed period, however often the carrier repeats the text: the answer's transaction
//! claims the period. Never to opt-out words, to machines, or to ourselves.

use std::time::Duration;

use shared_aws::inboxes::Account;
use shared_carriers::twilio::InboundMessage;
use shared_domain::{
    ids::{ConversationId, MessageId},
    inbox::{Inbox, InboxKind, Stage},
    message::{Delivery, DeliveryState, Direction, Message},
    out_of_office::{self, ClosedPeriod, Inbound, Schedule},
    phone::PhoneNumber,
    time::Timestamp,
};
use shared_http::problem::Problem;

use crate::App;

/// Answers where that is wanted and allowed.
pub(crate) async fn answer(
    app: &App,
    now: Timestamp,
    chance: u64,
    inbox: &Inbox,
    from: &PhoneNumber,
    inbound: &InboundMessage,
    keyword: bool,
) -> Result<(), Problem> {
    let Some(saved) = app.out_of_office.get(&inbox.organisation, &inbox.id).await? else { return Ok(()) };
    let Ok(schedule) = Schedule::parse(&saved.draft) else {
        tracing::error!(inbox = %inbox.id, metric = "unreadable_schedule", "Out of Office is not what it should be");
        return Ok(());
    };
    let Some(period) = out_of_office::closed_period(&schedule, now, saved.saved_at) else { return Ok(()) };
    let conversation = ConversationId::of(&inbox.id, from);
    let what = Inbound {
        keyword,
        automatic: out_of_office::echoes(&inbound.body, schedule.message()),
        from_own_number: app.inboxes.is_ours(from).await?,
        short_code: !from.as_str().starts_with('+'),
    };
    let recent = app.out_of_office.recent(&inbox.organisation, &inbox.id, &conversation, now).await?;
    if !out_of_office::should_answer(Some(&period), &what, recent) {
        return Ok(());
    }
    let Some(account) = app.inboxes.account(&inbox.organisation, &inbox.id).await? else { return Ok(()) };
    if !may_send(&account) {
        return Ok(());
    }
    // A moment after what it answers, so that the history has them in this order.
    let at = now.plus(Duration::from_millis(1));
    let message = text(&account, conversation, from, schedule.message(), at, chance);
    send(app, &account, &period, &message).await
}

/// What is retired or not registered sends nothing, by itself either.
fn may_send(account: &Account) -> bool {
    account.inbox.stage == Stage::Active
        && (account.inbox.kind == InboxKind::Personal || account.team.registration.is_complete())
}

async fn send(app: &App, account: &Account, period: &ClosedPeriod, message: &Message) -> Result<(), Problem> {
    let answered = app.out_of_office.answer(&account.inbox.organisation, period, message).await?;
    if answered {
        tracing::info!(inbox = %account.inbox.id, message_id = %message.id, "answered out of office");
    }
    Ok(())
}

fn text(
    account: &Account,
    conversation: ConversationId,
    to: &PhoneNumber,
    words: &str,
    now: Timestamp,
    chance: u64,
) -> Message {
    Message {
        id: MessageId::in_conversation(&conversation, now, chance),
        conversation,
        inbox: account.inbox.id.clone(),
        team: account.team.id.clone(),
        inbox_number: account.inbox.number.clone(),
        contact_number: to.clone(),
        direction: Direction::Outbound,
        text: words.to_owned(),
        media: Vec::new(),
        sender: None,
        automatic: true,
        created_at: now,
        messaging_service: account.messaging_service().map(str::to_owned),
        carrier_id: None,
        delivery: Delivery::beginning(DeliveryState::Queued, now),
    }
}
