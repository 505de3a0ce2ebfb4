"""What stands behind the enclave: the shape of a language model, its answers and its pieces."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from .shapes import JsonObject

Mode: TypeAlias = Literal["july", "april"]


class ModelError(Exception):
    """The model, or the provider that serves it, failed."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and written."""

    prompt_tokens: int
    completion_tokens: int

    def to_json(self) -> JsonObject:
        """Return the ``usage`` member of an answer."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function the model wants called; ``arguments`` is JSON text."""

    id: str | None
    name: str | None
    arguments: str

    def normalised(self) -> ToolCall:
        """Return the call as plain answers carry it: arguments in Python's JSON spelling."""
        try:
            parsed = json.loads(self.arguments)
        except ValueError:
            return self  # a model that writes broken arguments is quoted as it is
        return ToolCall(self.id, self.name, json.dumps(parsed))

    def to_json(self) -> JsonObject:
        """Return the member of ``tool_calls``."""
        return {
            "id": self.id,
            "type": "function",
            "function": {"name": self.name, "arguments": self.arguments},
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer. ``images`` are data URIs; ``usage`` is ``None`` if nobody counted."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = None
    images: tuple[str, ...] = ()

    @property
    def finish_reason(self) -> str:
        """``tool_calls`` or ``stop``: the node reports nothing else, not even ``length``."""
        return "tool_calls" if self.tool_calls else "stop"

    def signed_text(self) -> str:
        """Return the text whose hash the enclave signs (protocol notes 4.4)."""
        if not self.tool_calls:
            return self.text
        return json.dumps([call.to_json() for call in self.tool_calls], sort_keys=True)


@dataclass(frozen=True, slots=True)
class ToolFragment:
    """A part of a tool call in a stream; calls are told apart by ``index``."""

    index: int
    id: str | None
    name: str | None
    arguments: str


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The last piece of a stream: what was counted, and images where the model makes them."""

    usage: Usage | None
    images: tuple[str, ...] = ()


Piece: TypeAlias = str | ToolFragment | StreamEnd
"""One piece of a streamed answer: text, a part of a tool call, or the end."""


class Model(Protocol):
    """Something that answers chat requests in the shape that OpenAI-compatible servers take."""

    async def answer(self, request: JsonObject) -> Answer:
        """Return the answer.

        Raises:
            ModelError: There is none.
        """
        ...

    def stream(self, request: JsonObject) -> AsyncIterator[Piece]:
        """Yield the answer in pieces, the last of which is a ``StreamEnd``.

        Raises:
            ModelError: At the first piece: nothing was produced. Later: the stream broke.
        """
        ...
