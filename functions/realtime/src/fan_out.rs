//! Published events → frames to the connections of the members of now.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::{StreamExt, TryStreamExt, stream};
use shared_aws::{
    clients::{Greeting, SignOut},
    event::PublishedEvent,
    realtime::{PushOutcome, Socket},
    table::StoreError,
};
use shared_domain::{
    event::EventType,
    ids::{OrganizationId, UserId},
    time::Timestamp,
};
use shared_http::wire::{
    event::EventView,
    realtime::{CloseCode, ServerFrame},
};
use shared_lambda::Error;

use crate::{App, audience::Audience};

/// How often a greeting is tried until the handshake is complete, with a pause after each.
const GREETING_ATTEMPTS: u32 = 20;
const GREETING_PAUSE: Duration = Duration::from_millis(100);
/// Reads of the table that a batch has at the same time. A batch has ten events.
const MAX_CONCURRENT_READS: usize = 10;

/// Delivers a batch of the queue: greetings of new connections, sign-outs, and published events. Reports the
/// messages that did not reach all of their receivers. The others get a repeated frame then, which they
/// ignore.
pub(crate) async fn deliver(app: &App, batch: SqsEvent, now: Timestamp) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    let mut by_organization = BTreeMap::<OrganizationId, Vec<(String, PublishedEvent)>>::new();
    for SqsMessage { message_id, body, .. } in batch.records {
        let (id, body) = (message_id.unwrap_or_default(), body.unwrap_or_default());
        if let Ok(greeting) = Greeting::parse(&body) {
            if let Err(error) = greet(app, &greeting).await {
                retry(&mut response, id, &*error);
            }
        } else if let Ok(sign_out) = SignOut::parse(&body) {
            if let Err(error) = end_connections(app, &sign_out, now).await {
                retry(&mut response, id, &*error);
            }
        } else if let Ok(event) = PublishedEvent::parse(&body) {
            by_organization.entry(event.organization_id.clone()).or_default().push((id, event));
        } else {
            tracing::error!(event = "event_unreadable", queue_message = id, "published event is unreadable");
        }
    }
    for (organization, mut events) in by_organization {
        events.sort_by_key(|(_, event)| event.sequence);
        if let Err(error) = push(app, &organization, &events, now).await {
            for (id, _) in events {
                retry(&mut response, id, &*error);
            }
        }
    }
    response
}

fn retry(response: &mut SqsBatchResponse, id: String, error: &dyn std::fmt::Display) {
    tracing::warn!(event = "queue_message_retry", queue_message = id, %error, "retrying queue message");
    let mut failure = BatchItemFailure::default();
    failure.item_identifier = id;
    response.batch_item_failures.push(failure);
}

/// Sends the first frame of a connection. It waits for the end of the handshake. A client that gave up gets
/// none.
async fn greet(app: &App, greeting: &Greeting) -> Result<(), Error> {
    let stored = app.sockets.get(&greeting.place).await?;
    let Some(socket) = stored.filter(|socket| socket.connection == greeting.connection) else {
        return Ok(());
    };
    for _ in 0..GREETING_ATTEMPTS {
        if app.greet(&socket).await? == PushOutcome::Sent {
            return Ok(());
        }
        tokio::time::sleep(GREETING_PAUSE).await;
    }
    Ok(())
}

/// Ends the connections that a user had at the sign-out. A repeated message leaves those of a later sign-in.
async fn end_connections(app: &App, sign_out: &SignOut, now: Timestamp) -> Result<(), Error> {
    let SignOut { organization, signed_out_user, at } = sign_out;
    for socket in app.sockets.of_user(organization, signed_out_user).await? {
        if socket.connected_at <= *at {
            app.close(&socket, CloseCode::SignedOut, now).await?;
        }
    }
    Ok(())
}

