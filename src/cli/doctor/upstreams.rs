//! Each upstream: its metadata under its issuer, its keys, its endpoints, and its clock against ours. All at the
//! same time, each call within [`PATIENCE`].

use async_trait::async_trait;
use http::HeaderValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::task::JoinSet;
use url::Url;

use super::{Check, Finding, PATIENCE, Patient};
use crate::clock::{Clock as _, SystemClock};
use crate::event::{Event, Events, Sink, Trace};
use crate::outbound::{Cause, Outbound, OutboundError, OutboundSettings, chain};
use crate::remote_jwks::JwksError;
use crate::upstream::{DiscoveryError, Endpoints, Settings, Signatures, Upstream};

pub(super) struct Upstreams;

/// Clocks that differ by less agree, in seconds.
const AGREE: u64 = 5;

#[async_trait]
impl Check for Upstreams {
    async fn run(&self, patient: &Patient) -> Vec<Finding> {
        let config = &patient.config;
        let total = config.outbound.total.min(PATIENCE);
        let outbound = match Outbound::new(&OutboundSettings { total, ..config.outbound.clone() }) {
            Ok(outbound) => outbound,
            Err(error) => {
                let advice = "install the system's certificates, or look at [outbound]";
                return vec![Finding::fail("outbound", chain(&error), advice)];
            }
        };
        let mut tasks = JoinSet::new();
        for (at, settings) in config.upstreams.iter().cloned().enumerate() {
            let outbound = outbound.clone();
            tasks.spawn(async move { (at, one(settings, outbound).await) });
        }
        let mut all = tasks.join_all().await;
        all.sort_by_key(|(at, _)| *at);
        all.into_iter().flat_map(|(_, findings)| findings).collect()
    }
}

/// Takes no event: the findings say it all.
struct Silent;

impl Sink for Silent {
    fn accept(&self, _: &Event) {}
}

async fn one(settings: Settings, outbound: Outbound) -> Vec<Finding> {
    let area = format!("upstream.{}", settings.name);
    let upstream = Upstream::new(settings, &outbound);
    let trace = Trace::new(Events::to(Silent), None);
    let Some(first) = upstream.first_address() else {
        let advice = "write the issuer as an absolute URL";
        return vec![Finding::fail(&area, "its issuer has no discovery address", advice)];
    };
    let mut findings: Vec<_> = clock(&area, &upstream, &outbound, &first).await.into_iter().collect();
    let endpoints = match upstream.endpoints(&SystemClock, &trace).await {
        Ok(endpoints) => endpoints,
        Err(error) => {
            findings.insert(0, no_metadata(&area, &first, &error));
            return findings;
        }
    };
    let how = if upstream.settings().endpoints.is_some() { "written" } else { "published under its issuer" };
    findings.insert(0, Finding::ok(&area, format!("its endpoints are {how}")));
    for name in upstream.unusable_metadata(&SystemClock, &trace).await {
        let what = format!("its {name} cannot be used, and counts as absent");
        findings.push(Finding::warn(&area, what, "tell the provider, or write its endpoints"));
    }
    let Endpoints { authorization, token, userinfo, jwks, end_session: _ } = &endpoints;
    let (keys, authorization, token, userinfo) = tokio::join!(
        keys(&area, &upstream, jwks.as_ref(), &trace),
        endpoint(&area, "authorization endpoint", Some(authorization), &outbound),
        endpoint(&area, "token endpoint", Some(token), &outbound),
        endpoint(&area, "userinfo endpoint", userinfo.as_ref(), &outbound),
    );
    findings.extend(keys);
    findings.extend([authorization, token, userinfo].into_iter().flatten());
    findings
}

fn no_metadata(area: &str, address: &Url, error: &DiscoveryError) -> Finding {
    match error {
        DiscoveryError::Call(source) => no_answer(area, "discovery document", address, source),
        DiscoveryError::Status(status) => {
            let what = format!("{address} answers {status}");
            Finding::fail(area, what, "compare the issuer with the provider's documentation")
        }
        DiscoveryError::Issuer { due, found } => {
            let what = format!(
                "{address} names another issuer than the configuration: {due:?} is due, {found} was found"
            );
            Finding::fail(
                area,
                what,
                "write the issuer exactly as the document does, if it is the provider's",
            )
        }
        DiscoveryError::Address
        | DiscoveryError::Malformed(_)
        | DiscoveryError::Endpoint(_)
        | DiscoveryError::Nearer(_)
        | DiscoveryError::Host(_) => {
            let advice = "compare the issuer with the provider's documentation, or write its endpoints";
            Finding::fail(area, format!("{address}: {error}"), advice)
        }
    }
}

