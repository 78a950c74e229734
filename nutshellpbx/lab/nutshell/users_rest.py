"""``/rest/users``: who signs in to this instance; there is no address that says "me"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nutshellpbx.lab.nutshell.errors import NotFound
from nutshellpbx.lab.nutshell.exchange import Answer, Request, json_answer
from nutshellpbx.lab.nutshell.shapes import instance_meta
from nutshellpbx.lab.nutshell.sign_in import Actor

if TYPE_CHECKING:
    from nutshellpbx.lab.nutshell.instance import Instance


def list_users(instance: Instance, request: Request, actor: Actor) -> Answer:
    """All users."""
    users = [instance.shapes.user(user) for user in instance.store.users.values()]
    meta = {"next": None, "previous": None, "total": len(users), **instance_meta()}
    return json_answer({"meta": meta, "links": {}, "users": users})


def read_user(instance: Instance, request: Request, actor: Actor, text: str) -> Answer:
    """One user; raises NotFound."""
    user = instance.store.find_user(text)
    if user is None:
        raise NotFound
    return json_answer({"meta": instance_meta(), "links": {}, "users": [instance.shapes.user(user)]})
