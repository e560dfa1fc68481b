//! The first administrator, made with the link that was printed at the start. The link's secret stands behind `#`,
//! where no server and no log sees it; a script copies it into the form, or a person does.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use super::{Field, Form, Frame, Notice, go, page, refusal, refused};
use crate::account::{Bootstrap, Error};
use crate::web::error::Problem;
use crate::web::extract::{Form as Sent, Hidden, Visitor};
use crate::web::{WebState, routes};

/// The page.
#[derive(Template)]
#[template(path = "pages/bootstrap.html")]
pub struct BootstrapPage {
    pub(super) frame: Frame,
    pub(super) form: Form,
}

/// What the form sends.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Input {
    token: Hidden,
    name: String,
    email: String,
    password: Hidden,
    password_confirm: Hidden,
}

/// `GET /bootstrap/`; changes nothing.
pub async fn show(State(state): State<WebState>, headers: HeaderMap) -> Response {
    match state.accounts.bootstrap_open().await {
        Ok(true) => {
            let form = fields(&state, "", "", "");
            page(StatusCode::OK, &BootstrapPage { frame: Frame::of(&state.settings), form })
        }
        Ok(false) => over(&state),
        Err(error) => refusal(&state, &headers, error.into()),
    }
}

/// `POST /bootstrap/` (form) -> 303 to the sign-in page.
pub async fn send(
    State(state): State<WebState>,
    Visitor(origin): Visitor,
    Sent(input): Sent<Input>,
) -> Response {
    let form = fields(&state, input.token.0.expose(), &input.name, &input.email);
    let wanted = Bootstrap {
        token: input.token.0,
        name: input.name,
        email: input.email,
        password: input.password.0,
        password_confirm: input.password_confirm.0,
    };
    match state.accounts.bootstrap(wanted, &origin).await {
        Ok(_) => go(&state.settings, routes::LOGIN, Some(Notice::AdminMade)),
        Err(error) => {
            let of_secret = matches!(error, Error::InvalidToken);
            let problem = if of_secret { Problem::bootstrap_over() } else { Problem::from(error) };
            let form = if of_secret { form.refused_at("token", &problem) } else { form.refused(&problem) };
            let again = BootstrapPage { frame: Frame::of(&state.settings), form };
            refused(problem, &again)
        }
    }
}

/// There is nothing to be made, so there is no form.
fn over(state: &WebState) -> Response {
    let problem = Problem::bootstrap_over();
    let form = Form { message: Some(problem.detail.clone()), fields: Vec::new() };
    page(problem.status, &BootstrapPage { frame: Frame::of(&state.settings), form })
}

fn fields(state: &WebState, token: &str, name: &str, email: &str) -> Form {
    Form::new(vec![
        Field {
            hint: "What stands behind the # of the link. It fills itself in when you open the whole link."
                .into(),
            ..Field::text("token", "Secret from the link", "off", token)
        },
        Field::text("name", "Full name", "name", name),
        Field::email(email),
        Field::new_password(&state.password),
        Field::password_again(),
    ])
}
