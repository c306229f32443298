//! `relais import-kif`: KIF's three templates as they are once filled in, what is broken in a file and on which
//! line, and that the output is a configuration once its choices are made.

use std::collections::BTreeSet;
use std::fs::{Permissions, metadata, read_dir, read_to_string, set_permissions, write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use relais::config::{Purpose, from_toml};
use relais::import::{Kif, SecretFiles};
use relais::service::ServiceId;

const P: &str = "net.fenyo.franceconnect.config.";
const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF";
const SECRET: &str = "5ecre7-5ecre7-5ecre7-5ecre7-5ecre7";
const SAMPLE_KEY: &str = concat!("a6a7ee7abe681c9c4cede8e3366a9ded", "96b92668ea5e26a31a4b0856341ed224");
const SAMPLE_IV: &str = "87b7225d16ea2ae1f41d0b13fdce9bba";

/// What both Docker templates hold: neither mode nor TLS version.
const DOCKER: [(&str, &str); 17] = [
    ("oidc.debug", "true"),
    ("oidc.clientid", "0a0b0c"),
    ("oidc.clientsecret", SECRET),
    ("oidc.sessiontimeout", "240"),
    ("oidc.issuer", "https://fcp.integ01.dev-franceconnect.fr"),
    ("oidc.authorizationendpointuri", "https://fcp.integ01.dev-franceconnect.fr/api/v1/authorize"),
    ("oidc.tokenendpointuri", "https://fcp.integ01.dev-franceconnect.fr/api/v1/token"),
    ("oidc.userinfoendpointuri", "https://fcp.integ01.dev-franceconnect.fr/api/v1/userinfo"),
    ("oidc.redirecturi", "http://127.0.0.1/openid_connect_login"),
    ("oidc.logouturi", "https://fcp.integ01.dev-franceconnect.fr/api/v1/logout"),
    ("oidc.afterlogouturi", "http://127.0.0.1/"),
    ("oidc.authenticationerroruri", "http://127.0.0.1/authenticationError"),
    ("oidc.startlogouturi", "j_spring_security_logout"),
    ("oidc.fcbuttonuri", "https://fcp.integ01.dev-franceconnect.fr/js/franceconnect.js"),
    ("idp.key", KEY),
    ("idp.iv", "00112233445566778899aabbccddeeff"),
    ("idp.redirecturi", "https://compta.example/cgi/identite.cgi?"),
];

/// A file with these changes: a value, or a line taken out (`None`).
#[cfg(test)]
fn properties(changes: &[(&str, Option<&str>)]) -> String {
    let mut lines = vec!["# écrit par nos soins".to_owned()];
    for (key, value) in DOCKER {
        match changes.iter().find(|(changed, _)| *changed == key) {
            Some((_, None)) => {}
            Some((_, Some(value))) => lines.push(format!("{P}{key}={value}")),
            None => lines.push(format!("{P}{key}={value}")),
        }
    }
    let added = changes.iter().filter(|(key, _)| !DOCKER.iter().any(|(known, _)| known == key));
    lines.extend(added.filter_map(|(key, value)| Some(format!("{P}{key}={}", (*value)?))));
    lines.join("\n") + "\n"
}

#[cfg(test)]
fn imported(changes: &[(&str, Option<&str>)]) -> String {
    let kif = Kif::read(properties(changes).as_bytes()).unwrap_or_else(|faults| panic!("{faults}"));
    let app = ServiceId::parse("app").unwrap();
    kif.to_toml(&app, &SecretFiles::to_be_made(&app, "config.properties"))
}

#[cfg(test)]
fn faults(changes: &[(&str, Option<&str>)]) -> String {
    Kif::read(properties(changes).as_bytes()).err().map(|faults| faults.to_string()).unwrap_or_default()
}

/// The choices left open, by the path under which `check-config` names them.
#[cfg(test)]
fn unsettled(text: &str) -> BTreeSet<String> {
    let mut section = "";
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if line.starts_with("unsettled_") || line.starts_with("sunset = \"YYYY") {
            found.insert(format!("{section}.{}", line.split(' ').next().unwrap()));
        }
    }
    found
}

/// The text once every choice is made as it stands.
#[cfg(test)]
fn settled(text: &str) -> String {
    without(text, &["unsettled_"])
        .replace("YYYY-MM-DD", "2099-12-31")
        .replace("32 hexadecimal digits", "0f1e2d3c4b5a69788796a5b4c3d2e1f0")
}

