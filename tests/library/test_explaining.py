"""An explanation says of one learner what the whole run found, by whatever id it is asked for."""

from __future__ import annotations

from collections import Counter

import pytest

from rollbook import UsageError, meter

from .ledgers import AS_OF, SAMPLE, contradicting, fact, facts, half_year


def test_a_learner_is_explained_by_any_of_the_ids_that_are_linked() -> None:
    ledger = [
        fact("1", "2026-01-05T10:00:00Z", "annie"),
        fact("2", "2026-01-06T10:00:00Z", "ann", "identity.linked", object="annie"),
        fact("3", "2026-01-07T10:00:00Z", "anna", "identity.linked", object="ann"),
        fact("4", "2026-02-05T10:00:00Z", "annie"),
        fact("5", "2026-02-05T10:00:00Z", "bob"),
    ]
    with meter(ledger, half_year(), as_of=AS_OF) as result:
        explanations = [result.explain(id_) for id_ in ("annie", "ann", "anna")]
        assert explanations[0] == explanations[1] == explanations[2]
        told = explanations[0]
        assert told.learners == ("ann", "anna", "annie")
        january, february = told.windows[:2]
        assert [active.unit for active in january.activations] == ["annie"]
        assert [(active.unit, active.class_) for active in february.activations] == [("anna", "continuing")]
        assert [deed.fact.id for deed in (*january.lines, *february.lines)] == ["1", "2", "3", "4"]
        assert [deed.proves for deed in january.lines] == [True, False, False]


def test_a_link_that_contradicts_another_joins_nobody_and_is_told() -> None:
    with meter(contradicting(), half_year(), as_of=AS_OF) as result:
        told = result.explain("ann")
        assert [active.unit for window in told.windows for active in window.activations] == ["ann", "ann"]
        assert told.learners == ("ann",)


@pytest.mark.parametrize(
    "links",
    [pytest.param(("ba", "cb", "ac")), ("ba", "ab"), ("ba", "ca")],
    ids=["a circle of three", "a circle of two", "two survivors"],
)
def test_links_that_were_not_applied_are_not_applied_in_an_explanation(links: tuple[str, ...]) -> None:
    """In `ba` the id b survives and a is given up."""
    ledger = [
        fact(f"k{n}", "2026-01-02T10:00:00Z", pair[0], "identity.linked", object=pair[1])
        for n, pair in enumerate(links)
    ]
    ledger += [fact(f"f{id_}", "2026-01-05T10:00:00Z", id_) for id_ in "abc"]
    with meter(ledger, half_year(), as_of=AS_OF) as result:
        assert sorted(row["unit"] for row in result.table("learner").to_pylist()) == ["a", "b", "c"]
        for learner in "abc":
            assert [active.unit for window in result.explain(learner).windows for active in window.activations] == [
                learner
            ]


def test_one_of_too_many_ids_is_explained_as_it_was_counted() -> None:
    """Links that make more ids one person than a person may have are not applied."""
    ledger = [fact(f"k{n}", "2026-01-02T10:00:00Z", "hub", "identity.linked", object=f"l{n}") for n in range(150)]
    ledger += [fact(f"f{n}", "2026-01-05T10:00:00Z", f"l{n}") for n in range(150)]
    with meter(ledger, half_year(), as_of=AS_OF) as result:
        counted = {row["fact"]: row["unit"] for row in result.table("learner").to_pylist()}
        [active] = result.explain("l7").windows[0].activations
        assert active.unit == counted["f7"]


def test_a_fact_that_was_voided_is_told_with_what_took_it_back() -> None:
    ledger = [
        fact("1", "2026-01-05T10:00:00Z", "ann"),
        fact("2", "2026-01-06T10:00:00Z", "", "fact.voided", voids="1"),
        fact("3", "2026-01-07T10:00:00Z", "bob"),
    ]
    with meter(ledger, half_year(), as_of=AS_OF) as result:
        [january] = [window for window in result.explain("ann").windows if window.lines]
        assert january.activations == ()
        assert [(deed.fact.id, deed.disposition) for deed in january.lines] == [
            ("1", "not counted: voided"),
            ("2", "correction"),
        ]


def test_an_entry_of_a_guest_is_explained_by_the_id_of_its_fact() -> None:
    ledger = [
        fact("g1", "2026-01-05T10:00:00Z", "", "session.entered", role="guest"),
        fact("g2", "2026-01-05T11:00:00Z", "", "session.entered", role="guest"),
    ]
    with meter(ledger, half_year("facilitate-monthly"), as_of=AS_OF) as result:
        told = result.explain("g2")
        [active] = told.windows[0].activations
        assert (active.unit, active.guest, active.fact) == ("g2", True, "g2")
        assert [deed.fact.id for deed in told.windows[0].lines] == ["g2"]


@pytest.mark.parametrize(
    ("unknown", "nearest"), [("anna", " (nearest: ana)"), ("zoe", " (nearest: zoë)"), ("-", ""), ("'; --", "")]
)
def test_an_unknown_learner_is_a_wrong_call_that_names_the_nearest(unknown: str, nearest: str) -> None:
    with meter(SAMPLE, half_year(), as_of=AS_OF) as result, pytest.raises(UsageError) as raised:
        result.explain(unknown)
    [problem] = raised.value.problems
    assert (problem.place, problem.rule) == (unknown, f"no fact names this learner{nearest}")


@pytest.mark.parametrize("plan", ["monthly-login", "wisenet-elearning", "facilitate-annual"])
def test_what_is_told_of_everybody_is_what_the_whole_run_found(plan: str) -> None:
    """Nobody's explanation says anything else than the figures: every fact is told once, with its disposition."""
    everybody = sorted({fact.learner or fact.id for fact in facts()})
    with meter(SAMPLE, half_year(plan), as_of=AS_OF) as result:
        dispositions: Counter[str] = Counter()
        activations = []
        for learner in everybody:
            told = result.explain(learner)
            deeds = [*told.before, *(deed for window in told.windows for deed in window.lines), *told.after]
            dispositions.update(deed.disposition for deed in deeds)
            activations += [active for window in told.windows for active in window.activations]
            proofs = {(active.source, active.fact) for window in told.windows for active in window.activations}
            assert {deed.fact.key for deed in deeds if deed.proves} == {
                deed.fact.key for deed in deeds if deed.fact.key in proofs and deed.disposition == "counted"
            }
        assert dispositions == dict(result.dispositions)
        found = [
            (row["window"], row["organisation"], row["unit"], row["class"], row["fact"], row["facts"])
            for row in result.table("learner").to_pylist()
        ]
        assert sorted(found) == sorted(
            (it.window, it.organisation, it.unit, it.class_, it.fact, it.facts) for it in activations
        )
        assert len(found) > 20
