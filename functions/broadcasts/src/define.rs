//! What users enter: the definition of a broadcast.

use std::{collections::HashSet, time::Duration};

use shared_domain::{
    broadcast::{Audience, Broadcast, BroadcastStatus, FailureWatch, Recurrence, ReplyWindow, Series},
    field::{FieldError, FieldErrors},
    ids::{BroadcastId, ContactId, OrganizationId, SegmentId, TemplateId},
    inbox::InboxKind,
    keys::TeamKey,
    membership::Membership,
    phone::PhoneNumber,
    question::Question,
    sending_hours::{HoursMode, number_zones::zone_of},
    settings,
    template::TemplateText,
    text,
    time::Timestamp,
    weekly_hours::time_zone,
};
use shared_http::{
    problem::Problem,
    wire::broadcast::{AudienceView, BroadcastChange, NewBroadcast, QuestionView, RecurrenceView},
};

use crate::App;

const MAX_SEGMENTS: usize = 20;
/// The most contacts and the most numbers. With more, the audience is a segment.
const MAX_SINGLE: usize = 1_000;
const MAX_AHEAD: Duration = Duration::from_hours(24 * 365);

/// Checks all fields of a new broadcast of a member of its inbox.
pub(crate) async fn draft(
    app: &App,
    organization: &OrganizationId,
    member: &Membership,
    body: NewBroadcast,
    id: BroadcastId,
    now: Timestamp,
) -> Result<Broadcast, Problem> {
    let NewBroadcast {
        name,
        from: _,
        audience,
        text,
        template_id,
        scheduled_at,
        hours,
        reply_window_hours,
        question,
        recurrence,
    } = body;
    if member.kind == InboxKind::Personal {
        return Err(FieldError::new("/from/inboxId", "a shared inbox").into());
    }
    let empty = Broadcast {
        id,
        organization: organization.clone(),
        team: member.team.clone(),
        inbox: member.inbox.clone(),
        name: String::new(),
        audience: Audience::default(),
        text: String::new(),
        template: None,
        hours: HoursMode::default(),
        reply_window_hours: ReplyWindow::DEFAULT_HOURS,
        scheduled_at: None,
        status: BroadcastStatus::Draft,
        waiting: None,
        reason: None,
        created_by: member.user.clone(),
        created_at: now,
        confirmed_by: None,
        estimate: None,
        started_at: None,
        finished_at: None,
        preparation: 0,
        progress: None,
        question: None,
        series: None,
        watch: FailureWatch::default(),
    };
    if text.is_none() && template_id.is_none() {
        return Err(Problem::bad_field("/text", "a text or a template"));
    }
    let change = BroadcastChange {
        name: Some(name),
        audience: Some(audience),
        text,
        template_id,
        scheduled_at: Some(scheduled_at),
        hours,
        reply_window_hours,
        question: Some(question),
        recurrence: Some(recurrence),
    };
    changed_by(app, &empty, change, now).await
}

/// Returns the broadcast with the fields of a change. Errors with all invalid fields.
pub(crate) async fn changed_by(
    app: &App,
    before: &Broadcast,
    change: BroadcastChange,
    now: Timestamp,
) -> Result<Broadcast, Problem> {
    let (team, mut after, mut errors) = (before.team_key(), before.clone(), FieldErrors::default());
    if let Some(name) = &change.name {
        after.name = errors.check(settings::name("/name", name)).unwrap_or_default();
    }
    match (change.text, change.template_id) {
        (Some(_), Some(_)) => {
            return Err(Problem::bad_field("/templateId", "either text or templateId"));
        }
        (Some(text), None) => (after.text, after.template) = (text, None),
        (None, Some(id)) => {
            let (id, text) = template(app, team, &id).await?;
            (after.text, after.template) = (text, Some(id));
        }
        (None, None) => {}
    }
    check_text(&after.text, app.limit.0, &mut errors);
    if let Some(at) = change.scheduled_at {
        let at = at.map(|at| scheduled(&at, now)).transpose();
        after.scheduled_at = errors.check(at).flatten();
    }
    match (change.recurrence, &before.series, after.scheduled_at) {
        (Some(Some(given)), ..) => after.series = errors.check_all(series(app, &after, given).await?),
        (Some(None), ..) => after.series = None,
        // The first occurrence moves the whole series, a later one itself alone.
        (None, Some(known), Some(first)) if known.index == 0 => {
            after.series = Some(Series { first, ..known.clone() });
        }
        // A version before did not store when an occurrence was to start.
        (None, Some(known), Some(_)) if known.planned.is_none() => {
            after.series = Some(Series { planned: before.scheduled_at, ..known.clone() });
        }
        (None, Some(_), None) => {
            errors.add("/scheduledAt", "a time, because the broadcast repeats");
        }
        (None, ..) => {}
    }
    if let Some(hours) = change.hours {
        after.hours = hours.mode.into();
    }
    if let Some(hours) = change.reply_window_hours
        && errors.check(ReplyWindow::parse("/replyWindowHours", hours)).is_some()
    {
        after.reply_window_hours = hours;
    }
    if let Some(question) = change.question {
        let written = question.map(QuestionView::written);
        let parsed = written.as_ref().map(|written| Question::parse("/question", written)).transpose();
        if errors.check_all(parsed).is_some() {
            after.question = written;
        }
    }
    if let Some(given) = &change.audience {
        after.audience = audience(app, team, given, &mut errors).await?;
    }
    errors.finish()?;
    Ok(after)
}

