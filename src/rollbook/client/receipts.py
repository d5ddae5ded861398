"""What the server says to facts, batch by batch and added up."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

REJECTED_KEPT_MAX = 10_000
"""Rejected facts that a receipt lists; more are counted only."""


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with one fact.

    index   its place among the facts of the call, from 0; -1 for a fact of an earlier call that waited on disk
    id      the fact's own id
    code    stable, for programs; rule and remedy are for people
    """

    index: int
    code: str = ""
    rule: str = ""
    remedy: str = ""
    id: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one batch, as the API writes it."""

    received: int
    new: int = 0
    repeats: int = 0
    held: int = 0
    rejected: list[Rejected] = []


class Receipt(msgspec.Struct, kw_only=True):
    """What became of the facts of one call, and of those that were delivered with it.

    received         facts that the server has answered for: new + repeats + held + those rejected
    new              stored and counted now
    repeats          were there already
    held             kept apart, because they lie in the future or name an unknown organisation
    rejected         what is wrong with those that were not taken, at most REJECTED_KEPT_MAX
    rejected_facts   how many facts were not taken
    waiting          facts on disk after the call, kept for when the server is back; those of earlier calls included
    set_aside        files of facts that the server refused as a whole, and that somebody has to look at
    """

    received: int = 0
    new: int = 0
    repeats: int = 0
    held: int = 0
    rejected: list[Rejected] = []
    rejected_facts: int = 0
    waiting: int = 0
    set_aside: list[str] = []

    def add(self, answer: Answer, ids: Sequence[str], first: int) -> None:
        """Adds one batch. `ids` are those of its facts; `first` is the index of the first in the call, or -1."""
        self.received += answer.received
        self.new += answer.new
        self.repeats += answer.repeats
        self.held += answer.held
        self.rejected_facts += len({it.index for it in answer.rejected})
        for it in answer.rejected[: REJECTED_KEPT_MAX - len(self.rejected)]:
            id_ = ids[it.index] if 0 <= it.index < len(ids) else ""
            index = -1 if first < 0 else first + it.index
            self.rejected.append(msgspec.structs.replace(it, index=index, id=id_))
