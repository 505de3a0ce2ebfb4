"""Markdown pages as programs: their blocks, run in order, and what they print."""

from __future__ import annotations

import ast
import asyncio
import doctest
import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import CodeType
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE_NAME = re.compile(r"# (\w+\.py)\b")


@dataclass(frozen=True)
class Block:
    """A fenced block. ``output`` is the ``text`` block right behind it: what it must print."""

    page: Path
    line: int
    language: str
    source: str
    output: str | None

    @property
    def file_name(self) -> str | None:
        """The name in its first line, where the block is a whole file of the reader's."""
        named = _FILE_NAME.match(self.source)
        return named and named[1]

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path, language: str) -> list[Block]:
    """Return the blocks of a page that are in ``language``."""
    return [block for block in _blocks(page) if block.language == language]


def _blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for match, follower in pairwise([*_BLOCK.finditer(text), None]):
        assert match
        output = None
        if follower and follower[1] == "text" and not text[match.end() : follower.start()].strip():
            output = follower[2]
        line = text.count("\n", 0, match.start()) + 2
        yield Block(page, line, match[1], match[2], output)


async def run(block: Block, namespace: dict[str, Any]) -> str:
    """Run a block, ``await`` at its top level included, and return what it printed.

    Its errors point into the page. What the page shows of its output is compared.
    """
    source = "\n" * (block.line - 1) + block.source
    printed = await evaluate(compiled(source, str(block.page), "exec"), namespace)
    if block.output is not None:
        assert_prints(block.output, printed, str(block))
    return printed


def compiled(source: str, name: str, mode: str) -> CodeType:
    """Compile code that may ``await`` at its top level."""
    return compile(source, name, mode, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


async def evaluate(code: CodeType, namespace: dict[str, Any]) -> str:
    """Run compiled code and return what it printed.

    Code that does not ``await`` runs in a thread, so that it may block for what this thread's
    event loop does: the Devnet lives there.
    """
    with redirect_stdout(io.StringIO()) as printed:
        awaited = await asyncio.to_thread(eval, code, namespace)
        if awaited is not None:
            await awaited
    return printed.getvalue()


def assert_prints(wanted: str, printed: str, where: str) -> None:
    """Compare what was printed with what a page says; ``...`` stands for anything."""
    same = doctest.OutputChecker().check_output(wanted, printed, doctest.ELLIPSIS)
    assert same, f"{where} says it prints\n{wanted}\nbut it prints\n{printed}"
