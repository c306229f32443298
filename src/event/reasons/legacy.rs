//! Why a legacy message, answer or claim failed.

#[rustfmt::skip]
super::reasons! {
    MSG_MISSING = "L001", "legacy.msg_missing", Warn, "paramètre msg absent ou vide", "`msg` is missing or empty", "The application must send `msg`.";
    MSG_TWICE = "L002", "legacy.msg_twice", Warn, "paramètre msg donné plusieurs fois", "`msg` is given more than once", "Send `msg` once; look for a proxy or a form that repeats it.";
    MSG_TOO_LONG = "L003", "legacy.msg_too_long", Warn, "msg dépasse 8192 chiffres", "`msg` is longer than 8,192 digits", "Shorten the callback URL.";
    NOT_HEX = "L004", "legacy.not_hex", Warn, "msg n'est pas en hexadécimal", "`msg` is not hexadecimal as this wire wants it", "Encode in lower-case hexadecimal, without spaces or line ends.";
    TOO_SHORT = "L005", "legacy.too_short", Warn, "msg est plus court que ses parties fixes", "`msg` is shorter than its fixed parts", "Look for truncation on the way.";
    DOES_NOT_OPEN = "L006", "legacy.does_not_open", Warn, "msg ne se déchiffre pas", "`msg` does not open under any key of this application", "Compare the keys (`relais legacy keys`), the application id in the path, and the wire.";
    NOT_ASCII = "L007", "legacy.not_ascii", Warn, "l'URL de callback n'est pas en ASCII imprimable", "the callback URL is not printable US-ASCII", "Percent-encode the callback; send no line end after it.";
    CALLBACK_INVALID = "L008", "legacy.callback_invalid", Warn, "l'URL de callback ne peut pas être lue", "the callback is not a URL that reads in one way only", "Send an absolute URL without userinfo, fragment, backslash or dot segments.";
    CALLBACK_OUTSIDE = "L009", "legacy.callback_outside", Warn, "l'URL de callback n'est pas enregistrée", "the callback is outside the registered ones", "Register the callback's scheme, host, port and path for this application.";
    KEY_NOT_ALLOWED = "L010", "legacy.key_not_allowed", Warn, "un paramètre de l'URL de callback n'est pas permis", "the callback carries a query key that is not allowed", "Add the key named in `names` to the callback's `query_keys`, if the application needs it.";
    QUERY_MALFORMED = "L011", "legacy.query_malformed", Warn, "la requête de l'URL de callback est hors grammaire", "the callback's query is outside the grammar", "Percent-encode values; no raw `;`, quote, brace or space, and always `key=value`.";
    QUERY_TOO_LONG = "L012", "legacy.query_too_long", Warn, "la requête de l'URL de callback dépasse 2048 octets", "the callback's query is longer than 2,048 bytes", "Shorten what the application carries through the browser.";
    QUERY_MISSING = "L013", "legacy.query_missing", Warn, "l'URL de callback n'a pas de requête", "the callback has no query", "Add `state` and `nonce` to the callback.";
    NONCE_MISSING = "L014", "legacy.nonce_missing", Warn, "nonce absent", "the callback has no `nonce`", "Add a fresh `nonce` to every callback.";
    STATE_MISSING = "L015", "legacy.state_missing", Warn, "state absent", "the callback has no `state`", "Add a fresh `state` to every callback.";
    PARAMETER_TWICE = "L016", "legacy.parameter_twice", Warn, "un paramètre réservé est donné deux fois", "a reserved parameter is given twice", "Send `state`, `nonce` and each `relais_*` parameter once.";
    VALUE_LENGTH = "L017", "legacy.value_length", Warn, "state ou nonce est trop court ou trop long", "`state` or `nonce` is too short or too long", "Use 16 to 512 bytes; 32 hexadecimal digits are usual.";
    RESERVED_PRESENT = "L018", "legacy.reserved_present", Warn, "l'URL de callback contient déjà un paramètre de réponse", "the callback already holds `info`, `info_error`, `error` or `iss`", "Remove it: the answer's own parameter must be the only one.";
    PARAMETER_UNKNOWN = "L019", "legacy.parameter_unknown", Warn, "paramètre relais_* inconnu ou mal formé", "an unknown or malformed `relais_*` parameter", "Use the parameters that the protocol page lists.";
    EXPIRED = "L020", "legacy.expired", Warn, "message trop ancien", "the message is too old", "Seal `msg` on the click, not when the page is rendered; compare the clocks (`offset_s`).";
    IN_THE_FUTURE = "L021", "legacy.in_the_future", Warn, "message daté du futur", "the message is dated in the future", "Compare the clocks (`offset_s`).";
    BEFORE_START = "L022", "legacy.before_start", Warn, "message antérieur au démarrage du relais", "the message was sealed before this relay started and its replay marks are in memory", "Harmless after a restart; `store.ephemeral = \"sqlite\"` keeps the marks.";
    REPLAYED = "L023", "legacy.replayed", Warn, "message déjà servi", "the message was already answered", "Each attempt needs a message of its own.";
    UNKNOWN_APP = "L024", "legacy.unknown_app", Warn, "application inconnue", "no such application", "Compare the path with the configuration.";
    DISABLED_APP = "L025", "legacy.disabled_app", Warn, "application désactivée", "the application is disabled", "Set `enabled = true` to serve it.";
    LIMITED = "L026", "legacy.limited", Warn, "trop de messages refusés depuis cette adresse", "too many refused messages from this address prefix", "Find out who sends them; `limit.refused_messages_per_minute` sets the number.";
    FRAMED = "L027", "legacy.framed", Warn, "demande faite dans un cadre", "the request was made inside a frame", "Open the sign-in in a top-level page.";
    IV_REPEATS = "L028", "legacy.iv_repeats", Error, "la source d'aléa de l'application se répète", "the application's random source repeats: two requests share an IV", "Repair the application's random source now; each message needs a fresh IV.";
    ANSWER_TOO_LONG = "L029", "legacy.answer_too_long", Error, "la réponse dépasse max_answer_query", "the answer is longer than `max_answer_query`", "Set `delivery = \"reference\"` for this application, or fewer `claims`.";
    LOST_TO_ANOTHER = "L030", "legacy.lost_to_another", Warn, "une autre connexion a servi cette demande", "another login answered this message first", "Normal with two tabs; otherwise somebody else has the message.";
    CLAIM_UNAUTHENTICATED = "L031", "legacy.claim_unauthenticated", Warn, "claim sans authentification valable", "the claim carries no valid password", "Compare the password with `relais legacy keys`.";
    CLAIM_UNKNOWN = "L032", "legacy.claim_unknown", Warn, "référence inconnue, expirée, déjà échangée ou d'une autre application", "the reference is unknown, expired, already exchanged, or of another application or key", "A reference is good once, within 60 seconds, for the application it was issued to.";
    CLAIM_LIMITED = "L033", "legacy.claim_limited", Warn, "trop de mots de passe erronés depuis cette adresse", "too many wrong claim passwords from this address prefix", "Find out who guesses.";
    CLAIM_MALFORMED = "L034", "legacy.claim_malformed", Warn, "claim mal formé", "the claim is malformed", "POST a form with `ref`, once.";
    PATH_WITHOUT_APP = "L035", "legacy.no_default_app", Warn, "/idp sans application par défaut", "`/idp` was asked for without an application and no `default_app` is configured", "Use `/idp/{app}`, or configure `default_app`.";
    LOGOUT_UNSEALED = "L036", "legacy.logout_unsealed", Warn, "message de déconnexion refusé", "the sealed logout does not open, is stale or is not for this session", "Seal the `sub` under the direction `logout`, fresh for each logout.";
    NOT_JWE = "L037", "legacy.not_jwe", Warn, "msg n'est pas un JWE compact avec l'en-tête exact", "`msg` is no compact JWE with exactly the header of this wire, direction and application", "Write the header's bytes as the protocol page has them, five parts, base64url without padding.";
    CLAIMS_MALFORMED = "L038", "legacy.claims_malformed", Warn, "le contenu n'est pas un objet JSON dont chaque membre figure une fois", "the claims are no JSON object with each member once", "Write one JSON object, each claim once.";
    CLAIM_WRONG = "L039", "legacy.claim_wrong", Warn, "une revendication manque, est inconnue ou n'a pas la bonne valeur", "a claim is missing, unknown or wrong", "Look at the claim named in `names`: the protocol page lists them.";
    SHORT_VALUE = "L040", "legacy.short_value", Warn, "state ou nonce a moins de 16 octets", "`state` or `nonce` has fewer than 16 bytes, which can be guessed", "Send 32 hexadecimal digits of the system's random source.";
    WEAK_WIRE = "L041", "legacy.weak_wire", Info, "l'application utilise encore un protocole faible", "the application still uses a weak wire", "Move it to `aes-256-gcm`, `jwe` or OpenID Connect before its `sunset`.";
    SUNSET = "L042", "legacy.sunset", Warn, "la date limite du protocole faible de l'application est passée", "the application's weak wire is past its `sunset`", "Move the application to another wire, or set a later `sunset`.";
}