#[cfg(test)]
fn without(text: &str, begins: &[&str]) -> String {
    let kept = |line: &&str| !begins.iter().any(|begin| line.starts_with(begin));
    text.lines().filter(kept).flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("app.client_secret", SECRET), ("app.key", KEY)] {
        write(dir.path().join(name), text).unwrap();
        set_permissions(dir.path().join(name), Permissions::from_mode(0o600)).unwrap();
    }
    dir
}

/// Checks that `text` names each open choice, and is a configuration once they are made.
#[cfg(test)]
fn check(text: &str) -> relais::config::Config {
    let dir = place();
    text.parse::<toml::Table>().unwrap();
    let faults = from_toml(text, dir.path(), [], Purpose::Serve).err().unwrap().to_string();
    for path in unsettled(text) {
        assert!(faults.lines().any(|line| line.starts_with(&format!("{path}: "))), "{path}: {faults}");
    }
    for secret in [KEY, &KEY.to_lowercase(), SECRET] {
        assert!(!text.contains(secret), "{text}");
    }
    let settled = settled(text);
    from_toml(&settled, dir.path(), [], Purpose::Serve).unwrap_or_else(|faults| panic!("{faults}\n{settled}"))
}

#[test]
fn the_three_templates_become_configurations() {
    let readme = [("oidc.tlsversion", Some("TLSv1.2")), ("idp.mode", Some("AES-256-GCM"))];
    let ssl = [
        ("oidc.debug", Some("false")),
        ("oidc.redirecturi", Some("https://relais.example/openid_connect_login")),
        ("oidc.afterlogouturi", Some("https://compta.example/")),
        ("oidc.authenticationerroruri", Some("https://relais.example/authenticationError")),
    ];
    for (changes, wire) in [(&readme[..], "kif-gcm"), (&[], "kif-cbc"), (&ssl, "kif-cbc")] {
        let text = imported(changes);
        let config = check(&text);
        assert!(text.contains(&format!("wire = \"{wire}\"")), "{text}");
        assert_eq!(config.upstreams[0].profile.name, "franceconnect_v2");
        assert_eq!(config.upstreams[0].issuers, ["https://fcp-low.sbx.dev-franceconnect.fr/api/v2"]);
        assert_eq!(config.upstreams[0].redirect_uri.path(), "/openid_connect_login");
        assert_eq!(config.default_app.unwrap().as_str(), "app");
        assert_eq!(config.session.idle.as_secs(), 240 * 60);
        // Every key is accounted for, used or dropped.
        for key in DOCKER.iter().map(|(key, _)| key).chain(changes.iter().map(|(key, _)| key)) {
            assert!(text.contains(key), "{key} is not mentioned");
        }
    }
}

