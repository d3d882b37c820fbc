"""Postmark's inbound webhook: one address per source, its write key as the password of Basic authentication."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.intake import bodies
from services.intake.api.common import Intake, as_error
from services.intake.domain import Refusal
from services.intake.doors import postmark
from services.kit import errors, web

_DOOR = "postmark"


class WrongSource(errors.Forbidden):
    """This key is not of the source {source}."""


def router(intake: Intake) -> APIRouter:
    routes = APIRouter(tags=["Postmark"])
    room = asyncio.Semaphore(intake.settings.mails_at_once)

    @routes.post("/postmark/{source}")
    async def receive(source: str, request: Request) -> Response:
        """An inbound e-mail. Contents of attachments are passed over, only their names and sizes are kept."""
        mailbox = await intake.register.key(web.presented_key(request), "postmark")
        if mailbox.name != source:
            raise WrongSource(source=source)
        intake.check_rate(mailbox)
        async with room:
            body = intake.masked(await bodies.read(request, intake.settings.mail_bytes))
            intake.pay(mailbox, 1)
            arrival = intake.arrival(request, _DOOR, mailbox.name, body, {})
            try:
                found = postmark.read(body, postmark.Terms(mailbox, intake.region))
                accepted = await intake.gate.accept(arrival, mailbox, found)
            except Refusal as refusal:
                arrival = replace(arrival, body=postmark.without_attachments(body))
                raise await intake.refused(arrival, refusal) from None
        if accepted.kept:
            raise as_error(accepted.kept[0].refusal, accepted.kept[0].rejection_id)
        return web.Json({"event_ids": accepted.event_ids})

    return routes
