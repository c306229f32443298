#!/usr/bin/env python3
"""PyPI Authlib signs in at each profile that it can serve, and refuses what is broken on purpose."""
import base64, os, pathlib, socket, subprocess, sys, time
from urllib import parse

from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from authlib.integrations.requests_client import OAuth2Session
from flask import Flask, request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from requests import RequestException

from stub import ID, SECRET, Browser, Stub, check, end

BACK, AFTER = "http://127.0.0.1:9/callback", "http://127.0.0.1:9/after"
FRANCE = "openid given_name family_name birthdate email"
POST = "client_secret_post"
PROFILES = {
    "generic": dict(path="/generic", scope="openid profile email", auth="client_secret_basic", pkce=True),
    "franceconnect_v2": dict(path="/api/v2", scope=FRANCE, auth=POST, acr="eidas1", signed=True),
    "proconnect": dict(path="/proconnect/api/v2", scope="openid given_name usual_name email siret", auth=POST, pkce=True,
                       acr="eidas1", signed=True, persona="agent"),
    "franceconnect_v1": dict(path="/api/v1", scope=FRANCE, auth=POST),
}


class Application:
    """A Flask application as the library wants it, whose browser is at the simulator too."""

    def __init__(self, name, base):
        self.profile = profile = {"persona": "angela", **PROFILES[name]}
        app = Flask(name)
        app.secret_key = os.urandom(32)
        if name == "franceconnect_v1":  # no discovery, no keys: the secret signs
            at, secret = base + profile["path"], base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("=")
            server = dict(issuer=base, id_token_signing_alg_values_supported=["HS256"],
                          authorize_url=f"{at}/authorize", access_token_url=f"{at}/token",
                          userinfo_endpoint=f"{at}/userinfo", end_session_endpoint=f"{at}/logout",
                          jwks={"keys": [{"kty": "oct", "k": secret}]})
        else:
            server = dict(server_metadata_url=f"{base}{profile['path']}/.well-known/openid-configuration")
        # FranceConnect's access token lives for 60 seconds: expired at once by the library's own leeway of 60.
        settings = {"scope": profile["scope"], "token_endpoint_auth_method": profile["auth"], "leeway": 0}
        if profile.get("pkce"):
            settings["code_challenge_method"] = "S256"
        self.provider = provider = OAuth(app).register("stub", client_id=ID, client_secret=SECRET, client_kwargs=settings,
                                                       **server)
        extra = {"acr_values": profile["acr"]} if "acr" in profile else {}

        @app.get("/login")
        def login():
            # The library's own nonce has 20 characters; FranceConnect asks for 22, and for 32 in its documentation.
            return provider.authorize_redirect(BACK, nonce=generate_token(32), state=generate_token(32), **extra)

        @app.get("/callback")
        def callback():
            if request.args.get("iss", provider.server_metadata.get("issuer")) != provider.server_metadata.get("issuer"):
                raise OAuthError("iss", "not left to the library, which does not look at it")
            token = provider.authorize_access_token()
            person = self.userinfo(token)
            if person["sub"] != token["userinfo"]["sub"]:
                raise OAuthError("sub", "not left to the library, which does not compare")
            self.token = token
            return dict(person)

        app.testing = True  # exceptions come through
        self.visitor, self.browser = app.test_client(), Browser(base)

    def userinfo(self, token):
        """The library reads JSON only; a JWT is verified by its keys."""
        if not self.profile.get("signed"):
            return self.provider.userinfo(token=token)
        answer = self.provider.get(self.provider.server_metadata["userinfo_endpoint"], token=token)
        answer.raise_for_status()
        keys = KeySet.import_key_set(self.provider.fetch_jwk_set())
        allowed = JWSRegistry(algorithms=["ES256"], strict_check_header=False)
        return jwt.decode(answer.text, keys, registry=allowed).claims

    def sign_in(self, **choice):
        away = self.visitor.get("/login").location
        back = self.browser.sign_in(away, **choice)
        return self.visitor.get("/callback?" + parse.urlsplit(back).query).get_json()


