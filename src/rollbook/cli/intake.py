"""`rollbook intake`: what is in some exports, and the same as canonical facts."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Annotated

import typer

from rollbook import plans
from rollbook.cli.metering import Exports, over_facts
from rollbook.cli.said import in_words_or_end, refuse_target, say_read
from rollbook.intake.survey import survey
from rollbook.intake.writing import write_canonical
from rollbook.ledger import opened
from rollbook.model.instants import to_us
from rollbook.render import terminal
from rollbook.render.survey import print_survey


@over_facts
def intake(
    exports: Exports,
    to: Annotated[
        str, typer.Option("--to", metavar="FILE", help="Write canonical facts there: .csv, .ndjson or .parquet.")
    ] = "",
) -> None:
    """Read exports, say what is in them, and write them as canonical facts."""
    with in_words_or_end():
        refuse_target(exports.problems, exports.files, option="--problems")
        refuse_target(to, (*exports.files, exports.problems))
        err = terminal.console(stderr=True)
        with (
            err.status("reading …") if err.is_terminal else nullcontext(),
            opened(exports.facts, exports.options()) as store,
        ):
            terminal.print_sources(err, store.sources)
            say_read(err, store, exports.problems)
            print_survey(terminal.console(), survey(store, to_us(datetime.now(UTC))), plans.published())
            if to:
                written = write_canonical(store, to)
                terminal.say(err, f"{to}: {written:,} facts")
            sys.stdout.flush()
            parts = (f"{store.facts:,} facts", f"{store.duplicates:,} repeats", f"{store.rejected:,} rejected")
            terminal.say(err, f"{store.rows:,} rows in: " + " + ".join(parts))
            if store.problems.total:
                raise typer.Exit(3)
