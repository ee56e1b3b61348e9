//! The carrier's side: the secret, the account, the webhooks of its numbers, the messaging services, and the
//! event sink.

use std::time::Duration;

use shared_aws::{
    clients::{Aws, CarrierSecret, Secrets, Stack},
    inbox::Inboxes,
    team::Teams,
};
use shared_carriers::twilio::{self, CallError, Client, Credentials, NumberWebhooks, OwnedNumber};
use shared_domain::{
    inbox::{Inbox, Stage, TeamInbox},
    keys::TeamKey,
};

use super::service;
use crate::{Error, Operator, doctor::Finding};

const TIMEOUT: Duration = Duration::from_secs(20);
const TEAMS_PER_PAGE: u16 = 100;

pub(super) async fn check(
    aws: &Aws,
    stack: &Stack,
    operator: &Operator,
    mend: bool,
) -> Result<Vec<Finding>, Error> {
    let name = stack.parameter("CarrierSecretName").unwrap_or_default();
    let secret = match Secrets::of(aws).carrier(name).await {
        Ok(secret) => secret,
        Err(error) => {
            let detail = format!("The {error}. Create it with `inboxctl secret create`.");
            return Ok(vec![Finding::error("carrier_secret", detail)]);
        }
    };
    let mut findings = vec![Finding::ok("carrier_secret", "The secret has the carrier's credentials.")];
    let webhooks = stack.parameter("PublicBaseUrl").unwrap_or_default();
    let numbers = match client(stack, &secret) {
        Some(client) => client.owned_numbers().await.map(|numbers| (client, numbers)),
        None => Err(CallError::Unavailable),
    };
    match numbers {
        Ok((client, numbers)) => {
            findings.push(Finding::ok("carrier_login", "The carrier accepts the credentials."));
            let active = active_inboxes(operator).await?;
            findings.extend(check_numbers(&active, &client, &numbers, webhooks, mend).await);
            findings.extend(service::check(&active, &client, mend).await);
            findings.push(check_event_sink(&client, &secret, webhooks, mend).await);
        }
        Err(error) => findings.push(login_finding(&error)),
    }
    Ok(findings)
}

fn client(stack: &Stack, secret: &CarrierSecret) -> Option<Client> {
    let (username, password) = secret.api_login();
    let credentials = Credentials { account_sid: secret.account_sid.clone(), username, password };
    let url = stack.parameter("CarrierBaseUrl")?;
    let messaging_url = stack.parameter("CarrierMessagingUrl").unwrap_or(url);
    Client::new(url, credentials, TIMEOUT).ok()?.with_messaging_url(messaging_url).ok()
}

/// The error code of an account that is suspended or closed.
const ACCOUNT_NOT_ACTIVE: u32 = 20005;

fn login_finding(error: &CallError) -> Finding {
    match error {
        CallError::Refused { code: Some(ACCOUNT_NOT_ACTIVE), .. } => {
            let detail = "The carrier has suspended or closed the account. Messages wait until it is active again. \
                          Ask the carrier for the reason.";
            Finding::error("carrier_account", detail)
        }
        CallError::Refused { http_status: 401 | 403, .. } => {
            let detail = "The carrier does not accept the credentials in the secret. Correct them with \
                          `inboxctl secret create`.";
            Finding::error("carrier_login", detail)
        }
        error => {
            let detail = format!("The carrier's account cannot be checked: {error}. Run the command again.");
            Finding::error("carrier_login", detail)
        }
    }
}

