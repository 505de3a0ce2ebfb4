"""What a call returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeGuard, TypeVar

from ..ledger.receipt import Receipt
from ..verification import ChatOutput, CompletionText, ToolCall

P = TypeVar("P")

_MOST_TOKENS: Final = 10**9
"""What no call can use: a larger count is none, and must not become a cost."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as the node states them; no signature covers them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


@dataclass(frozen=True, slots=True)
class Reply:
    """A verified answer with its receipt.

    ``text`` is the assistant's text (empty when it called tools); ``message`` can be appended to
    the next call's messages as it is. ``images`` are data URIs or addresses and are covered by no
    signature.
    """

    text: str
    message: Mapping[str, object]
    tool_calls: tuple[ToolCall, ...]
    finish_reason: str | None
    usage: Usage | None
    model: str
    receipt: Receipt
    images: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ParsedReply(Generic[P]):
    """A verified answer whose text is also a validated object."""

    parsed: P
    reply: Reply

    @property
    def text(self) -> str:
        """The text that was parsed."""
        return self.reply.text

    @property
    def receipt(self) -> Receipt:
        """The receipt of the call."""
        return self.reply.receipt


def chat_reply(model: str, output: ChatOutput, usage: Usage | None, receipt: Receipt) -> Reply:
    """Return the reply of a verified chat answer."""
    message: dict[str, object] = {"role": "assistant", "content": output.text}
    if output.tool_calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in output.tool_calls
        ]
    return Reply(
        text=output.text,
        message=message,
        tool_calls=output.tool_calls,
        finish_reason=output.finish_reason,
        usage=usage,
        model=model,
        receipt=receipt,
        images=output.images,
    )


def completion_reply(
    model: str, output: CompletionText, usage: Usage | None, receipt: Receipt
) -> Reply:
    """Return the reply of a verified completion."""
    return Reply(
        text=output.text,
        message={"role": "assistant", "content": output.text},
        tool_calls=(),
        finish_reason=output.finish_reason,
        usage=usage,
        model=model,
        receipt=receipt,
    )


def is_json_object(value: object) -> TypeGuard[Mapping[str, object]]:
    """Tell whether a decoded JSON value is an object."""
    return isinstance(value, dict)


def usage_of(usage: object) -> Usage | None:
    """Return the token counts of an answer; ``None`` where they are missing or make no sense."""
    if not is_json_object(usage):
        return None
    counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    if not all(type(count) is int and 0 <= count <= _MOST_TOKENS for count in counts):
        return None
    prompt, completion = (int(str(count)) for count in counts)
    return Usage(prompt, completion, prompt + completion)
