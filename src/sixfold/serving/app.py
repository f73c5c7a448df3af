"""The HTTP application: routes, and what each error becomes. Answers are computed in threads: the loop stays free."""

import asyncio
import os
from concurrent.futures import Future
from functools import partial
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, delete, get, post
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig

from sixfold.data.rows import Checked, decode
from sixfold.errors import InvalidRequest, UnknownInRequest
from sixfold.serving import replies, requests
from sixfold.serving.batches import Batches
from sixfold.serving.front import Front
from sixfold.serving.gate import Gate
from sixfold.serving.metrics import Metrics
from sixfold.serving.openapi import EventsOperation, PredictOperation, RecommendOperation
from sixfold.serving.parts import Parts
from sixfold.serving.queue_routes import queue_routes
from sixfold.serving.refusals import refusal, told
from sixfold.stores import Receipt

__all__ = ["MAX_BODY_BYTES", "make_app"]

MAX_BODY_BYTES = 10_000_000
APPLIED_WITHIN_S = 0.05
"""How long an acknowledgement waits for its events to be applied, so that the next answer sees them."""

AnyRequest = Request[Any, Any, Any]
Reply = Response[bytes]


def make_app(parts: Parts) -> Front:
    """The application over these parts; whoever made them closes them."""
    gate, batches = Gate(), Batches(parts, at_once=_cores())
    answering = [*_answering(parts), _predicting(parts, batches)]
    managing = [*_releases(parts), *_health(parts), _erasing(parts, gate)]
    app = Litestar(
        [*answering, *_events(parts), *queue_routes(parts), *managing],
        middleware=[gate],
        exception_handlers={
            HTTPException: partial(_http_error, parts.metrics),
            Exception: partial(_refused, parts.metrics),
        },
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=OpenAPIConfig(title="Sixfold", version="1"),
        logging_config=None,
    )
    return Front(app, batches, gate, parts.metrics, most_bytes=MAX_BODY_BYTES)


