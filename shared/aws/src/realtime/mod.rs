//! socket connections: tickets that open them, the connections of an organization, who views a
//! conversation, and the frames that are sent to them.

pub(crate) mod push;
pub(crate) mod sockets;
pub(crate) mod tickets;
pub(crate) mod viewers;

pub use self::{
    push::{PushError, PushOutcome, Pusher},
    sockets::{MAX_SOCKETS_PER_USER, NewSocket, Place, Socket, Sockets, View},
    tickets::{Ticket, Tickets},
    viewers::{Viewers, Viewing},
};
