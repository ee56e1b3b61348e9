//! Media: the attachments of messages, which ones the product stores, and which ones carriers accept.
//!
//! An inbound file is checked by its content: its first bytes must match the kind of file that its content
//! type announces. Files that a browser would run (HTML, SVG, scripts) are never stored.
//!
//! The limits of outbound files are Twilio's:
//! <https://www.twilio.com/docs/messaging/guides/accepted-mime-types>.
//!
//! ```
//! use shared_domain::media::{MediaRefusal, check_outgoing, stored_type};
//!
//! assert_eq!(stored_type("image/jpg", Some("image/jpeg"), b"bytes"), Ok("image/jpeg".into()));
//! assert_eq!(stored_type("image/jpeg", Some("text/html"), b"bytes"), Err(MediaRefusal::Mismatch));
//! assert!(check_outgoing("image/png", 5_000_000).is_ok());
//! ```

use crate::ids::MediaId;

/// The maximum number of attachments of a message.
pub const MAX_FILES: usize = 10;
/// The maximum size of a file that is copied from a carrier, in bytes.
pub const MAX_INBOUND_BYTES: u64 = 16 * 1024 * 1024;
/// The maximum size of an image that carriers accept, in bytes.
pub const MAX_OUTBOUND_IMAGE_BYTES: u64 = 5_000_000;
/// The maximum size of any other file that carriers accept, in bytes.
pub const MAX_OUTBOUND_BYTES: u64 = 500_000;
/// The maximum length of a URL that a carrier fetches a file from.
pub const MAX_LINK_LENGTH: usize = 2048;

/// Images that browsers display.
const IMAGES: &[&str] = &[
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/webp",
    "image/bmp",
    "image/tiff",
    "image/heic",
    "image/heif",
];
/// Audio and video use the same container formats, so their first bytes do not tell them apart.
const AUDIO_VIDEO: &[&str] = &[
    "audio/3gpp",
    "audio/3gpp2",
    "audio/aac",
    "audio/amr",
    "audio/m4a",
    "audio/mp4",
    "audio/mpeg",
    "audio/ogg",
    "audio/opus",
    "audio/vnd.wave",
    "audio/wav",
    "audio/webm",
    "audio/x-m4a",
    "audio/x-wav",
    "video/3gpp",
    "video/3gpp2",
    "video/mp4",
    "video/mpeg",
    "video/quicktime",
    "video/webm",
    "video/x-m4v",
];
const DOCUMENTS: &[&str] = &["application/pdf"];
const TEXTS: &[&str] =
    &["text/calendar", "text/csv", "text/directory", "text/plain", "text/vcard", "text/x-vcard"];
/// Images that carriers accept up to [`MAX_OUTBOUND_IMAGE_BYTES`].
const OUTBOUND_IMAGES: &[&str] = &["image/jpeg", "image/png", "image/gif"];

/// An attachment of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct Media {
    pub id: MediaId,
    /// The name of this message's own copy of an uploaded file. Several messages can have the same upload.
    pub copy: Option<MediaId>,
    /// The MIME type: as announced by the carrier, and once the file is stored, as detected. `None` for a
    /// link.
    pub content_type: Option<String>,
    pub state: MediaState,
}

impl Media {
    /// Returns the name of the file in the bucket.
    pub fn file(&self) -> &MediaId {
        self.copy.as_ref().unwrap_or(&self.id)
    }
}

/// Where an attachment is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaState {
    /// The carrier has the file. It will be copied.
    Pending {
        /// The carrier's URL of the file. It is never shown to users.
        source: String,
    },
    /// The file is in the bucket.
    Stored {
        /// In bytes.
        size: u64,
    },
    /// The file was not copied.
    Refused {
        /// The carrier's URL of the file. It is never shown to users.
        source: String,
        /// Why it was not copied.
        reason: MediaRefusal,
    },
    /// The sender gave a URL, and the carrier fetches the file from there.
    Linked {
        /// An `https://` URL.
        url: String,
    },
}

/// Why an inbound file was not copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaRefusal {
    /// Files of this type are not stored.
    Type,
    /// The content does not match the announced type.
    Mismatch,
    /// The file is larger than [`MAX_INBOUND_BYTES`].
    TooLarge,
    /// The file is empty.
    Empty,
    /// The URL does not belong to the carrier.
    Source,
    /// The carrier no longer has the file.
    Gone,
    /// The carrier did not return the file in any attempt.
    Unavailable,
}

impl MediaRefusal {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::Type,
        Self::Mismatch,
        Self::TooLarge,
        Self::Empty,
        Self::Source,
        Self::Gone,
        Self::Unavailable,
    ];

    /// The name in the API and in stored items.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Type => "unsupported_type",
            Self::Mismatch => "not_what_it_says",
            Self::TooLarge => "too_large",
            Self::Empty => "empty",
            Self::Source => "foreign_address",
            Self::Gone => "gone",
            Self::Unavailable => "unavailable",
        }
    }

    /// Parses the name from [`MediaRefusal::as_str`]. Returns `None` for an unknown name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

