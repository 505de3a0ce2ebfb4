"""A whole OpenGradient network on this machine: chains, contracts, facilitator and nodes.

    async with Devnet() as net:
        client = AsyncOpenGradient(signer=net.accounts[0], network=net.profile)

Everything behind a socket is real: an EVM with the network's contracts, signatures that are
verified, payments that move tokens. Everything is worthless too: keys are public knowledge, and
attestation documents come from a root that the Devnet made for itself.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from .._core.lazy import lazy_names

if TYPE_CHECKING:
    from .books import Books, PayerBook
    from .evm import Anvil, Evm, JsonRpcError, PyEvm
    from .facilitator import Facilitator
    from .hosted import HostedDevnet
    from .network import Devnet
    from .node import Node

_load = lazy_names(
    __name__,
    {
        "books": "Books PayerBook",
        "evm": "Anvil Evm JsonRpcError PyEvm",
        "facilitator": "Facilitator",
        "hosted": "HostedDevnet",
        "network": "Devnet",
        "node": "Node",
    },
)


def __getattr__(name: str) -> object:
    """Load a name when it is first used: every run of pytest loads the plugin in this package."""
    if name in __all__ and find_spec("eth") is None:
        raise ImportError(
            'the Devnet needs an EVM: pip install "opengradient-sdk[devnet]"', name="eth"
        )
    return _load(name)


__all__ = [
    "Anvil",
    "Books",
    "Devnet",
    "Evm",
    "Facilitator",
    "HostedDevnet",
    "JsonRpcError",
    "Node",
    "PayerBook",
    "PyEvm",
]
