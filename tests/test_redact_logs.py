"""Log lines, tracebacks and structured events as they leave the process."""

from __future__ import annotations

import logging
import sys
import uuid
from collections.abc import Iterator

import pytest

from nutshellpbx.redact import (
    Redacting,
    RedactingFormatter,
    Secret,
    install,
    scrub_event,
    scrub_value,
)

CANARY = "npbxd_Zk3vQ8mY1tB6wR0pLx9cHs7J"
KEY = "4f9c2d7be01a6358c9d4f7a2b1e0c3d596874a5b"


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """A logger of its own whose handler keeps the finished lines in `logger.lines`."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    own = logging.Logger("nutshellpbx.test", level=logging.DEBUG)
    handler = Keep()
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(message)s"))
    handler.addFilter(Redacting())
    own.addHandler(handler)
    own.lines = lines  # type: ignore[attr-defined]
    yield own


def lines_of(logger: logging.Logger) -> list[str]:
    return logger.lines  # type: ignore[attr-defined]


def test_a_log_line_hides_message_arguments_and_traceback(logger: logging.Logger) -> None:
    try:
        raise ValueError(f"refused {CANARY} for +13125550142\r\n2026-01-01 00:00:00 INFO forged")
    except ValueError:
        logger.exception("key %s of %r from %s", KEY, {"api_key": "hunter2"}, "+13125550142")
    (line,) = lines_of(logger)
    for canary in [CANARY, KEY, "hunter2", "13125550142"]:
        assert canary not in line
    assert "•••0142" in line
    assert "Traceback" in line
    assert len([each for each in line.splitlines() if not each.startswith("  | ")]) == 1


def test_a_chained_exception_is_scrubbed_too(logger: logging.Logger) -> None:
    try:
        try:
            raise KeyError(CANARY)
        except KeyError as error:
            error.add_note(f"seen with {KEY}")
            raise RuntimeError("wrapped") from error
    except RuntimeError:
        logger.warning("x", exc_info=True, stack_info=True)
    assert CANARY not in lines_of(logger)[0]
    assert KEY not in lines_of(logger)[0]


def test_a_log_call_with_wrong_arguments_is_still_written_and_scrubbed(logger: logging.Logger) -> None:
    logger.info("%s %s", CANARY)
    assert len(lines_of(logger)) == 1
    assert CANARY not in lines_of(logger)[0]


def test_extra_fields_are_scrubbed(logger: logging.Logger) -> None:
    seen: list[logging.LogRecord] = []

    class Look(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    look = Look()
    look.addFilter(Redacting())
    logger.addHandler(look)
    logger.info("x", extra={"caller": "+13125550142", "request": {"token": "hunter2"}, "password": 12345})
    assert KEY not in repr(vars(seen[0]))
    assert seen[0].caller == "•••0142"  # type: ignore[attr-defined]
    assert seen[0].request == {"token": "***"}  # type: ignore[attr-defined]
    assert seen[0].password == "***"  # type: ignore[attr-defined]


def test_access_lines_of_the_web_server_keep_their_five_arguments() -> None:
    record = logging.LogRecord(
        "uvicorn.access",
        logging.INFO,
        __file__,
        1,
        '%s - "%s %s HTTP/%s" %d',
        ("127.0.0.1:40123", "GET", f"/x?token={KEY}", "1.1", 200),
        None,
    )
    assert Redacting().filter(record)
    assert record.args is not None and len(record.args) == 5
    assert KEY not in record.getMessage()


def test_install_scrubs_every_logger_even_one_with_a_handler_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    factory = logging.getLogRecordFactory()
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr("threading.excepthook", lambda args: None)
    own = logging.getLogger("nutshellpbx.test.alone")
    own.propagate = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setStream(sys.stderr)
    own.addHandler(handler)
    filters = [(each, list(each.filters)) for each in logging.getLogger().handlers]
    try:
        install()
        install()
        own.error("leak %s", CANARY)
        try:
            raise ValueError(KEY)
        except ValueError as error:
            own.exception("x")
            sys.excepthook(ValueError, error, error.__traceback__)
    finally:
        logging.setLogRecordFactory(factory)
        own.removeHandler(handler)
        for each, before in filters:
            each.filters = before
    written = capsys.readouterr().err
    assert "leak npbxd_***" in written
    assert CANARY not in written
    assert KEY not in written
    assert written.count("ValueError: ***") == 2


def test_structlog_events_are_scrubbed_with_their_exception() -> None:
    try:
        raise ValueError(CANARY)
    except ValueError as error:
        event = scrub_event(
            None,
            "info",
            {
                "event": "ring from +13125550142",
                "call": uuid.UUID("5e0c9a6e-2b1d-4a77-8f25-446655440000"),
                "key": Secret(KEY),
                "headers": {"Authorization": "Basic hunter2", "accept": ["json", KEY]},
                "number": 13125550142,
                "took_ms": 1234567,
                "body": KEY.encode(),
                "exc_info": error,
            },
        )
    text = repr(event)
    for canary in [CANARY, KEY, "hunter2", "13125550142"]:
        assert canary not in text
    assert event["call"] == "5e0c9a6e-2b1d-4a77-8f25-446655440000"
    assert event["took_ms"] == 1234567
    assert event["number"] == "•••0142"
    assert "ValueError" in event["exception"]


def test_a_structure_without_end_is_cut() -> None:
    endless: dict[str, object] = {}
    endless["again"] = endless
    assert "***" in repr(scrub_value(endless))
