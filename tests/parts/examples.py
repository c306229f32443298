#!/usr/bin/env python3
"""Drives the legacy examples against a relay of thirty lines that can lie: examples.py vectors|walk EXAMPLE...

`vectors` runs an example's own command over the shared vectors; `walk` starts it and signs in, honestly and not.
Shares no code with the examples. The last line is `N passed, N failed`.
"""
import base64, hashlib, hmac, http.client, http.server, json, os, pathlib, re, socket, subprocess, sys, tempfile
import threading, time
from urllib import parse

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ROOT = pathlib.Path(__file__).resolve().parents[2]
INTERPRETERS = {
    "php": (os.environ.get("RELAIS_TEST_PHP", "php"), "app.php"),
    "python": (os.environ.get("RELAIS_TEST_PYTHON", "python3"), "app.py"),
}
KEY, OTHER_KEY, APP = os.urandom(32), os.urandom(32), "compta"
BROKEN_TEXTS = {  # what becomes of good claims
    "not JSON": lambda text: b"sub=s-1",
    "a list": lambda text: b"[" + text + b"]",
    "a trailing comma": lambda text: text[:-1] + b",}",
    "two values": lambda text: text + b"{}",
    "not UTF-8": lambda text: text[:-1] + b',"x":"\xe9"}',
    "half a surrogate pair": lambda text: text[:-1] + b',"x":"\\ud800"}',
    "not a number": lambda text: text[:-1] + b',"x":NaN}',
}


def derive(key, purpose):
    return hmac.new(key, f"relais-1 {purpose}".encode(), hashlib.sha256).digest()


def seal(plaintext, direction="response", key=KEY, app=APP, age=0):
    ts, iv = int(time.time() - age).to_bytes(8, "big"), os.urandom(12)
    return (ts + iv + AESGCM(derive(key, f"aes-256-gcm {direction} {app}")).encrypt(iv, plaintext, ts)).hex()


class Relay(http.server.BaseHTTPRequestHandler):
    """Answers claims only: what a browser would do at /idp is done by `Browser.sign_in`."""

    waiting = {}
    asked = 0

    def do_POST(self):
        Relay.asked += 1
        form = parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        expected = base64.b64encode(f"{APP}:{derive(KEY, f'claim {APP}').hex()}".encode()).decode()
        honest = self.path == "/idp/claim" and self.headers["Authorization"] == f"Basic {expected}"
        status, body = self.waiting.pop(form.get("ref", [""])[0], (404, "")) if honest else (401, "")
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


