"""Section 4, how a network reads texts."""

from dataclasses import dataclass, field

from sixfold.design.where import caller
from sixfold.errors import InvalidField

__all__ = ["HashedText"]


@dataclass(frozen=True, kw_only=True, slots=True)
class HashedText:
    """Words as sets of hashed character n-grams, learned from scratch.

    A word's vector is the mean of those of the word and of its n-grams of 3 to 5 characters (fastText: Bojanowski et
    al., TACL 2017), so that a word never seen, or misspelled, is near those it resembles. Above the words stand
    convolutions over 1, 2 and 3 of them with their maximum (Kim, EMNLP 2014), 4 attentive means (Lin et al., ICLR 2017)
    and their sum; beside all that each score has a weight for every word, n-gram and pair of words. Below a body that
    is a whole model, such as `Linear`, these weights alone are learned: logistic regression on hashed n-grams.
    """

    size: int = 64
    """Width of a word's vector."""
    filters: int = 128
    """Convolutions of each length."""
    buckets: int = 2**16
    """Codes that words and n-grams share by a hash; pairs of words have as many more."""
    longest: int = 256
    """Words read of a text; of a longer one the first and the last half of these."""
    dropout: float = 0.3
    """Share of the words, and of what is computed from them, that is left out at random while training."""
    normalise: bool = True
    """Whether disguises are undone first: look-alike letters, digits for letters, accents, invisible characters,
    letters set apart."""
    augment: float = 0.0
    """Share of the training texts that are disguised anew in every epoch: misspelled, spaced, diluted and so on."""
    at: str = field(default_factory=caller, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, least, most in (("size", 1, 4096), ("filters", 1, 4096), ("buckets", 2, 2**24), ("longest", 2, 4096)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                rule = f"a whole number from {least} to {most}"
                raise InvalidField(where=self.at, part="HashedText", field=name, rule=rule, value=value)
        for name in ("dropout", "augment"):
            value = getattr(self, name)
            if isinstance(value, bool) or not 0 <= value < 1:
                rule = "at least 0 and below 1"
                raise InvalidField(where=self.at, part="HashedText", field=name, rule=rule, value=value)
