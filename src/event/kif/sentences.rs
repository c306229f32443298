//! What KIF wrote for each reason: the end of a sentence about a request, the text of an exception, or nothing.

use super::super::Reason;
use super::super::reasons::{broker, legacy, upstream};

/// What KIF wrote for a cause that it knew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sentence {
    /// After `accès à /idp: `.
    Request(&'static str),
    /// The text of an exception of this class, without the values that KIF added.
    Exception {
        /// Its class.
        class: &'static str,
        /// Its text.
        text: &'static str,
    },
}

impl Sentence {
    /// The text alone.
    pub fn text(self) -> &'static str {
        match self {
            Self::Request(text) | Self::Exception { text, .. } => text,
        }
    }
}

/// What KIF wrote for `reason`; `None` if it had no such case.
pub fn sentence(reason: Reason) -> Option<Sentence> {
    SENTENCES.iter().find(|(known, _)| *known == reason).map(|(_, sentence)| *sentence)
}

/// Every cause that KIF knew, and what it wrote.
pub fn sentences() -> impl Iterator<Item = (Reason, Sentence)> {
    SENTENCES.iter().copied()
}

const EXCEPTION: Sentence = Sentence::Request("exception");
const CALLBACK: Sentence =
    Sentence::Request("renvoi vers la page d'erreur d'authentification (url de callback invalide)");
const STATE: Sentence = failed("State parameter mismatch on return");
const REFUSED: Sentence = failed("Error from Authorization Endpoint");
const NO_TOKEN: Sentence = failed("Unable to obtain Access Token");

const fn failed(text: &'static str) -> Sentence {
    Sentence::Exception {
        class: "org.springframework.security.authentication.AuthenticationServiceException",
        text,
    }
}

