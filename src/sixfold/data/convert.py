"""From raw columns to typed ones, in DuckDB's SQL. `values.py` says the same for rows of JSON; a test compares them."""

import re
from dataclasses import dataclass

from sixfold.data.layout import MAX_TIME_US, OutColumn
from sixfold.data.words import FLAGS, ISO_TIME, NUMBER_TEXT, WHOLE_TEXT, WORDS, unit_us
from sixfold.design.units import SECONDS

__all__ = ["Converted", "converted", "family", "literal", "quoted"]

_INTEGERS = {f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")}
_STAMPS = {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}
_TAKES = {
    "number": {"integer", "float", "decimal", "flag", "text", "csv"},
    "flag": {"integer", "float", "decimal", "flag", "text", "csv"},
    "time": {"integer", "float", "decimal", "date", "stamp", "zoned", "text", "csv"},
    "text": {"integer", "float", "decimal", "flag", "date", "stamp", "zoned", "text", "csv"},
}


@dataclass(frozen=True, slots=True)
class Converted:
    """SQL of one column: its value, and whether the raw value that it has cannot be taken (None: it always can)."""

    value: str
    bad: str | None
    reason: str


def family(sql_type: str, *, csv: bool = False) -> str:
    """What a DuckDB type is: integer, float, decimal, flag, date, stamp, zoned, text, csv, bytes, list, null, other."""
    if re.search(r"\[\d*\]$", sql_type):
        return "list"
    if sql_type in _INTEGERS:
        return "integer"
    if sql_type in _STAMPS:
        return "stamp"
    if sql_type.startswith(("DECIMAL", "ENUM")):
        return "decimal" if sql_type.startswith("DECIMAL") else "text"
    names = {
        "FLOAT": "float", "DOUBLE": "float", "BOOLEAN": "flag", "DATE": "date", "TIMESTAMP WITH TIME ZONE": "zoned",
        "VARCHAR": "csv" if csv else "text", "UUID": "text", "TIME": "text", "JSON": "text", '"NULL"': "null",
        "BLOB": "bytes",
    }  # fmt: skip
    return names.get(sql_type, "other")


def converted(column: OutColumn, raws: list[str], types: list[str], *, csv: bool, timezone: str) -> Converted | None:
    """How to make `column` of raw columns; None where their types can never hold it.

    Args:
        raws: SQL names of its raw columns.
        types: Their DuckDB types.
    """
    families = [family(sql_type, csv=csv) for sql_type in types]
    if len(raws) > 1:
        if any(f not in _TAKES["text"] | {"null"} for f in families):
            return None
        parts = [_escaped(_text(raw, f)) for raw, f in zip(raws, families)]
        return Converted(" || '|' || ".join(parts), None, "")
    raw, one = raws[0], families[0]
    if one == "null":
        return Converted(f"cast(null as {column.sql_type})", None, "")
    if column.kind.image:
        return _image(column, raw, one)
    if column.kind.is_list:
        value = _list(column, raw, one, types[0])
    elif one in _TAKES[column.kind.base]:
        value = _scalar(column, raw, one, timezone)
    else:
        value = None
    if value is None:
        return None
    return _checked(column, raw, one, value)


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL text."""
    return "'" + text.replace("'", "''") + "'"


def _checked(column: OutColumn, raw: str, one: str, value: str) -> Converted:
    shown = f"'''' || left(cast({raw} as varchar), 60) || ''' '"
    word = WORDS["list" if column.kind.is_list else column.kind.base]
    reason = f"{literal(column.raw[0] + ': ')} || {shown} || {literal(word)}"
    if column.values is not None:
        among = f"({', '.join(literal(x) for x in column.values)})"
        strange = f"{value} not in {among}"
        if column.kind.is_list:
            strange = f"len(list_filter({value}, lambda e: e not in {among})) > 0"
        reason = f"{literal(column.raw[0] + ': ')} || {shown} || {literal(WORDS['values'])}"
        return Converted(value, strange, reason)
    if column.kind.base == "text" or (column.kind.base == "number" and one not in ("text", "csv")):
        return Converted(value, None, reason)
    bad = f"({raw} is not null and {value} is null"
    if column.kind.base == "number":
        bad += f" and lower(trim({raw}, ' ')) <> 'nan'"
    return Converted(value, bad + ")", reason)


def _image(column: OutColumn, raw: str, one: str) -> Converted | None:
    if one not in ("text", "csv", "bytes"):
        return None
    value = f"to_base64({raw})" if one == "bytes" else raw
    # `image_problem` is Python's, see `stage.py`; it is not asked about nulls.
    problem = f"image_problem({value})"
    return Converted(value, f"({problem} <> '')", f"{literal(column.raw[0] + ': ')} || {problem}")


def _scalar(column: OutColumn, raw: str, one: str, timezone: str) -> str:
    if column.kind.base == "text":
        return _text(raw, one)
    if column.kind.base == "number":
        return _number(raw, one, column.unit)
    return _flag(raw, one) if column.kind.base == "flag" else _time(raw, one, column.unit, timezone)


def _text(raw: str, one: str) -> str:
    plain = f"cast({raw} as varchar)"
    if one == "float":
        whole = f"{raw} = trunc({raw}) and abs({raw}) <= 9007199254740992"
        return f"case when {whole} then cast(cast({raw} as bigint) as varchar) else {plain} end"
    if one == "decimal":
        whole = f"{raw} = trunc({raw})"
        return f"case when {whole} then cast(cast({raw} as hugeint) as varchar) else rtrim({plain}, '0') end"
    if one == "csv":  # a CSV has no types, and whole numbers beside empty cells are often written as `712.0`
        return rf"regexp_replace({raw}, '^(-?\d+)\.0+$', '\1')"
    return "cast(null as varchar)" if one == "null" else plain


def _escaped(text: str) -> str:
    return rf"replace(replace({text}, '\', '\\'), '|', '\|')"


def _list(column: OutColumn, raw: str, one: str, sql_type: str) -> str | None:
    if one == "list":
        element = family(re.sub(r"\[\d*\]$", "", sql_type))
        if element == "null":
            return f"cast({raw} as varchar[])"
        if element not in _TAKES["text"]:
            return None
        known = "e is not null and isfinite(e)" if element == "float" else "e is not null"
        return f"list_transform(list_filter({raw}, lambda e: {known}), lambda e: {_text('e', element)})"
    if column.split is None or one not in ("text", "csv"):
        return None
    pieces = f"list_transform(string_split(cast({raw} as varchar), {literal(column.split)}), lambda e: trim(e, ' '))"
    return f"list_filter({pieces}, lambda e: e <> '')"


def _number(raw: str, one: str, unit: str | None) -> str:
    value = f"cast({raw} as double)"
    if one in ("text", "csv"):
        text = f"trim({raw}, ' ')"
        number = f"try_cast({text} as double)"
        value = f"case when regexp_full_match({text}, {literal(NUMBER_TEXT)}) and isfinite({number}) then {number} end"
    if unit is not None and unit != "s":
        per = SECONDS[unit]
        # Dividing by 1000 is exact where multiplying by 0.001 is not.
        value = f"({value}) {'*' if per > 1 else '/'} {float(per if per > 1 else round(1 / per))!r}::double"
        return f"case when isfinite({value}) then {value} end"
    return value


def _flag(raw: str, one: str) -> str:
    if one == "flag":
        return raw
    if one in ("text", "csv"):
        yes, no = (", ".join(literal(word) for word, flag in FLAGS.items() if flag is side) for side in (True, False))
        text = f"lower(trim({raw}, ' '))"
        return f"case when {text} in ({yes}) then true when {text} in ({no}) then false end"
    return f"case {raw} when 1 then true when 0 then false end"


def _time(raw: str, one: str, unit: str | None, timezone: str) -> str:
    if one == "zoned":
        return _in_range(f"case when isfinite({raw}) then epoch_us({raw}) end")
    if one in ("date", "stamp"):
        return _in_range(f"case when isfinite({raw}) then {_local(f'cast({raw} as timestamp)', timezone)} end")
    if one in ("text", "csv"):
        text = f"trim({raw}, ' ')"
        value = _iso(text, timezone)
        if unit is not None:
            whole = _whole_us(f"try_cast({text} as bigint)", unit)
            real = _real_us(f"try_cast({text} as double)", unit)
            value = (
                f"case when regexp_full_match({text}, {literal(WHOLE_TEXT)}) then {whole}"
                f" when regexp_full_match({text}, {literal(NUMBER_TEXT)}) then {real} else {value} end"
            )
        return value
    assert unit is not None, "a number without a unit was refused before"
    return _whole_us(f"try_cast({raw} as bigint)", unit) if one == "integer" else _real_us(f"{raw}::double", unit)


def _whole_us(value: str, unit: str) -> str:
    return _in_range(f"cast({value} as hugeint) * {unit_us(unit)}")


def _real_us(value: str, unit: str) -> str:
    return _in_range(f"floor({value} * {unit_us(unit)}::double + 0.5::double)")


def _in_range(value: str) -> str:
    return f"case when {value} between -{MAX_TIME_US} and {MAX_TIME_US} then cast({value} as bigint) end"


def _iso(text: str, timezone: str) -> str:
    head, zone = (f"regexp_extract({text}, {literal(ISO_TIME)}, {group})" for group in (1, 9))
    zone = rf"regexp_replace({zone}, '^([+-]\d\d)(\d\d)$', '\1:\2')"
    local = _local(f"try_cast({head} as timestamp)", timezone)
    value = f"case when {zone} = '' then {local} else epoch_us(try_cast({head} || {zone} as timestamptz)) end"
    return f"case when regexp_full_match({text}, {literal(ISO_TIME)}) then {value} end"


def _local(stamp: str, timezone: str) -> str:
    return f"epoch_us({stamp})" if timezone == "UTC" else f"epoch_us(timezone({literal(timezone)}, {stamp}))"
