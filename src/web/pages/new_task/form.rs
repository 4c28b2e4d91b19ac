//! The form: from what a person put in to a charter, or to what is wrong, field by field. The rules and defaults are
//! those of the command line (`draft.rs`); here texts become its values, and errors find their field.

mod reading;

use super::fields::{Choice, Field, Input, Section, sections};
use super::refused::{draft_in_words, field_of, in_words};
use super::wished::{Wish, lines};
use crate::draft::{Draft, DraftError, Ground, NOMINATED_BY, Times};
use crate::escrow::charter::Charter;
use crate::escrow::network::Network;
use crate::web::pages::pieces;
use std::collections::BTreeMap;

/// Longest title: a list shows 120 characters of the text's first line.
const MAX_TITLE_CHARS: usize = 100;
/// Longest text of a task, with its title.
const MAX_TEXT_BYTES: usize = 65_536;

/// What was put in, and what is wrong with it.
pub struct Form {
    network: Network,
    wish: Option<Wish>,
    values: BTreeMap<&'static str, String>,
    errors: BTreeMap<String, String>,
}

/// A charter with the text it names.
pub struct Drafted {
    /// The charter.
    pub charter: Charter,
    /// The text.
    pub text: String,
}

/// A field as it is shown.
pub struct Shown<'a> {
    /// What it is.
    pub field: Field,
    /// What is in it.
    pub value: &'a str,
    /// What is wrong with it.
    pub error: Option<&'a str>,
    /// Where what is in it comes from.
    pub origin: Option<&'a str>,
    /// What may be chosen; empty where it is typed.
    pub choices: Vec<Choice>,
    /// Its type in HTML.
    pub kind: &'static str,
}

impl Shown<'_> {
    /// Whether it is put in one line.
    pub fn is_line(&self) -> bool {
        !matches!(self.field.input, Input::Text | Input::Check | Input::Choice(_))
    }

    /// Whether its letters have one width.
    pub fn is_mono(&self) -> bool {
        matches!(self.field.input, Input::Mono | Input::Key)
    }

    /// Whether it is a key, which the page looks at before anything is sent.
    pub fn is_key(&self) -> bool {
        self.field.input == Input::Key
    }

    /// Whether it is a number.
    pub fn is_number(&self) -> bool {
        self.field.input == Input::Number
    }

    /// Whether it has several lines.
    pub fn is_text(&self) -> bool {
        self.field.input == Input::Text
    }

    /// Whether it is yes or no.
    pub fn is_check(&self) -> bool {
        self.field.input == Input::Check
    }

    /// Whether an hour cannot be said: a day is chosen, of the weekly grid.
    pub fn is_day(&self) -> bool {
        self.kind == "date"
    }
}

impl Form {
    /// With the defaults, to begin with.
    pub fn begin(network: Network, ground: &Ground) -> Form {
        let regtest = network == Network::Regtest;
        let refund = if regtest {
            "1h".to_owned()
        } else {
            Draft::default()
                .times(network, ground.now_secs)
                .map(|times| day(times.refund))
                .unwrap_or_default()
        };
        let (review, ruling) = if regtest { ("300s", "300s") } else { ("7d", "14d") };
        let values = [
            ("licence", "MIT"),
            ("minimum_pledge_sat", "10000"),
            ("funding_rule", "keep"),
            ("refund_time", refund.as_str()),
            ("review", review),
            ("ruling", ruling),
            ("developer_nominated_by", NOMINATED_BY),
            ("representative_nominated_by", NOMINATED_BY),
            ("arbiter_nominated_by", NOMINATED_BY),
            ("silence", "pay"),
            ("threshold", "66.67"),
            ("quorum", "20"),
            ("vote_opens", "none"),
            ("depth", if regtest { "1" } else { "2" }),
            ("feerate_cap_sat_per_vb", "200"),
        ];
        let values = values.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        Form { network, wish: None, values, errors: BTreeMap::new() }
    }

    /// With what a wish and its project give, to begin with.
    pub fn of_wish(network: Network, ground: &Ground, wish: Wish) -> Form {
        let mut form = Form::begin(network, ground);
        form.values.extend(wish.values());
        form.wish = Some(wish);
        form
    }

    /// For this repository, to begin with.
    pub fn for_repository(mut self, repository: &str) -> Form {
        self.values.insert("repository", repository.to_owned());
        self
    }

    /// The wish it is drafted from.
    pub fn wish(&self) -> Option<&Wish> {
        self.wish.as_ref()
    }

    /// As it was sent. A name that the form does not have may be a misspelt term: it is an error.
    ///
    /// # Errors
    /// The name.
    pub fn sent(
        network: Network,
        wish: Option<Wish>,
        mut given: BTreeMap<String, String>,
    ) -> Result<Form, String> {
        let mut values = BTreeMap::new();
        for field in all(network, wish.is_some()) {
            if let Some(value) = given.remove(field.name) {
                // Browsers end lines in two characters; the text that is hashed has one.
                values.insert(field.name, value.replace("\r\n", "\n"));
            }
        }
        match given.into_keys().next() {
            Some(name) => Err(name),
            None => Ok(Form { network, wish, values, errors: BTreeMap::new() }),
        }
    }

