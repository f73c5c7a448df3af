"""A design that cannot be run as written."""

from collections.abc import Iterable

from sixfold.errors.base import SixfoldError, closest

__all__ = [
    "AmbiguousEntity",
    "BadExpression",
    "DerivedCycle",
    "DesignError",
    "EncoderMissing",
    "EncoderUnusable",
    "InvalidField",
    "InvalidMetric",
    "LibraryMissing",
    "NotADesign",
    "OutcomeAsInput",
    "StepNotReady",
    "UnknownColumn",
    "UnknownFunction",
    "UnknownInMetric",
    "UnknownName",
    "UnknownStep",
    "UnreachableEntity",
    "WindowTooLong",
    "WrongType",
]


class DesignError(SixfoldError, ValueError):
    """The design cannot be run as written."""


class InvalidField(DesignError):
    """
    >>> print(InvalidField(where="feed.py:3", part="Requirements", field="p99_ms", rule="above 0", value=-1))
    feed.py:3: Requirements.p99_ms must be above 0, got -1
    """

    def __init__(self, *, where: str, part: str, field: str, rule: str, value: object) -> None:
        self.where, self.part, self.field, self.rule, self.value = where, part, field, rule, value
        super().__init__(f"{where}: {part}.{field} must be {rule}, got {value!r}")


class BadExpression(DesignError):
    """
    >>> print(BadExpression(where="feed.py:41", part="Label watch_s", text="a +", reason="nothing follows +"))
    feed.py:41: Label watch_s cannot read the expression 'a +': nothing follows +
    """

    def __init__(self, *, where: str, part: str, text: str, reason: str) -> None:
        self.where, self.part, self.text, self.reason = where, part, text, reason
        super().__init__(f"{where}: {part} cannot read the expression {text!r}: {reason}")


class UnknownFunction(DesignError):
    """
    >>> print(UnknownFunction(where="feed.py:41", part="Rule near", name="haversine", known=["haversine_km"]))
    feed.py:41: Rule near calls 'haversine', which is no function of expressions. Did you mean 'haversine_km'?
    """

    def __init__(self, *, where: str, part: str, name: str, known: Iterable[str]) -> None:
        self.where, self.part, self.name = where, part, name
        super().__init__(f"{where}: {part} calls {name!r}, which is no function of expressions.{closest(name, known)}")


class UnknownName(DesignError):
    """
    >>> print(UnknownName(where="feed.py:41", part="Rule new", name="videos.uplaoded", known=["videos.uploaded"]))
    feed.py:41: Rule new reads 'videos.uplaoded', which nothing provides. Did you mean 'videos.uploaded'?
    """

    def __init__(self, *, where: str, part: str, name: str, known: Iterable[str]) -> None:
        self.where, self.part, self.name = where, part, name
        super().__init__(f"{where}: {part} reads {name!r}, which nothing provides.{closest(name, known)}")


class WrongType(DesignError):
    """
    >>> print(WrongType(where="feed.py:41", part="Rule new", text="kind > 3", reason="> does not take text and number"))
    feed.py:41: Rule new cannot compute 'kind > 3': > does not take text and number
    """

    def __init__(self, *, where: str, part: str, text: str, reason: str) -> None:
        self.where, self.part, self.text, self.reason = where, part, text, reason
        super().__init__(f"{where}: {part} cannot compute {text!r}: {reason}")


class UnknownColumn(DesignError):
    """
    >>> print(UnknownColumn(where="feed.py:8", group="videos", column="autor", known=["author", "tags"]))
    feed.py:8: videos has no column 'autor'. Did you mean 'author'?
    """

    def __init__(self, *, where: str, group: str, column: str, known: Iterable[str]) -> None:
        self.where, self.group, self.column, self.known = where, group, column, list(known)
        super().__init__(f"{where}: {group} has no column {column!r}.{closest(column, self.known)}")


class UnreachableEntity(DesignError):
    """
    >>> print(UnreachableEntity(where="feed.py:8", part="Features craft", entity="author", known=["viewer", "video"]))
    feed.py:8: Features craft needs the key of author, which its rows do not lead to (they lead to viewer, video)
    """

    def __init__(self, *, where: str, part: str, entity: str, known: Iterable[str]) -> None:
        self.where, self.part, self.entity, self.known = where, part, entity, list(known)
        super().__init__(
            f"{where}: {part} needs the key of {entity}, which its rows do not lead to "
            f"(they lead to {', '.join(self.known)})"
        )


class AmbiguousEntity(DesignError):
    """
    >>> print(AmbiguousEntity(where="feed.py:8", part="Features craft", entity="tag", ways=["a.tags", "b.tags"]))
    feed.py:8: Features craft finds the key of tag in two ways, a.tags and b.tags: name one of the entities otherwise
    """

    def __init__(self, *, where: str, part: str, entity: str, ways: Iterable[str]) -> None:
        self.where, self.part, self.entity, self.ways = where, part, entity, list(ways)
        super().__init__(
            f"{where}: {part} finds the key of {entity} in two ways, {' and '.join(self.ways)}: "
            "name one of the entities otherwise"
        )


class DerivedCycle(DesignError):
    """
    >>> print(DerivedCycle(where="feed.py:8", cycle=["a", "b", "a"]))
    feed.py:8: derived values read each other in a circle: a -> b -> a
    """

    def __init__(self, *, where: str, cycle: Iterable[str]) -> None:
        self.where, self.cycle = where, list(cycle)
        super().__init__(f"{where}: derived values read each other in a circle: {' -> '.join(self.cycle)}")


