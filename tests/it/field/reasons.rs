//! D: for each reason an input that produces it, and the facts by which its event alone is enough to act.

use relais::event::reasons;
use serde_json::{Value, json};
use stub_upstream::{Fault, Part};

use super::{instead, log_in, mended, put, told};
use crate::harness::{LegacyApp, World, providers};

enum Input {
    Fault(Fault),
    Put(Part, &'static str, Value),
    Answer(Part, u16, &'static str, &'static str),
}

use Input::{Answer, Put};

/// Reason, application, input, and what the cause says; other facts are named by `has`.
type Row = (&'static str, &'static str, Input, &'static str);

fn rows() -> Vec<Row> {
    let json = "application/json";
    let fault = Input::Fault;
    vec![
        ("upstream.access_denied", "silencieuse", fault(Fault::AccessDenied), "access_denied"),
        ("upstream.error_response", "silencieuse", fault(Fault::ServerError), ""),
        ("upstream.login_required", "silencieuse", fault(Fault::LoginRequired), ""),
        ("upstream.unreachable", "silencieuse", fault(Fault::TokenHangUp), "token endpoint"),
        ("upstream.http_status", "silencieuse", fault(Fault::Token500), "token endpoint"),
        ("upstream.http_status", "silencieuse", fault(Fault::Userinfo401), "userinfo endpoint"),
        ("upstream.too_large", "silencieuse", fault(Fault::TokenHuge), "longer than the limit"),
        ("upstream.not_json", "silencieuse", fault(Fault::TokenGarbled), "line 1 column 2"),
        ("upstream.invalid_grant", "silencieuse", fault(Fault::TokenInvalidGrant), "refused the code"),
        ("upstream.invalid_client", "silencieuse", fault(Fault::TokenInvalidClient), "401"),
        ("upstream.token_type", "silencieuse", fault(Fault::TokenTypeWrong), "\"mac\" was found"),
        ("upstream.id_token_missing", "silencieuse", fault(Fault::NoIdToken), ""),
        ("upstream.id_token_malformed", "silencieuse", fault(Fault::IdTokenGarbled), "malformed"),
        ("upstream.alg_refused", "silencieuse", fault(Fault::AlgNone), ""),
        ("upstream.key_unknown", "silencieuse", fault(Fault::KeyUnknown), "no key fits"),
        ("upstream.signature", "silencieuse", fault(Fault::BadSignature), "signature is wrong"),
        ("upstream.issuer_claim", "silencieuse", fault(Fault::WrongIssuer), "was found"),
        ("upstream.audience", "silencieuse", fault(Fault::AudWrong), "aud is \"another-client\""),
        ("upstream.expired", "silencieuse", fault(Fault::ExpiredIdToken), ""),
        ("upstream.issued_in_future", "silencieuse", fault(Fault::FutureIdToken), ""),
        ("upstream.nonce", "silencieuse", fault(Fault::WrongNonce), "nonce"),
        ("upstream.at_hash", "silencieuse", fault(Fault::AtHashWrong), "at_hash"),
        ("upstream.sub", "silencieuse", fault(Fault::SubMissing), "sub"),
        ("upstream.sub_differs", "silencieuse", fault(Fault::SubDiffers), "another subject"),
        ("upstream.claim_type", "silencieuse", Put(Part::IdToken, "exp", json!("1")), "exp"),
        ("upstream.jwt_header", "silencieuse", fault(Fault::CritUnknown), "critical"),
        (
            "upstream.userinfo_type",
            "silencieuse",
            Answer(Part::Userinfo, 200, "text/plain", ""),
            "text/plain",
        ),
        ("upstream.jwks", "silencieuse", Answer(Part::Jwks, 500, json, ""), "500"),
        ("upstream.discovery", "silencieuse", Answer(Part::Discovery, 404, json, ""), "404"),
        ("upstream.not_encrypted", "plus", fault(Fault::JwePlain), "not encrypted"),
        ("upstream.encryption_alg", "plus", fault(Fault::JweAlgDir), ""),
        ("upstream.decryption_key", "plus", fault(Fault::JweKidUnknown), ""),
        ("upstream.decryption", "plus", fault(Fault::JweTagAltered), "does not decrypt"),
        ("upstream.not_signed", "plus", fault(Fault::JweUnsigned), "not signed"),
    ]
}

#[tokio::test]
async fn d_the_event_alone_is_enough_to_act() {
    for (reason, app, input, said) in rows() {
        let world = if app == "plus" { World::with(providers::setup()).await } else { World::new().await };
        let app: LegacyApp = world.legacy(app);
        match input {
            Input::Fault(fault) => world.stub.set_fault(Some(fault)),
            Put(part, name, value) => put(&world, part, name, value),
            Answer(part, status, kind, body) => instead(&world, part, status, kind, body),
        }
        assert!(log_in(&world, &app).await.is_err(), "{reason}");
        let event = told(&world);
        assert_eq!(event.reason.unwrap().slug(), reason, "{:?}", event.facts);
        let facts = event.facts;
        let cause = facts.cause.clone().unwrap_or_default();
        assert!(!cause.is_empty() && cause.contains(said), "{reason}: {cause}");
        assert!(
            event.login.is_some() && event.app.is_some() && event.upstream.is_some(),
            "{reason}: whose it is"
        );
        assert!(event.code.is_some() && facts.error.is_some(), "{reason}: what the application was told");
        let has = match reason {
            "upstream.expired" | "upstream.issued_in_future" => facts.offset_s.is_some(),
            "upstream.alg_refused" | "upstream.encryption_alg" => facts.alg.is_some(),
            "upstream.key_unknown" | "upstream.signature" | "upstream.decryption_key" => {
                facts.alg.is_some() && facts.kid.is_some()
            }
            "upstream.claim_type" => facts.names.is_some(),
            "upstream.http_status" => facts.status.is_some(),
            "upstream.discovery" | "upstream.jwks" => facts.status.is_some() && facts.url.is_some(),
            "upstream.access_denied"
            | "upstream.error_response"
            | "upstream.invalid_grant"
            | "upstream.invalid_client"
            | "upstream.login_required" => facts.upstream_error.is_some(),
            _ => true,
        };
        assert!(has, "{reason}: {facts:?}");
        mended(&world);
    }
}

/// The other reasons have their inputs in other tests, by slug or by name.
#[test]
fn d_every_reason_is_met_by_a_test() {
    let mut all = String::new();
    super::sources(std::path::Path::new("tests"), &mut all);
    all += include_str!("../fault_reactions/table.tsv");
    let listed = PAGE_ALONE
        .iter()
        .flat_map(|(area, names)| names.split(' ').map(move |name| format!("{area}.{name}")));
    let listed: Vec<_> = listed.collect();
    let missing = reasons::all().map(reasons::Reason::slug).filter(|slug| !all.contains(slug));
    let missing: Vec<_> = missing.collect();
    assert_eq!(missing, listed, "met by no test, and those on the list");
}

/// Reasons whose inputs are played in tests that look at the page alone, or need a process: a panic, a log on a full disk.
const PAGE_ALONE: [(&str, &str); 2] =
    [("legacy", "no_default_app"), ("server", "internal weak_choice log_lost")];
