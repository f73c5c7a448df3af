"""The page beside a new design: what to run, and what to change."""

import json
from collections.abc import Sequence

from sixfold.design.system import System
from sixfold.scaffold.checklist import checklist

__all__ = ["readme"]


def readme(system: System, lines: Sequence[str], *, data: str, key: str) -> str:
    """Markdown.

    Args:
        lines: The design file's.
        data: Where its data is from, in one sentence or more.
        key: One that the query has.
    """
    keyed = {system.query: key}
    path, body = ("recommend", {**keyed, "k": 5}) if system.item else ("predict", {"rows": [keyed]})
    return f"""# {system.name}

{data}

What is wrong with the design, what the data looks like, and which inputs know too much:

```bash
sixfold check design.py --data
```

From data to a release that has passed its gates; `.sixfold/{system.name}/report.html` has the run on one page:

```bash
sixfold run design.py
```

Answers at http://127.0.0.1:8000 (`/openapi.json` has all there is), in the time of the data:

```bash
sixfold serve design.py --clock data
```

And a question, from another terminal:

```bash
curl --silent http://127.0.0.1:8000/v1/{path} --data '{json.dumps(body)}'
```

## To make it yours

Each point is a line of `design.py`; `sixfold check design.py` says after each change whether it still holds together,
and `sixfold run` repeats only what a change touches.

{checklist(system, lines)}
"""
