//! Faults of the person and of the authorization response.

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};

use super::STRANGER;
use crate::endpoints::{Realm, authorize, error_page, page, see_other, to_client};
use crate::fault::Fault;
use crate::pages;
use crate::profiles::PageError;
use crate::request::ReplyTo;

const TECHNICAL: &str = "authentication aborted due to a technical error on the authorization server";

/// What comes instead of a code.
pub(in crate::endpoints) fn instead(realm: &Realm, to: &ReplyTo, fault: Fault) -> Option<Response> {
    let error = |code, text| {
        Some(authorize::answer(realm, to, vec![("error", code), ("error_description", text)], false))
    };
    let stays = |status, code, text: &str| Some(error_page(status, &PageError::new(code, text)));
    match fault {
        Fault::AccessDenied => Some(authorize::denied(realm, to)),
        Fault::AbortedText => Some(text_redirect(realm, to, "access_denied", "user authentication aborted")),
        Fault::TemporarilyUnavailable => error("temporarily_unavailable", TECHNICAL),
        Fault::ServerError => error("server_error", TECHNICAL),
        Fault::LoginRequired => error("login_required", "End-User authentication is required"),
        Fault::InvalidAcr => error("invalid_acr", "acr_value is not valid"),
        Fault::InvalidIdpHint => error("invalid_idp_hint", "An idp_hint was provided but is not allowed"),
        Fault::InvalidScope => {
            let text = "requested scope is not allowed";
            let parameters =
                vec![("error", "invalid_scope"), ("error_description", text), ("scope", "dgfip_rfr")];
            Some(authorize::answer(realm, to, parameters, false))
        }
        Fault::StateUndefined => {
            let undefined = ReplyTo { state: Some("undefined".to_owned()), ..to.clone() };
            let parameters = vec![("error", "server_error"), ("error_description", TECHNICAL)];
            Some(authorize::answer(realm, &undefined, parameters, false))
        }
        Fault::PageRefused => stays(StatusCode::BAD_REQUEST, "Y030007", "property unknown should not exist"),
        Fault::NeverReturns => stays(StatusCode::INTERNAL_SERVER_ERROR, "Y000000", "The browser stays here"),
        Fault::SessionLost => stays(StatusCode::UNAUTHORIZED, "Y190001", "The session was not found"),
        _ => None,
    }
}

/// An error response as the link "back to the service" gives it: 302 with text.
pub(in crate::endpoints) fn text_redirect(realm: &Realm, to: &ReplyTo, error: &str, text: &str) -> Response {
    let parameters = authorize::with_state(realm, to, vec![("error", error), ("error_description", text)]);
    let Some(url) = to_client(to, &parameters, false) else {
        return page(StatusCode::BAD_REQUEST, &pages::signed_out());
    };
    let body = format!("Found. Redirecting to {url}");
    let headers =
        [(LOCATION, url.as_str()), (CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (StatusCode::FOUND, headers, body).into_response()
}

/// Lies in the parameters of a response that brings a code; `other` is a value of the code's shape.
pub(in crate::endpoints) fn twist(
    fault: Option<Fault>,
    parameters: &mut Vec<(&'static str, String)>,
    other: impl FnOnce() -> String,
) {
    let lie =
        |parameters: &mut Vec<(&'static str, String)>, name: &'static str, value: String| match parameters
            .iter_mut()
            .find(|(known, _)| *known == name)
        {
            Some((_, place)) => *place = value,
            None => parameters.push((name, value)),
        };
    match fault {
        Some(Fault::StateMissing) => parameters.retain(|(name, _)| *name != "state"),
        Some(Fault::StateWrong) => lie(parameters, "state", other()),
        Some(Fault::CodeMissing) => parameters.retain(|(name, _)| *name != "code"),
        Some(Fault::CodeForeign) => lie(parameters, "code", other()),
        Some(Fault::CodeRepeated) => parameters.push(("code", other())),
        Some(Fault::CodeAndError) => parameters.push(("error", "access_denied".to_owned())),
        Some(Fault::IssMissing) => parameters.retain(|(name, _)| *name != "iss"),
        Some(Fault::IssWrong) => lie(parameters, "iss", STRANGER.to_owned()),
        _ => {}
    }
}

/// Sends the response, one way or another.
pub(in crate::endpoints) fn send(
    fault: Option<Fault>,
    to: &ReplyTo,
    parameters: &[(&'static str, String)],
) -> Response {
    let borrowed: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let links = match fault {
        Some(Fault::FormPost) => {
            return page(StatusCode::OK, &pages::form_post(&to.redirect_uri, &borrowed));
        }
        Some(Fault::ReturnsLate) => 1,
        Some(Fault::ReturnsTwice) => 2,
        _ => return see_other(to, &borrowed, fault == Some(Fault::Fragment)),
    };
    let Some(url) = to_client(to, &borrowed, false) else { return see_other(to, &borrowed, false) };
    page(StatusCode::OK, &pages::by_hand(url.as_str(), links))
}
