"""What docs/server/ingest.md shows is what a server answers that runs as people run it; and it stays small."""

from __future__ import annotations

import gzip
import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from rollbook.server.access import principals, throttle
from rollbook.server.api import bodies, caliper, cloudevents, errors, facts, xapi, xapi_attachments
from rollbook.server.api.cloudevents import EXTENSIONS
from rollbook.server.configuration import SETTINGS
from rollbook.server.receiving.reading import DEPTH_MAX, DIGITS_MAX, NAME_LENGTH_MAX

from .operated import Operated, Serving

TEXT = (Path(__file__).parents[2] / "docs/server/ingest.md").read_text()
EXAMPLE = re.compile(r"```sh\n(.*?)```\n\n```json\n(.*?)```", re.DOTALL)
MAKE = """
from rollbook.server.access import keys
from rollbook.server.models import Customer, Organisation
north = Customer.objects.create(name="Northern Academy")
Organisation.objects.create(name="north", customer=north)
print(keys.make(name="docs", scopes=["facts:write"], customer=north)[1])
"""
COUNT = "from django.db import connection as c; k = c.cursor(); k.execute('select count(*) from fact'); print(k.fetchone()[0])"
MIB = 1024 * 1024


@dataclass(frozen=True)
class Served:
    made: Operated
    server: Serving
    key: str

    def headers(self, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"} | more

    def facts(self) -> int:
        return int(self.made.python(COUNT))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    made = Operated(folder, f"sqlite:///{folder}/rollbook.db")
    made.done("migrate")
    key = made.python(MAKE)
    with made.serving() as server:
        yield Served(made, server, key)


def test_the_examples_say_what_the_server_answers(served: Served) -> None:
    examples = EXAMPLE.findall(TEXT)
    assert len(examples) == TEXT.count("```sh")
    environment = {**os.environ, "ROLLBOOK_URL": served.server.url, "ROLLBOOK_KEY": served.key}
    for command, answer in examples:
        done = subprocess.run(
            ["/bin/sh", "-c", command], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout.strip() == answer.strip()
    assert served.facts() == 4  # a lesson, a course, a log-in, a statement


def test_the_codes_and_bounds_are_those_of_the_code() -> None:
    table = TEXT.split("| status | code |")[1]
    sources = [Path(str(it.__file__)).read_text() for it in (caliper, cloudevents, facts, xapi, errors)]
    sources += [Path(str(it.__file__)).read_text() for it in (xapi_attachments, bodies, principals, throttle)]
    said = set(re.findall(r"`([a-z0-9-]+)`", table)) - {"length"}
    assert {it for it in said if not any(f'"{it}"' in source for source in sources)} == set()
    refused = set(re.findall(r'refused\(\s*\d+, "([a-z0-9-]+)"', "".join(sources[:4]) + sources[6]))
    assert refused - said == set()
    assert f"nested at most {DEPTH_MAX} deep" in TEXT
    assert f"longer than {DIGITS_MAX} digits" in TEXT
    assert f"at most {NAME_LENGTH_MAX:,}\ncharacters" in TEXT
    defaults = {it.name: it.default for it in SETTINGS}
    assert f"`ROLLBOOK_BATCH_FACTS_MAX` facts ({int(defaults['ROLLBOOK_BATCH_FACTS_MAX']):,})" in TEXT
    assert f"`ROLLBOOK_BODY_MIB_MAX` MiB ({defaults['ROLLBOOK_BODY_MIB_MAX']})" in TEXT
    assert ", ".join(f"`{it}`" for it in ("organisation", *EXTENSIONS[1:])) in TEXT


def test_a_body_in_chunks_is_refused_in_words(served: Served) -> None:
    answer = httpx.post(f"{served.server.url}/v1/facts", content=iter([b"[", b"]"]), headers=served.headers())
    assert (answer.status_code, answer.json()["problems"][0]["code"]) == (411, "length-missing")


def test_a_body_that_does_not_come_whole_is_not_stored(served: Served) -> None:
    before = served.facts()
    parts = urlsplit(served.server.url)
    fact = {"id": "cut", "occurred_at": "2026-03-01T09:00:00Z", "type": "login", "learner": "ana"}
    data = json.dumps([fact]).encode()
    lines = [f"{name}: {value}\r\n" for name, value in served.headers(Host=parts.netloc).items()]
    head = f"POST /v1/facts HTTP/1.1\r\n{''.join(lines)}Content-Length: {len(data) + 9}\r\n\r\n"
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as raw:
        raw.sendall(head.encode() + data)
        raw.shutdown(socket.SHUT_WR)
        raw.makefile("rb").read()
    assert served.facts() == before


def memory_mib(process: int) -> float:
    """The largest resident memory that a process and its children ever had."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return max([int(peak[1]) / 1024 if peak else 0.0, *(memory_mib(int(it)) for it in children)])


def test_hostile_bodies_do_not_make_the_server_large(served: Served) -> None:
    before = served.facts()
    url = f"{served.server.url}/v1/facts"
    httpx.post(url, content=b"[" + b"{}," * 9_000 + b"{}]", headers=served.headers(), timeout=120)
    usual = memory_mib(served.server.process.pid)
    bomb = gzip.compress(bytes(2048 * MIB), 1)
    for content, headers, status in (
        (bomb, served.headers(**{"Content-Encoding": "gzip"}), 413),
        (b"[" + b"1," * (15 * MIB) + b"1]", served.headers(), 413),
        (b"[" + b"[" * (30 * MIB), served.headers(), 400),
        (b"1\n" * (15 * MIB), served.headers(**{"Content-Type": "application/x-ndjson"}), 413),
        (b'{"id":"' + b"x" * (31 * MIB) + b'"}', served.headers(), 200),
        (b"[" + b"[]," * 900_000 + b"1]", served.headers(), 413),
    ):
        answer = httpx.post(url, content=content, headers=headers, timeout=120)
        assert answer.status_code == status, answer.text[:300]
    # Of a body of 32 MiB a few copies are held, and a million values before they are counted.
    assert memory_mib(served.server.process.pid) - usual < 300
    assert served.facts() == before
