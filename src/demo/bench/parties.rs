//! Who takes part: two applications, each with an upstream registration of its own, whose tokens are signed by ES256
//! or by RS256.

use stub_upstream::{Alg, Client};

use crate::service::ServiceId;

/// Below this path the simulated provider serves the profile that is used here.
pub(super) const PATH: &str = "/api/v2";
/// The callback of both applications; nothing listens there.
pub(super) const CALLBACK: &str = "http://127.0.0.1:9/retour";
/// What they ask for.
pub(super) const SCOPES: [&str; 4] = ["openid", "profile", "birth", "email"];
/// What they receive.
pub(super) const CLAIMS: [&str; 7] =
    ["given_name", "family_name", "birthdate", "gender", "birthplace", "birthcountry", "email"];

/// An application and its registration at the provider.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Party {
    Es256,
    Rs256,
}

impl Party {
    pub(super) const ALL: [Self; 2] = [Self::Es256, Self::Rs256];

    /// The application.
    pub(super) fn app(self) -> &'static str {
        match self {
            Self::Es256 => "bench",
            Self::Rs256 => "bench-rs256",
        }
    }

    pub(super) fn app_id(self) -> Option<ServiceId> {
        ServiceId::parse(self.app())
    }

    /// The registration's name.
    pub(super) fn upstream(self) -> &'static str {
        match self {
            Self::Es256 => "provider",
            Self::Rs256 => "provider-rs256",
        }
    }

    /// The `client_id` there.
    pub(super) fn client(self) -> &'static str {
        self.app()
    }

    /// The algorithm of the tokens.
    pub(super) fn alg(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    /// The registration as the provider knows it, for the callbacks of each of `bases`.
    pub(super) fn registration(self, secret: &str, bases: &[String]) -> Client {
        Client {
            redirect_uris: bases.iter().map(|base| format!("{base}/callback/{}", self.upstream())).collect(),
            id_token_signed_response_alg: match self {
                Self::Es256 => Alg::Es256,
                Self::Rs256 => Alg::Rs256,
            },
            ..Client::new(self.client(), secret)
        }
    }

    /// The two sections of the relay's configuration.
    pub(super) fn configuration(self, issuer: &str) -> String {
        let (app, upstream, client) = (self.app(), self.upstream(), self.client());
        format!(
            r#"
[upstream.{upstream}]
profile = "franceconnect_v2"
issuer = "{issuer}"
client_id = "{client}"
client_secret_file = "upstream.secret"
[legacy.{app}]
name = "Bench"
home_url = "http://127.0.0.1:9/"
callbacks = ["{CALLBACK}"]
key_file = "{app}.key"
upstream = "{upstream}"
scopes = {SCOPES:?}
claims = {CLAIMS:?}
"#
        )
    }
}
