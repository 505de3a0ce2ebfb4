"""Networks as data: chain ids, addresses, endpoints, prices. No logic."""

from __future__ import annotations

from ._model import ChainProfile, ModelPrice, Profile
from ._networks import DEVNET, MAINNET, devnet_profile
from ._prices import PRICES

__all__ = ["DEVNET", "MAINNET", "PRICES", "ChainProfile", "ModelPrice", "Profile", "devnet_profile"]
