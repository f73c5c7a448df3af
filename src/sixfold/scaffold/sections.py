"""The other five sections of a proposed design."""

from math import ceil

from sixfold.scaffold.draft import Draft
from sixfold.scaffold.implicit import CHOSEN, FRAMING, LABEL
from sixfold.scaffold.labels import Guessed
from sixfold.scaffold.page import Page, call, listed, text
from sixfold.scaffold.signals import Signals

__all__ = ["deployment", "evaluation", "framing", "models", "requirements"]

_PERIODS, _CELLS = 30, 1_000_000
"""Lists are asked so often in the log's time, and less often where there are many items."""


def requirements(page: Page, draft: Draft) -> None:
    """Section 1."""
    question = draft.question
    arguments = [f"goal={text(_goal(draft))}"]
    for name, one in (("users", question.query), ("items", question.item)):
        if one is not None:
            count = len_of(draft, one.column, one.table)
            arguments.append(f"{name}={count}")
    page.comment("1 what for")
    page.todo("say the goal in your words, how many people and items there will be, and how fast an answer must come.")
    page.assign("requirements", call("sf.Requirements", *arguments, "p99_ms=100"))


def framing(page: Page, draft: Draft, made: Signals) -> None:
    """Section 2."""
    page.gap()
    page.comment("2 what is predicted for whom")
    for label, name in draft.labels:
        _label(page, draft, label, name)
    if draft.implicit:
        _implicit(page, draft)
    elif not draft.labels:
        page.todo("no column says what came of a row, so nothing can be learned yet. Name what a model should say.")
    labels = [name for _, name in draft.labels] or ["chosen"]
    arguments = [f"query={draft.query}"]
    if draft.item is not None:
        arguments.append(f"item={draft.item}")
    arguments.append(f"examples={draft.log.variable}")
    context = _context(page, draft)
    if context:
        arguments.append(f"context={listed(context)}")
    if (available := _available(page, draft)) is not None:
        arguments.append(f"available={text(available)}")
    arguments.append(f"labels=[{', '.join(labels)}]")
    if draft.implicit:
        arguments += FRAMING
    page.assign("framing", call("sf.Framing", *arguments))


def models(page: Page, draft: Draft, made: Signals) -> str:
    """Section 4; gives the model that predicts."""
    page.gap()
    page.comment("4 models")
    texts = draft.log.of_kind("text") if draft.item is None else []
    inputs = made.inputs + ([] if draft.item else _context_names(draft))
    page.assign("signals", listed(inputs))
    classes = any(label.kind == "class" for label, _ in draft.labels)
    heads = listed(_head(label, name) for label, name in draft.labels) if draft.labels else f"[sf.Order({CHOSEN})]"
    names: list[str] = []
    if draft.item is not None:
        names += _retrieval(page, draft, made)
    trees = draft.names.take("trees", "boosted")
    predict = trees
    if not (texts or classes):
        arguments = [text(trees), "inputs=signals", f"heads={heads}", "rounds=200"]
        page.assign(trees, call("sf.Trees", *arguments))
        names.append(trees)
    if draft.item is None:
        predict = draft.names.take("network", "neural") if texts or classes else trees
        linear = draft.names.take("linear", "baseline")
        small = draft.question.main.file.rows < 20_000
        training = "training=sf.Training(epochs=8, batch_size=64, learning_rate=0.003)" if small else ""
        extra = [training] if training else []
        if predict != trees:
            page.assign(predict, call("sf.Network", text(predict), "inputs=signals", f"heads={heads}", *extra))
            names.append(predict)
        arguments = [text(linear), "inputs=signals", f"heads={heads}", "body=sf.Linear()", *extra]
        page.assign(linear, call("sf.Network", *arguments))
        names.append(linear)
    page.assign("models", call("sf.Models", *names))
    return predict


def _retrieval(page: Page, draft: Draft, made: Signals) -> list[str]:
    """What proposes items: two towers; rules and neighbours to be better than."""
    take, item = draft.names.take, draft.item
    positives = next((name for label, name in draft.labels if label.kind == "flag"), None)
    positives = positives or (draft.labels[0][1] if draft.labels else "chosen")
    small = draft.question.main.file.rows < 50_000
    learned = "epochs=6, batch_size=256" if small else "epochs=3, batch_size=1024"
    towers = take("towers", "two_towers")
    arguments = [
        text(towers), f"query={listed(made.query)}", f"item={listed(made.item)}", f"positives={positives}", "size=32",
        f"training=sf.Training({learned}, learning_rate=0.01, weight_decay=0.3)",
    ]  # fmt: skip
    page.assign(towers, call("sf.TwoTower", *arguments))
    rules = {take("popular", "rule_popular"): str(made.popular)}
    if made.newest:
        rules[take("newest", "rule_newest")] = made.newest
    if made.soonest:
        rules[take("soonest", "rule_soonest")] = made.soonest
    page.comment(f"Rules that need no learning, and {item}s liked together: what the towers must be better than.")
    for name, rule in rules.items():
        page.assign(name, call("sf.Rule", text(name), text(rule)))
    neighbours = take("neighbours", "together")
    page.assign(neighbours, call("sf.ItemNeighbours", text(neighbours), f"positives={positives}"))
    draft.proposed = [towers, *rules]
    return [towers, *rules, neighbours]


