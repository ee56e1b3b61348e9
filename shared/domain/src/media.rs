//! Pictures and other files of messages: which ones we keep, which ones carriers take, what is told of them.
//!
//! What comes in is judged by its bytes: the announced type says what kind of file to expect, the first bytes say whether
//! it is one. Nothing that a browser runs is kept: no HTML, no SVG, no script.
//!
//! What goes out is bounded as carriers bound it:
//! <https://www.twilio.com/docs/messaging/guides/accepted-mime-types>.

use crate::ids::MediaId;

/// A text carries at most so many files.
pub const MAX_FILES: usize = 10;
/// The largest file that is taken over from a carrier, in bytes.
pub const MAX_INBOUND_BYTES: u64 = 16 * 1024 * 1024;
/// The largest picture that carriers take, in bytes.
pub const MAX_OUTBOUND_IMAGE_BYTES: u64 = 5_000_000;
/// The largest other file that carriers take, in bytes.
pub const MAX_OUTBOUND_BYTES: u64 = 500_000;
/// The longest address that a carrier is sent to.
pub const MAX_LINK_LENGTH: usize = 2048;

/// Shown by browsers as pictures.
const PICTURES: &[&str] = &[
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/webp",
    "image/bmp",
    "image/tiff",
    "image/heic",
    "image/heif",
];
/// Sound and film share containers, so one is not told from the other by its bytes.
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
/// Pictures that go out up to [`MAX_OUTBOUND_IMAGE_BYTES`].
const OUTBOUND_IMAGES: &[&str] = &["image/jpeg", "image/png", "image/gif"];

/// A picture or another file of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// Its id, and its name in the bucket.
    pub id: MediaId,
    /// Its MIME type: what was announced, and once it is stored what it is. Nothing is known of a link.
    pub content_type: Option<String>,
    /// Where it is.
    pub state: MediaState,
}

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaState {
    /// At the carrier, to be copied.
    Pending {
        /// The carrier's address of it, which is shown to nobody.
        source: String,
    },
    /// In our bucket.
    Stored {
        /// Its length in bytes.
        size: u64,
    },
    /// Not taken over.
    Refused {
        /// The carrier's address of it, which is shown to nobody.
        source: String,
        /// Why.
        reason: MediaRefusal,
    },
    /// Somebody else's address, which the carrier fetches itself.
    Linked {
        /// Begins with `https://`.
        url: String,
    },
}

/// Why a file was not taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaRefusal {
    /// A type that is not kept.
    Type,
    /// The bytes are not of the announced kind.
    Mismatch,
    /// Larger than [`MAX_INBOUND_BYTES`].
    TooLarge,
    /// No bytes.
    Empty,
    /// An address that is not the carrier's.
    Source,
    /// The carrier does not have it any more.
    Gone,
    /// The carrier did not give it, however often it was asked.
    Unavailable,
}

impl MediaRefusal {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Type,
        Self::Mismatch,
        Self::TooLarge,
        Self::Empty,
        Self::Source,
        Self::Gone,
        Self::Unavailable,
    ];

    /// The word of the API, and of what is stored.
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

    /// Reads [`MediaRefusal::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

impl MediaState {
    /// Where to fetch it from, while it is not ours and may become so: also what the carrier did not give so far.
    pub fn to_fetch(&self) -> Option<&str> {
        match self {
            Self::Pending { source } | Self::Refused { source, reason: MediaRefusal::Unavailable } => {
                Some(source)
            }
            Self::Stored { .. } | Self::Refused { .. } | Self::Linked { .. } => None,
        }
    }
}

/// Whether a browser may show a file of this type in a page; anything else is saved.
pub fn is_shown(content_type: &str) -> bool {
    matches!(kind(content_type), Some(Kind::Picture | Kind::SoundOrFilm))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Picture,
    SoundOrFilm,
    Document,
    Text,
}

fn kind(content_type: &str) -> Option<Kind> {
    let kinds = [
        (PICTURES, Kind::Picture),
        (AUDIO_VIDEO, Kind::SoundOrFilm),
        (DOCUMENTS, Kind::Document),
        (TEXTS, Kind::Text),
    ];
    kinds.into_iter().find(|(types, _)| types.contains(&content_type)).map(|(_, kind)| kind)
}

/// A type without its parameters, in small letters, under its usual name.
pub fn plain_type(content_type: &str) -> String {
    let plain = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if plain == "image/jpg" { "image/jpeg".into() } else { plain }
}

/// What a file from a carrier is stored as: `announced` by the carrier, `found` by its first bytes.
///
/// # Errors
/// [`MediaRefusal`] for what is not kept.
pub fn judge(announced: &str, found: Option<&str>, content: &[u8]) -> Result<String, MediaRefusal> {
    if content.is_empty() {
        return Err(MediaRefusal::Empty);
    }
    let announced = plain_type(announced);
    let found_kind = found.and_then(kind);
    if announced == "application/octet-stream" {
        let known = found_kind.and(found).ok_or(MediaRefusal::Type)?;
        return Ok(known.to_owned());
    }
    let wanted = kind(&announced).ok_or(MediaRefusal::Type)?;
    match (wanted, found) {
        (Kind::Text, None) if !content.contains(&0) => Ok(announced),
        (Kind::Picture | Kind::Document, Some(found)) if found_kind == Some(wanted) => Ok(found.to_owned()),
        (Kind::SoundOrFilm, Some(_)) if found_kind == Some(wanted) => Ok(announced),
        _ => Err(MediaRefusal::Mismatch),
    }
}

