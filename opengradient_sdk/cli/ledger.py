"""``ogsdk ledger``: is everything that was recorded still as it was written?"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ..errors import ConfigurationError
from .outcome import REFUSED, told

if TYPE_CHECKING:
    from ..ledger.checkpoints import Checkpoint
    from ..ledger.report import LedgerReport

app = typer.Typer(help="The ledger of receipts.", no_args_is_help=True)

_KEY: Final = re.compile(r"[0-9a-f]{64}")
Store = Annotated[
    str | None,
    typer.Option(help="A SQLite file, or postgresql://…; the network's own (OG_NETWORK) if none."),
]


@app.callback()
def about() -> None:
    """The ledger of receipts."""


@app.command()
def verify(
    store: Store = None,
    anchor: Annotated[
        list[Path] | None,
        typer.Option(help="A file of checkpoints, as FileAnchor writes it; may be repeated."),
    ] = None,
    store_key: Annotated[
        str | None, typer.Option(help="Where the store's key is, to look into what is sealed.")
    ] = None,
    public_key: Annotated[
        str | None, typer.Option(help="The ledger key (hex) that checkpoints must be signed with.")
    ] = None,
) -> None:
    """Recompute the whole ledger, and name every entry that is not as it was written.

    Without --anchor a cut-off end cannot be seen. Exits with 0 if nothing is wrong, with 1 if
    something is, with 2 if the ledger cannot be read, or nothing is recorded in it.
    """
    with told():
        anchors = [one for path in anchor or () for one in _checkpoints(path)]
        key = None if public_key is None else _ledger_key(public_key)
        report = asyncio.run(_verified(store, store_key, anchors, key))
        print(report.explain())
        if report.ok and not report.entries:
            raise ConfigurationError(
                "nothing is recorded in this store",
                hint="Is it the right one? What was recorded and is gone shows against --anchor.",
            )
    if not report.ok:
        raise typer.Exit(REFUSED)


def _ledger_key(text: str) -> str:
    """Return a ledger key as checkpoints spell it."""
    key = text.strip().lower().removeprefix("0x")
    if not _KEY.fullmatch(key):
        raise ConfigurationError(
            "--public-key is no ledger key", hint="64 hex digits, as checkpoints have them."
        )
    return key


def _checkpoints(path: Path) -> Iterator[Checkpoint]:
    """Yield the checkpoints in a file; of a line that is none, say which."""
    from .._core.json_in import parse_json
    from ..ledger.checkpoints import Checkpoint

    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            if line.strip():
                yield Checkpoint.from_json(parse_json(line))
        except ValueError as error:
            raise ConfigurationError(
                f"line {number} of {path} is no checkpoint: {error}",
                hint="--anchor names a file that FileAnchor has written.",
            ) from None


async def _verified(
    place: str | None, key: str | None, anchors: list[Checkpoint], public_key: str | None
) -> LedgerReport:
    from ..ledger.checking import check_ledger
    from .stores import existing_store, existing_vault

    vault = existing_vault(place, key)
    async with aclosing(existing_store(place)) as opened:
        if vault is not None:
            await vault.open()
        return await check_ledger(opened, anchors=anchors, public_key=public_key, vault=vault)
