"""The application's sealing and opening on the command line, for tests and for trying a key by hand."""
import json, sys

from app import InvalidTag, derive, open_sealed, read_key, seal

USAGE = """app.py vectors FILE
app.py seal-request KEYFILE APP CALLBACK_URL
app.py seal-logout KEYFILE APP SUB
app.py open-response KEYFILE APP < TOKEN
app.py open-refusal KEYFILE APP < TOKEN"""


def run(name, *arguments):
    """Gives what `sys.exit` takes: nothing, or a message."""
    if name == "vectors" and len(arguments) == 1:
        return vectors(*arguments)
    if name in ("seal-request", "seal-logout") and len(arguments) == 3:
        keyfile, app, plaintext = arguments
        return print(seal(read_key(keyfile), app, name[5:], plaintext))
    if name in ("open-response", "open-refusal") and len(arguments) == 2:
        keyfile, app = arguments
        try:
            _, plaintext = open_sealed(read_key(keyfile), app, name[5:], sys.stdin.read().strip())
        except (ValueError, InvalidTag):
            return "does not open"
        return print(plaintext)
    return USAGE


def vectors(path):
    with open(path, encoding="utf-8") as file:
        rows = [row for row in json.load(file)["vectors"] if row["wire"] in ("aes-256-gcm", "claim")]
    failed = [row["id"] for row in rows if not holds(row)]
    print("".join(f"failed: {row}\n" for row in failed) + f"{len(rows) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or not rows else 0


def holds(row):
    """Whether a row comes out as written: opened and sealed byte for byte, or refused."""
    key, app, direction = bytes.fromhex(row["key"]), row["app"], row.get("direction")
    if row["wire"] == "claim":
        return derive(key, f"claim {app}").hex() == row["derived"]
    try:
        opened = open_sealed(key, app, direction, row["token"])
    except (ValueError, InvalidTag):
        return "refused" in row
    if "refused" in row:
        return False
    sealed = seal(key, app, direction, row["plaintext"], row["ts"], bytes.fromhex(row["iv"]))
    return (derive(key, f"aes-256-gcm {direction} {app}").hex(), sealed, *opened) == \
        (row["derived"], row["token"], row["ts"], row["plaintext"])
