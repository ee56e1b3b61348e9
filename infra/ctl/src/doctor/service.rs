//! The messaging services of teams. A campaign covers the numbers of its service.

use shared_carriers::twilio::{CallError, Client};
use shared_domain::inbox::TeamInbox;

use super::Finding;

/// Checks the services of the inboxes that send through one, and whether they have the inboxes' numbers.
pub(super) async fn check(active: &[TeamInbox], client: &Client, mend: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut checked = Vec::new();
    for of_team in active {
        let (Some(service), Some(number)) = (of_team.messaging_service(), &of_team.inbox.number_sid) else {
            continue;
        };
        if !checked.contains(&service) {
            checked.push(service);
            let detail = match settings(client, service, mend).await {
                Ok(true) => None,
                Ok(false) => {
                    Some("has settings that keep messages from the stack, or does not exist".to_owned())
                }
                Err(error) => Some(format!("could not be checked or mended: {error}")),
            };
            if let Some(problem) = detail {
                let team = &of_team.team.id;
                let detail = format!(
                    "The messaging service of the team {team} {problem}. Run `inboxctl doctor --mend`."
                );
                findings.push(Finding::error("service_settings", detail));
            }
        }
        let inbox = &of_team.inbox.id;
        findings.push(match membership(client, service, number, mend).await {
            Ok(true) => {
                Finding::ok("number_service", format!("The campaign covers the number of the inbox {inbox}."))
            }
            Ok(false) => {
                let detail = format!(
                    "The number of the inbox {inbox} is not in the messaging service of its team, so the campaign \
                     does not cover it. Run `inboxctl doctor --mend`."
                );
                Finding::error("number_service", detail)
            }
            Err(error) => {
                let detail =
                    format!("The number of the inbox {inbox} could not be added to its messaging service: {error}.");
                Finding::error("number_service", detail)
            }
        });
    }
    findings
}

/// Returns whether the settings of a service are right, after `mend` has corrected them.
async fn settings(client: &Client, service: &str, mend: bool) -> Result<bool, CallError> {
    match client.has_service_settings(service).await? {
        Some(false) if mend => client.set_service_settings(service).await.map(|()| true),
        found => Ok(found == Some(true)),
    }
}

/// Returns whether a number is in its service, after `mend` has added it.
async fn membership(client: &Client, service: &str, number: &str, mend: bool) -> Result<bool, CallError> {
    match client.has_number(service, number).await? {
        false if mend => client.add_number(service, number).await.map(|()| true),
        found => Ok(found),
    }
}
