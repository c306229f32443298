"""KIF's applications sign in and out at the relay that took KIF's place, by KIF's addresses."""
import os, re, subprocess
from urllib import parse

from kif_browser import Browser
from kif_clients import CBC, CLIENTS, GCM, HERE, claiming_line, start
from kif_migration import CALLBACK, GUIDE, Migration

# The person whom the stub signs in.
NAMES = ("Angéla Zoé Maëlys", "GARANÇON")


class Application:
    """An application with commands: what KIF's README and its Java library do."""

    def __init__(self, relay, name, client):
        self.relay, self.name, self.client = relay, name, client
        self.wire = relay.mode, relay.key, relay.iv

    def begin(self):
        """What the link on its page leads to."""
        self.nonce, self.state, msg = self.client.ask("request", *self.wire, CALLBACK).split("|")
        return f"{self.relay.kif}/idp?msg={msg}"

    def received(self, info):
        """What becomes of `info` before it is decrypted: nothing, or the line that claims."""
        if not self.relay.by_reference:
            return info
        return self.client.ask("claim", self.relay.at, "compta", self.relay.claim, info)

    def answer(self, url):
        """Whether the application lets its user in, and whom it shows."""
        text = self.received(parameter(url, "info"))
        asked = "identity", *self.wire, text
        good, *shown = self.client.ask(*asked, self.nonce.encode().hex(), self.state.encode().hex()).split("|")
        if good == "true":  # the library's other answer, for the same message
            self.relay.count.check(f"{self.name}: another attempt's nonce",
                                   self.client.ask(*asked, "00" * 16, self.state.encode().hex()).startswith("false"))
        return good == "true", [bytes.fromhex(name).decode() for name in shown if name != "null"]


class Scripts:
    """KIF's three scripts."""

    def __init__(self, relay, directory):
        self.relay, self.name = relay, "cgi"
        self.environment = {
            **os.environ, "KEY": relay.key, "IV": relay.iv, "CALLBACK": CALLBACK, "KIF": relay.kif, "APP": "compta",
            "RELAY": relay.kif, "CLAIM": relay.claim,
            "SEAL": "openssl aes-256-cbc" if relay.mode == CBC else str(HERE / "cgi" / "aes-256-gcm"),
        }
        self.scripts = {}
        for name in ("index", "identite", "logout"):
            text = (HERE / "cgi" / f"{name}.cgi").read_text()
            if not relay.by_reference:
                text = re.sub(r"^.* # claims\n", "", text, flags=re.M)
            self.scripts[name] = directory / f"{name}.cgi"
            self.scripts[name].write_text(text)

    def run(self, name, query=""):
        done = subprocess.run(["sh", self.scripts[name]], env={**self.environment, "QUERY_STRING": query},
                              stdout=subprocess.PIPE, text=True, errors="replace", timeout=20)
        return done.stdout

    def begin(self):
        return re.search(r"<a href='([^']*)'", self.run("index"))[1]

    def answer(self, url):
        page = self.run("identite", parse.urlsplit(url).query)
        if "Erreur d'authentification" in page:
            return False, []
        sub = re.search(r'"sub":"([^"]*)"', page)
        name = re.search(r"<a href='logout.cgi'>(.*?)</a>", page)
        return True, [sub and sub[1], *(found for found in NAMES if name and found in name[1])]

    def logout(self):
        return re.search(r"^Location: (\S+)$", self.run("logout"), re.M)[1]


def parameter(url, name):
    return dict(parse.parse_qsl(parse.urlsplit(url).query)).get(name, "")


def sign_in(relay, application, browser):
    """From the application's link to the application's callback; what the browser was shown on the way."""
    first, asked = browser.get(application.begin()), False
    page = browser.follow(first)
    if page.status == 200:
        asked, page = True, browser.agree(page)
    return first, asked, page.url


