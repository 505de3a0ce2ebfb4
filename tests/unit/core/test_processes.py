"""Whether a process is gone is told only when it is certain."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from opengradient_sdk._core.processes import is_gone, this_process

PROGRAM = """
import sys
from opengradient_sdk._core.processes import this_process
print(this_process(), flush=True)
sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(this_process() is None, reason="this system has no /proc")


@pytest.fixture
def child() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process, and its name for itself."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


def me() -> str:
    return this_process() or "a:system:without:a:proc"


BOOT, NAMESPACE, TIMES, ID, BEGAN = range(5)


def changed(at: int, value: str) -> str:
    """Return this process's name with another part."""
    parts = me().split(":")
    parts[at] = value
    return ":".join(parts)


def test_a_process_has_one_name() -> None:
    assert me() == me()
    assert me().split(":")[ID] == str(os.getpid())


def test_this_process_is_not_gone() -> None:
    assert not is_gone(me())


def test_another_one_is_not_gone_while_it_runs(child: tuple[subprocess.Popen[str], str]) -> None:
    _, name = child
    assert name != me()
    assert not is_gone(name)


def test_one_that_ended_is_gone(child: tuple[subprocess.Popen[str], str]) -> None:
    process, name = child
    process.communicate("")
    assert process.returncode == 0
    assert is_gone(name)


def test_one_that_was_killed_is_gone(child: tuple[subprocess.Popen[str], str]) -> None:
    process, name = child
    process.kill()
    process.wait()
    assert is_gone(name)


def test_one_that_nobody_has_waited_for_is_gone(
    child: tuple[subprocess.Popen[str], str],
) -> None:
    process, name = child
    process.kill()
    # it has ended, and its entry stays until it is waited for: a zombie
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(name)


def test_an_id_that_is_used_again_is_another_process() -> None:
    assert is_gone(changed(BEGAN, "1"))


def test_an_id_that_nobody_has_is_gone() -> None:
    assert is_gone(changed(ID, str(2**22 + 1)))  # above the largest that Linux gives


@pytest.mark.parametrize(
    "name",
    [
        changed(BOOT, "00000000-0000-0000-0000-000000000000"),
        changed(NAMESPACE, "1"),
        changed(TIMES, "1"),
        changed(ID, "not a number"),
        changed(ID, "-1"),
        changed(ID, "../1"),
        me() + ":more",
        "",
        "::::",
        "another host's idea of a name",
    ],
    ids=[
        "another boot",
        "another container",
        "other times",
        "word",
        "negative",
        "path",
        "longer",
        "",
        "::",
        "?",
    ],
)
def test_nobody_here_can_know(name: str) -> None:
    assert not is_gone(name)
