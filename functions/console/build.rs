//! Compresses the files of `web/` and writes a table of them by path, which `src/files.rs` includes.
//!
//! The URLs of all files but the page contain one digest of all files. A browser keeps them until any of them
//! changes, and the modules import each other by relative paths.

use std::{
    env,
    error::Error,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

const DIGEST_CHARACTERS: usize = 16;
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=web");
    let web = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("web");
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let mut files = Vec::new();
    collect(&web, "", &mut files)?;
    files.sort();

    let (mut digest, mut table, mut preloads) = (Sha256::new(), String::new(), String::new());
    digest.update(fs::read(web.join("index.html"))?);
    for (number, name) in files.iter().enumerate() {
        let path = web.join(name);
        let content = fs::read(&path)?;
        digest.update(name);
        digest.update(&content);
        let compressed = out.join(format!("{number}.br"));
        fs::write(&compressed, brotli(&content)?)?;
        let content_type = content_type(name).ok_or_else(|| format!("{name} has an unknown type"))?;
        let (path, compressed) = (utf8(&path)?, utf8(&compressed)?);
        writeln!(
            table,
            "({name:?}, StaticFile {{ content_type: {content_type:?}, content: include_bytes!({path:?}), \
             brotli: include_bytes!({compressed:?}) }}),"
        )?;
        if content_type == JAVASCRIPT && !name.starts_with("team/") {
            write!(preloads, r#"<link rel="modulepreload" href="{{{{assets}}}}/{name}">"#)?;
        }
    }
    let digest = &HEXLOWER.encode(&digest.finalize())[..DIGEST_CHARACTERS];
    let page = fs::read_to_string(web.join("index.html"))?.replace("{{modules}}", &preloads);
    let code = format!(
        "const DIGEST: &str = {digest:?};\nconst PAGE: &str = {page:?};\nstatic FILES: &[(&str, StaticFile)] = &[\n{table}];\n"
    );
    fs::write(out.join("files.rs"), code)?;
    Ok(())
}

/// Adds the names of the files of a folder, relative to `web/`. Type declarations, licenses and the page are
/// left out.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<String>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = utf8(Path::new(&name))?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{prefix}{name}/"), files)?;
        } else if name != "index.html" && !name.ends_with(".d.ts") && content_type(name).is_some() {
            files.push(format!("{prefix}{name}"));
        }
    }
    Ok(())
}

fn utf8(path: &Path) -> Result<&str, String> {
    path.to_str().ok_or_else(|| format!("{} is not UTF-8", path.display()))
}

fn content_type(name: &str) -> Option<&'static str> {
    match name.rsplit('.').next()? {
        "js" => Some(JAVASCRIPT),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

fn brotli(content: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut compressed = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams { quality: 11, ..Default::default() };
    brotli::BrotliCompress(&mut &content[..], &mut compressed, &parameters)?;
    Ok(compressed)
}
