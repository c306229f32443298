//! Faults that a test makes up itself: any change of an answer, any other answer.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, HeaderName};
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value};

/// What can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The provider's metadata.
    Discovery,
    /// The JWK set.
    Jwks,
    /// The token answer.
    Token,
    /// The header of the `id_token`.
    IdTokenHeader,
    /// The claims of the `id_token`.
    IdToken,
    /// The claims of userinfo.
    Userinfo,
}

/// Changes the members of a part.
pub type Twist = Arc<dyn Fn(&mut Map<String, Value>) + Send + Sync>;

/// An answer that comes instead of the right one.
#[derive(Clone, Debug, Default)]
pub struct Instead {
    /// The status.
    pub status: u16,
    /// Header fields, such as `content-type`.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

/// Those in force.
#[derive(Default)]
pub(crate) struct Twists {
    twists: RwLock<HashMap<Part, Twist>>,
    instead: RwLock<HashMap<Part, Instead>>,
}

impl Twists {
    pub(crate) fn set(&self, part: Part, twist: Option<Twist>) {
        put(&self.twists, part, twist);
    }

    pub(crate) fn set_instead(&self, part: Part, instead: Option<Instead>) {
        put(&self.instead, part, instead);
    }

    pub(crate) fn apply(&self, part: Part, members: &mut Map<String, Value>) {
        let twist = self.twists.read().unwrap_or_else(PoisonError::into_inner).get(&part).cloned();
        if let Some(twist) = twist {
            twist(members);
        }
    }

    /// The other answer.
    pub(crate) fn instead(&self, part: Part) -> Option<Response> {
        let all = self.instead.read().unwrap_or_else(PoisonError::into_inner);
        let Instead { status, headers, body } = all.get(&part)?.clone();
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        let mut response = (status, [(CACHE_CONTROL, "no-store")], body).into_response();
        for (name, value) in headers {
            let value = HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static(""));
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
        Some(response)
    }

    pub(crate) fn clear(&self) {
        self.twists.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.instead.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn put<T>(all: &RwLock<HashMap<Part, T>>, part: Part, value: Option<T>) {
    let mut all = all.write().unwrap_or_else(PoisonError::into_inner);
    match value {
        Some(value) => drop(all.insert(part, value)),
        None => drop(all.remove(&part)),
    }
}
