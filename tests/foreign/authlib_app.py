"""Signs in with Authlib: flask --app authlib_app run --port 8080, then http://127.0.0.1:8080/"""
import os

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, url_for
from joserfc.errors import JoseError

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8081/generic")
app = Flask(__name__)
app.secret_key = os.urandom(32)
stub = OAuth(app).register(
    "stub", client_id="relais", client_secret="simulated-secret-for-development-only",
    server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"})


@app.get("/")
def login():
    return stub.authorize_redirect(url_for("callback", _external=True))


@app.get("/callback/oidc")
def callback():
    try:
        token = stub.authorize_access_token()  # state, signature, iss, aud, exp, nonce
        person = stub.userinfo(token=token)
    except (OAuthError, JoseError) as error:
        return f"not signed in: {error}", 400
    if person["sub"] != token["userinfo"]["sub"]:  # the library leaves this to you
        return "not signed in: userinfo is somebody else's", 400
    return f"signed in: {person['given_name']} {person['family_name']}"
