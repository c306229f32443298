//! What KIF's configuration is here: TOML, with a comment for each key that was dropped and for each choice
//! that needs a human.

use toml::Value;

use super::callback::{self, Imported};
use super::kif::{Kif, Mode};
use super::page::{Page, https, quoted, shell_word};
use super::provider::{self, Provider};
use crate::service::ServiceId;

/// Where the two secrets are, as the configuration names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFiles {
    /// What the provider gave.
    pub client_secret: String,
    /// What the application shares.
    pub key: String,
    /// Where they are not written with the import: the command that writes them.
    to_be_made: Option<String>,
}

impl SecretFiles {
    /// The files to be made beside the configuration, from KIF's `file`, by the same command once more: a second way to
    /// read Java's escapes would be another secret one day.
    pub fn to_be_made(app: &ServiceId, file: &str) -> Self {
        let file = shell_word(file).unwrap_or_else(|| "config.properties".to_owned());
        let command = format!("relais import-kif {file} --app {app} --with-secrets {app} >/dev/null");
        Self { to_be_made: Some(command), ..Self::beginning_with(app.as_str()) }
    }

    /// The files that begin with `prefix`.
    pub fn beginning_with(prefix: &str) -> Self {
        Self {
            client_secret: format!("{prefix}.client_secret"),
            key: format!("{prefix}.key"),
            to_be_made: None,
        }
    }

    /// What is said of the secret `from` of KIF.
    pub(super) fn remark(&self, page: &mut Page, from: &str) {
        match &self.to_be_made {
            None => page.note(&format!("KIF's {from}, mode 0600.")),
            Some(command) => {
                page.note(&format!("KIF's {from}. This command makes the file, in this directory:"));
                page.raw(&format!("#   {command}"));
            }
        }
    }
}

impl Kif {
    /// The configuration of the relay, for the application `app`. Holds no secret.
    pub fn to_toml(&self, app: &ServiceId, files: &SecretFiles) -> String {
        let endpoints = [&self.authorization, &self.token, &self.userinfo];
        let provider = provider::recognise(&endpoints, &self.client_id);
        let mut page = Page::default();
        page.note(
            "Made by `relais import-kif` from KIF's config.properties; the lines named are that file's.",
        );
        page.raw("#");
        page.note(
            "Each key `unsettled_…` is a choice that only you can make: the comment above it says which. Decide, \
             change what is beside it, and delete the line. Until then `relais check-config` refuses this file and \
             names what is left.",
        );
        self.server(&mut page, app);
        self.session(&mut page);
        self.upstream(&mut page, &provider, files);
        self.app(&mut page, &provider, app, files);
        self.dropped(&mut page);
        page.finish()
    }

    fn server(&self, page: &mut Page, app: &ServiceId) {
        page.section("server");
        page.note(&format!("KIF's {}, without its last part.", self.at("oidc.redirecturi")));
        page.key("public_url", https(&self.public_url));
        if https(&self.public_url) != self.public_url {
            page.note(
                "KIF was reached by plain http; the relay is reached by https, by a proxy's or its own TLS. Have \
                 the redirect URI registered at the provider with https.",
            );
            page.unsettled("public_url");
        }
        page.blank();
        page.note("KIF's one application is served at KIF's own address too, /idp?msg=…");
        page.key("default_app", app.as_str());
        page.note(&format!(
            "KIF's own addresses go on working: {} and {}.",
            self.at("oidc.startlogouturi"),
            self.at("oidc.authenticationerroruri")
        ));
        let error = self.error_page.as_ref().filter(|url| url.host() == self.redirect_uri.host());
        let logout = quoted(&self.start_logout);
        let error_alias = error.map(|url| format!(", error = {}", quoted(url.path()))).unwrap_or_default();
        page.raw(&format!("aliases = {{ logout = {logout}{error_alias} }}"));
        if let (Some(elsewhere), None) = (&self.error_page, error) {
            page.note(&format!(
                "KIF sent failures to {elsewhere}. The relay shows its own page, with a support code."
            ));
        }
        page.blank();
        self.listeners(page);
    }

