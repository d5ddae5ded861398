"""Figures for people: a table on the terminal, and the page docs/benchmarks.md with its pictures.

    python -m benchmarks.scale.report

writes the page anew from what is kept, without measuring.
"""

from __future__ import annotations

from math import ceil
from pathlib import Path

from benchmarks.scale import chart
from benchmarks.scale.chart import PANELS
from benchmarks.scale.record import BRIEF_SECONDS, Figures, Measurement, load
from benchmarks.scale.sides import folder
from rich.console import Console
from rich.table import Table

DOCS = folder() / "docs"
TEXT = Path(__file__).with_name("page.txt")

HEADINGS = ("", "version", "seconds", "times Rollbook", "processor seconds", "times Rollbook", "memory, GiB")


def show(found: Measurement, console: Console) -> None:
    """The tables of one size on a terminal."""
    console.print(f"{found.date}: {found.machine}; {found.rows:,} facts, {_gib(found.facts_bytes)} GiB")
    for input_, title in PANELS.items():
        if rows := [row(found, it) for it in found.figures if it.input == input_]:
            table = Table(*HEADINGS, title=title, title_justify="left")
            for cells in rows:
                table.add_row(*cells)
            console.print(table)
    console.print(ledger_words(found))


def row(found: Measurement, figures: Figures) -> tuple[str, ...]:
    """One side as cells under `HEADINGS`. What was not measured says so."""
    if figures.median is None:
        return (figures.title, figures.version or "-", figures.note, *("",) * 4)
    note = f" ({figures.note})" if figures.note else ""
    return (
        figures.title,
        figures.version,
        f"{figures.median:.2f}{note}",
        _times(found.ratio(figures)),
        "-" if figures.busy_median is None else f"{figures.busy_median:.2f}",
        _times(found.ratio(figures, busy=True)),
        "-" if figures.memory is None else _gib(figures.memory),
    )


def ledger_words(found: Measurement) -> str:
    """What the ledger costs and when it has paid for itself."""
    size = f"The ledger takes {_gib(found.ledger_bytes)} GiB"
    if found.build_seconds is None:
        return f"{size}; how long building it took was not measured here."
    built = f"{size} and {found.build_seconds:.1f} s to build, once"
    if found.pays_after is None:
        return f"{built}; the same answer by name, from the ledger, was not quicker here."
    runs = ceil(found.pays_after)
    return (
        f"{built}; by the answer with names, against metering the facts as they came, it has paid for itself after "
        f"{runs} run{'s' * (runs > 1)}."
    )


def write() -> None:
    """Writes docs/benchmarks.md and its pictures from all that is kept."""
    kept = load()
    parts = [TEXT.read_text(encoding="utf-8").rstrip()]
    pictures = DOCS / "benchmarks"
    pictures.mkdir(exist_ok=True)
    if not kept:
        parts.append("No figures are kept yet: the command above writes them.")
    for found in reversed(kept):
        picture = pictures / f"scale-{found.rows}.svg"
        picture.write_text(chart.of_size(found), encoding="utf-8")
        parts.append(_section(found, picture.name))
    (DOCS / "benchmarks.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _section(found: Measurement, picture: str) -> str:
    some = next((it.answers[0] for it in found.figures if it.answers), "")
    answer = ", ".join(f"{int(part.split()[0]):,} {part.split()[1]}" for part in some.split(", ")[:2])
    parts = [
        f"## {found.rows:,} facts",
        f"{found.date}, {found.machine}. {_gib(found.facts_bytes)} GiB of Parquet. {_runs(found)}.",
        f"The answer, the same from everybody: {answer}.",
        f"![Medians of {found.rows:,} facts; the tables below say the same](benchmarks/{picture})",
    ]
    for input_, title in PANELS.items():
        cells = [row(found, it) for it in found.figures if it.input == input_]
        if cells:
            parts.append(f"**{title}**\n\n" + _markdown(cells))
    parts.append(ledger_words(found))
    return "\n\n".join(parts)


def _markdown(rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---|---|" + "---:|" * (len(HEADINGS) - 2)]
    return "\n".join(lines + ["| " + " | ".join(cells) + " |" for cells in rows])


def _runs(found: Measurement) -> str:
    counts = {len(it.seconds) for it in found.figures if it.seconds} or {0}
    least, most = min(counts), max(counts)
    words = f"Medians of {least} runs" if least > 1 else "One run"
    return words if least == most else f"{words}, and medians of {most} of what takes less than {BRIEF_SECONDS} s"


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f}"


if __name__ == "__main__":
    write()
