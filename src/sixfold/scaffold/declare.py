"""Section 3 of a proposed design: entities, tables, streams, with what speaks for each."""

from sixfold.data.convert import quoted
from sixfold.scaffold.draft import ROW, Draft, Part
from sixfold.scaffold.page import Page, call, text

__all__ = ["declare"]

_SILENT = ("empty", "constant", "unreadable")


def declare(page: Page, draft: Draft) -> None:
    """Write entities, tables and streams."""
    page.gap()
    page.comment("3 data (before 2, which names its parts)")
    names = [*draft.entities.values(), *draft.lists.values()]
    for name in names:
        page.assign(name, call("sf.Entity", text(name)))
    for part in draft.tables:
        page.gap()
        _table(page, draft, part)
    page.gap()
    _stream(page, draft, draft.log)
    for part in draft.logs:
        page.gap()
        _stream(page, draft, part)
    for looked, why in draft.question.unused:
        page.gap()
        page.todo(f"{looked.file.shown} is not used: {why}. A Query can join it to a table (docs/writing-a-design.md).")


def _table(page: Page, draft: Draft, part: Part) -> None:
    looked = part.looked
    key = str(looked.key)
    entity = draft.entities[str(looked.entity)]
    column = looked.columns[key]
    arguments = [
        text(part.variable),
        _source(draft, part),
        f"{_key(entity, key)}  # {column.distinct:,} different values",
    ]
    started = started_by(draft, part)
    if started:
        arguments.append(f"valid_from={text(part.columns[started])}")
    for raw, name in part.links.items():
        reference = looked.references[raw]
        arguments.append(f"{name}={draft.entities[reference.entity]}.key({text(raw)})  # {reference.evidence}")
    for raw, name in part.columns.items():
        if raw in draft.lists and part is draft.table_of(draft.item):
            split = part.meaning(raw).split
            cut = f", split={text(split)}" if split else ""
            arguments.append(f"{name}={draft.lists[raw]}.keys({text(raw)}{cut})  # {part.meaning(raw).why}")
        else:
            arguments.append(f"{name}={draft.typed(part, raw)}  # {part.meaning(raw).why}")
    page.comment(f"{looked.file.shown}: {looked.file.rows:,} rows, a row for each {entity}.{_left_out(part)}")
    if started:
        share = draft.evidence.before[started]
        page.comment(
            f"{part.columns[started]} is before {share:.1%} of what happens with it, so a row counts from then on."
        )
    page.assign(part.variable, call("sf.Table", *arguments))


def started_by(draft: Draft, part: Part) -> str | None:
    """The time of the item's table from which on its row counts, as the log shows it."""
    if part is not draft.table_of(draft.item):
        return None
    full = [raw for raw in draft.evidence.before if part.looked.columns[raw].filled == part.looked.columns[raw].rows]
    return next((raw for raw in full if draft.evidence.before[raw] >= 0.98 and raw in part.columns), None)


def _stream(page: Page, draft: Draft, part: Part) -> None:
    looked, main = part.looked, part is draft.log
    time = draft.time_of(looked)
    arguments = [text(part.variable), _source(draft, part)]
    for entity, raw in draft.keys(looked):
        empty = looked.columns[raw].filled < looked.columns[raw].rows
        asked = entity in (draft.query, draft.item)
        optional = ", optional=True" if empty and not asked else ""
        arguments.append(f"{_key(entity, raw)[:-1]}{optional})  # {looked.references[raw].evidence}")
    if main and draft.question.query is None:
        arguments.append(_key(draft.query, looked.key or ROW))
    if time is None:
        arguments.append("time=sf.Time(" + text(MADE_TIME) + ")  # made up")
    else:
        unit = looked.meanings[time].unit
        said = f", unit={text(unit)}" if unit else ""
        arguments.append(f"time=sf.Time({text(time)}{said})  # {looked.meanings[time].why}")
    if main and (known := _known(draft)):
        arguments.append(f"known={text(known)}")
    if looked.key and not (main and (draft.question.query is None or draft.implicit)):
        arguments.append(f"id={text(looked.key)}  # a value of its own in each row")
    arguments += [f"{name}={draft.typed(part, raw)}  # {part.meaning(raw).why}" for raw, name in part.columns.items()]
    what = "what the examples are made of" if main else "further events; the features that read them are below"
    page.comment(f"{looked.file.shown}: {looked.file.rows:,} rows, {what}.{_left_out(part)}")
    if main:
        _about_time(page, draft)
    page.assign(part.variable, call("sf.Events", *arguments))


MADE_TIME = "made_up_time"


def _about_time(page: Page, draft: Draft) -> None:
    question, evidence = draft.question, draft.evidence
    if question.time is None:
        page.todo(
            "no column says when a row happened, so each gets a made-up second of the year 2000, in random order. "
            "If there is a time, name it: what is predicted for tomorrow must be tested on a later day."
        )
    elif question.time in question.main.meanings and (unsure := question.main.meanings[question.time].unsure):
        page.todo(f"{question.time}: which {unsure}? Times without a zone are read in Data(timezone=), below.")
    others = [raw for raw in draft.log.columns if draft.log.meaning(raw).kind == "time"]
    if others:
        page.comment(f"Other times in the rows: {', '.join(others)}.")
    if evidence.together > 0.005 and "watched" not in (_known(draft) or ""):
        page.comment(
            f"{evidence.together:.1%} of the rows come within a second of another of their {draft.query}'s, as rows "
            "of one list do: features see them a minute later, so that none knows what else was on the list."
        )


def _known(draft: Draft) -> str | None:
    spent = [label for label, _ in draft.labels if label.kind == "number" and draft.log.meaning(label.column).unit]
    if spent and draft.item is not None:
        return f"time + {draft.log.columns[spent[0].column]}"
    return "time + 60" if draft.evidence.together > 0.005 else None


def _key(entity: str, raw: str) -> str:
    return f"{entity}.key()" if entity == raw else f"{entity}.key({text(raw)})"


def _left_out(part: Part) -> str:
    left = [raw for raw, one in part.looked.meanings.items() if one.kind in _SILENT or part.looked.foreign(raw)]
    if not left:
        return ""
    shown = ", ".join(left[:8]) + (f" and {len(left) - 8} more" if len(left) > 8 else "")
    return f" Left out, since they say nothing, are keys of elsewhere or hold what no column can: {shown}."


def _source(draft: Draft, part: Part) -> str:
    """The files, or a query over them where values must be made readable first."""
    looked = part.looked
    files = draft.source(looked)
    made = {raw: one.made for raw, one in looked.meanings.items() if one.made is not None}
    untimed = part is draft.log and draft.question.time is None
    if not (made or untimed):
        return files
    values = ",\n            ".join(f"{sql} as {quoted(raw)}" for raw, sql in made.items())
    replaced = f" replace (\n            {values}) " if made else ""
    select = f"select *{replaced.rstrip()} from file"
    if untimed:
        select = (
            f"select * exclude (_place){replaced.rstrip()},\n"
            f"            timestamp '2000-01-01' + _place * interval 1 second as {MADE_TIME}, _place as {ROW}\n"
            "        from (select *, row_number() over (order by hash(file)) as _place from file)"
        )
    return f'sf.Query(\n    """\n        {select}""",\n    file={files},\n)'
