"""HTTP: the doors, which anybody may reach, and the operators' part, which asks for a key with a scope."""

from __future__ import annotations

from fastapi import APIRouter

from services.intake.api import definitions, forms, postmark, rejections, segment, shopify, sources
from services.intake.api.common import Intake

PATH = "/intake"


def routers(intake: Intake) -> list[APIRouter]:
    """The routes below /intake."""
    return [module.router(intake) for module in (segment, shopify, forms, postmark, sources, definitions, rejections)]
