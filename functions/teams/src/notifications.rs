//! Which e-mails a team wants, and to whom.

use lambda_http::Request;
use shared_aws::team::AuditEvent;
use shared_domain::{
    field::FieldErrors,
    notice::{MailingPreference, NotificationSettings},
    settings,
    time::Timestamp,
};
use shared_http::{
    access, input,
    reply::{self, Outcome},
    wire::{
        problem::ProblemView,
        team::{MailingView, NotificationSettingsView},
    },
};

use crate::App;

/// Read notification settings
///
/// For those who manage the team. What admins are told of the registration is not a choice.
#[utoipa::path(get, path = "/v1/teams/{teamId}/notification-settings", tag = "teams",
    params(("teamId" = String, Path)),
    responses((status = 200, body = NotificationSettingsView), (status = 403, body = ProblemView),
        (status = 404, body = ProblemView)))]
pub(crate) async fn read(app: &App, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?.manager()?;
    let settings = app.teams.notification_settings(&access.organization, access.team()).await?;
    reply::json(200, &NotificationSettingsView::of(&settings))
}

/// Replace notification settings
///
/// By those who manage the team.
#[utoipa::path(put, path = "/v1/teams/{teamId}/notification-settings", tag = "teams",
    params(("teamId" = String, Path)), request_body = NotificationSettingsView,
    responses((status = 200, body = NotificationSettingsView), (status = 400, body = ProblemView),
        (status = 403, body = ProblemView), (status = 404, body = ProblemView), (status = 422, body = ProblemView)))]
pub(crate) async fn replace(app: &App, now: Timestamp, entropy: u64, request: &Request) -> Outcome {
    let access = access::team(request, &app.claims, &app.members).await?.manager()?;
    let wanted: NotificationSettingsView = input::body(request)?;
    let mut errors = FieldErrors::default();
    let settings = NotificationSettings {
        opt_out_changed: mailing("/optOutChanged", &wanted.opt_out_changed, &mut errors),
        unknown_contact: mailing("/unknownContact", &wanted.unknown_contact, &mut errors),
        contact_added: mailing("/contactAdded", &wanted.contact_added, &mut errors),
    };
    errors.finish()?;
    let (actor, target) = (&access.standing.user.id, access.team().as_str());
    let deed = AuditEvent { actor, action: "notifications.edit", target, at: now, entropy };
    app.teams.choose_notifications(&access.organization, access.team(), &settings, &deed).await?;
    reply::json(200, &NotificationSettingsView::of(&settings))
}

fn mailing(pointer: &str, wanted: &MailingView, errors: &mut FieldErrors) -> MailingPreference {
    if wanted.recipients.len() > NotificationSettings::MAX_RECIPIENTS {
        errors.add(format!("{pointer}/recipients"), "at most 20 addresses");
        return MailingPreference::default();
    }
    if wanted.enabled && wanted.recipients.is_empty() {
        errors.add(format!("{pointer}/recipients"), "at least one address while it is enabled");
    }
    let mut recipients: Vec<String> = Vec::new();
    for (index, address) in wanted.recipients.iter().enumerate() {
        let address = errors.check(settings::email(&format!("{pointer}/recipients/{index}"), address));
        recipients.extend(
            address.filter(|address| !recipients.iter().any(|known| known.eq_ignore_ascii_case(address))),
        );
    }
    MailingPreference { enabled: wanted.enabled, recipients }
}
