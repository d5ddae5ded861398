"""How often a key and a person may call, in one process and in several."""

from __future__ import annotations

import pytest
from django.db import connection

from rollbook.server import clock
from rollbook.server.access import throttle
from rollbook.server.models import Throttle
from rollbook.server.refusals import RefusedError
from tests.server import callers
from tests.server.world import customer

pytestmark = pytest.mark.usefixtures("ledger")


@pytest.fixture
def minute(monkeypatch):
    """A clock that stands ten seconds after a minute began; nothing was counted before."""
    now = [(1_800_000_000 // 60 * 60 + 10) * 10**9]
    monkeypatch.setattr(clock, "source_ns", lambda: now[0])
    monkeypatch.setattr(throttle, "_CALLS", {})
    return now


@pytest.fixture
def rate(settings):
    def to(calls: int, setting: str = "ROLLBOOK_RATE_PER_MINUTE") -> None:
        values = {**settings.CONFIGURATION.values, setting: calls}
        settings.CONFIGURATION = settings.CONFIGURATION.__class__(values)

    return to


def let_through(calls: int, key: int = 1) -> int:
    """How many of so many calls were let through."""
    passed = 0
    for _ in range(calls):
        try:
            throttle.count_call(throttle.KEY, key)
        except RefusedError:
            continue
        passed += 1
    return passed


class Processes:
    """Several processes that share the table: each has counts of its own."""

    def __init__(self, monkeypatch) -> None:
        self.monkeypatch, self.known = monkeypatch, {}

    def run(self, number: int) -> None:
        self.monkeypatch.setattr(throttle, "_CALLS", self.known.setdefault(number, {}))


def test_a_key_is_refused_beyond_its_rate_until_the_minute_is_over(minute, rate):
    rate(3)
    caller = callers.by_key("usage:read")
    assert [caller.get("/customers").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    refused = caller.get("/customers")
    # The minute began 10 seconds ago; rounded up to whole seconds.
    assert refused["Retry-After"] == "51"
    minute[0] += 50 * 10**9
    assert caller.get("/customers").status_code == 200


@pytest.mark.usefixtures("minute")
def test_keys_are_limited_each_by_itself(rate):
    rate(2)
    assert [let_through(5, 1), let_through(5, 2)] == [2, 2]


@pytest.mark.usefixtures("minute")
@pytest.mark.parametrize("calls", [1, 2, 49, 50, 51, 100, 1000])
def test_one_process_lets_through_exactly_the_rate(rate, calls):
    rate(calls)
    assert let_through(calls + 10) == calls


@pytest.mark.usefixtures("minute")
def test_several_processes_exceed_it_by_a_fiftieth_each_at_most(rate, monkeypatch):
    rate(1000)
    processes = Processes(monkeypatch)
    passed = 0
    for _ in range(400):
        for number in range(4):
            processes.run(number)
            passed += let_through(1)
    # 1,600 calls in turn. Each of four processes keeps at most 1000 / 50 = 20 calls to itself.
    assert 1000 <= passed <= 1000 + 4 * 20


def test_a_process_learns_of_the_others_within_a_second(minute, rate, monkeypatch):
    rate(1000)
    processes = Processes(monkeypatch)
    processes.run(1)
    assert let_through(1) == 1
    processes.run(2)
    assert let_through(1500) == 1000 - 1
    processes.run(1)
    minute[0] += 10**9
    # The first call after a second asks the table, finds the rate used up, and is refused.
    assert let_through(5) == 0


@pytest.mark.usefixtures("minute")
def test_most_calls_write_nothing(rate, django_assert_max_num_queries):
    rate(5000)
    # 1,000 calls, told 101 at a time: the first by itself, and then ten times.
    with django_assert_max_num_queries(11):
        assert let_through(1000) == 1000


@pytest.mark.usefixtures("minute")
def test_what_is_refused_writes_nothing(rate, django_assert_max_num_queries):
    rate(10)
    let_through(20)
    with django_assert_max_num_queries(0):
        assert let_through(1000) == 0


def test_one_row_a_key_is_all_that_is_kept(minute, rate):
    rate(100)
    for _ in range(3):
        let_through(10, 1)
        let_through(10, 2)
        minute[0] += 60 * 10**9
    assert Throttle.objects.count() == 2


@pytest.mark.usefixtures("minute")
def test_a_person_is_limited_in_all_their_browsers_together_and_by_themselves(rate):
    rate(4, "ROLLBOOK_USER_RATE_PER_MINUTE")
    mine = customer()
    here, there, other = callers.viewer(mine), callers.viewer(mine), callers.administrator(mine)
    # Two browsers of the viewer take turns: four of eight calls are the rate. The administrator's are their own.
    assert [it.get("/customers").status_code for it in (here, there) * 4] == [200] * 4 + [429] * 4
    assert other.get("/customers").status_code == 200
    refused = here.get("/customers")
    assert int(refused["Retry-After"]) == 51
    assert "signed in" in refused.json()["problems"][0]["rule"]


@pytest.mark.usefixtures("minute")
def test_pages_and_the_api_are_counted_together_for_whoever_is_signed_in(rate):
    rate(3, "ROLLBOOK_USER_RATE_PER_MINUTE")
    caller = callers.operator()
    assert [caller.client.get("/account").status_code for _ in range(2)] == [200, 200]
    assert caller.get("/customers").status_code == 200
    refused = caller.client.get("/account")
    assert (refused.status_code, refused["Retry-After"]) == (429, "51")
    assert "text/html" in refused["Content-Type"]


@pytest.mark.usefixtures("minute")
def test_a_key_and_a_person_of_the_same_number_do_not_count_for_each_other(rate):
    rate(1)
    rate(1, "ROLLBOOK_USER_RATE_PER_MINUTE")
    throttle.count_call(throttle.KEY, 7)
    throttle.count_call(throttle.USER, 7)
    with pytest.raises(RefusedError, match="signed in"):
        throttle.count_call(throttle.USER, 7)


def test_counting_is_one_statement_of_the_database():
    since = 1_800_000_000
    assert [throttle.add("key", 7, since, 2), throttle.add("key", 7, since, 3), throttle.add("key", 7, since + 60)] == [
        2,
        5,
        1,
    ]
    assert connection.in_atomic_block is False
