#!/usr/bin/env python3
"""KIF's applications over the vectors and against the relay: kif.py vectors|walk|beside CLIENT...

`vectors` runs each client's crypto over KIF's messages and the relay's own wires, byte for byte. `walk` starts from
the configuration in KIF's README, imports it, settles what docs/migrating-from-kif.md says, serves it, and drives
sign-in and logout by KIF's addresses. `beside` puts such a relay beside KIF, behind nginx. The last line is `N passed, N failed`.
"""
import json, pathlib, sys, tempfile, time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import kif_beside, kif_walk
from kif_clients import CLIENTS, ROOT, start

KIF = json.loads((ROOT / "tests/vectors/kif-vectors.json").read_text())["vectors"]
WIRES = json.loads((ROOT / "tests/vectors/wire-vectors.json").read_text())["vectors"]
# What made KIF's library refuse before it read any JSON.
CRYPTO = ("DecoderException", "DataLengthException", "InvalidCipherTextException", "IllegalArgumentException")


class Count:
    def __init__(self, name):
        self.name, self.passed, self.failed = name, 0, 0

    def check(self, what, good):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        if not good:
            print(f"failed: {self.name}: {what}", flush=True)


def crypto_refused(row):
    return row.get("original_client", {}).get("exception", "").endswith(CRYPTO)


def foreign_length(row):
    """Lengths and digits that only KIF's own library has an opinion about."""
    lengths = len(row["key"]), len(row["iv"])
    return lengths != (64, 32) and (lengths, row["mode"]) != ((64, 24), "AES-256-GCM") or not row["hex"].isascii()


def kif_vectors(client, count, modes, java):
    for row in KIF:
        if row["set"].startswith("idp") or row["mode"] not in modes or (not java and foreign_length(row)):
            continue
        key = row["mode"], row["key"], row["iv"]
        if "plaintext_hex" in row:
            count.check(f"{row['id']} encrypted", client.ask("encrypt", *key, row["plaintext_hex"]) == row["hex"])
        opened = client.ask("decrypt", *key, row["hex"])
        if "plaintext_hex" in row:
            count.check(f"{row['id']} decrypted", opened == row["plaintext_hex"])
        else:
            count.check(f"{row['id']} refused", (opened == "-") == crypto_refused(row))
        if java and "original_client" in row:
            count.check(f"{row['id']} as the library", java_identity(client, row, key) == original(row))


def java_identity(client, row, key):
    expected = (row.get(name, "").encode().hex() for name in ("expected_nonce", "expected_state"))
    return client.ask("identity", *key, row["hex"], *expected)


def original(row):
    """What KIF's library did with this message, as our client says it."""
    known = row["original_client"]
    if known["decode"] != "ok":
        return "-"
    good = known["checkSecurity"].split()[0]
    if known.get("identity") == "null":
        return good
    shown = ("null" if known[name] is None else known[name].encode().hex()
             for name in ("sub", "given_name", "family_name"))
    return "|".join((good, *shown))


def wire_vectors(client, count, wires):
    for row in WIRES:
        if row["wire"] == "claim":
            count.check(row["id"], client.ask("password", row["key"], row["app"]) == row["derived"])
        elif row["wire"] in wires:
            way = row["wire"], row["key"], row["app"], row["direction"]
            opened = client.ask("open", *way, row["token"])
            if "refused" in row:
                count.check(f"{row['id']}: {row['refused']}", opened == "-")
                continue
            ts, text = str(row.get("ts", "")), row["plaintext"].encode().hex()
            count.check(f"{row['id']} opened", opened == f"{ts}|{text}")
            count.check(f"{row['id']} sealed", client.ask("seal", *way, ts, row["iv"], text) == row["token"])


def vectors(names, scratch):
    counts = []
    for name in names:
        kind = CLIENTS[name]
        if kind.command is None:  # the scripts have no commands; they walk
            continue
        count = Count(name)
        with start(name, scratch) as client:
            kif_vectors(client, count, kind.modes, name == "java")
            wire_vectors(client, count, kind.wires)
        print(f"{name}: {count.passed} passed, {count.failed} failed", flush=True)
        counts.append(count)
    return counts


def main(what, *names):
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        if what == "vectors":
            counts = vectors(names, scratch)
        elif what == "beside":
            counts = [kif_beside.beside(names[0], scratch, Count("beside"))]
        else:
            counts = kif_walk.walk(names, scratch, Count)
    print(f"{what}: {time.monotonic() - began:.1f} s")
    passed, failed = sum(count.passed for count in counts), sum(count.failed for count in counts)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
