//! Reads the crate as the compiler does, from `lib.rs` down its `mod` declarations, by its tokens: every line of
//! every file, without what is only compiled for tests, wherever it stands.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};

/// One file of the crate.
pub struct File {
    pub path: PathBuf,
    /// Its module: `["web", "idp"]`; empty for the root.
    pub module: Vec<String>,
    /// Whether it is compiled for tests alone.
    pub test: bool,
    /// Its lines outside its tests.
    pub lines: usize,
    pub names: Vec<Name>,
    pub functions: Vec<Function>,
}

/// A path as a file names it, from `crate` on where it begins with `crate`, `self` or `super`.
#[derive(Clone, Debug)]
pub struct Name {
    pub path: Vec<String>,
    pub line: usize,
}

impl Name {
    /// Whether it is `prefix` (`crate::web`), or something in it.
    pub fn is_in(&self, prefix: &str) -> bool {
        let prefix: Vec<&str> = prefix.split("::").collect();
        self.path.len() >= prefix.len() && self.path.iter().zip(&prefix).all(|(own, other)| own == other)
    }
}

/// A function with a body.
#[derive(Debug)]
pub struct Function {
    pub name: String,
    /// The words of what it returns.
    pub returns: BTreeSet<String>,
    /// The lines between its braces.
    pub lines: usize,
}

/// Every file that `root` declares, itself first.
pub fn files(root: &Path) -> Vec<File> {
    let mut found = Vec::new();
    visit(root, &[], false, &mut found);
    found
}

/// The modules that `lib.rs` declares, in its order.
pub fn order(root: &Path) -> Vec<String> {
    let mut order = Vec::new();
    let code = without_tests(&tokens(&fs::read_to_string(root).unwrap()), &mut Vec::new());
    declared(&code, &mut Vec::new(), &mut |module| order.push(module.join("::")));
    order
}

fn visit(path: &Path, module: &[String], test: bool, found: &mut Vec<File>) {
    let text = fs::read_to_string(path).unwrap();
    let all = tokens(&text);
    let mut skipped = Vec::new();
    let code = without_tests(&all, &mut skipped);
    let lines = text.lines().count();
    let in_tests = (1..=lines).filter(|line| skipped.iter().any(|range| range.contains(line))).count();
    found.push(File {
        path: path.to_owned(),
        module: module.to_vec(),
        test,
        lines: lines - in_tests,
        names: names(&code, module),
        functions: functions(&code),
    });
    let declared_by = |tokens: &[TokenTree]| {
        let mut list = Vec::new();
        declared(tokens, &mut Vec::new(), &mut |inner| list.push(inner.to_vec()));
        list
    };
    let for_all = declared_by(&code);
    for inner in declared_by(&all) {
        let is_test = test || !for_all.contains(&inner);
        let module = [module, &inner[..]].concat();
        visit(&file_of(path, &inner), &module, is_test, found);
    }
}

/// Where the module `inner` that `parent` declares is written.
fn file_of(parent: &Path, inner: &[String]) -> PathBuf {
    let stem = parent.file_stem().unwrap().to_str().unwrap();
    let mut place = parent.parent().unwrap().to_owned();
    if !["lib", "main", "mod"].contains(&stem) {
        place.push(stem);
    }
    place.extend(inner);
    let beside = place.with_extension("rs");
    if beside.exists() { beside } else { place.join("mod.rs") }
}

pub fn tokens(text: &str) -> Vec<TokenTree> {
    text.parse::<TokenStream>().unwrap().into_iter().collect()
}

fn is_punct(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}

fn ident(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

fn group(token: Option<&TokenTree>, delimiter: Delimiter) -> Option<&Group> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group),
        _ => None,
    }
}

fn inside(group: &Group) -> Vec<TokenTree> {
    group.stream().into_iter().collect()
}

/// Leaves out each item, statement, field or arm whose attributes say that it is compiled for tests alone, and
/// notes its lines.
pub fn without_tests(tokens: &[TokenTree], skipped: &mut Vec<RangeInclusive<usize>>) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let (mut end, mut test) = (at, false);
        while is_punct(tokens.get(end), '#') {
            let inner = usize::from(is_punct(tokens.get(end + 1), '!'));
            let Some(attribute) = group(tokens.get(end + 1 + inner), Delimiter::Bracket) else { break };
            let implies_test = is_for_tests(&inside(attribute));
            end += 2 + inner;
            if implies_test && inner == 1 {
                skipped.push(lines(tokens[at].span(), tokens[tokens.len() - 1].span()));
                return Vec::new();
            }
            test |= implies_test;
        }
        if test {
            end = end_of_item(tokens, end);
            skipped.push(lines(tokens[at].span(), tokens[end - 1].span()));
            at = end;
            continue;
        }
        for token in &tokens[at..end.max(at + 1)] {
            kept.push(match token {
                TokenTree::Group(group) => {
                    let stream = without_tests(&inside(group), skipped).into_iter().collect();
                    let mut less = Group::new(group.delimiter(), stream);
                    less.set_span(group.span());
                    TokenTree::Group(less)
                }
                other => other.clone(),
            });
        }
        at = end.max(at + 1);
    }
    kept
}

