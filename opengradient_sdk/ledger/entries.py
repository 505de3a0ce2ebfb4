"""Entries of the ledger: canonical text, chained by their hashes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Literal, NamedTuple, cast, get_args

from .._core.json_in import parse_json
from .receipt import AuthorizationFacts

Kind = Literal["began", "receipt", "amended", "payment", "forgotten", "checkpoint"]
"""What an entry tells of; ``began`` is the first of every writer and says whose it is."""

VERSION: Final = 1
_DOMAIN: Final = b"opengradient ledger entry\0"
_PIECE: Final = 2047  # bytes
_TYPES: Final = (
    *((name, str) for name in ("writer", "previous", "kind", "subject")),
    *(("seq", int), ("at", float), ("data", dict)),
)
_MEMBERS: Final = frozenset({"v", *(name for name, _ in _TYPES)})
_KINDS: Final = frozenset(get_args(Kind))


class Head(NamedTuple):
    """The last entry of a writer. ``seq`` counts from 0; ``hash`` is hex."""

    writer: str
    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What the text of an entry says; ``previous`` is empty in a writer's first entry.

    ``at`` is Unix seconds of the writer's clock.
    """

    writer: str
    seq: int
    previous: str
    kind: Kind
    at: float
    subject: str
    data: Mapping[str, Any]


def encoded(value: object) -> str:
    """Return the canonical JSON text of ``value``: keys sorted, no blanks, ASCII only.

    Raises:
        ValueError: A NaN or infinity.
        TypeError: JSON cannot express it.
    """
    return _encode(value)


def body_of(head: Head, kind: Kind, at: float, subject: str, data: str) -> str:
    """Return the text of the entry that follows ``head``; ``data`` is canonical JSON already.

    It is what ``encoded`` would say of the whole: only written in one go.
    """
    return (
        f'{{"at":{at!r},"data":{data},"kind":"{kind}","previous":"{head.hash}",'
        f'"seq":{head.seq + 1},"subject":{_encode(subject)},"v":{VERSION},'
        f'"writer":"{head.writer}"}}'
    )


def hash_of(body: str) -> str:
    """Return the hash of an entry's text, in hex. Any text has one, also a tampered one."""
    text = body.encode("utf-8", "surrogatepass")
    hashed = sha256(_DOMAIN)
    # hashing more at a time lets go of the interpreter, and a busy event loop keeps it for a while
    for start in range(0, len(text), _PIECE):
        hashed.update(text[start : start + _PIECE])
    return hashed.hexdigest()


def read_entry(body: str) -> Entry:
    """Return what an entry says.

    Raises:
        ValueError: It is not the text of an entry.
    """
    members = parse_json(body)
    if not isinstance(members, dict):
        raise ValueError("not an object")
    said = cast(dict[str, Any], members)
    if said.keys() != _MEMBERS or said["v"] != VERSION:
        raise ValueError("not an entry of a version that is known here")
    if any(type(said[name]) is not kind for name, kind in _TYPES):
        raise ValueError("its members are of the wrong kinds")
    if said["kind"] not in _KINDS:
        raise ValueError(f"an entry of the kind {said['kind']!r}")
    del said["v"]
    return Entry(**said)


def payment_subject(facts: AuthorizationFacts) -> str:
    """Return the subject of the entries on an authorization."""
    return f"payment {facts.network} {facts.owner} {facts.nonce}"


def seconds(at: float) -> float:
    """Return a time as an entry can hold it.

    Raises:
        ValueError: It is not finite.
    """
    if not math.isfinite(at):
        raise ValueError("a time is a finite number of seconds")
    return float(at)


def as_column(text: str) -> str:
    """Return ``text`` as every store can hold it in a column; what it cannot hold is escaped.

    PostgreSQL takes neither NUL nor half a surrogate pair, and one row that it refuses would keep
    all others from being written.
    """
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def placeholders(values: Sequence[object]) -> str:
    """Return as many ``?`` as there are values."""
    return ", ".join("?" * len(values))


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(cast(Mapping[str, object], value))
    raise TypeError(f"no JSON: {type(value).__name__}")


_encode: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain
).encode
