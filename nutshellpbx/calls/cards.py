"""Cards as JSON and back: what a CRM answered is kept with the call for its other legs and for its page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from nutshellpbx.calls.models import Answer
from nutshellpbx.crm.adapter import Card, CardNumber, Page, Table


def to_json(card: Card) -> dict[str, Any]:
    """A card as plain JSON values."""
    return {
        "table": card.table.value,
        "id": card.id,
        "name": card.name,
        "company": card.company,
        "job_title": card.job_title,
        "numbers": [[n.raw, n.e164, n.label, n.extension] for n in card.numbers],
        "page": None if card.page is None else page_to_json(card.page),
        "owner": card.owner,
        "last_contacted_at": card.last_contacted_at and card.last_contacted_at.isoformat(),
        "links": list(card.links),
    }


def from_json(value: dict[str, Any]) -> Card:
    """The card that `to_json` wrote."""
    page = value.get("page")
    last = value.get("last_contacted_at")
    return Card(
        table=Table(value["table"]),
        id=value["id"],
        name=value["name"],
        company=value.get("company", ""),
        job_title=value.get("job_title", ""),
        numbers=tuple(CardNumber(*parts) for parts in value.get("numbers", [])),
        page=None if page is None else page_from_json(page),
        owner=value.get("owner", ""),
        last_contacted_at=datetime.fromisoformat(last) if last else None,
        links=tuple(value.get("links", [])),
    )


def page_to_json(page: Page) -> dict[str, Any]:
    return {
        "origin": page.origin,
        "path": page.path,
        "query": [list(pair) for pair in page.query],
        "fragment": page.fragment,
    }


def page_from_json(value: dict[str, Any]) -> Page:
    return Page(
        origin=value["origin"],
        path=value["path"],
        query=tuple((name, text) for name, text in value.get("query", [])),
        fragment=value.get("fragment", ""),
    )


def find_card(answer: Answer | None) -> Card | None:
    """The one card that a call belongs to: the only match or the one that somebody chose; None while open."""
    if answer is None or answer.result != Answer.Result.FOUND:
        return None
    cards = [from_json(value) for value in answer.cards]
    if answer.chosen_id:
        return next((card for card in cards if card.id == answer.chosen_id), None)
    return cards[0] if len(cards) == 1 else None
