//! The closed list of sentences that a stranger may read, in French and English.
//!
//! They never say the cause: that is in the event with the same support code.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A language of the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// French.
    #[default]
    Fr,
    /// English.
    En,
}

impl Lang {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::Fr, Self::En];

    /// The BCP 47 tag.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Fr => "fr",
            Self::En => "en",
        }
    }

    /// From a BCP 47 tag, by its primary language.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or_default();
        Self::ALL.into_iter().find(|lang| lang.tag().eq_ignore_ascii_case(primary))
    }

    /// The sentence in this language.
    pub fn pick(self, fr: &'static str, en: &'static str) -> &'static str {
        match self {
            Self::Fr => fr,
            Self::En => en,
        }
    }
}

/// Links what a person reads to the event that says why: `K7QF-2M`, 30 random bits in Crockford's base 32.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String")]
pub struct SupportCode([u8; 6]);

impl SupportCode {
    /// From fresh random bytes.
    pub fn new(bytes: [u8; 6]) -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        Self(bytes.map(|b| ALPHABET.get(usize::from(b & 31)).copied().unwrap_or(b'0')))
    }
}

impl fmt::Display for SupportCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self.0.iter().map(|&b| char::from(b)).collect();
        let (head, tail) = text.split_at_checked(4).unwrap_or((&text, ""));
        write!(f, "{head}-{tail}")
    }
}

impl fmt::Debug for SupportCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SupportCode({self})")
    }
}

impl From<SupportCode> for String {
    fn from(code: SupportCode) -> Self {
        code.to_string()
    }
}

/// What a page may say to a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PublicMessage {
    /// A request of a legacy application was refused, whatever the cause.
    LegacyRequest,
    /// The application's weak wire is past its date.
    LegacySunset,
    /// The upstream's answer is malformed.
    UpstreamResponse,
    /// The upstream's answer belongs to no login of this browser.
    UpstreamState,
    /// The browser that had its answer is back at the upstream's answer.
    UpstreamRepeated,
    /// The upstream's answer came from, or to, another provider than was asked.
    UpstreamMixup,
    /// The upstream answered with something that cannot be trusted.
    UpstreamError,
    /// The upstream cannot be reached.
    UpstreamDown,
    /// The upstream took too long.
    UpstreamTimeout,
    /// The person gave up, or was refused, at the upstream.
    AccessDenied,
    /// The upstream did not reach the level that the application demands.
    AcrUnmet,
    /// The application was disabled while the login was under way.
    ClientDisabled,
    /// The browser does not keep cookies, or two of our name.
    Cookies,
    /// The browser sends more cookies than it can keep, and none of ours.
    CookiesFull,
    /// The form did not come from our page.
    Csrf,
    /// The page was asked for inside a frame.
    Framed,
    /// The answer would not fit in a URL.
    AnswerTooLong,
    /// This login was already finished.
    AlreadyAnswered,
    /// The person took too long.
    Expired,
    /// A parameter is wrong or given twice.
    InvalidRequest,
    /// No such page.
    NotFound,
    /// Not this method.
    Method,
    /// Not this host name.
    Misdirected,
    /// More than may be sent at once.
    TooLarge,
    /// The body took too long to arrive.
    Slow,
    /// Too many requests from this address.
    TooMany,
    /// No room for another login.
    Busy,
    /// No room for another login from this network.
    BusyNetwork,
    /// What must be remembered cannot be.
    Unavailable,
    /// Our own fault.
    Internal,
}

impl PublicMessage {
    /// Every message, for the tests and the docs.
    pub const ALL: &[Self] = &[
        Self::LegacyRequest,
        Self::LegacySunset,
        Self::UpstreamResponse,
        Self::UpstreamState,
        Self::UpstreamRepeated,
        Self::UpstreamMixup,
        Self::UpstreamError,
        Self::UpstreamDown,
        Self::UpstreamTimeout,
        Self::AccessDenied,
        Self::AcrUnmet,
        Self::ClientDisabled,
        Self::Cookies,
        Self::CookiesFull,
        Self::Csrf,
        Self::Framed,
        Self::AnswerTooLong,
        Self::AlreadyAnswered,
        Self::Expired,
        Self::InvalidRequest,
        Self::NotFound,
        Self::Method,
        Self::Misdirected,
        Self::TooLarge,
        Self::Slow,
        Self::TooMany,
        Self::Busy,
        Self::BusyNetwork,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The public code, printed on the page beside the support code.
    pub fn code(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status of the page.
    pub fn status(self) -> u16 {
        self.row().1
    }

    /// What went wrong, as a heading.
    pub fn title(self, lang: Lang) -> &'static str {
        let (_, _, fr, en, _, _) = self.row();
        lang.pick(fr, en)
    }

    /// What the person can do.
    pub fn advice(self, lang: Lang) -> &'static str {
        let (_, _, _, _, fr, en) = self.row();
        lang.pick(fr, en)
    }

