//! From a wish to the draft of its charter: what the wish says, what the project's leader has set, and who stands for which
//! seat. Only what is signed is put in, never a signer's key: an offer is an identity's word, and the key expression of a seat comes from
//! the person who will sign with it.

use super::Draft;
use crate::escrow::project::Project;
use crate::escrow::statement::TaskId;
use crate::nip98::npub;
use bitcoin::secp256k1::XOnlyPublicKey;

/// Longest text about who named somebody, as a charter has it.
const MAX_NAMED_BYTES: usize = 200;
/// Most keys that are named in one note.
const MOST: usize = 10;

/// What is known of a wish.
#[derive(Clone, Debug)]
pub struct Wished<'a> {
    /// Its id.
    pub wish: TaskId,
    /// The repository it is for.
    pub repository: &'a str,
    /// Who wrote it.
    pub by: XOnlyPublicKey,
    /// What the leader of the project says of it.
    pub settings: Option<&'a Project>,
    /// Who offers to do the work.
    pub developers: &'a [XOnlyPublicKey],
    /// Who has it reserved now.
    pub reserved: Option<XOnlyPublicKey>,
    /// Who represents the sponsors unless somebody else is named.
    pub representative: Option<XOnlyPublicKey>,
}

/// A draft with where each of its values comes from.
#[derive(Clone, Debug, Default)]
pub struct FromWish {
    /// What is known.
    pub draft: Draft,
    /// The draft's fields that were filled, with where from.
    pub origins: Vec<(&'static str, String)>,
    /// What only people can put in.
    pub notes: Vec<String>,
}

impl FromWish {
    /// Of a wish.
    pub fn new(wished: &Wished<'_>) -> FromWish {
        let mut from = FromWish {
            draft: Draft {
                task_id: Some(wished.wish),
                repository: Some(wished.repository.to_owned()),
                ..Draft::default()
            },
            ..FromWish::default()
        };
        from.origin(&["text", "repository"], "From the wish.");
        if let Some(settings) = wished.settings {
            from.take_settings(settings);
        }
        from.take_people(wished);
        from
    }

