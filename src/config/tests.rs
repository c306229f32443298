//! The configuration as a whole: the commented file, every fault at once, and the environment.

use std::collections::BTreeSet;
use std::fs::{Permissions, set_permissions, write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use toml::{Table, Value};

use super::*;
use crate::upstream::{Credentials, Settings, Signatures};

const SAMPLE: &str = include_str!("../../config/relais.toml");

/// What the commented file has where an id belongs, which is refused.
pub(super) const PLACEHOLDER: &str = "the id that the provider gave you";

/// The commented file with an id.
fn template() -> String {
    SAMPLE.replace(PLACEHOLDER, "relais")
}

/// A directory with the files that the commented configuration names.
pub(super) fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    secret(dir.path(), "fc.secret", "s3cret\n");
    secret(dir.path(), "compta.key", &"0123".repeat(16));
    secret(dir.path(), "compta.previous.key", &"4567".repeat(16));
    secret(dir.path(), "seal.key", &"89ab".repeat(16));
    secret(dir.path(), "former.key", &"cdef".repeat(16));
    for name in ["fc.client.pem", "fc.decryption.pem"] {
        secret(dir.path(), name, &rcgen::KeyPair::generate().unwrap().serialize_pem());
    }
    std::fs::create_dir(dir.path().join("tls")).unwrap();
    let made = rcgen::generate_simple_self_signed(["relais.example".to_owned()]).unwrap();
    write(dir.path().join("tls/chain.pem"), made.cert.pem()).unwrap();
    write(dir.path().join("tls/authorities.pem"), made.cert.pem()).unwrap();
    secret(dir.path(), "tls/key.pem", &made.signing_key.serialize_pem());
    dir
}

pub(super) fn secret(dir: &Path, name: &str, text: &str) {
    write(dir.join(name), text).unwrap();
    set_permissions(dir.join(name), Permissions::from_mode(0o600)).unwrap();
}

pub(super) fn read(text: &str, dir: &Path, env: &[(&str, &str)]) -> Result<Config, Faults> {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    from_toml(&text.replace(PLACEHOLDER, "relais"), dir, env, Purpose::Serve)
}

pub(super) fn faults(text: &str, dir: &Path, env: &[(&str, &str)]) -> String {
    read(text, dir, env).err().map(|faults| faults.to_string()).unwrap_or_default()
}

/// The commented file with every `#key` and `#[section]` taken in.
fn uncommented() -> String {
    let line = |line: &str| {
        let (indent, rest) = line.split_at(line.len() - line.trim_start().len());
        match rest.strip_prefix('#') {
            Some(setting) if setting.starts_with(|c: char| c.is_ascii_lowercase() || "[{".contains(c)) => {
                format!("{indent}{setting}\n")
            }
            _ => format!("{line}\n"),
        }
    };
    template().lines().map(line).collect()
}

/// Every key of a tree, names of applications and upstreams written as `*`.
fn keys(table: &Table, prefix: &str, into: &mut BTreeSet<String>) {
    for (key, value) in table {
        let key = if prefix == "upstream" || prefix == "legacy" { "*" } else { key };
        let path = if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(table) => keys(table, &path, into),
            Value::Array(list) => {
                for table in list.iter().filter_map(Value::as_table) {
                    keys(table, &format!("{path}[]"), into);
                }
            }
            _ => {}
        }
        if key != "*" {
            into.insert(path);
        }
    }
}

/// The secret of `client_secret_post`.
fn posted(settings: &Settings) -> &str {
    match &settings.credentials {
        Credentials::Post(secret) => secret.expose(),
        _ => panic!("not client_secret_post"),
    }
}

#[test]
fn the_commented_file_is_accepted_without_a_warning() {
    let dir = place();
    let config = read(SAMPLE, dir.path(), &[]).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(config.warnings, []);
    assert_eq!(config.issuer(), "https://relais.example");
    let upstream = &config.upstreams[0];
    assert_eq!(upstream.redirect_uri.as_str(), "https://relais.example/callback/fc");
    assert_eq!(posted(upstream), "s3cret");
    assert_eq!(config.apps[0].keys.len(), 1);
    assert!(matches!(&config.seal_key, SealKey::Beside(path) if path.ends_with("relais.key")));
    assert_eq!(config.event.filter(), "warn,tower_sessions_core=error,relais=info");
}

