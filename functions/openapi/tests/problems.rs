//! `docs/problems.md` lists every error of the HTTP API as the code has it, so that the texts are reviewed as
//! one list.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, Block, Expr, ExprCall, ExprMethodCall, ItemConst, ItemMod, Lit, LitStr, Macro,
    visit::{self, Visit},
};
use test_kit::docs::assert_block;

const PAGE: &str = "docs/problems.md";
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// The parts of the domain whose errors users read.
const PARSERS: [&str; 3] =
    ["shared/domain/src/import", "shared/domain/src/media", "shared/domain/src/template"];

#[derive(Default)]
struct Texts {
    /// Details by code and status.
    problems: BTreeMap<(String, u16), BTreeSet<String>>,
    /// Sentences that are passed to a function which makes a problem of them.
    other_details: BTreeSet<String>,
    /// What was expected of a field, with the pointers of such fields.
    expected: BTreeMap<String, BTreeSet<String>>,
    /// Errors of the parsers of files, media and templates.
    parser_errors: BTreeSet<String>,
}

/// Reads one file.
struct Reader<'a> {
    texts: &'a mut Texts,
    constants: BTreeMap<String, String>,
    /// Sentences of the current function that belong to no code yet.
    sentences: BTreeSet<String>,
    /// Codes of the current function without a sentence of their own.
    codes: Vec<(String, u16)>,
}

impl Reader<'_> {
    /// Returns the text of a literal, of a constant, or of the first literal of a macro such as `format!`.
    fn text(&self, expression: &Expr) -> Option<String> {
        match expression {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            Expr::Macro(call) => strings(call.mac.tokens.clone()).into_iter().next(),
            Expr::Path(path) => self.constants.get(&path.path.segments.last()?.ident.to_string()).cloned(),
            Expr::Reference(reference) => self.text(&reference.expr),
            Expr::MethodCall(call) => self.text(&call.receiver),
            _ => None,
        }
    }

    fn problem(&mut self, code: String, status: u16, detail: Option<&Expr>) {
        match detail.and_then(|detail| self.text(detail)).filter(|text| is_sentence(text)) {
            Some(text) => {
                self.texts.problems.entry((code, status)).or_default().insert(text);
            }
            None => self.codes.push((code, status)),
        }
    }

    fn field(&mut self, pointer: &Expr, expected: &Expr) {
        if let Some(expected) = self.text(expected) {
            let pointer = self.text(pointer).unwrap_or_default();
            self.texts.expected.entry(expected).or_default().insert(pointer);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !module.attrs.iter().any(|attribute| attribute.path().is_ident("cfg")) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_const(&mut self, constant: &'ast ItemConst) {
        if let Some(text) = self.text(&constant.expr) {
            self.constants.insert(constant.ident.to_string(), text);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.function(&function.block);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.function(&function.block);
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        visit::visit_expr_call(self, call);
        let Expr::Path(path) = &*call.func else { return };
        let names: Vec<_> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let names: Vec<_> = names.iter().rev().take(2).rev().map(String::as_str).collect();
        let arguments: Vec<_> = call.args.iter().collect();
        match (names.as_slice(), arguments.as_slice()) {
            (["Problem" | "Self", "new"], [Expr::Lit(status), code, detail]) => {
                let Lit::Int(status) = &status.lit else { return };
                let Some(code) = self.text(code) else { return };
                self.problem(code, status.base10_parse().unwrap(), Some(detail));
            }
            (["Problem" | "Self", "forbidden"], [code, detail]) => {
                let Some(code) = self.text(code) else { return };
                self.problem(code, 403, Some(detail));
            }
            (["Problem" | "Self", "unprocessable"], [code, _, detail]) => {
                let Some(code) = self.text(code) else { return };
                self.problem(code, 422, Some(detail));
            }
            (["Problem" | "Self", "changed"], [detail]) => {
                self.problem("unavailable".into(), 503, Some(detail));
            }
            (["Problem" | "Self", "malformed"], [detail]) => {
                self.problem("malformed".into(), 400, Some(detail));
            }
            (["Problem" | "Self", "bad_field"] | ["FieldError", "new"], [pointer, expected]) => {
                self.field(pointer, expected);
            }
            _ => {}
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        visit::visit_expr_method_call(self, call);
        let arguments: Vec<_> = call.args.iter().collect();
        if let ("add" | "with_error", [pointer, expected]) =
            (call.method.to_string().as_str(), arguments.as_slice())
        {
            self.field(pointer, expected);
        }
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        let name = call.path.segments.last().unwrap().ident.to_string();
        if name == "format" {
            self.sentences.extend(strings(call.tokens.clone()).into_iter().filter(|text| is_sentence(text)));
        }
    }

    fn visit_lit_str(&mut self, literal: &'ast LitStr) {
        if is_sentence(&literal.value()) {
            self.sentences.insert(literal.value());
        }
    }

    fn visit_attribute(&mut self, _: &'ast Attribute) {} // descriptions of the OpenAPI document
}

impl Reader<'_> {
    fn function(&mut self, block: &Block) {
        self.visit_block(block);
        let known: BTreeSet<_> = self.texts.problems.values().flatten().cloned().collect();
        let sentences: BTreeSet<_> =
            std::mem::take(&mut self.sentences).difference(&known).cloned().collect();
        let codes = std::mem::take(&mut self.codes);
        if codes.is_empty() {
            self.texts.other_details.extend(sentences.clone());
        }
        for code in codes {
            self.texts.problems.entry(code).or_default().extend(sentences.clone());
        }
    }
}

/// Collects `#[error("…")]`.
struct Errors<'a>(&'a mut BTreeSet<String>);

impl<'ast> Visit<'ast> for Errors<'_> {
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if attribute.path().is_ident("error")
            && let Ok(list) = attribute.meta.require_list()
        {
            self.0.extend(strings(list.tokens.clone()).into_iter().next());
        }
    }
}

