"""The contracts of a devnet: our own Solidity, its artefacts, and the genesis that holds them.

The sources are in ``src``, what the compiler made of them in ``artifacts``; a test compiles again
and compares. Nothing is deployed at run time: :func:`genesis_alloc` writes code and storage into
the first block, at the addresses that the production network uses.
"""

from __future__ import annotations

from . import addresses, artifacts
from .artifacts import Artifact
from .genesis import GenesisAccount, genesis_alloc, to_geth_genesis

__all__ = [
    "Artifact",
    "GenesisAccount",
    "addresses",
    "artifacts",
    "genesis_alloc",
    "to_geth_genesis",
]
