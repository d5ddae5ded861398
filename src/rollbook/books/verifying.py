"""Verifies a bundle: everything that it says is recounted from facts, by both readings, and compared line by line.

Digests alone would show that somebody was careless. Whoever changes a figure and every digest after it is found by the
recount; whoever invents facts as well, by recounting from facts of one's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

from rollbook.accounting.agreed import agreed, differences
from rollbook.books.archive import Opened, opened
from rollbook.books.closing import closes_us
from rollbook.books.evidence import FACT_CELLS, Row, Sealed, write_evidence
from rollbook.books.own_facts import unlike_facts
from rollbook.books.recount import Recount, recount, unlike_evidence
from rollbook.books.tables import keep_facts_csv, read_evidence_csv, read_facts_csv
from rollbook.engines.duckdb import assumed_members
from rollbook.errors import BookError, Problem
from rollbook.intake import FactStore, ReadOptions, read_facts
from rollbook.ledger import opened as opened_facts
from rollbook.metering import calendar
from rollbook.model.subscription import Subscription
from rollbook.proof.digests import canonical_record, canonical_row, digest
from rollbook.proof.shapes import instant
from rollbook.proof.terms import subscription_of
from rollbook.proof.verdict import Check, Verdict, check, unlike

REFERENCE_FACTS_MAX = 20_000
"""Up to so many facts the reference counts as well; it holds every fact as an object."""

_HEADING = ("format", "customer", "organisations", "assumed", "plan", "plans", "term", "window", "as_of", "currency")

_AT = FACT_CELLS.index("at_us")

_SIDES = ("the statement", "the recount")


def verify(bundle: Path, facts: Sequence[str] = (), options: ReadOptions | None = None) -> Verdict:
    """What holds of a bundle and what differs.

    facts    one's own, to recount from instead of the bundle's
    options  how those are to be read

    Raises BookError where the bundle cannot be read, and what `read_facts` raises for wrong options.
    """
    with opened(bundle) as content:
        subscriptions = [
            subscription_of(record, content.plans, place)
            for record, place in zip(content.records, content.places, strict=True)
        ]
        sealed = _sealed(content)
        checks = [
            check("files", "each against its digest in SHA256SUMS", content.changed),
            check(
                "chain",
                f"{_counted(len(content.records), 'statement')}, each with the digest of the one before",
                _chain(content),
            ),
            check(
                "terms",
                "what was agreed, in every statement and by the plans' own texts",
                _terms(content, subscriptions),
            ),
            _facts(content),
            check("seals", "every row of evidence, against the root of its statement", _roots(content, sealed)),
        ]
        with read_facts([str(content.facts)]) as bundled:
            checks.append(check("rows", f"{_counted(bundled.facts, 'fact')} that can be used", _unusable(bundled)))
            if facts:
                with opened_facts(list(facts), options) as own:
                    problems = own.problems
                    checks += [
                        check("your rows", f"{_counted(own.facts, 'fact')} that can be used", _unusable(own)),
                        check(
                            "your facts",
                            "against those of the bundle",
                            unlike_facts(own, bundled, subscriptions[-1], content.records[-1], content.folder),
                        ),
                    ]
                    if problems.files and not own.rows:
                        raise BookError(problems.files)
                    checks += _earlier(content, subscriptions, bundled)
                    checks += _recounted(content, subscriptions[-1], own)
            else:
                checks += _earlier(content, subscriptions, bundled)
                checks += _recounted(content, subscriptions[-1], bundled)
        digests = {f"statement {it['number']}": digest(canonical_record(it)) for it in content.records}
        return Verdict(f"{bundle}: statement {content.records[-1]['number']}", digests, tuple(checks))


def _chain(content: Opened) -> Iterator[str]:
    """Numbers, digests of the one before, and that each says the same about whose it is."""
    before: str | None = None
    last = content.records[-1]
    for number, (record, place) in enumerate(zip(content.records, content.places, strict=True), 1):
        if record["number"] != number:
            yield f"{place} is numbered {record['number']}"
        if record["previous"] != before:
            yield f"{place} does not follow the one before: one of the two was changed after the close"
        for name in ("customer", "term", "currency"):
            # Before a term has prices, its statements have no currency.
            if record[name] != last[name] and (name, record[name]) != ("currency", ""):
                yield f"{place}: {name} is {record[name]}, and later {last[name]}"
        before = digest(canonical_record(record))


def _terms(content: Opened, subscriptions: Sequence[Subscription]) -> Iterator[str]:
    """Each record says what its plan and prices say; each later one agrees; windows were closed in order, in time."""
    last = subscriptions[-1]
    windows = list(calendar.windows(last))
    for index, (record, place) in enumerate(zip(content.records, content.places, strict=True)):
        until_us = instant(record["window"]["end"]) if record["window"] else last.end_us
        stated = subscriptions[index]
        yield from (f"{place}: {it}" for it in unlike(record["agreed"], agreed(stated, until_us), "agreed"))
        for name in differences(record["agreed"], agreed(last, until_us)):
            yield f"{place}: {name} is not what the last statement says of the same time"
        expected = windows[index].number if index < len(windows) else None
        if (record["window"] or {}).get("number") != expected:
            yield f"{place}: it does not close window {expected}" if expected else f"{place}: every window is closed"
        elif expected and instant(record["as_of"]) < closes_us(stated, windows[index]):
            yield f"{place}: window {expected} was closed before its end, or before its grace was over"
        if index and instant(record["as_of"]) < instant(content.records[index - 1]["as_of"]):
            yield f"{place}: it knows less time than the statement before it"


def _facts(content: Opened) -> Check:
    """The facts of each statement are those that it was closed with."""
    hashes = [hashlib.sha256() for _ in content.records]
    counts = [0] * len(hashes)
    found = []
    for number, row in read_facts_csv(content.facts):
        if not 1 <= number <= len(hashes):
            found.append(f"fact {row[1]} came with a statement {number} that is not there")
            continue
        if int(str(row[_AT])) >= instant(content.records[number - 1]["as_of"]):
            found.append(f"fact {row[1]} happened after the instant up to which {content.places[number - 1]} counts")
        hashes[number - 1].update(canonical_row(row) + b"\n")
        counts[number - 1] += 1
    for record, place, hashed, count in zip(content.records, content.places, hashes, counts, strict=True):
        if record["facts"]["rows"] != count:
            found.append(f"{place} came with {record['facts']['rows']:,} facts, and here are {count:,}")
        elif record["facts"]["digest"] != hashed.hexdigest():
            found.append(f"{place}: some fact that came with it was changed, or they stand in another order")
    return check("facts", f"{_counted(sum(counts), 'fact')}, against the digests in the statements", found)


@dataclass(frozen=True, slots=True)
class _Evidence:
    """The rows of one statement's evidence, in a file, and their root."""

    path: Path
    sealed: Sealed


