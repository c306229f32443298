//! `[server] aliases`: paths of the relay's predecessor (KIF's `/j_spring_security_logout`) that go on working.

use url::Url;

use super::upstream::is_ours;
use crate::config::Aliases;
use crate::config::file::Section;
use crate::config::value::{Raw, Wrong, text};
use crate::paths;
use crate::upstream::Settings;

pub(super) fn aliases(section: Section<'_>) -> Aliases {
    let aliases =
        Aliases { logout: section.optional("logout", path), error: section.optional("error", path) };
    section.finish();
    aliases
}

/// What of the rest of the configuration an alias depends on.
pub(super) fn check(
    section: &Section<'_>,
    aliases: &Aliases,
    public_url: Option<&Url>,
    upstreams: &[Settings],
    default_app: bool,
) {
    if aliases.logout.is_some() && !default_app {
        let right = "set server.default_app: the alias ends the session for that application";
        section.fault("logout", Wrong::new("has no application", right));
    }
    if aliases.logout.is_some() && aliases.logout == aliases.error {
        section.fault("error", Wrong::new("is the path of aliases.logout", "write another"));
    }
    for (key, path) in [("logout", &aliases.logout), ("error", &aliases.error)] {
        let Some(path) = path else { continue };
        if public_url.is_some_and(|url| is_ours(path, url)) {
            let ours: Vec<_> = paths::first_segments().map(|segment| format!("/{segment}")).collect();
            let right = format!("choose a path beside {}", ours.join(", "));
            section.fault(key, Wrong { wrong: format!("is a path of our own pages, {path}"), right });
        }
        let theirs = |settings: &&Settings| {
            let back = settings.post_logout_redirect_uri.as_ref();
            settings.redirect_uri.path() == path || back.is_some_and(|back| back.path() == path)
        };
        if let Some(upstream) = upstreams.iter().find(theirs) {
            let wrong = format!("is where upstream.{} sends browsers back", upstream.name);
            section.fault(key, Wrong { wrong, right: "choose another path".to_owned() });
        }
    }
}

/// A path with one spelling.
fn path(raw: &Raw<'_>) -> Result<String, Wrong> {
    let path = text(raw)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    let segment = |s: &str| !s.is_empty() && !s.starts_with('.') && s.bytes().all(plain);
    let fits = path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment));
    if fits && path.len() <= 256 {
        return Ok(path);
    }
    let wrong = format!("{path:?} is no plain path");
    Err(Wrong {
        wrong,
        right: "write the whole path below the host, such as \"/j_spring_security_logout\"".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{faults, place, read};

    fn with(server: &str) -> String {
        let sample = include_str!("../../../config/relais.toml");
        sample.replace("[server]\n", &format!("[server]\n{server}\n"))
    }

    #[test]
    fn aliases_are_paths_of_their_own() {
        let dir = place();
        let fault = |server: &str| faults(&with(server), dir.path(), &[]);
        let of_compta =
            |alias: &str| format!("default_app = \"compta\"\naliases = {{ logout = \"{alias}\" }}");
        for path in ["", "logout", "/", "//x", "/x/", "/../x", "/a%20b", "/a?b", "https://x.example/y"] {
            assert!(fault(&of_compta(path)).starts_with("server.aliases.logout: "), "{path}");
        }
        for path in ["/idp", "/idp/x", "/logout/compta", "/static/x"] {
            assert!(fault(&of_compta(path)).contains("is a path of our own pages"), "{path}");
        }
        for path in ["/callback/fc", "/logout/return/fc"] {
            assert!(fault(&of_compta(path)).contains("is "), "{path}");
        }
        assert!(fault(&of_compta("/callback/fc")).contains("is where upstream.fc sends browsers back"));
        assert!(fault("aliases = { logout = \"/out\" }").contains("has no application"));
        let twice = "default_app = \"compta\"\naliases = { logout = \"/x\", error = \"/x\" }";
        assert!(fault(twice).contains("is the path of aliases.logout"));
        assert!(fault("aliases = { login = \"/x\" }").contains("unknown key"));

        let right = "default_app = \"compta\"\n\
            aliases = { logout = \"/j_spring_security_logout\", error = \"/kif/authenticationError\" }";
        let config = read(&with(right), dir.path(), &[]).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(config.aliases.logout.as_deref(), Some("/j_spring_security_logout"));
        assert_eq!(config.aliases.error.as_deref(), Some("/kif/authenticationError"));
        let none = read(&with(""), dir.path(), &[]).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(none.aliases, crate::config::Aliases::default());
    }
}
