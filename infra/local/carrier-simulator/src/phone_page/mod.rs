//! The phone: a page that shows every text, newest conversation first, for a person to watch.
//!
//! It is seen from the phone's side: what the person wrote stands on the right, what the product sent on the left.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use axum::response::{Html, IntoResponse};

use crate::Carrier;
use crate::messages::log::MessageLog;
use crate::messages::message::Message;

/// How many texts are shown.
const SHOWN: usize = 500;

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="2">
<title>The phone</title>
<style>
:root { color-scheme: light dark; font: 16px/1.45 system-ui, sans-serif; --line: #8884; --theirs: #8883; --mine: #0a6cff; }
body { max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.25rem; margin: 0; }
h2 { font-size: 1rem; margin: 0 0 .75rem; font-variant-numeric: tabular-nums; }
h2 small, footer, .hint { font-weight: 400; opacity: .7; }
section { border: 1px solid var(--line); border-radius: .75rem; padding: 1rem; margin: 1.25rem 0; }
article { margin: .5rem 0; max-width: 80%; width: fit-content; }
article p { margin: 0; padding: .45rem .8rem; border-radius: 1rem; background: var(--theirs); white-space: pre-wrap; overflow-wrap: anywhere; }
article.mine { margin-left: auto; }
article.mine p { background: var(--mine); color: #fff; }
footer { font-size: .75rem; padding: .1rem .8rem; }
article.mine footer { text-align: right; }
</style>
</head>
<body>
<h1>The phone</h1>
<p class="hint">Texts between the product and the phones of this carrier simulator. The page renews itself.</p>
"#;

/// `GET /`. Open to everyone on this machine; it runs and loads nothing.
pub(crate) async fn show(State(carrier): State<Arc<Carrier>>) -> impl IntoResponse {
    let headers = [
        (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
        (CACHE_CONTROL, "no-store"),
    ];
    let page = render(&carrier.log());
    (headers, Html(page))
}

/// Texts between one of the product's numbers and one phone, newest first.
struct Thread<'a> {
    product: &'a str,
    phone: &'a str,
    messages: Vec<&'a Message>,
}

fn render(log: &MessageLog) -> String {
    let threads = threads(log);
    let mut page = HEAD.to_owned();
    if threads.is_empty() {
        page.push_str("<p>No text yet.</p>\n");
    }
    for thread in &threads {
        render_thread(&mut page, thread);
    }
    page.push_str("</body>\n</html>\n");
    page
}

/// Threads in the order of their newest text.
fn threads(log: &MessageLog) -> Vec<Thread<'_>> {
    let mut threads: Vec<Thread<'_>> = Vec::new();
    for message in log.newest().take(SHOWN) {
        let sender = message.from.as_deref().unwrap_or("a messaging service");
        let (product, phone) =
            if message.is_inbound() { (message.to.as_str(), sender) } else { (sender, message.to.as_str()) };
        match threads.iter_mut().find(|thread| thread.product == product && thread.phone == phone) {
            Some(thread) => thread.messages.push(message),
            None => threads.push(Thread { product, phone, messages: vec![message] }),
        }
    }
    threads
}

fn render_thread(page: &mut String, thread: &Thread<'_>) {
    let (phone, product) = (escape(thread.phone), escape(thread.product));
    put(page, format_args!("<section>\n<h2>{phone} <small>with {product}</small></h2>\n"));
    for message in thread.messages.iter().rev() {
        render_message(page, message);
    }
    page.push_str("</section>\n");
}

fn render_message(page: &mut String, message: &Message) {
    let class = if message.is_inbound() { "mine" } else { "theirs" };
    let (text, time) = (escape(&message.body), message.created.strftime("%H:%M:%S"));
    put(page, format_args!("<article class=\"{class}\"><p>{text}"));
    for url in &message.media_urls {
        put(page, format_args!("\n[{}]", escape(url)));
    }
    put(page, format_args!("</p><footer>{time} UTC, {}", message.status.as_str()));
    if let Some(code) = message.error_code {
        put(page, format_args!(" ({code})"));
    }
    page.push_str("</footer></article>\n");
}

fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a string takes all text");
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}
