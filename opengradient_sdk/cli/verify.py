"""``ogsdk verify``: is a bundle what it claims to be?"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .outcome import told

if TYPE_CHECKING:
    from ..client.config import Trust

_LARGEST = 64 * 1024 * 1024
"""Bytes that are read of a bundle; a longer one is refused as not whole."""


def verify(
    bundle: Annotated[Path, typer.Argument(help="A bundle; - reads standard input.")],
    measurement: Annotated[
        list[str] | None,
        typer.Option(help="The PCR hash (0x…) of a build that you accept; may be repeated."),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(help="The root of attestation documents (PEM), in place of Amazon's."),
    ] = None,
    online: Annotated[
        bool, typer.Option("--online", help="Also ask the chains: OG_NETWORK, OG_RPC_URL.")
    ] = False,
) -> None:
    """Verify a bundle: without network, and without trust in whoever made it.

    Exits with 0 if no check failed, with 1 if it is refused, with 2 if it cannot be looked at.
    """
    with told():
        from ..client.verifying import verify_on_chain
        from ..ledger.bundle import verify_bundle

        text, trust = _read(bundle), _trust(measurement or [], root)
        report = asyncio.run(verify_on_chain(text, trust)) if online else verify_bundle(text, trust)
        print(report.explain())


def _read(path: Path) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read(_LARGEST)
    with path.open("rb") as file:
        return file.read(_LARGEST)


def _trust(measurements: list[str], root: Path | None) -> Trust:
    from ..client.config import Trust
    from ..types import Bytes32

    return Trust(
        measurements=frozenset(Bytes32(one) for one in measurements),
        attestation_root=None if root is None else root.read_bytes(),
    )
