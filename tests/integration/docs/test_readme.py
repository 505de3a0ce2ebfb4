"""The README is true: its lines run, its commands and links exist."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from opengradient_sdk import Devnet

from .pages import ROOT, Block, blocks, run

README = ROOT / "README.md"


@pytest.fixture(scope="module")
async def net() -> AsyncIterator[Devnet]:
    async with Devnet(accounts=1) as network:
        yield network


@pytest.fixture
def environment(net: Devnet, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """What a client of another process is told, and a place for its journal."""
    for name, value in {**net.env, "OG_STATE_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)


def the_six_lines() -> Block:
    (block,) = blocks(README, "python")
    return block


def promised_output(block: Block) -> str:
    """Return what the comment behind the cost says is printed."""
    found = re.search(r"print\(reply\.receipt\.cost.*# (.+)", block.source)
    assert found
    return found[1]


@pytest.mark.usefixtures("environment")
async def test_the_six_lines_run_and_print_what_they_say():
    block = the_six_lines()
    printed = (await run(block, {})).splitlines()
    assert len([line for line in block.source.splitlines() if line]) <= 6
    assert printed[0].startswith("[devnet/echo] You said: hi")
    assert printed[1] == promised_output(block)
    assert printed[2].startswith("Model gpt-5 was asked on node 0x")


@pytest.mark.usefixtures("environment")
async def test_without_async_the_same_names_do_the_same():
    block = the_six_lines()
    source = block.source.replace("async with", "with").replace("await ", "")
    twin = replace(block, source=source.replace("AsyncOpenGradient", "OpenGradient"))
    printed = (await run(twin, {})).splitlines()
    assert printed[1] == promised_output(block)


@pytest.mark.usefixtures("environment")
async def test_they_can_be_pasted_into_the_prompt_that_is_named():
    assert "python -m asyncio" in code_in(README.read_text())
    block = the_six_lines()
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "asyncio"],
        input=f"{block.source}\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert promised_output(block) in done.stdout.splitlines(), done.stderr


def test_every_make_target_is_one():
    targets = set(re.findall(r"\bmake ([a-z]+)\b", code_in(README.read_text())))
    assert {"quickstart", "test"} <= targets
    for target in targets:
        dry = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=False)
        assert dry.returncode == 0, f"make {target}: {dry.stderr.decode()}"


def code_in(page: str) -> str:
    """Return what a page sets as code: indented lines and spans in backticks."""
    return "\n".join(re.findall(r"^ {4}.+$|`[^`\n]+`", page, re.MULTILINE))


def test_it_is_one_page():
    assert len(README.read_text().splitlines()) <= 100
