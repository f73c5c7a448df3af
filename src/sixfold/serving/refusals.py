"""What a request that cannot be answered is told: the status and the body of each error."""

import logging

import msgspec

from sixfold.errors import InvalidKey, NothingBefore, ReleaseMissing, ServingError, SixfoldError, UnknownInRequest
from sixfold.serving.metrics import Metrics

__all__ = ["refusal", "told"]

_log = logging.getLogger("sixfold.serving")


def refusal(metrics: Metrics, error: Exception, asked: str) -> tuple[int, bytes]:
    """Status and body for an error, which is counted.

    404 for what does not exist, 400 for what the request got wrong, 503 for what is wrong here; 500 for a mistake of
    ours, which is told in the server's log and not to the caller.

    Args:
        asked: Method and path, for the log.
    """
    if not isinstance(error, SixfoldError):
        _log.error("%s failed", asked, exc_info=error)
        metrics.requests.labels("error", "500").inc()
        return 500, told("InternalError", "the server made a mistake; its log says which")
    if isinstance(error, UnknownInRequest | ReleaseMissing | NothingBefore):
        status = 404
    else:
        status = 400 if isinstance(error, ServingError | InvalidKey) else 503
    metrics.requests.labels("error", str(status)).inc()
    return status, told(type(error).__name__, str(error))


def told(name: str, detail: str) -> bytes:
    """The body of an error."""
    return msgspec.json.encode({"error": name, "detail": detail})
