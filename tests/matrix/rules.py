"""The money rules, judged from outside: by wallet, wire, store, books of the network, chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, Final, Self

from .cells import Cell
from .evidence import Evidence, Network
from .story import Attempt, End, Sending, Signing, Story

MAX_OPEN: Final = 3
"""Open authorizations of one node at once: three that it wasted, and a fourth is not signed."""

MAX_COPIES: Final = 2
"""How often a request is sent while no answer comes: once, and once more."""

LIES: Final = ("wrong-proof", "replayed-proof", "clock-ahead", "clock-behind")
"""Faults whose whole answers prove nothing: the call is over, and its money is gone."""

NOT_PROVEN: Final = (*LIES, "garbage-answer")
"""Faults whose whole answers may be refused for good: paid, and nothing to hand over."""

_OUTLIVES_THE_CALL: Final = (End.LOST, End.ANSWERED)


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that did not hold, and what happened instead."""

    rule: str
    what: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run came to. Amounts are atoms."""

    signed: int = 0
    resent: int = 0
    refused: int = 0
    billed: int = 0
    delivered: int = 0
    given_up: int = 0
    unknown: int = 0
    most_open: int = 0
    charged: int = 0
    struck: int = 0
    died: int = 0

    @property
    def billed_twice(self) -> int:
        """Answers that were billed and never handed over: copies of others, or lost for good."""
        return max(0, self.billed - self.delivered)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of one run."""

    cell: Cell
    violations: tuple[Violation, ...]
    figures: Figures = field(default_factory=Figures)

    @classmethod
    def of_failure(cls, cell: Cell, what: str) -> Verdict:
        """Return the verdict on a run that did not come to its end."""
        return cls(cell, (Violation("the run came to its end", what),))

    def to_json(self) -> dict[str, Any]:
        """Return it for another process."""
        return {
            "cell": self.cell.name,
            "violations": [asdict(violation) for violation in self.violations],
            "figures": asdict(self.figures),
        }

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        """Return the verdict of another process."""
        return cls(
            Cell.named(told["cell"]),
            tuple(Violation(**violation) for violation in told["violations"]),
            Figures(**told["figures"]),
        )

    def __str__(self) -> str:
        said = "\n".join(f"  {v.rule}: {v.what}" for v in self.violations) or "  as it should be"
        return f"python -m tests.matrix --cell {self.cell.name}\n{said}"


@dataclass(frozen=True, slots=True)
class _Case:
    evidence: Evidence
    network: Network
    story: Story

    @property
    def cell(self) -> Cell:
        return self.evidence.cell

    def charged_by(self, nonce: str, moment: float) -> int | None:
        """Return what the chain had charged for an authorization by then, if it had."""
        settled = self.network.settled.get(nonce)
        return settled.amount if settled is not None and settled.at <= moment else None

    def left(self, nonce: str) -> bool:
        """Say whether anybody can collect it: what was signed and lost with its process, nobody."""
        journalled = {row.nonce for row in self.evidence.journal}
        return self.story.sent(nonce) or nonce in journalled

    def open_at(self, moment: float) -> list[Signing]:
        """Return the authorizations that could be collected then, up to the one of that moment."""
        return [
            s
            for s in self.story.signings
            if s.at <= moment and self.left(s.nonce) and self.charged_by(s.nonce, moment) is None
        ]


def judge(evidence: Evidence) -> Verdict:
    """Return what is to be said of a run whose payments the chain has spoken about."""
    assert evidence.network is not None
    case = _Case(evidence, evidence.network, Story.of(evidence))
    violations = tuple(Violation(name, what) for name, rule in RULES.items() for what in rule(case))
    return Verdict(evidence.cell, violations, _figures(case))


def _few_open(case: _Case) -> Iterator[str]:
    for node, count in _most_open(case).items():
        if count > MAX_OPEN:
            yield f"{count} authorizations for {node} were open at once"


