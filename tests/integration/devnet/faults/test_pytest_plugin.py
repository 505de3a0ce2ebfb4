"""The pytest plugin, in runs of pytest of its own, as a user of the package has them."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

import pytest

PLUGIN: Final = "opengradient_sdk.devnet.pytest_plugin"
ROOT: Final = Path(__file__).parents[4]
_SETTINGS: Final = """\
[pytest]
filterwarnings = error
asyncio_default_fixture_loop_scope = function
"""
ASYNC_TEST: Final = """
import pytest
from opengradient_sdk import AsyncOpenGradient

@pytest.mark.asyncio
async def test_one_payment(og_devnet, og_account, og_hostile_node):
    async with AsyncOpenGradient(
        signer=og_account, network=og_devnet.profile, budget="1 OPG", store=":memory:"
    ) as client:
        async with og_hostile_node() as struck:
            reply = await client.chat.create(model="openai/gpt-5", messages="hi", max_tokens=64)
    assert reply.text
    assert struck.hits == 1
    assert og_devnet.books()[og_account.address].nonces
"""
SYNC_TEST: Final = """
import os, subprocess, threading
from opengradient_sdk import OpenGradient

def test_time_and_money(og_devnet, og_account):
    with OpenGradient(
        signer=og_account, network=og_devnet.profile, budget="1 OPG", store=":memory:"
    ) as client:
        client.chat.create(model="openai/gpt-5", messages="hi", max_tokens=64)
    book = og_devnet.books()[og_account.address]
    assert (book.open > 0, book.settled) == (True, 0)
    og_devnet.advance(130)
    og_devnet.mine(2)
    book = og_devnet.books()[og_account.address]
    assert (book.open, book.settled > 0, og_devnet.books().balanced) == (0, True, True)
    og_devnet.fund(og_account.address, opg="1")
    assert og_devnet.node_count == 2
    assert len(og_devnet.accounts) == 3
    assert og_devnet.env["OG_NETWORK"].startswith("devnet:")
    assert og_devnet.trust.measurements
"""
CHOSEN: Final = """
import pytest

@pytest.mark.og_faults("cut-response", "none", "none")
def test_marked(og_hostile_node):
    assert og_hostile_node.fault.name in ("cut-response", "none")

def test_not_marked(og_hostile_node):
    print(og_hostile_node.fault.name, og_hostile_node.seed)
"""


def run(folder: Path, *arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """Run pytest in ``folder`` as its user does, whether the package was installed anew or not."""
    installed = any(entry.value == PLUGIN for entry in entry_points(group="pytest11"))
    command = [*([] if installed else ["-p", PLUGIN]), "-p", "no:cacheprovider", *arguments]
    program = f"{code}\nimport sys, pytest; sys.exit(pytest.main({command!r}))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    (folder / "pytest.ini").write_text(_SETTINGS)
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_users_async_test_runs_under_each_chosen_fault(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(ASYNC_TEST)
    chosen = ("--og-faults=none,slow-answer,answer-twice", "--og-faults-seed=3")
    done = run(tmp_path, "-v", *chosen)
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    assert "test_one_payment[slow-answer] PASSED" in done.stdout
    assert "--og-faults=none,slow-answer,answer-twice --og-faults-seed=3" in done.stdout


def test_without_options_it_runs_once_with_the_control(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(ASYNC_TEST)
    done = run(tmp_path)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_a_users_sync_test_has_time_money_and_books(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(SYNC_TEST)
    (tmp_path / "conftest.py").write_text(
        "import pytest\n"
        "@pytest.fixture(scope='session')\n"
        "def og_devnet_options():\n"
        "    return {'nodes': 2, 'accounts': 3}\n"
    )
    done = run(tmp_path)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_marker_chooses_before_the_option(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(CHOSEN)
    done = run(tmp_path, "-v", "-s", "--strict-markers", "--og-faults=all", "--og-faults-seed=11")
    assert "25 passed" in done.stdout, done.stdout + done.stderr
    assert "test_marked[cut-response] PASSED" in done.stdout
    assert "clock-behind 11" in done.stdout


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--og-faults=slow-answer,typo", "there is no fault 'typo'"),
        ("--og-faults=", "there is no fault ''"),
        ("--og-faults-seed=-1", "must not be negative"),
    ],
)
def test_options_that_mean_nothing_are_refused(tmp_path: Path, option: str, words: str) -> None:
    done = run(tmp_path, option)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert words in done.stdout + done.stderr


def test_without_the_extra_the_fixture_says_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text("def test_it(og_devnet): ...\ndef test_other(): ...")
    hide = (
        "import importlib.util\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *a: None if name == 'eth' else find(name, *a)"
    )
    done = run(tmp_path, code=hide)
    assert "1 passed, 1 error" in done.stdout, done.stdout + done.stderr
    assert 'og_devnet: the Devnet needs an EVM: pip install "opengradient-sdk[devnet]"' in (
        done.stdout
    )


def test_loading_the_plugin_loads_nothing_heavy() -> None:
    code = (
        f"import sys, {PLUGIN}\n"
        "heavy = {'web3', 'eth', 'aiohttp', 'eth_account', 'cryptography', 'pydantic'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
