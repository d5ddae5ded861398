"""What keeps the server from doing what it was asked: a status, a stable code, and problems in words.

Whatever is asked over HTTP may raise one of these; `api.errors` makes answers of them, and pages make sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from rollbook.errors import Problem, RollbookError
from rollbook.model.keys import nearest


class RefusedError(RollbookError):
    """An answer other than success: its status, its stable code, and what is wrong.

    headers  further ones of the answer, such as Retry-After
    """

    def __init__(
        self,
        status: int,
        code: str,
        problems: Problem | Iterable[Problem],
        headers: dict[str, str] | None = None,
    ) -> None:
        self.status, self.code, self.headers = status, code, headers or {}
        super().__init__(problems)


def refused(status: int, code: str, place: str, rule: str, remedy: str) -> RefusedError:
    """One problem as an answer, to be raised."""
    return RefusedError(status, code, Problem(place, rule, remedy))


def missing(what: str) -> RefusedError:
    """404: there is none, or whoever asks may not know that there is."""
    return refused(404, "not-found", what, f"there is no such {what}", "see the list of those that you may see")


_NAME = re.compile(r"[A-Za-z_][A-Za-z_-]{0,39}")


def unknown(place: str, name: str, known: Iterable[str], what: str = "field") -> Problem:
    """A name that is not known, with the nearest that is; what does not look like a name could be a person's."""
    names = sorted(known)
    shown = name if _NAME.fullmatch(name) else ""
    rule = f'there is no {what} "{shown}" here{nearest(shown, names)}' if shown else f"there is no such {what} here"
    use = "use " + ", ".join(names) if names else "leave it out"
    return Problem(f"{place}.{shown}" if shown else place, rule, use)
