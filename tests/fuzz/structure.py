"""Mutations that know JSON: they change what a document says and keep it a document.

A fuzzer that flips bytes spends itself on the tokenizer. These replace, drop, repeat, wrap and
splice members instead, and hand over to the byte-wise mutation now and then.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from itertools import islice
from typing import Any, Final, TypeAlias

Change: TypeAlias = Callable[[bytes], bytes]
Form: TypeAlias = Callable[[bytes, random.Random, Change], bytes]
"""Takes an input apart, lets one document in it be changed, and puts it together again."""

_MAX_NESTING: Final = 1_100
_MAX_PLACES: Final = 2_000
_STRANGE: Final[Sequence[Any]] = (
    None, True, False, 0, 1, -1, 2, 300, 2**31, 2**53, 2**64, 2**256, 10**17, 10**1000,
    0.0, -0.0, 0.5, 1e16, 1e-320, 1e308, float("inf"), float("nan"),
    "", " ", "0", "1", "-1", "+5", "0x10", "1e5", "1e-999999", "NaN", "٣", "\x00", "\n", "\ud800",
    "é", "\U0001f4a5", "upto", "exact", "eip155:8453", "eip155:1", "solana:1", "permit2", "eip3009",
    "tool_calls", "stop", "100000000000000000", "1" * 78, "9" * 90, "0x" + "00" * 20,
    [], {}, [[]], [None], {"": ""}, ["a"], {"index": 0}, {"text": "x"},
)  # fmt: skip
_NAMES: Final = (
    "x402Version", "accepts", "error", "resource", "extensions", "scheme", "network", "asset",
    "amount", "payTo", "maxTimeoutSeconds", "extra", "assetTransferMethod", "facilitatorAddress",
    "name", "version", "choices", "message", "delta", "content", "tool_calls", "function",
    "arguments", "id", "index", "finish_reason", "images", "usage", "prompt_tokens", "detail",
    "completion_tokens", "tee_id", "tee_request_hash", "tee_output_hash", "tee_timestamp",
    "tee_signature", "text", "type", "price_feed", "price_usd", "title", "data_settlement_x",
)  # fmt: skip


def plain_json(data: bytes, _chance: random.Random, change: Change) -> bytes:
    """The input is one JSON document."""
    return change(data)


def base64_of_json(data: bytes, _chance: random.Random, change: Change) -> bytes:
    """The input is a header: base64 of a JSON document."""
    return base64.b64encode(change(base64.b64decode(data, validate=True)))


def events_of_json(data: bytes, chance: random.Random, change: Change) -> bytes:
    """The input is a stream of events with a JSON document each."""
    events = [event for event in data.replace(b"\r\n", b"\n").split(b"\n\n") if event]
    if not events:
        return change(data)
    at = chance.randrange(len(events))
    match chance.randrange(6):
        case 0:
            del events[at]
        case 1:
            events.insert(chance.randrange(len(events) + 1), events[at])
        case 2:
            chance.shuffle(events)
        case _:
            events[at] = b"data: " + change(events[at].removeprefix(b"data:").strip())
    end = chance.choice((b"\n\n", b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n"))
    return end.join(events) + chance.choice((end, end, b""))


class Mutator:
    """Changes inputs of one form; ``donors`` are documents whose parts are spliced in."""

    def __init__(self, form: Form, donors: Sequence[bytes]) -> None:
        self._form = form
        # as text: what is spliced in twice must not be one object that changes in both places
        parts = (part for donor in donors for _, _, part in _places([_parsed(donor)]))
        self._parts = sorted({json.dumps(part) for part in parts})

    def mutate(self, data: bytes, seed: int) -> bytes | None:
        """Return a changed input, or ``None`` where ``data`` has not the form that is known."""
        chance = random.Random(seed)
        try:
            return self._form(data, chance, lambda document: self._changed(document, chance))
        except (ValueError, RecursionError):
            return None

    def _changed(self, document: bytes, chance: random.Random) -> bytes:
        root = [json.loads(document)]
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            self._change(root, chance)
        text = json.dumps(root[0], ensure_ascii=chance.random() < 0.7)
        return text.encode("utf-8", "surrogatepass")

    def _change(self, root: list[Any], chance: random.Random) -> None:
        places = list(islice(_places(root), _MAX_PLACES))
        holder, key, value = chance.choice(places)
        match chance.randrange(10):
            case 0 | 1:
                holder[key] = _strange(chance)
            case 2 | 3 if self._parts:
                holder[key] = json.loads(chance.choice(self._parts))
            case 4 if holder is not root:
                del holder[key]
            case 5:
                holder[key] = _nested(value, chance)
            case 6 if isinstance(value, list):
                holder[key] = json.loads(_repeated(value, chance))
            case 6 if isinstance(value, str):
                holder[key] = _respelled(value, chance)
            case 7 if isinstance(value, str | int):
                holder[key] = _counted_on(value, chance)
            case 8 if holder is not root:
                # an address for an address, a number for a number
                alike = [place for place in places if type(place[2]) is type(value)]
                other, there, found = chance.choice(alike)
                holder[key], other[there] = deepcopy(found), deepcopy(value)
            case _:
                _extended(holder, value, chance)


def _strange(chance: random.Random) -> Any:
    return deepcopy(chance.choice(_STRANGE))


def _extended(holder: Any, value: Any, chance: random.Random) -> None:
    target = value if isinstance(value, dict | list) else holder
    if isinstance(target, dict):
        target[chance.choice(_NAMES)] = _strange(chance)
    else:
        target.append(_strange(chance))


def _nested(value: Any, chance: random.Random) -> Any:
    name = chance.choice(_NAMES)
    for _ in range(chance.choice((1, 1, 2, 200, 499, _MAX_NESTING))):
        value = [value] if chance.random() < 0.9 else {name: value}
    return value


def _repeated(items: list[Any], chance: random.Random) -> str:
    return json.dumps(items + items[:1] * chance.choice((1, 2, 50)))


def _counted_on(value: str | int, chance: random.Random) -> Any:
    """Return a number a little, or much, off; what is no number stays."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) < 100):
        return value
    number = int(value)
    number = chance.choice((number + 1, number - 1, number * 2, number * 10**6, -number))
    return str(number) if isinstance(value, str) else number


def _respelled(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    return chance.choice(
        (text.upper(), text.lower(), text[:at], text[at:], text * 2, text[:at] + "\x00" + text[at:])
    )


def _places(root: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield every place of a document: its holder, its key there, and what it holds."""
    waiting = [root]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            value = holder[key]
            yield holder, key, value
            if isinstance(value, dict | list):
                waiting.append(value)


def _parsed(donor: bytes) -> Any:
    try:
        return json.loads(donor)
    except ValueError:
        return donor.decode("utf-8", "replace")[:200]