async fn template(app: &App, team: TeamKey<'_>, id: &str) -> Result<(TemplateId, String), Problem> {
    let unknown =
        || Problem::unprocessable("unknown_template", "/templateId", "The team has no such template.");
    let id = TemplateId::parse(id).map_err(|_| unknown())?;
    let found = app.templates.get(team, &id).await?.ok_or_else(unknown)?;
    Ok((id, found.value.text))
}

fn check_text(text: &str, limit: usize, errors: &mut FieldErrors) {
    if !text::is_visible(text) || text.chars().count() > limit {
        errors.add("/text", format!("1 to {limit} characters"));
    } else if let Err(invalid) = TemplateText::parse(text) {
        for error in invalid {
            errors.add("/text", error.to_string());
        }
    }
}

/// The series of a broadcast that repeats from its time on. Without a time zone, it is one of the inbox's
/// number.
async fn series(
    app: &App,
    broadcast: &Broadcast,
    given: RecurrenceView,
) -> Result<Result<Series, Vec<FieldError>>, Problem> {
    let Some(first) = broadcast.scheduled_at else {
        let error = FieldError::new("/recurrence", "only with scheduledAt, the time of the first occurrence");
        return Ok(Err(vec![error]));
    };
    let zone = match &given.time_zone {
        Some(zone) => zone.clone(),
        None => {
            let inbox = app.inboxes.get(broadcast.inbox_key()).await?.ok_or_else(Problem::not_found)?;
            zone_of(&inbox.number).to_owned()
        }
    };
    let Some(parsed) = time_zone(&zone) else {
        let error = FieldError::new("/recurrence/timeZone", "an IANA time zone, such as America/New_York");
        return Ok(Err(vec![error]));
    };
    let written = match given.written("/recurrence") {
        Ok(written) => written,
        Err(error) => return Ok(Err(vec![error])),
    };
    let checked = Recurrence::parse("/recurrence", &written, first, parsed);
    Ok(checked.map(|_| Series { written, zone, first, index: 0, planned: None }))
}

fn scheduled(at: &str, now: Timestamp) -> Result<Timestamp, FieldError> {
    let fits = |at: &Timestamp| *at > now && now.duration_until(*at) <= MAX_AHEAD;
    let expected = "a time in the future, at most a year ahead, such as 2026-11-22T10:00:00Z";
    Timestamp::parse(at).filter(fits).ok_or_else(|| FieldError::new("/scheduledAt", expected))
}

/// Checks the audience. Everything in it exists, so that nobody is left out by mistake.
async fn audience(
    app: &App,
    team: TeamKey<'_>,
    given: &AudienceView,
    errors: &mut FieldErrors,
) -> Result<Audience, Problem> {
    let AudienceView { segment_ids, contact_ids, phone_numbers } = given;
    for (name, count, most) in [
        ("segmentIds", segment_ids.len(), MAX_SEGMENTS),
        ("contactIds", contact_ids.len(), MAX_SINGLE),
        ("phoneNumbers", phone_numbers.len(), MAX_SINGLE),
    ] {
        if count > most {
            errors.add(format!("/audience/{name}"), format!("at most {most} items"));
        }
    }
    if segment_ids.is_empty() && contact_ids.is_empty() && phone_numbers.is_empty() {
        errors.add("/audience", "a segment, a contact or a phone number");
    }
    if !errors.is_empty() {
        return Ok(Audience::default());
    }
    let mut segments = Vec::new();
    for (place, id) in segment_ids.iter().enumerate() {
        let id = SegmentId::parse(id).ok();
        let found = match &id {
            Some(id) => app.segments.get(team, id).await?,
            None => None,
        };
        match id.filter(|_| found.is_some()) {
            Some(id) => segments.push(id),
            None => errors.add(format!("/audience/segmentIds/{place}"), "a segment of the team"),
        }
    }
    let contacts: Vec<ContactId> = contact_ids.iter().filter_map(|id| ContactId::parse(id).ok()).collect();
    let known = app.contacts.get_entries(team, &contacts).await?;
    let known: HashSet<&str> = known.iter().map(|entry| entry.contact.id.as_str()).collect();
    for (place, id) in contact_ids.iter().enumerate() {
        if !known.contains(id.as_str()) {
            errors.add(format!("/audience/contactIds/{place}"), "a contact of the team");
        }
    }
    let mut numbers = Vec::new();
    for (place, number) in phone_numbers.iter().enumerate() {
        match PhoneNumber::parse(number) {
            Ok(number) => numbers.push(number),
            Err(error) => errors.add(format!("/audience/phoneNumbers/{place}"), error.to_string()),
        }
    }
    Ok(Audience { segments, contacts, numbers })
}
