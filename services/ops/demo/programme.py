"""The day as one endless row of deliveries: every scene once, then by weight; several go on at a time."""

from __future__ import annotations

from collections.abc import Iterator

from services.ops.demo.cast import Cast
from services.ops.demo.doors import Delivery
from services.ops.demo.scenes import SCENES, Scene

_AT_ONCE = 6


def deliveries(cast: Cast) -> Iterator[Delivery]:
    """What arrives at the doors, in its order; the same for the same seed and first number."""
    coming = _coming(cast)
    on_stage: list[Iterator[Delivery]] = []
    while True:
        while len(on_stage) < _AT_ONCE:
            on_stage.append(next(coming)(cast))
        scene = cast.rng.choice(on_stage)
        delivery = next(scene, None)
        if delivery is None:
            on_stage.remove(scene)
        else:
            yield delivery


def _coming(cast: Cast) -> Iterator[Scene]:
    yield from (scene for _, scene in SCENES)
    weights = [weight for weight, _ in SCENES]
    while True:
        yield from (scene for _, scene in cast.rng.choices(SCENES, weights, k=1))
