"""The figures as a table for eyes."""

from __future__ import annotations

from typing import Any

from rich.table import Table


def table(figures: dict[str, Any]) -> Table:
    """Figures of `bench`, a row each; CPU and memory by part."""
    machine = figures["machine"]
    title = f"{machine['cores']} cores, {machine['memory_gb']} GB, Python {machine['python']}"
    rows = Table("figure", "value", title=title, title_justify="left", box=None)
    rows.add_row("events/s, HTTP in to customers out", f"{figures['events_per_second']:,}")
    for rate, latency in figures["latency_ms_by_rate"].items():
        rows.add_row(
            f"latency at {rate} events/s", "  ".join(f"{name} {value:.0f} ms" for name, value in latency.items())
        )
    cpu, memory = figures["cpu_us_per_event"], figures["memory_mb_by_service"]
    rows.add_row("CPU an event", f"{sum(cpu.values())} µs")
    for name, cost in sorted(cpu.items(), key=lambda item: -item[1]):
        rows.add_row(f"  {name}", f"{cost} µs, {memory[name]} MB")
    rows.add_row("memory", f"{figures['memory_mb']} MB")
    rows.add_row("accepted, stored, lost", f"{figures['accepted']:,}  {figures['stored']:,}  {figures['lost']}")
    return rows
