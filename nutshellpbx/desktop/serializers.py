"""What desktops send, checked and bounded; the shapes are those of nutshellpbx.wire."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from nutshellpbx import wire


class PairingRequest(serializers.Serializer[Any]):
    """A desktop's wish to be paired."""

    name = serializers.CharField(max_length=80)
    os = serializers.CharField(max_length=80, allow_blank=True)
    client_version = serializers.CharField(max_length=40)


class Browser(serializers.Serializer[Any]):
    """A browser that the desktop found."""

    id = serializers.RegexField(r"^[A-Za-z0-9._-]+\Z", max_length=60)
    label = serializers.CharField(max_length=80)  # type: ignore[assignment]  # a name of Field itself


class Report(serializers.Serializer[Any]):
    """What a desktop says of itself."""

    client_version = serializers.CharField(max_length=40)
    os = serializers.CharField(max_length=80, allow_blank=True)
    browsers = serializers.ListField(child=Browser(), max_length=32)
    confirmed_origins = serializers.ListField(child=serializers.CharField(max_length=255), max_length=32)


class Outcome(serializers.Serializer[Any]):
    """What became of one instruction."""

    id = serializers.UUIDField()
    outcome = serializers.ChoiceField(choices=[str(result) for result in wire.Result])
    at = serializers.DateTimeField()
    took_ms = serializers.IntegerField(min_value=0, max_value=2**31 - 1, allow_null=True)


class Outcomes(serializers.Serializer[Any]):
    """What became of several instructions."""

    outcomes = serializers.ListField(child=Outcome(), max_length=wire.MAX_INSTRUCTIONS)
