"""KIF's applications as processes: which there are, how they start, what they are asked."""
import dataclasses, os, pathlib, re, subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "kif-clients"
CBC, GCM = "AES-256-CBC", "AES-256-GCM"
GSON = os.environ.get("RELAIS_TEST_GSON", "/usr/share/java/gson.jar")


@dataclasses.dataclass(frozen=True)
class Kind:
    """`command` is None for the CGI scripts, `file` holds the line that claims."""

    file: str
    command: tuple = None
    modes: tuple = (CBC, GCM)
    wires: tuple = ()


CLIENTS = {
    "java": Kind("Kif.java", ("java", "-cp", "{scratch}:" + GSON, "-Xshare:auto", "-XX:TieredStopAtLevel=1", "Kif"),
                 wires=("aes-256-gcm", "jwe")),
    "perl": Kind("kif.pl", ("perl", "kif.pl"), wires=("aes-256-gcm", "jwe")),
    "php": Kind("kif.php", (os.environ.get("RELAIS_TEST_PHP", "php"), "kif.php"), wires=("jwe",)),
    "python": Kind("kif.py", (os.environ.get("RELAIS_TEST_PYTHON", "python3"), "kif.py")),
    "openssl": Kind("kif.sh", ("sh", "kif.sh"), modes=(CBC,), wires=("jwe",)),
    "cgi": Kind("cgi/identite.cgi"),
}


class Client:
    """One process for all questions: starting Java takes longer than answering."""

    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen(command, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *fields):
        self.process.stdin.write("|".join(fields) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name} has ended at {fields[0]}")
        return answer.rstrip("\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)


def start(name, scratch):
    if name == "java" and not (scratch / "Kif.class").exists():
        subprocess.run(["javac", "-nowarn", "-cp", GSON, "-d", scratch, HERE / "Kif.java"], check=True)
    return Client(name, [part.format(scratch=scratch) for part in CLIENTS[name].command])


def claiming_line(name):
    """The line that `delivery = "reference"` adds to this application."""
    lines = re.findall(r"^ *(.*?) *(?://|#) claims$", (HERE / CLIENTS[name].file).read_text(), re.M)
    assert len(lines) == 1, name
    return lines[0]
