//! The text that `X-Twilio-Signature` covers: the URL and, for a form, its parameters.

use super::form;

/// The forms of a URL that Twilio may have signed: unchanged, without its port, or with the default port if
/// it has none. Nothing else varies: the letter case of the host and the escapes in the query are
/// significant.
pub(crate) fn url_forms(url: &str) -> Vec<String> {
    let mut url_forms = vec![url.to_owned()];
    let Some((scheme, rest)) = url.split_once("://") else { return url_forms };
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host_at = authority.rfind('@').map_or(0, |at| at + 1);
    let port_at =
        authority[host_at..].rfind(':').map(|at| host_at + at).filter(|at| !authority[*at..].contains(']'));
    match (port_at, scheme) {
        (Some(at), _) => url_forms.push(format!("{scheme}://{}{tail}", &authority[..at])),
        (None, "https") => url_forms.push(format!("https://{authority}:443{tail}")),
        (None, "http") => url_forms.push(format!("http://{authority}:80{tail}")),
        (None, _) => {}
    }
    url_forms
}

/// All parameters as name and value without separators, sorted by bytes, without duplicates.
pub(crate) fn parameters(mut pairs: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<u8> {
    pairs.sort_unstable();
    pairs.dedup();
    pairs.into_iter().flat_map(|(name, value)| [name, value].concat()).collect()
}

/// The value of `bodySHA256` in the query of a URL.
pub(crate) fn body_hash(url: &str) -> Option<Vec<u8>> {
    let (_, query) = url.split_once('?')?;
    form::pairs(query.as_bytes()).find(|(name, _)| name == b"bodySHA256").map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_port_may_have_been_signed_with_one() {
        assert_eq!(url_forms("https://a.test/p?q=1"), ["https://a.test/p?q=1", "https://a.test:443/p?q=1"]);
        assert_eq!(url_forms("http://a.test?q"), ["http://a.test?q", "http://a.test:80?q"]);
        assert_eq!(url_forms("https://u:p@a.test/"), ["https://u:p@a.test/", "https://u:p@a.test:443/"]);
        assert_eq!(url_forms("https://[::1]/"), ["https://[::1]/", "https://[::1]:443/"]);
        let no_password = "https://u:@a.test/";
        assert_eq!(
            url_forms(no_password),
            [no_password, "https://u:@a.test:443/"],
            "the colon does not start a port"
        );
    }

    #[test]
    fn a_url_with_a_port_may_have_been_signed_without_it() {
        assert_eq!(url_forms("https://a.test:8443/p"), ["https://a.test:8443/p", "https://a.test/p"]);
        assert_eq!(url_forms("http://u:p@[::1]:80/"), ["http://u:p@[::1]:80/", "http://u:p@[::1]/"]);
    }

    #[test]
    fn anything_else_has_one_form() {
        assert_eq!(url_forms("/p:1"), ["/p:1"]);
        assert_eq!(url_forms("ftp://a.test/"), ["ftp://a.test/"]);
    }

    #[test]
    fn uppercase_comes_first_and_duplicates_are_removed() {
        let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let text =
            parameters(vec![pair("b", "2"), pair("a", ""), pair("B", "1"), pair("b", "1"), pair("b", "2")]);
        assert_eq!(text, b"B1ab1b2");
    }

    #[test]
    fn the_body_hash_is_read_only_from_the_query() {
        assert_eq!(body_hash("https://a.test/bodySHA256=1?x=2&bodySHA256=ab"), Some(b"ab".to_vec()));
        assert_eq!(body_hash("https://a.test/bodySHA256=1"), None);
        assert_eq!(body_hash("https://a.test/?xbodySHA256=1"), None);
    }
}
