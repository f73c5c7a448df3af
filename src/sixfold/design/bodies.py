"""Section 4, the bodies of a network: what stands between its inputs and its heads."""

from dataclasses import dataclass, field

from sixfold.design.where import caller
from sixfold.errors import InvalidField

__all__ = ["Body", "Cross", "DeepFm", "Experts", "Fm", "Linear", "Mlp", "Whole"]


@dataclass(frozen=True, slots=True)
class Cross:
    """Crosses of all inputs with each other, layer upon layer (DCN-V2: Wang et al., WWW 2021)."""

    layers: int = 2


@dataclass(frozen=True, slots=True)
class Experts:
    """Shared experts, mixed for each head by a gate of its own (MMoE: Ma et al., KDD 2018)."""

    n: int = 4
    width: int = 64


@dataclass(frozen=True, slots=True, init=False)
class Mlp:
    """Fully connected layers of these widths."""

    widths: tuple[int, ...]

    def __init__(self, *widths: int) -> None:
        object.__setattr__(self, "widths", widths)


@dataclass(frozen=True, slots=True)
class Linear:
    """A weight for each category and number, and one for each cross of categories: logistic regression of a flag.

    Crosses share `buckets` weights by a hash (Weinberger et al., ICML 2009); of crosses that share one, the model
    learns the mean.
    """

    crosses: int = 1
    """Of so many categories at most; 1: no crosses."""
    buckets: int = 2**18
    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        for name, rule, most in (("crosses", "1, 2 or 3", 3), ("buckets", "a whole number from 1 to 2**24", 2**24)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                raise InvalidField(where=self.at, part="Linear", field=name, rule=rule, value=value)


@dataclass(frozen=True, slots=True)
class Fm:
    """`Linear` and the inner products of all pairs of inputs' embeddings (factorization machine: Rendle, ICDM 2010)."""


@dataclass(frozen=True, slots=True, init=False)
class DeepFm:
    """`Fm` beside fully connected layers over the same embeddings (DeepFM: Guo et al., IJCAI 2017)."""

    widths: tuple[int, ...]

    def __init__(self, *widths: int) -> None:
        object.__setattr__(self, "widths", widths or (128, 64))


Body = Cross | Experts | Mlp
"""What can be stacked."""
Whole = Linear | Fm | DeepFm
"""What is a model by itself, from the inputs to one number a head."""
