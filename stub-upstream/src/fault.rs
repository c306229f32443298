//! What can go wrong on the wire on purpose: each fault is one lie in an otherwise correct exchange, and one
//! line in the table.

/// Where a fault shows. Each stage is broken at one place, `endpoints/broken/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The provider's metadata (OpenID Connect Discovery, section 4.2).
    Discovery,
    /// The JWK set (RFC 7517, section 5). A login with such a fault is signed by a new key, so that the set is
    /// asked for anew.
    Jwks,
    /// The person and the authorization response (RFC 6749, section 4.1.2).
    Response,
    /// The token response (RFC 6749, section 5).
    Token,
    /// The `id_token` (OpenID Connect Core, section 2).
    IdToken,
    /// The encryption of the `id_token` (RFC 7516), where the profile encrypts.
    Encryption,
    /// The userinfo response (OpenID Connect Core, section 5.3).
    Userinfo,
    /// The logout response (OpenID Connect RP-Initiated Logout, section 3).
    Logout,
}

macro_rules! faults {
    ($($variant:ident $name:literal $stage:ident $about:literal => $advice:literal;)*) => {
        /// One fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Fault {
            $(#[doc = $about] $variant,)*
        }

        /// Every fault, in the order of the exchange.
        pub const FAULTS: &[Fault] = &[$(Fault::$variant,)*];

        impl Fault {
            /// Its stable name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it does.
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }

            /// What your client should have done.
            pub fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice,)* }
            }

            /// Where it shows.
            pub fn stage(self) -> Stage {
                match self { $(Self::$variant => Stage::$stage,)* }
            }
        }
    };
}

