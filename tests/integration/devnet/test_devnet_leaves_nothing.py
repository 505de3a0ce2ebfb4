"""When a Devnet ends, also by an error, no task, thread, port, process or file is left."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from opengradient_sdk.devnet import Devnet, assembly
from opengradient_sdk.devnet.evm import anvil as anvil_module
from opengradient_sdk.devnet.evm import anvil_process
from opengradient_sdk.errors import ConfigurationError

KINDS = [
    pytest.param({"chains": 2, "nodes": 2}, id="py-evm"),
    pytest.param({"evm": "anvil"}, id="anvil", marks=pytest.mark.anvil),
]


def sockets():
    """Return the open sockets of this process."""
    folder = Path("/proc/self/fd")
    links = []
    for entry in folder.iterdir():
        try:
            links.append(os.readlink(entry))
        except FileNotFoundError:
            continue  # the descriptor that listed the folder
    return {link for link in links if link.startswith("socket:")}


def children():
    """Return the processes that this process has started and that live."""
    me, found = os.getpid(), set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        if int(fields[1]) == me:
            found.add(int(entry.parent.name))
    return found


@pytest.fixture
def leaves_nothing(tmp_path, monkeypatch):
    """Compare what there is before and after the test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = (sockets(), children(), set(threading.enumerate()))
    yield
    after = (sockets(), children(), set(threading.enumerate()))
    assert [now - then for now, then in zip(after, before, strict=True)] == [set(), set(), set()]
    assert list(tmp_path.iterdir()) == []


pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc"),
    pytest.mark.usefixtures("leaves_nothing"),
]


async def _tasks_left_by(body):
    await body
    return asyncio.all_tasks() - {asyncio.current_task()}


@pytest.mark.parametrize("options", KINDS)
def test_after_a_good_end(options):
    async def live():
        async with Devnet(**options) as net:
            folders.append(net.profile.state_dir)
            await net.advance(1000)

    folders = []
    assert asyncio.run(_tasks_left_by(live())) == set()
    assert not Path(*folders).exists()


@pytest.mark.parametrize("options", KINDS)
def test_after_an_error_inside(options):
    async def live():
        with pytest.raises(ZeroDivisionError):
            async with Devnet(**options):
                _ = 1 / 0

    assert asyncio.run(_tasks_left_by(live())) == set()


@pytest.mark.parametrize("options", KINDS)
def test_after_a_start_that_fails_at_the_end(options, monkeypatch):
    def fail(**_options):
        raise ConfigurationError("no profile today")

    monkeypatch.setattr(assembly, "devnet_profile", fail)

    async def live():
        with pytest.raises(ConfigurationError, match="no profile today"):
            async with Devnet(**options):
                pass

    assert asyncio.run(_tasks_left_by(live())) == set()


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("steps", [1, 5, 50])
def test_after_a_start_that_is_cancelled(options, steps):
    async def live():
        async def enter():
            async with Devnet(**options):
                await asyncio.Event().wait()

        task = asyncio.create_task(enter())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert asyncio.run(_tasks_left_by(live())) == set()


def test_anvil_that_is_missing_is_said_in_one_plain_error(monkeypatch):
    monkeypatch.setattr(anvil_module, "find_anvil", lambda: None)

    async def live():
        with pytest.raises(ConfigurationError, match="anvil program was not found"):
            async with Devnet(evm="anvil"):
                pass

    assert asyncio.run(_tasks_left_by(live())) == set()


@pytest.mark.parametrize(
    ("script", "words"),
    [("echo it broke; exit 1", "it broke"), ("trap '' TERM; echo no; exit 3", "no")],
)
def test_anvil_that_ends_at_once_is_said_with_its_own_words(tmp_path, monkeypatch, script, words):
    program = Path(tempfile.gettempdir()) / "anvil"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(anvil_module, "find_anvil", lambda: program)

    async def live():
        with pytest.raises(ConfigurationError, match=words):
            async with Devnet(evm="anvil"):
                pass

    assert asyncio.run(_tasks_left_by(live())) == set()
    program.unlink()


def test_anvil_that_does_not_want_to_end_is_ended(monkeypatch):
    monkeypatch.setattr(anvil_process, "_STOP_SECONDS", 0.05)
    code = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('Listening on 127.0.0.1:9', flush=True); signal.pause()"
    )

    async def live():
        process = await anvil_process.AnvilProcess.spawn(Path(sys.executable), "-c", code)
        assert process.url == "http://127.0.0.1:9"
        await process.stop()

    assert asyncio.run(_tasks_left_by(live())) == set()


def test_anvil_that_never_listens_is_given_up(monkeypatch):
    monkeypatch.setattr(anvil_process, "_START_SECONDS", 0.05)
    code = "import signal; signal.pause()"

    async def live():
        with pytest.raises(ConfigurationError, match="does not listen"):
            await anvil_process.AnvilProcess.spawn(Path(sys.executable), "-c", code)

    assert asyncio.run(_tasks_left_by(live())) == set()


def test_without_the_extra_the_import_says_how_to_get_it():
    code = (
        "import sys; sys.modules['eth'] = None\n"
        "import importlib.util\n"
        "importlib.util.find_spec = lambda name: None\n"
        "from opengradient_sdk.devnet import Devnet"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'pip install "opengradient-sdk[devnet]"' in done.stderr
    assert "ImportError" in done.stderr
