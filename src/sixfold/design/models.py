"""Section 4: models, their bodies and heads, and how they are trained."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sixfold.design.bodies import Body, Mlp, Whole
from sixfold.design.columns import Column
from sixfold.design.deployment import Top
from sixfold.design.entities import Entity
from sixfold.design.framing import Label
from sixfold.design.groups import Group
from sixfold.design.heads import Head
from sixfold.design.images import OnnxImage
from sixfold.design.places import Place
from sixfold.design.texts import HashedText, TextReader, Transformer
from sixfold.design.where import caller
from sixfold.errors import InvalidField

__all__ = [
    "Hashed",
    "Input",
    "ItemNeighbours",
    "Leaves",
    "Model",
    "Models",
    "Network",
    "Rule",
    "TextModel",
    "Training",
    "Trees",
    "TwoTower",
]


@dataclass(frozen=True, slots=True)
class Leaves:
    """The leaves that a row reaches in the trees of a model: one category a tree (He et al., ADKDD 2014)."""

    trees: "Trees"


@dataclass(frozen=True, slots=True)
class Hashed:
    """An input whose texts are put in `buckets` by a hash: no vocabulary to keep, new texts have a bucket at once.

    Texts that share a bucket are one to the model (Weinberger et al., ICML 2009).
    """

    input: Column | Entity
    buckets: int = 2**16
    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.input, Column | Entity):
            rule = "a column or an entity"
            raise InvalidField(where=self.at, part="Hashed", field="input", rule=rule, value=self.input)
        if isinstance(self.buckets, bool) or not isinstance(self.buckets, int) or not 2 <= self.buckets <= 2**24:
            rule = "a whole number from 2 to 16,777,216"
            raise InvalidField(where=self.at, part="Hashed", field="buckets", rule=rule, value=self.buckets)


Input = Column | Group | Entity | Leaves | Hashed | Place
"""A column, a group (all its columns but times), an entity (its key), leaves of trees, a hashed text, a place."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """How a neural model is trained."""

    epochs: int = 2
    """At most; training stops once validation has not improved for `patience` epochs."""
    batch_size: int = 1024
    learning_rate: float = 2e-3
    """At its highest: it rises over the first 50 batches (a tenth of all, if less) and falls to 0 at the end."""
    weight_decay: float = 1e-5
    """Decoupled (Loshchilov & Hutter, ICLR 2019): of a network's layers, or of the embeddings of two towers."""
    patience: int = 2
    at: str = field(default_factory=caller, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "patience"):
            if not getattr(self, name) > 0:
                raise InvalidField(
                    where=self.at, part="Training", field=name, rule="above 0", value=getattr(self, name)
                )


@dataclass(frozen=True, slots=True)
class Model:
    """Something with a name that scores examples or orders items."""

    name: str
    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)

    def top(self, n: int) -> Top:
        """The n items that it orders first, as a source of candidates."""
        return Top(self, n)


@dataclass(frozen=True, slots=True)
class TextModel(Model):
    """A model that reads texts."""

    text: TextReader | Sequence[TextReader] = field(default_factory=HashedText, kw_only=True)
    """How its inputs that are `Text` are read; what several readers make of a text is joined."""

    def __post_init__(self) -> None:
        readers = self.readers
        if not readers or not all(isinstance(one, TextReader) for one in readers):
            self._refuse("text", "a HashedText(…), a Transformer(…) or a list of them", self.text)
        if sum(isinstance(one, HashedText) for one in readers) > 1 or len(set(readers)) < len(readers):
            self._refuse("text", "one HashedText at most, and transformers that differ", self.text)

    @property
    def readers(self) -> tuple[TextReader, ...]:
        """What reads its texts."""
        return tuple(self.text) if isinstance(self.text, Sequence) else (self.text,)

    @property
    def hashed_text(self) -> HashedText | None:
        """The one among them that reads hashed words."""
        return next((one for one in self.readers if isinstance(one, HashedText)), None)

    @property
    def transformers(self) -> tuple[Transformer, ...]:
        """Those among them that are transformers."""
        return tuple(one for one in self.readers if isinstance(one, Transformer))

    def _refuse(self, field: str, rule: str, value: object) -> None:
        part = f"{type(self).__name__} {self.name}"
        raise InvalidField(where=self.at, part=part, field=field, rule=rule, value=value)


