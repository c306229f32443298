//! Which provider KIF's endpoints belong to.

use url::Url;

/// A provider, as far as KIF's configuration tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Provider {
    /// FranceConnect v1, which has been retired; the issuer of v2 on the same platform.
    FranceConnectV1(&'static str),
    /// FranceConnect v2; its issuer.
    FranceConnectV2(String),
    /// The simulated provider that KIF came with.
    KifStub,
    /// Another one.
    Other,
}

const PRODUCTION: &str = "https://oidc.franceconnect.gouv.fr/api/v2";
const INTEGRATION: &str = "https://fcp-low.sbx.dev-franceconnect.fr/api/v2";

/// The client id of KIF's simulated provider.
const STUB_CLIENT: &str = "1111111111111111111111111111111111111111111111111111111111111111";

/// Recognises the provider. One endpoint of FranceConnect is enough: some stand behind a proxy.
pub(super) fn recognise(endpoints: &[&Url], client_id: &str) -> Provider {
    let of_franceconnect = |url: &&&Url| {
        let host = url.host_str().unwrap_or_default();
        let within = |domain: &str| host == domain || host.ends_with(&format!(".{domain}"));
        within("franceconnect.gouv.fr") || within("dev-franceconnect.fr")
    };
    let on = |version: &str| {
        endpoints.iter().filter(of_franceconnect).find(|url| url.path().starts_with(version)).copied()
    };
    if let Some(url) = on("/api/v1/") {
        let integration = url.host_str().unwrap_or_default().ends_with("dev-franceconnect.fr");
        return Provider::FranceConnectV1(if integration { INTEGRATION } else { PRODUCTION });
    }
    if let Some(url) = on("/api/v2/") {
        return Provider::FranceConnectV2(format!("https://{}/api/v2", url.host_str().unwrap_or_default()));
    }
    if client_id == STUB_CLIENT || endpoints.iter().any(|url| url.path().ends_with("/fc-idp/token.cgi")) {
        return Provider::KifStub;
    }
    Provider::Other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_recognised_by_their_endpoints() {
        for (url, client, expected) in [
            ("https://app.franceconnect.gouv.fr/api/v1/token", "x", Provider::FranceConnectV1(PRODUCTION)),
            (
                "https://fcp.integ01.dev-franceconnect.fr/api/v1/token",
                "x",
                Provider::FranceConnectV1(INTEGRATION),
            ),
            (
                "https://oidc.franceconnect.gouv.fr/api/v2/token",
                "x",
                Provider::FranceConnectV2(PRODUCTION.to_owned()),
            ),
            ("https://evilfranceconnect.gouv.fr/api/v1/token", "x", Provider::Other),
            ("https://fenyo.net/fc-idp/token.cgi", "x", Provider::KifStub),
            ("https://idp.example/token", STUB_CLIENT, Provider::KifStub),
            ("https://idp.example/api/v1/token", "x", Provider::Other),
        ] {
            assert_eq!(recognise(&[&Url::parse(url).unwrap()], client), expected, "{url}");
        }
    }
}
