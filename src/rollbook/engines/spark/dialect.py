"""What Spark says differently from other engines: the fragments of the query."""

from __future__ import annotations

from collections.abc import Sequence

from rollbook.metering.query_instants import Fragments, classed


def first_facts(unit: Sequence[str], proof: Sequence[str]) -> str:
    """The smallest struct is the first fact: fields are compared in turn, and texts by their UTF-8 bytes."""
    columns = ("at_us", "source", "id", *proof)
    extracted = ", ".join(f"first_fact.{column} as {'first_us' if column == 'at_us' else column}" for column in columns)
    return f"""
        select {", ".join(unit)}, {extracted}, facts
        from (select {", ".join(unit)}, min(struct({", ".join(columns)})) as first_fact, count(*) as facts
              from placed where not single group by {", ".join(unit)}) as grouped
        """


def class_counts(cluster: Sequence[str]) -> str:
    """The activations with their class, counted."""
    return f"""
        select subscription, window_number, class, count(*) as active
        from ({classed(cluster, "clustered")}) as classed
        where window_number >= 1
        group by subscription, window_number, class
        """


FRAGMENTS = Fragments(first_facts=first_facts, class_counts=class_counts)
