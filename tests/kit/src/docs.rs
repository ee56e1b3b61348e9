//! Tables in the documentation that tests generate.

use std::{env, fs};

/// Requires that the block `name` of `page` contains `text`. `UPDATE_DOCS=1` writes the block.
///
/// A block starts with a line `<!-- name: … -->` and ends with the line `<!-- end of name -->`.
pub fn assert_block(page: &str, name: &str, text: &str) {
    let path = format!("{}/../../{page}", env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(&path).unwrap();
    let start = document.find(&format!("<!-- {name}:")).expect("the page has the block");
    let start = start + document[start..].find('\n').unwrap() + 1;
    let end = start + document[start..].find(&format!("<!-- end of {name} -->")).expect("the block ends");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, [&document[..start], text, &document[end..]].concat()).unwrap();
    } else {
        assert_eq!(&document[start..end], text, "{page} is outdated: run this test with UPDATE_DOCS=1");
    }
}
