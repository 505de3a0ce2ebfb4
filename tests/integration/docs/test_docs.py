"""The pages under ``docs`` are true: their blocks run and print what the page shows."""

from __future__ import annotations

import inspect
import re
import shlex
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from opengradient_sdk import Devnet
from opengradient_sdk.cli import devnet as devnet_command
from opengradient_sdk.devnet.facilitator.faults import Faults as FacilitatorFaults
from opengradient_sdk.devnet.facilitator.sponsoring import SponsorBounds
from opengradient_sdk.devnet.node.faults import Faults as NodeFaults

from .pages import ROOT, Block, blocks, run

LOWER_LAYER = ROOT / "docs" / "lower-layer.md"
DEVNET = ROOT / "docs" / "devnet.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


async def test_every_step_of_a_call_by_hand():
    namespace: dict[str, Any] = {"stack": AsyncExitStack()}
    try:
        for block in blocks(LOWER_LAYER, "python"):
            await run(block, namespace)
    finally:
        await namespace["stack"].aclose()


async def test_the_devnets_page_from_python():
    namespace: dict[str, Any] = {}
    for block in blocks(DEVNET, "python"):
        if block.file_name is None:
            await run(block, namespace)


def test_the_devnets_page_in_other_peoples_tests(tmp_path: Path):
    block = the_file(DEVNET, "test_my_program.py")
    (tmp_path / "test_my_program.py").write_text(block.source)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def the_file(page: Path, name: str) -> Block:
    """Return the block of a page that is a file of the reader's."""
    (block,) = [block for block in blocks(page, "python") if block.file_name == name]
    return block


def commands() -> list[str]:
    """Return the lines of the pages that call ``ogsdk devnet up``."""
    shell = "".join(block.source for page in PAGES for block in blocks(page, "sh"))
    return re.findall(r"^ogsdk devnet up.*?(?= >|$)", shell, re.MULTILINE)


@pytest.mark.parametrize("line", commands())
def test_every_shown_option_of_the_command_is_one(line: str):
    options = shlex.split(line)[3:]
    group: Any = get_command(devnet_command.app)
    group.commands["up"].make_context("up", options)


def test_the_table_of_arguments_is_complete_and_has_the_true_defaults():
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \|", section(DEVNET, "What it can be told"), re.M)
    parameters = inspect.signature(Devnet).parameters
    assert dict(rows).keys() | {"registry_chain_id"} == parameters.keys()
    for name, shown in rows:
        assert shown == as_shown(parameters[name].default), name


def as_shown(default: object) -> str:
    """Return a default as the page writes it."""
    if default is None:
        return "–"
    return f'`"{default}"`' if isinstance(default, str) else f"{default:g}"


def test_every_named_fault_is_one():
    names = re.findall(r"`(\w+)`", section(DEVNET, "Faults, for tests").rpartition("```")[2])
    known = {*NodeFaults.__dataclass_fields__, *FacilitatorFaults.__dataclass_fields__}
    assert set(names) <= known
    assert len(names) > 15


def test_the_facilitators_bounds_are_the_stated_ones():
    stated = " ".join(section(DEVNET, "What is real and what is not").split())
    bounds = SponsorBounds()
    assert f"{bounds.max_gas:,} gas" in stated
    assert f"at {bounds.max_fee_per_gas // 10**9} gwei" in stated
    assert f"{bounds.max_funding / 10**18:g} ETH" in stated


def section(page: Path, title: str) -> str:
    """Return what stands below a heading, up to the next one."""
    return page.read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\((?!https?://)([^)\s]+)\)", page.read_text()):
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), f"{page.name} links to {target}, which does not exist"
        assert not anchor or anchor in anchors(linked), f"{page.name}: {target} has no such heading"


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings get on GitHub."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
