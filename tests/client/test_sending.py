"""What `send` does when all is well, and when the server fails in each way that it can."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from rollbook import Fact, UsageError
from rollbook.client import Client, ClientError, RefusedError, UnavailableError
from tests.client.receiver import KEY, Planned, Receiver, fact, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def client(receiver: Receiver) -> Iterator[Client]:
    with Client(receiver.url, KEY, retry_seconds=5) as made:
        yield made


def test_facts_arrive_in_order_and_the_receipt_adds_up(client: Client, receiver: Receiver) -> None:
    receipt = client.send(fact(number) for number in range(5))
    assert list(receiver.facts) == ["f0", "f1", "f2", "f3", "f4"]
    assert (receipt.received, receipt.new, receipt.repeats, receipt.waiting) == (5, 5, 0, 0)
    assert receiver.keys == [f"Bearer {KEY}"]


def test_sending_again_changes_nothing(client: Client, receiver: Receiver) -> None:
    client.send([fact(1), fact(2)])
    assert client.send([fact(1), fact(2), fact(3)]).repeats == 2
    assert len(receiver.facts) == 3


def test_a_fact_object_says_the_same_as_its_mapping(client: Client, receiver: Receiver) -> None:
    at_us = 1_772_355_600_000_000  # 2026-03-01T09:00:00Z
    client.send([Fact(id="7", at_us=at_us, type="login", learner="zoë", recorded_us=at_us + 1)])
    assert receiver.facts["7"] == {
        "id": "7",
        "occurred_at": "2026-03-01T09:00:00Z",
        "recorded_at": "2026-03-01T09:00:00.000001Z",
        "type": "login",
        "learner": "zoë",
        "role": "learner",
    }


def test_batches_hold_as_many_facts_as_one_call_may_carry(receiver: Receiver) -> None:
    with Client(receiver.url, KEY, batch_facts_max=2) as client:
        client.send(fact(number) for number in range(5))
    assert receiver.batches == [["f0", "f1"], ["f2", "f3"], ["f4"]]


def test_batches_hold_as_many_bytes_as_one_call_may_carry(receiver: Receiver) -> None:
    size = len(b'{"id":"f0","occurred_at":"2026-03-01T09:00:00Z","learner":"ana","type":"login"}\n')
    with Client(receiver.url, KEY, batch_bytes_max=2 * size) as client:
        client.send(fact(number) for number in range(3))
    assert receiver.batches == [["f0", "f1"], ["f2"]]


def test_nothing_is_asked_for_no_facts(client: Client, receiver: Receiver) -> None:
    assert client.send([]).received == 0
    assert receiver.asked == []


def test_rejected_facts_are_told_with_their_place_in_the_whole_call(receiver: Receiver) -> None:
    receiver.rejects = {"f3"}
    with Client(receiver.url, KEY, batch_facts_max=2) as client:
        receipt = client.send(fact(number) for number in range(4))
    [rejected] = receipt.rejected
    # f3 is the second of the second batch: index 1 there, 3 among all.
    assert (rejected.index, rejected.id, rejected.remedy) == (3, "f3", "change it")
    assert (receipt.received, receipt.new, receipt.rejected_facts) == (4, 3, 1)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_fails_for_a_moment_is_asked_again(client: Client, receiver: Receiver, status: int) -> None:
    receiver.planned.append(Planned(status))
    assert client.send([fact(1)]).new == 1
    assert len(receiver.asked) == 2


def test_a_connection_that_breaks_after_the_facts_were_stored_leaves_them_stored_once(
    client: Client, receiver: Receiver
) -> None:
    receiver.planned.append(Planned(0, store=True))
    assert client.send([fact(1)]).repeats == 1
    assert list(receiver.facts) == ["f1"]


def test_the_pause_is_as_long_as_the_server_asks(client: Client, receiver: Receiver) -> None:
    receiver.planned.append(Planned(429, headers={"retry-after": "1"}))
    began = time.monotonic()
    client.send([fact(1)])
    assert time.monotonic() - began >= 1


def test_a_pause_may_be_asked_for_as_a_date(client: Client, receiver: Receiver) -> None:
    # Dates have whole seconds: two seconds ahead are at least one.
    receiver.planned.append(Planned(503, headers={"retry-after": formatdate(time.time() + 2, usegmt=True)}))
    began = time.monotonic()
    client.send([fact(1)])
    assert time.monotonic() - began >= 0.9


def test_who_asks_for_more_patience_than_there_is_counts_as_away_at_once(client: Client, receiver: Receiver) -> None:
    receiver.planned.append(Planned(503, headers={"retry-after": "3600"}))
    began = time.monotonic()
    with pytest.raises(UnavailableError) as raised:
        client.send([fact(1)])
    assert time.monotonic() - began < 2
    assert raised.value.after_seconds == 3600


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_a_refusal_is_never_repeated_and_is_told_in_the_servers_words(
    client: Client, receiver: Receiver, status: int
) -> None:
    body = b'{"problems": [{"code": "x", "place": "key", "rule": "the key is revoked", "remedy": "ask for another"}]}'
    receiver.planned.append(Planned(status, body))
    with pytest.raises(RefusedError, match="the key is revoked; ask for another") as raised:
        client.send([fact(1)])
    assert raised.value.status == status
    assert len(receiver.asked) == 1


def test_a_redirection_is_not_followed_because_it_would_take_the_key_along(client: Client, receiver: Receiver) -> None:
    receiver.planned.append(Planned(307, headers={"location": f"{receiver.url}/elsewhere"}))
    with pytest.raises(RefusedError, match="https"):
        client.send([fact(1)])
    assert receiver.asked == [("POST", "/v1/facts")]


def test_an_answer_that_does_not_account_for_every_fact_is_no_receipt(client: Client, receiver: Receiver) -> None:
    receiver.planned.append(Planned(200, b'{"received": 1}'))
    with pytest.raises(ClientError, match="1 of 2 facts"):
        client.send([fact(1), fact(2)])


def test_a_page_of_some_other_server_is_no_receipt(client: Client, receiver: Receiver) -> None:
    receiver.planned.append(Planned(200, b"<html>welcome to the hotel</html>"))
    with pytest.raises(ClientError, match="cannot be read"):
        client.send([fact(1)])


def test_without_a_server_and_without_a_spool_the_caller_is_told() -> None:
    with receiving() as gone:
        url = gone.url
    with Client(url, KEY, retry_seconds=0.3) as client, pytest.raises(UnavailableError, match="does not answer"):
        client.send([fact(1)])


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        ({"type": "login"}, "has no id"),
        ({"id": "", "type": "login"}, "has no id"),
        ({"id": 7, "type": "login"}, "has no id"),
        ("login", "is no fact"),
        ({"id": "1", "learner": object()}, "cannot be written as JSON"),
        ({"id": "1", "learner": "\ud800"}, "cannot be written as JSON"),
        ({"id": "1", "attributes": "x" * 9_000_000}, "more than one call carries"),
    ],
)
def test_what_is_no_fact_is_told_with_its_place_and_without_its_content(
    client: Client, receiver: Receiver, bad: object, rule: str
) -> None:
    with pytest.raises(UsageError, match=rule) as raised:
        client.send([fact(1), bad])  # type: ignore[list-item]
    assert raised.value.problems[0].place == "facts[1]"
    assert "xxx" not in str(raised.value)
    assert receiver.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "rollbook.example.org",
        "ftp://rollbook.example.org",
        "https://",
        "https://me:pw@example.org",
        "https://x:99999",
        "https://example.org/?a=1",
        "https://[::1",
    ],
)
def test_an_address_that_is_none_is_told_at_once(url: str) -> None:
    with pytest.raises(UsageError, match="no address"):
        Client(url, KEY)


def test_a_key_goes_over_plain_http_to_this_machine_only_unless_allowed() -> None:
    with pytest.raises(UsageError, match="could read the key"):
        Client("http://rollbook.example.org", KEY)
    Client("http://rollbook.example.org", KEY, allow_plain_http=True).close()
    Client("http://[::1]:8000", KEY).close()
    Client("http://localhost:8000", KEY).close()


@pytest.mark.parametrize("key", ["", "two words", "schlüssel", "line\nfeed"])
def test_a_key_that_no_header_can_carry_is_told_without_repeating_it(key: str) -> None:
    with pytest.raises(UsageError, match="no API key") as raised:
        Client("https://rollbook.example.org", key)
    assert not key or key not in str(raised.value)
