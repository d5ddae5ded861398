"""All facts of one person, under every id that is theirs: what an explanation needs, and nobody else's."""

from __future__ import annotations

from rollbook.errors import Problem
from rollbook.intake import FactStore
from rollbook.metering.identities import accept, cluster_of
from rollbook.metering.steps import quoted
from rollbook.model.fact import LINKED, Fact
from rollbook.model.subscription import Subscription


def facts_of(
    store: FactStore, subscription: Subscription, as_of_us: int, refused: frozenset[tuple[str, str]], learner: str
) -> tuple[list[str], list[Fact]]:
    """The ids that are this learner, and all their facts with what corrects them.

    refused  the links that contradict each other, by (source, id)
    """
    across = subscription.plan.meter.dedupe == "customer"
    all_links = list(store.iterate(f"type = {quoted(LINKED)}", store.correcting))
    voided = {(it.organisation, it.source, it.voids) for it in store.voids_of(all_links) if it.at_us < as_of_us}
    until_us = min(as_of_us, subscription.end_us)
    links: dict[str, list[Fact]] = {}
    for fact in all_links:
        standing = fact.at_us < until_us and (fact.organisation, *fact.key) not in voided
        if standing and fact.key not in refused:
            links.setdefault("" if across else fact.organisation, []).append(fact)
    known_as = {scope: cluster_of(accept(found)[0], learner) for scope, found in links.items()}
    ids = sorted({learner}.union(*known_as.values()))
    facts = [
        fact
        for fact in store.of_learners(ids)
        if {fact.learner, fact.object if fact.type == LINKED else fact.learner}
        & known_as.get("" if across else fact.organisation, {learner})
    ]
    facts = facts or _guest_facts(store, learner)
    facts += store.voids_of(facts)
    return ids, list({fact.key: fact for fact in facts}.values())


def _guest_facts(store: FactStore, id_: str) -> list[Fact]:
    """A guest's entry by its id, with all that came over the same connection: one may only continue another."""
    entries = list(store.iterate(f"role = 'guest' and id = {quoted(id_)}"))
    for entry in [entry for entry in entries if entry.session]:
        same = " and ".join(
            f"{name} = {quoted(getattr(entry, name))}" for name in ("organisation", "object", "session")
        )
        entries += store.iterate(f"role = 'guest' and {same}")
    return entries


def unknown_learner(store: FactStore, learner: str) -> Problem:
    """That no fact names this learner, and whose id is nearest."""
    near = store.connection.execute(
        """select learner from (select distinct learner from facts where learner <> '')
           where jaro_winkler_similarity(learner, ?) > 0.7
           order by jaro_winkler_similarity(learner, ?) desc, learner limit 1""",
        [learner, learner],
    ).fetchall()
    hint = f" (nearest: {near[0][0]})" if near else ""
    return Problem(learner, f"no fact names this learner{hint}", "give an id as it stands in the facts")
