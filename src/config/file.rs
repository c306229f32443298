//! The file as written: one tree of values, the environment's over the file's, read section by section.
//!
//! A [`Section`] remembers which keys were asked of it, so that whatever else stands there is a fault. A
//! value that is missing or wrong is reported and read as `None`; checking goes on.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;

use toml::{Table, Value};

use super::value::{Raw, Wrong, nearest};
use super::{Fault, Faults, Warning};

/// The file, with what the environment overrides.
pub(super) struct Document {
    root: Table,
    /// Dotted path → variable, for the values that come from the environment.
    from_env: BTreeMap<String, String>,
    /// Variables that begin like ours and set nothing.
    strays: BTreeSet<String>,
    report: Report,
}

/// What was found so far.
#[derive(Default)]
struct Report {
    faults: RefCell<Vec<Fault>>,
    warnings: RefCell<Vec<Warning>>,
    /// Every key that was asked for, names of applications and upstreams written as `*`.
    known: RefCell<BTreeSet<String>>,
}

impl Document {
    /// Parses `text` and lays the variables of `env` named `RELAIS_SECTION__KEY` over it.
    pub(super) fn read(text: &str, env: impl IntoIterator<Item = (String, String)>) -> Result<Self, Faults> {
        let root = text.parse::<Table>().map_err(|error| Faults(vec![syntax(text, &error)]))?;
        let from_env = BTreeMap::new();
        let mut document = Self { root, from_env, strays: BTreeSet::new(), report: Report::default() };
        // In order, so that a section comes before what is in it.
        let variables: BTreeMap<_, _> =
            env.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
        for (name, value) in variables {
            if name.contains("__") {
                document.set(&name, value);
            } else if !is_of_a_cluster(&name) {
                document.strays.insert(name);
            }
        }
        Ok(document)
    }

    /// The top of the tree.
    pub(super) fn root(&self) -> Section<'_> {
        Section {
            document: self,
            path: String::new(),
            pattern: String::new(),
            table: Some(&self.root),
            asked: RefCell::default(),
        }
    }

    /// Ends the checking: what was found, or `config` with the warnings.
    pub(super) fn verdict<T>(&self, config: Option<T>) -> Result<(T, Vec<Warning>), Faults> {
        let faults = self.report.faults.take();
        let mut warnings = self.report.warnings.take();
        warnings.extend(self.strays.iter().map(|name| self.stray(name)));
        match config {
            Some(config) if faults.is_empty() => Ok((config, warnings)),
            _ => Err(Faults(faults)),
        }
    }

    /// What to say of a variable that sets nothing.
    fn stray(&self, name: &str) -> Warning {
        let known = self.report.known.borrow();
        let spelled = |variable: &String| variable.replace("__", "_") == name;
        let text = match known.iter().map(|path| variable(path)).find(spelled) {
            Some(meant) => format!("this variable sets nothing: did you mean {meant}?"),
            None => "this variable sets nothing: two underscores stand between section and key".to_owned(),
        };
        Warning { path: name.to_owned(), text }
    }

    /// Every key that was asked for.
    #[cfg(test)]
    pub(super) fn known(&self) -> BTreeSet<String> {
        self.report.known.borrow().clone()
    }

    /// Puts one variable's value in its place. A name in the file is found whatever its case, and `-` as `_`.
    fn set(&mut self, variable: &str, value: String) {
        let mut table = &mut self.root;
        let mut path = String::new();
        let mut segments = variable.trim_start_matches(PREFIX).split("__").peekable();
        while let Some(segment) = segments.next() {
            let wanted = folded(segment);
            let key = table.keys().find(|key| folded(key) == wanted).cloned().unwrap_or(wanted);
            path = join(&path, &key);
            if segments.peek().is_none() {
                table.insert(key, written(value));
                self.from_env.insert(path, variable.to_owned());
                return;
            }
            match table.entry(key).or_insert_with(|| Value::Table(Table::new())) {
                Value::Table(next) => table = next,
                _ => break,
            }
        }
        self.report.faults.borrow_mut().push(Fault {
            path,
            wrong: format!("is no section, so {variable} can set nothing in it"),
            right: "unset the variable, or make it a section".to_owned(),
        });
    }
}

/// Variables start with this.
const PREFIX: &str = "RELAIS_";

/// Whether Kubernetes sets a variable, where a service has our name: `RELAIS_SERVICE_HOST`, `RELAIS_PORT_8080_TCP_ADDR`.
fn is_of_a_cluster(name: &str) -> bool {
    let digit = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name
            .split_once("_PORT")
            .is_some_and(|(_, rest)| rest.is_empty() || rest.strip_prefix('_').is_some_and(digit))
}

/// The variable that overrides the value at `path`.
pub(super) fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").replace('-', "_").to_ascii_uppercase())
}

/// A list or a table is written in a variable as in the file; everything else is text.
fn written(value: String) -> Value {
    let structured = value.trim_start().starts_with(['[', '{']);
    let parsed = structured.then(|| Value::from_str(&value).ok()).flatten();
    parsed.unwrap_or(Value::String(value))
}

