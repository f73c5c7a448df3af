"""From files to a commented design: what `sixfold new NAME --from FILES` writes."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from sixfold.data.convert import quoted
from sixfold.errors import NothingToPredict
from sixfold.scaffold.columns import look_at
from sixfold.scaffold.decide import Question, ask
from sixfold.scaffold.declare import declare
from sixfold.scaffold.draft import Draft
from sixfold.scaffold.evidence import gather
from sixfold.scaffold.files import find_files, load_files
from sixfold.scaffold.links import Looked, link
from sixfold.scaffold.meanings import meaning
from sixfold.scaffold.page import Page, call
from sixfold.scaffold.sections import deployment, evaluation, framing, models, requirements
from sixfold.scaffold.signals import features

__all__ = ["propose"]


def propose(name: str, patterns: Sequence[str], folder: Path) -> tuple[str, str]:
    """The text of a design for these files, to stand in `folder`; and a key that its query has.

    Raises:
        NothingToRead: nothing is named, or nothing is in it.
        FileUnreadable: a file cannot be read.
    """
    paths = find_files(patterns)
    with duckdb.connect(config={"memory_limit": "2GB", "threads": 2}) as con:
        con.execute("set timezone = 'UTC'")
        loaded, empty = load_files(con, paths)
        looked = []
        for file in loaded:
            columns = {column.raw: column for column in look_at(con, file)}
            looked.append(Looked(file, columns, {raw: meaning(con, file, one) for raw, one in columns.items()}))
        link(con, looked)
        question = ask(looked)
        _answerable(question)
        draft = Draft(name, question, gather(con, question), folder)
        key = _a_key(con, question)
    return _written(draft, [path.name for path in empty]), key


def _answerable(question: Question) -> None:
    """See that there is something to predict, and something to predict it from.

    Raises:
        NothingToPredict: there is not.
    """
    main = question.main
    labels = {label.column for label in question.labels}
    inputs = [*main.of_kind("number", "flag", "category", "text", "list"), *main.references]
    if question.item is None and (not labels or not set(inputs) - labels):
        raise NothingToPredict(files=[main.file.shown], columns=main.columns)


def _a_key(con: duckdb.DuckDBPyConnection, question: Question) -> str:
    """The query's key with most rows; where a row stands for itself, the first."""
    column = question.query.column if question.query else question.main.key
    if column is None:
        return "1"
    key = quoted(column)
    row = con.execute(
        f"select {key}::varchar as key from {question.main.file.table} where key is not null "
        "group by key order by count(*) desc, key limit 1"
    ).fetchone()
    return str(row[0]) if row else "1"


def _written(draft: Draft, empty: Sequence[str]) -> str:
    page = Page()
    page.code(
        f'"""{_title(draft.question, draft)}',
        "",
        "Proposed from the files that it names. What was guessed is said with",
    )
    page.code("what speaks for it; what only you know is marked TODO(you).", '"""', "", "import sixfold as sf", "")
    requirements(page, draft)
    declare(page, draft)
    if empty:
        page.todo(f"{', '.join(empty)}: no row in it, so nothing was made of it.")
    made = features(page, draft)
    groups = [*(part.variable for part in draft.tables), draft.log.variable, *(p.variable for p in draft.logs)]
    page.assign("data", call("sf.Data", *groups, *made.groups, 'timezone="UTC"'))
    framing(page, draft, made)
    predict = models(page, draft, made)
    evaluation(page, draft, made)
    deployment(page, draft, made, predict)
    return str(page)


def _title(question: Question, draft: Draft) -> str:
    if draft.item is not None:
        return f"{draft.name}: which {draft.item} will this {draft.query} like?"
    said = draft.labels[0][1] if draft.labels else "what comes of it"
    return f"{draft.name}: {said} of each row of {question.main.file.shown}."
