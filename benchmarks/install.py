"""What ``pip install`` puts on the disk: a fresh environment with only the built wheel."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .processes import ROOT

_NOT_OURS: Final = frozenset({"pip", "setuptools", "wheel", "_distutils_hack", "pkg_resources"})
"""What an empty environment has already."""


@dataclass(frozen=True, slots=True)
class Installed:
    """Distributions, and megabytes (10^6 bytes) as installed and without compiled bytecode."""

    distributions: int
    megabytes: float
    megabytes_without_bytecode: float


def measured(environment: Path) -> Installed:
    """Return what an environment holds beside pip."""
    (packages,) = environment.glob("lib/python3*/site-packages")
    entries = [entry for entry in packages.iterdir() if not _belongs_to_pip(entry)]
    files = [
        file
        for entry in entries
        for file in ([entry] if entry.is_file() else entry.rglob("*"))
        if file.is_file()
    ]
    sizes = {file: file.stat().st_size / 1e6 for file in files}
    return Installed(
        distributions=sum(entry.suffix == ".dist-info" for entry in entries),
        megabytes=sum(sizes.values()),
        megabytes_without_bytecode=sum(
            size for file, size in sizes.items() if file.suffix != ".pyc"
        ),
    )


def _belongs_to_pip(entry: Path) -> bool:
    return entry.name.partition("-")[0].partition(".")[0] in _NOT_OURS


async def fresh_install() -> Installed:
    """Build the wheel, install it with its dependencies into a new environment, and measure that.

    Raises:
        RuntimeError: A step failed; its own message is on standard error.
    """
    with tempfile.TemporaryDirectory(prefix="opengradient-bench-") as folder:
        wheels, environment = Path(folder) / "wheels", Path(folder) / "venv"
        pip = (sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check")
        await _run(*pip, "wheel", "--no-deps", "--wheel-dir", str(wheels), str(ROOT))
        (wheel,) = wheels.glob("opengradient_sdk-*.whl")
        await _run(sys.executable, "-m", "venv", str(environment))
        # pip is this interpreter's: what it prints and how it compiles is the same for both
        await _run(*pip, "--python", str(environment / "bin" / "python"), "install", str(wheel))
        return await asyncio.to_thread(measured, environment)


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command)
    if await process.wait():
        raise RuntimeError(f"{' '.join(command)} failed")
