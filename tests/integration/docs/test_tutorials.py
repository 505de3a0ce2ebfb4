"""The tutorials are true: their blocks run in the order of the page and print what it shows."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from .pages import ROOT, Block, assert_prints, blocks, run

TUTORIALS = ["check-an-answer.md", "after-a-rollback.md"]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, beside the examples and the pages."""
    for name in ("examples", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("OG_") and name != "OG_ANVIL"]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.mark.parametrize("name", TUTORIALS)
async def test_a_newcomer_sees_what_the_page_says(name: str, desk: Path) -> None:
    page = ROOT / "docs" / name
    namespace: dict[str, Any] = {"stack": AsyncExitStack()}
    steps, commands = blocks(page, "python"), blocks(page, "sh")
    assert len(steps) > 5
    assert commands
    try:
        for block in sorted([*steps, *commands], key=lambda block: block.line):
            if block.language == "sh":
                await run_in_shell(block, desk)
            else:
                await run(block, namespace)
    finally:
        await namespace["stack"].aclose()


async def run_in_shell(block: Block, folder: Path) -> None:
    """Run a block of shell lines; what the page shows of its output is compared."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        *("sh", "-ec", block.source),
        cwd=folder,
        env={**os.environ, "PATH": path, "OG_STATE_DIR": str(folder / "state")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        printed, complaints = await process.communicate()
    assert process.returncode == 0, f"{block}: {complaints.decode()}"
    if block.output is not None:
        assert_prints(block.output, printed.decode(), str(block))
