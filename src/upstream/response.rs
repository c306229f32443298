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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<AuthorizationResponse, UpstreamError> {
        AuthorizationResponse::parse(query)
    }

    #[test]
    fn a_code_comes_out_decoded_once() {
        let response =
            parse("code=a%2Bb+c%253D&state=s&iss=https%3A%2F%2Fidp.example%2Fapi%2Fv2&session_state=&x")
                .unwrap();
        assert_eq!(response.state(), "s");
        assert_eq!(response.iss.as_deref(), Some("https://idp.example/api/v2"));
        assert!(response.outcome.is_ok_and(|code| code.expose() == "a+b c%3D"));
    }

    #[test]
    fn an_error_comes_out_without_its_description() {
        let response =
            parse("error=access_denied&error_description=User+auth+aborted&state=undefined").unwrap();
        assert_eq!(response.state(), "undefined");
        assert_eq!(response.outcome.err().as_deref(), Some("access_denied"));
    }

    #[test]
    fn whatever_is_not_clear_is_malformed() {
        let long = |n| "x".repeat(n);
        let many = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ".split("").skip(1).collect::<Vec<_>>().join("=1&");
        let cases = [
            String::new(),
            "code=c".into(),
            "state=s".into(),
            "state=s&code=".into(),
            "state=s&code=c&code=c".into(),
            "state=s&code=c&state=s".into(),
            "state=s&code=c&iss=i&iss=i".into(),
            "state=s&code=c&x=1&x=1".into(),
            "state=s&code=c&c%6Fde=c".into(),
            "state=s&code=c&iss=".into(),
            format!("state=s&code={}", long(2049)),
            format!("state=s&code={}", long(8192)),
            format!("state=s&code=c&x={}", long(17_000)),
            format!("state=s&code=c&{many}"),
            "state=s&code=a%00b".into(),
            "state=s&code=a%0Ab".into(),
            "state=s&code=%C3%A9".into(),
            "state=s&code=%FF".into(),
            "state=s&code=%4".into(),
            "state=s&code=%+1".into(),
            "state=s&code=%zz".into(),
            "state=s&code=c&error=access_denied".into(),
            "state=s&error=".into(),
            "state=s&error=%3Cscript%3Ealert(1)%3C/script%3E".into(),
            "state=s&error=a+b".into(),
            format!("state=s&error={}", long(65)),
            "state=s&error=e&error_description=%3Cb%3E".into(),
            "state=s&error=e&error_description=a%22b".into(),
            "state=s&error=e&error_description=a%0Ab".into(),
            format!("state=s&error=e&error_description={}", long(2049)),
            "state=s&response=eyJ".into(),
            "state=s&code=c&response=eyJ".into(),
        ];
        for case in cases {
            assert!(matches!(parse(&case), Err(UpstreamError::Response(_))), "{case}");
        }
    }

    #[test]
    fn a_state_that_cannot_be_ours_belongs_to_no_login() {
        for state in [String::new(), "x".repeat(513), "x".repeat(4096), "%00".into(), "%C3%A9".into()] {
            assert!(matches!(parse(&format!("code=c&state={state}")), Err(UpstreamError::State)), "{state}");
        }
    }
}
