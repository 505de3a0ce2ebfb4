"""What is shown of a URL, and what is sent."""

from __future__ import annotations

import base64

import pytest

from opengradient_sdk._core.urls import ServerUrl


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("http://localhost:8545", "http://localhost:8545", "http://localhost:8545"),
        ("https://host/", "https://host", "https://host/"),
        ("https://host/v2/key", "https://host/…", "https://host/v2/key"),
        ("https://host?key=1", "https://host/…", "https://host?key=1"),
        ("https://me:pass@host:1/x", "https://host:1/…", "https://host:1/x"),
        ("https://me@[::1]:1/", "https://[::1]:1", "https://[::1]:1/"),
        ("https://@host/x", "https://host/…", "https://host/x"),
        ("HTTP://Host", "http://host", "HTTP://Host"),
    ],
)
def test_the_name_of_a_server_has_no_secret(text: str, name: str, address: str) -> None:
    url = ServerUrl.parse(text)
    assert (url.name, url.address) == (name, address)
    assert repr(url) == f"ServerUrl(name={name!r})"


@pytest.mark.parametrize(
    ("text", "login"),
    [
        ("https://me:pass@host", "me:pass"),
        ("https://me@host", "me:"),
        ("https://a%40b:p%3Aq@host", "a@b:p:q"),
        ("https://m@e:pass@host", "m@e:pass"),
    ],
)
def test_a_login_becomes_a_header(text: str, login: str) -> None:
    kind, _, encoded = ServerUrl.parse(text).authorization.partition(" ")
    assert (kind, base64.b64decode(encoded).decode()) == ("Basic", login)
    assert ServerUrl.parse(text).address == "https://host"


@pytest.mark.parametrize(
    "text", ["", "host", "host:80", "ftp://host", "https://", "https://h:port", "https://[::1"]
)
def test_what_is_no_url_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not an http\(s\) URL$"):
        ServerUrl.parse(text)


def test_without_a_login_there_is_no_header() -> None:
    assert ServerUrl.parse("https://host").authorization == ""