/// Compares the number of every active inbox with the carrier's account.
async fn check_numbers(
    active: &[TeamInbox],
    client: &Client,
    numbers: &[OwnedNumber],
    webhooks: &str,
    mend: bool,
) -> Vec<Finding> {
    let right = NumberWebhooks::of_product(webhooks);
    let mut findings = Vec::new();
    for TeamInbox { inbox, .. } in active {
        let Some(number) = numbers.iter().find(|number| number.phone_number == inbox.number.as_str()) else {
            let detail = format!("The carrier's account does not own the number of the inbox {}.", inbox.id);
            findings.push(Finding::error("number_missing", detail));
            continue;
        };
        let faults = faults(&number.webhooks, &right);
        if faults.is_empty() {
            let detail = format!("The number of the inbox {} has the right webhooks.", inbox.id);
            findings.push(Finding::ok("number", detail));
        } else if !mend {
            findings.extend(faults.into_iter().map(|(code, problem)| fault_finding(inbox, code, problem)));
        } else {
            findings.push(match client.set_webhooks(&number.sid, &right).await {
                Ok(()) => Finding::ok("number", format!("The number of the inbox {} was mended.", inbox.id)),
                Err(error) => {
                    let detail =
                        format!("The number of the inbox {} could not be mended: {error}.", inbox.id);
                    Finding::error("number", detail)
                }
            });
        }
    }
    findings
}

/// Returns the code and a description of each fault.
fn faults(given: &NumberWebhooks, right: &NumberWebhooks) -> Vec<(&'static str, &'static str)> {
    let address = |url: &str| url.split('#').next().unwrap_or_default().to_owned();
    let has_messages = address(&given.messages) == address(&right.messages);
    let has_calls = address(&given.calls) == address(&right.calls);
    let is_retried =
        (!has_messages || given.messages == right.messages) && (!has_calls || given.calls == right.calls);
    let has_fallback =
        given.messages_fallback == right.messages_fallback && given.calls_fallback == right.calls_fallback;
    let checks = [
        (has_messages, "number_messages", "does not post its messages to the stack"),
        (has_calls, "number_calls", "does not post its calls to the stack"),
        (is_retried, "number_retries", "does not ask the carrier to retry failed webhooks"),
        (has_fallback, "number_fallback", "has another fallback than the stack, or none"),
    ];
    checks.into_iter().filter(|(is_right, ..)| !is_right).map(|(_, code, problem)| (code, problem)).collect()
}

fn fault_finding(inbox: &Inbox, code: &'static str, problem: &str) -> Finding {
    let detail = format!("The number of the inbox {} {problem}. Run `inboxctl doctor --mend`.", inbox.id);
    Finding::error(code, detail)
}

async fn active_inboxes(operator: &Operator) -> Result<Vec<TeamInbox>, Error> {
    let (teams, inboxes) = (Teams::new(operator.table.clone()), Inboxes::new(operator.table.clone()));
    let mut active = Vec::new();
    for organization in operator.organizations.list().await? {
        let mut after = None;
        loop {
            let page = teams.page(&organization.id, TEAMS_PER_PAGE, after.as_deref()).await?;
            for team in page.items {
                let key = TeamKey { organization: &organization.id, team: &team.id };
                let of_team = inboxes.of_team(key).await?;
                let of_team = of_team.into_iter().filter(|inbox| inbox.stage == Stage::Active);
                active.extend(of_team.map(|inbox| TeamInbox { inbox, team: team.clone() }));
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(active)
}

async fn check_event_sink(client: &Client, secret: &CarrierSecret, webhooks: &str, mend: bool) -> Finding {
    let Some(login) = &secret.event_streams else {
        let detail = "The secret has no eventStreams login, so registration events are refused. \
                      Run `inboxctl secret create` again.";
        return Finding::error("event_login", detail);
    };
    let destination = twilio::sink_destination(webhooks, &login.user, &login.password);
    let is_there = match client.has_event_sink(&destination).await {
        Ok(false) if mend => client.create_event_sink(&destination).await.map(|()| true),
        found => found,
    };
    match is_there {
        Ok(true) => Finding::ok("event_sink", "Registration events are sent to the stack."),
        Ok(false) => {
            let detail =
                "The carrier does not send registration events to the stack. Run `inboxctl doctor --mend`.";
            Finding::error("event_sink", detail)
        }
        Err(error) => Finding::error("event_sink", format!("The event sink cannot be checked: {error}.")),
    }
}
