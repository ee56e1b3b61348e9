//! The content of an outbound message: a text, written or rendered from a template, and media.

use futures_util::future::join_all;
use shared_aws::messaging::{stored_at, uploaded_at};
use shared_domain::{
    contact::Contact,
    ids::{MediaId, OrganizationId, TeamId, TemplateId},
    inbox::Inbox,
    keys::{InboxKey, TeamKey},
    media::{MAX_FILES, MAX_LINK_LENGTH, Media, MediaState, check_outgoing, plain_type},
    template::{MergeValues, TemplateText},
    time::Timestamp,
    user::UserRef,
};
use shared_http::{
    problem::Problem,
    wire::{message::OutgoingMedia, problem::TemplateIncomplete},
};

use crate::App;

/// The content of a message, as the request describes it.
#[derive(Debug)]
pub(crate) struct Content {
    text: Text,
    files: Vec<File>,
}

#[derive(Debug)]
enum Text {
    Written(String),
    Template(String),
}

#[derive(Debug)]
enum File {
    Uploaded(MediaId),
    Linked(String),
}

impl Content {
    /// Takes either a text or a template; both can be absent if there are files.
    pub(crate) fn parse(
        text: Option<String>,
        template: Option<String>,
        media: Vec<OutgoingMedia>,
    ) -> Result<Self, Problem> {
        let text = match (text, template) {
            (Some(text), None) => Text::Written(text),
            (None, Some(template)) => Text::Template(template),
            (None, None) if !media.is_empty() => Text::Written(String::new()),
            (None, None) => return Err(Problem::bad_field("/text", "a text, a template, or media")),
            (Some(_), Some(_)) => {
                return Err(Problem::bad_field("/templateId", "either text or templateId"));
            }
        };
        if media.len() > MAX_FILES {
            return Err(invalid("/media", &format!("A message can have at most {MAX_FILES} files.")));
        }
        let files = media.into_iter().enumerate().map(|(place, media)| file(place, media));
        Ok(Self { text, files: files.collect::<Result<_, _>>()? })
    }

    pub(crate) fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// The text for this contact, from this sender. A template costs 2 read units.
    pub(crate) async fn text(
        &self,
        app: &App,
        organization: &OrganizationId,
        team: &TeamId,
        contact: &Contact,
        sender: Option<&UserRef>,
    ) -> Result<String, Problem> {
        let template = match &self.text {
            Text::Written(text) => return Ok(text.clone()),
            Text::Template(template) => template,
        };
        let unknown =
            || Problem::unprocessable("unknown_template", "/templateId", "The team has no such template.");
        let id = TemplateId::parse(template).map_err(|_| unknown())?;
        let entry = app.templates.get(TeamKey { organization, team }, &id).await?.ok_or_else(unknown)?;
        let template = TemplateText::parse(&entry.value.text).map_err(|_| unknown())?;
        let entry = app.contacts.get_entry(TeamKey { organization, team }, &contact.id).await?;
        let custom = entry.map(|entry| entry.custom).unwrap_or_default();
        let missing = match template.render(&MergeValues::of(contact, &custom, sender)) {
            Ok(text) => return Ok(text),
            Err(missing) => missing,
        };
        let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        let detail = "The contact has no value for some merge fields of this template.";
        Err(Problem::unprocessable("template_incomplete", "/templateId", detail)
            .with_data(TemplateIncomplete { missing }))
    }

    /// The media of the message. Uploaded files are checked and copied, so that their presigned URL can no
    /// longer replace them, and each message has its own files. If the message is not accepted, [`discard`]
    /// its copies.
    pub(crate) async fn media(
        &self,
        app: &App,
        now: Timestamp,
        entropy: u64,
        inbox: &Inbox,
    ) -> Result<Vec<Media>, Problem> {
        let numbered = self.files.iter().enumerate();
        let outcomes = join_all(numbered.map(async |(place, file)| match file {
            File::Uploaded(id) => {
                let copy = MediaId::new(now, entropy.wrapping_add(place as u64));
                copy_upload(app, now, inbox, id, copy, place).await
            }
            File::Linked(url) => Ok(Media {
                id: MediaId::new(now, entropy.wrapping_add(place as u64)),
                copy: None,
                content_type: None,
                state: MediaState::Linked { url: url.clone() },
            }),
        }))
        .await;
        let copied: Vec<Media> = outcomes.iter().flatten().cloned().collect();
        let media: Result<Vec<_>, _> = outcomes.into_iter().collect();
        if media.is_err() {
            discard(app, now, inbox.key(), &copied).await;
        }
        media
    }
}

fn file(place: usize, media: OutgoingMedia) -> Result<File, Problem> {
    let pointer = format!("/media/{place}");
    let reference = match media {
        OutgoingMedia::Named(reference) | OutgoingMedia::At { url: reference } => reference,
    };
    if let Ok(id) = MediaId::parse(&reference) {
        return Ok(File::Uploaded(id));
    }
    let url = reference.parse::<lambda_http::http::Uri>().ok();
    let authority = url.filter(|uri| uri.scheme_str() == Some("https")).and_then(|uri| {
        let authority = uri.authority()?.as_str();
        (!authority.contains('@')).then(|| authority.to_owned())
    });
    if authority.is_none() || reference.len() > MAX_LINK_LENGTH {
        return Err(invalid(&pointer, "Use the ID of an uploaded file, or an https:// URL."));
    }
    Ok(File::Linked(reference))
}

async fn copy_upload(
    app: &App,
    now: Timestamp,
    inbox: &Inbox,
    id: &MediaId,
    copy: MediaId,
    place: usize,
) -> Result<Media, Problem> {
    let pointer = format!("/media/{place}");
    let missing = || {
        let detail = "No file with this ID was uploaded to this inbox in the last 7 days.";
        Problem::unprocessable("media_not_uploaded", &pointer, detail)
    };
    let from = uploaded_at(inbox.key(), id);
    let head = app.bucket.head(&from, now).await?.ok_or_else(missing)?;
    let content_type = plain_type(&head.content_type);
    check_outgoing(&content_type, head.size).map_err(|fault| invalid(&pointer, &fault.to_string()))?;
    let media = Media {
        id: id.clone(),
        copy: Some(copy),
        content_type: Some(content_type),
        state: MediaState::Stored { size: head.size },
    };
    let to = stored_at(inbox.key(), &media);
    match app.bucket.copy(&from, &head.etag, &to, now).await {
        Ok(()) => Ok(media),
        Err(shared_aws::clients::BucketError::Absent) => Err(missing()),
        Err(error) => Err(error.into()),
    }
}

/// Deletes the copies of a message that is not accepted. No other message has them.
pub(crate) async fn discard(app: &App, now: Timestamp, inbox: InboxKey<'_>, media: &[Media]) {
    for copied in media.iter().filter(|media| media.copy.is_some()) {
        if let Err(error) = app.bucket.delete(&stored_at(inbox, copied), now).await {
            tracing::warn!(event = "copy_not_discarded", %error, "file of a refused message not deleted");
        }
    }
}

pub(crate) fn invalid(pointer: &str, detail: &str) -> Problem {
    Problem::unprocessable("media_invalid", pointer, detail)
}
