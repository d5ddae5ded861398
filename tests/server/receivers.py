"""Real receivers on the loopback interface: of webhooks over HTTP(S), and of mail over SMTP. Each ends with its test."""

# ruff: noqa: ARG002, N802, N815 - names and shapes that the servers ask for

from __future__ import annotations

import datetime as dt
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Webhooks:
    """What came, and how each is answered: the statuses in turn, the last for ever; or `answer`, which does it all."""

    url: str = ""
    statuses: list[int] = field(default_factory=lambda: [204])
    headers: dict[str, str] = field(default_factory=dict)
    answer: Answer | None = None
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128  # several workers call at once

    def handle_error(self, *_: Any) -> None:
        """Whoever hangs up is no news."""


@contextmanager
def webhooks(context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Webhooks]:
    """A receiver of webhooks."""
    state = Webhooks()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            state.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            state.paths.append(self.path)
            if state.answer:
                with suppress(OSError):
                    state.answer(self)
                state.ended.set()
                return
            status = state.statuses.pop(0) if len(state.statuses) > 1 else state.statuses[0]
            self.send_response(status)
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = _Quiet(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    state.url = f"{'https' if context else 'http'}://{host}:{server.server_address[1]}/hook"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def endless_body(handler: BaseHTTPRequestHandler) -> None:
    """Says 200 and never stops talking."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65_536)


def endless_headers(handler: BaseHTTPRequestHandler) -> None:
    """Never comes to the body."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"x-more: " + b"y" * 1000 + b"\r\n")


def slow_drip(handler: BaseHTTPRequestHandler) -> None:
    """A byte of the answer now and then, each sooner than any time-out."""
    for byte in b"HTTP/1.1 200 OK\r\nx-more: " + b"y" * 100_000:
        handler.wfile.write(bytes([byte]))
        time.sleep(0.05)


def not_http(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"hello, this is no HTTP\r\n\r\n")


def certificate(folder: Path, host: str) -> tuple[ssl.SSLContext, Path]:
    """What a server of this host needs, and the file that says whom to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    today = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, secret = folder / "trusted.pem", folder / "key.pem"
    trusted.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, secret)
    return context, trusted


@dataclass
class Mailbox:
    """Mail that came; `refuse` is what the server answers instead, while it is set."""

    port: int = 0
    refuse: str = ""
    came: list[tuple[list[str], EmailMessage]] = field(default_factory=list)

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        parsed = message_from_bytes(bytes(envelope.content or b""), policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        self.came.append((list(envelope.rcpt_tos), parsed))
        return "250 OK"


class _AnyPort(Controller):
    """Listens on a port that is free, and says which."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A mail server."""
    state = Mailbox()
    controller = _AnyPort(state, hostname="127.0.0.1", port=0)
    controller.start()
    try:
        state.port = controller.port
        yield state
    finally:
        controller.stop()
