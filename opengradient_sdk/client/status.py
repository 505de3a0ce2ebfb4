"""Error answers of nodes as exceptions."""

from __future__ import annotations

from typing import Final

from .._core.json_in import parse_json
from ..errors import APIStatusError
from .reply import is_json_object

_LONGEST: Final = 300
"""Characters of a node's own words that an error repeats."""


def status_error(status: int, body: bytes) -> APIStatusError:
    """Return the error for a node's status and body."""
    content: object = body.decode("utf-8", "replace")
    try:
        content = parse_json(body)
    except ValueError:
        pass  # a body that is not JSON is kept as text
    said = _message(content)
    kind = APIStatusError.for_status(status)
    return kind(
        f"the node answered {status}: {said}" if said else f"the node answered {status}",
        status_code=status,
        body=content,
        hint=_status_hint(status, said),
    )


def quoted(said: object) -> str:
    """Return what a node said as it may stand in an error: cut, and text that any log can write."""
    # JSON can spell half a surrogate pair, and UTF-8 cannot
    return str(said)[:_LONGEST].encode("utf-8", "replace").decode("utf-8")


def _message(content: object) -> str:
    if is_json_object(content):
        for member in ("error", "detail", "title", "message"):
            value = content.get(member)
            if isinstance(value, str) and value:
                return quoted(value)
        return ""
    return quoted(content.strip()) if isinstance(content, str) else ""


def _status_hint(status: int, said: str) -> str:
    if "is not supported" in said:
        return "client.models.list() has the models of this network."
    if status == 503:
        return "The node has no OPG price at the moment; try again, or another node."
    if status >= 500:
        return "The node or its provider failed; nodes do not bill this. Try again."
    if status == 429:
        return "Nodes do not bill this. Wait a little and try again later, or use another node."
    return "Nodes do not bill this. Change the request as the node says, or use another node."