    /// Says that it is drafted from its wish no more, and why.
    pub fn parted(&mut self, why: &str) {
        let words = format!(
            "The wish cannot be drafted from any more: {}. What you wrote is kept below. Give it a title, and propose it as a task of its own.",
            pieces::inert(why.trim_end_matches('.'))
        );
        self.wrong_with("", words);
    }

    /// What is in it, by field.
    pub fn values(&self) -> &BTreeMap<&'static str, String> {
        &self.values
    }

    /// What is wrong, by field. What is of no single field has an empty name.
    pub fn errors(&self) -> &BTreeMap<String, String> {
        &self.errors
    }

    /// The sections.
    pub fn sections(&self) -> [Section; 8] {
        sections(self.network, self.wish.is_some())
    }

    /// Whether a section shows what it holds.
    pub fn opened(&self, section: &Section) -> bool {
        section
            .fields
            .iter()
            .any(|field| self.errors.contains_key(field.name) || self.origin(field.name).is_some())
    }

    /// Where what is in a field comes from, as long as it is what came from there.
    fn origin(&self, name: &str) -> Option<&str> {
        let wish = self.wish.as_ref()?;
        let (_, words) = wish.from.origins.iter().find(|(field, _)| *field == name)?;
        let values = wish.values();
        let own = values.iter().find(|(field, _)| *field == name)?;
        (lines(&own.1) == self.raw(name)).then_some(words)
    }

    fn all(&self) -> impl Iterator<Item = &'static Field> + use<> {
        all(self.network, self.wish.is_some())
    }

    /// A section's fields as they are shown.
    pub fn shown<'a>(&'a self, section: &Section) -> Vec<Shown<'a>> {
        section.fields.iter().map(|field| self.show(*field)).collect()
    }

    /// The names of the fields that are wrong, with their labels, in the order of the form.
    pub fn wrong(&self) -> Vec<(&'static str, &'static str, &str)> {
        let named = |field: &'static Field| {
            self.errors.get(field.name).map(|error| (field.name, field.label, error.as_str()))
        };
        self.all().filter_map(named).collect()
    }

    fn show(&self, field: Field) -> Shown<'_> {
        let value = self.raw(field.name);
        let choices = match field.input {
            Input::Choice(choices) => {
                let choice = |&(choice, words): &(&'static str, &'static str)| Choice {
                    value: choice,
                    words,
                    chosen: choice == value,
                };
                choices.iter().map(choice).collect()
            }
            _ => Vec::new(),
        };
        let kind = match field.input {
            Input::When if self.network != Network::Regtest => "date",
            _ => "text",
        };
        let error = self.errors.get(field.name).map(String::as_str);
        Shown { field, value, error, origin: self.origin(field.name), choices, kind }
    }

    fn raw(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// What is in a field, without the blanks around it; nothing where there is nothing.
    fn given(&self, name: &str) -> Option<String> {
        Some(self.raw(name).trim()).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn wrong_with(&mut self, name: &str, error: impl Into<String>) {
        self.errors.entry(name.to_owned()).or_insert_with(|| error.into());
    }

    /// What `read` makes of a field; what it does not understand is wrong with the field.
    fn read<T, E: ToString>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        let text = self.given(name)?;
        read(&text).map_err(|error| self.wrong_with(name, error.to_string())).ok()
    }

    /// The charter that was asked for; without one, `errors` says why.
    pub fn draft(&mut self, ground: &Ground) -> Option<Drafted> {
        self.require();
        self.check_repository();
        let text = self.text();
        let draft = self.values_of_draft();
        if let Err(error) = draft.times(self.network, ground.now_secs) {
            self.wrong_in_draft(&error);
        }
        if !self.errors.is_empty() {
            return None;
        }
        let fields = match draft.fields(text.as_bytes(), ground) {
            Ok(fields) => fields,
            Err(error) => {
                self.wrong_in_draft(&error);
                return None;
            }
        };
        for error in Charter::problems(&fields) {
            self.wrong_with(field_of(&error), in_words(&error));
        }
        match Charter::from_fields(fields) {
            Ok(charter) if self.errors.is_empty() => Some(Drafted { charter, text }),
            Ok(_) => None,
            Err(error) => {
                self.wrong_with(field_of(&error), in_words(&error));
                None
            }
        }
    }

    /// The times that were asked for, as far as they can be read.
    pub fn times(&mut self, ground: &Ground) -> Option<Times> {
        self.values_of_draft().times(self.network, ground.now_secs).ok()
    }

    fn wrong_in_draft(&mut self, error: &DraftError) {
        let name = match error.field() {
            Some("payees") => "payee_1_address",
            Some(name) if self.all().any(|field| field.name == name) => name,
            _ => "",
        };
        self.wrong_with(name, draft_in_words(error));
    }

    fn require(&mut self) {
        for field in self.all().filter(|field| field.required) {
            if self.given(field.name).is_none() {
                self.wrong_with(field.name, "This is needed.");
            }
        }
    }

    fn text(&mut self) -> String {
        if let Some(wish) = &self.wish {
            // As it was signed, to the byte: a form knows one kind of line's end.
            let (text, same) = (self.raw("text").to_owned(), lines(&wish.text) == self.raw("text"));
            let text = if same { wish.text.clone() } else { text };
            self.check_text(&text);
            return text;
        }
        let title = self.given("title").unwrap_or_default();
        if title.chars().count() > MAX_TITLE_CHARS {
            self.wrong_with(
                "title",
                format!("At most {MAX_TITLE_CHARS} characters: the rest belongs below."),
            );
        }
        if title.contains('\n') {
            self.wrong_with("title", "One line.");
        }
        let text = format!("# {title}\n\n{}\n", self.given("text").unwrap_or_default());
        self.check_text(&text);
        text
    }

    fn check_text(&mut self, text: &str) {
        if text.len() > MAX_TEXT_BYTES {
            self.wrong_with("text", format!("At most {MAX_TEXT_BYTES} bytes; link to the rest."));
        }
        if lines(text).contains(|c: char| c.is_control() && c != '\n' && c != '\t') {
            self.wrong_with("text", "It has control characters, which no page shows as they are.");
        }
    }

    /// A charter of a wish is for its repository: another would not be the wish's.
    fn check_repository(&mut self) {
        let Some(wish) = &self.wish else { return };
        if self.given("repository").is_some_and(|given| given != wish.repository) {
            let words = format!(
                "The wish is for {}: a charter drafted from it is too. For another repository propose a task of its own.",
                pieces::inert(&wish.repository)
            );
            self.wrong_with("repository", words);
        }
    }
}

