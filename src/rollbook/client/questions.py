"""Questions to the server: who counted, why, what is left, what would change. Each raises as `Calls.call` does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from rollbook.client.answers import Admission, Explanation, Learner, Page, Preview, Statements, Usage
from rollbook.client.batches import batches
from rollbook.client.calls import Calls
from rollbook.errors import Problem, UsageError
from rollbook.model.fact import Fact

PREVIEW_FACTS_MAX = 1000
"""Facts of one preview, as the API bounds them."""

PREVIEW_BYTES_MAX = 4 * 1024 * 1024 - 64
"""And their size, without what stands around them."""

PAGE_SIZE = 500


class Questions:
    """What can be asked with a key. `subscription` is its number on the server."""

    _calls: Calls

    def usage(self, subscription: int) -> Usage:
        """What was used of what is included, window by window, now. Scope usage:read."""
        return self._calls.get(f"/v1/subscriptions/{subscription:d}/usage", Usage)

    def learners(self, subscription: int, window: int | None = None, *, beyond: bool = False) -> Iterator[Learner]:
        """Who counted in a window (by default the one that runs), in the order in which they came, page by page.

        `beyond` asks only for those beyond what is included. Scope learners:read.
        """
        query = {"limit": str(PAGE_SIZE), "beyond": str(beyond).lower()}
        if window is not None:
            query["window"] = str(window)
        after: int | None = 0
        while after is not None:
            page = self._calls.get(f"/v1/subscriptions/{subscription:d}/learners", Page, {**query, "after": str(after)})
            yield from page.learners
            # The same window on every page, also when the next one begins meanwhile; and never the same page again.
            query["window"] = str(page.window)
            after = page.next if page.next is not None and page.next > after else None

    def explain(self, subscription: int, learner: str) -> Explanation:
        """Why one learner counted or did not, with every fact. Scope learners:read."""
        return self._calls.get(f"/v1/subscriptions/{subscription:d}/learners/{quote(learner, safe='')}", Explanation)

    def statements(self, subscription: int) -> Statements:
        """What was closed, and what is to come. Scope statements:read."""
        return self._calls.get(f"/v1/subscriptions/{subscription:d}/statements", Statements)

    def admit(
        self,
        organisation: str,
        learner: str,
        *,
        type: str = "",  # noqa: A002 - the name of the column
        role: str = "learner",
        mode: str = "",
        object: str = "",  # noqa: A002 - the name of the column
        reserve: bool = True,
    ) -> Admission:
        """May this learner start now? A place is kept where the answer is yes, unless `reserve` is False.

        Where the server is away this raises UnavailableError: whether to let the learner in then is for you to say.
        Scope admissions:write.
        """
        asked = {
            "organisation": organisation,
            "learner": learner,
            "type": type,
            "role": role,
            "mode": mode,
            "object": object,
            "reserve": reserve,
        }
        return self._calls.post("/v1/admissions", Admission, msgspec.json.encode(asked))

    def preview(self, facts: Iterable[Fact | Mapping[str, Any]]) -> Preview:
        """What would these facts add? Nothing is kept. At most PREVIEW_FACTS_MAX of them. Scope usage:read."""
        found = batches(facts, PREVIEW_FACTS_MAX, PREVIEW_BYTES_MAX)
        batch = next(found, None)
        if next(found, None) is not None:
            rule = f"they are more than {PREVIEW_FACTS_MAX:,}, or larger than one call carries"
            raise UsageError(Problem("facts", rule, "ask about fewer"))
        body = b'{"facts":[' + b",".join(batch.lines if batch else ()) + b"]}"
        return self._calls.post("/v1/preview", Preview, body)