/// Why carriers would not take a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutgoingMediaError {
    /// No carrier takes this type.
    #[error("carriers take no files of this type")]
    Type,
    /// Nothing in it, or too much for a file of its type.
    #[error("a file of this type has 1 to {most} bytes")]
    Size {
        /// In bytes.
        most: u64,
    },
}

/// Whether carriers take a file of this type, as [`plain_type`] gives it, and size.
///
/// # Errors
/// [`OutgoingMediaError`].
pub fn check_outgoing(content_type: &str, size: u64) -> Result<(), OutgoingMediaError> {
    kind(content_type).ok_or(OutgoingMediaError::Type)?;
    let most =
        if OUTBOUND_IMAGES.contains(&content_type) { MAX_OUTBOUND_IMAGE_BYTES } else { MAX_OUTBOUND_BYTES };
    if (1..=most).contains(&size) { Ok(()) } else { Err(OutgoingMediaError::Size { most }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: &[u8] = b"bytes";

    #[test]
    fn a_picture_is_stored_as_what_its_bytes_are() {
        assert_eq!(judge("image/png", Some("image/png"), BYTES), Ok("image/png".into()));
        assert_eq!(judge("IMAGE/JPG; name=a.jpg", Some("image/jpeg"), BYTES), Ok("image/jpeg".into()));
        assert_eq!(judge("image/jpeg", Some("image/png"), BYTES), Ok("image/png".into()));
        assert_eq!(judge("application/octet-stream", Some("image/gif"), BYTES), Ok("image/gif".into()));
    }

    #[test]
    fn what_is_something_else_than_announced_is_refused() {
        for found in [None, Some("text/html"), Some("application/zip"), Some("application/pdf")] {
            assert_eq!(judge("image/png", found, BYTES), Err(MediaRefusal::Mismatch), "{found:?}");
        }
        assert_eq!(judge("audio/mp4", Some("image/png"), BYTES), Err(MediaRefusal::Mismatch));
        assert_eq!(judge("text/vcard", Some("text/html"), BYTES), Err(MediaRefusal::Mismatch));
        assert_eq!(judge("text/plain", None, b"a\0b"), Err(MediaRefusal::Mismatch));
    }

    #[test]
    fn what_a_browser_runs_is_not_kept_however_it_is_called() {
        for announced in ["text/html", "image/svg+xml", "application/javascript", "application/zip", ""] {
            assert_eq!(judge(announced, None, BYTES), Err(MediaRefusal::Type), "{announced}");
        }
        for found in [None, Some("text/html"), Some("application/zip")] {
            assert_eq!(judge("application/octet-stream", found, BYTES), Err(MediaRefusal::Type));
        }
    }

    #[test]
    fn sound_film_and_texts_keep_their_announced_type() {
        assert_eq!(judge("audio/mp4", Some("video/mp4"), BYTES), Ok("audio/mp4".into()));
        assert_eq!(judge("text/vcard; charset=utf-8", None, BYTES), Ok("text/vcard".into()));
        assert_eq!(judge("application/pdf", Some("application/pdf"), BYTES), Ok("application/pdf".into()));
        assert_eq!(judge("image/png", Some("image/png"), b""), Err(MediaRefusal::Empty));
    }

    #[test]
    fn pictures_sound_and_film_are_shown_and_the_rest_is_saved() {
        assert!(is_shown("image/png") && is_shown("video/mp4") && is_shown("audio/amr"));
        assert!(!is_shown("application/pdf") && !is_shown("text/plain") && !is_shown("image/svg+xml"));
    }

    #[test]
    fn carriers_take_pictures_of_five_megabytes_and_other_files_of_half_a_one() {
        assert_eq!(check_outgoing("image/png", 5_000_000), Ok(()));
        assert_eq!(check_outgoing("image/png", 5_000_001), Err(OutgoingMediaError::Size { most: 5_000_000 }));
        assert_eq!(check_outgoing("application/pdf", 500_000), Ok(()));
        assert_eq!(
            check_outgoing("application/pdf", 500_001),
            Err(OutgoingMediaError::Size { most: 500_000 })
        );
        assert_eq!(check_outgoing("image/png", 0), Err(OutgoingMediaError::Size { most: 5_000_000 }));
        assert_eq!(check_outgoing("text/html", 5), Err(OutgoingMediaError::Type));
    }

    #[test]
    fn every_reason_is_read_as_it_is_written() {
        for reason in MediaRefusal::ALL {
            assert_eq!(MediaRefusal::parse(reason.as_str()), Some(reason));
        }
        assert_eq!(MediaRefusal::parse("other"), None);
    }

    #[test]
    fn what_is_at_the_carrier_or_was_unavailable_is_still_to_be_fetched() {
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
    fn reasons_have_the_words_of_the_api() {
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
    fn the_largest_file_from_a_carrier_has_sixteen_megabytes() {
        assert_eq!(MAX_INBOUND_BYTES, 16_777_216);
    }
}
