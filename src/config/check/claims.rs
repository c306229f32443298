//! An application's scopes and claims beside what its upstreams are known to have. A misspelt name is no fault of the
//! protocol: the provider passes over it, and people sign in without a name.

use crate::config::file::Section;
use crate::config::value::nearest;
use crate::upstream::Profile;

/// Warns of scopes that no upstream of the application has, and of claims that no scope of its brings.
pub(super) fn check(
    section: &Section<'_>,
    scopes: &[String],
    claims: &[String],
    profiles: &[&'static Profile],
) {
    if profiles.is_empty() {
        return;
    }
    let table = || profiles.iter().flat_map(|profile| profile.scopes);
    let providers = profiles.iter().map(|profile| profile.name).collect::<Vec<_>>().join(", ");
    let of_its_own = profiles.iter().any(|profile| profile.own_scopes);
    let known: Vec<_> = table().map(|(scope, _)| *scope).collect();
    for scope in scopes.iter().filter(|scope| !known.contains(&scope.as_str())) {
        let unknown = format!("{scope:?} is no scope that {providers} is known to have");
        match nearest(scope, &known) {
            Some(near) => section.warn("scopes", &format!("{unknown}: did you mean {near:?}?")),
            None if of_its_own => {}
            None => section.warn("scopes", &format!("{unknown}: {}", known.join(", "))),
        }
    }
    let asked = |scope: &str| scopes.iter().any(|asked| asked == scope);
    let every: Vec<_> = table().flat_map(|(_, claims)| *claims).copied().collect();
    for claim in claims {
        let mut bringing = table().filter(|(_, claims)| claims.contains(&claim.as_str()));
        if bringing.clone().any(|(scope, _)| asked(scope)) {
            continue;
        }
        if let Some((scope, _)) = bringing.next() {
            section
                .warn("claims", &format!("{claim:?} comes with the scope {scope:?}, which is not in scopes"));
            continue;
        }
        let unknown = format!("{claim:?} is no claim that {providers} is known to send");
        match nearest(claim, &every) {
            Some(near) => section.warn("claims", &format!("{unknown}: did you mean {near:?}?")),
            None if of_its_own => {}
            None => section.warn("claims", &unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{place, read};

    const SAMPLE: &str = include_str!("../../../config/relais.toml");

    /// The warnings of an application with these scopes and claims.
    fn warned(profile: &str, scopes: &str, claims: &str) -> Vec<String> {
        let dir = place();
        let text = SAMPLE
            .replace("profile = \"franceconnect_v2\"", &format!("profile = \"{profile}\""))
            .replace(
                r#"scopes = ["openid", "given_name", "family_name", "email"]"#,
                &format!("scopes = {scopes}"),
            )
            .replace(r#"claims = ["given_name", "family_name", "email"]"#, &format!("claims = {claims}"));
        let config = read(&text, dir.path(), &[]).unwrap_or_else(|faults| panic!("{faults}"));
        config.warnings.iter().map(ToString::to_string).collect()
    }

    /// G4: the configuration is accepted, and people sign in without a name.
    #[test]
    fn g4_what_brings_nothing_is_said_with_what_was_meant() {
        assert_eq!(
            warned("franceconnect_v2", r#"["openid", "given_nam", "email"]"#, r#"["givenname", "email"]"#),
            [
                "legacy.compta.scopes: \"given_nam\" is no scope that franceconnect_v2 is known to have: did you mean \"given_name\"?",
                "legacy.compta.claims: \"givenname\" is no claim that franceconnect_v2 is known to send: did you mean \"given_name\"?",
            ]
        );
        assert_eq!(
            warned("franceconnect_v2", r#"["openid", "email"]"#, r#"["birthplace", "siret"]"#),
            [
                "legacy.compta.claims: \"birthplace\" comes with the scope \"birth\", which is not in scopes",
                "legacy.compta.claims: \"siret\" is no claim that franceconnect_v2 is known to send",
            ]
        );
        let unknown = warned("franceconnect_v2", r#"["openid", "impots"]"#, "[]");
        assert!(unknown.len() == 1 && unknown[0].contains("\"impots\" is no scope"), "{unknown:?}");
    }

    #[test]
    fn what_is_asked_and_brought_is_not() {
        for (profile, scopes, claims) in [
            ("franceconnect_v2", r#"["openid", "identite_pivot"]"#, r#"["birthcountry", "sub", "amr"]"#),
            (
                "proconnect",
                r#"["openid", "usual_name", "siret"]"#,
                r#"["family_name", "usual_name", "siret"]"#,
            ),
            ("generic", r#"["openid", "profile", "phone"]"#, r#"["name", "updated_at", "phone_number"]"#),
            // A provider of another kind may have scopes and claims of its own.
            (
                "generic",
                r#"["openid", "entitlements", "offline_access"]"#,
                r#"["entitlements", "matricule"]"#,
            ),
        ] {
            assert_eq!(warned(profile, scopes, claims), [""; 0], "{profile}");
        }
        let near = warned("generic", r#"["openid", "profil"]"#, r#"["famly_name"]"#);
        assert!(near.len() == 2 && near.iter().all(|warning| warning.contains("did you mean")), "{near:?}");
    }
}
