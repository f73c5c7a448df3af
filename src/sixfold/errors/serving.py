"""Requests and servers that cannot be answered as asked."""

from collections.abc import Iterable

from sixfold.errors.base import SixfoldError, closest

__all__ = [
    "InvalidClock",
    "InvalidRequest",
    "NoAnswers",
    "NoSource",
    "NothingReleased",
    "OneProcess",
    "PortTaken",
    "ServerUnreachable",
    "ServingError",
    "StoresChanged",
    "UnknownInRequest",
]


class ServingError(SixfoldError, ValueError):
    """A request or a server cannot be answered as asked."""


class InvalidRequest(ServingError):
    """
    >>> print(InvalidRequest(field="k", rule="from 1 to 1000", got=0))
    k must be from 1 to 1000, got 0
    """

    def __init__(self, *, field: str, rule: str, got: object) -> None:
        self.field, self.rule, self.got = field, rule, got
        shown = repr(got)
        super().__init__(f"{field} must be {rule}, got {shown if len(shown) <= 80 else shown[:77] + '...'}")


class NoAnswers(ServingError):
    """
    >>> print(NoAnswers(path="work/log"))
    work/log holds no answers to audit: serve the design and ask it something first.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path
        super().__init__(f"{path} holds no answers to audit: serve the design and ask it something first.")


class UnknownInRequest(ServingError):
    """
    >>> print(UnknownInRequest(kind="stream or table", name="playz", known=["plays"]))
    no stream or table is named 'playz'. Did you mean 'plays'?
    """

    def __init__(self, *, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, list(known)
        hint = closest(name, self.known) or f" There are: {', '.join(self.known) or 'none'}."
        super().__init__(f"no {kind} is named {name!r}.{hint}")


class InvalidClock(ServingError):
    """
    >>> print(InvalidClock(text="noon"))
    --clock must be `wall`, `data`, or a time such as 2022-05-06T00:00:00Z, got 'noon'
    """

    def __init__(self, *, text: str) -> None:
        self.text = text
        super().__init__(f"--clock must be `wall`, `data`, or a time such as 2022-05-06T00:00:00Z, got {text!r}")


class PortTaken(ServingError):
    """
    >>> print(PortTaken(port=8000, reason="Address already in use"))
    cannot listen on 127.0.0.1:8000: Address already in use. Choose another with --port; 0 takes a free one.
    """

    def __init__(self, *, port: int, reason: str) -> None:
        self.port, self.reason = port, reason
        super().__init__(
            f"cannot listen on 127.0.0.1:{port}: {reason}. Choose another with --port; 0 takes a free one."
        )


class OneProcess(ServingError):
    """
    >>> print(OneProcess(workers=4))
    --workers must be 1, got 4: one process both keeps the state and answers; its threads use the cores
    """

    def __init__(self, *, workers: int) -> None:
        self.workers = workers
        super().__init__(
            f"--workers must be 1, got {workers}: one process both keeps the state and answers; "
            "its threads use the cores"
        )


class NothingReleased(ServingError):
    """
    >>> print(NothingReleased(folder="work/releases"))
    work/releases has no release to serve. Make one with `sixfold run`.
    """

    def __init__(self, *, folder: str) -> None:
        self.folder = folder
        super().__init__(f"{folder} has no release to serve. Make one with `sixfold run`.")


class StoresChanged(ServingError):
    """
    >>> print(StoresChanged(release="r2-0a1b", wanted="Redis at redis://cache/0", found="LMDB in the work folder"))
    release r2-0a1b is kept in Redis at redis://cache/0, this server in LMDB in the work folder. Start the server again.
    """

    def __init__(self, *, release: str, wanted: str, found: str) -> None:
        self.release, self.wanted, self.found = release, wanted, found
        super().__init__(f"release {release} is kept in {wanted}, this server in {found}. Start the server again.")


class NoSource(ServingError):
    """
    >>> print(NoSource(where="feed.py:9", model="neighbours", type="ItemNeighbours"))
    feed.py:9: neighbours.top(…) cannot be served: candidates come from a Rule or a TwoTower, not from ItemNeighbours
    """

    def __init__(self, *, where: str, model: str, type: str) -> None:
        self.where, self.model, self.type = where, model, type
        super().__init__(
            f"{where}: {model}.top(…) cannot be served: candidates come from a Rule or a TwoTower, not from {type}"
        )


class ServerUnreachable(ServingError):
    """
    >>> print(ServerUnreachable(url="http://127.0.0.1:8000/v1/events/log", reason="connection refused"))
    http://127.0.0.1:8000/v1/events/log: connection refused. Is a server running (`sixfold serve`)?
    """

    def __init__(self, *, url: str, reason: str) -> None:
        self.url, self.reason = url, reason
        super().__init__(f"{url}: {reason}. Is a server running (`sixfold serve`)?")