fn folded(key: &str) -> String {
    key.to_ascii_lowercase().replace('-', "_")
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn syntax(text: &str, error: &toml::de::Error) -> Fault {
    let at = error.span().map_or(0, |span| span.start);
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Fault {
        path: format!("line {line}, column {column}"),
        wrong: format!("is not TOML ({})", error.message().trim().replace('\n', ", ")),
        right: "see https://toml.io".to_owned(),
    }
}

/// One table of the tree, or the empty one where there is none.
pub(super) struct Section<'d> {
    document: &'d Document,
    path: String,
    pattern: String,
    table: Option<&'d Table>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'d> Section<'d> {
    /// The value of `key`, if it is there and right.
    pub(super) fn optional<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&Raw<'_>) -> Result<T, Wrong>,
    ) -> Option<T> {
        self.ask(key);
        let path = join(&self.path, key);
        let env = self.document.from_env.contains_key(&path);
        let value = self.table?.get(key)?;
        match read(&Raw { value, env }) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.fault(key, wrong);
                None
            }
        }
    }

    /// The value of `key`, whose absence is a fault; `example` says what would be right.
    pub(super) fn required<T>(
        &self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&Raw<'_>) -> Result<T, Wrong>,
    ) -> Option<T> {
        if !self.has(key) {
            self.fault(key, Wrong::new("is missing", example));
        }
        self.optional(key, read)
    }

    /// The value of `key`, or `default` if it is absent or wrong.
    pub(super) fn or<T>(
        &self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Raw<'_>) -> Result<T, Wrong>,
    ) -> T {
        self.optional(key, read).unwrap_or(default)
    }

    /// Whether `key` has a value, right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// The table at `key`; the empty one if there is none.
    pub(super) fn section(&self, key: &'static str) -> Section<'d> {
        self.ask(key);
        let table = self.table.and_then(|table| table.get(key)).and_then(|value| self.as_table(key, value));
        Section {
            document: self.document,
            path: join(&self.path, key),
            pattern: join(&self.pattern, key),
            table,
            asked: RefCell::default(),
        }
    }

    /// The named tables at `key`: `[upstream.fc]`, `[upstream.pc]`.
    pub(super) fn named(&self, key: &'static str) -> Vec<(&'d str, Section<'d>)> {
        self.ask(key);
        let Some(value) = self.table.and_then(|table| table.get(key)) else { return Vec::new() };
        let Some(table) = self.as_table(key, value) else { return Vec::new() };
        let children = table.iter().filter_map(|(name, value)| {
            let path = format!("{key}.{name}");
            let table = self.as_table(&path, value)?;
            let child = Section {
                document: self.document,
                path: join(&self.path, &path),
                pattern: join(&self.pattern, &format!("{key}.*")),
                table: Some(table),
                asked: RefCell::default(),
            };
            Some((name.as_str(), child))
        });
        children.collect()
    }

    /// The elements of the array at `key`, each a value and, if it is one, a table; `None` if it is absent.
    pub(super) fn elements(&self, key: &'static str) -> Option<Vec<Element<'d>>> {
        self.ask(key);
        let Value::Array(values) = self.table?.get(key)? else {
            self.fault(key, Wrong::new("is not a list", "write [ … ]"));
            return Some(Vec::new());
        };
        let elements = values.iter().enumerate().map(|(index, value)| {
            let table = value.as_table();
            let section = table.map(|table| Section {
                document: self.document,
                path: format!("{}[{index}]", join(&self.path, key)),
                pattern: format!("{}[]", join(&self.pattern, key)),
                table: Some(table),
                asked: RefCell::default(),
            });
            Element { path: format!("{key}[{index}]"), value, section }
        });
        Some(elements.collect())
    }

    /// Whether `key` comes from the environment.
    pub(super) fn is_from_env(&self, key: &str) -> bool {
        self.document.from_env.contains_key(&join(&self.path, key))
    }

    /// Asks for `key` without its being one that belongs in the file.
    pub(super) fn unwritten(&self, key: &'static str) -> Option<&'d Value> {
        self.asked.borrow_mut().push(key);
        self.table?.get(key)
    }

    /// Reports a fault at `key`.
    pub(super) fn fault(&self, key: &str, wrong: Wrong) {
        let path = self.path_of(key);
        self.document.report.faults.borrow_mut().push(Fault { path, wrong: wrong.wrong, right: wrong.right });
    }

    /// Reports a weak choice at `key`.
    pub(super) fn warn(&self, key: &str, text: &str) {
        let warning = Warning { path: self.path_of(key), text: text.to_owned() };
        self.document.report.warnings.borrow_mut().push(warning);
    }

    /// The dotted path of `key`; of the section itself if it is empty.
    pub(super) fn path_of(&self, key: &str) -> String {
        if key.is_empty() { self.path.clone() } else { join(&self.path, key) }
    }

    /// Reports whatever was not asked for.
    pub(super) fn finish(self) {
        let Some(table) = self.table else { return };
        let asked = self.asked.borrow();
        let mut known: Vec<_> = asked.clone();
        known.sort_unstable();
        known.dedup();
        for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
            let right = match nearest(key, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            let path = self.path_of(key);
            let below = |(set, _): &(&String, &String)| {
                set.strip_prefix(path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let from_env = self.document.from_env.iter().find(below).map(|(_, variable)| variable);
            let wrong = match from_env {
                Some(variable) => format!("unknown key (from {variable})"),
                None => "unknown key".to_owned(),
            };
            self.fault(key, Wrong { wrong, right });
        }
    }

    fn ask(&self, key: &'static str) {
        self.asked.borrow_mut().push(key);
        self.document.report.known.borrow_mut().insert(join(&self.pattern, key));
    }

    fn as_table<'v>(&self, key: &str, value: &'v Value) -> Option<&'v Table> {
        let table = value.as_table();
        if table.is_none() {
            let path = self.path_of(key);
            self.fault(
                key,
                Wrong::new(
                    &format!("is {}", super::value::article(value)),
                    &format!("write a section [{path}]"),
                ),
            );
        }
        table
    }
}

/// One element of an array.
pub(super) struct Element<'d> {
    /// `key[index]`.
    pub(super) path: String,
    /// Its value.
    pub(super) value: &'d Value,
    /// The same, if it is a table.
    pub(super) section: Option<Section<'d>>,
}
