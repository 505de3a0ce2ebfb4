"""JSON-RPC 2.0 on the wire: calls into bytes, and answers into outcomes, with nothing believed.

An answer counts only for the id that was asked: what comes late, twice or for somebody else never
becomes the answer to another call.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final, cast

from .._core.json_in import parse_json
from .node_errors import Fault, FaultKind

RpcCall = tuple[str, Sequence[object]]
"""A method and its parameters."""

Outcome = object
"""The ``result`` of an answer, or a ``Fault``."""

SEND: Final = "eth_sendRawTransaction"
"""The one call of this package that changes something."""

_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


class AnswerError(Exception):
    """What came back is no answer to what was asked; ``fault`` is what the server said instead."""

    def __init__(self, reason: str, fault: Fault | None = None) -> None:
        super().__init__(reason)
        self.fault = fault


def encode(calls: Sequence[RpcCall], first_id: int) -> bytes:
    """Return the body that asks ``calls``, with ids from ``first_id``; one call is no batch."""
    requests = [
        {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}
        for number, (method, params) in enumerate(calls, first_id)
    ]
    return _encode(requests if len(requests) > 1 else requests[0]).encode()


def decode(body: bytes, first_id: int, count: int, url: str) -> list[Outcome] | None:
    """Return the outcomes of ``count`` calls, in order; ``None``: the batch as such was refused.

    ``url`` names the endpoint in faults.

    Raises:
        AnswerError: Not the answers to these calls, or the server is overloaded.
    """
    try:
        answer = parse_json(body)
    except ValueError:
        raise AnswerError("no JSON") from None
    if count == 1:
        return [_single(answer, first_id, url)]
    if isinstance(answer, list):
        return _batch(cast("list[object]", answer), first_id, count, url)
    _check_refusal(answer, url)
    return None


def _single(answer: object, expected_id: int, url: str) -> Outcome:
    members = _members(answer)
    said = members.get("id")
    # an error may come without the id: of a request that the server could not read
    if not (_is(said, expected_id) or (said is None and members.get("error") is not None)):
        raise AnswerError("the answer to another request")
    return _outcome(members, url)


def _batch(answers: list[object], first_id: int, count: int, url: str) -> list[Outcome] | None:
    if len(answers) == 1 and "error" in _members(answers[0]):
        _check_refusal(answers[0], url)  # geth's form of "batch too large"
        return None
    by_id: dict[int, Outcome] = {}
    for answer in answers:
        members = _members(answer)
        said = members.get("id")
        if not isinstance(said, int) or isinstance(said, bool) or said in by_id:
            raise AnswerError("a batch with an answer that belongs to no request, or to one twice")
        by_id[said] = _outcome(members, url)
    wanted = range(first_id, first_id + count)
    if by_id.keys() != set(wanted):
        raise AnswerError(f"{len(by_id)} answers to a batch of {count} calls, or to other calls")
    outcomes = [by_id[number] for number in wanted]
    return None if all(_is_of_the_batch(outcome) for outcome in outcomes) else outcomes


def _check_refusal(answer: object, url: str) -> None:
    """Return if one error answers a whole batch because it is a batch, or so long a one.

    Raises:
        AnswerError: It is something else.
    """
    members = _members(answer)
    if members.get("error") is None:
        raise AnswerError("one answer to a batch of calls")
    fault = Fault.from_json(members["error"], url)
    if fault.is_the_endpoints:  # overloaded is not unwilling
        raise AnswerError(fault.message, fault)


def _is_of_the_batch(outcome: Outcome) -> bool:
    return isinstance(outcome, Fault) and outcome.kind is FaultKind.BATCH_TOO_LARGE


def _outcome(members: Mapping[str, object], url: str) -> Outcome:
    if (error := members.get("error")) is not None:
        return Fault.from_json(error, url)
    if "result" not in members:
        raise AnswerError("an answer with neither result nor error")
    return members["result"]


def _members(answer: object) -> Mapping[str, object]:
    if not isinstance(answer, dict):
        raise AnswerError("something that is not a JSON-RPC answer")
    return cast("dict[str, object]", answer)


def _is(said: object, expected: int) -> bool:
    # 0 == False and 1 == 1.0 in Python, but none of them is the id that was sent
    return type(said) is int and said == expected
