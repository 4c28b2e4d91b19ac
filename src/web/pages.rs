//! Pages for people: one file, one view struct, one template a page. A view is what the page says, nothing more: it is
//! filled from the service's state under one tip, rendered by its template, or told as JSON to whoever asks for that.
//! Pages decide nothing and read without JavaScript.

mod about;
mod arbiter;
mod badge;
mod charter;
mod checkout;
mod desk;
mod embed;
mod error;
mod explore;
mod front;
mod money;
mod moving;
mod new_task;
mod operator_page;
pub mod pieces;
mod pledge;
mod problems;
mod project;
mod reference;
pub mod respond;
mod say;
mod settlement;
mod settlements;
pub mod site;
pub mod stage_words;
pub mod standing;
mod submission;
mod task;
mod timeline;
mod vote;
mod wish;
mod wishes;
pub mod words;

pub use about::offline_files;
pub use error::for_browsers;
pub use respond::{Asked, show};
pub use site::Site;

use super::App;
use axum::Router;
use axum::routing::get;

/// Every page.
pub fn router() -> Router<App> {
    Router::new()
        .route("/", get(front::show))
        .route("/tasks/{charter}/settlements", get(settlements::show))
        .route("/tasks/{charter}/settlements/{settlement}", get(settlement::show))
        .route("/tasks/{charter}/settlements/{settlement}/psbts/{file}", get(settlement::files::psbts))
        .route("/tasks/{charter}/settlements/{settlement}/frames/{file}", get(settlement::files::frame))
        .merge(desk::router())
        .route("/operator", get(operator_page::show))
        .route("/tasks/{charter}/pledge", get(checkout::show))
        .route("/tasks/{charter}/pledges/{index}", get(pledge::show))
        .route("/tasks/{charter}/pledges/{index}/move", get(moving::show))
        .route("/tasks/{charter}/vote", get(vote::show))
        .route("/new", get(new_task::show))
        .route("/new/preview", get(new_task::again).post(new_task::preview))
        .route("/tasks", get(explore::show))
        .route("/tasks/{charter}", get(task::show))
        .route("/tasks/{charter}/timeline", get(timeline::of_task))
        .route("/tasks/{charter}/charter", get(charter::show))
        .route("/tasks/{charter}/submissions/{submission}", get(submission::show))
        .route("/tasks/{charter}/submissions/{submission}/say", get(say::show))
        .route("/arbiters/{fingerprint}", get(arbiter::show))
        .route("/projects", get(project::list))
        .route("/projects/{project}", get(project::show))
        .route("/wishes", get(wishes::list))
        .route("/wishes/new", get(wishes::new))
        .route("/wishes/{wish}", get(wish::show))
        .route("/wishes/{wish}/timeline", get(timeline::of_wish))
        .route("/projects/{project}/timeline", get(timeline::of_project))
        .route("/how-it-works", get(about::how_it_works))
        .route("/risks", get(about::risks))
        .route("/recover", get(about::recover))
        .route("/recover.html", get(about::recover_file))
        .route("/sign.html", get(about::sign_file))
        .route("/problems", get(problems::list))
        .route("/problems/{code}", get(problems::show))
        .route("/api", get(reference::show))
        .route("/embed/tasks/{charter}", get(embed::show))
        .route("/badge/{file}", get(badge::show))
}