class WindowTooLong(DesignError):
    """
    >>> day = 86_400_000_000
    >>> print(WindowTooLong(where="feed.py:8", part="Features taste.n", window_us=10 * day, stream="log", keep_us=day))
    feed.py:8: Features taste.n has a window of 10 days, but log keeps its events for 1 days (keep=)
    """

    def __init__(self, *, where: str, part: str, window_us: int, stream: str, keep_us: int) -> None:
        self.where, self.part, self.window_us, self.stream, self.keep_us = where, part, window_us, stream, keep_us
        super().__init__(
            f"{where}: {part} has a window of {window_us / 86_400_000_000:g} days, but {stream} keeps its events "
            f"for {keep_us / 86_400_000_000:g} days (keep=)"
        )


class OutcomeAsInput(DesignError):
    """
    >>> print(OutcomeAsInput(where="feed.py:8", part="ranker", name="log.clicked", framing="feed.py:5"))
    feed.py:8: ranker reads log.clicked, an outcome of the examples: name it in Framing.context (feed.py:5) if known
    """

    def __init__(self, *, where: str, part: str, name: str, framing: str) -> None:
        self.where, self.part, self.name, self.framing = where, part, name, framing
        super().__init__(
            f"{where}: {part} reads {name}, an outcome of the examples: name it in Framing.context ({framing}) if known"
        )


class InvalidMetric(DesignError):
    """
    >>> print(InvalidMetric(where="feed.py:8", part="Gate", text="recall", rule="cut at k items, such as recall@20"))
    feed.py:8: Gate: 'recall' must be cut at k items, such as recall@20
    """

    def __init__(self, *, where: str, part: str, text: object, rule: str) -> None:
        self.where, self.part, self.text, self.rule = where, part, text, rule
        super().__init__(f"{where}: {part}: {text!r} must be {rule}")


class UnknownInMetric(DesignError):
    """
    >>> print(UnknownInMetric(where="f.py:8", part="Gate", text="auc(clk)", kind="label", name="clk", known=["click"]))
    f.py:8: Gate: 'auc(clk)' names no known label: 'clk'. Did you mean 'click'?
    """

    def __init__(self, *, where: str, part: str, text: str, kind: str, name: str, known: Iterable[str]) -> None:
        self.where, self.part, self.text, self.kind = where, part, text, kind
        self.name, self.known = name, list(known)
        hint = closest(name, self.known) or f" There are: {', '.join(self.known) or 'none'}."
        super().__init__(f"{where}: {part}: {text!r} names no known {kind}: {name!r}.{hint}")


class UnknownStep(DesignError):
    """
    >>> print(UnknownStep(name="trian-ranker", known=["ingest", "train-ranker"]))
    there is no step 'trian-ranker'. Did you mean 'train-ranker'?
    """

    def __init__(self, *, name: str, known: Iterable[str]) -> None:
        self.name, self.known = name, list(known)
        super().__init__(f"there is no step {name!r}.{closest(name, self.known)}")


class StepNotReady(DesignError):
    """
    >>> print(StepNotReady(name="evaluate", needs="examples"))
    step 'evaluate' reads what step 'examples' leaves, which has not run. Run `sixfold step examples` first.
    """

    def __init__(self, *, name: str, needs: str) -> None:
        self.name, self.needs = name, needs
        super().__init__(
            f"step {name!r} reads what step {needs!r} leaves, which has not run. Run `sixfold step {needs}` first."
        )


class NotADesign(DesignError):
    """
    >>> print(NotADesign(path="feed.py", reason="it makes no System"))
    feed.py: not a design: it makes no System
    """

    def __init__(self, *, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: not a design: {reason}")


class EncoderMissing(DesignError):
    """
    >>> print(EncoderMissing(where="talk.py:9", part="Transformer", source="minilm", reason="/x/minilm is no folder"))
    talk.py:9: Transformer('minilm') is not there: /x/minilm is no folder
    """

    def __init__(self, *, where: str, part: str, source: str, reason: str) -> None:
        self.where, self.part, self.source, self.reason = where, part, source, reason
        super().__init__(f"{where}: {part}({source!r}) is not there: {reason}")


class EncoderUnusable(DesignError):
    """
    >>> print(EncoderUnusable(where="talk.py:9", part="OnnxImage", source="e.onnx", reason="it has two outputs"))
    talk.py:9: OnnxImage('e.onnx') cannot be used: it has two outputs
    """

    def __init__(self, *, where: str, part: str, source: str, reason: str) -> None:
        self.where, self.part, self.source, self.reason = where, part, source, reason
        super().__init__(f"{where}: {part}({source!r}) cannot be used: {reason}")


class LibraryMissing(DesignError):
    """
    >>> print(LibraryMissing(where="talk.py:9", part="Transformer", library="tokenizers", extra="text"))
    talk.py:9: Transformer needs tokenizers, which is not installed. Install it: pip install 'sixfold[text]'.
    """

    def __init__(self, *, where: str, part: str, library: str, extra: str) -> None:
        self.where, self.part, self.library, self.extra = where, part, library, extra
        super().__init__(
            f"{where}: {part} needs {library}, which is not installed. Install it: pip install 'sixfold[{extra}]'."
        )