def _sealed(content: Opened) -> list[_Evidence]:
    """The evidence of each statement, by the secret of each."""
    rows = read_evidence_csv(content.evidence)
    waiting: list[tuple[int, Row]] = []

    def of(number: int) -> Iterator[Row]:
        for item in chain(waiting[:], rows):
            waiting[:] = [item]
            if item[0] != number:
                return
            waiting.clear()
            yield item[1]

    found = []
    for number in range(1, len(content.records) + 1):
        path = content.folder / f"{number:06}.stated.parquet"
        found.append(_Evidence(path, write_evidence(of(number), path, content.secrets[number])))
    if waiting:
        rule = f"a row of statement {waiting[0][0]} stands where none can be"
        raise BookError(Problem(content.evidence.name, rule, "ask for the bundle again"))
    return found


def _roots(content: Opened, found: Sequence[_Evidence]) -> Iterator[str]:
    for record, place, it in zip(content.records, content.places, found, strict=True):
        if (record["evidence"]["rows"], record["evidence"]["root"]) != (it.sealed.rows, it.sealed.seal):
            yield (
                f"{place}: root {record['evidence']['root'][:16]}… over {record['evidence']['rows']:,} rows; "
                f"evidence.csv gives {it.sealed.seal[:16]}… over {it.sealed.rows:,}"
            )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _unusable(store: FactStore) -> Iterator[str]:
    yield from map(str, (*store.problems.files, *store.problems))
    if store.duplicates:
        yield f"{store.duplicates:,} facts stand there twice"


def _earlier(content: Opened, subscriptions: Sequence[Subscription], bundled: FactStore) -> Iterator[Check]:
    """Each statement before the last against a recount from the facts that it and those before it came with.

    The last one books the difference to what they say: a figure that was changed in one would come back in it.
    """
    with ExitStack() as held:
        known: dict[int, FactStore] = {}
        for number, stated in enumerate(content.records[:-1], 1):
            upto = max((it for it in range(1, number + 1) if content.records[it - 1]["facts"]["rows"]), default=0)
            if not any(record["facts"]["rows"] for record in content.records[number:]):
                known[upto] = bundled
            elif upto not in known:
                known.clear()
                held.close()
                path = content.folder / f"{number:06}.facts.csv"
                keep_facts_csv(content.facts, path, number)
                known[upto] = held.enter_context(read_facts([str(path)]))
            found = _recount_of(content, number, "duckdb", subscriptions[number - 1], known[upto])
            figures = [
                {**record, "charges": [*map(_plain_rates, record["charges"])]} for record in (stated, found.record)
            ]
            before, now = ({name: it for name, it in record.items() if name != "rejected"} for record in figures)
            evidence = content.folder / f"{number:06}.stated.parquet"
            total = (
                f"{found.record['total']} {found.record['currency']}" if found.record["total"] else "no price is known"
            )
            active = sum(it["active"] for it in found.record["consumption"])
            yield check(
                f"statement {number}",
                f"{active:,} active, {total}: recounted from the facts it was closed with",
                [*unlike(before, now, "record"), *unlike_evidence(evidence, found.evidence, _SIDES)],
            )