#[test]
fn what_is_commented_out_is_accepted_too_and_shows_the_defaults() {
    let dir = place();
    let plain = read(SAMPLE, dir.path(), &[]).unwrap_or_else(|faults| panic!("{faults}"));
    let all = read(&uncommented(), dir.path(), &[]).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!((all.limits, all.session, all.store.path), (plain.limits, plain.session, plain.store.path));
    assert_eq!((all.event.format, all.event.level), (plain.event.format, plain.event.level));
    let outbound = |c: &OutboundSettings| (c.connect, c.total, c.max_body);
    assert_eq!(outbound(&all.outbound), outbound(&plain.outbound));
    let (all, plain) = (&all.upstreams[0], &plain.upstreams[0]);
    assert_eq!(all.redirect_uri, plain.redirect_uri);
    assert_eq!(all.post_logout_redirect_uri, plain.post_logout_redirect_uri);
    assert_eq!((posted(all), all.userinfo, all.leeway), (posted(plain), plain.userinfo, plain.leeway));
    let published = |settings: &Settings| match &settings.signatures {
        Signatures::Published(algs) => algs.clone(),
        Signatures::Shared(_) => Vec::new(),
    };
    assert_eq!(published(all), published(plain));
}

#[test]
fn every_known_key_stands_in_the_commented_file_and_no_other() {
    let dir = place();
    let text = uncommented();
    let mut written = BTreeSet::new();
    keys(&text.parse().unwrap(), "", &mut written);
    let document = file::Document::read(&text, []).unwrap();
    check::check(&document, dir.path(), Purpose::Serve).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(document.known(), written);
}

#[test]
fn every_fault_is_reported_at_once() {
    let dir = place();
    let text = r#"
        colour = "blue"
        [server]
        public_url = "http://relais.example/"
        pubic_url = "x"
        default_app = "paie"
        trusted_proxies = ["everyone"]
        listeners = [
          { address = "0.0.0.0:80", kind = "public" },
          { address = "127.0.0.1:1", kind = "mtls" },
          { address = "127.0.0.1", kind = "management", colour = 1 },
        ]
        [session]
        idle_minutes = "long"
        [limit]
        logins_in_flight = 10
        logins_per_app = 11
        [upstream.fc]
        profile = "franceconnect_v3"
        client_secret = "hush-hush"
        clientid = "x"
        [upstream.fc.endpoints]
        token = "http://fc.example/token"
        [legacy.compta]
        key_file = "nowhere.key"
        upstream = ["fc", "pc"]
        scopes = ["profile"]
        callbacks = ["http://127.0.0.1/return", 7]
        sso = "silent"
        previous_key_until = "tomorrow"
        acr = { mode = "require" }
        [event.levels]
        legacy = "verbose"
        session = "wan"
    "#;
    let text = faults(text, dir.path(), &[]);
    let expected = [
        "server.public_url: is http; write an absolute https URL (http only to this machine)",
        "server.listeners[0].address: is open to the network without TLS; add tls = { … }, listen on loopback behind a proxy, or set server.insecure_public_http = true",
        "server.listeners[1].kind: \"mtls\" is not served yet; leave this listener out; client certificates come with OpenID clients",
        "server.listeners[2].address: \"127.0.0.1\" is no address; write an IP address and a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"",
        "server.listeners[2].colour: unknown key; known here: address, kind, tls",
        "server.trusted_proxies: \"everyone\" is no network; write addresses or networks, such as \"10.0.0.7\" or \"10.0.0.0/24\"",
        "server.pubic_url: unknown key; did you mean `public_url`?",
        "session.idle_minutes: is a text; write a whole number from 1 to 1440",
        "limit.logins_per_app: is more than logins_in_flight; write a smaller number",
        "event.levels.legacy: \"verbose\" is unknown; write one of debug, info, warn, error",
        "event.levels.session: \"wan\" is unknown; did you mean \"warn\"?",
        "upstream.fc.profile: \"franceconnect_v3\" is unknown; did you mean \"franceconnect_v2\"?",
        "upstream.fc.issuer: is missing; write the provider's issuer, an https URL",
        "upstream.fc.client_id: is missing; write the id that the provider gave",
        "upstream.fc.client_secret: is a secret, which has no place here; put it in a file of mode 0600 and name that in `client_secret_file`, or set RELAIS_UPSTREAM__FC__CLIENT_SECRET",
        "upstream.fc.endpoints.authorization: is missing; write an https URL, or leave out all endpoints for discovery",
        "upstream.fc.endpoints.token: is http; write an absolute https URL (http only to this machine)",
        "upstream.fc.endpoints.jwks: is missing; write an https URL, or leave out all endpoints for discovery",
        "upstream.fc.endpoints.userinfo: is missing; write its URL, or set userinfo = \"off\" for this upstream",
        "upstream.fc.clientid: unknown key; did you mean `client_id`?",
        &format!(
            "legacy.compta.key_file: names {}/nowhere.key, which is not there; make it, with mode 0600",
            dir.path().display()
        ),
        "legacy.compta.previous_key_until: \"tomorrow\" is no instant; write a date with time and offset, such as \"2027-01-31T23:59:59Z\"",
        "legacy.compta.previous_key_file: is missing; name the key's file, or leave out previous_key_until",
        // IDP-98: another user of a terminal server could own the port.
        "legacy.compta.callbacks[0]: \"http://127.0.0.1/return\": its scheme is not https (http only to 127.0.0.1 or [::1], while `server.public_url` is loopback); write an exact https URL, and its query keys apart: { url = …, query_keys = […] }",
        "legacy.compta.callbacks[1]: is a number; write one text, in quotes",
        "legacy.compta.name: is missing; write the name that people read",
        "legacy.compta.home_url: is missing; write the URL of its first page",
        "legacy.compta.upstream: \"pc\" is no upstream; write the name of a section [upstream.…]: fc",
        "legacy.compta.scopes: lacks \"openid\"; add it: without it nobody is signed in",
        "legacy.compta.acr.accept: is missing; list the levels that satisfy, such as [\"eidas2\"]",
        "legacy.compta.sso: \"silent\" lets any page sign a visitor in as somebody else; write \"confirm\", or add accept_forced_login = true",
        "server.default_app: \"paie\" is no application; write the name of a section [legacy.…]: compta",
        "colour: unknown key; known here: event, keys, legacy, limit, outbound, server, session, store, upstream",
    ];
    assert_eq!(text, expected.join("\n"));
    assert!(!text.contains("hush-hush"));
}