    fn listeners(&self, page: &mut Page) {
        let mut port = self.port.unwrap_or(8080);
        if self.port.is_some() {
            page.note(&format!("KIF's {}, on this machine.", self.at("listen.port")));
        } else if self.on_loopback() {
            port = self.redirect_uri.port_or_known_default().unwrap_or(port);
            page.note("As in KIF's redirect URI, for browsers on this machine.");
        } else {
            page.note(
                "KIF's port was an option of Maven (-Dnet.fenyo.franceconnect.config.listen.port), not in its file. \
                 Here a proxy on this machine stands before the relay; config/relais.toml shows the other ways.",
            );
        }
        page.raw("listeners = [");
        page.raw(&format!("  {{ address = \"127.0.0.1:{port}\", kind = \"public\" }},"));
        page.raw("  { address = \"127.0.0.1:9090\", kind = \"management\" },\n]");
        page.raw("trusted_proxies = [\"127.0.0.1\"]");
    }

    /// Whether the relay is reached on this machine only.
    fn on_loopback(&self) -> bool {
        https(&self.public_url).starts_with("http:")
    }

    fn session(&self, page: &mut Page) {
        const DAY: i64 = 24 * 60;
        let minutes = self.session_minutes;
        page.section("session");
        page.note(&format!(
            "KIF's {}. The relay also ends a session as a whole.",
            self.at("oidc.sessiontimeout")
        ));
        let idle = if minutes < 1 { 240 } else { minutes.min(DAY) };
        page.key("idle_minutes", idle);
        page.key("absolute_hours", (idle + 59).div_euclid(60).max(12));
        if idle != minutes {
            let kif = if minutes < 1 { "never ended".to_owned() } else { format!("lived {minutes} minutes") };
            page.note(&format!(
                "KIF's sessions {kif}; here they live a day without use at most. Is {idle} right?"
            ));
            page.unsettled("idle_minutes");
        }
    }

    fn app(&self, page: &mut Page, provider: &Provider, app: &ServiceId, files: &SecretFiles) {
        page.section(&format!("legacy.{app}"));
        page.note("KIF knew no name. People read it before they are signed in.");
        page.key("name", app.as_str());
        page.unsettled("name");
        page.note(&format!("Where its button leads: KIF's {}.", self.at("oidc.afterlogouturi")));
        page.key("home_url", https(self.after_logout.as_str()));
        if https(self.after_logout.as_str()) != self.after_logout.as_str() {
            page.note("KIF's was plain http. Does the application answer by https?");
            page.unsettled("home_url");
        }
        page.key("upstream", "provider");
        self.callbacks(page);
        self.wire(page, files);
        page.blank();
        page.note(
            "KIF signed people in silently as long as its session lived, so any page on the web could sign a visitor \
             in. The relay asks first, except where the provider just did. `sso = \"silent\"` with \
             `accept_forced_login = true` is KIF's way.",
        );
        page.key("sso", "confirm");
        page.unsettled("sso");
        claims(page, provider);
    }

    fn callbacks(&self, page: &mut Page) {
        let Imported { url, query_keys, doubts } =
            callback::import(&self.callback, &self.callback_written, self.on_loopback());
        page.blank();
        page.note(&format!("KIF's {}: {}", self.at("idp.redirecturi"), self.callback_written));
        page.note(
            "KIF compared the beginning of a text. Here scheme, host, port and path must be these, and the query may \
             hold `state`, `nonce` and the keys listed: add those that the application sends, such as query_keys = \
             [\"lang\"].",
        );
        let keys: Vec<Value> = query_keys.into_iter().map(Value::from).collect();
        let keys =
            if keys.is_empty() { String::new() } else { format!(", query_keys = {}", Value::from(keys)) };
        page.raw(&format!("callbacks = [{{ url = {}{keys} }}]", quoted(&url)));
        if !doubts.is_empty() {
            for doubt in &doubts {
                page.note(doubt);
            }
            page.unsettled("callbacks");
        }
    }