def _cores() -> int:
    """How many cores this process may use, as far as the system tells, up to the threads that answer."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(4, own or 1)


def _answering(parts: Parts) -> list[HTTPRouteHandler]:
    @post("/v1/recommend", status_code=200, operation_class=RecommendOperation)
    async def recommend(request: AnyRequest) -> Reply:
        """The best items for a query."""
        body = await request.body()
        reply, counted = await parts.threaded(lambda: _recommend(parts, body))
        if counted is not None:  # what was shown counts before the answer is there: a cap holds for the next request
            receipts = await asyncio.wrap_future(counted)
            await _applied(parts, max(receipt.offset for receipt in receipts))
        return _ok(parts, "recommend", reply)

    @get("/v1/features/{entity:str}/{key:path}")
    async def features(entity: str, key: str) -> Reply:
        """The features and table columns of one key; a key may hold slashes."""

        def work() -> bytes:
            with parts.current.borrow() as live:
                return replies.features(entity, key.removeprefix("/"), live, parts.clock.now_us())

        return _ok(parts, "features", await parts.threaded(work))

    return [recommend, features]


def _predicting(parts: Parts, batches: Batches) -> HTTPRouteHandler:
    """What `Front` leaves; the plain case does not come here."""

    @post("/v1/predict", status_code=200, operation_class=PredictOperation)
    async def predicted(request: AnyRequest) -> Reply:
        """What the deployed model predicts for rows."""
        return _ok(parts, "predict", await batches.ask(await request.body()))

    return predicted


def _recommend(parts: Parts, body: bytes) -> tuple[bytes, "Future[list[Receipt]] | None"]:
    """The reply, and what logs it where that has to be waited for."""
    with parts.current.borrow() as live, parts.metrics.stage("recommend"):
        question = requests.question(body, live.system, parts.clock.now_us())
        if live.answerer is None:
            rule = f"asked of a design with items; {live.system.name} predicts rows (/v1/predict)"
            raise InvalidRequest(field="/v1/recommend", rule=rule, got=live.system.query)
        # What the worker says it has applied is seen by every read, and what the store says now no read went beyond.
        before = live.worker.offset
        answer = live.answerer.answer(question, parts.metrics.stage)
        record = replies.logged(question, answer, live, (before, live.applied()))
        items = replies.shown(question, answer, live)
        logging_it = parts.commit.submit([record, *items])
        logging_it.add_done_callback(partial(_count_unlogged, parts.metrics))
        return replies.recommended(question, answer, live.release.id), logging_it if items else None


def _count_unlogged(metrics: Metrics, done: "Future[list[Receipt]]") -> None:
    if done.cancelled() or done.exception() is not None:
        metrics.unlogged.inc()


def _events(parts: Parts) -> list[HTTPRouteHandler]:
    @post("/v1/events/{name:str}", status_code=200, operation_class=EventsOperation)
    async def events(name: str, request: AnyRequest) -> Reply:
        """Take rows of a stream or a table; they are durable when this answers."""
        body = await request.body()
        checked = await parts.threaded(lambda: _checked(parts, name, body))
        receipts = await asyncio.wrap_future(parts.commit.submit(checked.accepted)) if checked.accepted else []
        if receipts:
            await _applied(parts, max(receipt.offset for receipt in receipts))
        duplicates = sum(receipt.duplicate for receipt in receipts)
        counts = {"accepted": len(receipts) - duplicates, "duplicates": duplicates, "refused": len(checked.refused)}
        for result, count in counts.items():
            parts.metrics.events.labels(name, result).inc(count)
        refused = [{"index": one.index, "reason": one.reason} for one in checked.refused]
        return _ok(parts, "events", msgspec.json.encode({**counts, "refused": refused}))

    return [events]


def _checked(parts: Parts, name: str, body: bytes) -> Checked:
    """The rows of a body as events. In a replay the clock follows them, by a day at most."""
    with parts.current.borrow() as live:
        if (checker := live.checkers.get(name)) is None:
            raise UnknownInRequest(kind="stream or table", name=name, known=live.checkers)
        clock = parts.clock
        checked = checker.check(requests.rows_of(body), clock.now_us() + clock.tolerance_us)
        if clock.tolerance_us and name in live.system.streams and checked.accepted:
            clock.follow(max(decode(event.payload)["known"] for event in checked.accepted) + 1)
        return checked


async def _applied(parts: Parts, offset: int) -> None:
    """Wait until the state has applied this offset, or for 50 ms."""
    with parts.current.borrow() as live:
        waiting = live.worker.wait(offset)
        live.worker.notify()
        await asyncio.wait([asyncio.wrap_future(waiting)], timeout=APPLIED_WITHIN_S)


def _erasing(parts: Parts, gate: Gate) -> HTTPRouteHandler:
    @delete("/v1/entities/{entity:str}/{key:path}", status_code=200)
    async def erased(entity: str, key: str) -> Reply:
        """Erase a key from everything that is kept; other requests get 503 meanwhile."""
        async with gate.alone():
            done = await parts.threaded(lambda: parts.erase(entity, key.removeprefix("/")))
        return _ok(parts, "erase", msgspec.json.encode(done.to_json()))

    return erased


def _releases(parts: Parts) -> list[HTTPRouteHandler]:
    def state() -> bytes:
        with parts.current.borrow() as live:
            serving, releases = live.release.id, parts.current.releases
        found = {"current": releases.current(), "serving": serving, "releases": releases.ids()}
        return msgspec.json.encode(found)

    @get("/v1/releases")
    async def releases() -> Reply:
        """All releases, the one that is promoted and the one that serves."""
        return _ok(parts, "releases", await parts.threaded(state))

    @post("/v1/releases/{name:str}/promote", status_code=200)
    async def promote(name: str) -> Reply:
        """Serve this release from now on."""
        await parts.threaded(lambda: parts.current.promote(name))
        return _ok(parts, "promote", await parts.threaded(state))

    @post("/v1/releases/rollback", status_code=200)
    async def rollback() -> Reply:
        """Serve the release that served before."""
        await parts.threaded(parts.current.rollback)
        return _ok(parts, "rollback", await parts.threaded(state))

    return [releases, promote, rollback]


def _health(parts: Parts) -> list[HTTPRouteHandler]:
    @get("/healthz")
    async def healthz() -> Reply:
        """The server runs."""
        return Response(b'{"status":"ok"}', media_type=MediaType.JSON)

    @get("/readyz")
    async def readyz() -> Reply:
        """The server answers from a state that is kept fresh."""
        with parts.current.borrow() as live:
            if (failure := parts.failure or live.failure or parts.current.failure) is not None:
                return _error(503, type(failure).__name__, str(failure))
            ready = {"status": "ready", "release": live.release.id, "lag_s": live.worker.lag_s}
        return Response(msgspec.json.encode(ready), media_type=MediaType.JSON)

    @get("/openapi.json", include_in_schema=False)
    async def openapi(request: AnyRequest) -> Reply:
        """The routes and bodies in OpenAPI."""
        return Response(msgspec.json.encode(request.app.openapi_schema.to_schema()), media_type=MediaType.JSON)

    @get("/metrics")
    async def metrics() -> Reply:
        """Counters and histograms for Prometheus."""
        return Response(parts.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return [healthz, readyz, openapi, metrics]


def _ok(parts: Parts, path: str, content: bytes) -> Reply:
    parts.metrics.requests.labels(path, "200").inc()
    return Response(content, media_type=MediaType.JSON)


def _error(status: int, name: str, detail: str) -> Reply:
    return Response(told(name, detail), media_type=MediaType.JSON, status_code=status)


def _refused(metrics: Metrics, request: AnyRequest, error: Exception) -> Reply:
    status, content = refusal(metrics, error, f"{request.method} {request.url.path}")
    return Response(content, media_type=MediaType.JSON, status_code=status)


def _http_error(metrics: Metrics, request: AnyRequest, error: HTTPException) -> Reply:
    metrics.requests.labels("error", str(error.status_code)).inc()
    reply = _error(error.status_code, type(error).__name__, str(error.detail))
    for name, value in (error.headers or {}).items():
        reply.set_header(name, value)
    return reply
