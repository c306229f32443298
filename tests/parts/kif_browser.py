"""A browser as far as the walk needs one: cookies of one host, redirects as far as that host goes, the relay's forms."""
import html, http.client, re
from urllib import parse


class Page:
    def __init__(self, url, status, location, body):
        self.url, self.status, self.location, self.body = url, status, location, body

    def button(self):
        """Where the page's one button leads."""
        shown = self.body.split('<div class="page other"')[0]  # the language that nobody has chosen
        found = re.findall(r'<a class="button" href="([^"]*)"', shown)
        return html.unescape(found[0]) if len(found) == 1 else None

    def form(self):
        found = re.search(r'<form[^>]* action="([^"]*)">(.*?)</form>', self.body, re.S)
        if not found:
            raise SystemExit(f"no form at {self.url.split('?')[0]} ({self.status}): {self.body}")
        hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', found[2])
        return html.unescape(found[1]), {name: html.unescape(value) for name, value in hidden}


class Browser:
    def __init__(self):
        self.cookies, self.seen = {}, []

    def send(self, method, url, body=None):
        at = parse.urlsplit(url)
        connection = http.client.HTTPConnection(at.hostname, at.port, timeout=20)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if body is not None:
            headers.update({"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"})
        connection.request(method, f"{at.path or '/'}?{at.query}" if at.query else at.path or "/", body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        for line in answer.headers.get_all("Set-Cookie", []):
            name, _, value = line.split(";")[0].partition("=")
            self.cookies[name] = value
        connection.close()
        self.seen.append(url)
        return Page(url, answer.status, answer.headers["Location"], text)

    def get(self, url):
        return self.send("GET", url)

    def follow(self, page):
        """As far as this machine goes: the application's host is somewhere else."""
        for _ in range(20):
            if page.location is None:
                return page
            url = parse.urljoin(page.url, page.location)
            if parse.urlsplit(url).hostname != "127.0.0.1":
                return Page(url, 0, None, "")
            page = self.get(url)
        raise SystemExit(f"redirected for ever at {page.url.split('?')[0]}")

    def open(self, url):
        return self.follow(self.get(url))

    def agree(self, page):
        """Answers yes to the question that the relay asks."""
        action, fields = page.form()
        url = parse.urljoin(page.url, action)
        return self.follow(self.send("POST", url, parse.urlencode({**fields, "decision": "yes"})))
