//! The doctor: finds what is wrong with a stack and its account at the carrier, and mends what is the
//! carrier's.

mod carrier;
mod machines;
mod service;
mod setup;

use serde::Serialize;
use shared_aws::clients::{Aws, Stack};

use crate::{Error, Operator};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Ok,
    /// The stack works without it.
    Warn,
    /// Messages are lost or not sent, or nobody can sign in.
    Error,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub code: &'static str,
    pub level: Level,
    /// A sentence that says what to do. Has no phone number and no secret.
    pub detail: String,
}

impl Finding {
    fn ok(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, level: Level::Ok, detail: detail.into() }
    }

    fn warn(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, level: Level::Warn, detail: detail.into() }
    }

    fn error(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, level: Level::Error, detail: detail.into() }
    }
}

/// All findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether no finding is an error.
    pub ok: bool,
    pub findings: Vec<Finding>,
}

/// Checks a stack. With `mend`, sets the webhooks of numbers and the settings of messaging services, adds
/// numbers to them, and creates the event sink.
pub async fn examine(aws: &Aws, stack: &Stack, operator: &Operator, mend: bool) -> Result<Report, Error> {
    let mut findings = setup::check(aws, stack, operator).await?;
    findings.extend(machines::check(operator).await?);
    findings.extend(carrier::check(aws, stack, operator, mend).await?);
    Ok(Report { ok: findings.iter().all(|finding| finding.level != Level::Error), findings })
}
