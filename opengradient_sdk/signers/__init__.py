"""Wallets: what signs, and the guard that asks a policy before it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.lazy import lazy_names
from .guard import GuardedSigner, SigningPolicy, sign_checked
from .keyring import store_in_keyring
from .local import LocalSigner, signer_from
from .protocol import Signer

if TYPE_CHECKING:
    from .digest import DigestSigner
    from .remote import RemoteSigner
else:
    # most wallets are a key in this process: they load neither JSON-RPC nor key services
    __getattr__ = lazy_names(__name__, {"digest": "DigestSigner", "remote": "RemoteSigner"})

__all__ = [
    "DigestSigner",
    "GuardedSigner",
    "LocalSigner",
    "RemoteSigner",
    "Signer",
    "SigningPolicy",
    "sign_checked",
    "signer_from",
    "store_in_keyring",
]
