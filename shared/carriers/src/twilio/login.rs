//! The credentials in use. They are read again when the carrier refuses them, so that a rotated token needs
//! no new execution environment and fails no call.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::client::Credentials;

/// The least time between two reads of the credentials, so that an account that stays refused costs little.
const MIN_READ_INTERVAL: Duration = Duration::from_mins(1);

/// Reads the credentials again. Returns `None` if they cannot be read.
pub type ReadCredentials =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Option<Credentials>> + Send>> + Send + Sync>;

/// The credentials of a client. Clones share them.
#[derive(Clone)]
pub(crate) struct Login {
    state: Arc<Mutex<State>>,
    read: Option<ReadCredentials>,
}

struct State {
    credentials: Credentials,
    read_at: Option<Instant>,
}

impl Login {
    /// Credentials that never change.
    pub(crate) fn fixed(credentials: Credentials) -> Self {
        Self { state: Arc::new(Mutex::new(State { credentials, read_at: None })), read: None }
    }

    /// The same credentials, read again by `read`.
    pub(crate) fn with_renewal(&self, read: ReadCredentials) -> Self {
        Self { read: Some(read), ..Self::fixed(self.credentials()) }
    }

    pub(crate) fn credentials(&self) -> Credentials {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).credentials.clone()
    }

    /// Returns other credentials than `refused`, or `None` if there are none. Reads them at most once a
    /// minute.
    pub(crate) async fn renewed(&self, refused: &Credentials) -> Option<Credentials> {
        if let Some(read) = self.read.as_ref().filter(|_| self.may_read())
            && let Some(found) = read().await.filter(|found| found.account_sid == refused.account_sid)
        {
            self.state.lock().unwrap_or_else(PoisonError::into_inner).credentials = found;
        }
        let current = self.credentials();
        let changed = (&current.username, &current.password) != (&refused.username, &refused.password);
        changed.then_some(current)
    }

    fn may_read(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = state.read_at.is_none_or(|read_at| read_at.elapsed() >= MIN_READ_INTERVAL);
        if is_due {
            state.read_at = Some(Instant::now());
        }
        is_due
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Login").field(&self.credentials()).finish()
    }
}
