"""What OpenAPI says of bodies: they are checked against the released design, whose names no static type knows."""

from dataclasses import dataclass

from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, Parameter, RequestBody, Schema

from sixfold.serving.requests import MAX_ITEMS, MAX_K

__all__ = ["EventsOperation", "PredictOperation", "QueueOperation", "RecommendOperation"]

_KEY = Schema(one_of=[Schema(type=OpenAPIType.STRING), Schema(type=OpenAPIType.INTEGER)])
_NOW = Schema(
    one_of=[Schema(type=OpenAPIType.STRING), Schema(type=OpenAPIType.INTEGER)],
    description="The time to answer for: ISO text or microseconds UTC; default the server's clock.",
)


@dataclass
class RecommendOperation(Operation):
    """`POST /v1/recommend`."""

    def __post_init__(self) -> None:
        properties = {
            "k": Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=MAX_K, default=20),
            "context": Schema(type=OpenAPIType.OBJECT, description="What the design's Framing.context names."),
            "only": Schema(
                type=OpenAPIType.OBJECT, description="Columns of the item's side, each with a list of what it may be."
            ),
            "items": Schema(type=OpenAPIType.ARRAY, items=_KEY, max_items=MAX_ITEMS),
            "now": _NOW,
        }
        text = "The key of the query under its entity's name, and options."
        self.request_body = _body(Schema(type=OpenAPIType.OBJECT, properties={**properties}, description=text))


@dataclass
class PredictOperation(Operation):
    """`POST /v1/predict`."""

    def __post_init__(self) -> None:
        row = Schema(type=OpenAPIType.OBJECT, description="Keys of the entities and context, by name.")
        rows = Schema(type=OpenAPIType.ARRAY, items=row, max_items=MAX_ITEMS)
        schema = Schema(type=OpenAPIType.OBJECT, properties={"rows": rows, "now": _NOW}, required=["rows"])
        self.request_body = _body(schema)


@dataclass
class EventsOperation(Operation):
    """`POST /v1/events/{name}`."""

    def __post_init__(self) -> None:
        row = Schema(type=OpenAPIType.OBJECT, description="A row under the raw names of the source's columns.")
        self.request_body = _body(Schema(type=OpenAPIType.ARRAY, items=row))


@dataclass
class QueueOperation(Operation):
    """`GET /v1/queue/{action}`."""

    def __post_init__(self) -> None:
        n = Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=200, default=20)
        own = [
            Parameter(name="n", param_in="query", schema=n, required=False, description="How many rows."),
            Parameter(
                name="reviewer",
                param_in="query",
                schema=Schema(type=OpenAPIType.STRING, min_length=1, max_length=200),
                required=False,
                description="Who takes the rows in hand, for ten minutes; without it, the reply only shows them.",
            ),
        ]
        keys = Schema(type=OpenAPIType.ARRAY, items=Schema(type=OpenAPIType.STRING))
        text = "Keys of rows to leave out, one each time it stands there."
        own.append(Parameter(name="skip", param_in="query", schema=keys, required=False, description=text))
        self.parameters = [*(self.parameters or []), *own]


def _body(schema: Schema) -> RequestBody:
    return RequestBody(content={"application/json": OpenAPIMediaType(schema=schema)}, required=True)