/// Pushes the events of one organization. Errors if one of them must be delivered again.
async fn push(
    app: &App,
    organization: &OrganizationId,
    events: &[(String, PublishedEvent)],
    now: Timestamp,
) -> Result<(), Error> {
    let sockets = app.sockets.list(organization).await?;
    if sockets.is_empty() {
        return Ok(());
    }
    let mut frames: Vec<(&Socket, Vec<Arc<str>>)> =
        sockets.iter().map(|socket| (socket, Vec::new())).collect();
    for (frame, receivers) in frames_of(app, &sockets, events, now).await? {
        for (_, frames) in frames.iter_mut().zip(&receivers).filter_map(|(one, sees)| sees.then_some(one)) {
            frames.push(frame.clone());
        }
    }
    frames.retain(|(_, frames)| !frames.is_empty());
    let receivers = frames.len();
    let failed = app.send_each(frames, now).await;
    tracing::info!(
        event = "events_pushed",
        events = events.len(),
        receivers,
        failed = failed.len(),
        "events pushed"
    );
    close_ended(app, organization, &sockets, events, now).await?;
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("{} connections did not get all frames", failed.len()).into())
    }
}

/// Returns the frames of events in their order, each with whether a connection gets it, in the order of the
/// connections. The reads of a batch run at the same time, so that a flood of changes, as from an import,
/// takes hardly longer than one of them. An event that no connection gets is not read.
async fn frames_of(
    app: &App,
    sockets: &[Socket],
    events: &[(String, PublishedEvent)],
    now: Timestamp,
) -> Result<Vec<(Arc<str>, Vec<bool>)>, Error> {
    let events: Vec<_> = events
        .iter()
        .filter_map(|(_, event)| Some((event.scope()?, EventType::parse(&event.kind)?, event.sequence)))
        .collect();
    let scopes: BTreeSet<_> = events.iter().map(|(scope, ..)| scope).collect();
    // The futures of the SDK nest deeply, so they are boxed.
    let audiences = scopes
        .into_iter()
        .map(|scope| Box::pin(async move { Ok::<_, StoreError>((scope, Audience::of(app, scope).await?)) }));
    let audiences: HashMap<_, _> =
        stream::iter(audiences).buffer_unordered(MAX_CONCURRENT_READS).try_collect().await?;
    let seen = events.iter().filter_map(|(scope, kind, sequence)| {
        let audience = &audiences[scope];
        let sees = |socket| {
            if kind.is_for_managers() { audience.has_manager(socket, now) } else { audience.has(socket, now) }
        };
        let receivers: Vec<bool> = sockets.iter().map(sees).collect();
        receivers.contains(&true).then_some((scope, *sequence, receivers))
    });
    let reads = seen.map(|(scope, sequence, receivers)| {
        Box::pin(async move {
            let event = app.log.get(scope, sequence).await?;
            Ok::<_, StoreError>(event.map(|event| (ServerFrame::event(EventView::from(event)), receivers)))
        })
    });
    let frames: Vec<_> = stream::iter(reads).buffered(MAX_CONCURRENT_READS).try_collect().await?;
    Ok(frames.into_iter().flatten().collect())
}

/// Closes the connections of users who left their last team, and of tokens that ended.
async fn close_ended(
    app: &App,
    organization: &OrganizationId,
    sockets: &[Socket],
    events: &[(String, PublishedEvent)],
    now: Timestamp,
) -> Result<(), Error> {
    let mut gone = HashSet::new();
    for (_, event) in events {
        let left = event.kind == EventType::MembershipChanged.as_str()
            && event.inbox_id.is_none()
            && event.data["removed"] == true;
        let user = event.data["userId"].as_str().filter(|_| left).and_then(|user| UserId::parse(user).ok());
        let Some(user) = user.filter(|user| sockets.iter().any(|socket| socket.place.user == *user)) else {
            continue;
        };
        let profile = app.members.profile(organization, &user).await?;
        if profile.is_none_or(|profile| profile.teams.is_empty() && !profile.user.owner) {
            gone.insert(user);
        }
    }
    for socket in sockets {
        if socket.token_expires_at <= now || gone.contains(&socket.place.user) {
            app.close(socket, CloseCode::SignedOut, now).await?;
        }
    }
    Ok(())
}
