"""Text as both databases take it."""

from __future__ import annotations


def plain(text: str) -> str:
    """Return ``text`` without what no column holds: NUL, and halves of surrogate pairs.

    What nodes and callers write must not keep a line, and all lines behind it, from being written.
    """
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def plain_or_none(text: str | None) -> str | None:
    """Return ``text`` as ``plain`` does, ``None`` where there is none."""
    return None if text is None else plain(text)