#[test]
fn franceconnect_v1_becomes_v2_and_says_what_is_lost() {
    let text = imported(&[
        ("oidc.tokenendpointuri", Some("https://app.franceconnect.gouv.fr/api/v1/token")),
        ("oidc.authorizationendpointuri", Some("https://app.franceconnect.gouv.fr/api/v1/authorize")),
    ]);
    assert!(text.contains("issuer = \"https://oidc.franceconnect.gouv.fr/api/v2\""), "{text}");
    for part in ["retired", "ES256", "`address`", "`phone_number`", "`preferred_username`", "partner portal"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let table: toml::Table = text.parse().unwrap();
    let scopes = table["legacy"]["app"]["scopes"].as_array().unwrap();
    assert!(!scopes.iter().any(|scope| ["address", "phone"].contains(&scope.as_str().unwrap())));
    let left = unsettled(&text);
    assert!(left.contains("upstream.provider.unsettled_registration"), "{left:?}");
    assert!(left.contains("legacy.app.unsettled_claims"), "{left:?}");
    assert!(left.contains("legacy.app.sunset"), "{left:?}");
}

#[test]
fn another_provider_is_a_generic_one() {
    let text = imported(&[
        ("oidc.issuer", Some("https://idp.example")),
        ("oidc.authorizationendpointuri", Some("https://idp.example/authorize")),
        ("oidc.tokenendpointuri", Some("https://idp.example/token")),
        ("oidc.userinfoendpointuri", Some("https://idp.example/userinfo")),
        ("oidc.logouturi", None),
    ]);
    let config = check(&text);
    assert_eq!(config.upstreams[0].profile.name, "generic");
    assert!(unsettled(&text).contains("upstream.provider.unsettled_signature"), "{text}");
    assert!(text.contains("\"phone_number\""), "{text}");
}

#[test]
fn kif_s_simulated_provider_is_one_of_franceconnect_v1() {
    let stub = [
        ("oidc.clientid", Some("1111111111111111111111111111111111111111111111111111111111111111")),
        ("oidc.issuer", Some("http://fenyo.net/fc-idp")),
        ("oidc.authorizationendpointuri", Some("https://fenyo.net/fc-idp/authorize.cgi")),
        ("oidc.tokenendpointuri", Some("https://fenyo.net/fc-idp/token.cgi")),
        ("oidc.userinfoendpointuri", Some("https://fenyo.net/fc-idp/userinfo.cgi")),
        ("oidc.logouturi", Some("https://fenyo.net/fc-idp/logout.cgi")),
    ];
    let text = imported(&stub);
    let config = check(&text);
    let upstream = &config.upstreams[0];
    assert_eq!(upstream.profile.name, "franceconnect_v1");
    let endpoints = upstream.endpoints.as_ref().unwrap();
    assert_eq!(endpoints.token.as_str(), "https://fenyo.net/fc-idp/token.cgi");
    assert_eq!(endpoints.end_session.as_ref().unwrap().as_str(), "https://fenyo.net/fc-idp/logout.cgi");
    assert!(endpoints.jwks.is_none());
    let left = unsettled(&text);
    assert!(left.contains("upstream.provider.unsettled_provider"), "{left:?}");
    assert!(!left.iter().any(|path| path.ends_with("signature") || path.ends_with("issuer")), "{left:?}");
    assert!(text.contains("franceconnect_v1") && text.contains("stub-upstream serve"), "{text}");
    // By plain http on another host, and without logout.
    let elsewhere = |key: &'static str, value: &'static str| (key, Some(value));
    let text = imported(&[
        stub[0],
        elsewhere("oidc.issuer", "http://stub.example/fc-idp"),
        elsewhere("oidc.authorizationendpointuri", "http://stub.example/fc-idp/authorize.cgi"),
        elsewhere("oidc.tokenendpointuri", "http://stub.example/fc-idp/token.cgi"),
        elsewhere("oidc.userinfoendpointuri", "http://stub.example/fc-idp/userinfo.cgi"),
        ("oidc.logouturi", None),
        elsewhere("oidc.redirecturi", "http://w7.example/openid_connect_login"),
        elsewhere("oidc.afterlogouturi", "http://w7.example/"),
        elsewhere("idp.redirecturi", "http://w7.example/fc/identite.cgi?"),
    ]);
    assert!(check(&text).upstreams[0].endpoints.as_ref().unwrap().end_session.is_none());
    let left = unsettled(&text);
    for path in [
        "upstream.provider.unsettled_provider",
        "server.unsettled_public_url",
        "legacy.app.unsettled_home_url",
        "legacy.app.unsettled_callbacks",
    ] {
        assert!(left.contains(path), "{path}: {left:?}");
    }
}

#[test]
fn another_provider_by_plain_http_is_a_question() {
    let text = imported(&[
        ("oidc.issuer", Some("http://idp.example")),
        ("oidc.authorizationendpointuri", Some("http://idp.example/authorize")),
        ("oidc.tokenendpointuri", Some("http://idp.example/token")),
        ("oidc.userinfoendpointuri", Some("http://idp.example/userinfo")),
    ]);
    check(&text);
    assert!(unsettled(&text).contains("upstream.provider.unsettled_issuer"), "{text}");
}

#[test]
fn an_unsafe_prefix_and_odd_choices_of_kif_are_left_to_a_human() {
    let left = |changes: &[(&str, Option<&str>)]| unsettled(&imported(changes));
    let usual = left(&[]);
    for (changes, path) in [
        (("idp.redirecturi", "https://compta.example/cb"), "legacy.app.unsettled_callbacks"),
        (("idp.redirecturi", "https://compta.example"), "legacy.app.unsettled_callbacks"),
        (("idp.redirecturi", "https://compta.example/cb?vue="), "legacy.app.unsettled_callbacks"),
        (("idp.mode", "aes-256-gcm"), "legacy.app.unsettled_wire"),
        // Java keeps the space, and KIF then runs CBC.
        (("idp.mode", "AES-256-GCM "), "legacy.app.unsettled_wire"),
        (("idp.iv", SAMPLE_IV), "legacy.app.unsettled_iv"),
        (("idp.key", SAMPLE_KEY), "legacy.app.unsettled_key"),
        (("oidc.sessiontimeout", "-1"), "session.unsettled_idle_minutes"),
        (("oidc.sessiontimeout", "9999"), "session.unsettled_idle_minutes"),
    ] {
        assert!(!usual.contains(path), "{path}");
        let change = [(changes.0, Some(changes.1))];
        assert!(left(&change).contains(path), "{path} with {changes:?}");
        check(&imported(&change));
    }
    assert!(!imported(&[("idp.key", Some(SAMPLE_KEY))]).contains(SAMPLE_KEY));
    assert!(!imported(&[("idp.iv", Some(SAMPLE_IV))]).contains(SAMPLE_IV));
}

#[test]
fn a_broken_file_is_explained_line_by_line() {
    for (change, says) in [
        (
            ("idp.key", Some(&KEY[1..])),
            "line 16, net.fenyo.franceconnect.config.idp.key: is no key: it has 63",
        ),
        (("idp.key", Some(&KEY[32..])), "line 16, net.fenyo.franceconnect.config.idp.key: has 32 digits"),
        (("idp.iv", Some("12")), "line 17, net.fenyo.franceconnect.config.idp.iv: has 2 characters"),
        (("idp.key", None), "net.fenyo.franceconnect.config.idp.key: is missing"),
        (("oidc.clientid", Some("")), "line 3, net.fenyo.franceconnect.config.oidc.clientid: is empty"),
        (
            ("oidc.clientsecret", Some("${secret}")),
            "line 4, net.fenyo.franceconnect.config.oidc.clientsecret: is a placeholder",
        ),
        (("oidc.clientsecret", Some("CHANGEME")), "is a placeholder"),
        (
            ("oidc.issuer", Some("https://é.example")),
            "line 6, net.fenyo.franceconnect.config.oidc.issuer: holds \\u{e9}",
        ),
        (("oidc.issuer", Some("\\u00zz")), "line 6: holds \\u without four"),
        (("oidc.redirecturi", Some("https://a.example/login")), "does not end in /openid_connect_login"),
        (("oidc.sessiontimeout", Some("four hours")), "is no number of minutes"),
        (("idp.redirecturi", Some("")), "is empty"),
        (("idp.redirecturi", Some("compta.example?")), "is no absolute URL"),
        (
            ("oidc.clientID", Some("x")),
            "line 19: net.fenyo.franceconnect.config.oidc.clientID is no key of KIF; write net.fenyo.franceconnect.config.oidc.clientid",
        ),
        (("idp.colour", Some("x")), "line 19: net.fenyo.franceconnect.config.idp.colour is no key of KIF"),
    ] {
        let told = faults(&[change]);
        assert!(told.lines().any(|line| line.contains(says)), "{says}: {told}");
        assert!(!told.contains(&KEY[32..]) && !told.contains(SECRET), "{told}");
    }
    let twice = properties(&[]) + &format!("{P}idp.key={KEY}\n");
    let told = Kif::read(twice.as_bytes()).err().unwrap().to_string();
    assert!(told.starts_with("line 19, ") && told.contains("after line 16"), "{told}");
    let told = faults(&[("idp.key", Some("x")), ("oidc.clientid", Some("")), ("oidc.issuer", None)]);
    let starts: Vec<_> = told.lines().map(|line| line.split([',', ':']).next().unwrap()).collect();
    assert_eq!(starts, ["line 3", "line 15", &format!("{P}oidc.issuer")], "{told}");
    assert!(Kif::read(b"").err().is_some());
}

#[cfg(test)]
fn relais(args: &[&str], dir: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_relais")).args(args).current_dir(dir).output().unwrap()
}

/// Runs the one command that the comments of `text` give.
#[cfg(test)]
fn told(dir: &tempfile::TempDir, text: &str) {
    let commands: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix("#   relais import-kif ")).collect();
    assert!(!commands.is_empty() && commands.iter().all(|command| *command == commands[0]), "{text}");
    let run = format!("{} import-kif {}", env!("CARGO_BIN_EXE_relais"), commands[0]);
    let shell = Command::new("sh").args(["-c", &run]).current_dir(dir.path()).status();
    assert!(shell.unwrap().success(), "{run}");
}

