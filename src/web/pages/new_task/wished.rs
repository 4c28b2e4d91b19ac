//! The wish that a charter is drafted from, as the form takes it: what it puts in, and whether a text is still its own.

use crate::draft::wish::{FromWish, percent};
use crate::escrow::statement::TaskId;
use crate::nip98;

/// The wish that a charter is drafted from.
#[derive(Clone)]
pub struct Wish {
    /// Its id.
    pub id: TaskId,
    /// Its text.
    pub text: String,
    /// Its title, inert.
    pub title: String,
    /// The repository it is for.
    pub repository: String,
    /// What it and the project give to the charter.
    pub from: FromWish,
}

impl Wish {
    /// What it puts into the form.
    pub fn values(&self) -> Vec<(&'static str, String)> {
        let draft = &self.from.draft;
        let leader = draft.leader_key.as_deref().and_then(nip98::parse_public);
        let known = [
            ("text", Some(self.text.clone())),
            ("repository", draft.repository.clone()),
            ("licence", draft.licence.clone()),
            ("minimum_pledge_sat", draft.minimum_pledge_sat.map(|sat| sat.to_string())),
            ("leader_address", draft.leader_address.clone()),
            ("leader_share", draft.leader_share_bps.map(percent)),
            ("leader_key", leader.as_ref().map(nip98::npub)),
            ("developer_nominated_by", draft.developer_nominated_by.clone()),
            ("representative_nominated_by", draft.representative_nominated_by.clone()),
            ("arbiter_nominated_by", draft.arbiter_nominated_by.clone()),
        ];
        known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// Whether a text is its own, word for word.
    pub fn says(&self, text: &str) -> bool {
        self.text == text
    }
}

/// A text with lines that end as a form's do.
pub fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}