def drive(relay, application):
    def check(what, good):
        relay.count.check(f"{application.name}: {what}", good)

    browser = Browser()
    first, asked, url = sign_in(relay, application, browser)
    check("/idp leads to the provider", (first.location or "").startswith(relay.stub))
    check("by KIF's callback", any(seen.startswith(f"{relay.kif}/openid_connect_login?") for seen in browser.seen))
    # FranceConnect v1 may have answered from a session of its own, so the relay asks; v2 always asks itself.
    check("the relay asks where the provider did not", asked == (relay.franceconnect == 1 and not relay.silent))
    check("back at the callback", url.startswith(f"{CALLBACK}?nonce=") and url.count("info=") == 1)
    info = parameter(url, "info")
    check("info is what it should be", bool(re.fullmatch("[A-Za-z0-9_-]{43}", info)) if relay.by_reference
          else bool(re.fullmatch("([0-9a-f]{2})+", info)))
    good, shown = application.answer(url)
    check("lets the user in", good)
    check("shows the identity", len(shown) == 3 and len(shown[0]) == 66 and tuple(shown[1:]) == NAMES)
    if relay.by_reference:
        check("the reference is good once", not application.answer(url)[0])
        forged = f"{url.split('&info=')[0]}&info={'00' * 64}"
        check("a sealed info in the URL is worth nothing", not application.answer(forged)[0])

    # Again, in the same browser: the session at the relay serves, after its question or, KIF's way, without.
    before = len(browser.seen)
    _, asked, url = sign_in(relay, application, browser)
    check("asked again or not", asked != relay.silent)
    check("again, from the session", application.answer(url)[0]
          and not any(seen.startswith(relay.stub) for seen in browser.seen[before:]))

    out = application.logout() if isinstance(application, Scripts) else f"{relay.kif}/j_spring_security_logout"
    check("logout.cgi leads to KIF's address", out == f"{relay.kif}/j_spring_security_logout")
    page = browser.open(out)
    before = len(browser.seen)
    page = browser.agree(page)
    end = "/api/v1/logout?" if relay.franceconnect == 1 else "/api/v2/session/end?"
    check("logout goes by the provider", any(seen.startswith(relay.stub + end) and parameter(seen, "id_token_hint")
                                             for seen in browser.seen[before:]))
    check("and leads back to afterlogouturi", (page.status, page.button()) == (200, f"{relay.kif}/"))
    page = browser.get(out)
    check("a second logout leads there at once", page.location == f"{relay.kif}/")
    check("signed out", (browser.get(application.begin()).location or "").startswith(relay.stub))


def errors(relay, application):
    def check(what, good):
        relay.count.check(f"{application.name}: {what}", good)

    def is_page(page):
        return page.status == 400 and page.location is None

    check("/authenticationError", is_page(Browser().get(f"{relay.kif}/authenticationError")))
    check("/idp without msg", is_page(Browser().get(f"{relay.kif}/idp")))
    link = application.begin().replace("/idp?", "/idp/compta?")  # where a proxy before KIF would send it
    altered = re.sub("msg=(.)", lambda found: "msg=" + "10"[found[1] == "1"], link)
    check("an altered message", is_page(Browser().open(altered)))
    check("cut short", is_page(Browser().open(link[:-2])))
    browser = Browser()
    state = parameter(browser.get(link).location, "state")
    page = browser.open(f"{relay.kif}/openid_connect_login?error=access_denied&state={state}")
    check("who gives up at the provider sees a page", page.status in (400, 403) and page.location is None)


def judge_log(relay, secrets):
    log = relay.log.read_text()
    relay.count.check("the log has the logins", log.count("legacy.weak_wire") >= 2)
    relay.count.check("the log names nobody and no message",
                      not any(secret in log for secret in (relay.key, relay.claim, *NAMES, *secrets)))


def walk(names, scratch, new_count):
    counts = [new_count("docs")]
    for name in names:
        if name != "openssl":
            counts[0].check(f"{name}: the guide has the line that claims", claiming_line(name) in GUIDE)
    for number, (mode, by_reference, franceconnect, silent) in enumerate((
            (CBC, True, 1, False), (CBC, False, 2, False), (GCM, True, 2, False), (GCM, False, 1, True))):
        delivery = "reference" if by_reference else "opt-in"
        count = new_count(f"{mode}, {delivery}, FranceConnect v{franceconnect}")
        counts.append(count)
        relay = Migration(scratch / str(number), count, mode, by_reference, franceconnect, silent)
        try:
            relay.convert()
            relay.serve()
            secrets = []
            for name in names:
                if name == "cgi":
                    drive(relay, Scripts(relay, relay.directory))
                elif name != "openssl":  # which only knows the crypto
                    with start(name, scratch) as client:
                        application = Application(relay, name, client)
                        drive(relay, application)
                        secrets += [application.nonce, application.state]
                        errors(relay, application)
            judge_log(relay, secrets)
        finally:
            relay.stop()
        print(f"{count.name}: {count.passed} passed, {count.failed} failed; {relay.decisions} decisions, "
              f"{relay.seconds:.2f} s of commands", flush=True)
    return counts
