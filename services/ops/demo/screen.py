"""What the demo shows: progress, what to open, one live line, the summary. Plain lines where there is no terminal."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.console import Console
from rich.status import Status
from rich.table import Table

from services.ops.demo.checks import Result
from services.ops.demo.tracker import Tracker
from services.ops.demo.watcher import Watcher

_PLAIN_EVERY_S = 5.0
_MOST_DIFFERENCES = 30


class Screen:
    """Writes to one console; `live` replaces its line on a terminal and comes now and then elsewhere."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._status: Status | None = None
        self._last_plain_s = 0.0

    def step(self, text: str) -> None:
        """Something long begins, or is so far."""
        if not self.console.is_terminal:
            self.console.print(f"  {text}", soft_wrap=True)
        elif self._status is None:
            self._status = self.console.status(text)
            self._status.start()
        else:
            self._status.update(text)

    def live(self, text: str, at_s: float) -> None:
        """How it stands, `at_s` seconds into the day."""
        if self.console.is_terminal:
            self.step(text)
        elif at_s - self._last_plain_s >= _PLAIN_EVERY_S:
            self._last_plain_s = at_s
            self.console.print(f"  {text}", soft_wrap=True)

    def say(self, text: str = "") -> None:
        """A line that stays."""
        self.console.print(text, soft_wrap=True, markup=False)

    def end_status(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


def doors_to_open(url: str, key_file: Path, contact_id: str | None, name: str) -> list[tuple[str, str]]:
    """What there is to see, each with a line to copy into a shell."""
    header = f'-H "Authorization: Bearer $(cat {shlex.quote(str(key_file))})"'

    def curl(path: str, options: str = "-s") -> str:
        return f"curl {options} {header} {shlex.quote(url + path)}"

    found = [("search the register", curl(f"/directory/contacts?q={name}"))]
    if contact_id is not None:
        found += [
            ("one contact", curl(f"/directory/contacts/{contact_id}")),
            ("its timeline", curl(f"/activity/contacts/{contact_id}/timeline")),
            ("its tags, and why", curl(f"/tagging-rules/contacts/{contact_id}/tags")),
        ]
    return [
        *found,
        ("updates as they come", curl("/subscriptions/customers", "-N")),
        ("what was refused", curl("/intake/rejections")),
        ("the rules", curl("/tagging-rules/rules")),
        ("the APIs' pages", "  ".join(f"{url}/{name}/docs" for name in ("directory", "intake", "tagging-rules"))),
    ]


def status_line(tracker: Tracker, watcher: Watcher, contacts: int, at_s: float) -> str:
    """How the day stands, short enough for a terminal of 80 columns."""
    return (
        f"{int(at_s) // 60}:{int(at_s) % 60:02}  {tracker.sent} events ({tracker.repeats} repeats) · "
        f"{contacts} contacts · {watcher.total} updates · {tracker.rejections + tracker.turned_away} refused"
    )


def summary(tracker: Tracker, watcher: Watcher, result: Result | None, contacts: int) -> Table:
    """The day in figures; without `result` only what the stream told was found."""
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("sent", justify="right")
    table.add_column("found", justify="right")

    def row(name: str, sent: object = "", found: object = None) -> None:
        table.add_row(name, str(sent), "" if found is None else str(found))

    expected = tracker.expected()
    row("events, each as often as it was sent", tracker.sent)
    row("  repeats", tracker.repeats)
    row("  distinct events (and what people wrote down)", tracker.accepted + tracker.by_hand, result and result.events)
    purchases = sum(life.counts["purchase"] for life in expected.lives.values())
    row("  purchases", purchases, result and result.purchases)
    row("  sales less refunds, €", _euros(expected.minor), result and _euros(result.minor))
    row("people, and contacts", len(expected.lives), result.contacts if result else contacts)
    row("refused and kept as rejections", tracker.rejections, result and result.rejections)
    row("turned away (no such key)", tracker.turned_away)
    row("customer updates on the stream", "", watcher.total)
    for kind, count in sorted(watcher.updates.items()):
        row(f"  {kind.removeprefix('tuttu.customer.')}", "", count)
    if result is not None:
        row("tags on contacts", "", result.tags.total())
        for tag, count in sorted(result.tags.items()):
            row(f"  {tag}", "", count)
    return table


def verdict(result: Result) -> list[str]:
    """Whether it adds up, and if not, where."""
    if not result.wrong:
        return ["Everything adds up."]
    more = len(result.wrong) - _MOST_DIFFERENCES
    return [
        "This does not add up:",
        *(f"  - {each}" for each in result.wrong[:_MOST_DIFFERENCES]),
        *([f"  and {more} more"] if more > 0 else []),
    ]


def _euros(cents: int) -> str:
    return f"{cents / 100:,.2f}"
