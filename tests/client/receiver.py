"""A real HTTP server that takes facts as Rollbook's API does, and can be told to fail in any way."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "rbk_test_0123456789abcdef"


@dataclass
class Planned:
    """An answer instead of the right one."""

    status: int
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    store: bool = False


@dataclass
class Receiver:
    """What came in. `facts` is by id, in the order in which they first came; `batches` are the ids of each call."""

    facts: dict[str, dict[str, object]] = field(default_factory=dict)
    batches: list[list[str]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    planned: deque[Planned] = field(default_factory=deque)
    answers: dict[str, object] = field(default_factory=dict)
    rejects: set[str] = field(default_factory=set)
    url: str = ""

    def take(self, body: bytes) -> dict[str, object]:
        rows = [json.loads(line) for line in body.splitlines()]
        self.batches.append([row["id"] for row in rows])
        rejected = [
            {"index": index, "code": "invalid", "rule": "no", "remedy": "change it"}
            for index, row in enumerate(rows)
            if row["id"] in self.rejects
        ]
        good = [row for row in rows if row["id"] not in self.rejects]
        new = [row for row in good if row["id"] not in self.facts]
        self.facts.update({row["id"]: row for row in new})
        return {
            "received": len(rows),
            "new": len(new),
            "repeats": len(good) - len(new),
            "held": 0,
            "rejected": rejected,
        }


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - one class in a function
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self._answer("POST", body)

        def do_GET(self) -> None:
            self._answer("GET", b"")

        def _answer(self, method: str, body: bytes) -> None:
            receiver.asked.append((method, self.path))
            receiver.keys.append(self.headers.get("authorization", ""))
            if receiver.planned:
                self._fail(receiver.planned.popleft(), body)
            elif self.path == "/v1/facts":
                self._write(200, json.dumps(receiver.take(body)).encode(), {})
            else:
                self._write(200, json.dumps(receiver.answers[self.path]).encode(), {})

        def _fail(self, planned: Planned, body: bytes) -> None:
            if planned.store:
                receiver.take(body)
            if planned.status:
                self._write(planned.status, planned.body, planned.headers)
            else:
                self.close_connection = True
                self.connection.close()

        def _write(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """A server on loopback while the context lasts."""
    receiver = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(receiver))
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def fact(number: int, **more: object) -> dict[str, object]:
    """A login of its own id."""
    at = f"2026-03-01T09:{number // 60 % 60:02}:{number % 60:02}Z"
    return {"id": f"f{number}", "occurred_at": at, "learner": "ana", "type": "login", **more}
