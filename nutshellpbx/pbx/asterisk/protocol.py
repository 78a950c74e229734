"""The manager interface's line protocol: bytes in, messages out; actions in, bytes out.

Pure. `Key: value` lines, a blank line ends a message, one greeting line comes first. Whatever comes in, the
stream goes on and memory stays bounded: too long a line or message is cut and says so, a byte that is not
UTF-8 becomes U+FFFD so that it is seen, a line without a colon is kept under an empty key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from nutshellpbx.faults import Rejected

#: The longest line kept, in bytes; Asterisk itself builds none longer than a few thousand.
MAX_LINE = 8 * 1024
#: The most lines kept of one message.
MAX_LINES = 500
GREETING = "Asterisk Call Manager"


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its fields in the order they came, repeated keys included; `cut` when some did not fit."""

    fields: tuple[tuple[str, str], ...]
    cut: bool = False

    def find(self, key: str) -> str | None:
        """The first value of a key, None when the message does not have it."""
        for name, value in self.fields:
            if name == key:
                return value
        return None

    def find_all(self, key: str) -> list[str]:
        """Every value of a key, in order."""
        return [value for name, value in self.fields if name == key]

    @property
    def event(self) -> str:
        """The event's name; empty for a response."""
        return self.find("Event") or ""

    @property
    def action_id(self) -> str:
        """The id of the action that this message answers; empty when it answers none."""
        return self.find("ActionID") or ""

    @property
    def is_success(self) -> bool:
        """Whether this is a response that grants what was asked."""
        return self.find("Response") in ("Success", "Goodbye")


@dataclass(slots=True)
class Reader:
    """Takes bytes in any pieces and gives the whole messages in them.

    `greeting` is the server's first line once it has come. `cut_lines` counts the lines that were too long or
    too many, over the whole stream.
    """

    max_line: int = MAX_LINE
    max_lines: int = MAX_LINES
    greeting: str = ""
    cut_lines: int = 0
    _line: bytearray = field(default_factory=bytearray)
    _line_is_cut: bool = False
    _fields: list[tuple[str, str]] = field(default_factory=list)
    _message_is_cut: bool = False

    def feed(self, piece: bytes) -> list[Message]:
        """Take the next bytes of the stream and return the messages that they complete."""
        found: list[Message] = []
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            self._keep(piece[start:end])
            message = self._end_line()
            if message is not None:
                found.append(message)
            start = end + 1
        self._keep(piece[start:])
        return found

    @property
    def waiting_bytes(self) -> int:
        """How many bytes of an unfinished line are held."""
        return len(self._line)

    def _keep(self, piece: bytes) -> None:
        # One more than a line's bytes, for the carriage return that belongs to its end.
        space = self.max_line + 1 - len(self._line)
        self._line += piece[:space]
        if len(piece) > space:
            self._line_is_cut = True

    def _end_line(self) -> Message | None:
        raw = bytes(self._line)
        cut = self._line_is_cut or len(raw.removesuffix(b"\r")) > self.max_line
        self._line.clear()
        self._line_is_cut = False
        text = raw.removesuffix(b"\r")[: self.max_line].decode("utf-8", "replace")
        if not text and not cut:
            return self._end_message()
        if not self.greeting and not self._fields and text.startswith(GREETING):
            self.greeting = text
            return None
        if cut or len(self._fields) >= self.max_lines:
            self.cut_lines += 1
            self._message_is_cut = True
        if len(self._fields) < self.max_lines:
            self._fields.append(_split(text))
        return None

    def _end_message(self) -> Message | None:
        if not self._fields:
            return None
        message = Message(tuple(self._fields), self._message_is_cut)
        self._fields = []
        self._message_is_cut = False
        return message


def write_action(name: str, fields: Mapping[str, str], *, action_id: str = "") -> bytes:
    """The bytes of an action; raises Rejected for a name or value that would break out of its line."""
    lines = [("Action", name), *([("ActionID", action_id)] if action_id else []), *fields.items()]
    for key, value in lines:
        if not key or any(sign in key for sign in "\r\n:\0") or any(sign in value for sign in "\r\n\0"):
            raise Rejected("This cannot be sent to the phone system", detail=key[:40])
    return "".join(f"{key}: {value}\r\n" for key, value in lines).encode() + b"\r\n"


def answer_challenge(challenge: str, secret: str) -> str:
    """The key that proves the secret to a server which sent this challenge (AuthType MD5)."""
    return hashlib.md5((challenge + secret).encode(), usedforsecurity=False).hexdigest()


def _split(line: str) -> tuple[str, str]:
    key, colon, value = line.partition(":")
    if not colon:
        return "", line
    # Exactly one space follows the colon; others belong to the value.
    return key, value.removeprefix(" ")
