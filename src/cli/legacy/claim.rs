//! `relais legacy claim`: an application's server exchanges a reference for the sealed answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use http::HeaderValue;
use url::Url;

use super::Key;
use crate::cli::{Failure, input, output};
use crate::outbound::{Answer, Outbound, OutboundError, OutboundSettings, may_call};

/// Exchange the reference on standard input for the sealed answer (`reference` delivery).
///
/// Reads the reference that `info=` carried from standard input, white space around it left out, and prints
/// exactly the sealed answer, for `relais legacy decode`. Once, within a minute. On exit code 1 the
/// application stops: it never decodes what the browser brought instead.
#[derive(Debug, Args)]
pub(super) struct Claim {
    /// The relay's public URL; https, or http to this machine
    #[arg(long, value_name = "URL", value_parser = relay)]
    relay: Url,
    #[command(flatten)]
    key: Key,
}

impl Claim {
    pub(super) fn run(self) -> Result<(), Failure> {
        let key = self.key.read()?;
        let bytes = input()?;
        let reference = reference(&bytes).ok_or_else(|| {
            Failure::Runtime("standard input holds no reference: 43 characters [A-Za-z0-9_-]".to_owned())
        })?;
        let app = &self.key.app;
        let basic = STANDARD.encode(format!("{app}:{}", key.claim_password(app).expose()));
        let authorization =
            HeaderValue::from_str(&format!("Basic {basic}")).map_err(|error| Failure::caused(&error))?;
        let answer = call(&below(self.relay), format!("ref={reference}"), authorization)?;
        match refusal(&answer) {
            None => output(&answer.body),
            Some(text) => Err(Failure::Runtime(text)),
        }
    }
}

fn call(url: &Url, form: String, authorization: HeaderValue) -> Result<Answer, Failure> {
    let outbound = Outbound::new(&OutboundSettings::default()).map_err(|error| Failure::caused(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::caused(&error))?;
    let answer = runtime.block_on(outbound.post_form(url, form, Some(authorization)));
    answer.map_err(|error: OutboundError| Failure::caused(&error))
}

/// What a status other than success means.
fn refusal(answer: &Answer) -> Option<String> {
    let text = match answer.status.as_u16() {
        200 if answer.content_type == "text/plain" => return None,
        200 => "the answer is no sealed message; is --relay the public URL of a relay?".to_owned(),
        401 => "the relay knows no such application under this key (401)".to_owned(),
        404 => {
            "nothing to claim (404): claimed before, over a minute old, issued to another application, or \
                --relay is not the relay's public URL; the relay's log says which"
                .to_owned()
        }
        429 => "too many wrong passwords from this address (429); wait a minute".to_owned(),
        status => format!("the relay answered {status}"),
    };
    Some(text)
}

fn reference(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let fits = text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    fits.then_some(text)
}

fn relay(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "write an absolute URL")?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if may_call(&url) && plain {
        Ok(url)
    } else {
        Err("write an https URL (http to this machine) without a query")
    }
}

/// `/idp/claim` below the relay's public URL, which may hold a path.
fn below(mut relay: Url) -> Url {
    if let Ok(mut segments) = relay.path_segments_mut() {
        segments.pop_if_empty().extend(["idp", "claim"]);
    }
    relay
}
