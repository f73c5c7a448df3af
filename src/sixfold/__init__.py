"""Sixfold runs machine-learning system designs: six sections in one Python file."""

import typing as _typing

from sixfold.design.aggregates import (
    count,
    decayed,
    distinct,
    first,
    last,
    max,
    mean,
    min,
    rate,
    since_last,
    std,
    sum,
    top,
)
from sixfold.design.bodies import Cross, DeepFm, Experts, Fm, Linear, Mlp
from sixfold.design.columns import Categories, Category, Flag, Image, Number, Text, Time
from sixfold.design.data import Data
from sixfold.design.deployment import AtMost, Deployment, Explore, Pace, Retrain, SecondPrice
from sixfold.design.entities import Entity
from sixfold.design.evaluation import ByColumn, ByTime, Evaluation
from sixfold.design.framing import Framing, Label
from sixfold.design.groups import Derived, Events, Features, Table, answers
from sixfold.design.heads import AnyOf, Binary, OneOf, Order, Regression, WatchTime
from sixfold.design.images import OnnxImage
from sixfold.design.models import Hashed, ItemNeighbours, Models, Network, Rule, Training, Trees, TwoTower
from sixfold.design.places import Place
from sixfold.design.policy import Action
from sixfold.design.requirements import Requirements
from sixfold.design.sources import Csv, Database, JsonLines, Parquet, Query
from sixfold.design.stores import Lmdb, Redis
from sixfold.design.texts import HashedText, Transformer

if _typing.TYPE_CHECKING:
    from sixfold.design.system import System

__all__ = [
    "Action",
    "AnyOf",
    "AtMost",
    "Binary",
    "ByColumn",
    "ByTime",
    "Categories",
    "Category",
    "Cross",
    "Csv",
    "Data",
    "Database",
    "DeepFm",
    "Deployment",
    "Derived",
    "Entity",
    "Evaluation",
    "Events",
    "Experts",
    "Explore",
    "Features",
    "Flag",
    "Fm",
    "Framing",
    "Hashed",
    "HashedText",
    "Image",
    "ItemNeighbours",
    "JsonLines",
    "Label",
    "Linear",
    "Lmdb",
    "Mlp",
    "Models",
    "Network",
    "Number",
    "OneOf",
    "OnnxImage",
    "Order",
    "Pace",
    "Parquet",
    "Place",
    "Query",
    "Redis",
    "Regression",
    "Requirements",
    "Retrain",
    "Rule",
    "SecondPrice",
    "System",
    "Table",
    "Text",
    "Time",
    "Training",
    "Transformer",
    "Trees",
    "TwoTower",
    "WatchTime",
    "answers",
    "count",
    "decayed",
    "distinct",
    "first",
    "last",
    "max",
    "mean",
    "min",
    "rate",
    "since_last",
    "std",
    "sum",
    "top",
]


def __getattr__(name: str) -> _typing.Any:
    # Building a System needs the parser of expressions; importing the names of a design does not.
    if name == "System":
        from sixfold.design.system import System

        return System
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
