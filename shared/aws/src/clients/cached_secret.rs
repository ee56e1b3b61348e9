//! Secrets that are read when they are needed, and read again when they may have been rotated: every five
//! minutes, and at once, but at most once a minute, after a check against the secret fails. A rotation
//! therefore needs no deployment.

use std::{fmt, sync::Arc, time::Duration};

use shared_domain::time::Timestamp;
use tokio::sync::Mutex;

use crate::clients::secrets::{SecretError, Secrets};

/// How long a secret is used before it is read again.
const MAX_AGE: Duration = Duration::from_mins(5);
/// The least time between two reads. Forged signatures cannot cause more.
const MIN_READ_INTERVAL: Duration = Duration::from_mins(1);

/// Returns the content of a secret's text, or what is wrong with the text.
type Parse<T> = Box<dyn Fn(&str) -> Result<T, String> + Send + Sync>;

/// A parsed secret. Clones share it.
pub struct CachedSecret<T>(Kind<T>);

enum Kind<T> {
    /// The secret never changes.
    Fixed(Arc<T>),
    Read(Arc<Source<T>>),
}

struct Source<T> {
    secrets: Secrets,
    name: String,
    parse: Parse<T>,
    cached: Mutex<Cached<T>>,
}

struct Cached<T> {
    last: Option<Read<T>>,
    /// When a read was last tried again.
    tried_at: Option<Timestamp>,
}

struct Read<T> {
    value: Arc<T>,
    text: String,
    at: Timestamp,
}

impl<T> Clone for CachedSecret<T> {
    fn clone(&self) -> Self {
        match &self.0 {
            Kind::Fixed(value) => Self(Kind::Fixed(Arc::clone(value))),
            Kind::Read(source) => Self(Kind::Read(Arc::clone(source))),
        }
    }
}

impl<T> fmt::Debug for CachedSecret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CachedSecret(…)")
    }
}

impl<T> CachedSecret<T> {
    /// The secret with this name. It is read at the first use. `parse` returns what is wrong with a secret
    /// that is malformed.
    pub fn new(
        secrets: &Secrets,
        name: impl Into<String>,
        parse: impl Fn(&str) -> Result<T, String> + Send + Sync + 'static,
    ) -> Self {
        Self(Kind::Read(Arc::new(Source {
            secrets: secrets.clone(),
            name: name.into(),
            parse: Box::new(parse),
            cached: Mutex::new(Cached { last: None, tried_at: None }),
        })))
    }

    /// A secret that never changes.
    pub fn fixed(value: T) -> Self {
        Self(Kind::Fixed(Arc::new(value)))
    }

    /// Returns the secret. A secret that cannot be read again stays in use. Errors if it was never read.
    pub async fn get(&self, now: Timestamp) -> Result<Arc<T>, SecretError> {
        let source = match &self.0 {
            Kind::Fixed(value) => return Ok(Arc::clone(value)),
            Kind::Read(source) => source,
        };
        let mut cached = source.cached.lock().await;
        let Some(last) = &cached.last else { return source.read(&mut cached, now).await };
        let (value, is_old) = (Arc::clone(&last.value), now >= last.at + MAX_AGE);
        let newer = if is_old { source.read_again(&mut cached, now).await } else { None };
        Ok(newer.unwrap_or(value))
    }

    /// Returns another value than `refused`, after a check against it failed. `None` if there is none.
    pub async fn newer(&self, refused: &Arc<T>, now: Timestamp) -> Option<Arc<T>> {
        let Kind::Read(source) = &self.0 else { return None };
        let mut cached = source.cached.lock().await;
        let is_other = |value: &Arc<T>| !Arc::ptr_eq(value, refused);
        match cached.last.as_ref().map(|last| Arc::clone(&last.value)).filter(is_other) {
            Some(value) => Some(value), // another request has read it
            None => source.read_again(&mut cached, now).await.filter(is_other),
        }
    }

    /// Checks something against the secret, and once more if the check fails and the secret has changed.
    /// Returns the secret that the check accepted.
    pub async fn check<R, E: From<SecretError>>(
        &self,
        now: Timestamp,
        check: impl Fn(&T) -> Result<R, E>,
    ) -> Result<(Arc<T>, R), E> {
        let value = self.get(now).await?;
        match check(&value) {
            Ok(checked) => Ok((value, checked)),
            Err(error) => {
                let newer = self.newer(&value, now).await.ok_or(error)?;
                let checked = check(&newer)?;
                Ok((newer, checked))
            }
        }
    }
}

impl<T> Source<T> {
    /// Reads the secret again, unless that was tried less than a minute ago.
    async fn read_again(&self, cached: &mut Cached<T>, now: Timestamp) -> Option<Arc<T>> {
        if cached.tried_at.is_some_and(|tried_at| now < tried_at + MIN_READ_INTERVAL) {
            return None;
        }
        cached.tried_at = Some(now);
        let read = self.read(cached, now).await;
        read.inspect_err(|error| {
            tracing::error!(event = "secret_unreadable", %error, "the secret could not be read");
        })
        .ok()
    }

    async fn read(&self, cached: &mut Cached<T>, now: Timestamp) -> Result<Arc<T>, SecretError> {
        let text = self.secrets.text(&self.name).await?;
        let value = match cached.last.as_ref().filter(|last| last.text == text) {
            Some(last) => Arc::clone(&last.value),
            None => {
                let malformed = |problem| SecretError::Malformed { name: self.name.clone(), problem };
                Arc::new((self.parse)(&text).map_err(malformed)?)
            }
        };
        cached.last = Some(Read { value: Arc::clone(&value), text, at: now });
        Ok(value)
    }
}