    /// (code, status, title fr, title en, advice fr, advice en)
    #[rustfmt::skip]
    fn row(self) -> (&'static str, u16, &'static str, &'static str, &'static str, &'static str) {
        const AGAIN_FR: &str = "Retournez à l’application et recommencez. Si le problème persiste, communiquez les codes ci-dessous au support de l’application.";
        const AGAIN_EN: &str = "Go back to the application and try again. If it happens again, give the codes below to the application’s support.";
        const LATER_FR: &str = "Ce n’est pas de votre fait. Recommencez depuis l’application dans quelques minutes. Si le problème persiste, communiquez les codes ci-dessous au support de l’application.";
        const LATER_EN: &str = "You did nothing wrong. Start again from the application in a few minutes. If it happens again, give the codes below to the application’s support.";
        // Where trying again cannot help.
        const REPORT_FR: &str = "Recommencer n’y changera rien. Communiquez les codes ci-dessous au support de l’application.";
        const REPORT_EN: &str = "Trying again will not help. Give the codes below to the application’s support.";
        const FINISHED_FR: &str = "Cette connexion est déjà terminée";
        const FINISHED_EN: &str = "This sign-in is already finished";
        const FINISHED_ADVICE_FR: &str = "Retournez à l’application, où elle a peut-être abouti. Sinon, recommencez.";
        const FINISHED_ADVICE_EN: &str = "Go back to the application, where it may have succeeded. If not, try again.";
        match self {
            Self::LegacyRequest => ("LEGACY_REQUEST", 400, "La demande de connexion n’est pas valable, a expiré ou a déjà servi", "This sign-in request is not valid, has expired or has been used", AGAIN_FR, AGAIN_EN),
            Self::LegacySunset => ("LEGACY_SUNSET", 410, "L’application doit être mise à jour", "The application must be updated", "Sa façon de demander une connexion n’est plus acceptée depuis la date annoncée. Recommencer n’y changera rien. Communiquez les codes ci-dessous au support de l’application.", "Its way of asking for a sign-in is no longer accepted since the date that was announced. Trying again will not help. Give the codes below to the application’s support."),
            Self::UpstreamResponse => ("UPSTREAM_RESPONSE", 400, "La réponse du fournisseur d’identité n’est pas valable", "The identity provider’s answer is not valid", AGAIN_FR, AGAIN_EN),
            Self::UpstreamState => ("UPSTREAM_STATE", 400, "Cette connexion n’est plus en cours", "This sign-in is no longer under way", AGAIN_FR, AGAIN_EN),
            // To a program the same as any answer that leads nowhere; the person is told that it has succeeded.
            Self::UpstreamRepeated => ("UPSTREAM_STATE", 400, FINISHED_FR, FINISHED_EN, FINISHED_ADVICE_FR, FINISHED_ADVICE_EN),
            Self::UpstreamMixup => ("UPSTREAM_MIXUP", 400, "La réponse ne vient pas du fournisseur attendu", "The answer did not come from the expected provider", AGAIN_FR, AGAIN_EN),
            Self::UpstreamError => ("UPSTREAM_ERROR", 502, "Le fournisseur d’identité a répondu de façon inattendue", "The identity provider gave an unexpected answer", LATER_FR, LATER_EN),
            Self::UpstreamDown => ("UPSTREAM_DOWN", 503, "Le fournisseur d’identité est indisponible", "The identity provider is unavailable", LATER_FR, LATER_EN),
            Self::UpstreamTimeout => ("UPSTREAM_TIMEOUT", 504, "Le fournisseur d’identité ne répond pas", "The identity provider does not answer", LATER_FR, LATER_EN),
            Self::AccessDenied => ("ACCESS_DENIED", 403, "La connexion a été annulée ou refusée", "The sign-in was cancelled or refused", "Aucune information n’a été transmise à l’application. Vous pouvez y retourner et recommencer.", "Nothing was passed on to the application. You can go back to it and try again."),
            Self::AcrUnmet => ("ACR_UNMET", 403, "L’application demande une connexion plus sûre", "The application requires a stronger sign-in", "Retournez à l’application, recommencez et choisissez un moyen de connexion plus sûr, par exemple avec une double authentification.", "Go back to the application, try again and choose a stronger way to sign in, for example one with a second factor."),
            Self::ClientDisabled => ("CLIENT_DISABLED", 400, "L’application n’est plus raccordée à ce service", "The application is no longer connected to this service", REPORT_FR, REPORT_EN),
            Self::Cookies => ("COOKIES", 400, "Votre navigateur n’a pas conservé le cookie de connexion", "Your browser did not keep the sign-in cookie", "Autorisez les cookies pour ce site, fermez les autres onglets de connexion, puis recommencez depuis l’application.", "Allow cookies for this site, close other sign-in tabs, then start again from the application."),
            Self::CookiesFull => ("COOKIES", 400, "Votre navigateur envoie trop de cookies", "Your browser sends too many cookies", "Il n’a plus de place pour celui de la connexion. Supprimez les cookies de ce site et de ses voisins, puis recommencez depuis l’application.", "It has no room for the sign-in cookie. Delete the cookies of this site and its neighbours, then start again from the application."),
            Self::Csrf => ("CSRF", 403, "Cette action n’a pas été confirmée depuis notre page", "This action was not confirmed from our page", "Rien n’a été fait. Retournez à l’application et recommencez, dans un seul onglet.", "Nothing was done. Go back to the application and try again, in a single tab."),
            Self::Framed => ("FRAMED", 400, "Cette page ne s’affiche pas dans un cadre", "This page is not shown inside a frame", "Ouvrez l’application dans son propre onglet, puis recommencez.", "Open the application in a tab of its own, then try again."),
            Self::AnswerTooLong => ("ANSWER_TOO_LONG", 500, "La réponse est trop longue pour l’application", "The answer is too long for the application", REPORT_FR, REPORT_EN),
            Self::AlreadyAnswered => ("ALREADY_ANSWERED", 400, FINISHED_FR, FINISHED_EN, FINISHED_ADVICE_FR, FINISHED_ADVICE_EN),
            Self::Expired => ("EXPIRED", 400, "La connexion a pris trop de temps", "The sign-in took too long", "Par sécurité, elle a été interrompue. Retournez à l’application et recommencez.", "It was stopped for your safety. Go back to the application and try again."),
            Self::InvalidRequest => ("INVALID_REQUEST", 400, "La demande n’est pas valable", "The request is not valid", AGAIN_FR, AGAIN_EN),
            Self::NotFound => ("NOT_FOUND", 404, "Cette page n’existe pas", "There is no such page", "Vérifiez l’adresse, ou retournez à l’application.", "Check the address, or go back to the application."),
            Self::Method => ("METHOD", 405, "Cette page ne s’utilise pas ainsi", "This page is not used that way", AGAIN_FR, AGAIN_EN),
            Self::Misdirected => ("MISDIRECTED", 421, "Ce nom d’hôte n’est pas servi ici", "This host name is not served here", "Vérifiez l’adresse, ou retournez à l’application.", "Check the address, or go back to the application."),
            Self::TooLarge => ("TOO_LARGE", 413, "La demande est trop longue", "The request is too long", AGAIN_FR, AGAIN_EN),
            Self::Slow => ("SLOW", 408, "La demande a mis trop de temps à arriver", "The request took too long to arrive", AGAIN_FR, AGAIN_EN),
            Self::TooMany => ("TOO_MANY", 429, "Trop de demandes refusées depuis votre réseau", "Too many refused requests from your network", "Attendez une minute, puis recommencez depuis l’application. Si le problème persiste, communiquez les codes ci-dessous au support de l’application.", "Wait a minute, then start again from the application. If it happens again, give the codes below to the application’s support."),
            Self::Busy => ("BUSY", 503, "Trop de connexions sont en cours", "Too many sign-ins are under way", LATER_FR, LATER_EN),
            Self::BusyNetwork => ("BUSY_NETWORK", 503, "Trop de connexions sont en cours depuis votre réseau", "Too many sign-ins are under way from your network", "D’autres personnes de votre réseau se connectent en même temps que vous. Attendez quelques minutes, puis recommencez depuis l’application. Si le problème persiste, communiquez les codes ci-dessous au support de l’application.", "Other people on your network are signing in at the same time. Wait a few minutes, then start again from the application. If it happens again, give the codes below to the application’s support."),
            Self::Unavailable => ("UNAVAILABLE", 503, "Le service est momentanément indisponible", "The service is unavailable for the moment", LATER_FR, LATER_EN),
            Self::Internal => ("INTERNAL", 500, "Une erreur technique est survenue", "A technical error occurred", LATER_FR, LATER_EN),
        }
    }
}