def whole(name, base):
    one = Application(name, base)
    person = one.sign_in(persona=one.profile["persona"])
    claims = one.token["userinfo"]
    check(f"{name}: one subject", len(person["sub"]) > 10 and person["sub"] == claims["sub"])
    family = person.get("family_name") or person.get("usual_name")
    check(f"{name}: the person's names, accents and all", person["given_name"] and family
          and ("\u00e9" in person["given_name"] or name == "proconnect"), person)
    check(f"{name}: the level asked for", claims.get("acr") == one.profile["acr"] if "acr" in one.profile else True)
    check(f"{name}: a refresh token or none", ("refresh_token" in one.token) == (name == "proconnect"))
    if "refresh_token" in one.token:
        settings = {"token_endpoint_auth_method": one.profile["auth"]}
        session = OAuth2Session(ID, SECRET, token=one.token, **settings)
        next_token = session.refresh_token(one.provider.server_metadata["token_endpoint"])
        check(f"{name}: refreshed", next_token["access_token"] != one.token["access_token"])
    out = one.provider.create_logout_url(AFTER, one.token["id_token"])
    page = one.browser.open(out["url"])
    state = None if name == "franceconnect_v1" else out["state"]
    check(f"{name}: logout comes back", (page.location or "").startswith(AFTER) and page.parameter("state") == state, page.body)
    other = Application(name, base).sign_in(login=one.profile["persona"])
    check(f"{name}: by typed login", other["sub"] == person["sub"])


# What this library sees by itself.
FAULTS = ["state_wrong", "access_denied", "code_expired", "token_garbled", "wrong_nonce", "nonce_missing", "wrong_issuer",
          "expired_id_token", "exp_missing", "sub_missing", "bad_signature", "alg_none", "crit_unknown", "iss_wrong",
          "sub_differs", "userinfo_500", "userinfo_garbled"]
PUBLISHED = ["alg_confusion", "key_unknown"]
SIGNED = ["userinfo_bad_signature", "userinfo_alg_none", "userinfo_json"]
ACCEPTED = ["", "skewed_clock", "token_cookies", "claims_hostile"]


def faults(name, base):
    table = FAULTS + (PUBLISHED if name != "franceconnect_v1" else []) + (SIGNED if PROFILES[name].get("signed") else [])
    for fault in table:
        if fault == "iss_wrong" and name == "franceconnect_v1":
            continue  # no iss in its responses
        one = Application(name, base)
        try:
            one.sign_in(persona=one.profile["persona"], fault=fault)
            check(f"{name}: {fault} is refused", False, "accepted")
        except (OAuthError, JoseError, RequestException, ValueError) as refusal:
            check(f"{name}: {fault} is refused", True, refusal)
    for fault in ACCEPTED + (["key_rotated"] if name != "franceconnect_v1" else []):
        one = Application(name, base)
        check(f"{name}: {fault or 'no fault'} is accepted", "sub" in one.sign_in(persona=one.profile["persona"], fault=fault))


def application(base, port):
    """The application of docs/stub-upstream.md, as it stands there."""
    here = f"http://127.0.0.1:{port}/"
    process = subprocess.Popen([sys.executable, "-m", "flask", "--app", "authlib_app", "run", "--port", str(port)],
                               cwd=pathlib.Path(__file__).parent, env={**os.environ, "ISSUER": f"{base}/generic"},
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        for fault, shown in (("", "signed in: Ang\u00e9la Zo\u00e9 Ma\u00eblys GARAN\u00c7ON"), ("wrong_nonce", "not signed in: ")):
            browser, visitor = Browser(base), Browser(here)
            away = visitor.send("GET", here).location
            page = visitor.send("GET", browser.sign_in(away, persona="angela", fault=fault))
            check(f"the application: {fault or 'no fault'}", page.body.startswith(shown), page.body)
    finally:
        process.terminate()
        process.wait(20)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def main():
    port = free_port()
    with Stub(f"http://127.0.0.1:{port}/callback/oidc", AFTER) as base:
        application(base, port)
    with Stub(BACK, AFTER) as base:
        for name in PROFILES:
            whole(name, base)
            faults(name, base)
    with Stub(BACK, AFTER, "--rs256") as base:
        whole("generic", base)
    with Stub(BACK, AFTER, "--auto-login", "angela") as base:
        check("auto-login: no page", "sub" in Application("generic", base).sign_in())


main()
end()
