//! Lists in pages. A cursor names the last thing shown, not a count of things: what is added meanwhile neither
//! repeats nor hides anything.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most items in a page.
pub const MAX_LIMIT: u32 = 200;
/// Items in a page if nobody says.
pub const DEFAULT_LIMIT: u32 = 50;

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Cursor of the next page; `null` on the last.
    #[schema(required, pattern = "^[0-9a-z.]{1,100}$")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The first `limit` of what is left, each with the cursor that continues after it.
    pub fn cut<K: ToString>(left: impl Iterator<Item = (K, T)>, limit: usize) -> Page<T> {
        let mut left = left.peekable();
        let mut items = Vec::new();
        while let Some((key, item)) = left.next() {
            items.push(item);
            if items.len() == limit {
                let next = left.peek().is_some().then(|| key.to_string());
                return Page { items, next };
            }
        }
        Page { items, next: None }
    }
}
