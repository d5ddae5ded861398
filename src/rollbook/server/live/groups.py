"""How many of each group were active in one window: the live count, by where facts say that learners were.

It says what the report `groups` says of the same facts; a test holds them equal. Where people are is no table but a
view of status facts, so nothing has to be kept in step. A count reads what places all people of the organisations, and
few run at once.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from rollbook.engines.database import LiveSubscription
from rollbook.metering.identities import Link
from rollbook.metering.steps import quoted_list
from rollbook.model.fact import LINKED, VOIDED, Fact
from rollbook.model.groups import values
from rollbook.model.window import Window
from rollbook.reports.groups import TEXTS_MAX, Counted, Figures, figures
from rollbook.roster.placing import TELLING, groups_in, lines
from rollbook.roster.statuses import ROLES
from rollbook.roster.view import linked, standing
from rollbook.server.live import contracts, driver, roster_facts, snapshots
from rollbook.server.models import Subscription
from rollbook.server.refusals import refused

_FIRST_US, _LAST_US = -(2**62), 2**62


def of_window(row: Subscription, window: Window, now_us: int) -> Figures:
    """The figures of one window of a subscription, up to now.

    Raises RefusedError 503 where too many such counts run, and 422 where too many facts would have to be read;
    UsageError for too many groups.
    """
    live = contracts.live(row)
    with snapshots.turn():
        return figures([window], list(_counted(live, window, now_us + 1)))[0]


def _counted(live: LiveSubscription, window: Window, as_of_us: int) -> Iterator[Counted]:
    """The units of the window by the groups in which their learners were."""
    ids, held = _linked(live, as_of_us)
    given = {
        "organisations": _given(live.organisations),
        "ids": _given(ids),
        "held": json.dumps(held, ensure_ascii=False),
        "subscription": live.key,
        "window": window.number,
        "as_of": as_of_us,
        "most": TEXTS_MAX + 1,
        "others": _given(()),
    }
    rows = _rows(_SQL[driver.on_postgresql()], given)
    if any(text and groups_in(text) is None for _, text, _ in rows):
        # Attributes that name groups and tell none: whatever was told before them holds.
        texts = [text for (text,) in _rows(_TEXTS[driver.on_postgresql()], given)]
        given["others"] = _given([text for text in texts if groups_in(text) is None])
        rows = _rows(_SQL[driver.on_postgresql()], given) if len(texts) <= TEXTS_MAX else texts
    if len(rows) > TEXTS_MAX:
        rule = f"facts say in more than {TEXTS_MAX:,} different texts who is in which groups"
        raise refused(422, "too-many", "groups", rule, "leave out of attributes whatever differs from fact to fact")
    for organisation, text, units in rows:
        yield window.number, organisation, (groups_in(text) if text else None) or (), units


def _linked(live: LiveSubscription, as_of_us: int) -> tuple[set[str], list[tuple[str, str, str, int, int]]]:
    """Everybody with several ids, and (organisation, unit, attributes, from, to) of where they were.

    They are few, and are placed one by one as the roster places them.
    """
    organisations = live.organisations
    found = _rows(_LINKS[driver.on_postgresql()], {"organisations": _given(organisations)})
    ids = {it for pair in found for it in pair if it}
    if not ids:
        return set(), []
    read = roster_facts.of_people(organisations, ids)
    if not read.are_all:
        rule = f"more than {read.most:,} status facts of people with several ids would have to be read"
        raise refused(422, "too-many", "groups", rule, "ask for the report groups as a file")
    past = standing(read.facts, as_of_us)
    ending = [it for it in past if it.type != LINKED or it.at_us < live.subscription.end_us]
    in_force: Mapping[str, Mapping[str, Link]] = linked(ending)
    if live.meter.dedupe == "customer":
        everywhere = linked(it.replace(organisation="") for it in ending).get("", {})
        in_force = dict.fromkeys(organisations, everywhere)
    return ids, [line for line in _lines(ending, in_force) if line[0] in organisations]


def _lines(facts: Sequence[Fact], links: Mapping[str, Mapping[str, Link]]) -> Iterator[tuple[str, str, str, int, int]]:
    for (organisation, unit), line in lines(facts, links).items():
        ends = [at_us for at_us, _ in line[1:]] + [_LAST_US]
        for place, ((at_us, groups), to_us) in enumerate(zip(line, ends, strict=True)):
            text = json.dumps({"groups": values(groups)}, ensure_ascii=False)
            yield organisation, unit, text, at_us if place else _FIRST_US, to_us


def _rows(sql: str, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with driver.own_cursor() as cursor:
        return list(cursor.execute(sql, given).fetchall())


def _given(texts: Collection[str]) -> Any:
    """Texts as a parameter: an array, or its JSON."""
    return sorted(texts) if driver.on_postgresql() else json.dumps(sorted(texts), ensure_ascii=False)


_TELLS = f"""
    fact.status = true and fact.organisation {{among}} and fact.type in ({quoted_list(TELLING)})
    and fact.role in ({quoted_list(ROLES)}) and fact.learner <> '' and fact.at_us < {{as_of}}
    and (fact.attributes like {{named}} or fact.attributes like {{escaped}})
    and not exists (select 1 from fact as void where void.status = true and void.type = '{VOIDED}'
                    and void.organisation = fact.organisation and void.source = fact.source
                    and void.voids = fact.id and void.at_us < {{as_of}})
    """

_COUNT = f"""
    with told as (
        select organisation, learner as unit, at_us, source, id, attributes from fact
        where {_TELLS} and fact.learner not in (select {{one}} from {{ids}})
          and fact.attributes not in (select {{one}} from {{others}})
    ),
    lasting as (
        select organisation, unit, attributes, at_us,
               lead(at_us) over (partition by organisation, unit order by at_us, source, id) as until_us
        from told
    ),
    placed as (
        select organisation, unit, attributes,
               case when row_number() over (partition by organisation, unit order by at_us) = 1 then {_FIRST_US}
                    else at_us end as from_us,
               coalesce(until_us, {_LAST_US}) as to_us
        from lasting where until_us is null or until_us > at_us
        union all
        select {{parts}} from {{held}}
    )
    select activation.organisation, coalesce(placed.attributes, ''), count(*)
    from activation
    left join placed on placed.organisation = activation.organisation and placed.unit = activation.unit
                    and not activation.guest and activation.first_us >= from_us and activation.first_us < to_us
    where activation.subscription = {{subscription}} and activation.window_number = {{window}}
      and activation.first_us < {{as_of}}
    group by 1, 2
    limit {{most}}
    """

_POSTGRESQL = {
    "among": "= any(%(organisations)s)",
    "named": """'{%%"groups"%%'""",
    "escaped": r"""'{%%\\u00%%'""",
    "one": 'value collate "C"',
    "ids": "unnest(%(ids)s::text[]) as listed(value)",
    "others": "unnest(%(others)s::text[]) as listed(value)",
    "parts": """(value->>0) collate "C", (value->>1) collate "C", (value->>2) collate "C", (value->>3)::bigint,
                (value->>4)::bigint""",
    "held": "jsonb_array_elements(cast(%(held)s as jsonb)) as listed(value)",
    **{name: f"%({name})s" for name in ("as_of", "subscription", "window", "most")},
}
_SQLITE = {
    "among": "in (select value from json_each(:organisations))",
    "named": """'{%"groups"%'""",
    "escaped": r"""'{%\u00%'""",
    "one": "value",
    "ids": "json_each(:ids)",
    "others": "json_each(:others)",
    "parts": ", ".join(f"json_extract(value, '$[{n}]')" for n in range(5)),
    "held": "json_each(:held)",
    **{name: f":{name}" for name in ("as_of", "subscription", "window", "most")},
}

_SQL = {True: _COUNT.format_map(_POSTGRESQL), False: _COUNT.format_map(_SQLITE)}
"""The count, by whether it is PostgreSQL."""

_TEXTS = {
    dialect: f"select distinct fact.attributes from fact where {_TELLS.format_map(words)} limit {words['most']}"
    for dialect, words in ((True, _POSTGRESQL), (False, _SQLITE))
}
"""Everything that attributes say where they name groups."""

_LINKS = {
    dialect: "select learner, object from fact "
    f"where status = true and type = '{LINKED}' and organisation {words['among']}"
    for dialect, words in ((True, _POSTGRESQL), (False, _SQLITE))
}
