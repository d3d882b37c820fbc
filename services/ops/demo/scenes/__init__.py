"""The scenes of the day: each is a short story of one or two people, told request by request.

A scene yields a delivery when it is its turn; other scenes go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from services.ops.demo.cast import Cast
from services.ops.demo.doors import Delivery
from services.ops.demo.scenes import claims, mishaps, shop, site

Scene = Callable[[Cast], Iterator[Delivery]]

SCENES: tuple[tuple[int, Scene], ...] = (
    (6, shop.first_order),
    (6, site.visit_and_buy),
    (5, claims.newsletter),
    (10, shop.order_again),
    (5, mishaps.mishap),
    (3, shop.household),
    (4, site.customer_logs_in),
    (4, claims.customer_subscribes),
    (3, shop.guest_order),
    (3, claims.quote),
    (2, claims.customer_asks_quote),
    (2, shop.refund),
    (3, claims.customer_writes),
    (2, claims.stranger_writes),
    (3, shop.new_guest),
    (12, site.visit),
)
"""How often each scene comes, and in which order at the beginning of the day."""