fn lines(first: Span, last: Span) -> RangeInclusive<usize> {
    first.start().line..=last.end().line
}

/// Whether an attribute holds in test builds alone: `test`, `cfg(test)`, `cfg(all(test, …))`.
fn is_for_tests(attribute: &[TokenTree]) -> bool {
    match ident(attribute.first()).as_deref() {
        Some("test") => attribute.len() == 1,
        Some("cfg") => group(attribute.get(1), Delimiter::Parenthesis)
            .is_some_and(|predicate| implies_test(&inside(predicate))),
        _ => false,
    }
}

fn implies_test(predicate: &[TokenTree]) -> bool {
    let list = |token: Option<&TokenTree>| -> Vec<bool> {
        let Some(group) = group(token, Delimiter::Parenthesis) else { return Vec::new() };
        let all = inside(group);
        let parts = all.split(|token| is_punct(Some(token), ','));
        parts.filter(|part| !part.is_empty()).map(implies_test).collect()
    };
    match (ident(predicate.first()).as_deref(), predicate.len()) {
        (Some("test"), 1) => true,
        (Some("all"), 2) => list(predicate.get(1)).contains(&true),
        (Some("any"), 2) => !list(predicate.get(1)).contains(&false),
        _ => false,
    }
}

/// The token after the item that begins at `start`: after its block, its `;`, or its `,`.
fn end_of_item(tokens: &[TokenTree], start: usize) -> usize {
    let mut first = start;
    let mut word = ident(tokens.get(first));
    while matches!(word.as_deref(), Some("pub" | "default" | "async" | "unsafe" | "extern"))
        || word.as_deref() == Some("const") && ident(tokens.get(first + 1)).as_deref() == Some("fn")
    {
        first += 1;
        while matches!(tokens.get(first), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
            || matches!(tokens.get(first), Some(TokenTree::Literal(_)))
        {
            first += 1;
        }
        word = ident(tokens.get(first));
    }
    let word = word.unwrap_or_default();
    let to_semicolon = ["use", "static", "const", "type", "let", "crate"].contains(&word.as_str());
    let to_block = [
        "fn",
        "mod",
        "struct",
        "enum",
        "union",
        "trait",
        "impl",
        "macro_rules",
        "if",
        "match",
        "for",
        "while",
        "loop",
        "",
    ];
    let to_block = to_block.contains(&word.as_str());
    let is_field = is_punct(tokens.get(first + 1), ':') && !is_punct(tokens.get(first + 2), ':');
    let mut angles = 0_i32;
    for (at, token) in tokens.iter().enumerate().skip(first) {
        let arrow = at > first && (is_punct(tokens.get(at - 1), '-') || is_punct(tokens.get(at - 1), '='));
        match token {
            TokenTree::Punct(punct) => match punct.as_char() {
                ';' => return at + 1,
                ',' if !to_semicolon && !to_block && angles == 0 => return at + 1,
                '<' if is_field => angles += 1,
                '>' if is_field && !arrow => angles -= 1,
                _ => {}
            },
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                let is_arm = at > first && is_punct(tokens.get(at - 1), '>') && arrow_before(tokens, at);
                if to_block && ident(tokens.get(at + 1)).as_deref() != Some("else") {
                    return at + 1;
                }
                if is_arm {
                    return if is_punct(tokens.get(at + 1), ',') { at + 2 } else { at + 1 };
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// Whether `=>` stands before `at`.
fn arrow_before(tokens: &[TokenTree], at: usize) -> bool {
    at > 1 && is_punct(tokens.get(at - 2), '=')
}

/// The modules that stand in files of their own.
fn declared(tokens: &[TokenTree], module: &mut Vec<String>, each: &mut dyn FnMut(&[String])) {
    for (at, token) in tokens.iter().enumerate() {
        if ident(Some(token)).as_deref() != Some("mod") {
            continue;
        }
        let Some(name) = ident(tokens.get(at + 1)) else { continue };
        module.push(name);
        if is_punct(tokens.get(at + 2), ';') {
            each(module);
        } else if let Some(body) = group(tokens.get(at + 2), Delimiter::Brace) {
            declared(&inside(body), module, each);
        }
        module.pop();
    }
}

/// Every path of two parts or more, and every path that is imported.
pub fn names(tokens: &[TokenTree], module: &[String]) -> Vec<Name> {
    let mut found = Vec::new();
    collect(tokens, module, &mut found);
    found
}

fn collect(tokens: &[TokenTree], module: &[String], found: &mut Vec<Name>) {
    let mut at = 0;
    while at < tokens.len() {
        let word = ident(tokens.get(at));
        match word.as_deref() {
            Some("mod") => {
                if let (Some(name), Some(body)) =
                    (ident(tokens.get(at + 1)), group(tokens.get(at + 2), Delimiter::Brace))
                {
                    let inner = [module, &[name]].concat();
                    collect(&inside(body), &inner, found);
                    at += 3;
                    continue;
                }
            }
            Some("use") if !is_punct(tokens.get(at + 1), '<') => {
                let length = tokens[at..].iter().position(|token| is_punct(Some(token), ';'));
                let end = length.map_or(tokens.len(), |length| at + length);
                imports(&tokens[at + 1..end], &[], module, found);
                at = end;
                continue;
            }
            Some("extern") if ident(tokens.get(at + 1)).as_deref() == Some("crate") => {
                let path = ident(tokens.get(at + 2)).into_iter().collect();
                found.push(Name { path, line: tokens[at].span().start().line });
                at += 3;
                continue;
            }
            Some(_) if begins_a_path(tokens, at) => {
                let (path, end) = path_from(tokens, at);
                if path.len() > 1 {
                    found.push(Name { path: resolved(path, module), line: tokens[at].span().start().line });
                }
                at = end;
                continue;
            }
            _ => {}
        }
        if let Some(TokenTree::Group(group)) = tokens.get(at) {
            collect(&inside(group), module, found);
        }
        at += 1;
    }
}

/// Not after a dot, and not after the `::` of a longer path.
fn begins_a_path(tokens: &[TokenTree], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).and_then(|place| tokens.get(place));
    if is_punct(before(1), '.') && !is_punct(before(2), '.') {
        return false;
    }
    let continues = is_punct(before(1), ':') && is_punct(before(2), ':');
    !continues || !(is_punct(before(3), '>') || ident(before(3)).is_some())
}

/// The words of the path that begins at `at`, and where it ends.
fn path_from(tokens: &[TokenTree], mut at: usize) -> (Vec<String>, usize) {
    let mut path = Vec::new();
    while let Some(word) = ident(tokens.get(at)) {
        path.push(word);
        at += 1;
        if !(is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')) {
            break;
        }
        at += 2;
    }
    (path, at)
}

/// One tree of a `use`, or the list in its braces.
fn imports(tokens: &[TokenTree], prefix: &[String], module: &[String], found: &mut Vec<Name>) {
    for tree in tokens.split(|token| is_punct(Some(token), ',')) {
        let Some(first) = tree.first() else { continue };
        let skipped = if is_punct(Some(first), ':') { 2 } else { 0 };
        let (own, end) = path_from(tree, skipped);
        let line = first.span().start().line;
        let mut path = [prefix, &own].concat();
        if path.len() > 1 && path.last().is_some_and(|word| word == "self") {
            path.pop();
        }
        if let Some(list) = group(tree.get(end), Delimiter::Brace) {
            imports(&inside(list), &path, module, found);
            continue;
        }
        if is_punct(tree.get(end), '*') {
            path.push("*".to_owned());
        }
        found.push(Name { path: resolved(path, module), line });
    }
}

/// `self` and `super` become what they stand for.
fn resolved(path: Vec<String>, module: &[String]) -> Vec<String> {
    let supers = path.iter().skip_while(|word| *word == "self").take_while(|word| *word == "super").count();
    let selves = path.iter().take_while(|word| *word == "self").count();
    if supers + selves == 0 {
        return path;
    }
    let depth = module.len().saturating_sub(supers);
    let rest = path.into_iter().skip(supers + selves);
    std::iter::once("crate".to_owned()).chain(module[..depth].iter().cloned()).chain(rest).collect()
}

/// Every function with a body, those in `impl` blocks too.
fn functions(tokens: &[TokenTree]) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if let TokenTree::Group(group) = token {
            found.extend(functions(&inside(group)));
        }
        let (Some("fn"), Some(name)) = (ident(Some(token)).as_deref(), ident(tokens.get(at + 1))) else {
            continue;
        };
        let signature = tokens[at..].iter().take_while(|token| {
            !is_punct(Some(token), ';') && group(Some(token), Delimiter::Brace).is_none()
        });
        let signature: Vec<&TokenTree> = signature.collect();
        let Some(body) = group(tokens.get(at + signature.len()), Delimiter::Brace) else { continue };
        let after_arrow =
            signature.iter().skip_while(|token| group(Some(token), Delimiter::Parenthesis).is_none());
        let returns = after_arrow.skip(1).filter_map(|token| ident(Some(token)));
        let (open, close) = (body.span_open().start().line, body.span_close().start().line);
        found.push(Function { name, returns: returns.collect(), lines: (close - open).saturating_sub(1) });
    }
    found
}
