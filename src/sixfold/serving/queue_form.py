"""What a reviewer's page is made from: the stream that decisions are posted to, and who fills in which column."""

from typing import Any

from sixfold.data.layout import IDENTITY, OutColumn, layout
from sixfold.design.schema import ActionSpec, Stream
from sixfold.design.system import System

__all__ = ["form"]


def form(system: System, spec: ActionSpec) -> dict[str, Any]:
    """A description of an action's queue and of the events that decide about its rows, as plain objects.

    `columns` are all that such an event can have, each with the name to post it under, its kind, the values that it
    can have where they are declared, whether it must be there, and its part:

    - `row`: a key that the row brings, under `from` among its keys and context;
    - `reviewer`: a key that it does not bring, such as who decides;
    - `value`: what labels are made of;
    - `time`, `id`: when it was decided, and what tells events apart where the stream has names of its own for that;
    - `other`: what may be added.
    """
    assert spec.decisions is not None, "the action is a queue"
    stream, action = system.streams[spec.decisions], spec.action
    where = [label.over.where.text for label in spec.judged if label.over is not None and label.over.where is not None]
    return {
        "system": system.name,
        "action": action.name,
        "query": system.query,
        "on": spec.on.text,
        "order": None if spec.order is None else spec.order.text,
        "per_day": action.per_day,
        "explore": action.explore,
        "stream": stream.name,
        "counts_where": sorted(set(where)),
        "columns": _columns(system, spec, stream),
        "context": [
            {"name": name, "kind": system.kinds[name].base, "prose": system.kinds[name].prose}
            for name in dict.fromkeys((*system.row.base, *system.context))
            if name != system.query
        ],
    }


def _columns(system: System, spec: ActionSpec, stream: Stream) -> list[dict[str, Any]]:
    own, values = {key.entity: key for key in stream.keys}, {field.name: field.values for field in stream.fields}
    read = {name.rpartition(".")[2] for label in spec.judged for name in label.value.names}
    # A row's keys are single; a stream that has a list of them is not filled in from one.
    brings = {entity for entity in system.row.base if not system.kinds[entity].is_list}

    def part(column: OutColumn) -> str:
        if column.name in own:
            return "row" if column.name in brings and not column.kind.is_list else "reviewer"
        return "time" if column.name == "time" else "value" if column.name in read else "other"

    columns = [
        {
            "name": column.name,
            # Several raw columns are one key: it stands under its own name.
            "post": column.raw[0] if len(column.raw) == 1 else column.name,
            "part": part(column),
            "kind": column.kind.base,
            "list": column.kind.is_list,
            "values": values.get(column.name),
            "required": column.required,
            "unit": column.unit,
            **({"from": column.name} if part(column) == "row" else {}),
        }
        for column in layout(stream).columns
        if column.name != IDENTITY
    ]
    known = {one["post"] for one in columns}
    identity = [raw for raw in stream.identity or () if raw not in known]
    return columns + [
        {"name": raw, "post": raw, "part": "id", "kind": "text", "list": False, "values": None, "required": True}
        for raw in identity
    ]
