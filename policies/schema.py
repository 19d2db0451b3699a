"""JSON Schema of a vendor's file, so that an editor completes fields and levels while typing."""

from typing import Any

from policies.fields import CatalogField, FieldCatalog, Level, Stage
from policies.limits import (
    FREE_TEXT_WORDS,
    HOLD_WORDS,
    NUMBER_WORDS,
    PLACEHOLDER_WORDS,
    QUOTA_BOUNDS,
    WHERE_KEYS,
)

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NAME = {"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$"}
_MOMENT = "A day (2026-01-31, the last day included) or 2026-01-31T18:00:00+08:00."


def policy_schema(catalog: FieldCatalog) -> dict[str, Any]:
    """Return the schema (draft 2020-12) of a vendor's file over this catalogue.

    It is for editors: what it accepts can still be wider than a contract or a law pack.
    """
    return {
        "$schema": _DIALECT,
        "title": "A vendor's data scope under one contract (Casegate)",
        "type": "object",
        "additionalProperties": False,
        "required": ["policy", "vendor", "contract", "term", "purposes"],
        "anyOf": [{"required": ["stages"]}, {"required": ["inherits"]}],
        "dependentRequired": {"wider": ["inherits"]},
        "properties": {
            "policy": _NAME | {"description": "The policy's own name."},
            "vendor": _NAME | {"description": "Who receives."},
            "contract": _NAME | {"description": "Under which contract; contracts/ bounds it."},
            "inherits": _NAME | {"description": "A profile of profiles/ to start from."},
            "wider": {
                "type": "object",
                "description": "Why a line is wider than the profile's: field to reason.",
                "additionalProperties": {"type": "string", "minLength": 1},
            },
            "term": {
                "type": "object",
                "additionalProperties": False,
                "required": ["from", "to"],
                "properties": {key: {"description": _MOMENT} for key in ("from", "to")},
            },
            "purposes": _list("^[A-Z][A-Z0-9_]{0,63}$", "What the data may be used for."),
            "projects": _list(".", "Only cases of these projects."),
            "networks": _list(".", "The only addresses that are served, as 203.0.113.0/28."),
            "where": {
                "type": "object",
                "description": "Only cases that meet every line.",
                "additionalProperties": False,
                "properties": {
                    **{
                        word: _list(".", f"One of these; from {key.field}.")
                        for word, key in WHERE_KEYS.items()
                    },
                    "hold": {"enum": list(HOLD_WORDS)},
                },
            },
            "quotas": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    name: {"type": "integer", "minimum": 0, "maximum": most}
                    for name, most in QUOTA_BOUNDS.items()
                },
            },
            "free_text": {"enum": list(FREE_TEXT_WORDS), "description": "The lender's notes."},
            "placeholders": {
                "enum": list(PLACEHOLDER_WORDS),
                "description": "What stands in redacted notes; numbered tells persons apart.",
            },
            "numbers": {"enum": list(NUMBER_WORDS), "description": "How numbers reach an agent."},
            "stages": {
                "type": "object",
                "additionalProperties": False,
                "minProperties": 1,
                "properties": {stage.value: _stage(stage, catalog) for stage in Stage},
            },
        },
    }


def allowed_words(field: CatalogField, stage: Stage) -> list[str]:
    """Every way to write a field's level at a stage, from nothing to the widest."""
    words: list[str] = []
    for level in Level:
        if level > field.widest(stage):
            break
        if level in {Level.GENERALISE, Level.PARTIAL}:
            words += [f"{level.word} {form.word}" for form in field.forms if form.level is level]
        elif level is not Level.PSEUDONYM or field.is_reference:
            words.append(level.word)
    return words


def _stage(stage: Stage, catalog: FieldCatalog) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            field.name: {
                "enum": allowed_words(field, stage),
                "description": "、".join(field.headers) or "Made by the gateway.",
            }
            for field in catalog
        },
    }


def _list(pattern: str, description: str) -> dict[str, Any]:
    return {
        "type": "array",
        "minItems": 1,
        "items": {"type": "string", "pattern": pattern},
        "description": description,
    }
