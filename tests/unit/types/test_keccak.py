"""Keccak-256 is pycryptodome's, whoever hashes at the same time."""

from __future__ import annotations

import ctypes
import threading

import pytest
from Crypto.Hash import keccak

from opengradient_sdk.types.keccak import keccak256


def by_the_book(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


@pytest.mark.parametrize("length", [0, 1, 31, 32, 135, 136, 137, 271, 272, 1000])
def test_every_length_around_the_block(length: int) -> None:
    data = bytes(range(256)) * 4
    assert keccak256(data[:length]) == by_the_book(data[:length])


def test_a_refused_input_leaves_nothing_behind() -> None:
    with pytest.raises(ctypes.ArgumentError):
        keccak256("text")  # type: ignore[arg-type]
    assert keccak256(b"after it") == by_the_book(b"after it")


def test_threads_do_not_meet() -> None:
    wrong: list[int] = []

    def hash_many(own: int) -> None:
        for number in range(2_000):
            data = bytes([own]) * (number % 300)
            if keccak256(data) != by_the_book(data):
                wrong.append(number)

    threads = [threading.Thread(target=hash_many, args=(own,)) for own in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
