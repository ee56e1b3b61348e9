//! Composing a message from an inbox to one contact or number. It starts or continues the inbox's
//! conversation with that number, which is then archived.

use axum::extract::State;
use shared_aws::messaging::{Acceptance, Accepted, Guard};
use shared_domain::{
    contact::Contact,
    conversation::Conversation,
    ids::{ContactId, ConversationId},
    inbox::TeamInbox,
    keys::{ConversationKey, InboxKey, TeamKey},
    message::Message,
    phone::{PhoneNumber, PhoneNumberError},
    sending,
    user::UserRef,
};
use shared_http::{
    access::named_inbox,
    caller::Caller,
    idempotency::Attempt,
    json::KeyedJson,
    problem::Problem,
    refusal,
    request::{Entropy, Now},
    wire::message::{Compose, MessageView, Recipient, SenderInbox as From},
};

use crate::{
    App,
    content::Content,
    outcome::{self, Outcome},
    with_wider_opt_outs,
};

/// Compose a message
///
/// From an inbox, named by its ID or its API code, to a contact or a phone number. Machine clients can send
/// from every inbox of their organization.
#[utoipa::path(post, path = "/v1/messages", tag = "messages", operation_id = "composeMessage",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = Compose,
    responses((status = 202, body = MessageView)),
    extensions(("x-errors" = json!(["scope_missing", "not_found", "cannot_receive", "own_number", "text_invalid",
        "blocked", "inbox_retired", "opted_out",
        "registration_incomplete", "invalid_number", "media_invalid", "media_not_uploaded",
        "template_incomplete", "text_empty", "text_too_long", "unknown_template", "locked"]))))]
pub(crate) async fn compose(
    State(app): State<App>,
    caller: Caller,
    Now(now): Now,
    Entropy(entropy): Entropy,
    KeyedJson { body, key }: KeyedJson<Compose>,
) -> Outcome {
    let app = &app;
    let Compose { from, to, text, template_id, media } = body;
    let content = Content::parse(text, template_id, media)?;
    let (account, sender) = account(app, &caller, &from).await?;
    let attempt = Attempt {
        organization: caller.organization(),
        principal: caller.principal(),
        route: "compose".into(),
        key,
    };
    if let Some(answer) = outcome::repeated(app, now, &attempt).await? {
        return answer;
    }
    let from = sending::SendingInbox { inbox: &account.inbox, registration: account.team.registration };
    if let Some(reason) = sending::reasons_against_inbox(from).first() {
        return Err(refusal::refused(reason));
    }
    let target = target(app, &account, &to).await?;
    let against = |contact: &Contact, conversation: Option<&Conversation>| {
        sending::reasons_against_compose(from, contact, conversation, caller.user(), now)
    };
    let existing = existing(app, &account, &target.number).await?;
    let known = target.contact.as_ref().or(existing.as_ref().map(|conversation| &conversation.contact));
    let provisional = Contact::provisional(&account.team.id, &target.number);
    let recipient = known.unwrap_or(&provisional).clone();
    let recipient = with_wider_opt_outs(app, &account.inbox, recipient, known.is_some()).await?;
    if let Some(reason) = against(&recipient, existing.as_ref()).first() {
        return Err(refusal::refused(reason));
    }
    let text =
        content.text(app, caller.organization(), &account.team.id, &recipient, sender.as_ref()).await?;
    if let Some(reason) = sending::reason_against_text(&text, content.has_files(), app.limits.compose) {
        return Err(refusal::refused(&reason));
    }
    let team = TeamKey { organization: caller.organization(), team: &account.team.id };
    let shown = match existing {
        Some(_) => None, // the conversation shows its contact already
        None => Some(app.contacts.by_number_or_provisional(team, &target.number).await?),
    };
    let contact = shown.as_ref().map_or(&recipient, |shown| &shown.contact);
    let media = content.media(app, now, entropy, &account.inbox).await?;
    let message = Message { sender, media, ..account.outbound(&target.number, text, now, entropy) };
    let acceptance = Acceptance {
        organization: caller.organization(),
        message: &message,
        contact,
        guard: Guard::Compose { user: caller.user() },
        idempotency: attempt.idempotency(),
    };
    let stored = outcome::accept(app, now, acceptance).await?;
    if let (Accepted::Stored, Some(existing)) = (&stored, &existing) {
        outcome::log_answer(existing, &message);
    }
    if let (Accepted::Stored, Some(shown)) = (&stored, &shown) {
        // The message is accepted, so an error must not make the client send it again.
        if let Err(error) = app.contacts.sync_if_changed(team, shown).await {
            tracing::warn!(event = "contact_copy_not_checked", message_id = %message.id, %error, "copy of a contact not checked");
        }
    }
    outcome::answer(app, now, &attempt, &message, stored, |current| {
        let contact = current.as_ref().map_or(&recipient, |conversation| &conversation.contact);
        against(contact, current.as_deref()).first().map(refusal::refused)
    })
    .await
}

/// The inbox to send from, for one of its members or a machine client of its organization, and the sender to
/// show.
async fn account(app: &App, caller: &Caller, from: &From) -> Result<(TeamInbox, Option<UserRef>), Problem> {
    let inbox = named_inbox(&app.inboxes, caller.organization(), from).await?;
    let sender = match caller {
        Caller::Machine(_) => None,
        Caller::User(user) => {
            let member = app
                .members
                .membership(InboxKey { organization: &user.organization, inbox: &inbox }, &user.user)
                .await?;
            Some(member.ok_or_else(Problem::not_found)?.user)
        }
    };
    let account =
        app.inboxes.get_with_team(InboxKey { organization: caller.organization(), inbox: &inbox }).await?;
    Ok((account.ok_or_else(Problem::not_found)?, sender))
}

struct Target {
    number: PhoneNumber,
    contact: Option<Contact>,
}

async fn target(app: &App, account: &TeamInbox, to: &Recipient) -> Result<Target, Problem> {
    let (organization, team) = (&account.inbox.organization, &account.team.id);
    match (&to.contact_id, &to.phone_number) {
        (Some(contact), None) => {
            let id = ContactId::parse(contact).map_err(|_| Problem::not_found())?;
            let contact = app
                .contacts
                .get(TeamKey { organization, team }, &id)
                .await?
                .ok_or_else(Problem::not_found)?;
            Ok(Target { number: contact.number.clone(), contact: Some(contact) })
        }
        (None, Some(number)) => {
            let number = PhoneNumber::parse(number).map_err(|error| match error {
                PhoneNumberError::Extension => Problem::unprocessable(
                    "invalid_number",
                    "/to/phoneNumber",
                    "An extension cannot receive messages. Enter the number without it.",
                ),
                _ => Problem::unprocessable(
                    "invalid_number",
                    "/to/phoneNumber",
                    "This is not a valid phone number.",
                ),
            })?;
            let contact = app.contacts.by_number(TeamKey { organization, team }, &number).await?;
            Ok(Target { number, contact })
        }
        _ => Err(Problem::bad_field("/to", "either contactId or phoneNumber")),
    }
}

async fn existing(
    app: &App,
    account: &TeamInbox,
    number: &PhoneNumber,
) -> Result<Option<Conversation>, Problem> {
    let conversation = ConversationId::of(&account.inbox.id, number);
    let key = ConversationKey {
        organization: &account.inbox.organization,
        inbox: &account.inbox.id,
        conversation: &conversation,
    };
    Ok(app.conversations.get(key).await?)
}
