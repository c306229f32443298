//! The page that is written from the table, and from the relay's own profiles.

use std::fmt::Write as _;
use std::fs;

use relais::upstream::{PROFILES, Profile, Signer};
use stub_upstream::{FAULTS, Stage};

use super::{Row, shows_at, table};

const PAGE: &str = "docs/provider-faults.md";

const HEAD: &str = "\
# What the relay does when a provider fails
Each fault of [the simulated provider](stub-upstream.md), at each profile where it shows, as the fault tests play it
(`cargo test --release --test it fault_reactions`). This page is made from their table.

- **person**: `application`, back there; `page`, the relay's own, with status and public code; `provider`, left on a
  page of the provider; `signed out`; `elsewhere`, sent to the host that the metadata names.
- **reason**: what the operator finds in [the events](events.md); `-` for none.
- **application**: the code of its sealed refusal, `identity`, or `nothing`.

After each of them a good login succeeds in the same browser. A login that failed left no session, a code was sent at
most once, and where the response was refused the provider was asked nothing. The applications here demand a level
(`acr`, mode `require`); without a demand the level is delivered as it came. The registrations name their one algorithm
(`signing_algs`). `generic` follows metadata to other hosts, as the standard lets it; write `endpoints` to forbid that.

";

fn page() -> String {
    let mut text = HEAD.to_owned();
    features(&mut text);
    for stage in Stage::ALL {
        write!(
            text,
            "\n## {}\n| fault | on the wire | at | person | reason | application |\n",
            title(*stage)
        )
        .unwrap();
        text += "|---|---|---|---|---|---|\n";
        for row in table().iter().filter(|row| row.fault.stage() == *stage) {
            line(&mut text, row);
        }
    }
    text
}

fn line(text: &mut String, row: &Row) {
    let Row { fault, when, profiles, outcome } = row;
    let all = super::profiles().filter(|profile| shows_at(*fault, profile)).count();
    let several = all > 1 && profiles.len() == all;
    let mut at = if several { "all that have it".to_owned() } else { profiles.join(", ") };
    match *when {
        "first" => at += ", nothing known yet",
        "later" => at += ", with what was good before",
        _ => {}
    }
    let code = |word: &str| if word == "-" { word.to_owned() } else { format!("`{word}`") };
    let (name, wire) = (fault.name(), fault.about());
    let (reason, told) = (code(&outcome.reason), code(&outcome.told));
    writeln!(text, "| `{name}` | {wire} | {at} | {} | {reason} | {told} |", outcome.sees).unwrap();
}

fn title(stage: Stage) -> &'static str {
    match stage {
        Stage::Discovery => "Metadata",
        Stage::Jwks => "JWK set",
        Stage::Response => "The person, and the authorization response",
        Stage::Token => "Token response",
        Stage::IdToken => "`id_token`",
        Stage::Encryption => "Encryption",
        Stage::Userinfo => "Userinfo",
        Stage::Logout => "Logout",
    }
}

/// One feature of a profile, in a few words.
type Feature = fn(&Profile) -> String;

/// What the relay takes for granted of each profile.
fn features(text: &mut String) {
    *text += "## Profiles\n| |";
    for profile in PROFILES {
        write!(text, " `{}` |", profile.name).unwrap();
    }
    writeln!(text, "\n|---|{}", "---|".repeat(PROFILES.len())).unwrap();
    let rows: [(&str, Feature); 12] = [
        ("discovery", |p| yes(p.discovery)),
        ("endpoints on the issuer's host alone", |p| yes(p.one_host)),
        ("PKCE", |p| yes(p.pkce)),
        ("parameters", |p| {
            if p.authorize_parameters.is_some() { "a closed list" } else { "open" }.to_owned()
        }),
        ("`acr_values` where nothing is demanded", |p| p.default_acr.unwrap_or("none").to_owned()),
        ("`iss` must come back", |p| if p.response_iss { "yes" } else { "if announced" }.to_owned()),
        ("client authentication", |p| json(&p.client_auth)),
        ("signed by", |p| match p.signer {
            Signer::Provider(algs) => {
                algs.iter().map(|alg| alg.as_str()).collect::<Vec<_>>().join(", ")
                    + if p.secret_may_sign { "; HS256 if so registered" } else { "" }
            }
            Signer::ClientSecret => "the client secret, HS256".to_owned(),
        }),
        ("`id_token` encrypted", |p| if p.encrypted { "yes" } else { "if so registered" }.to_owned()),
        ("userinfo", |p| json(&p.userinfo)),
        ("shows a page on every login", |p| yes(p.always_asks)),
        ("logout takes", |p| p.logout_parameters.join(", ")),
    ];
    for (name, of) in rows {
        write!(text, "| {name} |").unwrap();
        for profile in PROFILES {
            write!(text, " {} |", of(profile)).unwrap();
        }
        *text += "\n";
    }
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

/// A setting's word in the configuration.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()
}

#[test]
fn the_page_is_up_to_date() {
    let made = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(PAGE, &made).unwrap();
    }
    assert_eq!(fs::read_to_string(PAGE).unwrap_or_default(), made, "run with UPDATE_DOCS=1");
    assert!(made.matches("\n| `").count() >= FAULTS.len());
}
