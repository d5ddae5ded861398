"""Exports become facts and problems.

Owns: recognising formats, reading times and texts, the rules of a row, identity of repeated rows, coverage; and
people's names for display.
Does not own: what a fact means for a plan, how facts are counted, where they are kept after a run.
"""

from rollbook.intake.coverage import Gap, SourceCoverage
from rollbook.intake.items import ItemReader, Made
from rollbook.intake.options import ReadOptions
from rollbook.intake.people import People, Person, read_people
from rollbook.intake.problems import Problems
from rollbook.intake.reader import read_facts
from rollbook.intake.store import FactStore

__all__ = [
    "FactStore",
    "Gap",
    "ItemReader",
    "Made",
    "People",
    "Person",
    "Problems",
    "ReadOptions",
    "SourceCoverage",
    "read_facts",
    "read_people",
]
