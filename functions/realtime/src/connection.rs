//! The life of one connection: handshake, frames, end.

use std::time::Duration;

use serde_json::Value;
use shared_aws::{
    clients::Greeting,
    messaging::Messages,
    realtime::{NewSocket, Place, Socket, View},
    table::StoreError,
};
use shared_domain::{ids::ConversationId, keys::InboxKey, time::Timestamp};
use shared_http::wire::realtime::{CloseCode, ServerFrame};
use shared_lambda::Error;

use crate::{
    App,
    audience::Audience,
    input::{Caller, ClientFrame, SocketEvent},
};

/// A client is asked for a new ticket when its token ends within this time.
const REFRESH_BEFORE: Duration = Duration::from_mins(10);
/// API Gateway ends a connection after two hours. A client that pings every few minutes is asked to reconnect
/// before that.
const RECONNECT_AFTER: Duration = Duration::from_mins(114);
/// Frames in a minute that are not part of the protocol, after which a connection is closed.
const MAX_FOREIGN_FRAMES: u32 = 20;

/// Answers a handshake: redeems its ticket and stores the connection. All refusals are the same.
pub(crate) async fn authorize(app: &App, event: &SocketEvent, now: Timestamp) -> Result<Value, Error> {
    let Some(secret) = event.ticket() else { return Ok(event.policy(None)) };
    let ticket = app.tickets.redeem(secret, now).await?;
    let Some(ticket) = ticket.filter(|ticket| ticket.token_expires_at > now) else {
        tracing::info!(event = "ticket_refused", "ticket refused");
        return Ok(event.policy(None));
    };
    let connection = event.connection().to_owned();
    let socket = NewSocket {
        connection: connection.clone(),
        owner: ticket.owner,
        token_expires_at: ticket.token_expires_at,
        cursor: ticket.cursor,
    };
    let Some(place) = app.sockets.open(&ticket.organization, &ticket.user, &socket, now).await? else {
        tracing::info!(event = "socket_refused", "user has too many connections");
        return Ok(event.policy(None));
    };
    app.queue.greet(&Greeting { place: place.clone(), connection }).await?;
    Ok(event.policy(Some(Caller::new(&place, ticket.name))))
}

/// Handles a route of the API.
pub(crate) async fn handle(app: &App, event: &SocketEvent, now: Timestamp) -> Result<(), Error> {
    let Some((caller, place)) = event.caller().and_then(|caller| Some((caller, caller.place()?))) else {
        return Err("an event without the context of its authorization".into());
    };
    if event.is_frame() {
        handle_frame(app, event, caller, place, now).await?;
    } else if event.is_disconnect() {
        let closed = app.sockets.close(&place, event.connection()).await?;
        if let Some(view) = closed.and_then(|socket| socket.view) {
            app.end_view(&place, &view, now).await?;
        }
    }
    Ok(())
}