fn strings(tokens: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Literal(literal) => {
                found.extend(syn::parse_str::<LitStr>(&literal.to_string()).map(|text| text.value()));
            }
            TokenTree::Group(group) => found.extend(strings(group.stream())),
            _ => {}
        }
    }
    found
}

fn is_sentence(text: &str) -> bool {
    text.ends_with('.') && text.contains(' ')
}

fn sources(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        let mut entries: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for entry in &entries {
            sources(entry, found);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        found.push(path.to_owned());
    }
}

/// Returns the source folders of the functions that use `shared-http`.
fn http_functions() -> Vec<PathBuf> {
    let functions = fs::read_dir(format!("{ROOT}/functions")).unwrap().map(|entry| entry.unwrap().path());
    let is_http = |function: &PathBuf| {
        fs::read_to_string(function.join("Cargo.toml"))
            .is_ok_and(|manifest| manifest.contains("shared-http."))
    };
    functions.filter(is_http).map(|function| function.join("src")).collect()
}

fn texts() -> Texts {
    let mut texts = Texts::default();
    let mut files = Vec::new();
    for folder in &http_functions() {
        sources(folder, &mut files);
    }
    sources(Path::new(&format!("{ROOT}/shared/http/src")), &mut files);
    sources(Path::new(&format!("{ROOT}/shared/domain/src")), &mut files);
    for path in files {
        let file = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
        let path = path.to_string_lossy();
        if PARSERS.iter().any(|parser| path.contains(parser)) {
            Errors(&mut texts.parser_errors).visit_file(&file);
        }
        let sentences_before = texts.other_details.clone();
        let mut reader = Reader {
            texts: &mut texts,
            constants: BTreeMap::new(),
            sentences: BTreeSet::new(),
            codes: Vec::new(),
        };
        for item in &file.items {
            if let syn::Item::Const(constant) = item {
                reader.visit_item_const(constant);
            }
        }
        reader.visit_file(&file);
        if path.contains("/shared/domain/") {
            texts.other_details = sentences_before; // texts of messages and of the registration
        }
    }
    let known: BTreeSet<_> = texts.problems.values().flatten().cloned().collect();
    texts.other_details.retain(|text| !known.contains(text));
    texts
}

fn title(code: &str) -> String {
    shared_http::problem::Problem::new(500, Box::leak(code.to_owned().into_boxed_str()), "").title()
}

/// Writes a text as a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[test]
fn the_page_lists_all_problems_and_field_errors() {
    let texts = texts();
    assert!(texts.problems.len() > 40, "{} codes were found", texts.problems.len());
    let mut table = String::from("| Code | Status | Title | Details |\n|---|---|---|---|\n");
    for ((code, status), details) in &texts.problems {
        let details: Vec<_> = details.iter().map(|detail| cell(detail)).collect();
        let details = details.join("<br>");
        writeln!(table, "| `{code}` | {status} | {} | {details} |", title(code)).unwrap();
    }
    assert_block(PAGE, "problems", &table);

    let list: String = texts.other_details.iter().fold(String::new(), |list, text| list + "- " + text + "\n");
    assert_block(PAGE, "other details", &list);

    assert!(texts.expected.len() > 40, "{} field errors were found", texts.expected.len());
    let mut table = String::from("| Expected | Fields |\n|---|---|\n");
    for (expected, pointers) in &texts.expected {
        let pointers: Vec<_> =
            pointers.iter().filter(|name| !name.is_empty()).map(|name| format!("`{name}`")).collect();
        writeln!(table, "| {} | {} |", cell(expected), pointers.join(", ")).unwrap();
    }
    assert_block(PAGE, "field errors", &table);

    let list: String = texts.parser_errors.iter().fold(String::new(), |list, text| list + "- " + text + "\n");
    assert_block(PAGE, "parser errors", &list);
}
