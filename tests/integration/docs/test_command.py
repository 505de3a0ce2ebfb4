"""``ogsdk devnet up``, used as its page says: in one terminal the network, in another a program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from .pages import ROOT, blocks

PAGE = ROOT / "docs" / "devnet.md"
UP, PROGRAM, *_ = [block.source for block in blocks(PAGE, "sh")]
RUNS = "Interrupt to stop"


@pytest.fixture
def terminal(tmp_path: Path) -> dict[str, str]:
    """The environment of a terminal in which nothing of ours is set yet."""
    (source,) = [b.source for b in blocks(PAGE, "python") if b.file_name == "my_program.py"]
    (tmp_path / "my_program.py").write_text(source)
    bare = {k: v for k, v in os.environ.items() if not k.startswith("OG_") or k == "OG_ANVIL"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{bare['PATH']}"
    return {**bare, "PATH": path, "OG_STATE_DIR": str(tmp_path / "state")}


@pytest.mark.parametrize(
    ("options", "number"),
    [
        pytest.param("", signal.SIGINT, id="py-evm"),
        pytest.param("--evm anvil", signal.SIGTERM, id="anvil", marks=pytest.mark.anvil),
    ],
)
def test_a_program_in_another_terminal_pays_there(
    options: str, number: signal.Signals, terminal: dict[str, str], tmp_path: Path
):
    line = UP.replace("devnet up", f"devnet up {options}")
    with running(line, terminal, tmp_path) as network:
        done = subprocess.run(
            ["sh", "-ec", PROGRAM],
            cwd=tmp_path,
            env=terminal,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        network.send_signal(number)
        _, told = network.communicate(timeout=30)
    assert done.stdout.startswith("[devnet/echo] You said: hi"), done.stderr
    assert network.returncode == 0, told
    assert "Traceback" not in told
    with pytest.raises(ProcessLookupError):
        os.killpg(network.pid, 0)  # nobody of its group is left, anvil neither


@contextmanager
def running(
    line: str, environment: Mapping[str, str], folder: Path
) -> Iterator[subprocess.Popen[str]]:
    """Run a shell line as the leader of a group, from when it says that it runs."""
    with subprocess.Popen(
        ["sh", "-c", f"exec {line}"],
        cwd=folder,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stderr
            told: list[str] = []
            for said in process.stderr:
                told.append(said)
                if RUNS in said:
                    break
            else:
                raise AssertionError("".join(told))
            yield process
        finally:
            process.kill()
