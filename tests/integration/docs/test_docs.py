"""The pages under ``docs`` are true: their blocks run and print what the page shows."""

from __future__ import annotations

import inspect
import re
import shlex
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.main import get_command

from opengradient_sdk import Devnet
from opengradient_sdk.chain import FAST, NORMAL, SLOW, BumpPolicy, ChainEvent
from opengradient_sdk.chain.outbox.book import FINAL_DEPTH
from opengradient_sdk.chain.outbox.page import ALIVE_FOR, LEASED_FOR
from opengradient_sdk.cli import devnet as devnet_command
from opengradient_sdk.devnet.facilitator.faults import Faults as FacilitatorFaults
from opengradient_sdk.devnet.facilitator.sponsoring import SponsorBounds
from opengradient_sdk.devnet.node.faults import Faults as NodeFaults

from .pages import ROOT, Block, blocks, run

LOWER_LAYER = ROOT / "docs" / "lower-layer.md"
RAW_TRANSACTIONS = ROOT / "docs" / "raw-transactions.md"
CHOOSING = ROOT / "docs" / "choosing-what-to-verify.md"
DEVNET = ROOT / "docs" / "devnet.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize(
    "page", [LOWER_LAYER, RAW_TRANSACTIONS, CHOOSING], ids=lambda page: page.name
)
async def test_what_is_done_by_hand(page: Path):
    namespace: dict[str, Any] = {"stack": AsyncExitStack()}
    try:
        for block in blocks(page, "python"):
            await run(block, namespace)
    finally:
        await namespace["stack"].aclose()


def test_the_table_of_fees_has_the_true_figures():
    rows = re.findall(
        r'^\| `"(\w+)"`.*? \| (\d+) % \| (\d+) % \| (\d+) % \|$',
        section(RAW_TRANSACTIONS, "Four steps"),
        re.MULTILINE,
    )
    assert rows == [
        (one.name, *map(str, (one.percentile, one.base_percent, one.price_percent)))
        for one in (SLOW, NORMAL, FAST)
    ]


def test_the_table_of_events_is_complete():
    told = section(RAW_TRANSACTIONS, "What happens after `send`").partition("### What you are")[2]
    named = re.findall(r"^\| `(\w+)` \|", told, re.MULTILINE)
    assert set(named) == {event.__name__ for event in get_args(ChainEvent)}


def test_what_is_done_unasked_has_the_stated_limits():
    page = " ".join(RAW_TRANSACTIONS.read_text().split())
    bump = BumpPolicy()
    assert LEASED_FOR == 120
    assert "leases a nonce last, for two minutes" in page
    assert f"until it is {FINAL_DEPTH} blocks deep" in page
    assert f"dead {ALIVE_FOR:g} seconds after its last sign of life" in page
    assert f"could be mined for {bump.after_blocks} blocks" in page
    assert f"at most {bump.most_percent // 100} times the transaction's first fee cap" in page


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


def test_the_files_that_the_architecture_names_exist():
    named = re.findall(r"`([\w/]+\.py)`", (ROOT / "docs" / "architecture.md").read_text())
    package = ROOT / "opengradient_sdk"
    assert [name for name in named if not any(package.rglob(name))] == []
    assert len(named) > 50


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
