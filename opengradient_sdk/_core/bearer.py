"""Texts that are worth money to whoever reads them."""

from __future__ import annotations

from typing import Self


class Bearer(str):
    """A text that is sent and never shown: its ``repr`` is masked, and a pickle of it is empty.

    A traceback with local variables shows their ``repr``: of a dictionary of headers, that of its
    values. Formatting it (``str``, ``f"{…}"``) still gives the text: that is how it is sent.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), ("",)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self
