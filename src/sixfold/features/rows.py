"""Rows about which columns are asked: what they need not bring is null."""

import pyarrow as pa

from sixfold.design.system import System

__all__ = ["with_nulls"]

_TYPES = {"number": pa.float64(), "flag": pa.bool_(), "time": pa.int64(), "text": pa.string()}


def with_nulls(system: System, table: pa.Table) -> pa.Table:
    """The rows with the keys and context columns that they lack, as nulls."""
    for name in (*system.row.base, *system.context):
        if name not in table.column_names:
            kind = system.kinds[name]
            type_ = pa.list_(_TYPES[kind.base]) if kind.is_list else _TYPES[kind.base]
            table = table.append_column(name, pa.nulls(len(table), type_))
    return table
