"""The record of a run, put together: which call was sent on which authorization, with what end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from .evidence import Evidence
from .recording import Line


class End(Enum):
    """How a paid request ended, as far as its sender could see."""

    UNSENT = "never left"
    REFUSED = "402"
    FAILED = "another error"
    ANSWERED = "a whole answer"
    LOST = "sent, and no whole answer came"


@dataclass(frozen=True, slots=True)
class Sending:
    """One paid request; ``ended`` is where in the record its end is, ``began`` where it left."""

    key: str
    node: str
    nonce: str
    header: str
    began: int
    ended: int
    end: End


@dataclass(frozen=True, slots=True)
class Signing:
    """One signature under a cap; ``at`` is Unix seconds of the Devnet."""

    key: str
    nonce: str
    cap: int
    at: float
    place: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time that a caller asked for something, up to its end or that of its process.

    ``spent`` is what the error says, where it ended with one; ``at`` is Unix seconds of the Devnet.
    """

    key: str
    began: int
    ended: int
    at: float
    text: str | None = None
    spent: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """What happened, in order."""

    signings: tuple[Signing, ...]
    sendings: tuple[Sending, ...]
    attempts: tuple[Attempt, ...]

    @classmethod
    def of(cls, evidence: Evidence) -> Story:
        """Read a run's record."""
        return cls(
            tuple(_signings(evidence)), tuple(_sendings(evidence)), tuple(_attempts(evidence))
        )

    def sent(self, nonce: str) -> bool:
        """Say whether an authorization ever left its process."""
        return any(s.nonce == nonce and s.end is not End.UNSENT for s in self.sendings)

    def nodes_of(self, nonce: str) -> set[str]:
        """Return the nodes that an authorization was sent to."""
        return {s.node for s in self.sendings if s.nonce == nonce}

    def within(self, attempt: Attempt) -> list[Sending]:
        """Return the paid requests of an attempt."""
        return [s for s in self.sendings if attempt.began < s.began < attempt.ended]


def _signings(evidence: Evidence) -> Iterator[Signing]:
    for place, line in enumerate(evidence.lines):
        if line["what"] == "signed":
            at = line["at"] + evidence.offset
            yield Signing(line["key"], line["nonce"], line["cap"], at, place)


def _sendings(evidence: Evidence) -> Iterator[Sending]:
    lines, network = evidence.lines, evidence.network
    assert network is not None
    ends = {line["request"]: (place, line) for place, line in enumerate(lines) if _is_end(line)}
    for place, line in enumerate(lines):
        if line["what"] != "sending":
            continue
        ended, last = ends.get(line["request"], (len(lines), None))
        nonce = line.get("nonce") or network.sessions.get(line.get("session"), "unknown session")
        yield Sending(
            line["key"], line["node"], nonce, line.get("header", ""), place, ended, _end(last)
        )


def _is_end(line: Line) -> bool:
    return line["what"] in ("answered", "lost")


def _end(line: Line | None) -> End:
    if line is None:
        return End.LOST  # its process died
    if line["what"] == "lost":
        return End.LOST if line["sent"] else End.UNSENT
    return {200: End.ANSWERED, 402: End.REFUSED}.get(line["status"], End.FAILED)


def _attempts(evidence: Evidence) -> Iterator[Attempt]:
    lines = evidence.lines
    asked = [place for place, line in enumerate(lines) if line["what"] == "asked"]
    for place, following in zip(asked, [*asked[1:], len(lines)], strict=True):
        began = lines[place]
        ends = (p for p in range(place, following) if lines[p]["what"] in ("returned", "raised"))
        ended = next(ends, None)  # there is none where the process died
        last = {} if ended is None else lines[ended]
        yield Attempt(
            key=began["key"],
            began=place,
            ended=following if ended is None else ended,
            at=began["at"] + evidence.offset,
            text=last.get("text"),
            spent=last.get("spent", ""),
        )
