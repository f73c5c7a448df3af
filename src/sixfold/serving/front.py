"""The way in: predictions go straight to their batch, everything else through the application's routes."""

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from sixfold.serving.batches import Batches
from sixfold.serving.gate import Gate
from sixfold.serving.metrics import Metrics
from sixfold.serving.refusals import refusal

__all__ = ["Front"]

_PATH = "/v1/predict"


class Front:
    """An ASGI application before another one, whose machinery costs as much for a request as judging a text does.

    Args:
        app: Takes what is no plain prediction; it has the route too, for OpenAPI and for bodies that are too large or
            do not say how large they are.
        gate: Keeps predictions out as it does all others.
        most_bytes: Of a body.
    """

    def __init__(self, app: ASGIApp, batches: Batches, gate: Gate, metrics: Metrics, *, most_bytes: int) -> None:
        self._app, self._batches, self._metrics, self._most_bytes = app, batches, metrics, most_bytes
        self._guarded = gate(self._predict)
        self._answered = metrics.requests.labels("predict", "200")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if not self._takes(scope):
            await self._app(scope, receive, send)
            return
        try:
            await self._guarded(scope, receive, send)
        except Exception as error:  # noqa: BLE001  # each becomes a status, as the application's handlers make it
            await _reply(send, *refusal(self._metrics, error, f"POST {_PATH}"))

    def _takes(self, scope: Scope) -> bool:
        if scope["type"] != ScopeType.HTTP or scope["path"] != _PATH or scope["method"] != "POST":
            return False
        for name, value in scope["headers"]:
            if name == b"content-length":
                return value.isdigit() and int(value) <= self._most_bytes
        return False

    async def _predict(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":  # gone before all was said
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        content = await self._batches.ask(body)
        self._answered.inc()
        await _reply(send, 200, content)


async def _reply(send: Send, status: int, content: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content, "more_body": False})
