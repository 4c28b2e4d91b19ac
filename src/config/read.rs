//! How settings are read: key by key from one TOML table, each overridden by its `UPFRONT_*` variable. What is
//! wrong is collected, so that an operator hears of everything at once. Knows no setting by name.

use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// What a setting can be made from.
pub trait Setting: Sized {
    /// From the file.
    fn from_toml(value: &toml::Value) -> Result<Self, String>;
    /// From a variable.
    fn from_text(text: &str) -> Result<Self, String>;
    /// As it is shown to the operator.
    fn shown(&self) -> String;
}

/// Settings written as a TOML string.
macro_rules! text_settings {
    ($($type:ty),+ $(,)?) => {$(
        impl $crate::config::read::Setting for $type {
            fn from_toml(value: &toml::Value) -> Result<Self, String> {
                match value.as_str() {
                    Some(text) => Self::from_text(text),
                    None => Err(format!("{value} must be text, in quotation marks")),
                }
            }
            fn from_text(text: &str) -> Result<Self, String> {
                text.parse().map_err(|error| format!("{text:?}: {error}"))
            }
            fn shown(&self) -> String {
                self.to_string()
            }
        }
    )+};
}
pub(crate) use text_settings;

/// Settings written as a TOML integer.
macro_rules! number_settings {
    ($($type:ty),+) => {$(
        impl Setting for $type {
            fn from_toml(value: &toml::Value) -> Result<Self, String> {
                let number = value.as_integer().ok_or_else(|| format!("{value} must be a whole number"))?;
                number.try_into().map_err(|_| {
                    format!("{number} is out of range: from {} to {}", <$type>::MIN, <$type>::MAX)
                })
            }
            fn from_text(text: &str) -> Result<Self, String> {
                text.parse().map_err(|error| format!("{text:?}: {error}"))
            }
            fn shown(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

text_settings!(String, std::net::SocketAddr);
number_settings!(u16, u32, u64, usize);

impl Setting for bool {
    fn from_toml(value: &toml::Value) -> Result<bool, String> {
        value.as_bool().ok_or_else(|| format!("{value} must be true or false"))
    }
    fn from_text(text: &str) -> Result<bool, String> {
        text.parse().map_err(|_| format!("{text:?} must be true or false"))
    }
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Setting for PathBuf {
    fn from_toml(value: &toml::Value) -> Result<PathBuf, String> {
        String::from_toml(value).map(PathBuf::from)
    }
    fn from_text(text: &str) -> Result<PathBuf, String> {
        Ok(text.into())
    }
    fn shown(&self) -> String {
        self.display().to_string()
    }
}

/// A TOML array, or one value alone; in a variable, parted by commas.
impl<T: Setting> Setting for Vec<T> {
    fn from_toml(value: &toml::Value) -> Result<Vec<T>, String> {
        match value.as_array() {
            Some(values) => values.iter().map(T::from_toml).collect(),
            None => T::from_toml(value).map(|one| vec![one]),
        }
    }
    fn from_text(text: &str) -> Result<Vec<T>, String> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(T::from_text).collect()
    }
    fn shown(&self) -> String {
        self.iter().map(T::shown).collect::<Vec<_>>().join(", ")
    }
}

/// Where a setting's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The file.
    File,
    /// Its variable.
    Environment,
    /// Neither: the default.
    Default,
}

/// A setting as it is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Effective {
    /// Its key, dotted where it is in a section.
    pub key: &'static str,
    /// The variable that overrides it.
    pub variable: String,
    /// Its value, or `(hidden)`; absent while it is not set.
    pub value: Option<String>,
    /// Where that comes from.
    pub source: Source,
}

/// Something wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The key.
    pub key: String,
    /// What is wrong, and what to do.
    pub detail: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.detail)
    }
}

/// Name of the variable that overrides a key: `checkpoint.height` is `UPFRONT_CHECKPOINT_HEIGHT`.
pub fn variable_of(key: &str) -> String {
    format!("UPFRONT_{}", key.replace('.', "_").to_uppercase())
}