@dataclass(frozen=True, slots=True)
class TwoTower(TextModel):
    """A query tower and an item tower whose inner product orders the items (Yi et al., RecSys 2019).

    An item that was not there in training is found by what its texts say, and by its `Place`.
    """

    query: Sequence[Input] = field(kw_only=True)
    item: Sequence[Input] = field(kw_only=True)
    positives: Label = field(kw_only=True)
    """Rows of the examples' stream where this label is true are what the query liked; all rows count."""
    size: int = field(default=64, kw_only=True)
    """Width of both towers' output, but for an item's bias and for places."""
    training: Training = field(
        default_factory=lambda: Training(epochs=3, batch_size=1024, learning_rate=0.01, weight_decay=0.3), kw_only=True
    )

    def __post_init__(self) -> None:
        TextModel.__post_init__(self)
        if any(one.tune for one in self.transformers):
            self._refuse("text", "a HashedText(…), a Transformer(…) that is not tuned, or a list of them", self.text)
        if self.hashed_text is not None and self.hashed_text.augment:
            self._refuse("text", "a HashedText(…) without augment, which networks alone have", self.text)


@dataclass(frozen=True, slots=True)
class Network(TextModel):
    """A neural network: inputs, stacked bodies, one head a label."""

    inputs: Sequence[Input] = field(kw_only=True)
    heads: Sequence[Head] = field(kw_only=True)
    body: Body | Whole | Sequence[Body] = field(default=Mlp(128, 64), kw_only=True)
    """Bodies stacked on the embedded inputs; or one that is a whole model by itself (`Linear`, `Fm`, `DeepFm`)."""
    size: int = field(default=16, kw_only=True)
    """Width of the embedding of a category; below stacked bodies one of few values has a smaller one."""
    min_count: int = field(default=10, kw_only=True)
    """A category seen less often in the training part shares the unknown's embedding."""
    image: OnnxImage | None = field(default=None, kw_only=True)
    """How its inputs that are `Image` are read."""
    training: Training = field(
        default_factory=lambda: Training(epochs=2, batch_size=1024, learning_rate=0.002), kw_only=True
    )

    def __post_init__(self) -> None:
        TextModel.__post_init__(self)
        if self.image is not None and not isinstance(self.image, OnnxImage):
            self._refuse("image", "an OnnxImage(…)", self.image)


@dataclass(frozen=True, slots=True)
class Trees(Model):
    """Gradient-boosted trees (LightGBM: Ke et al., NeurIPS 2017), one ensemble a head; a list counts as its length."""

    inputs: Sequence[Input] = field(kw_only=True)
    heads: Sequence[Head] = field(kw_only=True)
    rounds: int = field(default=500, kw_only=True)
    num_leaves: int = field(default=31, kw_only=True)
    """Most leaves of a tree."""
    learning_rate: float = field(default=0.05, kw_only=True)

    @property
    def leaves(self) -> Leaves:
        """The leaves that a row reaches, as an input of another model."""
        return Leaves(self)


@dataclass(frozen=True, slots=True)
class ItemNeighbours(Model):
    """Items liked by the same queries, by cosine (Sarwar et al., WWW 2001)."""

    positives: Label = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Rule(Model):
    """Items ordered by an expression, largest first."""

    expression: str


class Models:
    """The models of a design; `Deployment` ships those that it names, the others are baselines."""

    def __init__(self, *models: Model) -> None:
        self.at, self.models = caller(), models
        for model in models:
            if not isinstance(model, Model):
                rule = "models such as TwoTower(…), Network(…), Trees(…), Rule(…)"
                raise InvalidField(where=self.at, part="Models", field="models", rule=rule, value=model)
        names = [model.name for model in models]
        if twice := [name for name in names if names.count(name) > 1]:
            raise InvalidField(where=self.at, part="Models", field="models", rule="named differently", value=twice[0])
        if reserved := [name for name in names if name in _RESERVED]:
            rule = f"named otherwise than {' and '.join(_RESERVED)}, which metrics read as the system's own"
            raise InvalidField(where=self.at, part="Models", field="models", rule=rule, value=reserved[0])

    def __iter__(self) -> Any:
        return iter(self.models)


_RESERVED = ("champion", "answer")