impl MediaState {
    /// The URL to copy the file from, or `None` if it is stored, linked, or refused for good. A file that was
    /// unavailable can be tried again.
    pub fn to_fetch(&self) -> Option<&str> {
        match self {
            Self::Pending { source } | Self::Refused { source, reason: MediaRefusal::Unavailable } => {
                Some(source)
            }
            Self::Stored { .. } | Self::Refused { .. } | Self::Linked { .. } => None,
        }
    }
}

/// Whether a browser may display a file of this type in a page. Other files are downloaded.
pub fn is_displayable(content_type: &str) -> bool {
    matches!(kind(content_type), Some(Kind::Image | Kind::AudioVideo))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Image,
    AudioVideo,
    Document,
    Text,
}

fn kind(content_type: &str) -> Option<Kind> {
    let kinds = [
        (IMAGES, Kind::Image),
        (AUDIO_VIDEO, Kind::AudioVideo),
        (DOCUMENTS, Kind::Document),
        (TEXTS, Kind::Text),
    ];
    kinds.into_iter().find(|(types, _)| types.contains(&content_type)).map(|(_, kind)| kind)
}

/// The content type in lowercase, without parameters, under its usual name.
pub fn plain_type(content_type: &str) -> String {
    let plain = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match plain.as_str() {
        "image/jpg" | "image/pjpeg" | "image/x-jpeg" => "image/jpeg".into(),
        "image/x-png" => "image/png".into(),
        "application/vcard" | "application/x-vcard" => "text/vcard".into(),
        _ => plain,
    }
}

/// Whether a file is a contact card. Cards are text, so their first bytes are of no known type.
fn is_card(content: &[u8]) -> bool {
    const START: &[u8] = b"BEGIN:VCARD";
    let text = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content).trim_ascii_start();
    text.get(..START.len()).is_some_and(|start| start.eq_ignore_ascii_case(START))
}

/// The content type to store an inbound file under. The carrier `announced` one type, and another may be
/// `found` from the first bytes.
///
/// # Errors
/// [`MediaRefusal`] if the file is not stored.
pub fn stored_type(announced: &str, found: Option<&str>, content: &[u8]) -> Result<String, MediaRefusal> {
    if content.is_empty() {
        return Err(MediaRefusal::Empty);
    }
    let announced = plain_type(announced);
    let found_kind = found.and_then(kind);
    if announced == "application/octet-stream" {
        let card = (found.is_none() && is_card(content)).then_some("text/vcard");
        let known = found_kind.and(found).or(card).ok_or(MediaRefusal::Type)?;
        return Ok(known.to_owned());
    }
    let announced_kind = kind(&announced).ok_or(MediaRefusal::Type)?;
    match (announced_kind, found) {
        (Kind::Text, None) if !content.contains(&0) => Ok(announced),
        (Kind::Image | Kind::Document, Some(found)) if found_kind == Some(announced_kind) => {
            Ok(found.to_owned())
        }
        (Kind::AudioVideo, Some(_)) if found_kind == Some(announced_kind) => Ok(announced),
        _ => Err(MediaRefusal::Mismatch),
    }
}

/// Why carriers do not accept a file. The message says what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutgoingMediaError {
    /// Carriers do not accept this type.
    #[error("a file type that carriers accept")]
    Type,
    /// The file is empty, or too large for its type.
    #[error("1 to {max} bytes for a file of this type")]
    Size {
        /// The maximum size in bytes.
        max: u64,
    },
}

