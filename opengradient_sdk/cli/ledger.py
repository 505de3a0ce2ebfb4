"""``ogsdk ledger``: is everything that was recorded still as it was written?"""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .outcome import REFUSED, told

if TYPE_CHECKING:
    from ..ledger.checkpoints import Checkpoint
    from ..ledger.report import LedgerReport

app = typer.Typer(help="The ledger of receipts.", no_args_is_help=True)

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
    something is, with 2 if the ledger cannot be read.
    """
    with told():
        anchors = [one for path in anchor or () for one in _checkpoints(path)]
        report = asyncio.run(_verified(store, store_key, anchors, public_key))
        print(report.explain())
    if not report.ok:
        raise typer.Exit(REFUSED)


def _checkpoints(path: Path) -> list[Checkpoint]:
    from ..ledger.checkpoints import Checkpoint

    lines = path.read_text().splitlines()
    return [Checkpoint.from_json(json.loads(line)) for line in lines if line.strip()]


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
