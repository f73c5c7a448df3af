"""The models of a design, checked against its framing and data."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sixfold.design.bodies import DeepFm, Fm, Whole
from sixfold.design.expressions import Expression, parse
from sixfold.design.heads import AnyOf, OneOf, Order
from sixfold.design.models import Hashed, Input, Leaves, Network, Rule, Trees, TwoTower
from sixfold.design.places import Place
from sixfold.errors import InvalidField

if TYPE_CHECKING:
    from sixfold.design.system import System

__all__ = ["resolved_rules"]


def resolved_rules(system: "System") -> dict[str, Expression]:
    """The expressions of the rules, once every model is seen to fit the framing and the data.

    Raises:
        DesignError: one does not.
    """
    rules: dict[str, Expression] = {}
    for model in system.models.values():
        part = f"{type(model).__name__} {model.name}"
        if system.item is None and not isinstance(model, Network | Trees):
            rule = "a Network or Trees, since Framing names no item and the others order items"
            raise InvalidField(where=model.at, part="Models", field=model.name, rule=rule, value=type(model).__name__)
        if isinstance(model, Network | Trees):
            _check_scoring(system, model, part)
        if isinstance(model, TwoTower):
            _plain_inputs([*model.query, *model.item], (Hashed, Leaves), model.at, part)
            _check_texts(system, model, part)
            _check_places(system, model, part)
        if isinstance(model, Rule):
            ordered = parse(model.expression, system.scope(), where=model.at, part=part)
            if ordered.kind.is_list or ordered.kind.base not in ("number", "time", "flag"):
                raise InvalidField(
                    where=model.at, part=part, field="expression", rule="a number", value=model.expression
                )
            rules[model.name] = ordered
        elif (positives := getattr(model, "positives", None)) is not None:
            system.known_label(positives, model.at, part)
            if positives.name not in system.labels or system.labels[positives.name].over is not None:
                rule = "a flag or a number of the example's own row"
                raise InvalidField(where=model.at, part=part, field="positives", rule=rule, value=positives.name)
    return rules


def _check_scoring(system: "System", model: Network | Trees, part: str) -> None:
    """A model with heads: what it reads and predicts is there, and its bodies can be stacked."""
    if isinstance(model, Trees):
        _plain_inputs(model.inputs, (Leaves, Place), model.at, part)
    elif isinstance(model.body, Sequence) and any(isinstance(body, Whole) for body in model.body):
        rule = "alone: Linear, Fm and DeepFm are whole models, the others are stacked"
        raise InvalidField(where=model.at, part=part, field="body", rule=rule, value=model.body)
    _check_texts(system, model, part)
    if not model.inputs or not model.heads:
        rule = "one or more of each"
        raise InvalidField(where=model.at, part=part, field="inputs, heads", rule=rule, value=model.inputs)
    system.inputs(model.inputs, where=model.at, part=part)
    for head in model.heads:
        system.known_label(head.label, model.at, part)
        group = system.label_groups.get(head.label.name)
        wanted = None if group is None else OneOf if group.exclusive else AnyOf
        if wanted is not (type(head) if isinstance(head, OneOf | AnyOf) else None):
            no_classes = "of labels with classes, made of a category or a list of them"
            rule = no_classes if wanted is None else f"{wanted.__name__}({head.label.name})"
            field = f"{type(head).__name__}({head.label.name})"
            raise InvalidField(where=model.at, part=part, field="heads", rule=rule, value=field)
        if isinstance(head, Order):
            _check_order(system, head)
        if wanted is not None and isinstance(model, Trees):
            rule = "of flags and numbers: trees are one ensemble a number"
            raise InvalidField(where=model.at, part=part, field="heads", rule=rule, value=head.label.name)


def _check_order(system: "System", head: Order) -> None:
    """What orders lists has lists to learn from."""
    field = f"Order({head.label.name})"
    if system.negatives is None:
        rule = "of a framing with negatives=, which makes the lists that it orders"
        raise InvalidField(where=head.at, part="Order", field="label", rule=rule, value=head.label.name)
    if system.labels[head.label.name].value.kind.base != "flag":
        raise InvalidField(where=head.at, part="Order", field="label", rule="a flag", value=field)


def _check_texts(system: "System", model: Network | Trees | TwoTower, part: str) -> None:
    """Texts and images are read by networks alone, each by itself."""
    if isinstance(model, TwoTower):
        inputs: Sequence[Input] = [*model.query, *model.item]
    else:
        inputs = model.inputs
    body = getattr(model, "body", None)
    placed = [one for one in inputs if isinstance(one, Place)]
    if placed and isinstance(body, Whole):
        rule = f"other than a Place, which {type(body).__name__} does not read (a Network of stacked bodies does)"
        raise InvalidField(where=placed[0].at, part=part, field="inputs", rule=rule, value=placed[0])
    names = system.inputs(inputs, where=model.at, part=part)
    read = {name: "an Image" if system.kinds[name].image else "a Text" for name in names if _by_encoder(system, name)}
    if isinstance(model, TwoTower):
        read = {name: what for name, what in read.items() if what == "an Image"}
    if read and (not isinstance(model, Network) or isinstance(body, Fm | DeepFm)):
        who = type(body).__name__ if isinstance(model, Network) else type(model).__name__
        name, what = next(iter(read.items()))
        rule = f"other than {what}, which {who} does not read (a Network of stacked bodies or of Linear does)"
        raise InvalidField(where=model.at, part=part, field="inputs", rule=rule, value=name)
    images = [name for name, what in read.items() if what == "an Image"]
    if images and isinstance(model, Network) and model.image is None:
        rule = f"an OnnxImage(…), which reads {images[0]}"
        raise InvalidField(where=model.at, part=part, field="image", rule=rule, value=None)


def _check_places(system: "System", model: TwoTower, part: str) -> None:
    """A place is near another one: both sides have one, or none has."""
    found = {
        side: system.reads(inputs, where=model.at, part=part).places
        for side, inputs in (("query", model.query), ("item", model.item))
    }
    sizes = {side: len(places) for side, places in found.items()}
    if sizes["query"] != sizes["item"] or sizes["item"] > 1:
        rule = "with one Place on each side, or with none"
        raise InvalidField(where=model.at, part=part, field="query, item", rule=rule, value=found)


def _by_encoder(system: "System", name: str) -> bool:
    """Whether a column is read by an encoder of its own."""
    return system.kinds[name].prose or system.kinds[name].image


def _plain_inputs(inputs: Sequence[Input], refused: tuple[type, ...], at: str, part: str) -> None:
    if found := [one for one in inputs if isinstance(one, refused)]:
        rule = f"other than {type(found[0]).__name__}, which {part.split(maxsplit=1)[0]} does not take"
        raise InvalidField(where=at, part=part, field="inputs", rule=rule, value=found[0])
