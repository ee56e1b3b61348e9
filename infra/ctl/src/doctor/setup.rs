//! What the operator sets up in AWS: organizations, the brand, the signing keys, the sender of e-mails, and
//! alarms.

use std::{fmt::Write, time::Duration};

use shared_aws::clients::{Aws, Secrets, Stack, is_verified_sender};
use shared_domain::{signing::SigningKey, time::Timestamp};

use crate::{Error, Operator, doctor::Finding};

/// The age at which the doctor recommends a rotation.
const MAX_KEY_AGE: Duration = Duration::from_hours(365 * 24);

pub(super) async fn check(aws: &Aws, stack: &Stack, operator: &Operator) -> Result<Vec<Finding>, Error> {
    let mut findings = organizations(operator).await?;
    findings.push(match stack.parameter("BrandSid") {
        Some(_) => Finding::ok("brand", "Campaigns have a brand."),
        None => {
            Finding::warn("brand", "Campaigns cannot be submitted. Set BrandSid in the settings and deploy.")
        }
    });
    findings.push(signing_keys(aws, stack, operator).await);
    findings.push(sender(aws, stack).await);
    findings.push(match stack.parameter("AlarmTopicArn").or(stack.parameter("AlarmEmail")) {
        Some(_) => Finding::ok("alarm_topic", "Alarms notify someone."),
        None => Finding::warn(
            "alarm_topic",
            "Alarms notify no one. Set AlarmEmail or AlarmTopicArn in the settings and deploy.",
        ),
    });
    Ok(findings)
}

/// Every organization needs an owner who can sign in.
async fn organizations(operator: &Operator) -> Result<Vec<Finding>, Error> {
    let organizations = operator.organizations.list().await?;
    if organizations.is_empty() {
        let detail = "There is no organization. Create one with `inboxctl organization create`.";
        return Ok(vec![Finding::error("organization", detail)]);
    }
    let mut findings = Vec::new();
    for organization in organizations {
        let id = &organization.id;
        let Some(owner) = operator.members.user(id, &organization.owner).await? else {
            let detail = format!("The owner of the organization {id} is not in the table.");
            findings.push(Finding::error("owner", detail));
            continue;
        };
        let can_sign_in = match &operator.pool {
            Some(pool) => {
                pool.users.find(&owner.email, operator.now).await?.is_some_and(|user| user.is(id, &owner.id))
            }
            None => true,
        };
        findings.push(if can_sign_in {
            Finding::ok("owner", format!("The organization {id} has an owner."))
        } else {
            let detail = format!(
                "The owner {} of the organization {id} cannot sign in. Run `inboxctl organization create` again \
                 with the same arguments.",
                owner.id
            );
            Finding::error("owner", detail)
        });
    }
    Ok(findings)
}

/// The ages of the keys that sign cursors and status callbacks.
async fn signing_keys(aws: &Aws, stack: &Stack, operator: &Operator) -> Finding {
    let Some(name) = stack.optional_output("SigningSecretArn") else {
        return Finding::warn("signing_secret", "The stack is of an earlier version. Deploy it again.");
    };
    let keys = match Secrets::of(aws).signing_keys(name).await {
        Ok(keys) => keys,
        Err(error) => {
            let detail = format!("The {error}. Functions cannot list pages or send messages without it.");
            return Finding::error("signing_secret", detail);
        }
    };
    let now = operator.now;
    let mut detail = format!("The current signing key {}.", age(&keys.current, now));
    match (keys.accepted_previous(now), keys.previous_until()) {
        (Some(previous), Some(until)) => {
            let previous = age(previous, now);
            let _ = write!(detail, " The previous one {previous} and is accepted until {until}.");
        }
        _ => detail.push_str(" There is no other. Change it with `inboxctl secret rotate`."),
    }
    let is_old = keys.current.created_at.is_some_and(|at| at + MAX_KEY_AGE <= now);
    if is_old { Finding::warn("signing_secret", detail) } else { Finding::ok("signing_secret", detail) }
}

fn age(key: &SigningKey, now: Timestamp) -> String {
    match key.created_at {
        Some(at) => {
            let days = at.duration_until(now).as_secs() / 86_400;
            format!("is {days} {} old", if days == 1 { "day" } else { "days" })
        }
        None => "is as old as the stack".to_owned(),
    }
}

async fn sender(aws: &Aws, stack: &Stack) -> Finding {
    let from = stack.parameter("MailFrom").unwrap_or_default();
    let identity = stack.parameter("MailIdentity");
    let detail = "SES has not verified the sender of e-mails. Verify the address or the domain of MailFrom.";
    match is_verified_sender(aws, from, identity).await {
        Some(true) => Finding::ok("sender", "SES has verified the sender of e-mails."),
        Some(false) => Finding::error("sender", detail),
        None => Finding::warn("sender", "SES did not say whether the sender of e-mails is verified."),
    }
}