faults! {
    Discovery500 "discovery_500" Discovery "500 with an HTML page" => "Keep the last good metadata; without any, say that the provider is unavailable";
    DiscoveryHtml "discovery_html" Discovery "200 with an HTML page" => "Keep the last good metadata, refuse this";
    DiscoverySlow "discovery_slow" Discovery "The right answer, 30 seconds late" => "Time out, and keep the last good metadata";
    DiscoveryHangUp "discovery_hang_up" Discovery "The connection closes without an answer" => "Keep the last good metadata";
    DiscoveryHuge "discovery_huge" Discovery "200 with 10 MiB of JSON" => "Stop reading at a limit";
    DiscoveryIssuer "discovery_issuer" Discovery "issuer is another" => "Compare issuer with the configured one and refuse";
    DiscoveryNoToken "discovery_no_token_endpoint" Discovery "`token_endpoint` is missing" => "Refuse the document, keep the last good one";
    DiscoveryOtherHost "discovery_other_host" Discovery "The endpoints lie on another host" => "Accept endpoints on allowed hosts only";
    Jwks500 "jwks_500" Jwks "500 with an HTML page" => "Keep the last good set; a key that is not in it does not verify";
    JwksSlow "jwks_slow" Jwks "The right set, 30 seconds late" => "Time out and refuse the token";
    JwksHtml "jwks_html" Jwks "200 with an HTML page" => "Refuse the set, keep the last good one";
    JwksHangUp "jwks_hang_up" Jwks "The connection closes without an answer" => "Keep the last good set; a key that is not in it does not verify";
    JwksHuge "jwks_huge" Jwks "200 with 10 MiB of JSON" => "Stop reading at a limit";
    JwksEmpty "jwks_empty" Jwks "A set without keys" => "Refuse the token: nothing verifies it";
    JwksStale "jwks_stale" Jwks "A set without the newest key, as an old cache gives" => "Refuse the token; ask again later, not at once";
    JwksDuplicateKid "jwks_duplicate_kid" Jwks "Two different keys share the kid; the second one signs" => "Try each key of that kid, or refuse; never crash";
    JwksWrongUse "jwks_wrong_use" Jwks "Every key says `use` `enc`" => "Never verify a signature with an encryption key";
    JwksPrivate "jwks_private" Jwks "The keys carry a member `d`, as private keys do" => "Ignore or refuse; do not keep it";
    AccessDenied "access_denied" Response "The person is refused: `error=access_denied`" => "End the attempt, and offer another way in";
    AbortedText "aborted_text" Response "302 with text/plain and `error=access_denied`, as the link back to the service gives" => "Treat it as every refusal: the status does not matter";
    TemporarilyUnavailable "temporarily_unavailable" Response "`error=temporarily_unavailable`" => "Offer to try again; do not loop";
    ServerError "server_error" Response "`error=server_error`" => "Say that the provider failed; do not loop";
    LoginRequired "login_required" Response "`error=login_required`" => "Ask again without `prompt=none`, once";
    InvalidAcr "invalid_acr" Response "`error=invalid_acr`, a code of no standard" => "Tolerate unknown error codes, and log once";
    InvalidIdpHint "invalid_idp_hint" Response "`error=invalid_idp_hint`, a code of no standard" => "Tolerate unknown error codes, and log once";
    InvalidScope "invalid_scope" Response "`error=invalid_scope` with a parameter `scope`" => "Tolerate more parameters; the configuration asks for too much";
    PageRefused "page_refused" Response "400 with a page and the code `Y030007`; the browser does not come back" => "Send only what the provider lists; let the attempt expire";
    NeverReturns "never_returns" Response "A page without a way back" => "Let the attempt expire; hold nothing for it";
    SessionLost "session_lost" Response "The provider lost its session: 401 with a page, `Y190001`" => "Let the attempt expire, and let the person begin anew";
    ReturnsLate "returns_late" Response "The answer waits behind a link, until it is late" => "Refuse what comes after your own limit, with a page that lets people begin anew";
    ReturnsTwice "returns_twice" Response "The same answer behind two links" => "Take state once; the second answer gets a page, not a login";
    StateMissing "state_missing" Response "The response lacks state" => "Refuse before any call to the token endpoint";
    StateWrong "state_wrong" Response "state is another" => "Refuse before any call to the token endpoint";
    StateUndefined "state_undefined" Response "`error=server_error` with the literal `state=undefined`" => "Treat it as an unknown attempt";
    CodeMissing "code_missing" Response "The response has state, but neither code nor error" => "Refuse; do not call the token endpoint with nothing";
    CodeRepeated "code_repeated" Response "code comes twice, with two values" => "Refuse repeated parameters (RFC 6749, section 3.1)";
    CodeExpired "code_expired" Response "The code has expired already" => "Fail once; do not retry a code";
    CodeForeign "code_foreign" Response "The code was never issued" => "Fail once; do not retry a code";
    CodeAndError "code_and_error" Response "code and error come together" => "Refuse the contradiction";
    IssMissing "iss_missing" Response "The response lacks iss (RFC 9207)" => "Require iss where the metadata announces it";
    IssWrong "iss_wrong" Response "The response names another iss (RFC 9207)" => "Refuse before any call to the token endpoint";
    Fragment "fragment" Response "The answer comes behind `#`, which no server sees" => "Show a page that says that nothing came, and do not hang";
    FormPost "form_post" Response "The answer comes as a POST of a form" => "Refuse, unless response_mode=form_post was asked for";
    Token500 "token_500" Token "500 with an HTML page" => "Fail once, read a bounded part of the body, do not retry the code";
    Token502 "token_502" Token "502 with an HTML page" => "Fail once, do not retry the code";
    Token503 "token_503" Token "503 with Retry-After" => "Fail once: the code will be too old";
    TokenHangUp "token_hang_up" Token "The connection closes without an answer" => "Fail, and release the connection";
    TokenSlow "token_slow" Token "The right answer, 30 seconds late" => "Time out sooner than people give up";
    TokenTrickle "token_trickle" Token "The right answer, byte by byte, one each 500 ms" => "Limit the time of the whole answer, not of each byte";
    TokenHtml "token_html" Token "200 with an HTML page" => "Require a JSON content type";
    TokenEmpty "token_empty" Token "200 with nothing" => "Refuse what is not JSON";
    TokenGarbled "token_garbled" Token "200 with single quotes: not JSON" => "Refuse what is not JSON";
    TokenTruncated "token_truncated" Token "200 with the beginning of a JSON object" => "Refuse what is not JSON";
    TokenCut "token_cut" Token "The connection closes before the announced end of the body" => "Fail; never use half an answer";
    TokenHuge "token_huge" Token "200 with 10 MiB of JSON" => "Stop reading at a limit";
    TokenGzipBomb "token_gzip_bomb" Token "200 with 65 kB of gzip, nobody asked for it, that unpack to 10 MiB" => "Do not unpack, or only up to a limit";
    TokenRedirect "token_redirect" Token "302 to another host" => "Never follow: the secret would go along";
    TokenCookies "token_cookies" Token "The right answer with forty cookies of 1 kB" => "Keep no cookies of back channels; to be accepted";
    TokenInvalidGrant "token_invalid_grant" Token "400 `invalid_grant`" => "Fail, do not retry";
    TokenInvalidClient "token_invalid_client" Token "401 `invalid_client`" => "Fail, and tell the operator: the secret is wrong";
    TokenTypeWrong "token_type_wrong" Token "`token_type` is not Bearer" => "Refuse types that you do not know (RFC 6749, section 7.1)";
    ScopeFewer "scope_fewer" Token "`scope` is openid alone, fewer than were asked; to be accepted" => "Serve this login, and count on what was granted alone (RFC 6749, section 5.1)";
    NoIdToken "no_id_token" Token "The answer lacks `id_token`" => "Refuse: nobody is identified";
    NoAccessToken "no_access_token" Token "The answer lacks `access_token`" => "Refuse: userinfo cannot be asked";
    IdTokenGarbled "id_token_garbled" IdToken "`id_token` is no compact JWS" => "Refuse what cannot be parsed";
    WrongNonce "wrong_nonce" IdToken "nonce is another" => "Compare nonce with the one that was sent";
    NonceMissing "nonce_missing" IdToken "nonce is missing" => "Require nonce where one was sent";
    WrongIssuer "wrong_issuer" IdToken "iss is another" => "Compare iss with the configured issuer, byte by byte";
    IssuerSlash "issuer_slash" IdToken "iss ends with a slash more" => "Compare iss byte by byte";
    AudWrong "aud_wrong" IdToken "aud is another client" => "Require your client_id in aud";
    AudExtra "aud_extra" IdToken "aud is a list of you and a stranger, without azp" => "Refuse audiences that you do not trust (Core, section 3.1.3.7)";
    AzpWrong "azp_wrong" IdToken "azp is another client" => "Require azp, where present, to be your client_id";
    ExpiredIdToken "expired_id_token" IdToken "iat and exp lie two hours back" => "Refuse what has expired, with little leeway";
    FutureIdToken "future_id_token" IdToken "iat and exp lie two hours ahead" => "Refuse what was issued in the future, with little leeway";
    SkewedClock "skewed_clock" IdToken "The provider's clock is 20 seconds ahead; to be accepted" => "Allow for a clock that is a little off";
    ExpMissing "exp_missing" IdToken "exp is missing" => "Require exp";
    ExpText "exp_text" IdToken "exp and iat are texts, not numbers" => "Refuse wrong types, without a crash";
    AcrLow "acr_low" IdToken "acr is eidas0, below what was asked" => "Refuse a level below the one asked for";
    AcrHigh "acr_high" IdToken "acr is eidas3, above what may have been asked; to be accepted" => "Accept a higher level, by an order that you configure";
    AcrMissing "acr_missing" IdToken "acr is missing" => "Refuse where a level was asked for";
    AcrUnknown "acr_unknown" IdToken "acr is eidas99" => "Refuse levels that you do not know";
    AmrText "amr_text" IdToken "amr is a text instead of a list; to be accepted" => "Read it as a list of one, or ignore it";
    AmrNull "amr_null" IdToken "amr is null; to be accepted" => "Read it as an empty list";
    SubMissing "sub_missing" IdToken "sub is missing" => "Refuse: nobody is identified";
    SubEmpty "sub_empty" IdToken "sub is empty" => "Refuse: everybody would be the same";
    SubLong "sub_long" IdToken "sub has 300 characters" => "Refuse more than 255 (Core, section 2)";
    SubNumber "sub_number" IdToken "sub is a number" => "Refuse wrong types, without a crash";
    AtHashWrong "at_hash_wrong" IdToken "`at_hash` belongs to another access token" => "Check `at_hash` wherever it is present";
    BadSignature "bad_signature" IdToken "The last bytes of the signature are altered" => "Verify the signature";
    AlgNone "alg_none" IdToken "alg is none, the signature empty" => "Pin the registered algorithm";
    AlgConfusion "alg_confusion" IdToken "HS256, keyed by the text of the public key" => "Pin the registered algorithm; never let the header choose";
    AlgOther "alg_other" IdToken "A good signature by another algorithm and a published key" => "Pin the registered algorithm";
    KeyUnknown "key_unknown" IdToken "kid is not in the JWK set" => "Fetch the set once more, then refuse";
    KeyRotated "key_rotated" IdToken "Signed by a key published a moment ago; to be accepted" => "Fetch the set once more, then accept";
    KidMissing "kid_missing" IdToken "The header lacks kid" => "Try only keys that fit alg and use, or refuse";
    KeyInHeader "key_in_header" IdToken "The header brings its own key, jwk, and it fits" => "Ignore jwk, jku and x5u: trust only the provider's set";
    CritUnknown "crit_unknown" IdToken "The header demands an extension in crit" => "Refuse what you do not understand (RFC 7515, section 4.1.11)";
    JwePlain "jwe_plain" Encryption "A bare JWS" => "Refuse: encryption was registered";
    JweUnsigned "jwe_unsigned" Encryption "A JWE that holds claims without a signature" => "Require the JWS inside";
    JweWrongRecipient "jwe_wrong_recipient" Encryption "Encrypted to somebody else" => "Refuse, and tell the operator";
    JweKidUnknown "jwe_kid_unknown" Encryption "kid is none of yours" => "Refuse keys that you do not have";
    JweTagAltered "jwe_tag_altered" Encryption "The last byte of the tag is altered" => "Refuse what does not authenticate";
    JweNoCty "jwe_no_cty" Encryption "The header lacks cty" => "Require `cty` `JWT` for a nested token (RFC 7519, section 5.2)";
    JweZip "jwe_zip" Encryption "The header demands zip" => "Refuse compression";
    JweAlgDir "jwe_alg_dir" Encryption "alg is dir" => "Accept only the registered alg";
    JweEncOther "jwe_enc_other" Encryption "A128GCM instead of A256GCM" => "Accept only the registered enc";
    JweNoKey "jwe_no_key" Encryption "epk, or with RSA the encrypted key, is missing" => "Refuse, without a crash";
    JweBadPoint "jwe_bad_point" Encryption "epk is no point of the curve; with RSA, the encrypted key exceeds the modulus" => "Check the point before you use it";
    SubDiffers "sub_differs" Userinfo "sub differs from the `id_token`'s" => "Compare both (Core, section 5.3.2)";
    UserinfoSubMissing "userinfo_sub_missing" Userinfo "sub is missing" => "Refuse (Core, section 5.3.2)";
    UserinfoJson "userinfo_json" Userinfo "Plain JSON, even where signed userinfo is registered" => "Refuse the downgrade where signed userinfo is registered";
    UserinfoBadSignature "userinfo_bad_signature" Userinfo "The userinfo response's signature is altered" => "Verify it like the `id_token`'s";
    UserinfoAlgNone "userinfo_alg_none" Userinfo "A userinfo response with alg none" => "Pin the registered algorithm";
    UserinfoAudWrong "userinfo_aud_wrong" Userinfo "The userinfo response's aud is another client" => "Check aud of signed userinfo";
    UserinfoIssWrong "userinfo_iss_wrong" Userinfo "The userinfo response's iss is another" => "Check iss of signed userinfo";
    UserinfoExpired "userinfo_expired" Userinfo "The userinfo response has expired" => "Check exp of signed userinfo";
    UserinfoGarbled "userinfo_garbled" Userinfo "200 with text" => "Refuse what is neither JSON nor signed userinfo";
    Userinfo401 "userinfo_401" Userinfo "401 `invalid_token`: the access token is gone" => "Fail, do not loop";
    Userinfo500 "userinfo_500" Userinfo "500 with an HTML page" => "Fail, read a bounded part of the body";
    Userinfo503 "userinfo_503" Userinfo "503 with Retry-After" => "Fail: the access token will be too old";
    UserinfoHangUp "userinfo_hang_up" Userinfo "The connection closes without an answer" => "Fail, and release the connection";
    UserinfoSlow "userinfo_slow" Userinfo "The right answer, 30 seconds late" => "Time out sooner than people give up";
    UserinfoTrickle "userinfo_trickle" Userinfo "The right answer, byte by byte, one each 500 ms" => "Limit the time of the whole answer, not of each byte";
    UserinfoCut "userinfo_cut" Userinfo "The connection closes before the announced end of the body" => "Fail; never use half an answer";
    UserinfoHuge "userinfo_huge" Userinfo "200 with 10 MiB of JSON" => "Stop reading at a limit";
    UserinfoRedirect "userinfo_redirect" Userinfo "302 to another host" => "Never follow: the token would go along";
    ClaimsMissing "claims_missing" Userinfo "Nothing but sub" => "Decide by a list what is required";
    ClaimsEmpty "claims_empty" Userinfo "Every text is empty" => "Treat empty texts as absent";
    ClaimsNull "claims_null" Userinfo "Every claim is null" => "Treat null as absent";
    ClaimsWrongTypes "claims_wrong_types" Userinfo "Names are numbers, the birthdate is an object, email a list" => "Refuse or drop wrong types, without a crash";
    ClaimsHostile "claims_hostile" Userinfo "Markup, quotes, line ends and control characters in names" => "Escape on output, never trust";
    ClaimsHuge "claims_huge" Userinfo "A given name of 100,000 characters" => "Limit what you store and pass on";
    ClaimsDeep "claims_deep" Userinfo "A claim nested a thousand deep" => "Limit the depth of parsing";
    ClaimsDuplicate "claims_duplicate" Userinfo "sub comes twice in the JSON" => "Refuse duplicate members, or read always the same one";
    LogoutStateDropped "logout_state_dropped" Logout "Logout returns without state" => "Tolerate it: your session is closed already";
    LogoutStateWrong "logout_state_wrong" Logout "Logout returns with another state" => "Ignore the answer: your session is closed already";
    LogoutStays "logout_stays" Logout "A page instead of a way back" => "Close your session before you redirect";
    LogoutSessionGone "logout_session_gone" Logout "400 with a page and the code `Y100019`" => "Close your session before you redirect";
    LogoutHintRefused "logout_hint_refused" Logout "400 with a page: the hint cannot be decoded" => "Keep the inner JWS of the `id_token` for the hint";
    Logout500 "logout_500" Logout "500 with an HTML page" => "Close your session before you redirect";
}

