"""From KIF's configuration to a relay that runs, as docs/migrating-from-kif.md says, word by word."""
import os, pathlib, re, socket, subprocess, time

from kif_clients import ROOT

TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
RELAIS, STUB = (TARGET.resolve() / "release" / name for name in ("relais", "stub-upstream"))
P = "net.fenyo.franceconnect.config."
CALLBACK = "https://fenyo.net/fc/identite.cgi"
V1 = "https://fcp.integ01.dev-franceconnect.fr"
README = {  # the values in KIF's README
    "oidc.debug": "true",
    "oidc.tlsversion": "TLSv1.2",
    "oidc.clientid": "a100f6923ae93e2e5a8e2e2fb1d0c1e988d8c06c43a8ef838e64eeb932750405",
    "oidc.clientsecret": "f7cf2c8cf9863e009c3a520b5f380d9849adad21fe21c0e2782bc9cb25908a67",
    "oidc.sessiontimeout": "240",
    "oidc.issuer": V1,
    "oidc.authorizationendpointuri": f"{V1}/api/v1/authorize",
    "oidc.tokenendpointuri": f"{V1}/api/v1/token",
    "oidc.userinfoendpointuri": f"{V1}/api/v1/userinfo",
    "oidc.redirecturi": "http://127.0.0.1/openid_connect_login",
    "oidc.logouturi": f"{V1}/api/v1/logout",
    "oidc.afterlogouturi": "http://127.0.0.1/",
    "oidc.authenticationerroruri": "http://127.0.0.1/authenticationError",
    "oidc.startlogouturi": "j_spring_security_logout",
    "oidc.fcbuttonuri": f"{V1}/js/franceconnect.js",
    "idp.mode": "AES-256-CBC",
    "idp.key": "a6a7ee7abe681c9c4cede8e3366a9ded96b92668ea5e26a31a4b0856341ed224",
    "idp.iv": "87b7225d16ea2ae1f41d0b13fdce9bba",
    "idp.redirecturi": f"{CALLBACK}?",
}
BOUCHON = {  # what the README puts in their place for KIF's simulated provider
    "oidc.clientid": "1" * 64,
    "oidc.clientsecret": "2" * 64,
    "oidc.issuer": "http://fenyo.net/fc-idp",
    "oidc.authorizationendpointuri": "https://fenyo.net/fc-idp/authorize.cgi",
    "oidc.tokenendpointuri": "https://fenyo.net/fc-idp/token.cgi",
    "oidc.userinfoendpointuri": "https://fenyo.net/fc-idp/userinfo.cgi",
    "oidc.logouturi": "https://fenyo.net/fc-idp/logout.cgi",
    "oidc.fcbuttonuri": "https://fenyo.net/franceconnect.js",
}
# A registration of one's own, since the README's is nobody's; key and IV as the README says to make them.
OWN = {"oidc.clientid": "3" * 64, "oidc.clientsecret": "4" * 64}
OWN_KEYS = {"idp.key": os.urandom(32).hex(), "idp.iv": os.urandom(16).hex()}
GUIDE = (ROOT / "docs" / "migrating-from-kif.md").read_text()


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Migration:
    """One instance of KIF and the relay that takes its place.

    `by_reference`: the relay's application has changed by one line, and KIF ran on its published key; otherwise it is
    as it was, key and IV too. `franceconnect` is the version that the relay speaks; `silent` is KIF's way to sign in.
    """

    def __init__(self, directory, count, mode, by_reference, franceconnect, silent):
        self.directory, self.count, self.mode = directory, count, mode
        self.by_reference, self.franceconnect, self.silent = by_reference, franceconnect, silent
        self.port, self.processes, self.seconds, self.decisions = free_port(), [], 0.0, 0
        self.kif = self.at = f"http://127.0.0.1:{self.port}"  # where KIF is, and where the relay is
        self.callback = "/openid_connect_login"
        self.log = directory / "relais.log"
        directory.mkdir()

    def run(self, *command, **more):
        began = time.monotonic()
        done = subprocess.run(command, cwd=self.directory, capture_output=True, text=True, timeout=60, **more)
        self.seconds += time.monotonic() - began
        return done

    def relais(self, *arguments):
        return self.run(RELAIS, *arguments)

    def write_kif(self, changes):
        """KIF's file. Port 80 is not everybody's, so this instance ran on another (`listen.port`)."""
        lines = (f"{P}{key}={value}".replace("http://127.0.0.1/", f"{self.kif}/")
                 for key, value in {**README, "idp.mode": self.mode, **changes}.items())
        (self.directory / "config.properties").write_text("# KIF\n" + "\n".join(lines) + "\n", "ascii")

    def convert(self):
        """Steps 1 to 3 of the guide."""
        (self.directory / "secrets").mkdir(0o700)
        command = ("import-kif", "config.properties", "--app", "compta", "--with-secrets", "secrets/compta")
        assert "relais " + " ".join(command) + " > relais.toml" in GUIDE and "mkdir -m 700 secrets" in GUIDE
        self.write_kif({})
        refused = self.relais(*command)
        told = refused.stderr.splitlines()
        self.count.check("the README as it is: one fault, the client id", refused.returncode == 78 and len(told) == 1
                         and told[0].startswith(f"line 4, {P}oidc.clientid: "))
        changes = {**(BOUCHON if self.franceconnect == 1 else OWN), **({} if self.by_reference else OWN_KEYS)}
        self.write_kif(changes)
        imported = self.relais(*command)
        self.count.check("imports", imported.returncode == 0 and not imported.stderr)
        self.start_stub()
        text = imported.stdout
        unsettled = re.findall(r"^unsettled_([a-z_]+) = ", text, re.M) + re.findall(r"^(sunset) = \"YYYY", text, re.M)
        provider = "provider" if self.franceconnect == 1 else "registration"
        samples = ["iv", "key"] if self.by_reference else []
        self.count.check("leaves the choices that it should", sorted(unsettled) == sorted(
            [provider, "logout_return", "name", *samples, "delivery", "sunset", "sso", "claims"]))
        (self.directory / "relais.toml").write_text(text)
        checked = self.relais("check-config", "relais.toml")
        left = [name if name == "sunset" else f"unsettled_{name}" for name in unsettled]
        self.count.check("check-config names every choice", checked.returncode == 78
                         and all(re.search(rf"^\S*\.{name}: ", checked.stderr + checked.stdout, re.M) for name in left))
        for name in unsettled:
            assert re.search(rf"^\| [^|]*`{name}`", GUIDE, re.M), f"the guide does not tell of {name}"
            text = re.sub(rf"^unsettled_{name} = .*\n", "", getattr(self, "settle_" + name)(text), flags=re.M)
        self.decisions = len(unsettled)
        text = text.replace("127.0.0.1:9090", f"127.0.0.1:{free_port()}")  # this machine has more than one relay
        (self.directory / "relais.toml").write_text(text)
        checked = self.relais("check-config", "relais.toml")
        self.count.check("check-config is content: " + checked.stderr, checked.returncode == 0)
        self.key = (self.directory / "secrets/compta.key").read_text().strip()
        self.iv = re.search(r'^iv = "([0-9a-f]{32})"$', text, re.M)[1]
        kept = (self.key, self.iv) == (OWN_KEYS["idp.key"], OWN_KEYS["idp.iv"])
        self.count.check("key and IV are those of KIF unless it published them", kept != self.by_reference)
        assert "relais legacy keys --app compta --key-file secrets/compta.key" in GUIDE
        keys = self.relais("legacy", "keys", "--app", "compta", "--key-file", "secrets/compta.key").stdout
        self.claim = re.search(r"^claim\tpassword\t([0-9a-f]{64})$", keys, re.M)[1]

    def settle_provider(self, text):
        text = re.sub(r'^issuer = ".*"$', f'issuer = "{self.stub}"', text, flags=re.M)
        for key, path in (("authorization", "authorize"), ("token", "token"), ("userinfo", "userinfo"),
                          ("end_session", "logout")):
            text = re.sub(rf'^{key} = ".*"$', f'{key} = "{self.stub}/api/v1/{path}"', text, flags=re.M)
        return text

    def settle_registration(self, text):
        """FranceConnect's portal is out of reach; the stub that takes its place has the registration."""
        assert 'profile = "franceconnect_v2"' in text
        return re.sub(r'^issuer = ".*"$', f'issuer = "{self.stub}/api/v2"', text, flags=re.M)

    def settle_logout_return(self, text):
        assert f'#post_logout_redirect_uri = "{self.kif}/logout/return/provider"' in text
        return text

    def settle_name(self, text):
        return text.replace('name = "compta"', 'name = "Comptabilité"')

    def settle_iv(self, text):
        assert "`openssl rand -hex 16`" in re.sub(r"\n# ", " ", text)
        return text.replace("32 hexadecimal digits", self.run("openssl", "rand", "-hex", "16").stdout.strip())

    def settle_key(self, text):
        command = re.search(r"^#   relais (keys generate legacy --out \S+)$", text, re.M)[1]
        self.count.check("makes the key", self.relais(*command.split()).returncode == 0)
        return text

    def settle_delivery(self, text):
        if self.by_reference:
            return text
        text = text.replace("#accept_forgeable_identities = true", "accept_forgeable_identities = true")
        return text.replace('delivery = "reference"\n', "")

    def settle_sunset(self, text):
        return text.replace("YYYY-MM-DD", f"{time.gmtime().tm_year + 1}-06-30")

    def settle_sso(self, text):
        if not self.silent:
            return text
        return text.replace('sso = "confirm"', 'sso = "silent"\naccept_forced_login = true')

    def settle_claims(self, text):
        return text

    def start(self, *command, **more):
        process = subprocess.Popen(command, cwd=self.directory, text=True, **more)
        self.processes.append(process)
        return process

    def start_stub(self):
        secret = self.directory / "secrets" / "compta.client_secret"
        process = self.start(
            STUB, "serve", "--listen", "127.0.0.1:0", "--auto-login", "angela",
            "--client-id", BOUCHON["oidc.clientid"] if self.franceconnect == 1 else OWN["oidc.clientid"],
            "--client-secret-file", secret, "--redirect-uri", f"{self.at}{self.callback}",
            "--post-logout-redirect-uri", f"{self.at}/logout/return/provider",
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.stub = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())[0]

    def serve(self):
        began = time.monotonic()
        with self.log.open("wb") as log:
            self.start(RELAIS, "serve", "--config", "relais.toml", stdout=log, stderr=log)
        for _ in range(400):
            try:
                socket.create_connection(("127.0.0.1", int(self.at.rsplit(":", 1)[1])), 1).close()
                self.seconds += time.monotonic() - began
                return
            except OSError:
                time.sleep(0.02)
        raise SystemExit("the relay does not start: " + self.log.read_text())

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(20)
