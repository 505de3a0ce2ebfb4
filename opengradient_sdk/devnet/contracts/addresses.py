"""Where the contracts of a devnet are.

The production addresses (the protocol notes, section 1.3), and three of our own for contracts whose
production addresses are not published.
"""

from __future__ import annotations

from typing import Final

from ...types import Address

OPG: Final = Address("0xFbC2051AE2265686a469421b2C5A2D5462FbF5eB")
PERMIT2: Final = Address("0x000000000022D473030F116dDEE9F6B43aC78BA3")
EXACT_PROXY: Final = Address("0x402085c248EeA27D92E8b30b2C58ed07f9E20001")
UPTO_PROXY: Final = Address("0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002")
MULTICALL3: Final = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
TEE_REGISTRY: Final = Address("0x703cB174AEadB35D611858369B4b1111dC9Abda6")
TEE_REGISTRY_APRIL: Final = Address("0x4e72238852f3c918f4E4e57AeC9280dDB0c80248")
TEE_VERIFIER: Final = Address("0x0000000000000000000000000000000000000900")

# A devnet's own: high enough to be no precompile, and plainly nobody's key.
SETTLEMENT_RELAY: Final = Address("0x00000000000000000000000000000000de000001")
TEE_INFERENCE_VERIFIER: Final = Address("0x00000000000000000000000000000000de000002")
TEE_BATCH_VERIFIER: Final = Address("0x00000000000000000000000000000000de000003")