class Browser:
    def __init__(self, port):
        self.port, self.cookies = port, {}

    def get(self, target, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, target, headers={"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())})
        answer = connection.getresponse()
        body = answer.read().decode()
        for line in answer.headers.get_all("Set-Cookie", []):
            name, _, value = line.split(";")[0].partition("=")
            self.cookies[name] = value
            self.last_cookie = line
        connection.close()
        return answer.status, answer.headers, body

    def begin(self, relay):
        """Clicks on the link; gives state and nonce as the relay reads them."""
        status, headers, _ = self.get("/login")
        url = parse.urlsplit(headers["Location"])
        assert status == 302 and headers["Location"].startswith(f"{relay}/idp/{APP}?msg="), headers["Location"]
        raw = bytes.fromhex(parse.parse_qs(url.query)["msg"][0])
        key = AESGCM(derive(KEY, f"aes-256-gcm request {APP}"))
        callback = parse.urlsplit(key.decrypt(raw[8:20], raw[20:], raw[:8]).decode())
        assert abs(int.from_bytes(raw[:8], "big") - time.time()) < 30 and callback.path == "/retour"
        query = dict(parse.parse_qsl(callback.query, strict_parsing=True))
        assert set(query) == {"state", "nonce"} and all(len(value) == 32 for value in query.values()), query
        return query

    def signed_in(self):
        return "/logout" in self.get("/")[2]


class Walk:
    def __init__(self, name, delivery, directory):
        self.name, self.delivery, self.passed, self.failed = name, delivery, 0, 0
        relay = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Relay)
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        self.relay = f"http://127.0.0.1:{relay.server_port}"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        keyfile = directory / "key"
        keyfile.write_text(KEY.hex() + "\n")
        self.log = directory / f"{name}-{delivery}.log"
        variable = {"php": "PHP", "python": "PYTHON"}[name]
        environment = {**os.environ, "RELAIS_URL": self.relay, "RELAIS_APP": APP, "RELAIS_KEY_FILE": str(keyfile),
                       "PORT": str(self.port), "DELIVERY": delivery, variable: INTERPRETERS[name][0]}
        self.process = subprocess.Popen([ROOT / "legacy-client-examples" / name / "run"], env=environment,
                                        stdout=self.log.open("wb"), stderr=subprocess.STDOUT)
        for _ in range(200):
            try:
                return socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
        sys.exit(f"{name} does not start: {self.log.read_text()}")

    def check(self, what, good):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        if not good:
            print(f"failed: {self.name} ({self.delivery}): {what}")

    def claims(self, query, **changes):
        now = int(time.time())
        claims = {"iss": self.relay, "sub": "s-1", "aud": APP, "iat": now, "exp": now + 300, "jti": "1", **query,
                  "acr": "eidas1", "auth_time": now, "given_name": "Ang\u00e9la", "family_name": "<b>D'ARC</b>"}
        return json.dumps({**claims, **changes}, separators=(",", ":")).encode()

    def target(self, sealed, status=200):
        """Where the relay sends the browser with this answer."""
        if self.delivery == "query":
            return f"/retour?info={sealed}"
        reference = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
        Relay.waiting[reference] = status, sealed
        return f"/retour?info={reference}"

    def refuses(self, what, make, refusal=False, of_this_attempt=True):
        """`make` turns state and nonce into the address of a bad answer. The good one must not work after it either, unless
        the bad one is authentic and names another attempt: then it ends none."""
        browser = Browser(self.port)
        query = browser.begin(self.relay)
        status, _, body = browser.get(make(query))
        self.check(what, 400 <= status < 500 and not browser.signed_in() and ("access_denied" in body) == refusal)
        browser.get(self.target(seal(self.claims(query))))
        self.check(what + ", then the good one", browser.signed_in() != of_this_attempt)

    def run(self):
        self.honest()
        self.tabs()
        self.refusals()
        if self.delivery == "reference":
            self.strangers()
        for member in ("iss", "aud", "sub", "state", "nonce"):
            for value in ("", "0", None, 0, True, [], {}, "other"):
                if (member, value) not in (("sub", "0"), ("sub", "other")):
                    self.refuses(f"{member} {value!r}",
                                 lambda query: self.target(seal(self.claims({**query, member: value}))),
                                 of_this_attempt=member != "state")
        for age in (310, -310):
            self.refuses(f"{age} s old", lambda query: self.target(seal(self.claims(query), age=age)))
        for what, broken in BROKEN_TEXTS.items():
            self.refuses(what, lambda query: self.target(seal(broken(self.claims(query)))))
        good = lambda query: seal(self.claims(query))
        self.refuses("one digit altered", lambda q: self.target(re.sub(".$", lambda m: "01"[m[0] == "0"], good(q))))
        self.refuses("upper-case hex", lambda q: self.target(good(q).upper()))
        self.refuses("cut short", lambda q: self.target(good(q)[:-8]))
        self.refuses("odd length", lambda q: self.target(good(q) + "0"))
        self.refuses("another key", lambda q: self.target(seal(self.claims(q), key=OTHER_KEY)))
        self.refuses("another application's", lambda q: self.target(seal(self.claims(q), app="paie")))
        self.refuses("sealed as a request", lambda q: self.target(seal(self.claims(q), "request")))
        self.refuses("sealed as a refusal", lambda q: self.target(seal(self.claims(q), "refusal")))
        self.refuses("info missing", lambda _: "/retour")
        self.refuses("info empty", lambda _: "/retour?info=")
        self.refuses("info a list", lambda q: self.target(good(q)).replace("info=", "info[]="))
        self.refuses("info and info_error", lambda q: self.target(good(q)) + "&info_error=00")
        self.refuses("an identity as info_error", lambda q: f"/retour?info_error={good(q)}")
        error = lambda q: json.dumps({"error": "access_denied", "ref": "K7QF-2M", **q}).encode()
        self.refuses("a refusal", lambda q: f"/retour?info_error={seal(error(q), 'refusal')}", refusal=True)
        self.refuses("a refusal of another attempt",
                     lambda q: f"/retour?info_error={seal(error({**q, 'state': 'other'}), 'refusal')}",
                     of_this_attempt=False)
        self.refuses("a refusal too old", lambda q: f"/retour?info_error={seal(error(q), 'refusal', age=310)}")
        if self.delivery == "reference":
            self.refuses("claim answers 404", lambda q: self.target(good(q), 404))
            self.refuses("claim redirects", lambda q: self.target(good(q), 302))
            self.refuses("claim answers 500", lambda q: self.target(good(q), 500))
            self.refuses("a sealed answer in the query", lambda q: f"/retour?info={good(q)}")
        self.check("the log names no message", not re.search("info|msg|[0-9a-f]{32}", self.log.read_text()))

    def tabs(self):
        """Each tab has its attempt; eight at most."""
        browser = Browser(self.port)
        older, newer = browser.begin(self.relay), browser.begin(self.relay)
        status, headers, _ = browser.get(self.target(seal(self.claims(older))))
        self.check("the older of two tabs", status == 302 and browser.signed_in())
        status, headers, _ = browser.get(self.target(seal(self.claims(newer))))
        self.check("then the newer", status == 302 and headers["Location"] == "/" and browser.signed_in())
        browser = Browser(self.port)
        older, newer = browser.begin(self.relay), browser.begin(self.relay)
        error = json.dumps({"error": "access_denied", "ref": "K7QF-2M", **newer}).encode()
        for _ in range(2):  # the second time is a reload
            status, _, _ = browser.get(f"/retour?info_error={seal(error, 'refusal')}")
            self.check("a tab that is refused", status == 403 and not browser.signed_in())
        browser.get(self.target(seal(self.claims(older))))
        self.check("ends no other", browser.signed_in())
        browser = Browser(self.port)
        nine = [browser.begin(self.relay) for _ in range(9)]
        status, _, _ = browser.get(self.target(seal(self.claims(nine[0]))))
        self.check("a ninth ends the oldest", status == 403 and not browser.signed_in())
        browser.get(self.target(seal(self.claims(nine[1]))))
        self.check("and no other", browser.signed_in())

    def strangers(self):
        """Whoever has no attempt here spends no reference, and none is asked for."""
        owner, idle = Browser(self.port), Browser(self.port)
        target = self.target(seal(self.claims(owner.begin(self.relay))))
        idle.get("/")
        asked = Relay.asked
        for who, browser in (("no cookie", Browser(self.port)), ("a session without an attempt", idle)):
            status, _, _ = browser.get(target)
            self.check(f"a stranger with {who}", 400 <= status < 500 and Relay.asked == asked)
        owner.get(target)
        self.check("then the one whose it is", owner.signed_in() and Relay.asked == asked + 1)
        for reference in ("A" * 42, "A" * 44, "A" * 42 + "%2B", "A" * 43 + "%0A", "%C3%A9" * 43):
            asked, browser = Relay.asked, Browser(self.port)
            browser.begin(self.relay)
            browser.get(f"/retour?info={reference}")
            self.check(f"no reference: {reference}", Relay.asked == asked and not browser.signed_in())
        self.refuses("an answer without end", lambda q: self.target(seal(self.claims(q)) + "0" * 70_000))

    def refusals(self):
        """Each code says something of its own to people."""
        texts = set()
        for code in ("access_denied", "login_required", "temporarily_unavailable", "server_error",
                     "unmet_authentication_requirements", "a_code_to_come"):
            browser = Browser(self.port)
            error = json.dumps({"error": code, "ref": "K7QF-2M", **browser.begin(self.relay)}).encode()
            status, _, body = browser.get(f"/retour?info_error={seal(error, 'refusal')}")
            self.check(code, status == 403 and "K7QF-2M" in body and not browser.signed_in())
            texts.add(body.split("<p>")[1].split("</p>")[0])
        self.check("one text for each code, and server_error's for others", len(texts) == 5)

    def honest(self):
        browser, stranger = Browser(self.port), Browser(self.port)
        self.check("offers to sign in", "Se connecter" in browser.get("/")[2] and not browser.signed_in())
        query, fresh = browser.begin(self.relay), browser.begin(self.relay)
        self.check("state and nonce are fresh", not set(query.values()) & set(fresh.values()))
        before, target = dict(browser.cookies), self.target(seal(self.claims(fresh)))
        self.check("nothing without the session", stranger.get(target)[0] >= 400 and not stranger.signed_in())
        target = self.target(seal(self.claims(fresh)))
        status, headers, _ = browser.get(target)
        self.check("redirects without info", status == 302 and headers["Location"] == "/")
        body = browser.get("/")[2]
        self.check("shows the identity, escaped", "Angéla" in body and "s-1" in body and "<b>D" not in body)
        self.check("every check holds", body.count("✔") == 8 and "✖" not in body)
        self.check("a new session", before and all(browser.cookies[name] != value for name, value in before.items()))
        before = dict(browser.cookies)
        browser.get(self.target(seal(self.claims(browser.begin(self.relay)))))
        self.check("signs in again", browser.signed_in() and browser.cookies != before)
        stranger.cookies = before
        self.check("the old session is gone", not stranger.signed_in())
        attributes = browser.last_cookie.lower()
        self.check("cookie HttpOnly, SameSite=Lax", "httponly" in attributes and "samesite=lax" in attributes)
        self.check("cookie named after the port", str(self.port) in browser.last_cookie.split("=")[0])
        browser.get(target)
        self.check("a replay changes nothing", browser.signed_in())
        chosen = {name: os.urandom(16).hex() for name in before}
        stranger.cookies = dict(chosen)
        stranger.begin(self.relay)
        self.check("a session id is never the visitor's own", stranger.cookies != chosen)
        self.check("no sniffing, caching, framing", "no-store" in browser.get("/")[1]["Cache-Control"])
        self.check("HEAD starts nothing", browser.get("/login", "HEAD")[0] >= 400)
        before = dict(browser.cookies)
        status, headers, _ = browser.get("/logout")
        self.check("logout at the relay", status == 302 and headers["Location"] == f"{self.relay}/logout/{APP}")
        browser.cookies = before
        self.check("logout here", not browser.signed_in())


def vectors(name):
    interpreter, file = INTERPRETERS[name]
    app, rows = ROOT / "legacy-client-examples" / name / file, ROOT / "tests" / "vectors" / "wire-vectors.json"
    output = subprocess.run([interpreter, app, "vectors", rows], stdout=subprocess.PIPE, text=True).stdout
    print(f"{name}: {output}", end="")
    found = re.findall(r"^(\d+) passed, (\d+) failed$", output, re.M)
    return (int(found[-1][0]), int(found[-1][1])) if found else (0, 1)


def walk(name):
    passed = failed = 0
    for delivery in ("query", "reference"):
        with tempfile.TemporaryDirectory() as directory:
            walked = Walk(name, delivery, pathlib.Path(directory))
            try:
                walked.run()
            finally:
                walked.process.terminate()
                walked.process.wait(10)
            passed, failed = passed + walked.passed, failed + walked.failed
            if walked.failed:
                print(walked.log.read_text())
    return passed, failed


def main(what, *names):
    counts = [{"vectors": vectors, "walk": walk}[what](name) for name in names]
    passed, failed = (sum(column) for column in zip(*counts))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
