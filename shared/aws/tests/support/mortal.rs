//! A host that dies in the middle of its work.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::{
    config::{
        ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeSerializationInterceptorContextRef,
    },
    error::BoxError,
};

/// Lets so many requests through, and none after them.
#[derive(Debug)]
pub(crate) struct Mortal(AtomicU32);

impl Mortal {
    pub(crate) fn after(requests: u32) -> Self {
        Self(AtomicU32::new(requests))
    }
}

impl Intercept for Mortal {
    fn name(&self) -> &'static str {
        "mortal"
    }

    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map(|_| ()).map_err(|_| "this host is dead".into())
    }
}
