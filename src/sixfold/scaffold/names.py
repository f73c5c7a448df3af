"""Names that a design can use, made of names that files and columns have."""

import keyword
import re
import unicodedata
from collections.abc import Iterable

from sixfold.design.expressions import Name, parse
from sixfold.design.groups import ANSWERS, RESERVED
from sixfold.design.kinds import NUMBER
from sixfold.errors import DesignError

__all__ = ["PEOPLE", "THINGS", "Names", "entity_of", "has_id_ending", "names_someone", "plain", "singular", "words"]

_ARGUMENTS = {"self", "name", "source", "keys", "id", "keep", "entity", "stream", "combine", "now", "sf", "columns"}
"""Of the parts that columns are arguments of, beside those that every row has."""
_SECTIONS = {"requirements", "framing", "data", "models", "evaluation", "deployment", "system", "signals", ANSWERS}
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ø": "o"})
PEOPLE = {
    "user", "card", "member", "viewer", "customer", "person", "reader", "client", "account", "visitor", "player",
    "listener", "patient", "student", "buyer", "subscriber", "guest", "profile", "shopper", "follower", "kunde",
    "nutzer", "besucher", "author", "employee", "driver", "rider",
}  # fmt: skip
THINGS = {
    "item", "movie", "video", "book", "product", "article", "song", "track", "event", "ad", "recipe", "place",
    "post", "job", "course", "game", "show", "film", "listing", "story", "page", "venue", "restaurant", "artist",
    "album", "podcast", "photo", "offer", "campaign", "artikel", "produkt", "buch", "spot", "poi", "business",
}  # fmt: skip
"""Words for who asks, and for what is picked."""
_ID_ENDING = {"id", "ids", "key", "uuid", "guid", "uid", "pk", "fk", "nr", "ref"}


def words(raw: str) -> list[str]:
    """The words of a name, in lower case and in ASCII.

    >>> words("userId"), words("Größe (cm)"), words("HTTPStatus_2")
    (['user', 'id'], ['groesse', 'cm'], ['http', 'status', '2'])
    """
    text = unicodedata.normalize("NFKD", raw.translate(_GERMAN)).encode("ascii", "ignore").decode()
    text = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text)
    text = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", text)
    return [word for word in re.split(r"[^a-z0-9]+", text.lower()) if word]


def plain(raw: str, *, other: str) -> str:
    """A name that Python and expressions take, from any text; `other` where nothing of it is left.

    >>> plain("2nd Größe", other="column"), plain("class", other="column"), plain("价格", other="column")
    ('n_2nd_groesse', 'class_', 'column')
    """
    name = "_".join(words(raw))[:48].rstrip("_") or other
    if name[0].isdigit():
        name = f"n_{name}"
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        name += "_"
    return name if _in_expressions(name) else f"{name}_"


def singular(word: str) -> str:
    """One of what a name in the plural is.

    >>> [singular(word) for word in ("movies", "categories", "boxes", "news", "class", "status", "data")]
    ['movie', 'category', 'box', 'news', 'class', 'status', 'data']
    """
    if word.endswith("ies") and len(word) > 4:
        return "movie" if word == "movies" else word[:-3] + "y"
    if re.search(r"(x|ch|sh|ss)es$", word):
        return word[:-2]
    if word.endswith("s") and not re.search(r"(ss|us|is|news|series)$", word) and len(word) > 3:
        return word[:-1]
    return word


def entity_of(raw: str, *, file: str) -> str:
    """What the keys in a column are of: the column's name without its ending; of a bare `id`, one of the file's.

    >>> entity_of("userId", file="ratings"), entity_of("id", file="venues"), entity_of("isbn", file="books")
    ('user', 'venue', 'isbn')
    """
    parts = words(raw)
    if parts and parts[0] in ("id", "fk", "pk") and len(parts) > 1:
        parts = parts[1:]
    while parts and parts[-1] in _ID_ENDING:
        parts = parts[:-1]
    if len(parts) == 1 and _glued(parts[0]):
        parts = [parts[0][:-2]]
    return plain(singular("_".join(parts)) if parts else singular("_".join(words(file))) or "thing", other="thing")


def has_id_ending(raw: str) -> bool:
    """Whether a column is named as keys are.

    >>> [has_id_ending(name) for name in ("userId", "id", "movie_id", "paid", "asin", "userid")]
    [True, True, True, False, True, True]
    """
    parts = words(raw)
    known = {"isbn", "asin", "sku", "ean", "gtin", "username"}
    return bool(parts) and (parts[-1] in _ID_ENDING or parts[0] == "id" or parts[-1] in known or _glued(parts[-1]))


def names_someone(raw: str) -> bool:
    """Whether a column is named as who asks or what is picked, without saying that it is a key.

    >>> names_someone("user"), names_someone("Kunde"), names_someone("price"), names_someone("pages")
    (True, True, False, False)
    """
    parts = words(raw)
    return len(parts) == 1 and parts[0] in PEOPLE | THINGS


def _glued(word: str) -> bool:
    """`userid`, `visitorid`."""
    return word.endswith("id") and word[:-2] in PEOPLE | THINGS | {"session", "order", "device", "group"}


class Names:
    """Names that are taken: no two parts of a design share one, in whatever case."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {name.lower() for name in (*taken, *_SECTIONS, *RESERVED, "now", "sf")}

    @classmethod
    def of_columns(cls, taken: Iterable[str] = ()) -> "Names":
        """For columns of one part, which are arguments beside its own."""
        return cls([*taken, *_ARGUMENTS])

    def take(self, *wanted: str) -> str:
        """The first of these that is free, else the last with a number."""
        free = (name for name in wanted if name.lower() not in self._taken and _in_expressions(name))
        numbered = (f"{wanted[-1].rstrip('_')}_{number}" for number in range(2, 10_000))
        name = next(free, None) or next(name for name in numbered if name.lower() not in self._taken)
        self._taken.add(name.lower())
        return name


def _in_expressions(name: str) -> bool:
    """Whether SQL reads the name as one, alone, of a group and as a group."""
    scope = {spelled: Name(spelled, NUMBER) for spelled in (name, f"{name}.x", f"x.{name}")}
    try:
        found = parse(f"{name} + {name}.x + x.{name}", scope, where="", part="")
    except DesignError:
        return False
    return found.names == set(scope)
