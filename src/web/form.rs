//! Forms: bounded in size, time and number of fields, each field at most once.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::guard::too_large;
use super::refusal::Refusal;
use super::visit::Visit;
use crate::event::{Step, reasons};
use crate::message::PublicMessage;

/// How many fields a form may have.
const MAX_FIELDS: usize = 64;

/// A form's fields. No `Debug`: tokens and references are inside.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form from a request's body.
    pub(super) async fn read(visit: &Visit, body: Body) -> Result<Self, Refusal> {
        let kind = visit.header(&header::CONTENT_TYPE).unwrap_or_default();
        if kind.split(';').next().map(str::trim) != Some("application/x-www-form-urlencoded") {
            return Err(malformed());
        }
        let limits = &visit.rules.requests;
        let reading = Limited::new(body, limits.body_bytes).collect();
        let Ok(read) = tokio::time::timeout(limits.body, reading).await else {
            return Err(Refusal::new(PublicMessage::Slow, Step::RequestRefused, reasons::server::SLOW)
                .with(header::CONNECTION, HeaderValue::from_static("close")));
        };
        let bytes =
            read.map_err(|error| if error.is::<LengthLimitError>() { too_large(None) } else { malformed() })?;
        Self::parse(&bytes.to_bytes())
    }

    fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.split(|&byte| byte == b'&').count() > MAX_FIELDS {
            return Err(malformed());
        }
        let mut fields: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(bytes) {
            if fields.iter().any(|(former, _)| *former == name) {
                return Err(malformed());
            }
            fields.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(fields))
    }

    /// The parameters of a query string.
    pub(super) fn of_query(query: &str) -> Result<Self, Refusal> {
        Self::parse(query.as_bytes())
    }

    /// A field's value.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|(key, value)| (key == name).then_some(value.as_str()))
    }
}

fn malformed() -> Refusal {
    Refusal::new(PublicMessage::InvalidRequest, Step::RequestRefused, reasons::server::INVALID_REQUEST)
}
