#!/usr/bin/env python3
"""An ordinary small application that signs its users in through relais, on the wire aes-256-gcm.

Needs Python 3.8 and `cryptography`. To copy: `seal`, `open_sealed`, `claim`, `judge`, the routes `login` and `back`.
"""
import base64, contextlib, hashlib, hmac, html, http.client, http.server, json, os, pathlib, re, secrets, sys, time
from urllib import parse

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PORT = int(os.environ.get("PORT", "8091"))
HERE = os.environ.get("APP_URL", f"http://127.0.0.1:{PORT}")  # HERE/retour is the callback registered at relais
RELAIS = os.environ.get("RELAIS_URL", "http://127.0.0.1:8080").rstrip("/")
APP = os.environ.get("RELAIS_APP", "demo")
BY_REFERENCE = os.environ.get("DELIVERY", "query") == "reference"
ATTEMPT, SESSION, SKEW = 900, 3600, 300  # seconds: to sign in, to stay signed in, between two clocks
LONGEST = 65536  # bytes of an answer
TABS = 8  # attempts of one session at once: each tab has its own, and the oldest falls
REFUSALS = {  # what people read, by the code of a refusal
    "access_denied": "Connexion annulée ou refusée.",
    "login_required": "Il faut vous identifier de nouveau.",
    "temporarily_unavailable": "Le fournisseur d’identité est indisponible. Attendez quelques minutes.",
    "unmet_authentication_requirements": "Cette application demande un moyen de connexion plus sûr.",
    "server_error": "La connexion a échoué. Si cela persiste, communiquez la référence au support.",
}
COOKIE = f"session_python_{PORT}"  # cookies ignore ports: applications on one host must not share a name


def read_key(path):
    key = bytes.fromhex(pathlib.Path(path).read_text("ascii"))
    return key if len(key) == 32 else sys.exit(f"{path}: a key is 64 hexadecimal digits")


# The wire: lowercase hex of ts (8 bytes) + iv (12) + ciphertext + tag (16); ts is authenticated with the rest.
def derive(key, purpose):
    return hmac.digest(key, f"relais-1 {purpose}".encode(), hashlib.sha256)


def seal(key, app, direction, plaintext, ts=None, iv=None):
    ts = int(time.time() if ts is None else ts).to_bytes(8, "big")
    cipher = AESGCM(derive(key, f"aes-256-gcm {direction} {app}"))
    iv = iv or os.urandom(12)  # new for every message; only the test vectors give one
    return (ts + iv + cipher.encrypt(iv, plaintext.encode(), ts)).hex()


def open_sealed(key, app, direction, token):
    """Gives (ts, plaintext), or raises ValueError or InvalidTag. Whether `ts` is recent is for `judge` to say."""
    if len(token) < 72 or token.strip("0123456789abcdef"):
        raise ValueError("not lowercase hexadecimal")
    raw = bytes.fromhex(token)
    cipher = AESGCM(derive(key, f"aes-256-gcm {direction} {app}"))
    return int.from_bytes(raw[:8], "big"), cipher.decrypt(raw[8:20], raw[20:], raw[:8]).decode("utf-8", "strict")


