"""`rollbook check`: what a plan or a subscription means, or everything that is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollbook.plans import PLAN_FILE, folder, published

from .calls import call, raw_controls

GOOD_PLAN = """\
id = "ours"
title = "Our own"

[meter]
counts = ["login", "session.entered"]
minimum = 2
exempt = [{ role = "admin" }]

[window]
kind = "days"
length_days = 30
"""

GOOD_SUBSCRIPTION = """\
plan = "wisenet-elearning"
customer = "Acme"
organisations = ["north"]
start = 2026-01-01
end = 2026-07-01
zone = "Australia/Melbourne"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file.toml"


def test_a_plan_is_said_in_words(file: Path) -> None:
    file.write_text(GOOD_PLAN)
    ran = call("check", str(file))
    assert ran.out.startswith(
        "Our own (ours)\n"
        "counts:  learners with login or session.entered, at least 2 times; not as admin\n"
        "windows: 30 days each, days left over in the last\n"
        "Allowance: what is bought, for each window; what it leaves over ends with it\n"
    )
    assert (ran.code, ran.err) == (0, "")


def test_a_subscription_is_said_in_words_with_its_plan(file: Path) -> None:
    file.write_text(GOOD_SUBSCRIPTION)
    ran = call("check", str(file))
    lines = ran.out.splitlines()
    assert lines[0] == (
        "Acme · Wisenet, Active Elearning Learners (wisenet-elearning) · "
        "2026-01-01 until 2026-07-01 (excluded) · Australia/Melbourne"
    )
    [counts] = [line for line in lines if line.startswith("counts:")]
    assert counts.startswith("counts:  learners from enrolment.enabled until enrolment.disabled or enrolment.ended; ")
    assert "windows: calendar months" in lines
    assert "window 6: 2026-06-01 until 2026-07-01 (excluded)" in lines
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize("plan", published(), ids=lambda plan: plan.id)
def test_every_published_plan_is_right(plan) -> None:
    ran = call("check", str(folder(plan.id) / PLAN_FILE))
    assert (ran.code, ran.err) == (0, "")
    assert f"({plan.id})" in ran.out


def test_a_subscription_names_a_plan_beside_it(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(GOOD_PLAN)
    (tmp_path / "acme.toml").write_text('plan = "plan.toml"\nstart = 2026-01-31\n')
    ran = call("check", str(tmp_path / "acme.toml"))
    assert "Our own (ours) · 2026-01-31 until 2027-01-31 (excluded) · UTC" in ran.out


def test_an_unknown_type_is_advice_and_no_mistake(file: Path) -> None:
    file.write_text(GOOD_PLAN.replace('"login"', '"logn"'))
    ran = call("check", str(file))
    assert ran.code == 0
    assert '"logn" is not one of the known types (nearest: login)' in ran.err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("minimum = 2", "minimun = 2", ("meter.minimun", "(nearest: minimum)")),
        ("minimum = 2", "minimum = 0", ("meter.minimum",)),
        ("minimum = 2", 'minimum = "2"', ("meter.minimum",)),
        ('kind = "days"', 'kind = "weeks"', ("window.kind", "calendar-month")),
        ("length_days = 30", "", ("window.length_days",)),
        ('"admin"', '"admins"', ("role", "(nearest: admin)")),
        ('counts = ["login", "session.entered"]', "", ("meter: ", "counts or holds")),
        ("[window]", "[windows]", ("windows", "the table [window] is missing")),
        ('id = "ours"', "id = ours", ("this is not TOML",)),
        (GOOD_PLAN, "", ("id is missing", "title is missing", "[meter] is missing", "[window] is missing")),
    ],
)
def test_everything_that_is_wrong_with_a_plan_is_said_at_its_key(
    file: Path, old: str, new: str, said: tuple[str, ...]
) -> None:
    file.write_text(GOOD_PLAN.replace(old, new))
    ran = call("check", str(file))
    assert (ran.code, ran.out) == (2, "")
    assert str(file) in ran.err
    for words in said:
        assert words in ran.err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("wisenet-elearning", "wisenet-elaerning", ("(nearest: wisenet-elearning)",)),
        ("wisenet-elearning", "nowhere.toml", ("nowhere.toml", "there is no such file")),
        ("2026-01-01", '"2026-01-01"', ("start", "without quotes")),
        ("2026-07-01", "2025-07-01", ("end", "before it starts on 2026-01-01")),
        ("Australia/Melbourne", "Mars/Phobos", ('there is no time zone "Mars/Phobos"',)),
        ('["north"]', "[]", ("organisations", "no organisation is named")),
        ("customer", "costumer", ("costumer", "(nearest: customer)")),
        ('zone = "Australia/Melbourne"', "anchor = 2026-01-31", ("anchor", "have no anchor day")),
    ],
)
def test_everything_that_is_wrong_with_a_subscription_is_said_at_its_key(
    file: Path, old: str, new: str, said: tuple[str, ...]
) -> None:
    file.write_text(GOOD_SUBSCRIPTION.replace(old, new))
    ran = call("check", str(file))
    assert (ran.code, ran.out) == (2, "")
    for words in said:
        assert words in ran.err


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"id,occurred_at\n1,2\n", b"[[[[[["])
def test_what_is_no_plan_at_all_is_said_in_words(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    ran = call("check", str(file))
    assert (ran.code, ran.out) == (2, "")
    assert str(file) in ran.err


def test_a_file_that_is_not_there_and_a_folder_are_said_in_words(tmp_path: Path) -> None:
    missing = call("check", str(tmp_path / "nowhere.toml"))
    assert (missing.code, "there is no such file" in missing.err) == (2, True)
    folder_ = call("check", str(tmp_path))
    assert (folder_.code, "cannot be read" in folder_.err) == (2, True)
    assert call("check").code == 2


def test_text_of_a_plan_cannot_write_to_the_terminal(file: Path) -> None:
    file.write_text(
        GOOD_PLAN.replace("Our own", r"\u001b[31m[bold]Our[/]\u009b2J").replace('"login"', r'"log\u001b[2Jin"')
    )
    ran = call("check", str(file))
    assert ran.code == 0
    assert "[bold]Our[/]" in ran.out
    assert raw_controls(ran.out + ran.err) == set()


@pytest.mark.parametrize(
    "text",
    [
        GOOD_SUBSCRIPTION.replace("Acme", "Acme [meter] Ltd"),
        GOOD_SUBSCRIPTION.replace("plan =", '"plan" ='),
        "\ufeff" + GOOD_SUBSCRIPTION,
    ],
    ids=["a name with brackets", "a quoted key", "a byte order mark"],
)
def test_a_subscription_is_known_however_it_is_written(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    assert call("check", str(file)).code == 0


def test_prices_are_said_in_words_and_so_are_their_cliffs(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    tiers = "[{ first = 1, rate = 6.50 }, { first = 10, rate = 4 }]"
    plan.write_text(
        'id = "ours"\ntitle = "Ours"\n[meter]\ncounts = ["login"]\n[window]\nkind = "calendar-month"\n'
        f'[tariff]\ncurrency = "EUR"\n[tariff.overage]\nshape = "volume"\ntiers = {tiers}\n'
    )
    ran = call("check", str(plan))
    assert ran.code == 0
    assert "beyond the allowance: €6.50 from 1 on, €4.00 from 10 on; all at the rate reached" in ran.out
    # 9 x 6.50 = 58.50, and 10 x 4 = 40.
    assert "note: beyond the allowance: 9 cost €58.50, and 10 would cost €40.00" in ran.err