/// Java's escapes and continued lines, a path with a space and a quote, files that are there already: the secrets are those
/// that `--with-secrets` writes, in new files that nobody else reads.
#[test]
fn l8_the_command_in_the_comments_makes_the_same_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let escaped = "\\u0035ecre7\\=a\\:b\\\\c'$x \\\n   \\!d";
    let text = properties(&[("oidc.clientsecret", Some(escaped))]).replace("idp.key=", "idp.key \t:\\\n  ");
    for name in ["it's KIF's.properties", "-x.properties", "été.properties"] {
        write(dir.path().join(name), &text).unwrap();
        let made = relais(&["import-kif", "--app", "compta", "--", name], dir.path());
        let toml = String::from_utf8(made.stdout).unwrap();
        told(&dir, &toml);
        let prefix = ["import-kif", "--app", "compta", "--with-secrets", "other", "--", name];
        assert_eq!(relais(&prefix, dir.path()).status.code(), Some(0), "{name}");
        for kind in ["client_secret", "key"] {
            let path = |stem: &str| dir.path().join(format!("{stem}.{kind}"));
            let [told, written] = ["compta", "other"].map(|stem| read_to_string(path(stem)).unwrap());
            assert_eq!(told, written, "{name}");
            assert_eq!(metadata(path("compta")).unwrap().permissions().mode() & 0o777, 0o600);
            std::fs::remove_file(path("other")).unwrap();
            std::fs::remove_file(path("compta")).unwrap();
        }
        if name.starts_with('-') {
            write(dir.path().join("compta.key"), "older").unwrap();
            set_permissions(dir.path().join("compta.key"), Permissions::from_mode(0o644)).unwrap();
            let refused = relais(
                &["import-kif", "--app", "compta", "--with-secrets", "compta", "--", name],
                dir.path(),
            );
            assert_eq!(refused.status.code(), Some(1));
            assert_eq!(read_to_string(dir.path().join("compta.key")).unwrap(), "older");
            std::fs::remove_file(dir.path().join("compta.key")).unwrap();
        }
    }
}

