//! Exchanges a reference for the sealed answer, from server to server.

use std::time::Duration;

use reqwest::{Client, StatusCode};

use super::{Registration, wire};

/// More than any answer.
const MOST_BYTES: usize = 64 * 1024;

#[expect(clippy::disallowed_methods, reason = "a stranger's application, not the relay")]
pub(super) fn client() -> Option<Client> {
    let builder = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.timeout(Duration::from_secs(10)).build().ok()
}

/// The sealed answer; `None` after anything but 200, and then the application stops.
pub(super) async fn claim(
    http: &Client,
    url: &str,
    registration: &Registration,
    reference: &str,
) -> Option<String> {
    let of_base64url = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if reference.len() != 43 || !reference.bytes().all(of_base64url) {
        return None;
    }
    let password = wire::claim_password(&registration.key, &registration.app);
    let request = http.post(url).basic_auth(&registration.app, Some(password)).form(&[("ref", reference)]);
    let mut response = request.send().await.ok()?;
    if response.status() != StatusCode::OK {
        return None;
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > MOST_BYTES {
            return None;
        }
    }
    String::from_utf8(body).ok()
}