/// Reads settings one after the other, and notes which there are.
pub struct Reader<'a> {
    file: toml::Table,
    variable: &'a dyn Fn(&str) -> Option<String>,
    settings: Vec<Effective>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// Over a file's table and the environment.
    pub fn new(file: toml::Table, variable: &'a dyn Fn(&str) -> Option<String>) -> Reader<'a> {
        Reader { file, variable, settings: Vec::new(), problems: Vec::new() }
    }

    /// Notes that something is wrong with `key`.
    pub fn problem(&mut self, key: &str, detail: impl Into<String>) {
        self.problems.push(Problem { key: key.to_owned(), detail: detail.into() });
    }

    /// A setting that need not be there.
    pub fn optional<T: Setting>(&mut self, key: &'static str) -> Option<T> {
        self.look(key, None, T::shown)
    }

    /// A setting with a default.
    pub fn or<T: Setting>(&mut self, key: &'static str, otherwise: T) -> T {
        self.look(key, Some(otherwise.shown()), T::shown).unwrap_or(otherwise)
    }

    /// A setting that must be there.
    pub fn required<T: Setting>(&mut self, key: &'static str) -> Option<T> {
        let before = self.problems.len();
        let value = self.optional(key);
        if value.is_none() && self.problems.len() == before {
            let variable = variable_of(key);
            self.problem(key, format!("is not set: put it into the configuration file, or set {variable}"));
        }
        value
    }

    /// A setting that must never be shown.
    pub fn secret<T: Setting>(&mut self, key: &'static str) -> Option<T> {
        self.look(key, None, |_| "(hidden)".to_owned())
    }

    fn look<T: Setting>(
        &mut self,
        key: &'static str,
        otherwise: Option<String>,
        shown: impl Fn(&T) -> String,
    ) -> Option<T> {
        let variable = variable_of(key);
        let (found, source) = match (self.variable)(&variable) {
            Some(text) => (Some(T::from_text(&text)), Source::Environment),
            None => match at(&self.file, key) {
                Some(value) => (Some(T::from_toml(value)), Source::File),
                None => (None, Source::Default),
            },
        };
        let value = match found {
            Some(Ok(value)) => Some(value),
            Some(Err(detail)) => {
                let from =
                    if source == Source::Environment { format!(" (from {variable})") } else { String::new() };
                self.problem(key, format!("{detail}{from}"));
                None
            }
            None => None,
        };
        let text = value.as_ref().map(shown).or(otherwise);
        self.settings.push(Effective { key, variable, value: text, source });
        value
    }

    /// Ends the reading: keys of the file that nobody asked for are problems too.
    pub fn finish(mut self) -> (Vec<Effective>, Vec<Problem>) {
        let mut unknown = Vec::new();
        leaves(&self.file, "", &mut unknown);
        // A setting may be a table itself: what is in it was its own to judge.
        let within = |key: &str, of: &str| {
            key.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        unknown.retain(|key| !self.settings.iter().any(|setting| within(key, setting.key)));
        for key in unknown {
            let keys = self.settings.iter().map(|setting| setting.key);
            let detail = match nearest(&key, keys) {
                Some(known) => format!("there is no such key; did you mean {known}?"),
                None => "there is no such key: `upfront config init` prints them all".to_owned(),
            };
            self.problem(&key, detail);
        }
        (self.settings, self.problems)
    }
}

fn at<'t>(table: &'t toml::Table, key: &str) -> Option<&'t toml::Value> {
    match key.split_once('.') {
        None => table.get(key),
        Some((section, rest)) => at(table.get(section)?.as_table()?, rest),
    }
}

/// The dotted keys of all values.
pub(crate) fn leaves(table: &toml::Table, under: &str, keys: &mut Vec<String>) {
    for (key, value) in table {
        let key = if under.is_empty() { key.clone() } else { format!("{under}.{key}") };
        match value.as_table() {
            Some(section) if !section.is_empty() => leaves(section, &key, keys),
            _ => keys.push(key),
        }
    }
}

/// The known key that `key` was probably meant to be: few letters apart for its length, or one beginning
/// with the other.
fn nearest(key: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let rank = |candidate: &'static str| {
        let apart = distance(key, candidate);
        let begins = candidate.starts_with(key) || key.starts_with(candidate);
        (begins || apart <= 1 + key.len() / 4).then_some((apart, candidate))
    };
    known.filter_map(rank).min().map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, with neighbours swapped counted as one (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let same = usize::from(a[i - 1] != b[j - 1]);
                let mut least = (rows[i - 1][j - 1] + same).min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    least = least.min(rows[i - 2][j - 2] + 1);
                }
                least
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_the_one_meant() {
        let keys = || ["listen", "network", "max_tasks", "checkpoint.height"].into_iter();
        assert_eq!(nearest("lisetn", keys()), Some("listen"));
        assert_eq!(nearest("listen_on", keys()), Some("listen"));
        assert_eq!(nearest("max_task", keys()), Some("max_tasks"));
        assert_eq!(nearest("checkpoint", keys()), Some("checkpoint.height"));
        assert_eq!(nearest("colour", keys()), None);
    }

    #[test]
    fn values_are_of_their_kind() {
        let one = |text: &str| text.parse::<toml::Table>().unwrap()["v"].clone();
        assert_eq!(u64::from_toml(&one("v = 5")), Ok(5));
        assert!(u64::from_toml(&one("v = -5")).unwrap_err().contains("out of range"));
        assert!(u64::from_toml(&one("v = '5'")).unwrap_err().contains("whole number"));
        assert!(String::from_toml(&one("v = 5")).unwrap_err().contains("quotation marks"));
        assert_eq!(Vec::<u16>::from_toml(&one("v = [1, 2]")), Ok(vec![1, 2]));
        assert_eq!(Vec::<u16>::from_toml(&one("v = 3")), Ok(vec![3]));
        assert_eq!(Vec::<u16>::from_text("1, 2,"), Ok(vec![1, 2]));
        assert_eq!(bool::from_text("true"), Ok(true));
        assert!(bool::from_text("yes").is_err());
    }

    #[test]
    fn secrets_are_not_shown() {
        let file: toml::Table = "pass = 'hunter2'".parse().unwrap();
        let none = |_: &str| None;
        let mut reader = Reader::new(file, &none);
        assert_eq!(reader.secret::<String>("pass").as_deref(), Some("hunter2"));
        let (settings, _) = reader.finish();
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
