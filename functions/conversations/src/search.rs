//! Searching an inbox: by the beginning of a contact's name, by the customer's own id, by number.
//!
//! A conversation's id is made of inbox and number, so a search for contacts is a search for conversations: one query (or
//! read) for the contacts, and one request for their conversations, however large the inbox is.

use lambda_http::Request;
use shared_aws::contact::ContactPage;
use shared_domain::{
    conversation::{Conversation, Filter, Folder},
    field::FieldError,
    ids::ConversationId,
    phone::PhoneNumber,
    time::Timestamp,
};
use shared_http::{
    access::MemberAccess,
    input,
    problem::Problem,
    reply::{self, Outcome},
    wire::{Page, conversation::ConversationView},
};

use crate::{App, place};

const MAX_QUESTION: usize = 80;

/// What is asked for, if anything is.
pub(crate) fn question(request: &Request) -> Result<Option<&str>, Problem> {
    let question = input::query(request, "q").map(str::trim).filter(|question| !question.is_empty());
    if question.is_some_and(|question| question.chars().count() > MAX_QUESTION) {
        return Err(FieldError::new("?q", "at most 80 characters").into());
    }
    Ok(question)
}

/// A page of what fits question and filter, latest activity first within the page; in one folder where one is named,
/// otherwise in both.
pub(crate) async fn search(
    app: &App,
    now: Timestamp,
    request: &Request,
    member: &MemberAccess,
    folder: Option<Folder>,
    filter: &Filter,
    question: &str,
) -> Outcome {
    let limit = input::limit(request)?;
    let scope = format!("search {} {question}", member.membership.inbox);
    let after = place(app, member, &scope, request)?;
    let found = numbers(app, member, question, limit, after.as_deref()).await?;
    let inbox = &member.membership.inbox;
    let ids: Vec<_> = found.numbers.iter().map(|number| ConversationId::of(inbox, number)).collect();
    let mut conversations = app.conversations.several(&member.organization, inbox, &ids).await?;
    conversations.retain(|conversation| {
        folder.is_none_or(|folder| conversation.folder == folder) && filter.admits(conversation)
    });
    conversations.sort_by_key(|conversation: &Conversation| std::cmp::Reverse(conversation.last_activity_at));
    let items = conversations.iter().map(|conversation| ConversationView::of(conversation, now)).collect();
    let next_cursor = found.next.map(|next| app.cursors.seal(&member.principal, &scope, &next));
    reply::json(200, &Page { items, next_cursor })
}

struct Found {
    numbers: Vec<PhoneNumber>,
    next: Option<String>,
}

async fn numbers(
    app: &App,
    member: &MemberAccess,
    question: &str,
    limit: u16,
    after: Option<&str>,
) -> Result<Found, Problem> {
    let (organization, team) = (&member.organization, &member.membership.team);
    if after.is_none() {
        if let Some(entry) = app.contacts.by_external_id(organization, team, question).await? {
            return Ok(Found { numbers: vec![entry.contact.number], next: None });
        }
        if let Ok(number) = PhoneNumber::parse(question) {
            return Ok(Found { numbers: vec![number], next: None });
        }
    }
    let ContactPage { entries, next } =
        app.contacts.by_name(organization, team, question, limit, after).await?;
    let mut numbers: Vec<_> = entries.into_iter().map(|entry| entry.contact.number).collect();
    numbers.sort();
    numbers.dedup();
    Ok(Found { numbers, next })
}
