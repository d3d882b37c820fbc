"""The rules that a Finnish shop starts with. They are written once, into an empty book; from then on people own them.

"potentiaalinen asiakas" is given by a while-rule, not on a signup: so a customer who signs up for a newsletter later,
or whose signup arrives late, does not become a prospect again. The purchase takes the tag away where a form or a
person gave it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.tagging_rules.domain import rules
from services.tagging_rules.domain.rules import Rule

WRITTEN_AT = datetime(2026, 1, 1, tzinfo=UTC)

_DEFINITIONS: tuple[dict[str, Any], ...] = (
    {
        "kind": "on",
        "name": "Osto tekee asiakkaan",
        "event": ["purchase"],
        "add": ["asiakas"],
        "remove": ["potentiaalinen asiakas"],
    },
    {
        "kind": "while",
        "name": "Kiinnostunut, ei vielä ostanut",
        "when": {
            "all": [
                {
                    "any": [
                        {"fact": "count", "event": "signup", "op": "gte", "value": 1},
                        {"fact": "count", "event": "quote_request", "op": "gte", "value": 1},
                    ]
                },
                {"not": {"tag": "asiakas"}},
            ]
        },
        "tag": "potentiaalinen asiakas",
    },
    {
        "kind": "while",
        "name": "Viisi ostoa",
        "when": {"fact": "count", "event": "purchase", "op": "gte", "value": 5},
        "tag": "kanta-asiakas",
    },
    {
        "kind": "while",
        "name": "Potentiaalinen asiakas",
        "priority": 20,
        "when": {"tag": "potentiaalinen asiakas"},
        "phase": "prospect",
    },
    {"kind": "while", "name": "Asiakas", "priority": 30, "when": {"tag": "asiakas"}, "phase": "customer"},
    {"kind": "while", "name": "Kanta-asiakas", "priority": 40, "when": {"tag": "kanta-asiakas"}, "phase": "loyal"},
    {
        "kind": "while",
        "name": "Otti yhteyttä",
        "priority": 10,
        "when": {"fact": "count", "event": "email_received", "op": "gte", "value": 1},
        "phase": "lead",
    },
)

RULES: tuple[Rule, ...] = tuple(
    Rule(UUID(f"0b7d9a40-0000-8000-8000-{number:012}"), 1, rules.parse(definition))
    for number, definition in enumerate(_DEFINITIONS, 1)
)
