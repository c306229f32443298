"""A relay beside KIF behind one proxy, application after application, and back again: step 5 of the guide."""
import http.server, os, pathlib, re, shutil, subprocess, threading, time
from urllib import error, request

from kif_browser import Browser
from kif_clients import CBC, start
from kif_migration import CALLBACK, GUIDE, Migration, free_port
from kif_walk import Application, NAMES, parameter, sign_in

# The lines of the guide for an application that has moved.
LINES = re.search(r"^```nginx\n# in the server of KIF's host.*?\n((?:location .*\n)+)```$", GUIDE, re.M)[1]


NGINX = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")


class Kif(http.server.BaseHTTPRequestHandler):
    """Stands where KIF stands: whoever comes here was not sent to the relay."""

    def do_GET(self):
        body = b"KIF"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Proxy:
    """nginx before two instances of KIF, each for one application."""

    def __init__(self, directory, ports):
        self.directory, self.ports, self.running, self.generation = directory, ports, None, 0
        self.kif = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Kif)
        threading.Thread(target=self.kif.serve_forever, daemon=True).start()

    def configure(self, moved):
        """`moved`: by port, the lines of its application. Starts, or reloads and waits until it has."""
        self.generation += 1
        servers = "".join(
            f"server {{ listen 127.0.0.1:{port}; add_header Generation {self.generation} always;\n{moved.get(port, '')}"
            f"location / {{ proxy_pass http://127.0.0.1:{self.kif.server_port}; }} }}\n" for port in self.ports)
        temporary = "".join(f"{kind}_temp_path {self.directory}/{kind};\n"
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (self.directory / "nginx.conf").write_text(
            f"daemon off; pid {self.directory}/nginx.pid; error_log {self.directory}/nginx.log;\n"
            f"events {{}}\nhttp {{ access_log off;\n{temporary}{servers}}}\n")
        command = [NGINX, "-p", str(self.directory), "-e", f"{self.directory}/nginx.log", "-c", "nginx.conf"]
        if self.running is None:
            self.running = subprocess.Popen(command)
        else:
            subprocess.run([*command, "-s", "reload"], check=True, timeout=20)
        for _ in range(400):
            if self.served() == str(self.generation) and len(self.workers()) == 1:
                return
            time.sleep(0.02)
        raise SystemExit("nginx does not come up: " + (self.directory / "nginx.log").read_text())

    def workers(self):
        """The worker before a reload answers until it has gone."""
        master = self.running.pid
        return pathlib.Path(f"/proc/{master}/task/{master}/children").read_text().split()

    def served(self):
        try:
            return request.urlopen(f"http://127.0.0.1:{self.ports[0]}/", timeout=2).headers["Generation"]
        except (OSError, error.URLError):
            return None

    def stop(self):
        self.running.terminate()
        self.running.wait(20)
        self.kif.shutdown()


class Beside(Migration):
    """The relay has a host of its own, and KIF stays where it is."""

    def __init__(self, directory, count):
        super().__init__(directory, count, CBC, by_reference=True, franceconnect=2, silent=False)
        self.at, self.callback = f"http://127.0.0.1:{free_port()}", "/callback/provider"

    def move_out(self):
        """What the guide says of the configuration."""
        for said in ("Set `server.public_url` to that\nhost", "take out `redirect_uri`"):
            assert said in GUIDE, said
        text = (self.directory / "relais.toml").read_text()
        text = text.replace(f'public_url = "{self.kif}"', f'public_url = "{self.at}"')
        text = text.replace(self.kif.split("//")[1] + '", kind', self.at.split("//")[1] + '", kind')
        text = re.sub(r"^redirect_uri = .*\n", "", text, flags=re.M)
        (self.directory / "relais.toml").write_text(text)
        checked = self.relais("check-config", "relais.toml")
        self.count.check("check-config is content: " + checked.stderr, checked.returncode == 0)


def beside(name, scratch, count):
    directory = scratch / "beside"
    relay = Beside(directory, count)
    other = f"http://127.0.0.1:{free_port()}"  # another instance of KIF, for another application
    proxy = Proxy(directory, [int(url.rsplit(":", 1)[1]) for url in (relay.kif, other)])
    try:
        relay.convert()
        relay.move_out()
        relay.serve()
        with start(name, scratch) as client:
            walk(relay, other, proxy, Application(relay, name, client), count)
    finally:
        relay.stop()
        proxy.stop()
    return count


def walk(relay, other, proxy, application, count):
    def at_kif(url):
        return Browser().get(url).body == "KIF"

    proxy.configure({})
    count.check("before: KIF serves both", at_kif(application.begin()) and at_kif(f"{other}/idp?msg=00"))

    proxy.configure({proxy.ports[0]: LINES.replace("https://relais.example", relay.at)})
    count.check("moved: the other application stays with KIF", at_kif(f"{other}/idp?msg=00"))
    count.check("and so do KIF's other addresses", at_kif(f"{relay.kif}/user"))
    browser = Browser()
    first, _, url = sign_in(relay, application, browser)
    count.check("/idp leads to the relay's own host", (first.location or "").startswith(f"{relay.at}/idp/compta?msg="))
    count.check("by the relay's callback", any(seen.startswith(f"{relay.at}/callback/provider?") for seen in browser.seen))
    good, shown = application.answer(url)
    count.check("the application lets its user in", url.startswith(CALLBACK) and good and tuple(shown[1:]) == NAMES)

    page = browser.open(f"{relay.kif}/j_spring_security_logout")
    before = len(browser.seen)
    page = browser.agree(page)
    count.check("logout reaches the provider by the relay",
                any(parameter(seen, "id_token_hint") for seen in browser.seen[before:]))
    count.check("and leads back", (page.status, page.button()) == (200, f"{relay.kif}/"))

    proxy.configure({})
    count.check("back again: KIF serves both", at_kif(application.begin()) and at_kif(f"{other}/idp?msg=00"))
