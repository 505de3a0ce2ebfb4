"""A whole OpenGradient network on this machine: chains, contracts, facilitator and nodes.

    async with Devnet() as net:
        client = AsyncOpenGradient(signer=net.accounts[0], network=net.profile)

Everything behind a socket is real: an EVM with the network's contracts, signatures that are
verified, payments that move tokens. Everything is worthless too: keys are public knowledge, and
attestation documents come from a root that the Devnet made for itself.
"""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("eth") is None:
    raise ImportError('the Devnet needs an EVM: pip install "opengradient-sdk[devnet]"', name="eth")

from .books import Books, PayerBook
from .evm import Anvil, Evm, JsonRpcError, PyEvm
from .facilitator import Facilitator
from .network import Devnet
from .node import Node

__all__ = [
    "Anvil",
    "Books",
    "Devnet",
    "Evm",
    "Facilitator",
    "JsonRpcError",
    "Node",
    "PayerBook",
    "PyEvm",
]