async fn handle_frame(
    app: &App,
    event: &SocketEvent,
    caller: &Caller,
    place: Place,
    now: Timestamp,
) -> Result<(), Error> {
    let connection = event.connection();
    let Some(socket) = app.sockets.get(&place).await?.filter(|socket| socket.connection == connection) else {
        return app.end(connection, CloseCode::Reconnect).await;
    };
    let is_refresh = || matches!(event.frame(), Some(ClientFrame::Refresh { .. }));
    if socket.token_expires_at <= now && !is_refresh() {
        return app.close(&socket, CloseCode::SignedOut, now).await;
    }
    app.greet(&socket).await?;
    match event.frame() {
        Some(ClientFrame::Ping) => {
            app.send(connection, &ServerFrame::Pong).await?;
            if socket.connected_at + RECONNECT_AFTER <= now {
                app.close(&socket, CloseCode::Reconnect, now).await?;
            } else if socket.token_expires_at <= now + REFRESH_BEFORE {
                app.send(connection, &ServerFrame::Refresh).await?;
            }
        }
        Some(ClientFrame::Refresh { ticket }) => {
            let ticket = app.tickets.redeem(&ticket, now).await?;
            let own = ticket.filter(|ticket| {
                ticket.organization == place.organization
                    && ticket.user == place.user
                    && ticket.token_expires_at > now
            });
            let Some(ticket) = own else { return app.close(&socket, CloseCode::SignedOut, now).await };
            app.sockets.renew(&place, connection, ticket.owner, ticket.token_expires_at).await?;
        }
        Some(ClientFrame::View { conversation }) => {
            let conversation = conversation.as_ref();
            match app.view(&socket, &caller.name, conversation, now).await? {
                Viewed::Done => {}
                Viewed::NotVisible => app.count_foreign_frame(&socket, now).await?,
            }
        }
        None => app.count_foreign_frame(&socket, now).await?,
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum Viewed {
    Done,
    /// There is no such conversation for this user.
    NotVisible,
}

impl App {
    async fn count_foreign_frame(&self, socket: &Socket, now: Timestamp) -> Result<(), Error> {
        let count = self.sockets.count_foreign_frame(&socket.place, &socket.connection, now).await?;
        if count >= MAX_FOREIGN_FRAMES {
            return self.close(socket, CloseCode::TooMany, now).await;
        }
        Ok(())
    }

    async fn view(
        &self,
        socket: &Socket,
        name: &str,
        conversation: Option<&ConversationId>,
        now: Timestamp,
    ) -> Result<Viewed, Error> {
        let place = &socket.place;
        let view = match conversation {
            None => None,
            Some(conversation) => {
                let Some(view) = visible(&self.messages, place, conversation).await? else {
                    return Ok(Viewed::NotVisible);
                };
                let inbox = InboxKey { organization: &place.organization, inbox: &view.inbox };
                if self.members.membership(inbox, &place.user).await?.is_none() {
                    return Ok(Viewed::NotVisible);
                }
                Some(view)
            }
        };
        if let Some(old) = socket.view.as_ref().filter(|old| Some(*old) != view.as_ref()) {
            self.end_view(place, old, now).await?;
        }
        if view != socket.view {
            self.sockets.set_view(place, &socket.connection, view.as_ref()).await?;
        }
        if let Some(new) = &view {
            self.viewers.add(place, name, &new.conversation, now).await?;
            if view != socket.view {
                self.announce_viewers(place, new, now).await?;
            }
        }
        Ok(Viewed::Done)
    }

    async fn end_view(&self, place: &Place, view: &View, now: Timestamp) -> Result<(), Error> {
        self.viewers.remove(place, &view.conversation).await?;
        self.announce_viewers(place, view, now).await
    }

    /// Sends the viewers of a conversation to the members of its inbox. Costs no event: viewers are not part
    /// of the feed.
    async fn announce_viewers(&self, place: &Place, view: &View, now: Timestamp) -> Result<(), Error> {
        let viewers = self.viewers.list(&place.organization, &view.conversation, now).await?;
        let frame = ServerFrame::viewers(&place.organization, view, &viewers, now);
        let audience = Audience::of_inbox(self, &place.organization, &view.inbox).await?;
        let sockets = self.sockets.list(&place.organization).await?;
        let frames =
            sockets.iter().filter(|socket| audience.has(socket, now)).map(|socket| (socket, frame.clone()));
        self.send_each(frames.map(|(socket, frame)| (socket, vec![frame])).collect(), now).await;
        Ok(())
    }
}

/// Returns the inbox of a conversation. `None` if the conversation has no messages.
async fn visible(
    messages: &Messages,
    place: &Place,
    conversation: &ConversationId,
) -> Result<Option<View>, StoreError> {
    let newest = messages.history(&place.organization, conversation, 1, None).await?;
    let inbox = newest.items.into_iter().next().map(|message| message.inbox);
    Ok(inbox.map(|inbox| View { inbox, conversation: conversation.clone() }))
}