#[test]
fn the_command_prints_no_secret_and_writes_both_to_files_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path().join("config.properties"), properties(&[])).unwrap();
    let made = relais(&["import-kif", "config.properties"], dir.path());
    assert_eq!(made.status.code(), Some(0));
    assert_eq!(read_dir(dir.path()).unwrap().count(), 1);
    let text = String::from_utf8(made.stdout).unwrap();
    told(&dir, &text);
    assert_eq!(read_to_string(dir.path().join("app.client_secret")).unwrap().trim(), SECRET);
    assert_eq!(read_to_string(dir.path().join("app.key")).unwrap().trim(), KEY.to_lowercase());
    write(dir.path().join("relais.toml"), settled(&text)).unwrap();
    assert_eq!(relais(&["check-config", "relais.toml"], dir.path()).status.code(), Some(0));

    let with = ["import-kif", "config.properties", "--with-secrets", "kif", "--app", "compta"];
    let made = relais(&with, dir.path());
    assert_eq!(made.status.code(), Some(0));
    let text = String::from_utf8(made.stdout).unwrap();
    assert!(text.contains("client_secret_file = \"kif.client_secret\"") && text.contains("[legacy.compta]"));
    assert!(!text.contains(SECRET) && !text.to_lowercase().contains(&KEY.to_lowercase()));
    for (name, secret) in [("kif.client_secret", SECRET), ("kif.key", &KEY.to_lowercase())] {
        let path = dir.path().join(name);
        assert_eq!(metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_to_string(&path).unwrap().trim(), secret);
    }
    // Nothing is overwritten, and nothing is left half done.
    std::fs::remove_file(dir.path().join("kif.client_secret")).unwrap();
    let again = relais(&with, dir.path());
    assert_eq!((again.status.code(), again.stdout.len()), (Some(1), 0));
    assert!(!dir.path().join("kif.client_secret").exists());
}

#[test]
fn a_broken_file_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path().join("config.properties"), properties(&[("idp.key", Some(&KEY[1..]))])).unwrap();
    let refused = relais(&["import-kif", "config.properties", "--with-secrets", "kif"], dir.path());
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(78), 0));
    assert!(String::from_utf8(refused.stderr).unwrap().starts_with("line 16, "));
    assert_eq!(read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(relais(&["import-kif", "nowhere"], dir.path()).status.code(), Some(78));
    assert_eq!(relais(&["import-kif"], dir.path()).status.code(), Some(2));
    assert_eq!(relais(&["import-kif", "config.properties", "--app", "A"], dir.path()).status.code(), Some(2));
}