    fn origin(&mut self, fields: &[&'static str], words: &str) {
        self.origins.extend(fields.iter().map(|field| (*field, words.to_owned())));
    }

    fn take_settings(&mut self, settings: &Project) {
        self.notes.push(format!(
            "Leads the project here, and has set what charters begin with: {}",
            npub(&settings.by)
        ));
        let words = "As the key that leads the project here has set it.";
        self.draft.licence = Some(settings.licence.clone());
        self.draft.minimum_pledge_sat = Some(settings.minimum_pledge_sat);
        self.origin(&["licence", "minimum_pledge_sat"], words);
        if let Some(address) = &settings.leader_address {
            self.draft.leader_address = Some(address.clone());
            self.draft.leader_share_bps = Some(settings.leader_share_bps);
            self.draft.leader_key = Some(settings.by.to_string());
            let words = format!("{words} Whether it leads the repository is for you to look up.");
            self.origin(&["leader_address", "leader_share", "leader_key"], &words);
            if settings.leader_share_bps > 0 {
                self.notes.push(format!(
                    "The leader's share, as that key has set it: {} % goes to {address}",
                    percent(settings.leader_share_bps)
                ));
            }
        }
        if let Some(arbiter) = &settings.arbiter {
            self.notes.push(format!("The project's arbiter by default: {arbiter}"));
            // The charter says who said so: who leads a repository cannot be known here.
            let leader = format!("{}, who leads the project here", npub(&settings.by));
            let named = format!("{leader} and named {arbiter}");
            let named = if named.len() <= MAX_NAMED_BYTES { named } else { leader };
            self.draft.arbiter_nominated_by = Some(named);
            let words = format!(
                "The project's arbiter by default is {arbiter}. Say who else named the arbiter, if you take another."
            );
            self.origin(&["arbiter_nominated_by"], &words);
        }
    }

    fn take_people(&mut self, wished: &Wished<'_>) {
        if let Some(key) = wished.representative {
            self.notes.push(format!("Represents the sponsors by default: {}", npub(&key)));
            let (named, why) = if key == wished.by {
                (
                    format!("the wish, which {} wrote", npub(&key)),
                    "wrote the wish, and represents the sponsors by default",
                )
            } else {
                (format!("themselves, as {} on the wish", npub(&key)), "offered it first on the wish")
            };
            self.draft.representative_nominated_by = Some(named);
            let words =
                format!("{} {why}. Say who else named the representative, if you take another.", npub(&key));
            self.origin(&["representative_nominated_by"], &words);
        }
        let mut developers = wished.developers.to_vec();
        if let Some(key) = wished.reserved {
            self.notes.push(format!("Has reserved the work: {}", npub(&key)));
            developers.retain(|other| *other != key);
            developers.insert(0, key);
        }
        for key in wished.developers.iter().take(MOST) {
            self.notes.push(format!("Offers to do the work: {}", npub(key)));
        }
        if wished.developers.len() > MOST {
            self.notes.push(format!("and {} more offer to do the work", wished.developers.len() - MOST));
        }
        // Of several the one who has reserved it goes first; else nobody is chosen here.
        let chosen =
            wished.reserved.or_else(|| developers.first().copied().filter(|_| developers.len() == 1));
        if let Some(key) = chosen {
            self.draft.developer_nominated_by = Some(format!("themselves, as {} on the wish", npub(&key)));
            let words = format!(
                "{} offered it on the wish. Say who else named the developer, if you take another.",
                npub(&key)
            );
            self.origin(&["developer_nominated_by"], &words);
        }
    }
}

/// Basis points in per cent: `2.5`.
pub fn percent(bps: u16) -> String {
    let (whole, part) = (bps / 100, bps % 100);
    if part == 0 { whole.to_string() } else { format!("{whole}.{part:02}").trim_end_matches('0').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escrow::network::Network;

    fn key(n: u8) -> XOnlyPublicKey {
        crate::escrow::testing::sponsor(n).x_only_public_key().0
    }

    fn settings() -> Project {
        Project {
            network: Network::Regtest,
            repository: "https://example.org/x".into(),
            name: "X".into(),
            description: "It".into(),
            licence: "Apache-2.0".into(),
            arbiter: Some("the foundation".into()),
            leader_address: None,
            leader_share_bps: 0,
            minimum_pledge_sat: 20_000,
            donations: None,
            likes: true,
            published: None,
            by: key(9),
            counter: 1,
        }
    }

    #[test]
    fn a_draft_takes_what_is_signed_and_chooses_nobody_among_several() {
        let project = settings();
        let mut wished = Wished {
            wish: TaskId([7; 32]),
            repository: "https://example.org/x",
            by: key(1),
            settings: Some(&project),
            developers: &[key(2), key(3)],
            reserved: None,
            representative: Some(key(1)),
        };
        let FromWish { draft, notes, origins } = FromWish::new(&wished);
        assert_eq!((draft.task_id, draft.licence.as_deref()), (Some(wished.wish), Some("Apache-2.0")));
        assert_eq!(draft.minimum_pledge_sat, Some(20_000));
        // Without an address there is no leader in the charter: a share has to go somewhere.
        assert!(draft.leader_key.is_none() && draft.leader_share_bps.is_none());
        assert!(draft.developer.is_none() && draft.representative.is_none() && draft.arbiter.is_none());
        assert_eq!(draft.developer_nominated_by, None, "two offer");
        let named = draft.representative_nominated_by.unwrap();
        assert!(named.contains(&npub(&key(1))) && named.len() <= MAX_NAMED_BYTES, "{named}");
        assert_eq!(
            draft.arbiter_nominated_by.as_deref(),
            Some(format!("{}, who leads the project here and named the foundation", npub(&key(9))).as_str())
        );
        assert_eq!(notes.len(), 5);
        assert!(origins.iter().all(|(_, words)| !words.is_empty()));

        wished.reserved = Some(key(3));
        let named = FromWish::new(&wished).draft.developer_nominated_by.unwrap();
        assert!(named.contains(&npub(&key(3))), "whoever has reserved it: {named}");
        let long = Project { arbiter: Some("x".repeat(200)), ..settings() };
        wished.settings = Some(&long);
        assert_eq!(
            FromWish::new(&wished).draft.arbiter_nominated_by.unwrap(),
            format!("{}, who leads the project here", npub(&key(9)))
        );
        let address = crate::escrow::testing::address(Network::Regtest, 5).to_string();
        let greedy = Project { leader_address: Some(address.clone()), leader_share_bps: 9_950, ..settings() };
        wished.settings = Some(&greedy);
        let notes = FromWish::new(&wished).notes;
        assert!(notes.iter().any(|note| note.ends_with(&format!("99.5 % goes to {address}"))), "{notes:?}");
        let none = Project { leader_share_bps: 0, ..greedy.clone() };
        wished.settings = Some(&none);
        assert!(!FromWish::new(&wished).notes.iter().any(|note| note.contains("goes to")));
        wished.settings = None;
        assert_eq!(FromWish::new(&wished).draft.licence, None, "nobody has said it");
    }
}
