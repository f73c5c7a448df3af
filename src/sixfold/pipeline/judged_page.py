"""The report's sections about what is done with rows: actions, classes, slices, mistakes, disguised texts."""

from collections.abc import Sequence

from sixfold.evaluation.judged import Mistake, SliceRow
from sixfold.evaluation.policy import Taken
from sixfold.pipeline.attacks_step import Attacked
from sixfold.pipeline.markup import escaped, measured_cell, table
from sixfold.pipeline.policy_step import Judged

__all__ = ["attacks_section", "judged_section"]

_SHOWN = 600
"""Characters of a text that are shown."""


def judged_section(found: Judged) -> list[str]:
    """What the policy does on the test part; nothing for a design without one."""
    if not found.taken:
        return []
    classes = [
        [
            escaped(one.of), f"{one.examples:,}",
            *(measured_cell(m, 3) for m in (one.prevalence, one.average_precision, one.auc, one.precision, one.recall)),
        ]
        for one in found.classes
    ]  # fmt: skip
    head = ["is it so?", "examples", "prevalence", "average precision", "AUC", "precision", "recall"]
    return [
        "<h2>What is done</h2><p>Thresholds are solved on the validation part and measured here on the test part.</p>",
        _actions(found.taken),
        "<h2>By class</h2><p>Precision and recall of a half and more.</p>",
        table(head, classes),
        *_by_slice(found.slices),
        *_mistakes(found.mistakes),
    ]


def attacks_section(found: Sequence[Attacked]) -> list[str]:
    """Recall of disguised texts, network by network; nothing where none was tried."""
    if not found:
        return []
    parts = [
        "<h2>Disguised texts</h2><p>A row is flagged from the score on that a tenth of the undisguised validation rows "
        "have of which it is not so. Recall, and in brackets the share that is flagged wrongly.</p>"
    ]
    for on in dict.fromkeys(one.on for one in found):
        own = {(one.attack, one.model): one for one in found if one.on == on}
        models, attacks = (list(dict.fromkeys(key[at] for key in own)) for at in (1, 0))
        rows = [
            [escaped(attack or "as they are"), *(_attacked(own.get((attack, model))) for model in models)]
            for attack in attacks
        ]
        parts.append(table([escaped(on), *map(escaped, models)], rows))
    return parts


def _attacked(one: Attacked | None) -> str:
    if one is None:
        return ""
    return f"{measured_cell(one.recall, 3)}<small>({one.wrongly.value:.3f})</small>"


def _actions(taken: Sequence[Taken]) -> str:
    rows = []
    for one in taken:
        measured = (measured_cell(m, 3) for m in (one.share, one.precision, one.recall))
        rows.append([escaped(one.name), escaped(one.goal), one.told, *measured, f"{one.drawn:.3f}"])
    return table(["action", "goal", "threshold", "takes", "precision", "recall so far", "drawn"], rows)


def _by_slice(found: Sequence[SliceRow]) -> list[str]:
    parts = [
        "<h2>By slice</h2><p>Of a slice: which share of the rows that are not so met the action, or one before it, all "
        "the same; which share of those that are so; and which share of all that met it rightly are of the slice.</p>"
    ]
    for action in dict.fromkeys(one.action for one in found):
        rows = [
            [
                escaped(one.slice or "all"), f"{one.examples:,}",
                *(measured_cell(m, 3) for m in (one.wrongly, one.recall, one.part)),
            ]
            for one in found
            if one.action == action
        ]  # fmt: skip
        head = [f"{escaped(action)}, so far", "examples", "wrongly", "recall", "part of what is right"]
        parts.append(table(head, rows, own_first=True))
    return parts


def _mistakes(found: Sequence[Mistake]) -> list[str]:
    if not found:
        return []
    parts = ["<h2>Mistakes</h2><p>What was judged most wrongly; the texts are as people wrote them.</p>"]
    for of, missed in dict.fromkeys((one.of, one.missed) for one in found):
        own = [one for one in found if (one.of, one.missed) == (of, missed)]
        title = f"{of}: {'so, and scored low' if missed else 'not so, and scored high'}"
        rows = [
            f"<p><small>{escaped(one.key)}, {one.score:.3f}</small>"
            f"{escaped(' / '.join(text[:_SHOWN] for text in one.texts.values()))}</p>"
            for one in own
        ]
        parts.append(f"<details><summary>{escaped(title)}</summary>{''.join(rows)}</details>")
    return parts
