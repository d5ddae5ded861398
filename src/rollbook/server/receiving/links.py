"""Links by which somebody would have more ids than one person may: they are refused before they are stored.

Once stored they would stand there and join nobody, and all other links of that person neither: see
`rollbook.metering.identities`. As with a repeated id, the first that were committed stand. A link is looked at in its
own organisation, where no plan counts people further apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from rollbook.metering.identities import IDS_MAX
from rollbook.model.fact import LINKED, Fact
from rollbook.server.live import clusters
from rollbook.server.receiving.reading import Rejected

_RULE = f"one of the ids that it links would be one of more than {IDS_MAX}, which no one person has"
_REMEDY = "see which program links them: facts of visitors need no link; void a link that is wrong, and send this again"


def beyond(facts: Sequence[Fact]) -> set[int]:
    """The places of links that are one too many. Facts name surrogates, of one customer, which is locked."""
    found: set[int] = set()
    places: dict[str, list[int]] = defaultdict(list)
    for place, fact in enumerate(facts):
        if fact.type == LINKED:
            places[fact.organisation].append(place)
    for organisation, links in places.items():
        named = {id_ for place in links for id_ in (facts[place].learner, facts[place].object)}
        people = _People(clusters.standing_links(organisation, named))
        found |= {place for place in links if not people.join(facts[place].learner, facts[place].object)}
    return found


def refused(index: int) -> Rejected:
    """What is answered of such a link."""
    return Rejected(index, "too-many-ids", _RULE, _REMEDY)


class _People:
    """Which ids are one person."""

    def __init__(self, links: Sequence[tuple[str, str]]) -> None:
        self._of: dict[str, set[str]] = {}
        for survivor, given_up in links:
            self._joined(survivor, given_up)

    def join(self, survivor: str, given_up: str) -> bool:
        """Makes them one person, where that has no more than `IDS_MAX` ids then; it may be one already."""
        one, other = self._person(survivor), self._person(given_up)
        if one is not other and len(one) + len(other) > IDS_MAX:
            return False
        self._joined(survivor, given_up)
        return True

    def _person(self, id_: str) -> set[str]:
        return self._of.setdefault(id_, {id_})

    def _joined(self, survivor: str, given_up: str) -> None:
        large, small = sorted((self._person(survivor), self._person(given_up)), key=len, reverse=True)
        if large is not small:
            large |= small
            self._of.update(dict.fromkeys(small, large))
