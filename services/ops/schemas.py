"""The contract in files: JSON Schemas generated from the structs, a page per topic, AsyncAPI 3 over all.

Each service's `messages.py` says at its foot what it WRITES and READS: topic → type → struct. `tuttu schemas --check`
fails where the committed files do not follow from the code.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from services.kit import commands, envelope
from services.kit.runtime import dead_letters
from services.ops import process, topics

FOLDER = Path(__file__).resolve().parents[2] / "schemas"
Types = Mapping[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def written(service: str) -> dict[str, Types]:
    """What a service writes: topic → type → struct of `data`."""
    found: dict[str, Types] = dict(importlib.import_module(f"{process.package_of(service)}.messages").WRITES)
    if any(service in topic.producers for topic in topics.TOPICS if topic.name == "command-outcomes"):
        found["command-outcomes"] = {"tuttu.command-outcome": commands.OutcomeMessage}
    if read(service):
        found["dead-letters"] = {"tuttu.dead-letter": dead_letters.DeadLetter}
    return found


def read(service: str) -> dict[str, Types]:
    """What a service reads: topic → type → struct of `data`."""
    return dict(importlib.import_module(f"{process.package_of(service)}.messages").READS)


def types_of(topic: topics.Topic) -> Types:
    """The types of a topic, as its producers write them."""
    found: dict[str, Any] = {}
    for service in topic.producers:
        found.update(written(service)[topic.name])
    return found


def files() -> dict[Path, str]:
    """Every generated file, path below `schemas/` → text."""
    made: dict[Path, str] = {}
    for topic in topics.TOPICS:
        types = types_of(topic)
        made[Path("json") / f"{topic.name}.schema.json"] = _json(_schema(topic, types))
        made[Path("topics") / f"{topic.name}.yaml"] = _yaml(_page(topic, types))
    made[Path("asyncapi.yaml")] = _yaml(_asyncapi())
    return made


def differences() -> list[str]:
    """Names of files that are missing, changed, or left over."""
    expected = files()
    found = [str(path) for path, text in expected.items() if _text(FOLDER / path) != text]
    for folder in ("json", "topics"):
        found += [
            str(path.relative_to(FOLDER))
            for path in sorted((FOLDER / folder).glob("*"))
            if path.relative_to(FOLDER) not in expected
        ]
    return found


def write() -> int:
    """Write what is generated; returns how many files changed."""
    changed = differences()
    for path, text in files().items():
        (FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / path).write_text(text)
    for name in changed:
        if Path(name) not in files():
            (FOLDER / name).unlink()
    return len(changed)


def _schema(topic: topics.Topic, types: Types) -> dict[str, Any]:
    """The JSON Schema of a whole record: the CloudEvent, with the data of each type that the topic carries."""
    structs = list(dict.fromkeys(types.values()))
    data, components = msgspec.json.schema_components(structs, ref_template="#/$defs/{name}")
    variants = [
        _record([name for name, kind in types.items() if kind is struct], its)
        for struct, its in zip(structs, data, strict=True)
    ]
    body = variants[0] if len(variants) == 1 else {"oneOf": variants}
    return {"$schema": _DIALECT, "title": topic.name, "description": topic.summary, **body, "$defs": components}


def _record(names: list[str], data: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1},
        "source": {"type": "string", "minLength": 1},
        "type": {"enum": sorted(names)},
        "subject": {"type": ["string", "null"]},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "data": data,
    }
    return {
        "type": "object",
        "properties": properties,
        "required": ["specversion", "id", "source", "type", "time", "data"],
    }


def _page(topic: topics.Topic, types: Types) -> dict[str, Any]:
    return {
        "topic": topic.name,
        "summary": topic.summary,
        "public": topic.public,
        "key": topic.key,
        "cleanup": "compact" if topic.kept is None else "delete",
        "kept": "the last state of each key" if topic.kept is None else f"{topic.kept.days} days",
        "partitions": "one" if topic.one_partition else "as the installation's other topics",
        "producers": list(topic.producers),
        "consumers": list(topic.consumers),
        "types": sorted(types),
        "headers": ["content-type", *(["version"] if topic.kept is None else [])],
        "schema": f"../json/{topic.name}.schema.json",
        "examples": [f"../examples/{topic.name}/{path.name}" for path in examples(topic.name)],
    }


def _asyncapi() -> dict[str, Any]:
    channels, operations, messages = {}, {}, {}
    for topic in topics.TOPICS:
        name = topic.name
        messages[name] = {
            "name": name,
            "summary": topic.summary,
            "contentType": envelope.CONTENT_TYPE.decode(),
            "payload": {
                "schemaFormat": "application/schema+json;version=draft-2020-12",
                "schema": {"$ref": f"json/{name}.schema.json"},
            },
            "examples": [{"name": path.stem, "payload": json.loads(path.read_text())} for path in examples(name)],
        }
        channels[name] = {
            "address": name,
            "description": topic.summary,
            "messages": {name: {"$ref": f"#/components/messages/{name}"}},
            "bindings": {
                "kafka": {
                    "topic": name,
                    "topicConfiguration": {"cleanup.policy": ["compact" if topic.kept is None else "delete"]},
                    "bindingVersion": "0.5.0",
                }
            },
        }
        operations[f"receive-{name}" if topic.public else f"internal-{name}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{name}"},
            "summary": "Public: subscribe to it." if topic.public else "Between Tuttu's services.",
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tuttu",
            "version": "1",
            "description": "The topics of Tuttu. `customers` is public; the others are between its services.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": envelope.CONTENT_TYPE.decode(),
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def examples(topic: str) -> list[Path]:
    """The example records of a topic."""
    return sorted((FOLDER / "examples" / topic).glob("*.json"))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _yaml(value: Any) -> str:
    return msgspec.yaml.encode(value).decode()


def _text(path: Path) -> str | None:
    return path.read_text() if path.exists() else None
