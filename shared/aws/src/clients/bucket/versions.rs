//! Lists of versions: what S3 answers, and which files they say were deleted.

use shared_domain::time::Timestamp;

use super::BucketError;

/// A version of a file, or the marker of its deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) key: String,
    pub(super) id: String,
    /// When the file was deleted, if this is a marker.
    pub(super) deleted_at: Option<Timestamp>,
}

/// Where the next list begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) key: String,
    pub(super) id: String,
}

/// Returns the versions in a list, in its order. Errors if one cannot be read, which would otherwise be left
/// out, or be taken for one from another time. Keys of files contain no characters that XML escapes.
pub(super) fn versions_in(list: &str) -> Result<Vec<Version>, BucketError> {
    let elements = list.split("</Version>").flat_map(|part| part.split("</DeleteMarker>"));
    elements.filter_map(version).collect()
}

/// Returns the version whose element is not closed in this part of a list.
fn version(part: &str) -> Option<Result<Version, BucketError>> {
    let (element, is_marker) = match part.split_once("<DeleteMarker>") {
        Some((_, element)) => (element, true),
        None => (part.split_once("<Version>")?.1, false),
    };
    Some(read(element, is_marker).ok_or_else(unreadable))
}

fn read(element: &str, is_marker: bool) -> Option<Version> {
    let key = value(element, "Key")?.to_owned();
    let id = value(element, "VersionId")?.to_owned();
    let at = || value(element, "LastModified").and_then(Timestamp::parse);
    let deleted_at = if is_marker { Some(at()?) } else { None };
    Some(Version { key, id, deleted_at })
}

fn unreadable() -> BucketError {
    BucketError::Unavailable("unreadable list".into())
}

/// Returns where the list after this one begins. `None` if this is the last one.
pub(super) fn next_place(list: &str) -> Result<Option<Place>, BucketError> {
    if value(list, "IsTruncated") != Some("true") {
        return Ok(None);
    }
    let place = value(list, "NextKeyMarker").zip(value(list, "NextVersionIdMarker"));
    let place = place.map(|(key, id)| Place { key: key.to_owned(), id: id.to_owned() });
    place.map(Some).ok_or_else(unreadable)
}

/// Returns the text of the first element with this name.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(value, _)| value)
}

/// A deleted file whose content is still there. It is back when its markers are removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedFile {
    pub key: String,
    pub(super) markers: Vec<String>,
}

/// Finds the files that were deleted since a time in lists of versions, which have those of a file from the
/// newest to the oldest.
#[derive(Debug)]
pub(super) struct Deletions {
    since: Timestamp,
    key: String,
    /// The markers of the file until now.
    markers: Vec<String>,
    /// Whether the older versions of the file do not matter.
    is_decided: bool,
    found: Vec<DeletedFile>,
}

impl Deletions {
    pub(super) fn since(since: Timestamp) -> Self {
        let since = Timestamp::from_millis(since.seconds() * 1_000); // lists have whole seconds
        Self { since, key: String::new(), markers: Vec::new(), is_decided: false, found: Vec::new() }
    }

    pub(super) fn add(&mut self, version: Version) {
        let Version { key, id, deleted_at } = version;
        if key != self.key {
            self.key.clone_from(&key);
            self.markers.clear();
            self.is_decided = false;
        }
        match deleted_at {
            _ if self.is_decided => {}
            Some(at) if at >= self.since => self.markers.push(id),
            // It was deleted before.
            Some(_) => self.is_decided = true,
            None => {
                self.is_decided = true;
                let markers = std::mem::take(&mut self.markers);
                if !markers.is_empty() {
                    self.found.push(DeletedFile { key, markers });
                }
            }
        }
    }