fn all(network: Network, wished: bool) -> impl Iterator<Item = &'static Field> {
    sections(network, wished).into_iter().flat_map(|section| section.fields)
}

/// A day as `<input type="date">` has it.
fn day(secs: u32) -> String {
    crate::web::pages::words::machine_time(secs).split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where time is real, days are chosen, and the defaults make a charter as they do on regtest.
    #[test]
    fn the_form_of_a_weekly_network_makes_a_charter_of_days() {
        use crate::escrow::testing;
        for network in Network::ALL.into_iter().filter(|network| *network != Network::Regtest) {
            let receipt_key = testing::receipt_keypair().x_only_public_key().0.to_string();
            let ground =
                Ground { network: Some(network), receipt_key: Some(receipt_key), now_secs: 1_795_000_000 };
            let mut given = Form::begin(network, &ground).values.clone();
            let address = testing::address(network, 0).to_string();
            let seat = |person| testing::seat(network, person).key;
            let (developer, representative, arbiter) = (seat(1), seat(2), seat(3));
            for (name, value) in [
                ("title", "A task"),
                ("text", "What is asked"),
                ("repository", "https://example.org/x"),
                ("target_sat", "1000000"),
                ("payee_1_address", &address),
                ("developer", &developer),
                ("representative", &representative),
                ("arbiter", &arbiter),
                ("work_deadline", "2027-01-11"),
            ] {
                given.insert(name, value.to_owned());
            }
            let sent = given.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let mut form = Form::sent(network, None, sent).unwrap();
            let drafted = form.draft(&ground);
            assert_eq!(form.errors(), &BTreeMap::new(), "{network}");
            let charter = drafted.unwrap().charter;
            assert!(network.on_grid(charter.refund_time_secs()));
            assert_eq!(charter.fields().work_deadline, 1_799_625_600, "2027-01-11, 00:00 UTC");
            // In parts, and what is wrong with them beside them.
            form.values.insert("milestones", "50%:soon, 50%".to_owned());
            assert!(form.draft(&ground).is_none());
            assert!(form.errors().contains_key("milestones"), "{:?}", form.errors());
            form.errors.clear();
            form.values.insert("milestones", "50%:2026-12-28, 30%:2027-01-04,20%".to_owned());
            let charter = form.draft(&ground).unwrap_or_else(|| panic!("{:?}", form.errors())).charter;
            let parts: Vec<u16> = charter.fields().milestones.iter().map(|part| part.share_bps).collect();
            assert_eq!(parts, [5_000, 3_000, 2_000]);
            assert_eq!(charter.fields().milestones[2].due, charter.fields().work_deadline);
            form.values.insert("milestones", "50%:2026-12-28, 40%".to_owned());
            assert!(form.draft(&ground).is_none());
            assert!(form.errors().contains_key("milestones"), "{:?}", form.errors());
            form.errors.clear();
            form.values.remove("milestones");
            // A Tuesday is rounded up by the rules of the draft, never down.
            form.values.insert("refund_time", "2027-03-30".to_owned());
            let charter = form.draft(&ground).unwrap().charter;
            assert_eq!(crate::web::pages::words::day(charter.refund_time_secs()), "Mon 5 April 2027");
        }
    }
}