/// Whether an address answers at all: without parameters any answer but a server's fault will do.
async fn endpoint(area: &str, name: &str, url: Option<&Url>, outbound: &Outbound) -> Option<Finding> {
    let url = url?;
    let finding = match outbound.get(url, "*/*", None).await {
        Err(error) => no_answer(area, name, url, &error),
        Ok(answer) if answer.status.as_u16() == 404 || answer.status.is_server_error() => {
            let what = format!("{name} {url} answers {}", answer.status.as_u16());
            Finding::warn(area, what, "compare the address with the provider's documentation")
        }
        Ok(answer) => {
            let (status, elapsed) = (answer.status.as_u16(), answer.elapsed.as_millis());
            Finding::ok(area, format!("{name} answers ({status}, {elapsed} ms)"))
        }
    };
    Some(finding)
}

async fn keys(area: &str, upstream: &Upstream, jwks: Option<&Url>, trace: &Trace) -> Vec<Finding> {
    let Some(url) = jwks else { return Vec::new() };
    let Some(keys) = upstream.remote_keys(url, &SystemClock, trace).await else { return Vec::new() };
    let defects = keys.iter().flat_map(|keys| keys.unusable().defects()).map(|defect| {
        let advice = "tell the provider; until then what it signs by this key is refused";
        Finding::warn(area, format!("JWK Set {url}: {defect}"), advice)
    });
    let defects: Vec<_> = defects.collect();
    let finding = match keys {
        Err(error) => match &*error {
            JwksError::Call(source) => no_answer(area, "JWK Set", url, source),
            JwksError::Status(status) => {
                Finding::fail(area, format!("JWK Set {url} answers {status}"), "ask the provider")
            }
            other @ JwksError::Set(_) => {
                Finding::fail(area, format!("JWK Set {url}: {other}"), "ask the provider")
            }
        },
        Ok(keys) => {
            let algs = keys.algs();
            let names = algs.iter().map(|alg| alg.as_str()).collect::<Vec<_>>().join(", ");
            let usable = match &upstream.settings().signatures {
                Signatures::Published(allowed) => allowed.iter().any(|alg| algs.contains(alg)),
                Signatures::Shared(_) => true,
            };
            if usable {
                Finding::ok(area, format!("its published keys sign by {names}"))
            } else {
                let what = format!("its published keys sign by {names}, and none of signing_algs");
                Finding::fail(area, what, "write what is registered at the provider into signing_algs")
            }
        }
    };
    std::iter::once(finding).chain(defects).collect()
}

/// The upstream's clock against ours, by the `Date` of an answer, which has whole seconds.
async fn clock(area: &str, upstream: &Upstream, outbound: &Outbound, url: &Url) -> Option<Finding> {
    const ADVICE: &str = "synchronise this machine's clock (NTP), or tell the provider";
    let leeway = upstream.settings().leeway;
    // Where there is no answer, another finding says so.
    let answer = outbound.get(url, "*/*", None).await.ok()?;
    let Some(theirs) = answer.date.as_ref().and_then(seconds) else {
        return Some(Finding::warn(area, "its clock is not known: its answer has no Date", ""));
    };
    let ours = SystemClock.now().seconds();
    let apart = theirs.abs_diff(ours);
    let how = if theirs > ours { "ahead of" } else { "behind" };
    let finding = if apart > leeway {
        let what = format!(
            "its clock is {apart} s {how} ours, beyond leeway_seconds = {leeway}: tokens are refused"
        );
        Finding::fail(area, what, ADVICE)
    } else if apart > AGREE {
        Finding::warn(area, format!("its clock is {apart} s {how} ours"), ADVICE)
    } else {
        Finding::ok(area, format!("the clocks agree ({apart} s)"))
    };
    Some(finding)
}

/// The instant of a `Date` (RFC 9110, section 5.6.7).
fn seconds(date: &HeaderValue) -> Option<u64> {
    let date = OffsetDateTime::parse(date.to_str().ok()?, &Rfc2822).ok()?;
    u64::try_from(date.unix_timestamp()).ok()
}

fn no_answer(area: &str, name: &str, url: &Url, error: &OutboundError) -> Finding {
    let (why, advice) = match error.cause() {
        Cause::Address => ("is neither https nor on this machine", "write its https address"),
        Cause::Name => ("its host's name does not resolve", "look at the name and at this machine's DNS"),
        Cause::Refused => ("the connection is refused", "look at the port, the firewall and outbound.proxy"),
        Cause::Tls => ("TLS fails", "look at its certificate, this machine's certificates, and the address"),
        Cause::Connection => ("there is no connection", "look at routes, the firewall and outbound.proxy"),
        Cause::Timeout => ("there is no answer in time", "look at the firewall and outbound.proxy"),
        Cause::Answer => ("the answer is not acceptable", "look at what answers there"),
    };
    Finding::fail(area, format!("{name} {url}: {why}"), advice)
}
