"""How the CRM says no: JSON for 400 and 500, pages for 401, 403 and 404, a bare text for 405."""

from __future__ import annotations

import html
from typing import Any

from nutshellpbx.lab.nutshell.exchange import HTML, Answer, json_answer
from nutshellpbx.lab.nutshell.shapes import instance_meta


class Invalid(Exception):
    """The request cannot be carried out as written; becomes the JSON error of status 400."""

    def __init__(self, title: str, *, detail: str | None = None, field: str | None = None) -> None:
        super().__init__(title)
        self.title = title
        self.detail = detail
        self.field = field


class NotFound(Exception):
    """There is no such record or address."""


def bad_request(invalid: Invalid, *, plural: str) -> Answer:
    """The JSON error body of 400, with the empty list that was asked for."""
    error: dict[str, Any] = {
        "id": None,
        "type": "errors",
        "code": None,
        "detail": invalid.detail,
        "href": None,
        "status": "400",
        "title": invalid.title,
        "field": invalid.field,
    }
    body: dict[str, Any] = {"meta": instance_meta(), "links": {}}
    if plural:
        body[plural] = []
    return json_answer(body | {"errors": [error]}, status=400)


def unauthorized() -> Answer:
    """The page that answers a wrong or missing pair of address and key."""
    answer = error_page(status=401, phrase="Unauthorized")
    answer.headers["WWW-Authenticate"] = 'Basic realm="Nutshell API"'
    return answer


def forbidden() -> Answer:
    """The page for a key that may not do this."""
    return error_page(status=403, phrase="Forbidden")


def not_found() -> Answer:
    """The page for an address without a record."""
    return error_page(status=404, phrase="Not Found")


def not_allowed() -> Answer:
    """What a method that an address does not know gets."""
    return Answer(status=405, body=b'"Internal Error"', content_type="text/plain; charset=UTF-8")


def patch_type_required() -> Answer:
    """What a PATCH in any other media type gets: a JSON string."""
    return json_answer("application/json-patch+json is required, see http://jsonapi.org", status=400)


def server_error() -> Answer:
    """What a failure inside the CRM looks like."""
    return json_answer({"code": 500, "message": "Internal Server Error"}, status=500)


def error_page(*, status: int, phrase: str) -> Answer:
    """An HTML page in the CRM's wording of titles."""
    title = html.escape(f"An Error Occurred: {phrase}")
    body = (
        '<!DOCTYPE html>\n<html>\n<head>\n<meta charset="UTF-8" />\n'
        f"<title>{title}</title>\n</head>\n<body>\n<h1>{title}</h1>\n"
        f"<p>The practice server answered {status}.</p>\n</body>\n</html>\n"
    )
    return Answer(status=status, body=body.encode(), content_type=HTML)