    fn wire(&self, page: &mut Page, files: &SecretFiles) {
        page.blank();
        page.note(&format!("KIF's {}.", self.at("idp.mode")));
        page.key("wire", if self.mode == Mode::Gcm { "kif-gcm" } else { "kif-cbc" });
        if let Mode::Unknown(other) = &self.mode {
            page.note(&format!(
                "{} is neither AES-256-GCM nor AES-256-CBC, to the letter; KIF then runs AES-256-CBC without a word. \
                 Which one does the application speak?",
                quoted(other)
            ));
            page.unsettled("wire");
        }
        if self.iv_is_sample {
            page.note(&format!(
                "KIF's {} is the IV that KIF publishes, which the relay refuses. Make another, for the application \
                 too: `openssl rand -hex 16`.",
                self.at("idp.iv")
            ));
            page.key("iv", "32 hexadecimal digits");
            page.unsettled("iv");
        } else {
            let iv = self.at("idp.iv");
            page.note(&format!("KIF's {iv}; it never changes, which is what is wrong with this wire."));
            page.key("iv", self.iv.as_str());
        }
        self.key_file(page, files);
        page.blank();
        page.note(if self.mode == Mode::Gcm {
            "BROKEN BY DESIGN: under KIF's fixed IV any user can forge an identity that the application accepts."
        } else {
            "WEAK BY DESIGN: KIF's AES-256-CBC has no authentication; messages can be altered."
        });
        page.note(
            "Choose: `delivery = \"reference\"` closes this, for one more call in the application (POST /idp/claim); or, \
             for an application that cannot change, `accept_forgeable_identities = true` in its stead. And the day \
             after which this wire is refused, by when the application should speak aes-256-gcm.",
        );
        page.key("delivery", "reference");
        page.raw("#accept_forgeable_identities = true");
        page.unsettled("delivery");
        page.key("sunset", "YYYY-MM-DDT23:59:59Z");
    }

    fn key_file(&self, page: &mut Page, files: &SecretFiles) {
        let path = files.key.as_str();
        match &self.key {
            None => {
                page.note(&format!(
                    "KIF's {} is the sample key that KIF publishes: everybody knows it, and the relay refuses it \
                     outside its demo. It was not taken over. Make one, and give it to the application too:",
                    self.at("idp.key")
                ));
                page.raw(&format!("#   relais keys generate legacy --out {path}"));
                page.unsettled("key");
            }
            Some(_) => files.remark(page, &self.at("idp.key")),
        }
        page.key("key_file", path);
    }

    fn dropped(&self, page: &mut Page) {
        page.blank();
        page.blank();
        page.note("Keys of KIF that are nothing here:");
        for (key, value, why) in [
            (
                "oidc.debug",
                &self.debug,
                "it opened KIF's own demonstration pages (/, /user); the relay has `relais demo`",
            ),
            (
                "oidc.tlsversion",
                &self.tls,
                "the relay speaks TLS 1.2 and 1.3 to providers, and nothing older",
            ),
            (
                "oidc.fcbuttonuri",
                &self.button,
                "the button's script belonged to KIF's pages; FranceConnect v2 has none",
            ),
        ] {
            if let Some(value) = value {
                page.item(&format!("{} = {value}: {why}", self.at(key)));
            }
        }
        for (line, key) in &self.strangers {
            page.item(&format!("{key} (line {line}): KIF did not read it either"));
        }
    }
}

/// What is asked of the provider and delivered: in KIF both were fixed.
fn claims(page: &mut Page, provider: &Provider) {
    const BOTH: [&str; 8] = [
        "gender",
        "birthdate",
        "birthcountry",
        "birthplace",
        "given_name",
        "family_name",
        "email",
        "preferred_username",
    ];
    let v2 = matches!(provider, Provider::FranceConnectV1(_) | Provider::FranceConnectV2(_));
    let list = |first: &[&'static str], more: &[&'static str]| {
        let all = first.iter().chain(&BOTH).chain(if v2 { &[] } else { more });
        Value::from(all.map(|name| Value::from(*name)).collect::<Vec<_>>())
    };
    page.blank();
    page.note(
        "KIF asked every provider for these scopes and handed over all that came. Only the claims listed are \
         delivered, `sub` apart: leave those that the application uses.",
    );
    if v2 {
        page.note("The application will no longer receive:");
        page.item("`address`, with all its members: FranceConnect v2 does not give it");
        page.item("`phone_number`: the same");
        page.item("`preferred_username`, unless its own scope is granted: it left `identite_pivot`");
        page.note(
            "New in v2, for applications that want it: `given_name_array`. `birthplace` and `birthcountry` can be \
             empty for people born abroad.",
        );
    }
    page.key("scopes", list(&["openid"], &["address", "phone"]));
    page.key("claims", list(&[], &["address", "phone_number"]));
    page.unsettled("claims");
}
