"""A simulator of its own for a test, a browser for its pages, and the count of what held."""
import html, http.client, os, pathlib, re, subprocess, sys
from urllib import parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(ROOT, os.environ.get("CARGO_TARGET_DIR", "target"))
STUB = os.environ.get("STUB_BIN", str(TARGET / "release" / "stub-upstream"))
ID, SECRET = "relais", "simulated-secret-for-development-only"
passed = failed = 0


def check(what, good, detail=""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print(f"failed: {what} {detail}")


def end():
    """The last line, as tests/run counts it."""
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


class Stub:
    """Serves on a free port of the loopback while the block runs."""

    def __init__(self, back, after, *arguments):
        self.command = [STUB, "serve", "--listen", "127.0.0.1:0", "--redirect-uri", back,
                        "--post-logout-redirect-uri", after, *arguments]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        found = re.search(r"http://127\.0\.0\.1:\d+", self.process.stdout.readline())
        return found[0] if found else sys.exit("the simulator does not start")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        self.process.stdout.close()


class Page:
    def __init__(self, url, answer, body):
        self.url, self.status, self.headers, self.body = url, answer.status, answer.headers, body
        self.location = answer.headers["Location"] and parse.urljoin(url, answer.headers["Location"])

    def parameter(self, name):
        return dict(parse.parse_qsl(parse.urlsplit(self.location or "").query)).get(name)


class Browser:
    """Cookies, redirects within the simulator, and its form."""

    def __init__(self, base):
        self.base, self.cookies = base, {}

    def send(self, method, url, form=None):
        at = parse.urlsplit(url)
        connection = http.client.HTTPConnection(at.hostname, at.port, timeout=20)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        body = None
        if form is not None:
            headers["Content-Type"], body = "application/x-www-form-urlencoded", parse.urlencode(form)
        connection.request(method, parse.urlunsplit(("", "", at.path or "/", at.query, "")), body, headers)
        answer = connection.getresponse()
        page = Page(url, answer, answer.read().decode())
        for line in answer.headers.get_all("Set-Cookie", []):
            name, _, value = line.split(";")[0].partition("=")
            self.cookies[name] = value
        connection.close()
        return page

    def open(self, url, method="GET", form=None):
        """Until a page, or until the browser is sent away."""
        page = self.send(method, url, form)
        while page.location and page.location.startswith(self.base + "/"):
            page = self.send("GET", page.location)
        return page

    def choose(self, page, **fields):
        """Fills the form of the page that asks who signs in."""
        action = re.search(r'<form method="post" action="([^"]+)"', page.body)
        if not action:
            raise RuntimeError(f"no form: {page.status} {page.body}")
        names = re.findall(r'<(?:input|select)[^>]* name="([^"]+)"', page.body)
        form = {**dict.fromkeys(names, ""), **fields}
        return self.open(parse.urljoin(page.url, html.unescape(action[1])), "POST", form)

    def sign_in(self, url, **fields):
        """From the client's authorization request to its callback."""
        page = self.open(url)
        page = page if page.location else self.choose(page, **fields)
        if not page.location:
            raise RuntimeError(f"the page stays: {page.status} {page.body}")
        return page.location