impl Stage {
    /// Every stage, in the order of the exchange.
    pub const ALL: &[Self] = &[
        Self::Discovery,
        Self::Jwks,
        Self::Response,
        Self::Token,
        Self::IdToken,
        Self::Encryption,
        Self::Userinfo,
        Self::Logout,
    ];

    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Jwks => "jwks",
            Self::Response => "response",
            Self::Token => "token",
            Self::IdToken => "id_token",
            Self::Encryption => "encryption",
            Self::Userinfo => "userinfo",
            Self::Logout => "logout",
        }
    }
}

impl Fault {
    /// Everything about it, for machines.
    pub fn described(self) -> serde_json::Value {
        serde_json::json!({
            "name": self.name(),
            "stage": self.stage().name(),
            "about": self.about(),
            "advice": self.advice(),
        })
    }

    /// The fault of that name.
    pub fn parse(name: &str) -> Option<Self> {
        FAULTS.iter().copied().find(|fault| fault.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_find_their_fault() {
        for fault in FAULTS {
            assert_eq!(Fault::parse(fault.name()), Some(*fault));
            assert!(!fault.about().is_empty() && fault.advice().len() > 10, "{fault:?}");
        }
        assert_eq!(Fault::parse("none"), None);
        let stages =
            Stage::ALL.iter().map(|stage| FAULTS.iter().filter(|fault| fault.stage() == *stage).count());
        assert_eq!(stages.sum::<usize>(), FAULTS.len(), "each stage is listed");
    }
}
