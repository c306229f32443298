//! Bodies here: short, and read within the time that bodies have.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::text;
use crate::app::App;

/// Reads the body before anybody waits for it.
pub(super) async fn read(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let rules = app.rules();
    let (parts, body) = request.into_parts();
    let reading = Limited::new(body, rules.requests.body_bytes).collect();
    let (status, why) = match tokio::time::timeout(rules.requests.body, reading).await {
        Ok(Ok(read)) => return next.run(Request::from_parts(parts, Body::from(read.to_bytes()))).await,
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            (StatusCode::PAYLOAD_TOO_LARGE, "the body is too long\n")
        }
        Ok(Err(_)) => (StatusCode::BAD_REQUEST, "the body cannot be read\n"),
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time\n"),
    };
    let mut response = text(status, why);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
