//! Wishes, and the words to them. Each carries its own signature, whoever delivers it.

use super::super::body::{Body, Params};
use super::super::page::{self, Query};
use super::super::{ApiError, App};
use super::paths::WishPath;
use crate::escrow::book::Book;
use crate::escrow::signature::StatementSignature;
use crate::escrow::statement::{Signed, TaskId};
use crate::escrow::wish::{Wish, WishRefused, WishState, Withdrawal, Word};
use crate::service::schema::{self, SignedWithdrawal};
use crate::service::views::{Page, WishQuery, WishSummary, WishView, WordView};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use bitcoin::secp256k1::XOnlyPublicKey;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A wish to be written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWish {
    /// What is signed.
    pub statement: Wish,
    /// By its `by`, tag `upfront/wish`.
    pub signature: StatementSignature,
    /// The text whose hash the statement names; its first line is the title.
    #[schema(max_length = 65536)]
    pub text: String,
}

/// Which words to a wish.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WordQuery {
    /// Only those of this key.
    #[param(value_type = Option<schema::PublicKey>)]
    by: Option<XOnlyPublicKey>,
    /// Items in a page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the page before, with the same filter.
    #[param(pattern = "^[0-9]{1,10}$")]
    cursor: Option<String>,
}

fn view(app: &App, wish: &TaskId) -> Result<Json<WishView>, ApiError> {
    shown(app, wish, |book, state| WishView::new(book, state, &app.service.policy().hidden)).map(Json)
}

/// The wish as `by`, who said something to it, is answered. One that is not shown here is told whole to its author alone: a word
/// costs nothing, and must not open what is hidden.
fn answer(app: &App, wish: &TaskId, by: &XOnlyPublicKey) -> Result<Json<WishView>, ApiError> {
    let hidden = &app.service.policy().hidden;
    let found = app.service.read(|book| {
        let state = book.wishes().get(wish)?;
        let mut view = WishView::new(book, state, hidden);
        if hidden.wish(state) && state.by() != *by {
            view.summary.title = String::new();
            view.text = String::new();
            view.link = None;
        }
        Some(view)
    });
    found.map(Json).ok_or_else(|| unknown(wish))
}

fn unknown(wish: &TaskId) -> ApiError {
    ApiError::new("unknown_wish", WishRefused::UnknownWish { wish: *wish }.to_string())
}

/// What is read of a wish that there is, and that is shown here.
pub(in crate::web) fn shown<T>(
    app: &App,
    wish: &TaskId,
    read: impl FnOnce(&Book, &WishState) -> T,
) -> Result<T, ApiError> {
    app.service.read(|book| match book.wishes().get(wish) {
        None => Err(unknown(wish)),
        Some(state) if app.service.policy().hidden.wish(state) => {
            Err(ApiError::new("not_shown", format!("the operator of this service does not show wish {wish}")))
        }
        Some(state) => Ok(read(book, state)),
    })
}

/// Write a wish down
///
/// Signed by its author's key. The same again answers the same.
#[utoipa::path(
    post, path = "/wishes", operation_id = "writeWish", tag = "wishes",
    request_body = NewWish,
    responses((status = 201, description = "The wish.", body = WishView))
)]
pub(super) async fn create(
    State(app): State<App>,
    Body(given): Body<NewWish>,
) -> Result<(StatusCode, Json<WishView>), ApiError> {
    let NewWish { statement, signature, text } = given;
    let by = statement.by;
    let wish = app.service.write_wish(Signed { statement, signature }, &text).await?;
    Ok((StatusCode::CREATED, answer(&app, &wish, &by)?))
}

/// List wishes
///
/// In pages, newest first, without withdrawn ones unless they are asked for. The `Link` header leads to the next page.
#[utoipa::path(
    get, path = "/wishes", operation_id = "listWishes", tag = "wishes",
    params(WishQuery),
    responses((
        status = 200, description = "A page of wishes.", body = Page<WishSummary>,
        headers(("Link" = String, description = "Where the next page is, `rel=\"next\"` (RFC 8288)."))
    ))
)]
pub(super) async fn list(
    State(app): State<App>,
    uri: Uri,
    Query(query): Query<WishQuery>,
) -> Result<Response, ApiError> {
    let limit = page::limit(query.limit)?;
    let page = app.service.read(|book| query.page(book, &app.service.policy().hidden, limit));
    Ok(page::respond(&uri, page.map_err(|error| ApiError::shape(error.to_string()))?))
}

/// Read a wish
///
/// With what was said to it, and the charters drafted from it.
#[utoipa::path(
    get, path = "/wishes/{wish}", operation_id = "getWish", tag = "wishes",
    params(WishPath),
    responses((status = 200, description = "The wish.", body = WishView))
)]
pub(super) async fn show(
    State(app): State<App>,
    Params(wish): Params<TaskId>,
) -> Result<Json<WishView>, ApiError> {
    view(&app, &wish)
}

/// Say something to a wish
///
/// A like, a promise, an offer, or the leader's word, signed by whoever says it. The same again changes nothing.
#[utoipa::path(
    post, path = "/wishes/{wish}/words", operation_id = "sayToWish", tag = "wishes",
    params(WishPath),
    request_body = Word,
    responses((status = 200, description = "The wish.", body = WishView))
)]
pub(super) async fn say(
    State(app): State<App>,
    Params(wish): Params<TaskId>,
    Body(word): Body<Word>,
) -> Result<Json<WishView>, ApiError> {
    let by = word.by();
    app.service.say(&wish, word).await?;
    answer(&app, &wish, &by)
}

/// Withdraw a wish
///
/// Signed by whoever wrote it, and final: it leaves the lists, and takes no new likes, promises or offers. Charters drafted
/// from it stand. The same again changes nothing.
#[utoipa::path(
    post, path = "/wishes/{wish}/withdrawal", operation_id = "withdrawWish", tag = "wishes",
    params(WishPath),
    request_body = SignedWithdrawal,
    responses((status = 200, description = "The wish.", body = WishView))
)]
pub(super) async fn withdraw(
    State(app): State<App>,
    Params(wish): Params<TaskId>,
    Body(withdrawal): Body<Signed<Withdrawal>>,
) -> Result<Json<WishView>, ApiError> {
    let by = withdrawal.statement.by;
    app.service.withdraw_wish(&wish, withdrawal).await?;
    answer(&app, &wish, &by)
}

/// List the words to a wish
///
/// In pages, in the order they came, with who signed each. The `Link` header leads to the next page.
#[utoipa::path(
    get, path = "/wishes/{wish}/words", operation_id = "listWords", tag = "wishes",
    params(WishPath, WordQuery),
    responses((
        status = 200, description = "A page of words.", body = Page<WordView>,
        headers(("Link" = String, description = "Where the next page is, `rel=\"next\"` (RFC 8288)."))
    ))
)]
pub(super) async fn words(
    State(app): State<App>,
    uri: Uri,
    Params(wish): Params<TaskId>,
    Query(query): Query<WordQuery>,
) -> Result<Response, ApiError> {
    let (limit, after) = (page::limit(query.limit)?, page::after(query.cursor.as_ref())?);
    let found = shown(&app, &wish, |_, state| {
        WordView::page(state, &app.service.policy().hidden, query.by.as_ref(), after, limit)
    })?;
    Ok(page::respond(&uri, found))
}
