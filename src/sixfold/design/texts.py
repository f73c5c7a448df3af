"""Section 4, how a network reads texts."""

from dataclasses import dataclass, field

from sixfold.design.where import caller
from sixfold.errors import InvalidField

__all__ = ["HashedText", "TextReader", "Transformer"]


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
    """Share of the training texts that are disguised anew in every epoch: misspelled, spaced, diluted and so on. A
    `Transformer(tune=True)` beside it reads the same disguised texts; the vectors of a frozen one stay those of the
    text as it is."""
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


@dataclass(frozen=True, slots=True)
class Transformer:
    """A pre-trained transformer in Hugging Face's format: `config.json`, `tokenizer.json`, `model.safetensors`.

    A text's vector is the mean of its tokens' last states, or what `1_Pooling` and `modules.json` in the folder say
    (Sentence-BERT: Reimers & Gurevych, EMNLP 2019). Frozen, each distinct text is computed once, before training; it
    is exported beside the network. Tuned, it is a part of the network (Devlin et al., NAACL 2019).
    """

    source: str
    """A folder, relative to the design file; or the name of an installed package that carries one."""
    tune: bool = field(default=False, kw_only=True)
    """Whether it is trained with the network; otherwise it stays as it is."""
    longest: int = field(default=128, kw_only=True)
    """Tokens read of a text, those that frame it included; of a longer one the first and the last half of these."""
    learning_rate: float = field(default=5e-5, kw_only=True)
    """At its highest, where it is tuned; the rest of the network has that of `Training`."""
    normalise: bool = field(default=True, kw_only=True)
    """Whether disguises are undone first, as `HashedText` does; it lowers letters: False for a model that has cases."""
    at: str = field(default_factory=caller, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.source, str) or not self.source.strip():
            rule = "a folder or the name of an installed package"
            raise InvalidField(where=self.at, part="Transformer", field="source", rule=rule, value=self.source)
        if isinstance(self.longest, bool) or not isinstance(self.longest, int) or not 4 <= self.longest <= 8192:
            rule = "a whole number from 4 to 8192"
            raise InvalidField(where=self.at, part="Transformer", field="longest", rule=rule, value=self.longest)
        rate = self.learning_rate
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 1:
            rule = "above 0 and below 1"
            raise InvalidField(where=self.at, part="Transformer", field="learning_rate", rule=rule, value=rate)
        for name in ("tune", "normalise"):
            if not isinstance(value := getattr(self, name), bool):
                raise InvalidField(where=self.at, part="Transformer", field=name, rule="True or False", value=value)


TextReader = HashedText | Transformer
"""What reads texts."""