/// The causes that KIF knew. Whatever is not here, the test below names.
const SENTENCES: &[(Reason, Sentence)] = &[
    (legacy::MSG_MISSING, Sentence::Request("renvoi vers la page d'erreur d'authentification")),
    (legacy::NOT_HEX, EXCEPTION),
    (legacy::TOO_SHORT, EXCEPTION),
    (legacy::DOES_NOT_OPEN, EXCEPTION),
    (legacy::NOT_ASCII, EXCEPTION),
    (legacy::CALLBACK_INVALID, CALLBACK),
    (legacy::CALLBACK_OUTSIDE, CALLBACK),
    (
        legacy::QUERY_MISSING,
        Sentence::Request("renvoi vers la page d'erreur d'authentification (null query)"),
    ),
    (
        legacy::NONCE_MISSING,
        Sentence::Request("renvoi vers la page d'erreur d'authentification (null nonce)"),
    ),
    (
        legacy::STATE_MISSING,
        Sentence::Request("renvoi vers la page d'erreur d'authentification (null state)"),
    ),
    (broker::STATE_UNKNOWN, STATE),
    (broker::STATE_SPENT, NO_TOKEN),
    (broker::STATE_REPEATED, NO_TOKEN),
    (broker::OTHER_BROWSER, STATE),
    (broker::NO_COOKIE, STATE),
    (upstream::RESPONSE_MALFORMED, STATE),
    (upstream::ACCESS_DENIED, failed("Error from Authorization Endpoint: access_denied")),
    (upstream::ERROR_RESPONSE, REFUSED),
    (upstream::UNREACHABLE, NO_TOKEN),
    (upstream::TIMEOUT, NO_TOKEN),
    (upstream::HTTP_STATUS, NO_TOKEN),
    (upstream::NOT_JSON, failed("Token Endpoint did not return a JSON object")),
    (upstream::INVALID_GRANT, NO_TOKEN),
    (upstream::INVALID_CLIENT, NO_TOKEN),
    (upstream::ID_TOKEN_MISSING, failed("Token Endpoint did not return an id_token")),
    (upstream::ID_TOKEN_MALFORMED, failed("Couldn't parse idToken")),
    (upstream::ALG_REFUSED, failed("Unsigned ID tokens can only be used if explicitly configured in client")),
    (upstream::SIGNATURE, failed("Signature validation failed")),
    (upstream::ISSUER_CLAIM, failed("Issuers do not match")),
    (upstream::AUDIENCE, failed("Audience does not match")),
    (upstream::EXPIRED, failed("Id Token is expired")),
    (upstream::ISSUED_IN_FUTURE, failed("Id Token was issued in the future")),
    (upstream::NONCE, failed("Possible replay attack detected!")),
    (
        upstream::SUB_DIFFERS,
        Sentence::Exception {
            class: "org.springframework.security.core.userdetails.UsernameNotFoundException",
            text: "user_id mismatch between id_token and user_info call",
        },
    ),
    (upstream::LOGIN_REQUIRED, REFUSED),
    (upstream::LEVEL_REFUSED, REFUSED),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::reasons::{self, server};

    /// The causes that KIF did not know, or did not write of.
    #[rustfmt::skip]
    const NONE: &[Reason] = &[
        legacy::MSG_TWICE, legacy::MSG_TOO_LONG, legacy::KEY_NOT_ALLOWED, legacy::QUERY_MALFORMED,
        legacy::QUERY_TOO_LONG, legacy::PARAMETER_TWICE, legacy::VALUE_LENGTH, legacy::RESERVED_PRESENT,
        legacy::PARAMETER_UNKNOWN, legacy::EXPIRED, legacy::IN_THE_FUTURE, legacy::BEFORE_START, legacy::REPLAYED,
        legacy::UNKNOWN_APP, legacy::DISABLED_APP, legacy::LIMITED, legacy::FRAMED, legacy::IV_REPEATS,
        legacy::ANSWER_TOO_LONG, legacy::LOST_TO_ANOTHER, legacy::CLAIM_UNAUTHENTICATED, legacy::CLAIM_UNKNOWN,
        legacy::CLAIM_LIMITED, legacy::CLAIM_MALFORMED, legacy::PATH_WITHOUT_APP, legacy::LOGOUT_UNSEALED,
        legacy::NOT_JWE, legacy::CLAIMS_MALFORMED, legacy::CLAIM_WRONG, legacy::SHORT_VALUE, legacy::WEAK_WIRE,
        legacy::SUNSET,
        broker::COOKIE_TWICE, broker::COOKIES_TOO_MANY, broker::OTHER_UPSTREAM, broker::CSRF, broker::CONFIRMATION_SPENT, broker::ACR_UNMET,
        broker::LOGIN_REQUIRED, broker::APP_GONE, broker::TOO_MANY_LOGINS, broker::MAX_AGE_UNMET,
        broker::CANCELLED, broker::SESSIONS_FULL, broker::COOKIE_NEAR, broker::ACR_OUTSIDE,
        broker::MARKS_FULL, broker::TABLE_FULL,
        broker::REAUTHENTICATION_UNMET, broker::REAUTHENTICATION_IMPOSSIBLE,
        upstream::ISSUER_MISMATCH, upstream::TOO_LARGE, upstream::TOKEN_TYPE, upstream::KEY_UNKNOWN,
        upstream::AT_HASH, upstream::SUB, upstream::USERINFO_TYPE, upstream::DISCOVERY, upstream::JWKS,
        upstream::CLAIM_TYPE, upstream::JWT_HEADER, upstream::NOT_ENCRYPTED, upstream::ENCRYPTION_ALG,
        upstream::DECRYPTION_KEY, upstream::DECRYPTION, upstream::NOT_SIGNED, upstream::KEYS_TOO_MANY,
        server::NOT_FOUND, server::METHOD, server::MISDIRECTED, server::HOST, server::TOO_LARGE, server::SLOW,
        server::INVALID_REQUEST, server::UPGRADE, server::PREFETCH, server::OVERLOADED, server::INTERNAL,
        server::STORE_FAILED, server::WEAK_CHOICE, server::LOGOUT_STATE, server::LOGOUT_UNTOLD, server::NOT_RELOADED,
        server::ERROR_ALIAS, server::LOG_LOST, server::KEYRING, server::FRAMED, server::NOT_NAVIGATED,
    ];

    #[test]
    fn every_reason_has_its_sentence_or_is_named_as_having_none() {
        for reason in reasons::all() {
            let with = SENTENCES.iter().filter(|(known, _)| *known == reason).count();
            let without = NONE.iter().filter(|known| **known == reason).count();
            assert_eq!(with + without, 1, "{}", reason.slug());
            assert_eq!(sentence(reason).is_some(), with == 1, "{}", reason.slug());
        }
        assert_eq!(SENTENCES.len() + NONE.len(), reasons::all().count());
    }
}
