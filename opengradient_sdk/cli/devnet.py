"""``ogsdk devnet``: a whole network on this machine, for as long as the command runs."""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer
from rich.console import Console
from rich.table import Table

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from ..devnet import Devnet

app = typer.Typer(help="A whole OpenGradient network on this machine.", no_args_is_help=True)

_USAGE_ERROR = 2


class EvmKind(StrEnum):
    """Which EVM runs the chains."""

    PY_EVM = "py-evm"
    ANVIL = "anvil"


class Generation(StrEnum):
    """Which generation of registry and node software is imitated."""

    JULY = "july"
    APRIL = "april"


@app.callback()
def about() -> None:
    """A whole OpenGradient network on this machine."""


@app.command()
def up(
    evm: Annotated[EvmKind, typer.Option(help="Which EVM runs the chains.")] = EvmKind.PY_EVM,
    chains: Annotated[
        int, typer.Option(min=1, max=2, help="1, or 2 for payments and registry apart.")
    ] = 1,
    chain_id: Annotated[int, typer.Option(min=1, help="The payments chain's id.")] = 31337,
    nodes: Annotated[int, typer.Option(min=0, help="How many nodes serve.")] = 1,
    registry: Annotated[
        Generation, typer.Option(help="The generation of registry and nodes.")
    ] = Generation.JULY,
    upstream: Annotated[
        str | None,
        typer.Option(help="An OpenAI-compatible server (http://…/v1) to answer from."),
    ] = None,
) -> None:
    """Run a network until interrupted.

    Standard output gets lines that a shell can evaluate, such as ``export OG_NETWORK=…``; what is
    running is told on standard error.
    """
    try:
        from ..devnet import Devnet

        net = Devnet(
            evm=evm.value,
            chains=cast("Literal[1, 2]", chains),
            chain_id=chain_id,
            nodes=nodes,
            registry=registry.value,
            upstream=upstream,
        )
        asyncio.run(_run(net))
    except KeyboardInterrupt:
        return  # interrupted before, or on a platform without, the handlers of _run
    except (ConfigurationError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(_USAGE_ERROR) from None


async def _run(net: Devnet) -> None:
    """Keep ``net`` up until a signal asks to end."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, ended.set)
        except NotImplementedError:  # Windows: KeyboardInterrupt ends it there
            break
    async with net:
        for name, value in net.env.items():
            print(f"export {name}={shlex.quote(value)}", flush=True)
        _describe(net, Console(stderr=True))
        await ended.wait()


def _describe(net: Devnet, console: Console) -> None:
    table = Table("what", "where", title="OpenGradient Devnet", title_justify="left")
    table.add_row(f"payments chain {net.chain.chain_id}", net.chain.rpc_url)
    if net.registry_chain is not net.chain:
        table.add_row(f"registry chain {net.registry_chain.chain_id}", net.registry_chain.rpc_url)
    table.add_row("facilitator", net.facilitator.url)
    for node in net.nodes:
        table.add_row(node.name, node.endpoint)
    table.add_row("account 0", net.accounts[0].address)
    console.print(table)
    console.print("The keys are public and the tokens are worthless. Interrupt to stop.")
