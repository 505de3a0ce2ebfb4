"""The output of an answer, the text of it that is signed, and what of it is not.

A signature covers the text *or* the tool calls of the first choice (the protocol notes, section
4.4). What could be mistaken for signed without being so is refused: further choices, and tool calls
beside another finish reason. What is merely beside it is listed in ``uncovered``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from .._core.canonical_json import canonical_json
from ..errors import VerificationError
from ._shapes import is_array, is_object
from .evidence import Check, CheckStatus, Evidence

TOOL_CALLS: Final = "tool_calls"

# members that name themselves in `uncovered` when an answer has them
_UNSIGNED_MEMBERS: Final = ("id", "created", "model", "usage")
_SETTLEMENT_PREFIXES: Final = ("data_settlement_", "settlement_")
_TEXT_BESIDE_CALLS: Final = "text beside tool calls"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model wants called.

    Attributes:
        id: The call's id; ``None`` when the node gave null, which is hashed as null.
        name: The tool's name.
        arguments: JSON text exactly as received: that text is what is hashed.
    """

    id: str | None
    name: str | None
    arguments: str


@dataclass(frozen=True, slots=True)
class ChatOutput:
    """What a chat answer says.

    Attributes:
        text: The assistant's text (may be empty).
        tool_calls: The calls, in their order.
        finish_reason: ``stop`` or ``tool_calls``, as reported; not covered by the signature.
        images: Data URIs or addresses, as received; not covered by the signature.
        uncovered: What of the answer the signature does not bind.
    """

    text: str
    tool_calls: tuple[ToolCall, ...]
    finish_reason: str | None
    images: tuple[str, ...]
    uncovered: tuple[str, ...]

    @property
    def signed_text(self) -> str:
        """The text whose hash the node signs: the tool calls if it stopped for them, else text."""
        if self.finish_reason == TOOL_CALLS and self.tool_calls:
            return tool_calls_text(self.tool_calls)
        return self.text


@dataclass(frozen=True, slots=True)
class CompletionText:
    """What a completion answer says.

    Attributes:
        text: The text; all of it is what the node signs.
        finish_reason: As reported; not covered by the signature.
        uncovered: What of the answer the signature does not bind.
    """

    text: str
    finish_reason: str | None
    uncovered: tuple[str, ...]

    @property
    def signed_text(self) -> str:
        """The text whose hash the node signs."""
        return self.text


def tool_calls_text(calls: Iterable[ToolCall]) -> str:
    """Return the text of tool calls that is hashed; their arguments stay as they were received."""
    return canonical_json(
        [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in calls
        ]
    )


def content_text(content: object) -> str:
    """Return an assistant message's content as text; a list's parts are joined, null is empty.

    Raises:
        VerificationError: Neither text, a list, nor null.
    """
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if not is_array(content):
        raise refuse("the content is neither text nor a list of parts")
    return "".join(_part_text(part) for part in content)


def read_chat_answer(answer: Mapping[str, object]) -> ChatOutput:
    """Return what a plain (not streamed) chat answer says.

    Raises:
        VerificationError: It has more than one choice, tool calls without finishing for them, or
            is not a chat answer.
    """
    choice = only_choice(answer)
    message = choice.get("message")
    if not is_object(message):
        raise refuse("the choice has no message")
    return chat_output(
        text=content_text(message.get("content")),
        tool_calls=_plain_tool_calls(message.get("tool_calls")),
        finish_reason=_optional_text(choice.get("finish_reason")),
        images=(*image_list(message.get("images")), *image_list(answer.get("images"))),
        members=answer,
    )


def read_completion_answer(answer: Mapping[str, object]) -> CompletionText:
    """Return what a completion answer says.

    Raises:
        VerificationError: It has more than one choice, or is not a completion answer.
    """
    choice = only_choice(answer)
    text = choice.get("text")
    if not isinstance(text, str):
        raise refuse("the choice has no text")
    return CompletionText(
        text, _optional_text(choice.get("finish_reason")), ("finish_reason", *_unsigned(answer))
    )


def chat_output(
    *,
    text: str,
    tool_calls: tuple[ToolCall, ...],
    finish_reason: str | None,
    images: tuple[str, ...],
    members: Iterable[str],
) -> ChatOutput:
    """Return the output of these parts, with what its signature leaves out.

    Args:
        text: The assistant's text.
        tool_calls: The calls, in their order.
        finish_reason: As reported.
        images: As received.
        members: The names of the answer's (or its frames') top-level members.

    Raises:
        VerificationError: There are tool calls, but the answer did not finish for them: the
            signature covers the text, and the calls are anybody's.
    """
    if tool_calls and finish_reason != TOOL_CALLS:
        raise refuse(
            f"it brings tool calls that are not signed (it finished for {finish_reason!r})"
        )
    uncovered = ["finish_reason", *_unsigned(members)]
    if tool_calls and text:
        uncovered.append(_TEXT_BESIDE_CALLS)
    if images:
        uncovered.append("images")
    return ChatOutput(text, tool_calls, finish_reason, images, tuple(uncovered))


def only_choice(answer: Mapping[str, object]) -> Mapping[str, object]:
    """Return the one choice of an answer.

    Raises:
        VerificationError: There is none, or more than one: only the first would be signed.
    """
    choices = answer.get("choices")
    if not is_array(choices) or not choices:
        raise refuse("it has no choices")
    if len(choices) > 1:
        raise refuse(f"it has {len(choices)} choices, and a signature covers one")
    choice = choices[0]
    if not is_object(choice):
        raise refuse("its choice is not an object")
    return choice


def image_list(images: object) -> tuple[str, ...]:
    """Return the images of an answer; what is not a list of texts is none.

    Images are never proven, so a strange list is no reason to refuse a proven text.
    """
    if not is_array(images):
        return ()
    return tuple(image for image in images if isinstance(image, str))


def refuse(reason: str) -> VerificationError:
    """Return the error for an answer of which a signature would prove nothing."""
    return VerificationError(
        f"the answer is refused: {reason}",
        hint="do not use this answer; another node may answer honestly",
        evidence=Evidence(
            (Check("coverage", CheckStatus.FAILED, reason, "the node's answer"),),
        ),
    )


def _part_text(part: object) -> str:
    if not is_object(part):
        return str(part)
    text = part.get("text")
    return text if isinstance(text, str) else ""


def _plain_tool_calls(calls: object) -> tuple[ToolCall, ...]:
    if not calls:
        return ()
    if not is_array(calls):
        raise refuse("its tool calls are not a list")
    return tuple(_plain_tool_call(call) for call in calls)


def _plain_tool_call(call: object) -> ToolCall:
    function = call.get("function") if is_object(call) else None
    if not is_object(call) or not is_object(function):
        raise refuse("a tool call has no function")
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        raise refuse("a tool call's arguments are not JSON text")
    return ToolCall(_optional_text(call.get("id")), _optional_text(function.get("name")), arguments)


def _optional_text(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise refuse(f"a text is expected where {type(value).__name__} is")
    return value


def _unsigned(members: Iterable[str]) -> list[str]:
    present = set(members)
    unsigned = [member for member in _UNSIGNED_MEMBERS if member in present]
    return unsigned + sorted(m for m in present if m.startswith(_SETTLEMENT_PREFIXES))
