"""The networks that are known by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from .._core.clock import Clock, SystemClock
from ..types import Address
from ._model import ChainProfile, Profile
from ._prices import PRICES

_PERMIT2: Final = Address("0x000000000022D473030F116dDEE9F6B43aC78BA3")
_UPTO_PROXY: Final = Address("0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002")
_EXACT_PROXY: Final = Address("0x402085c248EeA27D92E8b30b2C58ed07f9E20001")
_MULTICALL3: Final = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
_OPG: Final = Address("0xFbC2051AE2265686a469421b2C5A2D5462FbF5eB")
_TEE_REGISTRY: Final = Address("0x703cB174AEadB35D611858369B4b1111dC9Abda6")
_GATEWAY_PAYEE: Final = Address("0x9deEBB5D1b22e4a6e027977CeAd13893A7E4cC1a")
_SESSION_CAP: Final = 10**17
_MAX_LIFETIME: Final = 300

DEVNET_CHAIN_ID: Final = 31337
DEVNET_REGISTRY_CHAIN_ID: Final = 10740

# the built-in model of a Devnet's nodes costs as much as a small one
_DEVNET_PRICES: Final = {**PRICES, "echo": replace(PRICES["gpt-5-mini"], provider="devnet")}

MAINNET: Final = Profile(
    name="mainnet",
    payments=ChainProfile(
        "Base", 8453, ("https://base-rpc.publicnode.com",), block_time=2.0, op_stack=True
    ),
    registry=ChainProfile(
        "OG EVM", 10740, ("https://ogevmdevnet.opengradient.ai",), block_time=2.0, coin="OG"
    ),
    opg=_OPG,
    opg_name="OpenGradient",
    opg_version="1",
    permit2=_PERMIT2,
    upto_proxy=_UPTO_PROXY,
    exact_proxy=_EXACT_PROXY,
    multicall=_MULTICALL3,
    tee_registry=_TEE_REGISTRY,
    settlement_relay=None,
    recipients=(_GATEWAY_PAYEE,),
    session_cap=_SESSION_CAP,
    max_authorization=_SESSION_CAP,
    max_lifetime=_MAX_LIFETIME,
    prices=PRICES,
)


def devnet_profile(
    *,
    payment_rpc_urls: Sequence[str] = (),
    registry_rpc_urls: Sequence[str] = (),
    chain_id: int = DEVNET_CHAIN_ID,
    registry_chain_id: int | None = None,
    tee_registry: Address = _TEE_REGISTRY,
    settlement_relay: Address | None = None,
    clock: Clock | None = None,
    block_time: float = 1.0,
    state_dir: str | None = None,
    blob_urls: Sequence[str] = (),
) -> Profile:
    """Return the profile of a Devnet: the canonical addresses on chains of its own.

    ``registry_chain_id`` is the payments chain's where it is not given (one chain for both).
    """
    registry_id = chain_id if registry_chain_id is None else registry_chain_id
    return Profile(
        name="devnet",
        payments=ChainProfile("Devnet", chain_id, tuple(payment_rpc_urls), block_time),
        registry=ChainProfile("Devnet registry", registry_id, tuple(registry_rpc_urls), block_time),
        opg=_OPG,
        opg_name="OpenGradient",
        opg_version="1",
        permit2=_PERMIT2,
        upto_proxy=_UPTO_PROXY,
        exact_proxy=_EXACT_PROXY,
        multicall=_MULTICALL3,
        tee_registry=tee_registry,
        settlement_relay=settlement_relay,
        recipients=(),
        session_cap=_SESSION_CAP,
        max_authorization=_SESSION_CAP,
        max_lifetime=_MAX_LIFETIME,
        prices=_DEVNET_PRICES,
        clock=clock or SystemClock(),
        state_dir=state_dir,
        blob_urls=tuple(blob_urls),
    )


DEVNET: Final = devnet_profile()
