"""The deployment of a design: filters, value and policy, resolved; what re-ranks, checked."""

from typing import TYPE_CHECKING, NamedTuple

from sixfold.design.deployment import AtMost, Deployment, Explore, Pace, SecondPrice
from sixfold.design.expressions import Expression, Name, Scope, parse
from sixfold.design.heads import AnyOf, OneOf
from sixfold.design.kinds import NUMBER
from sixfold.design.models import Network, Rule, Trees, TwoTower
from sixfold.design.policy import Action
from sixfold.design.schema import ActionSpec, LabelSpec
from sixfold.design.units import duration_us
from sixfold.errors import InvalidField

if TYPE_CHECKING:
    from sixfold.design.system import System

__all__ = ["Deployed", "resolved_deployment"]


class Deployed(NamedTuple):
    """What the deployment section says of an answer."""

    filters: tuple[Expression, ...]
    value: Expression
    actions: tuple[ActionSpec, ...]


def resolved_deployment(system: "System", deployment: Deployment) -> Deployed:
    """The deployment section, each name in it known.

    Raises:
        DesignError: it names what there is not, or what does not fit the framing.
    """
    at, part = deployment.at, "Deployment"
    for top in deployment.candidates:
        system.known_model(getattr(top, "model", None), at, "candidates")
        if not isinstance(top.model, TwoTower | Rule):
            rule = "made of a TwoTower or a Rule"
            raise InvalidField(where=top.at, part=part, field="candidates", rule=rule, value=top.model.name)
    system.known_model(deployment.predict, at, "predict")
    if not isinstance(deployment.predict, Network | Trees):
        raise InvalidField(
            where=at, part=part, field="predict", rule="a Network or Trees", value=deployment.predict.name
        )
    _check_retrain(system, deployment)
    names = system.scope()
    filters = [system.condition(text, names, at, "Deployment.filters") for text in deployment.filters]
    scores = [name for head in deployment.predict.heads for name in system.outputs(head.label.name)]
    heads = {name: Name(name, NUMBER) for name in scores}
    if deployment.value is None and system.item is not None:
        rule = "an expression that orders the items of an answer"
        raise InvalidField(where=at, part=part, field="value", rule=rule, value=None)
    # Without items there is nothing to order, and nothing reads it.
    value = deployment.value or "0"
    ordered = parse(value, {**names, **heads}, where=at, part="Deployment.value")
    if ordered.kind != NUMBER:
        raise InvalidField(where=at, part=part, field="value", rule="a number", value=deployment.value)
    actions = tuple(_action(system, action, heads, names) for action in deployment.policy)
    _check_rerank(system, deployment)
    return Deployed(tuple(one for one in filters if one is not None), ordered, actions)


def _check_retrain(system: "System", deployment: Deployment) -> None:
    if (retrain := deployment.retrain) is None:
        return
    if retrain.warm and system.negatives is not None:
        rule = "False: lists with drawn negatives are not learned on from the last weights yet"
        raise InvalidField(where=retrain.at, part="Retrain", field="warm", rule=rule, value=True)
    duration_us(retrain.every, where=retrain.at, part="Retrain", field="every")
    if retrain.warm and not isinstance(deployment.predict, Network):
        rule = "False: only a Network learns on from its last weights"
        raise InvalidField(where=retrain.at, part="Retrain", field="warm", rule=rule, value=True)
    if retrain.warm and any(isinstance(h, OneOf | AnyOf) for h in deployment.predict.heads):
        rule = "False: labels with classes are not learned on from the last weights yet"
        raise InvalidField(where=retrain.at, part="Retrain", field="warm", rule=rule, value=True)


def _check_rerank(system: "System", deployment: Deployment) -> None:
    at, part = deployment.at, "Deployment"
    for step in deployment.rerank:
        if not isinstance(step, AtMost | Explore | Pace | SecondPrice):
            rule = "AtMost, Explore, Pace and SecondPrice"
            raise InvalidField(where=at, part=part, field="rerank", rule=rule, value=step)
        read = system.inputs(step.columns, where=step.at, part=type(step).__name__)
        wrong = [name for name in read if system.kinds[name] != NUMBER and not isinstance(step, AtMost)]
        if wrong:
            rule = "of columns that are numbers"
            raise InvalidField(where=step.at, part=part, field=type(step).__name__, rule=rule, value=wrong[0])
    if sum(isinstance(step, SecondPrice) for step in deployment.rerank) > 1:
        raise InvalidField(where=at, part=part, field="rerank", rule="with one SecondPrice at most", value="two")


def _action(system: "System", written: Action, scores: Scope, names: Scope) -> ActionSpec:
    deployment, part = system.deployment, "Deployment"
    if not isinstance(written, Action):
        raise InvalidField(where=deployment.at, part=part, field="policy", rule="made of Action(…)", value=written)
    if system.item is not None:
        rule = "left out: Framing names an item, and actions are taken on rows"
        raise InvalidField(where=deployment.at, part=part, field="policy", rule=rule, value=written.name)
    if [one.name for one in deployment.policy].count(written.name) > 1:
        rule = "of actions named differently"
        raise InvalidField(where=deployment.at, part=part, field="policy", rule=rule, value=written.name)
    part = f"Action {written.name}"
    on = parse(written.on, scores, where=written.at, part=f"{part}.on", now=False)
    order = None if written.order is None else parse(written.order, {**names, **scores}, where=written.at, part=part)
    for field, one in (("on", on), ("order", order)):
        if one is not None and one.kind != NUMBER:
            raise InvalidField(where=written.at, part=part, field=field, rule="a number", value=one.text)
    if not on.names:
        raise InvalidField(where=written.at, part=part, field="on", rule="of a score", value=written.on)
    return ActionSpec(written, on, order, _judged(system, written, on))


def _judged(system: "System", written: Action, on: Expression) -> tuple[LabelSpec, ...]:
    """The labels whose events decide about rows of a queue; none where the action is no queue."""
    labels = tuple(label for name, label in system.labels.items() if name in on.names and label.over is not None)
    if written.per_day is not None and len({label.over.stream for label in labels if label.over}) == 1:
        return labels
    if written.order is not None:
        rule = "left out: a queue is worked by events of the one stream that labels in `on` come over (Label(over=))"
        raise InvalidField(
            where=written.at, part=f"Action {written.name}", field="order", rule=rule, value=written.order
        )
    return ()