def evaluation(page: Page, draft: Draft, made: Signals) -> None:
    """Section 5."""
    page.gap()
    page.comment("5 how good must it be")
    metrics, gates = [], []
    if draft.item is not None and draft.question.item is not None:
        k = max(1, min(20, len_of(draft, draft.question.item.column, draft.question.item.table) // 5))
        popular = draft.proposed[1]
        metrics += [f"recall@{k}", f"ndcg@{k}"]
        gates.append(f"recall@{k} beats {popular}.recall@{k}")
    kinds = [(label, name) for label, name in draft.labels]
    for label, name in kinds:
        metrics += _metrics(draft, label, name)
    first, name = kinds[0] if kinds else (None, CHOSEN)
    if draft.item is None and first is not None:
        gates.append(_row_gate(page, first, name))
    flagged = draft.item is not None and first is not None and first.kind == "flag"
    main = f"auc({name})" if flagged else metrics[0 if draft.item is not None and first is not None else -1]
    worse, step = ("+", 0.02) if main.startswith(("mae", "log_loss", "normalized")) else ("-", 0.02)
    operator = "<=" if worse == "+" else ">="
    gates.append(f"{main} {operator} champion.{main} {worse} {step}")
    arguments = ["split=sf.ByTime(validation=0.1, test=0.2)  # shares of the rows, in the order of their times"]
    if made.history is not None:
        new = made.history.partition(".")[0]
        arguments.append(f"slices={{{text('newcomers')}: {text(f'{new}.n < 5')}}}")
    arguments += [f"metrics={listed(map(text, metrics))}", f"gates={listed(map(text, gates))}"]
    if draft.implicit:
        arguments.append(f"lists={_lists(draft):_}  # so many of validation and test are measured, against all items")
    elif draft.item is not None:
        arguments.append(f"ask_every={text(_ask_every(draft))}  # a list is asked for at each multiple of it")
    page.comment("A gate that fails makes no release: what is worse than the simplest answer should not be shipped.")
    page.assign("evaluation", call("sf.Evaluation", *arguments))


def deployment(page: Page, draft: Draft, made: Signals, predict: str) -> None:
    """Section 6, and the system."""
    page.gap()
    page.comment("6 how an answer is made")
    arguments = []
    if draft.item is not None:
        sizes = (200, 100, 50, 50)
        arguments.append(f"candidates=[{', '.join(f'{n}.top({k})' for n, k in zip(draft.proposed, sizes))}]")
        if made.seen is not None:
            arguments.append(f"filters=[{text(f'not contains({made.seen}, {draft.item})')}]  # not what it met before")
        else:
            page.comment(
                f"{draft.evidence.again:.0%} of the rows meet what their {draft.query} met before, so nothing is "
                f"filtered; for new {draft.item}s alone, keep a list of what was met and filter by not contains(…)."
            )
    arguments.append(f"predict={predict}")
    if draft.item is not None:
        arguments.append(f"value={text(_value(draft))}")
    arguments.append('retrain=sf.Retrain("1d")')
    page.assign("deployment", call("sf.Deployment", *arguments))
    sections = "requirements, framing, data, models, evaluation, deployment"
    page.assign("system", f"sf.System({text(draft.name)}, {sections})")


def len_of(draft: Draft, column: str, table: object) -> int:
    """How many different keys there are, in the log or in their table."""
    own = draft.question.main.columns[column].distinct
    key = getattr(table, "key", None)
    return max(own, table.columns[key].distinct) if key is not None else own  # type: ignore[attr-defined]


def _goal(draft: Draft) -> str:
    if draft.item is not None:
        return f"Each {draft.query} finds more {draft.item}s that they like"
    said = draft.labels[0][1] if draft.labels else "what comes of a row"
    return f"Know {said} before it is known"


def _label(page: Page, draft: Draft, label: Guessed, name: str) -> None:
    said = f"{name}: {label.column}{label.condition}; {label.why}."
    if label.sign:
        said += " Rows are things that happened, not showings: a row of another kind counts as not wanted."
    page.comment(said)
    page.assign(name, call("sf.Label", text(name), text(draft.value(label))))


def _implicit(page: Page, draft: Draft) -> None:
    page.todo(
        f"no column says what came of a row, so every row is taken for something that the {draft.query} wanted. "
        "If you keep what was shown and not taken, learn from that instead."
    )
    page.comment(
        f"What was not wanted is drawn from the {draft.item}s that there were at the time, and corrected for; the "
        "metrics are of whole lists."
    )
    page.assign(CHOSEN, call("sf.Label", text(CHOSEN), text(LABEL)))


def _context_names(draft: Draft) -> list[str]:
    """Columns of rows that are judged, without what came of them."""
    outcomes = {label.column for label, _ in draft.labels}
    kinds = ("number", "flag", "category", "text", "list")
    columns = [
        name for raw, name in draft.log.columns.items() if raw not in outcomes and draft.log.meaning(raw).kind in kinds
    ]
    return [f"{draft.log.variable}.{name}" for name in columns]


def _context(page: Page, draft: Draft) -> list[str]:
    if draft.item is None:
        found = _context_names(draft)
        keys = [f"{draft.log.variable}.{e}" for e, _ in draft.keys(draft.question.main) if e != draft.query]
        if found:
            page.todo("take out of context what is only known after the row: a model must not read that.")
        return [*keys, *found]
    outcomes = {label.column for label, _ in draft.labels}
    others = [name for raw, name in draft.log.columns.items() if raw not in outcomes]
    if others:
        shown = ", ".join(f"{draft.log.variable}.{name}" for name in others[:8])
        page.todo(
            f"which of {shown}{', …' if len(others) > 8 else ''} does a request bring? Name those in context=[…], and "
            "in signals below. Without that each counts as an outcome, which no model may read."
        )
    return []


def _available(page: Page, draft: Draft) -> str | None:
    table = draft.table_of(draft.item)
    if draft.item is None:
        return None
    if table is not None:
        for raw, share in draft.evidence.before.items():
            if share >= 0.98 and raw in table.columns:
                return f"{table.variable}.{table.columns[raw]} <= now"
        for raw, share in draft.evidence.after.items():
            if share >= 0.9 and raw in table.columns:
                name = table.columns[raw]
                page.comment(f"{name} is after {share:.0%} of the rows: what is over cannot be picked.")
                return f"now < {table.variable}.{name}"
    page.todo(f'which {draft.item}s could be an answer at a time? All are, until available="…" says otherwise.')
    return None


def _head(label: Guessed, name: str) -> str:
    return {"flag": f"sf.Binary({name})", "number": f"sf.Regression({name})", "class": f"sf.OneOf({name})"}[label.kind]


def _metrics(draft: Draft, label: Guessed, name: str) -> list[str]:
    kind = label.kind
    if kind == "class":
        return [f"macro_f1({name})", f"accuracy({name})"]
    if kind == "number":
        return [f"xauc({name})", f"mae({name})"]
    grouped = [f"grouped_auc({name})"] if draft.item is not None else []
    return [f"auc({name})", *grouped, f"normalized_entropy({name})"]


def _row_gate(page: Page, label: Guessed, name: str) -> str:
    if label.kind == "class":
        return f"accuracy({name}) >= {min(0.99, label.share + 0.01):.2f}"
    if label.kind == "number":
        page.comment(
            f"{label.middle:g} is the middle of {label.column}; who always says that is off by up to {label.away:g}."
        )
        return f"mae({name}) <= {label.away:.4g}"
    return f"normalized_entropy({name}) <= 0.99"


def _ask_every(draft: Draft) -> str:
    days = (draft.evidence.span_s or 30 * 86400) / 86400
    question = draft.question
    assert question.item is not None
    items = len_of(draft, question.item.column, question.item.table)
    periods = max(8, min(_PERIODS, _CELLS // max(1, items)))
    if days <= 4:
        return f"{max(1, ceil(days * 24 / periods))}h"
    return f"{max(1, ceil(days / periods))}d"


def _lists(draft: Draft) -> int:
    question = draft.question
    assert question.item is not None
    items = len_of(draft, question.item.column, question.item.table)
    return max(100, min(2_000, _CELLS // max(1, items)))


def _value(draft: Draft) -> str:
    named = [name for label, name in draft.labels if label.kind == "flag"]
    return named[0] if named else draft.labels[0][1] if draft.labels else "chosen"
