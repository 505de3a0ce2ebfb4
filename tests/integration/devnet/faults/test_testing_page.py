"""The page for people who test their apps is true."""

from __future__ import annotations

import asyncio
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Final

from opengradient_sdk.devnet.faults import FAULTS
from opengradient_sdk.devnet.faults.lies import OVER_ASKING, REPLAYS, WRONG_PROOFS

from .test_pytest_plugin import ROOT, run

PAGE: Final = ROOT / "docs" / "testing.md"


def python_blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_its_table_has_every_fault_and_says_which_are_ambiguous() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| .*? \| (yes|no|unknown) \|", PAGE.read_text(), re.M)
    assert {name for name, _ in rows} == set(FAULTS)
    assert {name for name, billed in rows if billed == "unknown"} == {
        name for name, fault in FAULTS.items() if fault.ambiguous
    }


def test_it_counts_through_the_kinds_in_their_order() -> None:
    page = PAGE.read_text()
    assert f"| {', '.join(OVER_ASKING)} |" in page
    assert f"| {', '.join(WRONG_PROOFS)} |" in page
    assert len(REPLAYS) == 2


def test_its_test_files_pass(tmp_path: Path) -> None:
    files = [block for block in python_blocks() if block.startswith("# test_")]
    for source in files:
        (tmp_path / source.split()[1].rstrip(";")).write_text(source)
    done = run(tmp_path, "--strict-markers", "--og-faults=stale-session,error-5xx")
    assert "4 passed" in done.stdout, done.stdout + done.stderr


async def test_its_other_blocks_print_what_it_says() -> None:
    (source,) = [block for block in python_blocks() if not block.startswith("# test_")]
    body = "".join(f"    {line}\n" for line in source.splitlines())
    namespace: dict[str, Any] = {}
    exec(f"async def page():\n{body}", namespace)  # a block awaits at its top level
    printed = StringIO()
    with redirect_stdout(printed):
        await asyncio.wait_for(namespace["page"](), 60)
    assert f"```text\n{printed.getvalue()}```" in PAGE.read_text()
