"""What the server refuses, in the reader's language: its sentences are English where they arise, and told here.

`refused(…)`, `Problem(…)` and `missing(…)` have English sentences, which programs get as they are. A page looks them
up: each stands below with names for what is filled in, and in German in the catalogue. What stands nowhere is shown in
English. `tests/pages/test_sentences.py` reads the code, and finds a sentence that is missing here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from django.utils.translation import get_language, gettext, gettext_noop

from rollbook.errors import Problem

_FILLED_IN = re.compile(r"%\((\w+)\)s")

SENTENCES = (
    # Who may do what, and accounts and keys.
    gettext_noop("you may add viewers only"),
    gettext_noop("you may change viewers only"),
    gettext_noop("you may make and renew keys that read, and no others"),
    gettext_noop("you would disable yourself"),
    gettext_noop("ask an operator"),
    gettext_noop("ask another operator"),
    gettext_noop("ask somebody who may read learners"),
    gettext_noop("ask for a role or a key that may"),
    gettext_noop("choose among %(names)s, or ask an operator"),
    gettext_noop("it needs %(needs)s"),
    gettext_noop("it names learners"),
    gettext_noop("operators have no customer, and all others have one"),
    gettext_noop("leave it out, or leave out the customer"),
    gettext_noop("name the customer, or leave it out"),
    gettext_noop("manage is for keys of no customer: it reaches all of them"),
    gettext_noop("tell whoever runs the server"),
    gettext_noop("this address is open to nobody"),
    gettext_noop("they are disabled"),
    gettext_noop("enable them first"),
    gettext_noop("this address cannot be used"),
    gettext_noop("use another address"),
    gettext_noop("use another one"),
    gettext_noop("somebody has this address, and is no operator who may sign in"),
    gettext_noop("it is no e-mail address"),
    gettext_noop("write it as olga@example.org"),
    gettext_noop("it is past"),
    gettext_noop("give a later instant, or none"),
    gettext_noop("it is revoked for ever"),
    gettext_noop("make another one"),
    gettext_noop("there are %(n)s that hold"),
    gettext_noop("revoke one that nobody uses"),
    # Signing in, and how often something may be done.
    gettext_noop("name and password do not belong together"),
    gettext_noop("check both, or ask whoever invited you for a new link"),
    gettext_noop("check it, or ask whoever invited you for a new link"),
    gettext_noop("there were too many attempts to sign in"),
    gettext_noop("wait %(n)s seconds"),
    gettext_noop("it was used before, or is too old"),
    gettext_noop("ask for a new one"),
    gettext_noop("it is not the password"),
    gettext_noop("it is longer than %(n)s characters"),
    gettext_noop("choose a shorter one"),
    gettext_noop("choose another"),
    gettext_noop("it is missing or is not this session's"),
    gettext_noop("send what GET /v1/session says"),
    gettext_noop("sign in, or ask an operator"),
    gettext_noop("somebody is here already"),
    gettext_noop("start the server anew for another one"),
    gettext_noop("the code does not hold"),
    gettext_noop("the sample is for an empty server"),
    gettext_noop("there are customers already"),
    gettext_noop("a key may call %(n)s times in a minute"),
    gettext_noop("somebody who is signed in may call %(n)s times in a minute"),
    gettext_noop("this may be done %(n)s times in a quarter of an hour"),
    # What is not there, or not known.
    gettext_noop("there is no such course"),
    gettext_noop("there is no such customer"),
    gettext_noop("there is no such decision"),
    gettext_noop("there is no such endpoint"),
    gettext_noop("there is no such form of a statement"),
    gettext_noop("there is no such key"),
    gettext_noop("there is no such kind of platform"),
    gettext_noop("there is no such learner"),
    gettext_noop("there is no such message"),
    gettext_noop("there is no such page of the documentation"),
    gettext_noop("there is no such plan"),
    gettext_noop("there is no such problem"),
    gettext_noop("there is no such report order"),
    gettext_noop("there is no such statement"),
    gettext_noop("there is no such subscription"),
    gettext_noop("there is no such user"),
    gettext_noop("there is no such window"),
    gettext_noop("there is no such act"),
    gettext_noop("there is no such upgrade task"),
    gettext_noop("there is no such entry"),
    gettext_noop("see the list of those that you may see"),
    gettext_noop("there is no such time zone"),
    gettext_noop("give a name such as Europe/Paris"),
    gettext_noop("there is no such choice in this list"),
    gettext_noop("there is no such form of it"),
    gettext_noop("it is no place in this list"),
    gettext_noop("begin at the first page"),
    gettext_noop("leave it out"),
    gettext_noop("use %(names)s"),
    gettext_noop("use one of %(names)s"),
    gettext_noop("there is no such event%(near)s"),
    gettext_noop("there is no such report%(near)s"),
    gettext_noop("there is no such %(what)s here"),
    gettext_noop('there is no %(what)s "%(name)s" here%(near)s'),
    gettext_noop('there is no plan "%(name)s" here%(near)s'),
    gettext_noop('there is no format "%(name)s"%(near)s'),
    gettext_noop("no fact of this subscription's organisations names this learner"),
    gettext_noop("give the id as facts carry it, percent-encoded"),
    gettext_noop("more than %(n)s entries came over this connection"),
    gettext_noop("see which program sends them"),
    gettext_noop("each organisation has its own allowance, and there are too many to look at at once"),
    gettext_noop("choose an organisation as well"),
    # Rules of a roster.
    gettext_noop("this cannot be done here"),
    gettext_noop("use the buttons of the page"),
    gettext_noop("there are more than %(n)s people, and it would take too long to answer"),
    gettext_noop("wait for the trial of the coming night, and see its run"),
    gettext_noop("some %(n)s people have more than %(most)s status facts"),
    gettext_noop("see which sender sends statuses without end"),
    gettext_noop("it has %(n)s characters, and rules have at most %(most)s"),
    gettext_noop("say less, or in fewer cycles"),
    gettext_noop("%(n)s of these organisations are none of the customer's"),
    gettext_noop("name them as they were registered"),
    gettext_noop("there are %(n)s versions, and no more are kept"),
    gettext_noop("switch one of them on"),
    gettext_noop("this run is %(state)s: it waits for nobody"),
    gettext_noop("see the list of runs"),
    gettext_noop("a later run has decided anew"),
    gettext_noop("the server could not run these rules; what happened is in its log"),
    gettext_noop("look at the newest run"),
    gettext_noop("its version is not on any more"),
    gettext_noop("switch the version on"),
    gettext_noop("what this run does would be something else now than was shown: nothing was changed"),
    gettext_noop("look at the run again, and agree to that"),
    # A roster, and what is done to it.
    gettext_noop("it is enabled already"),
    gettext_noop("it is disabled already"),
    gettext_noop("the learner is active already"),
    gettext_noop("the learner is inactive already"),
    gettext_noop("nothing to do"),
    gettext_noop("these rows ask for opposite things of one and the same"),
    gettext_noop("leave one of them out"),
    gettext_noop('there is no action "%(name)s"%(near)s'),
    gettext_noop('there is no organisation "%(name)s"%(near)s'),
    gettext_noop("check its spelling against the roster"),
    gettext_noop("no learner of this organisation has this id"),
    gettext_noop("check the id against the roster, or wait for the next snapshot"),
    gettext_noop("the learner has no such enrolment, or it has ended"),
    gettext_noop("check course and unit against the roster; only the platform enrols"),
    gettext_noop("this enrolment has no name, so disabling it would disable all others of the learner"),
    gettext_noop("have the platform name the enrolment in its facts"),
    gettext_noop("the clean-up was done on %(day)s, and it is for the first cleaning only"),
    gettext_noop("set learners inactive by course or from a file, or let a learn cycle do it"),
    gettext_noop("no active learner has enrolments that have all not begun or are all over"),
    gettext_noop("nothing to do; it can still be done later"),
    gettext_noop("something was told of these learners that happens at %(when)s, which is still to come"),
    gettext_noop("look at the preview again after that: this one cannot be confirmed"),
    gettext_noop("unpack it first, or send a zip archive"),
    gettext_noop("nobody stands in it"),
    gettext_noop("export it anew; the first row of a CSV file names the columns"),
    gettext_noop("it is an archive that cannot be read"),
    gettext_noop("export it anew"),
    gettext_noop("it has more than %(n)s rows"),
    gettext_noop("it unpacks to more than %(n)s bytes"),
    gettext_noop("it holds %(n)s files, more than %(most)s"),
    gettext_noop("it lists %(n)s files and folders, more than %(most)s"),
    gettext_noop("send an organisation at a time, or parts that are not complete"),
    gettext_noop("nobody who is missing from it is taken to have left: %(why)s"),
    gettext_noop("say that it is complete, if it holds everybody"),
    gettext_noop("it tells of an organisation that is none of this customer's: %(names)s"),
    gettext_noop("name its organisations as they were registered"),
    gettext_noop("learner is empty"),
    gettext_noop("give the learner's id, as the facts write it"),
    gettext_noop("course is empty"),
    gettext_noop("name the course; leave the whole enrolment out where there is none"),
    gettext_noop("end %(end)s is before start %(start)s"),
    gettext_noop("correct one of them; end is the first day after"),
    gettext_noop("choose a file"),
    gettext_noop("facts say in more than %(n)s different texts who is in which groups"),
    gettext_noop("leave out of attributes whatever differs from fact to fact"),
    gettext_noop("more than %(n)s status facts of people with several ids would have to be read"),
    gettext_noop("ask for the report groups as a file"),
    gettext_noop("there are %(n)s groups, and a report has at most %(most)s"),
    gettext_noop("report on fewer organisations at once, or tell broader groups"),
    gettext_noop("%(name)s is of all organisations together"),
    gettext_noop("use %(names)s, or leave it out"),
    gettext_noop("name one of its organisations, as it was registered"),
    gettext_noop('the subscription has no organisation "%(name)s"%(near)s'),
    gettext_noop("a line of it has more than %(n)s dots"),
    gettext_noop("write lists over several lines"),
    gettext_noop("a file in it is compressed again"),
    gettext_noop("pack the files as they are"),
    gettext_noop("nobody is enrolled in this course"),
    gettext_noop("give a course as the roster names it"),
    gettext_noop("this organisation is none of the customer's"),
    gettext_noop("several organisations could be meant"),
    gettext_noop("name one of the customer's organisations"),
    gettext_noop("it is about %(n)s learners, and one action is about at most %(most)s"),
    gettext_noop("do it for a unit or a part of them at a time"),
    gettext_noop("more than %(n)s status facts would have to be read for it"),
    gettext_noop("do it for a part of the learners at a time"),
    gettext_noop("it is none of the standings"),
    gettext_noop("there are %(n)s course offers, and at most %(most)s are listed"),
    gettext_noop("choose an organisation"),
    gettext_noop("choose an organisation, or fewer learners"),
    gettext_noop("it is not said what is to be done"),
    gettext_noop("choose it on the roster"),
    gettext_noop("there are more than %(n)s rows"),
    gettext_noop("give them in several files"),
    gettext_noop("there is no row in it"),
    gettext_noop("write a row for each thing to be done"),
    gettext_noop("it is compressed"),
    gettext_noop("unpack it first"),
    gettext_noop("there is no file, or nothing in it"),
    gettext_noop("choose a CSV file"),
    gettext_noop("it has more than %(n)s bytes"),
    gettext_noop("give it in several files"),
    # What takes too long, or has to wait.
    gettext_noop("as many reports are being made as can be at once"),
    gettext_noop("another history is being compared"),
    gettext_noop("there are more than %(n)s facts, which takes too long here"),
    gettext_noop("ask the vendor to compare them with `rollbook compare`"),
    gettext_noop("try again in a few seconds"),
    gettext_noop("try again in %(n)s seconds"),
    # Webhooks and messages.
    gettext_noop("it is no address"),
    gettext_noop("write https://host/path"),
    gettext_noop("write https://host/path, other letters in their encoded form"),
    gettext_noop("messages go over TLS only"),
    gettext_noop("write an address that begins with https://"),
    gettext_noop("it carries a name or a password, which would stand in lists and logs"),
    gettext_noop("leave it out: every message is signed, which proves who sends it"),
    gettext_noop("nothing is sent there any more"),
    gettext_noop("it said that it is gone, and nothing is sent there"),
    gettext_noop("switch it on first"),
    gettext_noop("switch it on: POST /v1/endpoints/{number}/enable"),
    gettext_noop("somebody removed it, which is for ever"),
    gettext_noop("enter the address anew: POST /v1/endpoints"),
    gettext_noop("add another one"),
    gettext_noop("there are %(n)s"),
    gettext_noop("remove one"),
    gettext_noop("only a message that was given up can be sent again"),
    gettext_noop("wait: whatever waits is sent by itself"),
    # Ordered reports.
    gettext_noop("it has %(n)s orders"),
    gettext_noop("nothing is over yet of which it could be"),
    gettext_noop("export it from the usage, as it stands at this moment"),
    gettext_noop("whoever asks has no e-mail address"),
    gettext_noop("sign in as somebody who has one, or fetch the report: GET /v1/subscriptions/{number}/reports/{name}"),
    # Statements, and closing.
    gettext_noop("no such statement waits for an approval"),
    gettext_noop("see which wait in the list of statements"),
    gettext_noop("the vendor disputes it already"),
    gettext_noop("tell your contact there what you know of it"),
    gettext_noop("it is empty"),
    gettext_noop("it has more than %(n)s characters"),
    gettext_noop("say why, in a sentence"),
    gettext_noop("it is closed"),
    gettext_noop("no such window has begun"),
    gettext_noop("give a window that runs, or ended and is not closed"),
    gettext_noop("the term begins on %(day)s, and nothing of it has happened yet"),
    gettext_noop("wait, or give a later instant with --as-of"),
    gettext_noop("its facts give %(active)s active, and the live count has %(live)s"),
    gettext_noop("its facts and the live count both give %(active)s active, and differ in the rest"),
    gettext_noop("see what differs: rollbook recount; nothing is closed until both agree"),
    gettext_noop("%(n)s stored facts cannot be read, or are not what was closed"),
    gettext_noop("restore the database as it was, or ask whoever changed it"),
    gettext_noop("windows are closed until %(instant)s, and what is closed stays as it is"),
    gettext_noop("give a later day"),
    # What is agreed, and plans.
    gettext_noop("a paid term is one year, and this one runs from %(start)s to %(end)s"),
    gettext_noop("end it on %(day)s, or make it a pilot"),
    gettext_noop("add the organisation first"),
    gettext_noop("it has no organisation %(names)s"),
    gettext_noop("it has no [tariff]"),
    gettext_noop("write prices under [tariff]"),
    gettext_noop("begin on %(day)s or later"),
    gettext_noop("no version of it is effective on %(day)s"),
    gettext_noop("%(other)s runs until %(day)s, and would count the same facts"),
    gettext_noop("begin there; or, if this counts something else, give it a `meter` of its own"),
    gettext_noop("name one that GET /v1/plans lists, or send its text to POST /v1/plans first"),
    gettext_noop("another version of %(plan)s is effective from %(day)s"),
    gettext_noop("another version of %(plan)s is effective from ever"),
    gettext_noop("give it a date of its own"),
    gettext_noop("give a year of this century"),
    gettext_noop("%(day)s is no usable date"),
    gettext_noop("it has %(n)s of them"),
    gettext_noop("begin another subscription"),
    gettext_noop("%(plan)s is there already, and this version does not say from when on it holds"),
    gettext_noop("write effective_from = 2027-01-01 under [governance], with the first day"),
    gettext_noop("shorten it; comments may go"),
    gettext_noop("give its number on the server"),
    gettext_noop(
        "it is not the key with which this database was begun: learners who come again would be counted twice"
    ),
    gettext_noop("set it to what it was on the server whose data this is"),
    # Comparing plans.
    gettext_noop("no fact is of a type that this plan counts (%(types)s)"),
    gettext_noop("it would count nobody, which is not the same as costing nothing; add such facts"),
    gettext_noop(" (nearest: %(name)s)"),
    # The archive.
    gettext_noop("facts were moved to an archive, and ROLLBOOK_ARCHIVE does not say where it is"),
    gettext_noop("set it for this process, as for the one that moved the facts, and start it again"),
    gettext_noop("there is no such folder"),
    gettext_noop("make it, for the server's user alone: mkdir -m 700"),
    gettext_noop("facts of customer %(customer)s were moved there, and it is not there"),
    gettext_noop("bring it back; nothing is moved meanwhile"),
    gettext_noop("its folder %(folder)s is not where ROLLBOOK_ARCHIVE says"),
    gettext_noop("it has %(there)s facts, and %(moved)s were moved there"),
    gettext_noop("it cannot be read; `rollbook ledger verify` says what is damaged"),
    gettext_noop("bring back the folder that ROLLBOOK_ARCHIVE names; until then nothing of its windows is counted"),
    gettext_noop("it does not hold what was written into it, and nothing else"),
    gettext_noop("look at the disk; nothing was taken out"),
    gettext_noop("it cannot be written: %(why)s"),
    gettext_noop("look at the disk, and at ROLLBOOK_ARCHIVE"),
)
"""Every sentence. What is filled in is shown as it is, but `near`, which is a sentence of its own."""


_WINDOW = re.compile(r"(?<![-\w`\"\[])\bwindow(s?)\b(?![=.`\"\]])")
"""What pages call a period, as people do; not where it is the name of a key or an option."""


def told(sentence: str) -> str:
    """A sentence of the server in the reader's language, or as it is where it has no words there."""
    if (get_language() or "en").partition("-")[0] == "en" or not sentence:
        return _WINDOW.sub(lambda it: "period" + it[1], sentence)
    if sentence in _plain():
        return gettext(sentence)
    for pattern, english in _filled():
        if found := pattern.fullmatch(sentence):
            parts = found.groupdict()
            return gettext(english) % {**parts, "near": told(parts.get("near") or "")}
    return sentence


def both(problem: Problem) -> str:
    """What is wrong and what to do about it, as a sentence."""
    rule, remedy = told(problem.rule), told(problem.remedy)
    return f"{rule[:1].upper()}{rule[1:]}: {remedy}." if remedy else f"{rule[:1].upper()}{rule[1:]}."


@cache
def _plain() -> frozenset[str]:
    return frozenset(it for it in SENTENCES if not _FILLED_IN.search(it))


@cache
def _filled() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Those with something filled in, the longest first: what says most fits best."""
    found = sorted((it for it in SENTENCES if _FILLED_IN.search(it)), key=len, reverse=True)
    return tuple((re.compile("".join(_patterns(it)), re.DOTALL), it) for it in found)


def _patterns(sentence: str) -> Iterator[str]:
    at = 0
    for part in _FILLED_IN.finditer(sentence):
        many = "*?" if part[1] == "near" else "+?"
        yield f"{re.escape(sentence[at : part.start()])}(?P<{part[1]}>.{many})"
        at = part.end()
    yield re.escape(sentence[at:])
