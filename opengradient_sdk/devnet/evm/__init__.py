"""The chains of a Devnet: py-evm in this process, or the anvil program."""

from __future__ import annotations

from .anvil import Anvil
from .errors import JsonRpcError
from .interface import Alloc, Evm
from .pyevm import PyEvm

__all__ = ["Alloc", "Anvil", "Evm", "JsonRpcError", "PyEvm"]