#[test]
fn an_empty_file_lacks_only_what_has_no_default() {
    let text = faults("", place().path(), &[]);
    assert_eq!(text, "server.public_url: is missing; write \"https://relais.example\"");
}

#[test]
fn a_syntax_error_is_told_by_line_and_column_and_without_the_text() {
    let text = faults("[server]\npublic_url = hush-hush\n", place().path(), &[]);
    assert!(text.starts_with("line 2, column 14: is not TOML ("), "{text}");
    assert!(!text.contains("hush-hush"), "{text}");
}

#[test]
fn the_environment_overrides_any_value_and_gives_secrets() {
    let dir = place();
    let env = [
        ("RELAIS_SERVER__PUBLIC_URL", "https://other.example/relais"),
        ("RELAIS_SERVER__LISTENERS", "[{ address = \"127.0.0.1:1\", kind = \"public\" }]"),
        ("RELAIS_LIMIT__LOGINS_IN_FLIGHT", "20000"),
        ("RELAIS_UPSTREAM__FC__CLIENT_SECRET", "from-env"),
        ("RELAIS_LEGACY__COMPTA__CLAIMS", "[\"email\"]"),
        ("RELAIS_LEGACY__COMPTA__ACR__ACCEPT", "eidas2"),
        ("RELAIS_SERVICE_HOST", "10.0.0.1"),
        ("RELAIS_SERVICE_PORT_HTTP", "80"),
        ("RELAIS_PORT", "tcp://10.0.0.1:80"),
        ("RELAIS_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("PATH", "/bin"),
    ];
    let config = read(SAMPLE, dir.path(), &env).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(config.warnings, []);
    assert_eq!(config.issuer(), "https://other.example/relais");
    assert_eq!(config.listeners.len(), 1);
    assert_eq!(config.limits.logins_in_flight, 20_000);
    assert_eq!(posted(&config.upstreams[0]), "from-env");
    assert_eq!(config.upstreams[0].redirect_uri.as_str(), "https://other.example/relais/callback/fc");
    assert_eq!(config.apps[0].service.claims, ["email"]);
    assert_eq!(config.apps[0].service.acr.as_ref().unwrap().accept[0].0, "eidas2");

    let odd = [("RELAIS_SERVER_PUBLIC__URL", "x")];
    assert!(
        faults(SAMPLE, dir.path(), &odd)
            .starts_with("server_public: unknown key (from RELAIS_SERVER_PUBLIC__URL); ")
    );
    let odd = [("RELAIS_SERVER__PUBIC_URL", "x"), ("RELAIS_SERVER__PUBLIC_URL__X", "y")];
    assert_eq!(
        faults(SAMPLE, dir.path(), &odd),
        "server.public_url: is no section, so RELAIS_SERVER__PUBLIC_URL__X can set nothing in it; unset the variable, or make it a section\n\
         server.pubic_url: unknown key (from RELAIS_SERVER__PUBIC_URL); did you mean `public_url`?"
    );
}

#[test]
fn what_sets_nothing_or_serves_nobody_is_said() {
    let dir = place();
    let env = [("RELAIS_SERVER_PUBLIC_URL", "hush-hush"), ("RELAIS_COLOUR", "hush-hush")];
    let config = read(SAMPLE, dir.path(), &env).unwrap_or_else(|faults| panic!("{faults}"));
    let said: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "RELAIS_COLOUR: this variable sets nothing: two underscores stand between section and key",
            "RELAIS_SERVER_PUBLIC_URL: this variable sets nothing: did you mean RELAIS_SERVER__PUBLIC_URL?",
        ]
    );
    let config = read("[server]\npublic_url = \"https://relais.example\"", dir.path(), &[]);
    let config = config.unwrap_or_else(|faults| panic!("{faults}"));
    let said = config.warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(
        said.contains(&"legacy: there is no application, so nobody can sign in anywhere".to_owned()),
        "{said:?}"
    );
}