def _recount_of(content: Opened, number: int, engine: str, subscription: Subscription, store: FactStore) -> Recount:
    """One statement of the bundle anew, after those before it as they stand there."""
    # Where an earlier statement was given another currency, `chain` says so.
    currency = subscription.currency_until(subscription.end_us)
    earlier = [{**it, "currency": currency} for it in content.records[: number - 1]]
    return recount(
        engine,
        store,
        subscription,
        content.records[number - 1],
        earlier,
        [str(content.folder / f"{it:06}.stated.parquet") for it in range(1, number)],
        secret=content.secrets[number],
        previous=digest(canonical_record(content.records[number - 2])) if number > 1 else None,
        to=content.folder / f"{number:06}.{engine}.parquet",
    )


def _recounted(content: Opened, subscription: Subscription, store: FactStore) -> Iterator[Check]:
    """The last statement against a recount."""
    stated = content.records[-1]
    number = len(content.records)
    found = _recount_of(content, number, "duckdb", subscription, store)
    yield check(
        "members", "who was taken for a member without any fact that says so", _taken(stated, subscription, store)
    )
    evidence = content.folder / f"{number:06}.stated.parquet"
    yield check(
        "evidence",
        f"{_counted(stated['evidence']['rows'], 'row')}: who counted, by which fact, and where they stand",
        unlike_evidence(evidence, found.evidence, _SIDES),
    )
    yield check(
        "root", f"{stated['evidence']['root'][:16]}…", unlike(stated["evidence"], found.record["evidence"], "evidence")
    )
    yield from _figures(stated, found.record)
    if store.facts <= REFERENCE_FACTS_MAX:
        other = _recount_of(content, number, "reference", subscription, store)
        yield check(
            "both readings",
            "the query, against the reference, which is plain and slow",
            [
                *unlike_evidence(found.evidence, other.evidence, ("the query", "the reference")),
                *unlike(found.record, other.record, "record"),
            ],
        )


def _taken(stated: Mapping[str, Any], subscription: Subscription, store: FactStore) -> Iterator[str]:
    """Organisations in which everyone was taken for a member, although facts say who is one."""
    meter = subscription.plan.meter
    covered = [(0, name) for name in stated["organisations"]]
    silent = {name for _, name in assumed_members(store.connection, meter, covered, assume_members=True)}
    for name in stated["assumed"]:
        if name not in silent:
            yield f"{name}: " + ("facts say who is a member" if meter.member_while else "the plan does not ask for it")


def _figures(stated: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Check]:
    """Every figure of a record, each line by itself."""
    heading = [it for name in (*_HEADING, "agreed") for it in unlike(stated[name], found[name], name)]
    yield check("heading", "whose it is, and of which window", heading)
    active = sum(it["active"] for it in found["consumption"])
    used = f"{active:,} active, {sum(it['overage'] for it in found['consumption']):,} beyond the allowance"
    yield check("consumption", used, unlike(stated["consumption"], found["consumption"], "consumption"))
    if stated["seats"] or found["seats"]:
        says = f"{found['seats']['counted']:,} seats" if found["seats"] else "none"
        yield check("seats", says, unlike(stated["seats"], found["seats"], "seats"))
    yield from _lines("charge", stated["charges"], found["charges"], found["currency"])
    yield from _lines("adjustment", stated["adjustments"], found["adjustments"], found["currency"])
    total = f"{found['total']} {found['currency']}" if found["total"] is not None else "no price is known"
    yield check("total", total, unlike(stated["total"], found["total"], "total"))


def _lines(
    kind: str, stated: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]], currency: str
) -> Iterator[Check]:
    """A check for each line, whether it is in one or in both."""
    mine, theirs = ({_line(it): it for it in lines} for lines in (stated, found))
    if len(mine) != len(stated):
        yield check(kind, "each line once", ["a line stands there twice"])
    for name in dict.fromkeys((*mine, *theirs)):
        line = theirs.get(name) or mine[name]
        parts = " + ".join(f"{it['units']} x {it['rate']}" for it in line.get("parts", ()) if "rate" in it)
        amount = f"{line['amount']} {currency}" if line["amount"] is not None else "no price is known"
        says = f"{name}: " + (f"{parts} = {amount}" if parts else amount)
        same = _plain_rates(mine.get(name, {})) == _plain_rates(theirs.get(name, {}))
        yield check(kind, says, () if same else unlike(mine.get(name), theirs.get(name), name))


def _plain_rates(line: Mapping[str, Any]) -> Mapping[str, Any]:
    """A line with its rates without needless zeros: 1.20 and 1.2 are the same rate."""
    if not line.get("parts"):
        return line
    return {**line, "parts": [{name: _plain(value) for name, value in part.items()} for part in line["parts"]]}


def _plain(value: object) -> object:
    try:
        return f"{Decimal(value).normalize():f}" if isinstance(value, str) else value
    except ArithmeticError:
        return value


def _line(line: Mapping[str, Any]) -> str:
    if "windows" in line:
        return ("windows " if len(line["windows"]) > 1 else "window ") + ", ".join(map(str, line["windows"]))
    return f"window {line['window']}, {line['kind']}" + (f", {line['pool']}" if line["pool"] else "")
