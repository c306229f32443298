//! The provider's section: as it was in KIF, FranceConnect v2 where it was v1, or a stub's.

use url::Url;

use super::kif::Kif;
use super::page::{Page, https, quoted};
use super::provider::Provider;
use super::render::SecretFiles;

impl Kif {
    /// Writes `[upstream.provider]`.
    pub(super) fn upstream(&self, page: &mut Page, provider: &Provider, files: &SecretFiles) {
        page.section("upstream.provider");
        match provider {
            Provider::FranceConnectV1(issuer) => self.franceconnect_v1(page, issuer),
            Provider::FranceConnectV2(issuer) => {
                page.key("profile", "franceconnect_v2");
                page.key("name", "FranceConnect");
                page.note(&format!("KIF's {} was {}.", self.at("oidc.issuer"), self.issuer));
                page.key("issuer", issuer.as_str());
            }
            Provider::KifStub => self.kif_stub(page),
            Provider::Other => self.generic(page),
        }
        page.blank();
        page.note(&format!("KIF's {}.", self.at("oidc.clientid")));
        page.key("client_id", self.client_id.as_str());
        files.remark(page, &self.at("oidc.clientsecret"));
        page.key("client_secret_file", files.client_secret.as_str());
        page.blank();
        page.note(&format!("As registered: KIF's {}.", self.at("oidc.redirecturi")));
        page.key("redirect_uri", https(self.redirect_uri.as_str()));
        page.note(&format!(
            "After a logout the provider must come back to the relay, which then leads to the application: register \
             the address below at the provider beside KIF's {}.",
            self.at("oidc.afterlogouturi")
        ));
        let back = format!("{}/logout/return/provider", https(&self.public_url));
        page.raw(&format!("#post_logout_redirect_uri = {}", quoted(&back)));
        page.unsettled("logout_return");
        if *provider == Provider::KifStub {
            // A table of its own, so it ends the section.
            page.raw("[upstream.provider.endpoints]");
            for (key, url) in self.endpoints() {
                page.key(key, https(url));
            }
        }
    }

    /// KIF's, by the names that they have here.
    fn endpoints(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let needed = [
            ("authorization", self.authorization.as_str()),
            ("token", self.token.as_str()),
            ("userinfo", self.userinfo.as_str()),
        ];
        needed.into_iter().chain(self.logout.as_ref().map(|url| ("end_session", url.as_str())))
    }

    fn franceconnect_v1(&self, page: &mut Page, issuer: &str) {
        page.note(
            "KIF's endpoints are those of FranceConnect v1. That service has been retired: this is FranceConnect \
             v2 on the same platform, whose endpoints the relay reads from its discovery document. Dropped:",
        );
        for (key, url) in [
            ("oidc.authorizationendpointuri", self.authorization.as_str()),
            ("oidc.tokenendpointuri", self.token.as_str()),
            ("oidc.userinfoendpointuri", self.userinfo.as_str()),
            ("oidc.logouturi", self.logout.as_ref().map(Url::as_str).unwrap_or_default()),
            ("oidc.issuer", self.issuer.as_str()),
        ] {
            page.item(&format!("{}: {url}", self.at(key)));
        }
        page.note("What must change in the registration, in FranceConnect's partner portal:");
        for change in [
            "ask for FranceConnect v2; where it gives another client id or secret, put them below and in the file",
            "signature of tokens: ES256 (recommended) or RS256; v1 signed with the client secret (HS256)",
            "userinfo: signed; v1 gave plain JSON",
            "scopes: those of [legacy.…] below; `address` and `phone` no longer exist",
            "redirect URI and logout URI: the two below, exactly",
            "level: eidas1 is the only one; whoever needs more registers with FranceConnect+",
            "`sub` stays the same, so the application's accounts do",
        ] {
            page.item(change);
        }
        page.unsettled("registration");
        page.key("profile", "franceconnect_v2");
        page.key("name", "FranceConnect");
        page.key("issuer", issuer);
    }

    /// The stub that took KIF's place for tests speaks FranceConnect v1 as KIF did.
    fn kif_stub(&self, page: &mut Page) {
        page.note(
            "This is the simulated provider that KIF came with. Its answers are no JSON, which the relay does not take. \
             `stub-upstream serve` plays its part, with --client-id, --client-secret-file, --redirect-uri and \
             --post-logout-redirect-uri as below (docs/stub-upstream.md). Put what it prints in place of the issuer, and \
             its endpoints below /api/v1 in place of the four: authorize, token, userinfo, logout. For tests only.",
        );
        page.unsettled("provider");
        page.key("profile", "franceconnect_v1");
        page.note(&format!("KIF's {} was {}.", self.at("oidc.issuer"), self.issuer));
        page.key("issuer", https(&self.issuer));
    }

    fn generic(&self, page: &mut Page) {
        page.note(
            "KIF checked signatures with the client secret (HS256). The relay wants RS256, PS256, ES256, ES384 or EdDSA: \
             have the registration changed at the provider, and choose the form of userinfo.",
        );
        page.unsettled("signature");
        page.key("profile", "generic");
        page.key("client_auth", "client_secret_post");
        page.note(&format!("KIF's {}.", self.at("oidc.issuer")));
        page.key("issuer", https(&self.issuer));
        if https(&self.issuer) != self.issuer {
            page.note("KIF's issuer was plain http, which the relay takes from this machine only.");
            page.unsettled("issuer");
        }
        page.note(
            "The relay asks the issuer's discovery document for endpoints and keys. Where there is none, KIF's \
             endpoints, and the keys' address, which KIF did not know:",
        );
        page.raw("#[upstream.provider.endpoints]");
        for (key, url) in self.endpoints() {
            page.raw(&format!("#{key} = {}", quoted(url)));
        }
        page.raw("#jwks = \"https://…\"");
        if self.logout.is_none() {
            page.raw("#end_session = \"https://…\"");
        }
    }
}
