"""A long file leaves the asynchronous server piece by piece; no database has a part in it."""

from __future__ import annotations

from asgiref.sync import async_to_sync

from nutshellpbx.dashboard.admin import bulk


def test_asynchronous_server_gets_the_file_in_pieces():
    async def gather() -> list[str]:
        return [piece async for piece in bulk._in_turn(iter(["a", "b"]))]

    assert async_to_sync(gather)() == ["a", "b"]
