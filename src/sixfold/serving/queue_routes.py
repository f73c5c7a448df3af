"""The routes of queues: what waits, the form that decides about it, and the page that reviewers work with."""

from base64 import b64encode
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.datastructures import MultiDict
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect

from sixfold.design.schema import ActionSpec
from sixfold.design.system import System
from sixfold.errors import InvalidRequest, UnknownInRequest
from sixfold.serving.openapi import QueueOperation
from sixfold.serving.parts import Parts
from sixfold.serving.queue_form import form
from sixfold.serving.queue_page import Wanted, counts, page
from sixfold.serving.queues import queue_specs

__all__ = ["MAX_ROWS", "queue_routes"]

MAX_ROWS = 200
"""Most rows that a request may ask for: a text may have a million characters."""
_MAX_NAME = 200
_PRIVATE = {"Cache-Control": "no-store"}

AnyRequest = Request[Any, Any, Any]
Reply = Response[bytes]


def queue_routes(parts: Parts) -> list[HTTPRouteHandler]:
    """The routes, over these parts."""

    @get("/v1/queue")
    async def queues() -> Reply:
        """All queues: how many rows wait, and how many were decided about today."""

        def work() -> dict[str, Any]:
            with parts.current.borrow() as live, parts.queues.current(live.system) as found:
                now_us = parts.clock.now_us()
                return {"queues": [{"action": name, **counts(queue, now_us)} for name, queue in found.items()]}

        return _ok(parts, await parts.threaded(work))

    @get("/v1/queue/{action:str}", operation_class=QueueOperation)
    async def queue(action: str, request: AnyRequest) -> Reply:
        """The rows of an action that wait for a decision, what comes first first."""
        wanted = _wanted(request.query_params)

        def work() -> dict[str, Any]:
            with parts.current.borrow() as live, parts.metrics.stage("queue"):
                _known(live.system, action)
                with parts.queues.current(live.system) as found:
                    return page(found[action], live, parts.stores.log, wanted, parts.clock.now_us())

        return _ok(parts, await parts.threaded(work))

    @get("/v1/queue/{action:str}/form")
    async def described(action: str) -> Reply:
        """What a decision about its rows is made of: the stream to post it to, and the columns of that."""
        with parts.current.borrow() as live:
            found = form(live.system, _known(live.system, action))
        return _ok(parts, {**found, "now": parts.clock.now_us()})

    @get("/queue/{action:str}", include_in_schema=False)
    async def shown(action: str) -> Reply:
        """The page on which reviewers decide about rows of an action."""
        with parts.current.borrow() as live:
            _known(live.system, action)
        content, headers = _document()
        parts.metrics.requests.labels("queue page", "200").inc()
        return Response(content, media_type=MediaType.HTML, headers=headers)

    @get("/queue", include_in_schema=False)
    async def only() -> Redirect:
        """To the page of the queue, where there is just one."""
        with parts.current.borrow() as live:
            specs = queue_specs(live.system)
        if len(specs) != 1:
            raise UnknownInRequest(kind="queue", name="", known=[spec.action.name for spec in specs])
        return Redirect(f"/queue/{specs[0].action.name}", status_code=307)

    return [queues, queue, described, shown, only]


def _known(system: System, action: str) -> ActionSpec:
    specs = {spec.action.name: spec for spec in queue_specs(system)}
    if (spec := specs.get(action)) is None:
        raise UnknownInRequest(kind="queue", name=action, known=specs)
    return spec


def _wanted(given: MultiDict[Any]) -> Wanted:
    """What the query of a request asks for."""
    for name in given:
        if name not in ("n", "reviewer", "skip"):
            raise InvalidRequest(field="query", rule="made of n, reviewer and skip", got=name)
    text, reviewer, skip = given.get("n", "20"), given.get("reviewer"), given.getall("skip", [])
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MAX_ROWS):
        raise InvalidRequest(field="n", rule=f"a whole number from 1 to {MAX_ROWS}", got=text)
    if reviewer is not None and not 1 <= len(reviewer) <= _MAX_NAME:
        raise InvalidRequest(field="reviewer", rule=f"from 1 to {_MAX_NAME} characters long", got=reviewer)
    return Wanted(int(text), reviewer, frozenset(skip))


def _ok(parts: Parts, content: dict[str, Any]) -> Reply:
    parts.metrics.requests.labels("queue", "200").inc()
    return Response(msgspec.json.encode(content), media_type=MediaType.JSON, headers=_PRIVATE)


@lru_cache(maxsize=1)
def _document() -> tuple[bytes, dict[str, str]]:
    """The page, and headers by which a browser runs its own script and style alone, whatever a text holds."""
    content = files("sixfold.serving").joinpath("queue.html").read_bytes()
    hashes = {
        tag: b64encode(sha256(content.partition(f"<{tag}>".encode())[2].partition(f"</{tag}>".encode())[0]).digest())
        for tag in ("script", "style")
    }
    policy = (
        "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        f"script-src 'sha256-{hashes['script'].decode()}'; style-src 'sha256-{hashes['style'].decode()}'"
    )
    return content, {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-cache",
    }
