"""An impact as a Mermaid flowchart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from .findings import Impact, Touched, families
from .wording import moment, number_of, plain, price

_PLAIN: Final = re.compile(r"[A-Za-z0-9 ,.:·_-]")
_STYLES: Final = (
    "classDef output stroke:#c0392b,stroke-width:2px",
    "classDef uncertain stroke:#c0392b,stroke-width:2px,stroke-dasharray:4 3",
    "classDef rest stroke-dasharray:1 3",
)


def mermaid(impact: Impact, *, nodes: int = 120, edges: int = 400) -> str:
    """Return the impact as the text of a Mermaid flowchart.

    At most ``nodes`` receipts and ``edges`` arrows are drawn, because renderers refuse more than
    a few hundred: half of them at most are outputs, those first from which something was made.
    How many are left out is said in a node of its own.
    """
    shown = _shown(impact, max(1, nodes))
    names = {each.id: f"n{number}" for number, each in enumerate(shown)}
    arrows = [
        f"{names[parent]} --> {names[each.id]}"
        for each in shown
        for parent in each.via
        if parent in names
    ]
    doubted = frozenset(impact.uncertain)
    lines = [_node(names[each.id], each, doubted=each.id in doubted) for each in shown]
    rest = [
        number_of(len(impact.touched) - len(shown), "more receipt"),
        number_of(max(0, len(arrows) - edges), "more arrow"),
    ]
    if left_out := [words for words in rest if not words.startswith("0 ")]:
        lines.append(f'rest["{_escaped("not drawn: " + ", ".join(left_out))}"]:::rest')
    return "\n    ".join(["flowchart LR", *_STYLES, *lines, *arrows[:edges]]) + "\n"


def _shown(impact: Impact, nodes: int) -> Sequence[Touched]:
    children = families(impact.touched)
    # the sort is stable: oldest first among those that led to something, and among the others
    outputs = sorted(impact.outputs, key=lambda each: each.id not in children)
    half = max(nodes // 2, nodes - len(impact.downstream), 1)
    shown = {each.id: each for each in outputs[:half]}
    for each in impact.downstream:  # nearest first: a parent comes before its children
        if len(shown) < nodes and any(parent in shown for parent in each.via):
            shown[each.id] = each
    for each in outputs[half:]:
        if len(shown) < nodes:
            shown[each.id] = each
    return list(shown.values())


def _node(name: str, each: Touched, *, doubted: bool) -> str:
    words = [plain(each.id, 40), plain(each.model, 40), moment(each.at), price(each.cost)]
    label = "<br/>".join(map(_escaped, words))
    style = "" if each.depth else ":::uncertain" if doubted else ":::output"
    return f'{name}["{label}"]{style}'


def _escaped(text: str) -> str:
    """Return ``text`` with everything that could end a label as a character code."""
    return "".join(char if _PLAIN.match(char) else f"#{ord(char)};" for char in text)
