"""A day in a small Finnish shop, played through the public HTTP doors: it shows what Tuttu does, and checks it.

`story` and `names` hold what is said as tables, `scenes` turn it into requests for `doors`; `player` sends them,
`staff` acts as the shop's people do, `watcher` reads the updates; `tracker` knows what must come out, `checks` asks.
"""

from __future__ import annotations

from services.ops.demo.day import Options
from services.ops.demo.run import demo
from services.ops.demo.screen import Screen

__all__ = ["Options", "Screen", "demo"]
