"""What a user does, in this process: a command is run, a release is asked about rows."""

import json
from contextlib import closing, redirect_stderr, redirect_stdout
from io import StringIO
from typing import NamedTuple

import pytest

from sixfold import cli
from sixfold.data.rows import decode
from sixfold.registry import Releases
from sixfold.serving.clock import Clock
from sixfold.serving.live import Live
from sixfold.serving.predicting import predict
from sixfold.serving.requests import prediction
from sixfold.stores import LmdbLog


class Ran(NamedTuple):
    """How a command ended, and what it said on standard output and standard error."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        """The object in the last line of standard output."""
        assert self.out, self.err
        return json.loads(self.out.splitlines()[-1])


def sixfold(*arguments):
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err, pytest.raises(SystemExit) as ended:
        cli.main([str(argument) for argument in arguments])
    return Ran(ended.value.code or 0, out.getvalue(), err.getvalue())


def ask(work, release, rows, now_us):
    """The reply of a release about rows, and the records of its decisions."""
    opened, clock = Releases(work / "releases").open(release), Clock(now_us)
    with closing(LmdbLog(work / "log")) as log, closing(Live(work, opened, log, clock)) as live:
        done = predict(prediction(json.dumps({"rows": rows}).encode(), live.system, clock.now_us()), live)
    return json.loads(done.reply), [decode(record.payload) for record in done.records]
