//! Why an upstream's answer was not taken.

#[rustfmt::skip]
super::reasons! {
    RESPONSE_MALFORMED = "U001", "upstream.response_malformed", Warn, "réponse d'autorisation mal formée", "the authorization response is malformed: a parameter is missing, repeated, empty, too long or outside its grammar", "Compare the upstream's redirect with RFC 6749, section 4.1.2.";
    ISSUER_MISMATCH = "U002", "upstream.issuer_mismatch", Warn, "iss absent ou inattendu dans la réponse", "`iss` is missing from the response or names another issuer (RFC 9207)", "Compare the upstream's `issuer`; otherwise a mix-up of providers.";
    ACCESS_DENIED = "U003", "upstream.access_denied", Info, "l'utilisateur a abandonné", "the upstream answered `access_denied`: the person gave up, was refused, or could not reach the level in `acr_asked`", "Nothing where the person gave up; otherwise compare `acr_asked` with the levels that the upstream offers this person.";
    ERROR_RESPONSE = "U004", "upstream.error_response", Warn, "le fournisseur a répondu une erreur", "the upstream answered with an error", "Look up `upstream_error` in the upstream's documentation; `upstream_description` is what it says of it.";
    UNREACHABLE = "U005", "upstream.unreachable", Error, "fournisseur injoignable", "the upstream refused, reset or could not be found", "Check network, name resolution, proxy and certificate.";
    TIMEOUT = "U006", "upstream.timeout", Error, "le fournisseur ne répond pas à temps", "the upstream did not answer in time", "Check network and the upstream's status; `outbound` sets the limits.";
    HTTP_STATUS = "U007", "upstream.http_status", Error, "le fournisseur a répondu un statut d'échec", "the upstream answered with a failure status", "Look at `status` and the upstream's own logs.";
    TOO_LARGE = "U008", "upstream.too_large", Error, "réponse trop longue", "the upstream's answer, or a token in it, is longer than the limit", "Something else than the endpoint answers, or tokens hold more than they need (`length`).";
    NOT_JSON = "U009", "upstream.not_json", Error, "la réponse n'est pas celle attendue", "the upstream's answer is neither the expected JSON nor signed userinfo", "Something else than the endpoint answers, or a claim has the wrong type.";
    INVALID_GRANT = "U010", "upstream.invalid_grant", Warn, "code refusé par le fournisseur", "the upstream refused the code (`invalid_grant`)", "The person took too long, or the code was used twice.";
    INVALID_CLIENT = "U011", "upstream.invalid_client", Error, "le fournisseur refuse notre authentification", "the upstream refused our client authentication", "Compare client id, secret and method with the registration; `upstream_error` is what the upstream calls it.";
    TOKEN_TYPE = "U012", "upstream.token_type", Error, "token_type inattendu", "`token_type` is not Bearer", "Compare the registration.";
    ID_TOKEN_MISSING = "U013", "upstream.id_token_missing", Error, "pas d'id_token", "the token answer has no `id_token`", "Ask for the scope `openid`.";
    ID_TOKEN_MALFORMED = "U014", "upstream.id_token_malformed", Error, "id_token ou userinfo mal formé", "the `id_token` or signed userinfo is malformed", "Something else than the endpoint answers.";
    ALG_REFUSED = "U015", "upstream.alg_refused", Error, "algorithme de signature non permis", "the `alg` of the `id_token` or signed userinfo is not one that this upstream may use", "Compare `signing_algs` with the registration.";
    KEY_UNKNOWN = "U016", "upstream.key_unknown", Error, "clé de signature inconnue", "no key of the upstream fits `kid` and `alg` of the `id_token` or signed userinfo", "The upstream rotated its keys without publishing, or somebody forges.";
    SIGNATURE = "U017", "upstream.signature", Error, "signature fausse", "the signature of the `id_token` or signed userinfo is wrong", "Somebody forges, or the upstream publishes wrong keys.";
    ISSUER_CLAIM = "U018", "upstream.issuer_claim", Error, "iss inattendu dans l'id_token ou userinfo", "`iss` of the `id_token` or signed userinfo is not the upstream's issuer", "Compare the upstream's `issuer`, its trailing slash included.";
    AUDIENCE = "U019", "upstream.audience", Error, "aud inattendu", "`aud` or `azp` of the `id_token` or signed userinfo is not us alone", "Compare the client id.";
    EXPIRED = "U020", "upstream.expired", Error, "id_token ou userinfo expiré", "the `id_token` or signed userinfo has expired", "Compare the clocks (`offset_s`).";
    ISSUED_IN_FUTURE = "U021", "upstream.issued_in_future", Error, "id_token ou userinfo daté du futur", "the `id_token` or signed userinfo was issued, or becomes valid, in the future", "Compare the clocks (`offset_s`).";
    NONCE = "U022", "upstream.nonce", Error, "nonce absent ou différent", "the `id_token`'s `nonce` is missing or not the one we sent", "A replay, or an upstream that does not return the nonce.";
    AT_HASH = "U023", "upstream.at_hash", Error, "at_hash faux", "the `id_token`'s `at_hash` does not fit the access token", "A substituted access token.";
    SUB = "U024", "upstream.sub", Error, "sub absent ou hors forme", "`sub` is missing, empty or outside its shape", "Compare the upstream's documentation.";
    SUB_DIFFERS = "U025", "upstream.sub_differs", Error, "le sub d'userinfo diffère", "userinfo's `sub` is not the `id_token`'s", "A substituted access token, or a faulty upstream.";
    USERINFO_TYPE = "U026", "upstream.userinfo_type", Error, "userinfo n'a pas le type attendu", "userinfo is not of the registered kind (JSON, or signed)", "Compare `userinfo` with the registration.";
    DISCOVERY = "U027", "upstream.discovery", Error, "découverte impossible", "the upstream's metadata cannot be fetched or does not fit its issuer", "Check `issuer`, or give the endpoints.";
    JWKS = "U028", "upstream.jwks", Error, "clés du fournisseur illisibles", "the upstream's keys cannot be fetched or read", "Check `jwks_uri`.";
    CLAIM_TYPE = "U029", "upstream.claim_type", Error, "un claim a un type inattendu", "a claim has the wrong type, or a member is given twice", "A faulty upstream.";
    JWT_HEADER = "U030", "upstream.jwt_header", Error, "en-tête refusé (crit, typ)", "the header of the `id_token` or signed userinfo names a critical extension or a type that is not accepted", "A faulty or hostile upstream.";
    LOGIN_REQUIRED = "U031", "upstream.login_required", Info, "le fournisseur devrait afficher une page", "a page would be due at the upstream, and `prompt=none` forbids it", "The application may start again without `prompt=none`.";
    LEVEL_REFUSED = "U032", "upstream.level_refused", Warn, "le fournisseur refuse le niveau demandé", "the upstream refused the level that was asked", "Compare `acr_asked` with the levels of the registration.";
    NOT_ENCRYPTED = "U033", "upstream.not_encrypted", Error, "id_token ou userinfo en clair alors que le chiffrement est convenu", "the `id_token` or signed userinfo came in clear where the registration encrypts", "Compare the registration's encryption with `decryption_keys`.";
    ENCRYPTION_ALG = "U034", "upstream.encryption_alg", Error, "algorithme de chiffrement non permis", "the key management or content encryption of the `id_token` or signed userinfo is not RSA-OAEP-256 or ECDH-ES with A256GCM", "Register one of these.";
    DECRYPTION_KEY = "U035", "upstream.decryption_key", Error, "aucune clé de déchiffrement ne convient", "none of our decryption keys has the `kid` of the `id_token` or signed userinfo and fits its `alg`", "Compare the `kid`s of `relais keys list`, or of `decryption_keys`, with the key set that the upstream has of us.";
    NOT_SIGNED = "U037", "upstream.not_signed", Error, "id_token ou userinfo chiffré mais pas signé", "the `id_token` or userinfo is encrypted, and what is inside is not signed", "Have the upstream sign it too: the registration has no signature algorithm for it.";
    KEYS_TOO_MANY = "U038", "upstream.keys_too_many", Error, "trop de clés possibles", "more keys of the upstream fit `kid` and `alg` of the `id_token` or signed userinfo than are tried", "Have the upstream name its keys (`kid`), or publish fewer.";
    DECRYPTION = "U036", "upstream.decryption", Error, "id_token ou userinfo ne se déchiffre pas", "the `id_token` or signed userinfo does not decrypt under the key that it names", "The upstream has another public key of us under this `kid`, or somebody changes what it sends.";
}
