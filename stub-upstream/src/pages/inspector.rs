//! The inspector's pages: each login as a sequence of requests and answers, with its tokens decoded, and what
//! the client did right or wrong.

use maud::{Markup, html};

use super::{both, layout};
use crate::journal::{Check, Exchange, Flow, Opened};
use crate::stub::Stub;

pub(crate) const SCRIPT_PATH: &str = "/_stub/live.js";
pub(crate) const SCRIPT: &str = include_str!("live.js");

/// The last logins.
pub(crate) fn list(stub: &Stub, flows: &[Flow]) -> Markup {
    let prefix = &stub.space.prefix;
    layout(
        "Inspecteur",
        &html! {
            script src=(SCRIPT_PATH) defer {}
            h1 { (both("Les dernières connexions", "The last logins")) }
            @if !stub.space.journal.is_on() {
                p { (both("Le journal est éteint.", "The journal is off.")) }
            }
            div id="live" {
                @if flows.is_empty() { p { (both("Rien encore.", "Nothing yet.")) } }
                @else {
                    table {
                        tr {
                            th scope="col" { (both("Connexion", "Login")) }
                            th scope="col" { (both("Profil", "Profile")) }
                            th scope="col" { (both("Personne", "Person")) }
                            th scope="col" { (both("Panne", "Fault")) }
                            th scope="col" { (both("Échanges", "Exchanges")) }
                        }
                        @for flow in flows {
                            @let unmet = flow.exchanges.iter().flat_map(|exchange| &exchange.checks).filter(|check| !check.met).count();
                            tr {
                                td { a href={ (prefix) "/_stub/logins/" (flow.id) } { "n° " (flow.id) } }
                                td { code { (flow.profile) } br; code { (flow.client) } }
                                td { @if let Some(persona) = &flow.persona { code { (persona) } } }
                                td { @if let Some(fault) = flow.fault { code { (fault) } } }
                                td {
                                    @for exchange in &flow.exchanges { (exchange.endpoint) " " (exchange.status) br; }
                                    @if unmet > 0 { strong class="unmet" { "✗ " (unmet) " " (both("non tenu", "unmet")) } }
                                }
                            }
                        }
                    }
                }
            }
        },
    )
}

/// One login.
pub(crate) fn one(stub: &Stub, flow: &Flow) -> Markup {
    layout(
        "Inspecteur",
        &html! {
            script src=(SCRIPT_PATH) defer {}
            p { a href={ (stub.space.prefix) "/_stub/logins" } { (both("Toutes les connexions", "All logins")) } }
            h1 { (both("Connexion", "Login")) " n° " (flow.id) }
            div id="live" {
                p { code { (flow.profile) } " · " code { (flow.client) }
                    @if let Some(persona) = &flow.persona { " · " code { (persona) } }
                    " · " (both("début à", "begun at")) " " (flow.started) }
                @if let (Some(fault), Some(advice)) = (flow.fault, flow.advice) {
                    p class="problem" {
                        (both("Panne", "Fault")) " " code { (fault) } br;
                        (both("Ce que votre client aurait dû faire :", "What your client should have done:")) " "
                        strong lang="en" { (advice) }
                    }
                }
                @for exchange in &flow.exchanges { (of_exchange(flow, exchange)) }
            }
        },
    )
}

fn of_exchange(flow: &Flow, exchange: &Exchange) -> Markup {
    html! {
        h2 { (exchange.endpoint) " → " (exchange.status) }
        p { "+ " (exchange.at.saturating_sub(flow.started)) " s" }
        @if !exchange.checks.is_empty() { ul class="checks" { @for check in &exchange.checks { (of_check(check)) } } }
        h3 { (both("Requête", "Request")) }
        (pairs(&exchange.request))
        h3 { (both("Réponse", "Answer")) }
        (pairs(&exchange.answer))
        @for token in &exchange.tokens { (of_token(token)) }
    }
}

fn of_check(check: &Check) -> Markup {
    html! {
        @if check.met { li { "✓ " span lang="en" { (check.expected) } } }
        @else { li class="unmet" { "✗ " span lang="en" { (check.expected) } } }
    }
}

fn pairs(pairs: &[(String, String)]) -> Markup {
    html! {
        @if pairs.is_empty() { p { "—" } }
        table { @for (name, value) in pairs { tr { th scope="row" { (name) } td { code { (value) } } } } }
    }
}

fn of_token(token: &Opened) -> Markup {
    let shown = |value: &serde_json::Value| serde_json::to_string_pretty(value).unwrap_or_default();
    html! {
        h3 { (both("Jeton", "Token")) " " code { (token.name) } }
        pre { (shown(&token.header)) }
        @match &token.claims {
            Some(claims) => pre { (shown(claims)) },
            None => p { (both("chiffré", "encrypted")) },
        }
    }
}