def _most_open(case: _Case) -> dict[str, int]:
    most: dict[str, int] = {}
    for signing in case.story.signings:
        now_open: dict[str, int] = {}
        for one in case.open_at(signing.at):
            for node in case.story.nodes_of(one.nonce):
                now_open[node] = now_open.get(node, 0) + 1
        most = {node: max(most.get(node, 0), now_open.get(node, 0)) for node in most | now_open}
    return most


def _no_second(case: _Case) -> Iterator[str]:
    for signing in case.story.signings:
        for sending in case.story.sendings:
            if _unresolved(case, sending, signing):
                yield (
                    f"{_short(signing.nonce)} was signed for {signing.key!r}, which had been sent "
                    f"on {_short(sending.nonce)}: {sending.end.value}"
                )


def _unresolved(case: _Case, sending: Sending, signing: Signing) -> bool:
    """Whether a call had an authorization of unknown end when another one was signed for it."""
    if sending.key != signing.key or sending.began > signing.place:
        return False
    if case.charged_by(sending.nonce, signing.at) is not None:
        return False
    if sending.end is End.ANSWERED and case.cell.fault in LIES:
        return False
    return sending.end in _OUTLIVES_THE_CALL


def _same_bytes(case: _Case) -> Iterator[str]:
    for nonce in {s.nonce for s in case.story.sendings}:
        headers = {s.header for s in case.story.sendings if s.nonce == nonce and s.header}
        if len(headers) > 1:
            yield f"{_short(nonce)} was sent in {len(headers)} spellings"
        if len(nodes := case.story.nodes_of(nonce)) > 1:
            yield f"{_short(nonce)} was sent to {', '.join(sorted(nodes))}"


def _few_copies(case: _Case) -> Iterator[str]:
    for key in case.evidence.wishes:
        lost = [s for s in case.story.sendings if s.key == key and s.end is End.LOST]
        if len(lost) > MAX_COPIES:
            yield f"{key!r} was sent {len(lost)} times without an answer"


def _written_first(case: _Case) -> Iterator[str]:
    journalled = {row.nonce for row in case.evidence.journal}
    signed = {s.nonce for s in case.story.signings}
    for nonce in {s.nonce for s in case.story.sendings} - journalled:
        yield f"{_short(nonce)} was sent and is not in the journal"
    for nonce in (case.network.verified | case.network.settled.keys()) - signed:
        yield f"{_short(nonce)} reached the network, and the wallet knows nothing of it"


def _to_the_atom(case: _Case) -> Iterator[str]:
    told = {row.nonce: row for row in case.evidence.journal}
    for nonce, settled in case.network.settled.items():
        if nonce in told and told[nonce].charged != settled.amount:
            yield f"{_short(nonce)}: the journal says {told[nonce].charged}, the chain {settled}"
    total = sum(row.charged for row in told.values())
    if total != case.network.charged:
        yield f"the journal says {total} in all, the wallet paid {case.network.charged}"
    if case.network.owed != case.network.charged:
        yield f"the nodes served {case.network.owed}, the wallet paid {case.network.charged}"
    if still_open := [_short(row.nonce) for row in told.values() if row.open]:
        yield f"open after the chain has spoken: {', '.join(still_open)}"
    standing = case.evidence.standing
    if standing["exposed"]:
        yield f"the budget still reserves {standing['exposed']}"
    if case.cell.plan.named and standing["settled"] != case.network.charged:
        yield f"the budget counts {standing['settled']}, the wallet paid {case.network.charged}"


def _within_budget(case: _Case) -> Iterator[str]:
    total = case.cell.plan.total
    for signing in case.story.signings:
        spent = sum(s.amount for s in case.network.settled.values() if s.at <= signing.at)
        exposed = sum(s.cap for s in case.open_at(signing.at))
        if spent + exposed > total:
            yield f"{exposed} exposed and {spent} spent at a signature, of {total}"
    if (most := max(case.evidence.exposures, default=0)) > total:
        yield f"the store had {most} exposed and spent, of {total}"


