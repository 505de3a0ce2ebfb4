"""Where the contracts of a devnet are.

The production addresses (the protocol notes, section 1.3), and three of our own for contracts whose
production addresses are not published.
"""

from __future__ import annotations

from typing import Final

from ...profiles import MAINNET
from ...types import Address

OPG: Final = MAINNET.opg
PERMIT2: Final = MAINNET.permit2
EXACT_PROXY: Final = MAINNET.exact_proxy
UPTO_PROXY: Final = MAINNET.upto_proxy
MULTICALL3: Final = MAINNET.multicall
TEE_REGISTRY: Final = MAINNET.tee_registry
TEE_REGISTRY_APRIL: Final = Address("0x4e72238852f3c918f4E4e57AeC9280dDB0c80248")
TEE_VERIFIER: Final = Address("0x0000000000000000000000000000000000000900")

# A devnet's own: high enough to be no precompile, and plainly nobody's key.
SETTLEMENT_RELAY: Final = Address("0x00000000000000000000000000000000de000001")
TEE_INFERENCE_VERIFIER: Final = Address("0x00000000000000000000000000000000de000002")
TEE_BATCH_VERIFIER: Final = Address("0x00000000000000000000000000000000de000003")
