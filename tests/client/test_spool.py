"""Facts that wait on disk: in order, bounded, never lost, and not readable by others."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollbook.client import Client, RefusedError, SpoolBusyError, SpoolError, SpoolFullError
from tests.client.receiver import KEY, Planned, Receiver, fact, receiving

AWAY = "http://127.0.0.1:9"
"""Nobody listens on the port of `discard`."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def away(folder: Path, **options: object) -> Client:
    """A client whose server is away."""
    return Client(AWAY, KEY, spool=folder, retry_seconds=0, **options)  # type: ignore[arg-type]


def test_facts_wait_while_the_server_is_away_and_arrive_in_order_when_it_is_back(
    tmp_path: Path, receiver: Receiver
) -> None:
    with away(tmp_path, batch_facts_max=3) as client:
        assert client.send(fact(number) for number in range(7)).waiting == 7
        assert client.send([fact(7)]).waiting == 8
    with Client(receiver.url, KEY, spool=tmp_path) as client:
        assert client.waiting == 8
        receipt = client.send([fact(8)])
    assert list(receiver.facts) == [f"f{number}" for number in range(9)]
    assert (receipt.received, receipt.new, receipt.waiting) == (9, 9, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock"]


def test_flush_sends_what_waits(tmp_path: Path, receiver: Receiver) -> None:
    with away(tmp_path) as client:
        client.send([fact(1)])
    with Client(receiver.url, KEY, spool=tmp_path) as client:
        assert client.flush().new == 1
        assert client.flush().received == 0


def test_a_server_that_just_failed_is_left_in_peace(tmp_path: Path, receiver: Receiver) -> None:
    receiver.planned.append(Planned(503))
    with Client(receiver.url, KEY, spool=tmp_path, retry_seconds=0) as client:
        client.send([fact(1)])
        client.send([fact(2)])
        assert len(receiver.asked) == 1
        assert client.waiting == 2
        assert client.flush().new == 2


def test_what_waits_makes_room_before_anything_is_added_to_it(tmp_path: Path, receiver: Receiver) -> None:
    with away(tmp_path, spool_bytes_max=100) as client:
        client.send([fact(1)])
    with Client(receiver.url, KEY, spool=tmp_path, spool_bytes_max=100) as client:
        assert client.send([fact(2)]).new == 2


def test_a_full_spool_says_so_and_keeps_what_it_promised(tmp_path: Path, receiver: Receiver) -> None:
    with away(tmp_path, spool_bytes_max=200, batch_facts_max=1) as client:
        # Each line has 80 bytes: two fit into 200, the third does not.
        client.send([fact(1), fact(2)])
        with pytest.raises(SpoolFullError, match="raise spool_bytes_max"):
            client.send([fact(3)])
        assert client.waiting == 2
    with Client(receiver.url, KEY, spool=tmp_path) as client:
        client.flush()
    assert list(receiver.facts) == ["f1", "f2"]


def test_a_segment_leaves_only_after_its_2xx(tmp_path: Path, receiver: Receiver) -> None:
    with away(tmp_path, batch_facts_max=1) as client:
        client.send([fact(1), fact(2)])
    # The first is stored and the answer lost, at each attempt.
    receiver.planned.extend([Planned(0, store=True)])
    with Client(receiver.url, KEY, spool=tmp_path, retry_seconds=0) as client:
        assert client.flush().waiting == 2
        receipt = client.flush()
    assert (receipt.new, receipt.repeats, receipt.waiting) == (1, 1, 0)


def test_a_line_that_was_cut_off_is_not_sent_and_nothing_is_written_behind_it(
    tmp_path: Path, receiver: Receiver
) -> None:
    with away(tmp_path) as client:
        client.send([fact(1)])
    [segment] = tmp_path.glob("*.ndjson")
    with segment.open("ab") as file:
        file.write(b'{"id": "f2", "occ')
    with away(tmp_path) as client:
        assert client.waiting == 1
        client.send([fact(3)])
    with Client(receiver.url, KEY, spool=tmp_path) as client:
        client.flush()
    assert list(receiver.facts) == ["f1", "f3"]


def test_a_file_with_nothing_but_a_cut_line_is_cleared_away(tmp_path: Path, receiver: Receiver) -> None:
    (tmp_path / "000000000001.ndjson").write_bytes(b'{"id": ')
    with Client(receiver.url, KEY, spool=tmp_path) as client:
        assert client.flush().received == 0
    assert not list(tmp_path.glob("*.ndjson"))


def test_every_batch_is_synced_before_send_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync

    def noting(handle: int) -> None:
        real(handle)
        synced.append(os.fstat(handle).st_size)

    with away(tmp_path) as client:
        monkeypatch.setattr(os, "fsync", noting)
        client.send([fact(1)])
        client.send([fact(2)])
    # The folder with the new name, then the file with one line of 80 bytes, then with two.
    assert synced[1:] == [80, 160]


def test_a_disk_that_is_full_leaves_earlier_facts_and_promises_nothing(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write

    def half(handle: int, content: bytes) -> int:
        real(handle, bytes(content)[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    with away(tmp_path) as client:
        client.send([fact(1)])
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", half)
            with pytest.raises(SpoolError, match="No space left"):
                client.send([fact(2)])
        client.send([fact(3)])
    with Client(receiver.url, KEY, spool=tmp_path) as client:
        client.flush()
    assert list(receiver.facts) == ["f1", "f3"]


def test_one_batch_that_the_server_cannot_use_does_not_hold_up_the_others(tmp_path: Path, receiver: Receiver) -> None:
    with away(tmp_path, batch_facts_max=1) as client:
        client.send([fact(1), fact(2)])
    receiver.planned.append(Planned(422))
    with Client(receiver.url, KEY, spool=tmp_path) as client:
        receipt = client.flush()
        [aside] = receipt.set_aside
    assert list(receiver.facts) == ["f2"]
    assert b'"id":"f1"' in Path(aside).read_bytes()
    with Client(receiver.url, KEY, spool=tmp_path) as client:
        # It is counted no more, its number is not used again, and it is still there.
        assert client.waiting == 0
    assert Path(aside).exists()


def test_a_key_that_is_refused_loses_nothing(tmp_path: Path, receiver: Receiver) -> None:
    with away(tmp_path) as client:
        client.send([fact(1)])
    receiver.planned.append(Planned(401))
    with Client(receiver.url, KEY, spool=tmp_path) as client:
        with pytest.raises(RefusedError):
            client.flush()
        assert client.waiting == 1
        assert client.flush().new == 1


def test_rejected_facts_of_earlier_calls_are_told_by_their_ids(tmp_path: Path, receiver: Receiver) -> None:
    receiver.rejects = {"f2"}
    with away(tmp_path) as client:
        client.send([fact(1), fact(2)])
    with Client(receiver.url, KEY, spool=tmp_path) as client:
        [rejected] = client.flush().rejected
    assert (rejected.index, rejected.id) == (-1, "f2")


def test_a_folder_has_one_process_at_a_time(tmp_path: Path) -> None:
    with away(tmp_path) as client:
        client.send([fact(1)])
        call = f"from rollbook.client import Client; Client({AWAY!r}, 'k', spool={str(tmp_path)!r})"
        other = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True, timeout=60, check=False)
        assert "a folder of its own" in other.stderr
    with pytest.raises(SpoolBusyError), away(tmp_path), away(tmp_path):
        pass


def test_only_the_owner_can_read_what_waits(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    with away(folder) as client:
        client.send([fact(1)])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="look at its disk"):
        away(tmp_path / "file")


def test_threads_lose_nothing(tmp_path: Path, receiver: Receiver) -> None:
    receiver.planned.extend([Planned(503)] * 3)
    with Client(receiver.url, KEY, spool=tmp_path, retry_seconds=0, batch_facts_max=5) as client:

        def work(thread: int) -> None:
            for number in range(20):
                client.send([fact(thread * 100 + number)])

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        while client.flush().waiting:
            pass
    assert set(receiver.facts) == {f"f{thread * 100 + number}" for thread in range(4) for number in range(20)}


def test_after_a_server_was_found_away_nobody_waits_for_it_again(tmp_path: Path) -> None:
    with Client(AWAY, KEY, spool=tmp_path, retry_seconds=1.5) as client:
        client.send([fact(1)])
        began = time.monotonic()
        client.send([fact(2)])
        # It rests; and when that is over it is asked once.
        client._resting_until = 0.0
        client.send([fact(3)])
        assert time.monotonic() - began < 1
        assert client.waiting == 3


def test_retries_write_nothing_to_standard_output(tmp_path: Path) -> None:
    code = (
        "import structlog\nfrom rollbook.client import Client\n"
        f"with Client({AWAY!r}, {KEY!r}, spool={str(tmp_path)!r}, retry_seconds=1) as client:\n"
        "    client.send([{'id': '1', 'occurred_at': '2026-03-01T09:00:00Z', 'learner': 'ana', 'type': 'login'}])\n"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True, stderr=subprocess.DEVNULL) == ""