def _no_reply_lost(case: _Case) -> Iterator[str]:
    for key in case.evidence.wishes:
        attempts = [a for a in case.story.attempts if a.key == key]
        for first, again in pairwise(attempts):
            if first.text is None:
                continue
            if again.text != first.text:
                yield f"{key!r} was answered, and the same key gave {again.text!r:.80}"
            if case.story.within(again):
                yield f"{key!r} was answered, and the same key was sent again"
        if attempts and attempts[-1].text is None:
            yield from _why_not(case, key, attempts[-1])


def _why_not(case: _Case, key: str, last: Attempt) -> Iterator[str]:
    """Say what is wrong with a call that may have been billed and has no answer in the end.

    Nothing is, where both copies of it that may be sent went out, or where its authorization was
    refused or settled meanwhile: then it must be told that money may be spent.
    """
    sendings = [s for s in case.story.sendings if s.key == key]
    maybe_billed = [s for s in sendings if s.end in _OUTLIVES_THE_CALL]
    if not maybe_billed or case.cell.fault in LIES:
        return
    if case.cell.fault in NOT_PROVEN and last.spent == "YES":
        return
    if _copies(case, key, sendings) < MAX_COPIES and not _is_over(
        case, maybe_billed[-1].nonce, last
    ):
        yield f"{key!r} may be billed, could be had by one more copy, and was never handed over"
    if last.spent == "NO":
        yield f"{key!r} may be billed, and its last error says that nothing is spent"


def _copies(case: _Case, key: str, sendings: list[Sending]) -> int:
    """Return how many copies of a call have left, or were about to when its process died."""
    left = sum(s.end in (*_OUTLIVES_THE_CALL, End.FAILED) for s in sendings)
    told = [line for line in case.evidence.lines if line["what"] == "told RequestResent"]
    return max(left, 1 + sum(line["key"] == key for line in told))


def _is_over(case: _Case, nonce: str, attempt: Attempt) -> bool:
    """Whether nothing could be sent on an authorization any more when a call was tried again."""
    refused = any(s.end is End.REFUSED and s.nonce == nonce for s in case.story.sendings)
    return refused or case.charged_by(nonce, attempt.at) is not None


def _no_false_reply(case: _Case) -> Iterator[str]:
    for attempt in case.story.attempts:
        truth = case.evidence.wishes[attempt.key].truth
        if attempt.text is not None and attempt.text != truth:
            yield f"{attempt.key!r} was answered {attempt.text!r:.80}"


RULES: Final[dict[str, Callable[[_Case], Iterator[str]]]] = {
    "few open": _few_open,
    "no second authorization": _no_second,
    "byte for byte to the same node": _same_bytes,
    "sent again once": _few_copies,
    "written down first": _written_first,
    "charged as written, to the atom": _to_the_atom,
    "within the budget": _within_budget,
    "no reply lost": _no_reply_lost,
    "no false reply": _no_false_reply,
}
"""Every rule: what it says against a run."""


def _figures(case: _Case) -> Figures:
    story, evidence = case.story, case.evidence
    answered = {a.key for a in story.attempts if a.text is not None}
    return Figures(
        signed=len(story.signings),
        resent=sum(
            sum(s.end is End.LOST for s in story.within(attempt)[:-1]) for attempt in story.attempts
        ),
        refused=sum(s.end is End.REFUSED for s in story.sendings),
        billed=case.network.billed,
        delivered=len(answered),
        given_up=len({a.key for a in story.attempts} - answered),
        unknown=len({a.key for a in story.attempts if a.spent == "MAYBE"} - answered),
        most_open=max(_most_open(case).values(), default=0),
        charged=case.network.charged,
        struck=evidence.hits,
        died=int(evidence.died),
    )


def _short(nonce: str) -> str:
    return f"#{nonce[:6]}"
