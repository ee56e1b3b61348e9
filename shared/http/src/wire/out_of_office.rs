//! Out of Office.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared_domain::out_of_office::{Draft, Mode};
use utoipa::ToSchema;

/// `off`, `on` or `auto`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModeName {
    /// Never answers.
    Off,
    /// Answers until it is switched off.
    On,
    /// Answers outside of the hours and on holidays.
    Auto,
}

/// When an inbox is closed, and what it answers then.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutOfOfficeView {
    /// `off`, `on` or `auto`.
    pub mode: ModeName,
    /// 1 to 480 characters; may be empty while `off`.
    #[serde(default)]
    pub message: String,
    /// An IANA name, such as `America/New_York`.
    pub time_zone: String,
    /// Ranges by weekday, `mon` to `sun`; a day without any is closed.
    #[serde(default)]
    pub hours: BTreeMap<String, Vec<(String, String)>>,
    /// Whole local days, such as `2026-12-25`.
    #[serde(default)]
    pub holidays: Vec<String>,
}

impl From<Draft> for OutOfOfficeView {
    fn from(draft: Draft) -> Self {
        let mode = match draft.mode {
            Mode::Off => ModeName::Off,
            Mode::On => ModeName::On,
            Mode::Auto => ModeName::Auto,
        };
        let Draft { message, time_zone, hours, holidays, .. } = draft;
        Self { mode, message, time_zone, hours, holidays }
    }
}

impl From<OutOfOfficeView> for Draft {
    fn from(view: OutOfOfficeView) -> Self {
        let mode = match view.mode {
            ModeName::Off => Mode::Off,
            ModeName::On => Mode::On,
            ModeName::Auto => Mode::Auto,
        };
        let OutOfOfficeView { message, time_zone, hours, holidays, .. } = view;
        Self { mode, message, time_zone, hours, holidays }
    }
}
