//! The credentials of a client. A client can read them when it needs them and again when the carrier refuses
//! them, so that a rotated token fails no call.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use super::client::Credentials;

/// Reads the credentials. The argument is `None`, or the credentials that the carrier refused, and the result
/// should be others. Returns `None` if there are none.
pub type ReadCredentials = Arc<dyn Fn(Option<Credentials>) -> Reading + Send + Sync>;

type Reading = Pin<Box<dyn Future<Output = Option<Credentials>> + Send>>;

#[derive(Clone)]
pub(crate) enum Login {
    /// Credentials that never change.
    Fixed(Credentials),
    Read(ReadCredentials),
}

impl Login {
    /// Returns the credentials. `None` if they cannot be read.
    pub(crate) async fn credentials(&self) -> Option<Credentials> {
        match self {
            Self::Fixed(credentials) => Some(credentials.clone()),
            Self::Read(read) => read(None).await,
        }
    }

    /// Returns other credentials of the same account than `refused`, or `None` if there are none.
    pub(crate) async fn renewed(&self, refused: &Credentials) -> Option<Credentials> {
        let Self::Read(read) = self else { return None };
        let found = read(Some(refused.clone())).await?;
        (found.account_sid == refused.account_sid && found != *refused).then_some(found)
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(…)")
    }
}