    pub(super) fn found(self) -> Vec<DeletedFile> {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The format of <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html>.
    const LIST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>files</Name><Prefix>media/</Prefix>
<KeyMarker></KeyMarker><VersionIdMarker></VersionIdMarker><NextKeyMarker>media/b</NextKeyMarker>
<NextVersionIdMarker>b1</NextVersionIdMarker><MaxKeys>3</MaxKeys><IsTruncated>true</IsTruncated>
<DeleteMarker><Key>media/a</Key><VersionId>a2</VersionId><IsLatest>true</IsLatest>
<LastModified>2026-11-29T11:00:00.000Z</LastModified><Owner><ID>75aa</ID></Owner></DeleteMarker>
<Version><Key>media/a</Key><VersionId>a1</VersionId><IsLatest>false</IsLatest>
<LastModified>2026-11-28T10:00:00.000Z</LastModified><ETag>&quot;fba9&quot;</ETag><Size>4</Size>
<Owner><ID>75aa</ID></Owner><StorageClass>STANDARD</StorageClass></Version>
<Version><Key>media/b</Key><VersionId>b1</VersionId><IsLatest>true</IsLatest>
<LastModified>2026-11-28T10:00:00.000Z</LastModified><ETag>&quot;fba9&quot;</ETag><Size>4</Size>
<StorageClass>STANDARD</StorageClass></Version></ListVersionsResult>"#;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_millis(hour * 3_600_000)
    }

    fn marker(key: &str, id: &str, hour: i64) -> Version {
        Version { key: key.into(), id: id.into(), deleted_at: Some(at(hour)) }
    }

    fn file(key: &str, id: &str) -> Version {
        Version { key: key.into(), id: id.into(), deleted_at: None }
    }

    /// Returns the keys of the files that were deleted since 10 o'clock, with their markers.
    fn deleted(versions: &[Version]) -> Vec<(String, Vec<String>)> {
        let mut deletions = Deletions::since(at(10));
        versions.iter().cloned().for_each(|version| deletions.add(version));
        deletions.found().into_iter().map(|file| (file.key, file.markers)).collect()
    }

    #[test]
    fn a_list_has_versions_and_markers_in_one_order_and_says_where_the_next_one_begins() {
        let deleted_at = Timestamp::parse("2026-11-29T11:00:00Z").unwrap();
        let marker = Version { key: "media/a".into(), id: "a2".into(), deleted_at: Some(deleted_at) };
        assert_eq!(versions_in(LIST), Ok(vec![marker, file("media/a", "a1"), file("media/b", "b1")]));
        let place = Place { key: "media/b".into(), id: "b1".into() };
        assert_eq!(next_place(LIST), Ok(Some(place)));
        let last = LIST.replace("<IsTruncated>true", "<IsTruncated>false");
        assert_eq!(next_place(&last), Ok(None));
        let broken = LIST.replace("NextKeyMarker", "Key");
        assert!(matches!(next_place(&broken), Err(BucketError::Unavailable(_))));
        assert_eq!(versions_in("<ListVersionsResult/>"), Ok(Vec::new()));
    }

    #[test]
    fn a_version_without_a_key_or_a_marker_without_a_time_is_an_error() {
        for (text, broken) in [
            ("<VersionId>b1</VersionId>", ""),
            ("<Key>media/a</Key>", "<Name>media/a</Name>"),
            ("2026-11-29T11:00:00.000Z", "yesterday"),
            ("<LastModified>2026-11-29T11:00:00.000Z</LastModified>", ""),
        ] {
            let list = LIST.replace(text, broken);
            assert!(matches!(versions_in(&list), Err(BucketError::Unavailable(_))), "{text}");
        }
    }

    #[test]
    fn a_file_that_was_deleted_since_is_found_with_all_markers_above_its_content() {
        let versions = [
            marker("a", "a3", 12),
            marker("a", "a2", 11),
            file("a", "a1"),
            marker("b", "b2", 10),
            file("b", "b1"),
        ];
        let found = |key: &str, markers: &[&str]| {
            (key.to_owned(), markers.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(deleted(&versions), [found("a", &["a3", "a2"]), found("b", &["b2"])]);
    }

    #[test]
    fn a_file_that_is_there_or_was_gone_before_or_has_no_content_is_not_found() {
        let is_found = |versions: &[Version]| !deleted(versions).is_empty();
        assert!(!is_found(&[file("a", "a3"), marker("a", "a2", 11), file("a", "a1")]), "it is back");
        assert!(!is_found(&[marker("a", "a2", 9), file("a", "a1")]), "deleted before");
        let again = [marker("a", "a3", 11), marker("a", "a2", 9), file("a", "a1")];
        assert!(!is_found(&again), "deleted before and again");
        assert!(!is_found(&[marker("a", "a2", 11), file("b", "b1")]), "its versions are gone");
    }
}
