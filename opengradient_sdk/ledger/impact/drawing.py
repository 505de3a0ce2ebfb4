"""An impact as a tree of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from .findings import Impact, Touched, families
from .wording import moment, number_of, plain, price

_LEGEND = "● in question   ◌ in question, but uncertain   ○ made from one"


def tree(impact: Impact, *, widest: int = 12, deepest: int = 16, lines: int = 400) -> str:
    """Return the impact as a tree: every output, and under each receipt what was made from it.

    A receipt that several lead to is drawn once, and named as "above" elsewhere. Of each receipt
    at most ``widest`` children are drawn, to at most ``deepest`` levels, and at most ``lines``
    lines in all; what is left out is counted.
    """
    pen = _Pen(impact, widest=max(1, widest), deepest=max(1, deepest))
    drawn = list(islice(pen.draw(), max(1, lines)))
    if len(drawn) >= lines and pen.left:
        drawn.append(f"… {number_of(pen.left, 'receipt')} not drawn")
    return "\n".join([plain(str(impact)), _LEGEND, *drawn])


@dataclass(frozen=True, slots=True)
class _Twig:
    """A line to be drawn: a receipt, or words about those that are not."""

    what: Touched | str
    indent: str
    last: bool
    level: int

    def line(self, words: str) -> str:
        return f"{self.indent}{'└─' if self.last else '├─'} {words}"

    @property
    def below(self) -> str:
        return self.indent + ("   " if self.last else "│  ")


@dataclass(slots=True)
class _Pen:
    """Draws each receipt where it is first met, without recursion: chains may be long."""

    impact: Impact
    widest: int
    deepest: int
    children: Mapping[str, Sequence[Touched]] = field(init=False)
    doubted: frozenset[str] = field(init=False)
    met: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        self.children = families(self.impact.touched)
        self.doubted = frozenset(self.impact.uncertain)

    @property
    def left(self) -> int:
        """Receipts that have not been drawn."""
        return len(self.impact.touched) - len(self.met)

    def draw(self) -> Iterator[str]:
        stack = self._twigs(self._roots(), "", 0, len(self.impact.touched))
        while stack:
            twig = stack.pop()
            if isinstance(twig.what, str):
                yield twig.line(twig.what)
                continue
            again = twig.what.id in self.met
            self.met.add(twig.what.id)
            yield twig.line(self._words(twig.what) + (" (above)" if again else ""))
            if not again:
                stack += self._under(twig, self.children.get(twig.what.id, ()))

    def _roots(self) -> Sequence[Touched]:
        """Return the receipts to begin with, so that every one hangs under one of them.

        They are outputs that rest on no other; where outputs rest on each other in a circle, one
        of these; and what hangs under a receipt that this ledger does not have.
        """
        roots: list[Touched] = []
        reached: set[str] = set()
        for each in sorted(self.impact.touched, key=lambda each: (each.depth, bool(each.via))):
            if each.id not in reached:
                roots.append(each)
                self._reach(each, reached)
        return roots

    def _reach(self, root: Touched, reached: set[str]) -> None:
        stack = [root]
        while stack:
            each = stack.pop()
            if each.id not in reached:
                reached.add(each.id)
                stack += self.children.get(each.id, ())

    def _under(self, twig: _Twig, children: Sequence[Touched]) -> list[_Twig]:
        if children and twig.level + 1 >= self.deepest:
            more = f"… {len(children):,} more"
            return [_Twig(more, twig.below, last=True, level=twig.level + 1)]
        return self._twigs(children, twig.below, twig.level + 1, self.widest)

    def _twigs(
        self, receipts: Sequence[Touched], indent: str, level: int, widest: int
    ) -> list[_Twig]:
        """Return the twigs of these receipts as a stack: the first one on top."""
        shown: list[Touched | str] = [*receipts[:widest]]
        if rest := len(receipts) - len(shown):
            shown.append(f"… {rest:,} more")
        last = len(shown) - 1
        return [_Twig(each, indent, n == last, level) for n, each in enumerate(shown)][::-1]

    def _words(self, each: Touched) -> str:
        sign = "○" if each.depth else "◌" if each.id in self.doubted else "●"
        words = [f"{sign} {plain(each.id, 80)}", moment(each.at), plain(each.model, 60)]
        words.append(price(each.cost))
        words += [f"tag {plain(each.tag, 60)}"] if each.tag is not None else []
        words += [f"run {plain(each.run, 60)}"] if each.run is not None else []
        return " · ".join(words)
