"""Follow customer updates over Server-Sent Events and keep a copy of each customer; needs Python alone.

    TUTTU_KEY=… python follow_sse.py https://tuttu.example/subscriptions/customers [TAG]

The copy and the place in the stream are written together, so that a break at any moment loses nothing: the next start
goes on from there. The first start replays the register.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import NamedTuple


class Event(NamedTuple):
    id: str
    kind: str
    data: str


def events(url: str, key: str, last_id: str | None) -> Iterator[Event]:
    """The events after `last_id`, as they come; ends when the connection does."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
    if last_id:
        request.add_header("Last-Event-ID", last_id)
    # A ping comes every 15 s: a longer silence is a dead connection.
    with urllib.request.urlopen(request, timeout=45) as stream:
        fields: dict[str, str] = {}
        for line in stream:
            name, _, value = line.decode().rstrip("\n").partition(":")
            if name:
                fields[name] = value.removeprefix(" ")
            elif not line.strip():
                # An event without data tells only where we are.
                if "id" in fields:
                    yield Event(fields["id"], fields.get("event", ""), fields.get("data", ""))
                fields = {}


def handle(copy: sqlite3.Connection, event: Event) -> None:
    """Keep the newest version; forget who was merged into another, and who was erased."""
    customer = json.loads(event.data) if event.data else None
    if customer is not None:
        if event.kind in ("merged", "erased"):
            copy.execute("DELETE FROM customer WHERE id = ?", [customer["customer_id"]])
        else:
            copy.execute("INSERT OR REPLACE INTO customer VALUES (?, ?)", [customer["customer_id"], event.data])
    copy.execute("INSERT OR REPLACE INTO place VALUES (1, ?)", [event.id])
    copy.commit()
    if customer is not None:
        print(event.kind, customer["customer_id"], customer["version"], customer["name"], flush=True)


def main() -> None:
    url, tag = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    url += "?" + urllib.parse.urlencode({"from": "start"} | ({"tag": tag} if tag else {}))
    copy = sqlite3.connect("customers.sqlite")
    copy.execute("CREATE TABLE IF NOT EXISTS customer (id TEXT PRIMARY KEY, data TEXT)")
    copy.execute("CREATE TABLE IF NOT EXISTS place (one INTEGER PRIMARY KEY, last_id TEXT)")
    while True:
        row = copy.execute("SELECT last_id FROM place").fetchone()
        try:
            for event in events(url, os.environ["TUTTU_KEY"], row[0] if row else None):
                handle(copy, event)
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503):
                raise
        except OSError as error:
            print(f"connection lost ({error}); once more in 2 s", file=sys.stderr)
        time.sleep(2)


if __name__ == "__main__":
    main()
