//! What can go wrong on the wire on purpose: each fault is one lie in an otherwise correct exchange.

/// Where a fault shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The authorization response (RFC 6749, section 4.1.2).
    Response,
    /// The token response (RFC 6749, section 5).
    Token,
    /// The `id_token` (OpenID Connect Core, section 2).
    IdToken,
    /// The userinfo response (OpenID Connect Core, section 5.3).
    Userinfo,
}

macro_rules! faults {
    ($($variant:ident $name:literal $stage:ident $about:literal;)*) => {
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

            /// Where it shows.
            pub fn stage(self) -> Stage {
                match self { $(Self::$variant => Stage::$stage,)* }
            }
        }
    };
}

faults! {
    AccessDenied "access_denied" Response "The person is refused: `error=access_denied`";
    TemporarilyUnavailable "temporarily_unavailable" Response "`error=temporarily_unavailable`";
    StateMissing "state_missing" Response "The response lacks state";
    IssMissing "iss_missing" Response "The response lacks iss (RFC 9207)";
    IssWrong "iss_wrong" Response "The response names another iss (RFC 9207)";
    Token500 "token_500" Token "500 with an HTML page";
    TokenSlow "token_slow" Token "The right answer, 30 seconds late";
    TokenGarbled "token_garbled" Token "200 with single quotes: not JSON";
    TokenTruncated "token_truncated" Token "200 with the beginning of a JSON object";
    TokenCut "token_cut" Token "The connection closes before the announced end of the body";
    TokenHuge "token_huge" Token "200 with 10 MiB of JSON";
    TokenGzipBomb "token_gzip_bomb" Token "200 with 65 kB of gzip, nobody asked for it, that unpack to 10 MiB";
    TokenRedirect "token_redirect" Token "302 to another host";
    TokenInvalidGrant "token_invalid_grant" Token "400 `invalid_grant`";
    TokenInvalidClient "token_invalid_client" Token "401 `invalid_client`";
    TokenTypeWrong "token_type_wrong" Token "`token_type` is not Bearer";
    NoIdToken "no_id_token" Token "The answer lacks `id_token`";
    WrongNonce "wrong_nonce" IdToken "nonce is another";
    NonceMissing "nonce_missing" IdToken "nonce is missing";
    WrongIssuer "wrong_issuer" IdToken "iss is another";
    AudWrong "aud_wrong" IdToken "aud is another client";
    ExpiredIdToken "expired_id_token" IdToken "iat and exp lie two hours back";
    AcrLow "acr_low" IdToken "acr is eidas0, below what was asked";
    BadSignature "bad_signature" IdToken "The last bytes of the signature are altered";
    AlgNone "alg_none" IdToken "alg is none, the signature empty";
    KeyUnknown "key_unknown" IdToken "kid is not in the JWK set";
    KeyRotated "key_rotated" IdToken "Signed by a key published a moment ago; to be accepted";
    SubDiffers "sub_differs" Userinfo "sub differs from the `id_token`'s";
    UserinfoJson "userinfo_json" Userinfo "Plain JSON, even where a JWT is registered";
    UserinfoGarbled "userinfo_garbled" Userinfo "200 with text";
    Userinfo500 "userinfo_500" Userinfo "500 with an HTML page";
}

impl Fault {
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
        }
        assert_eq!(Fault::parse("none"), None);
    }
}
