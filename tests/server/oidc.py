"""A small OpenID Connect provider on this machine: discovery, consent at once, codes with PKCE, signed tokens."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "rollbook", "what the provider gave"


class Provider:
    """Vouches for whoever `claims` say. `profile` are claims that its other endpoint says instead."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {"sub": "s-1", "email": "olga@example.org", "email_verified": True}
        self.profile: dict[str, Any] | None = None
        self.refuses = ""
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.url = ""

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser goes next: back, with a code for whoever is signed in here."""
        assert asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256"
        if self.refuses:
            answer = {"error": self.refuses, "state": asked["state"]}
        else:
            code = f"code-{len(self.codes)}"
            self.codes[code] = asked
            answer = {"code": code, "state": asked["state"]}
        return f"{asked['redirect_uri']}?{urlencode(answer)}"

    def token(self, form: dict[str, str]) -> dict[str, Any] | None:
        asked = self.codes.pop(form.get("code", ""), None)
        verifier = form.get("code_verifier", "").encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
        if not asked or form.get("client_secret") != SECRET or challenge != asked["code_challenge"]:
            return None
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 60, **self.claims}
        return {
            "access_token": "access",
            "token_type": "Bearer",
            "id_token": jwt.encode(claims, self.key, "RS256", headers={"kid": "1"}),
        }


@contextmanager
def provider() -> Iterator[Provider]:
    """Runs one until the test is over."""
    found = Provider()

    class Handler(BaseHTTPRequestHandler):
        def answer(self, content: dict[str, Any] | None) -> None:
            body = json.dumps(content or {"error": "invalid_grant"}).encode()
            self.send_response(200 if content else 400)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            found.asked.append(self.path)
            if self.path == "/userinfo":
                self.answer(found.profile or found.claims)
            elif self.path == "/keys":
                public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(found.key.public_key()))
                self.answer({"keys": [{**public, "kid": "1", "alg": "RS256"}]})
            else:
                self.answer(found.discovery())

        def do_POST(self) -> None:
            found.asked.append(self.path)
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.answer(found.token({name: values[0] for name, values in parse_qs(text).items()}))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def query(url: str) -> dict[str, str]:
    """The parameters of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
