"""A streamed chat answer put together, frame by frame, without any I/O.

The text that comes out frame by frame is provisional: what is signed is the whole, and the
signature comes last (the protocol notes, sections 3.4 and 4.4).
"""

from __future__ import annotations

from collections.abc import Mapping

from ._shapes import is_array, is_object
from .output import ChatOutput, ToolCall, chat_output, content_text, image_list, refuse


class StreamedAnswer:
    """The frames of one streamed answer so far.

    Feed every decoded ``data:`` object to ``add``; when the stream has ended, ``signed_frame`` has
    the ``tee_*`` members and ``output`` what was said.
    """

    __slots__ = ("_calls", "_finish_reason", "_images", "_members", "_signed", "_texts", "_usage")

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._calls: dict[int, _CallParts] = {}
        self._finish_reason: str | None = None
        self._images: list[str] = []
        self._members: set[str] = set()
        self._signed: Mapping[str, object] | None = None
        self._usage: Mapping[str, object] | None = None

    @property
    def text(self) -> str:
        """The text so far: provisional until the whole answer is verified."""
        return "".join(self._texts)

    @property
    def signed_frame(self) -> Mapping[str, object] | None:
        """The frame with the ``tee_*`` members; ``None`` while (or if) there was none."""
        return self._signed

    @property
    def usage(self) -> Mapping[str, object] | None:
        """The token counts that the node reported, if it did; not covered by the signature."""
        return self._usage

    def add(self, frame: Mapping[str, object]) -> str:
        """Take in one frame and return the text that it adds (often empty).

        An error event is not a frame: the caller looks for ``error`` before.

        Raises:
            VerificationError: The frame has more than one choice, or a choice other than the
                first, or members of the wrong kind.
        """
        self._members.update(frame)
        self._images.extend(image_list(frame.get("images")))
        usage = frame.get("usage")
        if is_object(usage):
            self._usage = usage
        if "tee_signature" in frame:
            self._signed = frame
        choice = _first_choice(frame)
        if choice is None:
            return ""
        self._take_finish_reason(choice.get("finish_reason"))
        return self._take_delta(choice)

    def output(self) -> ChatOutput:
        """Return the whole of what was said.

        Raises:
            VerificationError: There are tool calls, but the stream did not finish for them.
        """
        return chat_output(
            text=self.text,
            tool_calls=tuple(self._calls[index].joined() for index in sorted(self._calls)),
            finish_reason=self._finish_reason,
            images=tuple(self._images),
            members=self._members,
        )

    def _take_finish_reason(self, reason: object) -> None:
        if reason is None:
            return
        if not isinstance(reason, str):
            raise refuse("a frame's finish_reason is not text")
        self._finish_reason = reason

    def _take_delta(self, choice: Mapping[str, object]) -> str:
        delta = choice.get("delta") or choice.get("message")  # some proxies send whole messages
        if not is_object(delta):
            return ""
        self._images.extend(image_list(delta.get("images")))
        calls = delta.get("tool_calls")
        if is_array(calls):
            for position, call in enumerate(calls):
                self._take_call(call, position)
        text = content_text(delta.get("content"))
        self._texts.append(text)
        return text

    def _take_call(self, call: object, position: int) -> None:
        if not is_object(call):
            raise refuse("a frame's tool call is not an object")
        index = call.get("index", position)
        if type(index) is not int:
            raise refuse("a frame's tool call has no whole number as index")
        self._calls.setdefault(index, _CallParts()).add(call)


class _CallParts:
    """One tool call in fragments: the last non-empty id and name, all arguments in a row."""

    __slots__ = ("_arguments", "_id", "_name")

    def __init__(self) -> None:
        self._id: str | None = None
        self._name: str | None = None
        self._arguments: list[str] = []

    def add(self, call: Mapping[str, object]) -> None:
        self._id = _later(self._id, call.get("id"))
        function = call.get("function")
        if is_object(function):
            self._name = _later(self._name, function.get("name"))
            self._arguments.append(_later("", function.get("arguments")) or "")

    def joined(self) -> ToolCall:
        return ToolCall(self._id, self._name, "".join(self._arguments))


def _later(known: str | None, value: object) -> str | None:
    # null stays null: a node hashes an id that it never had as null, not as ""
    if value is None or (value == "" and known):
        return known
    if not isinstance(value, str):
        raise refuse("a frame's tool call has a member that is not text")
    return value


def _first_choice(frame: Mapping[str, object]) -> Mapping[str, object] | None:
    choices = frame.get("choices")
    if not is_array(choices) or not choices:
        return None
    choice = choices[0]
    if len(choices) > 1 or not is_object(choice) or choice.get("index", 0) != 0:
        raise refuse("a frame has a choice other than the first, and a signature covers one")
    return choice
