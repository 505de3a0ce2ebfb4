"""Whether a node's token counts can be true.

A node signs what it counts, and nobody else sees its models' counts. So these bounds are wide: they
catch counts that cannot be, not counts that are a little too high.
"""

from __future__ import annotations

from typing import Final

from .pricing import DEFAULT_MAX_TOKENS

_ABSURD: Final = 10_000_000
"""Tokens; several times the longest context that any listed model has."""
_TEMPLATE_TOKENS: Final = 1_000
"""Tokens that a provider may put around a request: its own instructions, the schemas of tools."""
_PROMPT_MARGIN: Final = 2
"""A token stands for a byte or more. Providers that render tools or roles twice stay within it."""
_OVERRUN_PARTS: Final = 20
_OVERRUN_TOKENS: Final = 16
"""Some providers stop a little late, or count the marks around reasoning and tool calls: 5 % of the
limit (a twentieth) and sixteen tokens are let pass."""


def implausible(
    *,
    prompt_tokens: object,
    completion_tokens: object,
    request_bytes: int,
    max_tokens: int | None,
    answer_bytes: int,
    has_attachments: bool,
) -> str | None:
    """Return why a node's ``usage`` cannot be true, as a sentence; ``None`` where it can.

    ``request_bytes`` is the size of the request's body, ``answer_bytes`` of the answer's text and
    tool calls. ``max_tokens`` is ``None`` where the request named no limit. What a picture or a
    document counts follows from its pixels and pages, neither from the bytes it was packed into nor
    from the length of its address: with attachments only the absurd is found in ``prompt_tokens``.

    **Trust**: reasoning that is not shown counts as output, so below the limit of the request
    nothing is known about ``completion_tokens``.
    """
    for name, count in (("prompt", prompt_tokens), ("completion", completion_tokens)):
        if type(count) is not int or not 0 <= count <= _ABSURD:
            return f"its count of {name} tokens is no number from 0 to {_ABSURD}"
    assert isinstance(prompt_tokens, int)
    assert isinstance(completion_tokens, int)
    most = _longest_prompt(request_bytes)
    if not has_attachments and prompt_tokens > most:
        return (
            f"it counts {prompt_tokens} prompt tokens for a request of {request_bytes} bytes, "
            f"which has at most {most}"
        )
    most = _longest_answer(max_tokens, answer_bytes)
    if completion_tokens > most:
        limit = "no limit was set" if max_tokens is None else f"the limit was {max_tokens}"
        return (
            f"it counts {completion_tokens} completion tokens where {limit} and at most {most} "
            "are plausible"
        )
    return None


def _longest_prompt(request_bytes: int) -> int:
    return _PROMPT_MARGIN * (request_bytes + _TEMPLATE_TOKENS)


def _longest_answer(max_tokens: int | None, answer_bytes: int) -> int:
    # without a limit an answer longer than the usual default shows that this node has another one
    limit = max(DEFAULT_MAX_TOKENS, answer_bytes) if max_tokens is None else max_tokens
    return limit + limit // _OVERRUN_PARTS + _OVERRUN_TOKENS