/// Checks whether carriers accept a file of this type and size. The type must be in the form that
/// [`plain_type`] returns.
///
/// # Errors
/// [`OutgoingMediaError`] if they do not.
pub fn check_outgoing(content_type: &str, size: u64) -> Result<(), OutgoingMediaError> {
    kind(content_type).ok_or(OutgoingMediaError::Type)?;
    let max =
        if OUTBOUND_IMAGES.contains(&content_type) { MAX_OUTBOUND_IMAGE_BYTES } else { MAX_OUTBOUND_BYTES };
    if (1..=max).contains(&size) { Ok(()) } else { Err(OutgoingMediaError::Size { max }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: &[u8] = b"bytes";

    #[test]
    fn an_image_is_stored_under_its_detected_type() {
        assert_eq!(stored_type("image/png", Some("image/png"), BYTES), Ok("image/png".into()));
        assert_eq!(stored_type("IMAGE/JPG; name=a.jpg", Some("image/jpeg"), BYTES), Ok("image/jpeg".into()));
        assert_eq!(stored_type("image/jpeg", Some("image/png"), BYTES), Ok("image/png".into()));
        assert_eq!(stored_type("application/octet-stream", Some("image/gif"), BYTES), Ok("image/gif".into()));
    }

    #[test]
    fn files_under_other_names_of_their_type_are_judged_by_their_bytes() {
        assert_eq!(stored_type("image/x-png", Some("image/png"), BYTES), Ok("image/png".into()));
        assert_eq!(stored_type("image/pjpeg", Some("image/jpeg"), BYTES), Ok("image/jpeg".into()));
        let card = b"\xef\xbb\xbf\r\nbegin:vcard\r\nFN:Ada\r\nEND:VCARD";
        for announced in ["application/octet-stream", "application/vcard", "application/x-vcard"] {
            assert_eq!(stored_type(announced, None, card), Ok("text/vcard".into()), "{announced}");
        }
        assert_eq!(stored_type("application/octet-stream", None, b"BEGIN:VCAL"), Err(MediaRefusal::Type));
        let disguised = stored_type("application/octet-stream", Some("text/html"), card);
        assert_eq!(disguised, Err(MediaRefusal::Type));
        assert_eq!(stored_type("image/x-png", None, BYTES), Err(MediaRefusal::Mismatch));
    }

    #[test]
    fn a_file_that_does_not_match_its_announced_type_is_refused() {
        for found in [None, Some("text/html"), Some("application/zip"), Some("application/pdf")] {
            assert_eq!(stored_type("image/png", found, BYTES), Err(MediaRefusal::Mismatch), "{found:?}");
        }
        assert_eq!(stored_type("audio/mp4", Some("image/png"), BYTES), Err(MediaRefusal::Mismatch));
        assert_eq!(stored_type("text/vcard", Some("text/html"), BYTES), Err(MediaRefusal::Mismatch));
        assert_eq!(stored_type("text/plain", None, b"a\0b"), Err(MediaRefusal::Mismatch));
    }

    #[test]
    fn files_that_a_browser_would_run_are_refused_under_any_announced_type() {
        for announced in ["text/html", "image/svg+xml", "application/javascript", "application/zip", ""] {
            assert_eq!(stored_type(announced, None, BYTES), Err(MediaRefusal::Type), "{announced}");
        }
        for found in [None, Some("text/html"), Some("application/zip")] {
            assert_eq!(stored_type("application/octet-stream", found, BYTES), Err(MediaRefusal::Type));
        }
    }

    #[test]
    fn audio_video_and_text_files_keep_their_announced_type() {
        assert_eq!(stored_type("audio/mp4", Some("video/mp4"), BYTES), Ok("audio/mp4".into()));
        assert_eq!(stored_type("text/vcard; charset=utf-8", None, BYTES), Ok("text/vcard".into()));
        assert_eq!(
            stored_type("application/pdf", Some("application/pdf"), BYTES),
            Ok("application/pdf".into())
        );
        assert_eq!(stored_type("image/png", Some("image/png"), b""), Err(MediaRefusal::Empty));
    }

    #[test]
    fn images_audio_and_video_are_displayable_and_other_files_are_not() {
        assert!(is_displayable("image/png") && is_displayable("video/mp4") && is_displayable("audio/amr"));
        assert!(
            !is_displayable("application/pdf")
                && !is_displayable("text/plain")
                && !is_displayable("image/svg+xml")
        );
    }

    #[test]
    fn carriers_accept_images_of_up_to_5_mb_and_other_files_of_up_to_500_kb() {
        assert_eq!(check_outgoing("image/png", 5_000_000), Ok(()));
        assert_eq!(check_outgoing("image/png", 5_000_001), Err(OutgoingMediaError::Size { max: 5_000_000 }));
        assert_eq!(check_outgoing("application/pdf", 500_000), Ok(()));
        assert_eq!(
            check_outgoing("application/pdf", 500_001),
            Err(OutgoingMediaError::Size { max: 500_000 })
        );
        assert_eq!(check_outgoing("image/png", 0), Err(OutgoingMediaError::Size { max: 5_000_000 }));
        assert_eq!(check_outgoing("text/html", 5), Err(OutgoingMediaError::Type));
    }

    #[test]
    fn every_reason_is_parsed_from_its_name() {
        for reason in MediaRefusal::ALL {
            assert_eq!(MediaRefusal::parse(reason.as_str()), Some(reason));
        }
        assert_eq!(MediaRefusal::parse("other"), None);
    }

    #[test]
    fn a_file_that_is_pending_or_was_unavailable_is_fetched() {
        let source = || "https://api.twilio.com/media".to_owned();
        let refused = |reason| MediaState::Refused { source: source(), reason };
        assert_eq!(MediaState::Pending { source: source() }.to_fetch(), Some(source().as_str()));
        assert_eq!(refused(MediaRefusal::Unavailable).to_fetch(), Some(source().as_str()));
        for reason in MediaRefusal::ALL.into_iter().filter(|reason| *reason != MediaRefusal::Unavailable) {
            assert_eq!(refused(reason).to_fetch(), None, "{reason:?}");
        }
        assert_eq!(MediaState::Stored { size: 1 }.to_fetch(), None);
        assert_eq!(MediaState::Linked { url: source() }.to_fetch(), None);
    }

    #[test]
    fn reasons_have_the_names_of_the_api() {
        let words = MediaRefusal::ALL.map(MediaRefusal::as_str);
        assert_eq!(
            words,
            [
                "unsupported_type",
                "not_what_it_says",
                "too_large",
                "empty",
                "foreign_address",
                "gone",
                "unavailable"
            ]
        );
    }

    #[test]
    fn an_inbound_file_has_at_most_16_mib() {
        assert_eq!(MAX_INBOUND_BYTES, 16_777_216);
    }
}
