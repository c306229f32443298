//! The authorization response (RFC 6749, section 4.1.2; `iss` of RFC 9207), parsed before anything is asked.

use crate::secret::Secret;

use super::error::UpstreamError;

/// Longest query that is looked at, in bytes.
const MAX_QUERY: usize = 16 * 1024;
/// Most parameters.
const MAX_PARAMETERS: usize = 32;
const MAX_STATE: usize = 512;
const MAX_CODE: usize = 2048;
const MAX_ISSUER: usize = 512;
const MAX_ERROR: usize = 64;
const MAX_DESCRIPTION: usize = 2048;

/// What the browser brought back. No `Debug`: the code is inside.
pub struct AuthorizationResponse {
    state: String,
    pub(super) iss: Option<String>,
    /// The code, or the error code, which fits `[A-Za-z0-9_.-]{1,64}`.
    pub(super) outcome: Result<Secret<String>, String>,
}

impl AuthorizationResponse {
    /// Parses the query of the callback, without its `?`.
    ///
    /// Unknown parameters are ignored; anything repeated, empty, too long or outside its grammar is refused,
    /// as is a response with both code and error, with neither, or of another response mode.
    pub fn parse(query: &str) -> Result<Self, UpstreamError> {
        let parameters = parameters(query)?;
        let find = |name: &str| parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());

        if find("response").is_some() {
            return Err(UpstreamError::Response("response"));
        }
        let state = find("state").ok_or(UpstreamError::Response("state"))?;
        if state.is_empty() || state.len() > MAX_STATE || !state.bytes().all(is_vschar) {
            return Err(UpstreamError::State);
        }
        let bounded = |name: &'static str, max: usize| match find(name) {
            None => Ok(None),
            Some(value) if value.is_empty() || value.len() > max || !value.bytes().all(is_vschar) => {
                Err(UpstreamError::Response(name))
            }
            Some(value) => Ok(Some(value)),
        };
        let iss = bounded("iss", MAX_ISSUER)?.map(str::to_owned);
        let code = bounded("code", MAX_CODE)?;
        let error = bounded("error", MAX_ERROR)?;
        if !find("error_description").is_none_or(is_description) {
            return Err(UpstreamError::Response("error_description"));
        }
        let outcome = match (code, error) {
            (Some(code), None) => Ok(Secret::new(code.to_owned())),
            (None, Some(error)) if error.bytes().all(is_error_char) => Err(error.to_owned()),
            (None, Some(_)) => return Err(UpstreamError::Response("error")),
            (Some(_), Some(_)) => return Err(UpstreamError::Response("both code and error")),
            (None, None) => return Err(UpstreamError::Response("neither code nor error")),
        };
        Ok(Self { state: state.to_owned(), iss, outcome })
    }

    /// `state`: what finds the login. Not empty.
    pub fn state(&self) -> &str {
        &self.state
    }
}

/// The decoded parameters, each name once.
fn parameters(query: &str) -> Result<Vec<(String, String)>, UpstreamError> {
    if query.len() > MAX_QUERY {
        return Err(UpstreamError::Response("too long"));
    }
    let mut parameters: Vec<(String, String)> = Vec::with_capacity(4);
    for piece in query.split('&').filter(|piece| !piece.is_empty()) {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        let name = decode(name).ok_or(UpstreamError::Response("encoding"))?;
        let value = decode(value).ok_or(UpstreamError::Response("encoding"))?;
        if parameters.iter().any(|(other, _)| *other == name) {
            return Err(UpstreamError::Response("a parameter twice"));
        }
        if parameters.len() == MAX_PARAMETERS {
            return Err(UpstreamError::Response("too many parameters"));
        }
        parameters.push((name, value));
    }
    Ok(parameters)
}

/// `application/x-www-form-urlencoded`, decoded once; `None` where an escape is cut or the text not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

/// VSCHAR (RFC 6749, appendix A).
fn is_vschar(byte: u8) -> bool {
    (0x20..=0x7e).contains(&byte)
}

fn is_error_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)
}

/// `error_description` (RFC 6749, appendix A.8), markup excluded.
fn is_description(text: &str) -> bool {
    text.len() <= MAX_DESCRIPTION && text.bytes().all(|byte| is_vschar(byte) && !b"\"\\<>".contains(&byte))
}
