//! What an application demands of a sign-in, beside what its upstreams can be asked for and can prove.

use crate::config::file::Section;
use crate::config::value::{Wrong, boolean, choice, texts, whole};
use crate::identity::{Acr, AcrAsk, AcrMode, AcrPolicy};
use crate::service::{Prompt, Sso};
use crate::upstream::Profile;

/// What is demanded.
pub(super) struct Demands {
    pub(super) acr: Option<AcrPolicy>,
    pub(super) sso: Sso,
    pub(super) max_age: Option<u64>,
}

impl Demands {
    /// Reads them, and warns of what these upstreams cannot do.
    pub(super) fn read(section: &Section<'_>, profiles: &[&'static Profile]) -> Self {
        let (acr, sso) = (acr(section), sso(section));
        let max_age = section.optional("max_age", whole(0..=31_536_000));
        for profile in profiles {
            if sso == Sso::Off {
                fresh(section, profile);
            }
            if max_age.is_some() && !profile.takes("max_age") {
                aged(section, profile);
            }
        }
        Self { acr, sso, max_age }
    }
}

fn fresh(section: &Section<'_>, profile: &Profile) {
    let name = profile.name;
    if !profile.tells_auth_time {
        let warning = format!(
            "{name} does not tell when the person signed in: it is asked every time, and nothing proves that the person \
             was; the application must not believe so"
        );
        section.warn("sso", &warning);
    } else if !profile.honours_login {
        let warning = format!(
            "{name} may answer from its own session whatever it is asked: then the sign-in is refused, until that \
             session ends"
        );
        section.warn("sso", &warning);
    }
}

fn aged(section: &Section<'_>, profile: &Profile) {
    let name = profile.name;
    let instead = match (profile.tells_auth_time, profile.honours_login) {
        (false, _) => "nor does it tell when the person signed in: every sign-in is refused",
        (true, false) => {
            "and may answer from its own session: an older sign-in is refused until that session ends"
        }
        (true, true) if profile.prompt(Prompt::Login).is_some() => "a fresh sign-in is asked every time",
        (true, true) => "an older sign-in is refused",
    };
    section.warn("max_age", &format!("{name} takes no max_age: {instead}"));
}

fn acr(section: &Section<'_>) -> Option<AcrPolicy> {
    let written = section.has("acr");
    let acr = section.section("acr");
    let accept = if written {
        acr.required("accept", "list the levels that satisfy, such as [\"eidas2\"]", texts)
    } else {
        acr.optional("accept", texts)
    };
    let modes = [("require", AcrMode::Require), ("prefer", AcrMode::Prefer)];
    let mode = acr.or("mode", AcrMode::Require, choice(&modes));
    let asks = [("acr_values", AcrAsk::AcrValues), ("claims", AcrAsk::Claims)];
    let ask = acr.or("ask", AcrAsk::AcrValues, choice(&asks));
    acr.finish();
    let accept = accept?.into_iter().map(Acr).collect();
    Some(AcrPolicy { mode, ask, ..AcrPolicy::any_of(accept) })
}

fn sso(section: &Section<'_>) -> Sso {
    let choices = [("confirm", Sso::Confirm), ("silent", Sso::Silent), ("off", Sso::Off)];
    let sso = section.or("sso", Sso::Confirm, choice(&choices));
    let accepted = section.or("accept_forced_login", false, boolean);
    match (sso, accepted) {
        (Sso::Silent, false) => section.fault(
            "sso",
            Wrong::new(
                "\"silent\" lets any page sign a visitor in as somebody else",
                "write \"confirm\", or add accept_forced_login = true",
            ),
        ),
        (Sso::Silent, true) => {
            section.warn("sso", "\"silent\": any page can sign a visitor in, as accept_forced_login allows");
        }
        (_, true) => section.warn("accept_forced_login", "changes nothing while sso is not \"silent\""),
        (_, false) => {}
    }
    sso
}
