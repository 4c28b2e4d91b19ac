//! The table of codes against what errors produce, and against the documentation.

use super::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Files whose `fn code` names the codes of errors that reach the API.
const CODED: [&str; 7] = [
    "escrow/wish/refused.rs",
    "escrow/task/refused.rs",
    "escrow/charter/error.rs",
    "escrow/keys.rs",
    "escrow/settlement/read/error.rs",
    "nip98.rs",
    "webhooks.rs",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn source(path: &str) -> String {
    std::fs::read_to_string(root().join("src").join(path)).unwrap()
}

/// The text literals right after `mark`, white space aside.
fn literals_after<'a>(text: &'a str, mark: &str) -> Vec<Option<&'a str>> {
    let literal =
        |rest: &'a str| rest.trim_start_matches(['{', ' ', '\n']).strip_prefix('"')?.split('"').next();
    text.split(mark).skip(1).map(literal).collect()
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().unwrap() != "tests" {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") && path.file_name().unwrap() != "tests.rs" {
            found.push(path);
        }
    }
}

/// Every code that the sources can produce.
fn produced() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for path in CODED {
        let text = source(path);
        let body = text.split("fn code(&self)").nth(1).unwrap();
        let body = &body[..body.find("\n    }\n").unwrap()];
        let found: Vec<&str> = literals_after(body, "=>").into_iter().flatten().collect();
        assert!(found.len() > 5, "{path}: {found:?}");
        codes.extend(found.into_iter().map(str::to_owned));
    }
    let mapped = source("web/error.rs");
    let mapped = mapped.split("let code = match &error").nth(1).unwrap();
    codes.extend(literals_after(mapped, "=>").into_iter().flatten().map(str::to_owned));
    codes.extend(["journal_failed", "internal"].map(str::to_owned));
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        for code in literals_after(&text, "ApiError::new(") {
            // The one place that hands a mapped code on.
            let code = code.or(path.ends_with("web/error.rs").then_some("internal"));
            codes.insert(
                code.unwrap_or_else(|| panic!("{}: a code is no literal", path.display())).to_owned(),
            );
        }
    }
    codes
}

#[test]
fn the_table_has_every_code_and_no_other() {
    let listed: BTreeSet<String> = CODES.iter().map(|entry| entry.code.to_owned()).collect();
    assert_eq!(listed.len(), CODES.len(), "a code stands twice");
    let produced = produced();
    let missing: Vec<_> = produced.difference(&listed).collect();
    let idle: Vec<_> = listed.difference(&produced).collect();
    assert!(missing.is_empty() && idle.is_empty(), "missing: {missing:?}; nothing produces: {idle:?}");
    for Entry { code, status, title, meaning, hint } in CODES {
        assert!((400..600).contains(status), "{code}");
        assert!(code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{code}");
        assert!(!title.ends_with('.') && meaning.ends_with('.') && hint.ends_with('.'), "{code}");
    }
}

#[test]
fn the_documentation_lists_the_same() {
    let text = std::fs::read_to_string(root().join("docs/API.md")).unwrap();
    let errors = text.split("## Errors").nth(1).unwrap();
    let mut documented = BTreeMap::new();
    for line in errors.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let Ok(status) = cells[0].parse::<u16>() else { continue };
        for code in cells[2].split('`').skip(1).step_by(2) {
            assert_eq!(documented.insert(code, status), None, "{code} stands twice");
        }
    }
    let table: BTreeMap<&str, u16> = CODES.iter().map(|entry| (entry.code, entry.status)).collect();
    assert_eq!(documented, table);
}
