//! Why the server itself refused, warned or failed.

#[rustfmt::skip]
super::reasons! {
    NOT_FOUND = "S001", "server.not_found", Info, "page inconnue", "no such page", "Nothing, unless frequent.";
    METHOD = "S002", "server.method", Warn, "méthode refusée", "the method is not allowed here", "Compare the client with the documentation.";
    MISDIRECTED = "S003", "server.misdirected", Warn, "nom d'hôte inconnu", "the `Host` (`names`) is not that of `public_url` (`url`)", "Repair the proxy or the DNS; `server.public_url` is the one name.";
    TOO_LARGE = "S004", "server.too_large", Warn, "corps trop long", "the body is larger than the limit", "`limit.body_bytes` sets it.";
    SLOW = "S005", "server.slow", Warn, "corps trop lent", "the body did not arrive in time", "`limit.body_seconds` sets it.";
    INVALID_REQUEST = "S006", "server.invalid_request", Warn, "paramètres refusés", "a parameter is missing, repeated, malformed, or there are too many", "Compare the client with the documentation.";
    UPGRADE = "S007", "server.upgrade", Warn, "changement de protocole refusé", "the request asks to switch protocols", "Nothing, unless a proxy does it.";
    PREFETCH = "S008", "server.prefetch", Debug, "préchargement refusé", "the browser prefetches; nothing was started", "Nothing.";
    OVERLOADED = "S009", "server.overloaded", Error, "trop de requêtes ou de connexions en cours", "too many requests are in flight, or too many connections of one address are open", "`names` has the limit: `limit.in_flight` for all or for one network, `limit.connections_per_address` for one address.";
    INTERNAL = "S010", "server.internal", Error, "erreur interne", "an internal error", "Please report it with its `cause`, or with what standard error says of a panic.";
    STORE_FAILED = "S011", "server.store_failed", Error, "le stockage a échoué", "the store failed", "Look at `cause`: unreachable, slow, full, read-only or corrupt.";
    WEAK_CHOICE = "S012", "server.weak_choice", Warn, "choix faible ou douteux dans la configuration", "a weak or doubtful choice stands in the configuration", "Read the documentation of the key named in `names`.";
    LOGOUT_UNTOLD = "S020", "server.logout_untold", Warn, "session du fournisseur peut-être encore ouverte", "the upstream could not be told of the logout: it has no `end_session_endpoint`, or its metadata was not to be had", "The person read so on the page. Where the upstream has such an endpoint, look why it was not found.";
    LOGOUT_STATE = "S013", "server.logout_state", Debug, "retour de déconnexion sans state connu", "the return from the upstream's logout carries no known `state`", "Normal: some upstreams drop it.";
    NOT_RELOADED = "S016", "server.not_reloaded", Error, "configuration non rechargée", "the configuration was not reloaded; the old one stays in force", "Look at `cause`: every fault, or what only a restart changes.";
    ERROR_ALIAS = "S014", "server.error_alias", Info, "page d'erreur demandée par son alias", "the browser was sent to the alias of the error page", "Look for who links there: the relay never does.";
    FRAMED = "S018", "server.framed", Warn, "page demandée dans un cadre", "the page was asked for inside a frame", "Open it in a top-level page.";
    NOT_NAVIGATED = "S019", "server.not_navigated", Warn, "demande d'une autre page, pas une navigation", "a page asked by an image, a script or the like, and did not navigate (`Sec-Fetch-Mode`, `Sec-Fetch-Dest`); nothing was begun or ended", "Send the browser there by a link, a redirect or a form.";
    LOG_LOST = "S017", "server.log_lost", Error, "des lignes du journal sont perdues", "lines of the log are lost; requests went on", "Look at what reads standard output: it stood still, or was too slow.";
    HOST = "S022", "server.host", Warn, "en-tête Host illisible", "the `Host` (`names`) is missing, there twice, or no host", "Nothing, unless a proxy writes it: it must send one `Host`, a name and a port.";
    KEYRING = "S015", "server.keyring", Error, "le trousseau n'a pas pu être lu ou changé", "the keyring could not be read or changed; the keys read last go on", "Look at `cause`: the store, or another seal key.";
}
