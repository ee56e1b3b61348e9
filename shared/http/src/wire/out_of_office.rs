//! Out of Office.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared_domain::out_of_office::{Draft, Mode};
use utoipa::ToSchema;

/// When Out of Office answers.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModeName {
    /// Never.
    Off,
    /// Until it is switched off.
    On,
    /// Outside the office hours and on holidays.
    Auto,
}

/// When an inbox answers automatically, and with which text.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutOfOfficeView {
    pub mode: ModeName,
    /// 1 to 480 characters. Can be empty if the mode is `off`.
    #[serde(default)]
    pub message: String,
    /// IANA time zone, such as `America/New_York`.
    pub time_zone: String,
    /// Office hours by weekday, `mon` to `sun`. A day without hours is closed.
    #[serde(default)]
    pub hours: BTreeMap<String, Vec<(String, String)>>,
    /// Local dates on which the office is closed, such as `2026-12-25`.
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
