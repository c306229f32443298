//! The authorization response (RFC 6749, section 4.1.2; `iss` of RFC 9207), parsed before anything is asked.

use crate::secret::Secret;

use super::error::{UpstreamError, is_error_code, short};

const MAX_STATE: usize = 512;
const MAX_ISSUER: usize = 512;

/// The parameters that mean something here; all others are passed over, whatever they are.
const KNOWN: [&str; 6] = ["state", "iss", "code", "error", "error_description", "response"];

/// What the browser brought back. No `Debug`: the code is inside.
pub struct AuthorizationResponse {
    state: String,
    pub(super) iss: Option<String>,
    /// The code, or the error code, which fits `[A-Za-z0-9_.-]{1,64}`.
    pub(super) outcome: Result<Secret<String>, String>,
    /// What the upstream says of its error: anybody's text, for the operator alone.
    pub(super) description: Option<String>,
}

impl AuthorizationResponse {
    /// Parses the query of the callback, without its `?`.
    ///
    /// What is used must be there once, not empty, of bounded length and in its grammar; a response with both code and
    /// error, with neither, or of another response mode is refused. Unknown parameters and the description of an error
    /// are never judged.
    pub fn parse(query: &str) -> Result<Self, UpstreamError> {
        let found = known(query)?;
        let find = |name: &'static str| found.iter().find(|(n, _)| *n == name).map(|(_, value)| value);
        let text = |name: &'static str, max: usize| match find(name) {
            None => Ok(None),
            Some(value) => {
                let text = value.as_deref().and_then(|value| std::str::from_utf8(value).ok());
                let fits = |text: &&str| (1..=max).contains(&text.len()) && text.bytes().all(is_vschar);
                text.filter(fits).map(Some).ok_or(UpstreamError::Response(name))
            }
        };
        if find("response").is_some() {
            return Err(UpstreamError::Response("response"));
        }
        let state = text("state", MAX_STATE).map_err(|_| UpstreamError::State)?;
        let state = state.ok_or(UpstreamError::Response("state"))?.to_owned();
        let iss = text("iss", MAX_ISSUER)?.map(str::to_owned);
        // As long as a URL may be, which the listener decides.
        let code = text("code", usize::MAX)?;
        let error = text("error", usize::MAX)?;
        let outcome = match (code, error) {
            (Some(code), None) => Ok(Secret::new(code.to_owned())),
            (None, Some(error)) if is_error_code(error) => Err(error.to_owned()),
            (None, Some(_)) => return Err(UpstreamError::Response("error")),
            (Some(_), Some(_)) => return Err(UpstreamError::Response("both code and error")),
            (None, None) => return Err(UpstreamError::Response("neither code nor error")),
        };
        let description = find("error_description").and_then(Option::as_deref);
        let description = description.map(|bytes| short(&String::from_utf8_lossy(bytes)));
        Ok(Self { state, iss, outcome, description: description.filter(|text| !text.is_empty()) })
    }

    /// `state`: what finds the login. Not empty.
    pub fn state(&self) -> &str {
        &self.state
    }
}

/// Its name, and its value, where it can be decoded.
type Parameter = (&'static str, Option<Vec<u8>>);

/// The parameters that mean something, decoded; `None` where an escape is cut. Each once: whoever could write one of
/// them twice could have us act on one, and others on the other.
fn known(query: &str) -> Result<Vec<Parameter>, UpstreamError> {
    let mut found: Vec<Parameter> = Vec::with_capacity(4);
    for piece in query.split('&') {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        let name = decode(name);
        let known = KNOWN.into_iter().find(|known| name.as_deref() == Some(known.as_bytes()));
        let Some(name) = known else { continue };
        if found.iter().any(|(other, _)| *other == name) {
            if name == "error_description" {
                continue;
            }
            return Err(UpstreamError::Response("a parameter twice"));
        }
        found.push((name, decode(value)));
    }
    Ok(found)
}

/// `application/x-www-form-urlencoded`, decoded once; `None` where an escape is cut.
fn decode(text: &str) -> Option<Vec<u8>> {
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
    Some(decoded)
}

/// VSCHAR (RFC 6749, appendix A).
fn is_vschar(byte: u8) -> bool {
    (0x20..=0x7e).contains(&byte)
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
        let cases = [
            String::new(),
            "code=c".into(),
            "state=s".into(),
            "state=s&code=".into(),
            "state=s&code=c&code=c".into(),
            "state=s&code=c&state=s".into(),
            "state=s&code=c&iss=i&iss=i".into(),
            "state=s&code=c&c%6Fde=c".into(),
            "state=s&code=c&iss=".into(),
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
            "state=s&response=eyJ".into(),
            "state=s&code=c&response=eyJ".into(),
        ];
        for case in cases {
            assert!(matches!(parse(&case), Err(UpstreamError::Response(_))), "{case}");
        }
    }

    #[test]
    fn what_is_not_used_is_not_judged() {
        for more in [
            "x=%E9".to_owned(),
            "%E9=1".into(),
            "x=%zz&%4=1".into(),
            "x=1&x=1".into(),
            format!("x={}", "x".repeat(17_000)),
            "a=1&".repeat(100),
            "error_description=%E9&error_description=%".into(),
        ] {
            let response = parse(&format!("state=s&code=c&{more}")).unwrap_or_else(|_| panic!("{more}"));
            assert!(response.outcome.is_ok_and(|code| code.expose() == "c"), "{more}");
        }
        for (sent, heard) in [
            ("Acc%C3%A8s+refus%C3%A9", Some("Acc\u{e8}s refus\u{e9}")),
            ("Acc%E8s", Some("Acc\u{fffd}s")),
            ("a%0D%0Ab%3Cb%3E%22", Some("a\r\nb<b>\"")),
            ("%", None),
            ("", None),
        ] {
            let response = parse(&format!("state=s&error=access_denied&error_description={sent}")).unwrap();
            assert_eq!(response.description.as_deref(), heard, "{sent}");
            assert_eq!(response.outcome.err().as_deref(), Some("access_denied"));
        }
        let long = parse(&format!("state=s&code={}", "c".repeat(9000))).unwrap();
        assert!(long.outcome.is_ok_and(|code| code.expose().len() == 9000));
    }

    #[test]
    fn a_state_that_cannot_be_ours_belongs_to_no_login() {
        for state in [String::new(), "x".repeat(513), "x".repeat(4096), "%00".into(), "%C3%A9".into()] {
            assert!(matches!(parse(&format!("code=c&state={state}")), Err(UpstreamError::State)), "{state}");
        }
    }
}