#[test]
fn a_variable_finds_a_name_with_hyphens() {
    let dir = place();
    let text =
        template().replace("[legacy.compta]", "[legacy.etat-civil]").replace("key_file = \"compta.key\"", "");
    let env = [("RELAIS_LEGACY__ETAT_CIVIL__KEY", "0123".repeat(16))];
    let env = env.map(|(name, value)| (name.to_owned(), value));
    let config = from_toml(&text, dir.path(), env, Purpose::Serve);
    assert_eq!(
        config.map(|config| config.apps[0].service.id.to_string()).ok().as_deref(),
        Some("etat-civil")
    );
}

/// A second application, whose key is in `file`.
fn with_second(file: &str) -> String {
    format!(
        "{SAMPLE}\n[legacy.paie]\nname = \"Paie\"\nhome_url = \"https://paie.example/\"\nupstream = \"fc\"\n\
         callbacks = [\"https://paie.example/return\"]\nkey_file = \"{file}\"\n"
    )
}

#[test]
fn a_key_serves_one_application_once() {
    let dir = place();
    let right = "give each its own (`relais keys generate legacy`)";
    assert_eq!(
        faults(&with_second("compta.key"), dir.path(), &[]),
        format!("legacy.paie.key_file: holds the same key as legacy.compta.key_file; {right}")
    );
    let env = [
        ("RELAIS_LEGACY__COMPTA__PREVIOUS_KEY_FILE", "compta.previous.key"),
        ("RELAIS_LEGACY__COMPTA__PREVIOUS_KEY_UNTIL", "2027-01-31T23:59:59+01:00"),
    ];
    assert_eq!(
        faults(&with_second("compta.previous.key"), dir.path(), &env),
        format!("legacy.paie.key_file: holds the same key as legacy.compta.previous_key_file; {right}")
    );
    let config = read(SAMPLE, dir.path(), &env).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(config.apps[0].keys[1].until.map(crate::clock::Timestamp::seconds), Some(1_801_436_399));
}

#[test]
fn the_published_sample_key_is_for_the_demo_only() {
    let dir = place();
    let sample = concat!("a6a7ee7abe681c9c4cede8e3366a9ded", "96b92668ea5e26a31a4b0856341ed224");
    secret(dir.path(), "compta.key", sample);
    assert_eq!(
        faults(SAMPLE, dir.path(), &[]),
        "legacy.compta.key_file: holds the sample key that KIF publishes, which everybody knows; make one of your own (`relais keys generate legacy`)"
    );
    assert!(from_toml(&template(), dir.path(), [], Purpose::Demo).is_ok());
}

#[test]
fn secret_files_that_others_can_read_are_refused() {
    let dir = place();
    let at = dir.path().display();
    for name in ["fc.secret", "compta.key", "tls/key.pem"] {
        set_permissions(dir.path().join(name), Permissions::from_mode(0o640)).unwrap();
    }
    let readable = format!("is readable by others (mode 0640); chmod 600 {at}");
    assert_eq!(
        faults(&SAMPLE.replace("  #{", "  {"), dir.path(), &[]),
        format!(
            "server.listeners[2].tls.key_file: {readable}/tls/key.pem\n\
             upstream.fc.client_secret_file: {readable}/fc.secret\n\
             legacy.compta.key_file: {readable}/compta.key"
        )
    );
}

