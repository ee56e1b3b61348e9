//! The texts that the product sends in reply to keywords. Each starts with the name of the team and is one
//! segment in GSM-7, whatever the name.

use crate::segment::to_gsm7;

/// The confirmation of an opt-out.
pub fn stop_text(team: &str) -> String {
    with_name(team, "You are unsubscribed and will get no more messages. Reply START to resubscribe.")
}

/// The confirmation of an opt-in.
pub fn start_text(team: &str) -> String {
    with_name(
        team,
        "You are subscribed again. Reply HELP for help, STOP to unsubscribe. Msg & data rates may apply.",
    )
}

/// The reply to HELP: who sends the messages and how to stop them.
pub fn help_text(team: &str) -> String {
    with_name(
        team,
        "Reply here to reach our staff, or STOP to unsubscribe. Msg frequency varies. Msg & data rates may apply.",
    )
}

const SEGMENT_LENGTH: usize = 160;

/// Puts the name of the team before the text. A name that does not fit is shortened.
fn with_name(team: &str, text: &str) -> String {
    let room = SEGMENT_LENGTH - text.len() - 2;
    let name: String = team.chars().filter_map(to_gsm7).collect();
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let name = if name.is_empty() { "Team texting" } else { name.as_str() };
    if name.chars().count() <= room {
        format!("{name}: {text}")
    } else {
        let short: String = name.chars().take(room - 3).collect();
        format!("{}...: {text}", short.trim_end())
    }
}
