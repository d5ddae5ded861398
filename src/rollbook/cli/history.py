"""`rollbook import`: exports taken in by a server, batch by batch, and what became of every row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from rollbook.cli.metering import Exports, over_facts
from rollbook.cli.said import PROBLEMS_SHOWN, refuse_target, say_read
from rollbook.cli.server import refuse_other_key, server_set_up
from rollbook.errors import Problem, UsageError
from rollbook.intake import FactStore
from rollbook.ledger import opened
from rollbook.render import terminal

BATCH_FACTS = 10_000
"""Facts of one transaction."""

ALIKE_SHOWN = 3
"""Facts that are told one by one of all that are refused for the same reason."""

UNKNOWN_KEPT_MAX = 1_000
"""Organisations that nobody has of which facts are counted; of more, the first that were met."""

UNKNOWN_SHOWN = 20

Customer = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Take facts for this customer alone; needed where the export names no organisation, which works for a "
        "customer with one. By default, for whoever has the organisation.",
    ),
]


@over_facts
def import_(exports: Exports, customer: Customer = "") -> None:
    """Take history in: files of facts, and exports of Moodle, Canvas, Open edX, OneRoster, SCORM Cloud, xAPI, Caliper.

    They are recognised by content, as by every command. Interrupt and repeat it freely, repeats change nothing.
    """
    with server_set_up():
        refuse_target(exports.problems, exports.files, option="--problems")
        refuse_other_key()
        sender = _sender(customer)
        err = terminal.console(stderr=True)
        with opened(exports.facts, exports.options()) as store:
            terminal.print_sources(err, store.sources)
            say_read(err, store, exports.problems)
            _say_incomplete(err, store)
            rejected = _take_in(store, sender)
        if rejected or store.problems.total:
            raise typer.Exit(3)


def _sender(customer: str) -> Any:
    from rollbook.server.models import Customer as CustomerRow  # noqa: PLC0415
    from rollbook.server.receiving.ingest import Sender  # noqa: PLC0415

    if not customer:
        return Sender("import")
    row = CustomerRow.objects.filter(name=customer).first()
    if row is None:
        raise UsageError(Problem("--customer", "there is no customer of this name", "write it as the server has it"))
    return Sender("import", row.pk)


def _say_incomplete(err: Console, store: FactStore) -> None:
    if store.rejected:
        terminal.say(err, f"INCOMPLETE: {store.rejected:,} of {store.rows:,} rows were refused in reading")
    if store.problems.files:
        terminal.say(err, "INCOMPLETE: not every file could be read to its end")


def _take_in(store: FactStore, sender: Any) -> int:
    """Stores the facts, batch by batch, and prints what became of every row; how many were not taken."""
    from rollbook.server.clock import now_us  # noqa: PLC0415
    from rollbook.server.receiving.ingest import ingest  # noqa: PLC0415

    err = terminal.console(stderr=True)
    totals = dict.fromkeys(("received", "new", "repeats", "held", "rejected"), 0)
    unknown: Counter[str] = Counter()
    refusals = _Refusals(err, store)
    for batch in _batches(store):
        read = batch if sender.customer is not None else [_named(index, fact) for index, fact in enumerate(batch)]
        receipt = ingest(read, sender, now_us())
        totals["received"] += receipt.received
        totals["new"] += receipt.new
        # Whoever repeats an import wants to know what counts: what waited before, waits.
        totals["repeats"] += receipt.repeats - receipt.still_held
        totals["held"] += receipt.held + receipt.still_held
        totals["rejected"] += len({it.index for it in receipt.rejected})
        if receipt.held or receipt.still_held:
            _count_unknown(unknown, read)
        for it in receipt.rejected:
            refusals.say(batch[it.index], it.rule, it.remedy)
        terminal.say(err, f"{totals['received']:,} of {store.facts:,} facts are stored or told")
    refusals.sum_up()
    _say_held(err, totals["held"], unknown)
    # Rows that could not be read are rows that were not taken.
    totals["received"] += store.rejected
    totals["rejected"] += store.rejected
    out = terminal.console()
    for name, facts in totals.items():
        terminal.say(out, f"{facts:>12,}  {name}")
    return totals["rejected"]


class _Refusals:
    """Says why facts were not taken: of each reason the first few, with their places, and in the end how many."""

    def __init__(self, err: Console, store: FactStore) -> None:
        self.err, self.store = err, store
        self.met: Counter[tuple[str, str]] = Counter()
        self.others = 0

    def say(self, fact: Any, rule: str, remedy: str) -> None:
        """Tells of one fact."""
        if (rule, remedy) not in self.met and len(self.met) == PROBLEMS_SHOWN:
            self.others += 1
            return
        self.met[rule, remedy] += 1
        if self.met[rule, remedy] <= ALIKE_SHOWN:
            terminal.say(self.err, str(Problem(self.store.place(fact.source, fact.id), rule, remedy)))

    def sum_up(self) -> None:
        """Tells how many there were of whatever was not told whole."""
        for (rule, remedy), facts in self.met.items():
            if facts > ALIKE_SHOWN:
                terminal.say(self.err, f"{facts:,} in all: {rule}; {remedy}")
        if self.others:
            terminal.say(self.err, f"and {self.others:,} more, for other reasons")


def _named(index: int, fact: Any) -> Any:
    """The fact, or why it cannot be taken in: no organisation ever has an empty name, so it would wait for ever."""
    from rollbook.server.receiving.ingest import Rejected  # noqa: PLC0415

    if fact.organisation:
        return fact
    remedy = "say whose it is with --customer NAME, or name organisations in the export"
    return (Rejected(index, "organisation", "organisation is empty, and no customer is named", remedy),)


def _count_unknown(unknown: Counter[str], read: Sequence[Any]) -> None:
    """Counts facts by organisations that nobody has."""
    from rollbook.server.models import Organisation  # noqa: PLC0415

    met = Counter(it.organisation for it in read if not isinstance(it, tuple))
    known = set(Organisation.objects.filter(name__in=set(met)).values_list("name", flat=True))
    for name, facts in met.items():
        if name not in known and (name in unknown or len(unknown) < UNKNOWN_KEPT_MAX):
            unknown[name] += facts


def _say_held(err: Console, held: int, unknown: Counter[str]) -> None:
    if not held:
        return
    if not unknown:
        terminal.say(err, "held: facts that lie ahead wait for their time, and count then")
        return
    names = ", ".join(f'"{name}" ({facts:,})' for name, facts in unknown.most_common(UNKNOWN_SHOWN))
    more = f", and {len(unknown) - UNKNOWN_SHOWN:,} more" if len(unknown) > UNKNOWN_SHOWN else ""
    terminal.say(err, f"held, and not counted: facts of organisations that no customer has: {names}{more}")
    terminal.say(
        err,
        'register each with POST /v1/customers/N/organisations {"name": "…"}, and rollbook worker takes its facts in; '
        "where they are misspelt, put them right in the export",
    )


def _batches(store: FactStore) -> Iterator[list[Any]]:
    batch = []
    for fact in store.iterate():
        batch.append(fact)
        if len(batch) == BATCH_FACTS:
            yield batch
            batch = []
    if batch:
        yield batch
