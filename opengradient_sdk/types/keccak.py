"""Keccak-256, the hash of Ethereum, from pycryptodome's compiled code.

pycryptodome's own Python module builds a cffi parser at import (about 60 ms) and spends most of a
hash in argument checks. The compiled function behind it is called here directly through ctypes;
where that library cannot be found or answers wrongly, the public module takes over.
"""

from __future__ import annotations

import ctypes
import importlib.util
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_EMPTY: Final = bytes.fromhex("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")
_CAPACITY_BYTES: Final = 64
_ROUNDS: Final = 24
_PADDING: Final = 0x01
_Digest = ctypes.c_char * 32


def _compiled() -> Callable[[bytes], bytes] | None:
    spec = importlib.util.find_spec("Crypto")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))) / "Hash"
    for path in sorted(folder.glob("_keccak*")):
        try:
            library = ctypes.PyDLL(str(path))  # a hash is too short to hand the GIL round for
            hasher = _bind(library)
        except (OSError, AttributeError):
            continue  # not a library for this platform; the public module is the fallback
        if hasher(b"") == _EMPTY:
            return hasher
    return None


def _bind(library: ctypes.PyDLL) -> Callable[[bytes], bytes]:
    init, reset, destroy = library.keccak_init, library.keccak_reset, library.keccak_destroy
    absorb, squeeze = library.keccak_absorb, library.keccak_digest
    init.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_size_t, ctypes.c_uint8]
    absorb.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    squeeze.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint8]
    reset.argtypes = destroy.argtypes = [ctypes.c_void_p]

    class OwnState(threading.local):
        """The state of a thread, used again for every hash: to make one takes longer than both."""

        def __init__(self) -> None:
            self.pointer = ctypes.c_void_p()
            if init(ctypes.byref(self.pointer), _CAPACITY_BYTES, _ROUNDS) != 0:
                raise MemoryError("keccak: no memory for the state")

        def __del__(self) -> None:
            destroy(self.pointer)

    own = OwnState()

    def keccak256(data: bytes) -> bytes:
        state, out = own.pointer, _Digest()
        reset(state)  # whatever an earlier hash has left
        if absorb(state, data, len(data)) != 0 or squeeze(state, out, 32, _PADDING) != 0:
            raise ValueError("keccak: the compiled hash refused its input")
        return out.raw

    return keccak256


def _public() -> Callable[[bytes], bytes]:
    from Crypto.Hash import keccak

    def keccak256(data: bytes) -> bytes:
        return keccak.new(digest_bits=256, data=data).digest()

    return keccak256


_hasher: Callable[[bytes], bytes] | None = None


def keccak256(data: bytes) -> bytes:
    """Return the 32-byte Keccak-256 digest of ``data`` (Ethereum's hash, not SHA3-256)."""
    global _hasher
    if _hasher is None:
        _hasher = _compiled() or _public()
    return _hasher(data)
