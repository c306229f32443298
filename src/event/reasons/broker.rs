//! Why a login failed between the protocols.

#[rustfmt::skip]
super::reasons! {
    STATE_UNKNOWN = "B001", "broker.state_unknown", Warn, "state inconnu ou expiré", "no login in flight has this `state`: unknown, expired, or lost in a restart", "Normal after a long pause or a restart.";
    STATE_SPENT = "B002", "broker.state_spent", Warn, "retour déjà traité", "this return from the upstream was already handled, or is being handled", "Normal on reload or Back.";
    OTHER_BROWSER = "B003", "broker.other_browser", Warn, "la connexion a commencé dans un autre navigateur", "the login began in another browser", "If frequent, somebody passes links of a login around.";
    NO_COOKIE = "B004", "broker.no_cookie", Warn, "le navigateur ne renvoie pas le cookie", "the browser sent no cookie of ours", "The person must allow cookies; a proxy must pass them.";
    COOKIE_TWICE = "B005", "broker.cookie_twice", Warn, "deux cookies de même nom", "two cookies of our name with different values", "Look for a sibling domain that sets our cookie's name.";
    COOKIES_TOO_MANY = "B018", "broker.cookies_too_many", Warn, "trop de cookies, et aucun des nôtres", "so many cookies (`count`, of `length` bytes), and none of ours: the browser has no room for it", "Find out who else sets cookies for this host name; the person must delete some.";
    OTHER_UPSTREAM = "B006", "broker.other_upstream", Warn, "retour sur l'adresse d'un autre fournisseur", "the return came to another upstream's callback", "A mix-up of providers, or an attack by one of them.";
    CSRF = "B007", "broker.csrf", Warn, "formulaire sans jeton valable ou d'une autre origine", "the form has no valid token, or comes from another origin", "If frequent, look for an attack, or a proxy that drops `Origin`.";
    CONFIRMATION_SPENT = "B008", "broker.confirmation_spent", Warn, "confirmation déjà traitée ou expirée", "the confirmation was already handled, is too old, or was lost in a restart", "Normal on reload or Back, after a long pause or a restart.";
    ACR_UNMET = "B009", "broker.acr_unmet", Warn, "niveau acr insuffisant", "the level reached is not among those that the application requires", "Compare `acr_asked` and `acr`, and what the upstream offers.";
    LOGIN_REQUIRED = "B010", "broker.login_required", Info, "prompt=none sans session utilisable", "`prompt=none`, and a page would be due", "The application may start again without `prompt=none`.";
    APP_GONE = "B011", "broker.app_gone", Warn, "application retirée pendant la connexion", "the application was removed or disabled while the login was under way", "Normal after a change of the configuration.";
    TOO_MANY_LOGINS = "B012", "broker.too_many_logins", Error, "trop de connexions en cours", "no room for another login in flight", "Somebody floods, or a limit is too low. `names` has whose share is used up: of a network (`ipv4/…`, `ipv6/…`) `limit.logins_per_address`, or `limit.large_networks` where many people share few addresses; of an application `limit.logins_per_app`; of all `limit.logins_in_flight`.";
    STATE_REPEATED = "B017", "broker.state_repeated", Info, "retour déjà traité, revu par le même navigateur", "this return from the upstream was already handled, and the same browser opened it again", "Nothing: a reload or Back.";
    MAX_AGE_UNMET = "B013", "broker.max_age_unmet", Warn, "authentification trop ancienne", "the authentication is older than `max_age` allows, or its time was not told", "The upstream does not honour `max_age`; compare its documentation.";
    SESSIONS_FULL = "B016", "broker.sessions_full", Error, "plus de place pour une session", "no room for another session: the sign-in is answered and not kept", "Raise `limit.sessions`, or shorten `[session]`.";
    COOKIE_NEAR = "B015", "broker.cookie_near", Warn, "un cookie au nom presque identique au nôtre", "a cookie has almost our name (`names`): in another case, percent-encoded, with blanks; it was passed over", "Look for a sibling domain, or a proxy that rewrites cookies.";
    ACR_OUTSIDE = "B019", "broker.acr_outside", Warn, "niveau acr hors de la configuration", "the application asked for a level that its configuration, or the provider, does not have", "Compare `acr_asked` with `acr.accept` of the application and with what the provider offers.";
    REAUTHENTICATION_UNMET = "B020", "broker.reauthentication_unmet", Warn, "nouvelle authentification demandée et non prouvée", "a fresh sign-in was asked for, and the answer's `auth_time` is older, or not told", "The upstream answered from its own session (`offset_s`: for how long before this login), or the person took `prompt` out of the address. Where it never honours `prompt=login`, do not ask it.";
    REAUTHENTICATION_IMPOSSIBLE = "B021", "broker.reauthentication_impossible", Warn, "nouvelle authentification impossible chez ce fournisseur", "the application asked for a fresh sign-in, and the upstream takes no `prompt=login`", "The application must not ask for `relais_prompt=login` at this upstream.";
    CANCELLED = "B014", "broker.cancelled", Info, "l'utilisateur a refusé de confirmer", "the person declined on the confirmation page", "Nothing: the person's choice.";
}
