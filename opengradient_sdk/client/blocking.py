"""Methods of the async client, called from synchronous code."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from .._core.portal import Portal

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")


class Twin(Generic[A]):
    """A part of the async client, found when it is needed and called through the portal."""

    def __init__(self, find: Callable[[], A], portal: Portal) -> None:
        self.find = find
        self.portal = portal


class Blocking(Generic[P, R]):
    """A method of the async part that blocks until it is done; same name, same arguments."""

    def __init__(self, method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]) -> None:
        self.method = method
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, twin: None, owner: type) -> Self: ...
    @overload
    def __get__(self, twin: Twin[Any], owner: type) -> Callable[P, R]: ...
    def __get__(self, twin: Twin[Any] | None, owner: type) -> Self | Callable[P, R]:
        """Return the blocking method, bound."""
        if twin is None:
            return self
        method = self.method

        @functools.wraps(method)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return twin.portal.call(method(twin.find(), *args, **kwargs))

        return call
