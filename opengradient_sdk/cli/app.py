"""The commands of ``ogsdk``."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import rich
import typer

from . import devnet, ledger
from .impact import impact
from .verify import verify

app = typer.Typer(
    name="ogsdk",
    help="Pay for an AI answer in OPG and prove who gave it.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals hold keys
)
app.add_typer(devnet.app, name="devnet")
app.add_typer(ledger.app, name="ledger")
app.command()(verify)
app.command()(impact)


def _show_version(asked: bool) -> None:
    if asked:
        rich.print(f"opengradient-sdk {version('opengradient-sdk')}")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Pay for an AI answer in OPG and prove who gave it."""
