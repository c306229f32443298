#!/usr/bin/env python3
"""Asks what KIF asks of its upstream, in KIF's order and form, and takes what KIF takes. The standard library only.

The client's ids and secrets have KIF's shape: 64 digits. What KIF does is written down from a KIF that ran.
"""
import base64, hashlib, hmac, json, re, secrets, time
from urllib import parse, request
from urllib.error import HTTPError

from stub import ROOT, Browser, Stub, check, end

# The settings that docs/stub-upstream.md gives to KIF, whose simulator is at another port.
CONFIG = dict(re.findall(r"^net\.fenyo\.franceconnect\.config\.oidc\.(\w+)=(.*)$",
                         (ROOT / "docs" / "stub-upstream.md").read_text(), re.M))
ID, SECRET = CONFIG["clientid"], CONFIG["clientsecret"]
BACK, AFTER = CONFIG["redirecturi"], CONFIG["afterlogouturi"]
SCOPE = "openid gender birthdate birthcountry birthplace given_name family_name email address preferred_username phone"
PEOPLE = ("angela", "corse", "nom-tres-long", "arabe", "emoji", "balises", "nom-de-200", "presque-rien")


def part(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def post(url, form):
    """What KIF's client library sends: a form, no Basic."""
    asked = request.Request(url, parse.urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded",
                                                                  "Accept": "application/json"})
    try:
        with request.urlopen(asked, timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except HTTPError as refusal:
        return refusal.code, refusal.headers["Content-Type"], refusal.read()


def login(base, issuer, browser, persona, used):
    def holds(what, good, detail=""):
        check(f"{persona}: {what}", good, detail)

    at = {name: CONFIG[f"{name}uri"].replace("http://127.0.0.1:8081", base)
          for name in ("authorizationendpoint", "tokenendpoint", "userinfoendpoint", "logout")}
    # 1. The browser: no acr_values, no PKCE; state and nonce of 12 or 13 hexadecimal digits.
    state, nonce = (secrets.token_hex(7)[:length] for length in (12, 13))
    query = "&".join(("response_type=code", f"client_id={ID}", f"scope={SCOPE.replace(' ', '+')}",
                      f"redirect_uri={parse.quote(BACK, safe='')}", f"nonce={nonce}", f"state={state}"))
    back = parse.urlsplit(browser.sign_in(f"{at['authorizationendpoint']}?{query}", persona=persona))
    answer = dict(parse.parse_qsl(back.query, strict_parsing=True))
    holds("code and state come back", back.path == "/openid_connect_login" and set(answer) == {"code", "state"}
          and answer["state"] == state, back.query)

    # 2. KIF itself.
    form = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": BACK, "client_id": ID,
            "client_secret": SECRET}
    status, kind, body = post(at["tokenendpoint"], form)
    tokens = json.loads(body)
    holds("tokens as JSON", status == 200 and kind.startswith("application/json"), body)
    holds("an access token that never was before", tokens["access_token"] not in used)
    used.add(tokens["access_token"])

    # 3. HS256 by the bytes of the secret; everything else is a condition of KIF's.
    head, claims, tag = tokens["id_token"].split(".")
    good = hmac.new(SECRET.encode(), f"{head}.{claims}".encode(), hashlib.sha256).digest()
    holds("signed by the secret", json.loads(part(head))["alg"] == "HS256" and hmac.compare_digest(part(tag), good))
    claims = json.loads(part(claims))
    audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    holds("iss, aud, nonce", claims["iss"] == issuer and ID in audience and claims["nonce"] == nonce, claims)
    holds("times within 300 seconds", claims["iat"] - 300 <= time.time() <= claims["exp"] + 300, claims)

    # 4. Members pass through in their order, so that they must be an object, in UTF-8 that says so.
    asked = request.Request(at["userinfoendpoint"], headers={"Authorization": f"Bearer {tokens['access_token']}",
                                                       "Accept": "application/json"})
    with request.urlopen(asked, timeout=10) as reply:
        kind, text = reply.headers["Content-Type"], reply.read().decode("utf-8", "strict")
    person = json.loads(text)
    holds("the content type says charset=utf-8", kind.replace(" ", "").lower() == "application/json;charset=utf-8", kind)
    holds("a JSON object of the same sub", isinstance(person, dict) and person["sub"] == claims["sub"])
    holds("no member that KIF writes itself", not {"nonce", "state"} & set(person))
    status, _, _ = post(at["tokenendpoint"], form)
    holds("a code is good once", status >= 400)

    # 5. The browser, without state.
    query = parse.urlencode({"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": AFTER})
    out = browser.open(f"{at['logout']}?{query}")
    holds("logout leads back, with nothing added", out.location == AFTER, out.location or out.body)
    holds("signed out", "persona" in browser.open(f"{at['authorizationendpoint']}?{query_again(state)}").body)
    return person


def query_again(state):
    return parse.urlencode({"response_type": "code", "client_id": ID, "scope": SCOPE, "redirect_uri": BACK,
                            "nonce": "0123456789abc", "state": state})


def refusals(base, browser):
    page = browser.open(f"{base}/api/v1/authorize?{query_again('0123456789ab')}")
    left = browser.choose(page, cancel="1")
    check("who gives up brings back error and state",
          (left.parameter("error"), left.parameter("state")) == ("access_denied", "0123456789ab"))
    status, _, body = post(f"{base}/api/v1/token", {"grant_type": "authorization_code", "code": "0" * 32,
                                                    "redirect_uri": BACK, "client_id": ID, "client_secret": "3" * 64})
    check("a wrong secret is refused", status == 401 and json.loads(body)["error"] == "invalid_client", body)


def main():
    used = set()
    with Stub(BACK, AFTER, "--client-id", ID, "--client-secret", SECRET) as base:
        check("the issuer of the page", CONFIG["issuer"] == "http://127.0.0.1:8081", CONFIG)
        people = [login(base, base, Browser(base), persona, used) for persona in PEOPLE]
        check("accents arrive", people[0]["given_name"].startswith("Ang\u00e9la"), people[0])
        check("somebody else each time", len({person["sub"] for person in people}) == len(PEOPLE))
        refusals(base, Browser(base))
    # KIF's README: the issuer of the agency that ran FranceConnect, and its stub's.
    issuer = "https://fcp.integ01.dev-franceconnect.fr"
    with Stub(BACK, AFTER, "--client-id", ID, "--client-secret", SECRET, "--v1-issuer", issuer) as base:
        login(base, issuer, Browser(base), "angela", used)


main()
end()
