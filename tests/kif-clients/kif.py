#!/usr/bin/env python3
"""Plays an application of KIF's in Python, on `cryptography`. Commands: README.md."""
import json, secrets, sys
from base64 import b64encode
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7


def hexadecimal(text):
    if len(text) % 2 or text.strip("0123456789abcdefABCDEF"):
        raise ValueError("not hexadecimal")
    return bytes.fromhex(text)


def encrypt(mode, key, iv, plaintext):
    key, iv = bytes.fromhex(key), bytes.fromhex(iv)
    if mode == "AES-256-GCM":
        return AESGCM(key).encrypt(iv, plaintext, None)
    padder, encryptor = PKCS7(128).padder(), Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(padder.update(plaintext) + padder.finalize()) + encryptor.finalize()


def decrypt(mode, key, iv, sealed):
    key, iv = bytes.fromhex(key), bytes.fromhex(iv)
    if mode == "AES-256-GCM":
        return AESGCM(key).decrypt(iv, sealed, None)
    unpadder, decryptor = PKCS7(128).unpadder(), Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return unpadder.update(decryptor.update(sealed) + decryptor.finalize()) + unpadder.finalize()


def request(mode, key, iv, url):
    nonce, state = secrets.token_hex(16), secrets.token_hex(8)
    return "|".join((nonce, state, encrypt(mode, key, iv, f"{url}?nonce={nonce}&state={state}".encode()).hex()))


def identity(mode, key, iv, info, nonce, state):
    found = json.loads(decrypt(mode, key, iv, hexadecimal(info)).decode())
    good = [found["nonce"], found["state"]] == [bytes.fromhex(value).decode() for value in (nonce, state)]
    shown = ("null" if found.get(name) is None else found[name].encode().hex()
             for name in ("sub", "given_name", "family_name"))
    return "|".join((str(good).lower(), *shown))


# What an application with `reference` delivery does first.
def claim(relay, app, claim, info):
    info = urlopen(Request(f"{relay}/idp/claim", urlencode({"ref": info}).encode(), {"Authorization": "Basic " + b64encode(f"{app}:{claim}".encode()).decode()}), timeout=10).read().decode()  # claims
    return info


def password(key, app):
    mac = hmac.HMAC(bytes.fromhex(key), hashes.SHA256())
    mac.update(f"relais-1 claim {app}".encode())
    return mac.finalize().hex()


COMMANDS = {
    "request": request,
    "identity": identity,
    "encrypt": lambda mode, key, iv, plaintext: encrypt(mode, key, iv, bytes.fromhex(plaintext)).hex(),
    "decrypt": lambda mode, key, iv, sealed: decrypt(mode, key, iv, hexadecimal(sealed)).hex(),
    "password": password,
    "claim": claim,
}
for line in sys.stdin:
    command, *fields = line.rstrip("\n").split("|")
    try:
        answer = COMMANDS[command](*fields)
    except (ValueError, InvalidTag, HTTPError):
        answer = "" if command == "claim" else "-"
    print(answer, flush=True)