def claim(key, reference):
    """Exchanges a reference for the sealed answer, from server to server. Anything but 200 ends the attempt."""
    if not re.fullmatch("[A-Za-z0-9_-]{43}", reference):
        raise ValueError("not a reference")
    url, until = parse.urlsplit(RELAIS + "/idp/claim"), time.monotonic() + 10
    connection = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    basic = base64.b64encode(f"{APP}:{derive(key, f'claim {APP}').hex()}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
    with contextlib.closing(connection(url.netloc, timeout=5)) as relais:
        relais.request("POST", url.path, parse.urlencode({"ref": reference}), headers)
        answer = relais.getresponse()
        if answer.status != 200:
            raise ValueError("the reference was not accepted")
        text = b""
        while piece := answer.read1(8192):  # the time above is for each wait, and this for the whole of it
            text += piece
            if len(text) > LONGEST or time.monotonic() > until:
                raise ValueError("the answer is too long, or takes too long")
        return text.decode("ascii")


def same(kept, received):
    """Equal strings, compared in constant time. A missing value equals nothing."""
    return bool(kept) and isinstance(received, str) and hmac.compare_digest(kept.encode(), received.encode())


def judge(key, direction, token, attempts):
    """Gives (claims, checks), or raises like `open_sealed`. Unless every check is True, the claims are not to be used."""
    (ts, text), now = open_sealed(key, APP, direction, token), time.time()
    claims = json.loads(text)
    json.dumps(claims, ensure_ascii=False, allow_nan=False).encode()  # neither NaN nor half a surrogate pair
    if not isinstance(claims, dict):
        raise ValueError("not an object")
    known = claims["state"] if isinstance(claims.get("state"), str) else ""
    attempt = attempts.pop(known, {"until": 0})  # erased, whatever follows; an authentic answer ends its own only
    checks = {"message authentique": True, "horodatage": abs(now - ts) <= SKEW, "tentative": attempt["until"] > now}
    checks.update((name, same(attempt.get(name), claims.get(name))) for name in ("state", "nonce"))
    if direction == "response":
        checks.update(iss=claims.get("iss") == RELAIS, aud=claims.get("aud") == APP)
        checks.update(sub=isinstance(claims.get("sub"), str) and claims["sub"] != "")
    return claims, checks


class Application(http.server.BaseHTTPRequestHandler):
    key, sessions = None, {}  # session id -> {"until", "attempts"}, with "claims" and "checks" once signed in

    def do_GET(self):
        path, _, query = self.path.partition("?")
        routes = {"/": self.home, "/login": self.login, "/retour": self.back, "/logout": self.logout}
        routes.get(path, lambda _: self.page("Cette page n’existe pas.", 404))(parse.parse_qs(query))

    def session_id(self):  # from the cookie, never from the URL
        pairs = (pair.strip().partition("=") for pair in self.headers.get("Cookie", "").split(";"))
        return next((value for name, _, value in pairs if name == COOKIE), "")

    def session(self):
        found = self.sessions.get(self.session_id(), {"until": 0})
        return found if found["until"] > time.time() else {"attempts": {}}

    def new_session(self, lifetime, **content):  # in place of the old one; gives its cookie
        for sid, session in list(self.sessions.items()):
            if session["until"] < time.time() or sid == self.session_id():
                self.sessions.pop(sid, None)
        sid, secure = secrets.token_urlsafe(32), "; Secure" if HERE.startswith("https:") else ""
        self.sessions[sid] = {"until": time.time() + lifetime, "attempts": {}, **content}
        return "Set-Cookie", f"{COOKIE}={sid}; Path=/; HttpOnly; SameSite=Lax{secure}"

    def home(self, _):
        session = self.session()
        if "claims" not in session:
            return self.page('<a href="/login">Se connecter</a>')
        self.page('<a href="/logout">Se déconnecter</a>', 200, session["checks"], session["claims"])

    def login(self, _):  # `msg` is made here, on the click
        state, nonce = secrets.token_hex(16), secrets.token_hex(16)
        attempt = {"state": state, "nonce": nonce, "until": time.time() + ATTEMPT}
        session = self.session()  # whoever is signed in stays so until the new sign-in has succeeded
        for oldest in list(session["attempts"])[:1 - TABS]:
            session["attempts"].pop(oldest, None)
        session["attempts"][state] = attempt
        cookie = [] if "until" in session else [self.new_session(ATTEMPT, attempts=session["attempts"])]
        if "claims" not in session:
            session["until"] = attempt["until"]  # the deadline of the youngest
        msg = seal(self.key, APP, "request", f"{HERE}/retour?state={state}&nonce={nonce}")
        self.answer(302, "", ("Location", f"{RELAIS}/idp/{APP}?msg={msg}"), *cookie)

    def back(self, query):
        session = self.session()
        try:
            [(name, [token])] = [(name, query[name]) for name in ("info", "info_error") if name in query]  # one, once
            if all(attempt["until"] <= time.time() for attempt in session["attempts"].values()):
                raise ValueError("no attempt of this browser")  # before anything is spent on a stranger's word
            direction = "response" if name == "info" else "refusal"  # a refusal never travels by reference
            token = claim(self.key, token) if BY_REFERENCE and direction == "response" else token
            claims, checks = judge(self.key, direction, token, session["attempts"])
        except (ValueError, InvalidTag, RecursionError, OSError, http.client.HTTPException):
            claims, checks = {}, {"message authentique": False}
            session["attempts"].clear()  # nobody knows whose it was
        if not all(checks.values()) and "claims" in session:
            return self.answer(302, "", ("Location", "/"))  # signed in already, by another tab say: nothing changes
        if not all(checks.values()):
            return self.page('Réponse non valable. <a href="/login">Recommencer</a>', 403, checks)
        if direction == "refusal":
            code = claims.get("error") if isinstance(claims.get("error"), str) else ""
            text = REFUSALS.get(code, REFUSALS["server_error"])
            return self.page(f'{text} <a href="/login">Recommencer</a>', 403, checks, claims)
        self.answer(302, "", ("Location", "/"), self.new_session(SESSION, claims=claims, checks=checks))

    def logout(self, _):
        self.sessions.pop(self.session_id(), None)
        self.answer(302, "", ("Location", f"{RELAIS}/logout/{APP}"), ("Set-Cookie", f"{COOKIE}=; Max-Age=0; Path=/"))

    def page(self, text, status=200, checks={}, claims={}):
        ticks = "".join(f"<li>{'✔' if good else '✖'} {name}" for name, good in checks.items())
        rows = "".join(f"<dt>{html.escape(name)}<dd>{html.escape(str(value))}" for name, value in claims.items())
        self.answer(status, f'<!doctype html><html lang="fr"><meta charset="utf-8"><title>Application Python</title>'
                    f"<h1>Application Python</h1><p>{text}</p><ul>{ticks}</ul><dl>{rows}</dl></html>")

    def answer(self, status, body, *headers):
        self.send_response(status)
        for name, value in [("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store"),
                            ("Referrer-Policy", "no-referrer"), ("X-Content-Type-Options", "nosniff"),
                            ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"), *headers]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        """Nothing: the server's own lines hold whole URLs, and a log is no place for `info`."""


if __name__ == "__main__":
    if len(sys.argv) > 1:  # what the tests use, and a way to try a key by hand
        import commands
        sys.exit(commands.run(*sys.argv[1:]))
    Application.key = read_key(os.environ.get("RELAIS_KEY_FILE") or sys.exit("RELAIS_KEY_FILE is not set"))
    http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Application).serve_forever()
