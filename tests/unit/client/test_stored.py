"""A stored answer is the whole answer; what cannot be read is an error of the ledger."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opengradient_sdk.client.reply import Reply, Usage
from opengradient_sdk.client.stored import reply_from_bytes, reply_to_bytes
from opengradient_sdk.errors import LedgerError
from opengradient_sdk.verification import ToolCall

from ..ledger.receipts import a_receipt

CALLING = {
    "tool_calls": (ToolCall("call_1", "weather", '{"city": "Zürich"}'),),
    "message": {"role": "assistant", "content": "", "tool_calls": [{"id": "call_1"}]},
    "text": "",
    "usage": None,
    "finish_reason": None,
    "images": ("data:image/png;base64,AA==",),
}


def a_reply(**changes: Any) -> Reply:
    members: dict[str, Any] = {
        "text": "Grüezi \N{WAVING HAND SIGN}",
        "message": {"role": "assistant", "content": "Grüezi"},
        "tool_calls": (),
        "finish_reason": "stop",
        "usage": Usage(3, 4, 7),
        "model": "gpt-5",
        "receipt": a_receipt(),
    }
    return Reply(**members | changes)


@pytest.mark.parametrize("changes", [{}, CALLING], ids=["text", "tools"])
def test_a_reply_comes_back_whole(changes: dict[str, Any]) -> None:
    reply = a_reply(**changes)
    stored = reply_from_bytes(reply_to_bytes(reply))
    for member in ("text", "message", "tool_calls", "finish_reason", "usage", "model", "images"):
        assert getattr(stored, member) == getattr(reply, member), member


def test_its_receipt_says_that_nothing_was_paid_again() -> None:
    reply = a_reply()
    stored = reply_from_bytes(reply_to_bytes(reply))
    assert (reply.receipt.repeated, stored.receipt.repeated) == (False, True)
    assert (stored.receipt.id, stored.receipt.cost) == (reply.receipt.id, reply.receipt.cost)


def document(**changes: Any) -> bytes:
    return json.dumps(json.loads(reply_to_bytes(a_reply())) | changes).encode()


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"[]",
        b"{}",
        document(version=2),
        document(receipt={}),
        document(receipt=None),
        document(usage={"tokens": 1}),
        document(tool_calls=[{"id": 1}]),
        document(images=None),
    ],
)
def test_what_cannot_be_read_is_said_so(stored: bytes) -> None:
    with pytest.raises(LedgerError, match="cannot be read") as error:
        reply_from_bytes(stored)
    assert error.value.__cause__ is not None
