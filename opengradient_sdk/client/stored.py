"""Answers kept for the idempotency keys of their calls: bytes for the journal, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final

from ..errors import LedgerError
from ..ledger.receipt_json import receipt_from_json, receipt_to_json
from ..verification import ToolCall
from .reply import Reply, Usage

_VERSION: Final = 1


def reply_to_bytes(reply: Reply) -> bytes:
    """Return everything of a reply; it is private (the answer's text), so the journal seals it."""
    document = {
        "version": _VERSION,
        "text": reply.text,
        "message": reply.message,
        "tool_calls": [asdict(call) for call in reply.tool_calls],
        "finish_reason": reply.finish_reason,
        "usage": None if reply.usage is None else asdict(reply.usage),
        "model": reply.model,
        "images": list(reply.images),
        "receipt": receipt_to_json(reply.receipt),
    }
    return json.dumps(document, separators=(",", ":")).encode()


def reply_from_bytes(stored: bytes) -> Reply:
    """Return the reply that ``reply_to_bytes`` wrote, as it was then.

    **Trust**: it was verified before it was stored, and the store's seal shows changes since.

    Raises:
        LedgerError: It is of another version of this package.
    """
    try:
        return _reply(json.loads(stored))
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError(
            f"the stored answer cannot be read: {error}",
            hint="A newer version of opengradient-sdk may have written it.",
        ) from error


def _reply(document: Mapping[str, Any]) -> Reply:
    if document["version"] != _VERSION:
        raise ValueError(f"version {document['version']!r}")
    usage = document["usage"]
    receipt = receipt_from_json(document["receipt"])
    return Reply(
        text=document["text"],
        message=document["message"],
        tool_calls=tuple(ToolCall(**call) for call in document["tool_calls"]),
        finish_reason=document["finish_reason"],
        usage=None if usage is None else Usage(**usage),
        model=document["model"],
        receipt=replace(receipt, repeated=True),
        images=tuple(document["images"]),
    )