#[test]
fn a_certificate_must_fit_its_key() {
    let dir = place();
    let other = rcgen::KeyPair::generate().unwrap();
    secret(dir.path(), "tls/key.pem", &other.serialize_pem());
    let text = faults(&SAMPLE.replace("  #{", "  {"), dir.path(), &[]);
    assert!(text.starts_with("server.listeners[2].tls.key_file: does not fit the certificate ("), "{text}");
}

/// A8: an endpoint of ours would stand where the application's should.
#[test]
fn words_of_our_own_paths_are_no_applications() {
    let dir = place();
    for (word, path) in
        [("claim", "/idp/claim"), ("confirm", "/idp/confirm"), ("return", "/logout/return/{upstream}")]
    {
        let text = SAMPLE.replace("[legacy.compta]", &format!("[legacy.{word}]"));
        assert_eq!(
            faults(&text, dir.path(), &[]),
            format!("legacy.{word}: is a word of our own path {path}; name the application otherwise")
        );
    }
    for free in ["idp", "logout", "static", "callback"] {
        let text = SAMPLE.replace("[legacy.compta]", &format!("[legacy.{free}]"));
        assert!(read(&text, dir.path(), &[]).is_ok(), "{free}");
    }
}

#[test]
fn an_upstream_does_not_send_browsers_to_a_page_of_ours() {
    let dir = place();
    let with = |key: &str, path: &str| {
        let more = format!("[upstream.fc]\n{key} = \"https://relais.example{path}\"");
        faults(&SAMPLE.replacen("[upstream.fc]", &more, 1), dir.path(), &[])
    };
    for path in ["/", "/idp", "/idp/x", "/static/x", "/upstream/fc/jwks"] {
        assert!(with("redirect_uri", path).contains("has a path of our own pages"), "{path}");
    }
    for path in ["/", "/idp", "/idp/claim", "/idp/x", "/logout/compta", "/upstream/fc/jwks"] {
        assert!(with("post_logout_redirect_uri", path).contains("is a path of our own pages"), "{path}");
    }
}

#[test]
fn two_upstreams_do_not_share_a_path() {
    let dir = place();
    let second = "[upstream.pc]\nprofile = \"generic\"\nissuer = \"https://pc.example\"\nclient_id = \"x\"\n\
                  client_secret_file = \"fc.secret\"\nredirect_uri = \"https://relais.example/callback/fc\"\n";
    assert_eq!(
        faults(&format!("{SAMPLE}\n{second}"), dir.path(), &[]),
        "upstream.pc.redirect_uri: has the path of upstream.fc, /callback/fc; register another: the path tells which provider answers"
    );
    let own = second.replace("/callback/fc", "/logout/fc");
    assert!(faults(&format!("{SAMPLE}\n{own}"), dir.path(), &[]).contains("has a path of our own pages"));
}

#[test]
fn weak_choices_are_let_through_with_a_warning() {
    let dir = place();
    let env = [
        ("RELAIS_SERVER__LISTENERS", "[{ address = \"0.0.0.0:80\", kind = \"public\" }]"),
        ("RELAIS_SERVER__INSECURE_PUBLIC_HTTP", "true"),
        ("RELAIS_LEGACY__COMPTA__SSO", "silent"),
        ("RELAIS_LEGACY__COMPTA__ACCEPT_FORCED_LOGIN", "true"),
        ("RELAIS_UPSTREAM__FC__REDIRECT_URI", "https://old.example/openid_connect_login"),
    ];
    let config = read(SAMPLE, dir.path(), &env).unwrap_or_else(|faults| panic!("{faults}"));
    let paths: Vec<_> = config.warnings.iter().map(|warning| warning.path.as_str()).collect();
    assert_eq!(paths, ["server.listeners[0].address", "upstream.fc.redirect_uri", "legacy.compta.sso"]);
    assert_eq!(config.upstreams[0].redirect_uri.path(), "/openid_connect_login");
}

#[test]
fn on_loopback_plain_http_serves_a_demo() {
    let dir = place();
    let env = [
        ("RELAIS_SERVER__PUBLIC_URL", "http://127.0.0.1:8080"),
        ("RELAIS_LEGACY__COMPTA__CALLBACKS", "[\"http://127.0.0.1:8081/return\"]"),
        ("RELAIS_UPSTREAM__FC__ISSUER", "http://127.0.0.1:8082"),
    ];
    let config = read(SAMPLE, dir.path(), &env).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(config.warnings, []);
    assert_eq!(config.issuer(), "http://127.0.0.1:8080");
}
