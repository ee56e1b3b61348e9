//! Inbound messages and calls: the forms that Twilio posts for them.

use jiff::Timestamp;

use crate::failure::Failure;
use crate::form::Fields;
use crate::messages::media::{Kind, file_url};
use crate::messages::message::{Direction, Message, Status};
use crate::sid;
use crate::site::Site;
use crate::webhook::Params;

/// An attachment.
struct Media {
    url: String,
    content_type: String,
}

/// Creates an inbound message and its webhook form from the fields of the control route. `service` is the
/// messaging service of the number.
pub(crate) fn message(
    fields: &Fields,
    service: Option<&str>,
    account: &str,
    site: &Site,
    now: Timestamp,
) -> Result<(Message, Params), Failure> {
    let kinds = fields.all("Media").map(Kind::parse).collect::<Result<Vec<_>, _>>()?;
    let mut media = media(fields);
    let sid = message_sid(fields, media.is_empty() && kinds.is_empty())?;
    media.extend(kinds.into_iter().map(|kind| Media {
        url: file_url(site, account, &sid, &kind.sid()),
        content_type: kind.announced().to_owned(),
    }));
    let mut message = Message {
        sid,
        direction: Direction::Inbound { webhook: Vec::new() },
        from: Some(fields.required("From")?.to_owned()),
        to: fields.required("To")?.to_owned(),
        body: fields.get("Body").unwrap_or_default().to_owned(),
        media_urls: media.iter().map(|media| media.url.clone()).collect(),
        messaging_service_sid: fields.get("MessagingServiceSid").or(service).map(str::to_owned),
        status: Status::Received,
        error_code: None,
        created: now,
        updated: now,
        sent: Some(now),
        is_status_set: false,
    };
    let form = message_form(&message, fields, &media, account);
    message.direction = Direction::Inbound { webhook: form.clone() };
    Ok((message, form))
}

/// The webhook form of an inbound call.
pub(crate) fn call(fields: &Fields, account: &str) -> Result<Params, Failure> {
    let (from, to) = (fields.required("From")?, fields.required("To")?);
    let sid = fields.get("CallSid").map_or_else(|| sid::new("CA"), str::to_owned);
    let mut params = pairs([
        ("CallSid", sid.as_str()),
        ("AccountSid", account),
        ("From", from),
        ("To", to),
        ("Called", to),
        ("Caller", from),
        ("CallStatus", "ringing"),
        ("Direction", "inbound"),
        ("ApiVersion", "2010-04-01"),
        ("StirVerstat", "TN-Validation-Passed-A"),
    ]);
    params.extend(places(from, to));
    Ok(params)
}

fn message_form(message: &Message, fields: &Fields, media: &[Media], account: &str) -> Params {
    let from = message.from.as_deref().unwrap_or_default();
    let (segments, count) = (message.segments().to_string(), media.len().to_string());
    let mut params = pairs([
        ("MessageSid", message.sid.as_str()),
        ("SmsSid", &message.sid),
        ("SmsMessageSid", &message.sid),
        ("AccountSid", account),
        ("From", from),
        ("To", &message.to),
        ("Body", &message.body),
        ("NumMedia", &count),
        ("NumSegments", &segments),
        ("SmsStatus", message.status.as_str()),
        ("ApiVersion", "2010-04-01"),
    ]);
    let service = message.messaging_service_sid.as_deref();
    params.extend(service.map(|service| ("MessagingServiceSid".to_owned(), service.to_owned())));
    params.extend(places(from, &message.to));
    for (index, media) in media.iter().enumerate() {
        params.push((format!("MediaContentType{index}"), media.content_type.clone()));
        params.push((format!("MediaUrl{index}"), media.url.clone()));
    }
    params.extend(fields.get("OptOutType").map(|kind| ("OptOutType".to_owned(), kind.to_owned())));
    params
}

/// The sid in the fields, or a new one.
fn message_sid(fields: &Fields, is_text: bool) -> Result<String, Failure> {
    match fields.get("MessageSid") {
        Some(given) if sid::is_valid(given, &["SM", "MM"]) => Ok(given.to_owned()),
        Some(_) => {
            Err(Failure::parameter("MessageSid must be SM or MM and 32 hexadecimal digits".to_owned()))
        }
        None => Ok(sid::new(if is_text { "SM" } else { "MM" })),
    }
}

/// `MediaUrl` (repeated) and `MediaUrl0` to `MediaUrl9`, with `MediaContentType{n}` if given.
fn media(fields: &Fields) -> Vec<Media> {
    let numbered = (0..10).filter_map(|index| {
        let url = fields.get(&format!("MediaUrl{index}"))?;
        Some((url, fields.get(&format!("MediaContentType{index}"))))
    });
    let repeated = fields.all("MediaUrl").map(|url| (url, None));
    repeated
        .chain(numbered)
        .map(|(url, kind)| Media {
            url: url.to_owned(),
            content_type: kind.unwrap_or_else(|| content_type(url)).to_owned(),
        })
        .collect()
}

/// The content type by file extension.
fn content_type(url: &str) -> &'static str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    match path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "gif" => "image/gif",
        "mp4" => "video/mp4",
        "mp3" => "audio/mpeg",
        "pdf" => "application/pdf",
        "vcf" => "text/x-vcard",
        _ => "image/jpeg",
    }
}

/// The places of the numbers: Washington for North America, empty for others.
fn places(from: &str, to: &str) -> Params {
    [("From", from), ("To", to)]
        .into_iter()
        .flat_map(|(end, number)| {
            let known = number.starts_with("+1");
            [("City", "WASHINGTON"), ("State", "DC"), ("Zip", "20001"), ("Country", "US")]
                .map(|(part, value)| (format!("{end}{part}"), if known { value } else { "" }.to_owned()))
        })
        .collect()
}

fn pairs<const N: usize>(fields: [(&str, &str); N]) -> Params {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
