"""A small shop whose design is clean, and ways to plant one leak in it."""
# N = rows of the log

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import sixfold as sf
from sixfold.data.ingest import ingest
from sixfold.data.ingested import Ingested
from sixfold.monitoring.leaks import Leaks, find_leaks

PERSONS, ITEMS, DAYS, LISTS, SHOWN = 250, 150, 8, 3000, 4
START_S, DAY_S = 1_767_225_600, 86_400


def write_log(folder: Path) -> None:
    """Lists of four items, and what tables could be made of them.

    `asked_at` is the request's time, `shown_at` is a fifth of a second later for each row, `looked_at` nine seconds.
    """
    rng = np.random.default_rng(5)
    rows = LISTS * SHOWN
    request_N = np.repeat(np.arange(LISTS), SHOWN)
    place_N = np.tile(np.arange(SHOWN), LISTS)
    asked_N = np.sort(rng.integers(0, DAYS * DAY_S, LISTS))[request_N] + START_S
    person_N = rng.integers(0, PERSONS, LISTS)[request_N]
    item_N = np.concatenate([rng.choice(ITEMS, SHOWN, replace=False) for _ in range(LISTS)])
    likes, appeal = rng.normal(0, 0.7, PERSONS), rng.normal(0, 0.7, ITEMS)
    bought_N = rng.random(rows) < 1 / (1 + np.exp(0.8 - likes[person_N] - appeal[item_N]))
    log = {
        "request": [f"r{i}" for i in request_N],
        "person": [f"p{i}" for i in person_N],
        "item": [f"i{i}" for i in item_N],
        "asked_at": asked_N.astype(float),
        "shown_at": asked_N + 0.2 * place_N,
        "looked_at": asked_N + 9.0 * place_N,
        "page": [("home", "search")[i % 2] for i in request_N],
        "bought": bought_N.astype(int),
        "waited_s": rng.integers(20, 500, rows).astype(float),
        "price": (item_N % 40 + 5).astype(float),
    }
    pq.write_table(pa.table(log), folder / "log.parquet")
    day = f"floor((asked_at - {START_S}) / {DAY_S})"
    tables = {
        "goods": "select item, any_value(price) as price, avg(bought) as rate, sum(bought) as sold, "
        "floor(avg(bought) * 12)::text as class from log group by item",
        "daily": f"select item, {START_S} + ({day} + 1) * {DAY_S} as since, avg(bought) as rate from log group by all",
        "early": f"select item, {START_S} + {day} * {DAY_S} as since, avg(bought) as rate from log group by all",
        "receipts": "select request, item, max(bought) as paid from log group by all",
    }
    with duckdb.connect() as con:
        con.execute(f"create view log as select * from '{folder / 'log.parquet'}'")
        for name, query in tables.items():
            con.execute(f"copy ({query} order by all) to '{folder / name}.parquet'")


def shop(
    *,
    time: str = "asked_at",
    known: str | None = "time + waited_s",
    within: str | None = "10m",
    request: bool = False,
    goods_columns: tuple[str, ...] = ("price",),
    stats: tuple[Any, str | None, dict[str, Any]] | None = None,
    bought_in_context: bool = False,
    purchases: bool = False,
    receipts: bool = False,
) -> sf.System:
    """The shop's design; without arguments it is clean.

    Args:
        request: Whether the log's rows name their request.
        stats: Source, `valid_from` and columns of a further table of items.
        purchases: Whether a feature reads a stream of what was bought, at the time of the request.
        receipts: Whether a table of requests and items is an input.
    """
    person, item, asked = sf.Entity("person"), sf.Entity("item"), sf.Entity("request")
    kinds = {"price": sf.Number(), "rate": sf.Number(), "sold": sf.Number(), "class": sf.Category()}
    columns: dict[str, Any] = {name: kinds[name] for name in goods_columns}
    goods = sf.Table("goods", sf.Parquet("goods.parquet"), item.key(), **columns)
    keys = [person.key(), item.key(), *([asked.key()] if receipts else [])]
    columns = {"page": sf.Category(), "bought": sf.Flag(), "waited_s": sf.Number()}
    if request:
        columns["request"] = sf.Category()
    views = sf.Events("views", sf.Parquet("log.parquet"), *keys, time=sf.Time(time, unit="s"), known=known, **columns)
    habit = sf.Features("habit", person, views, views_1d=sf.count(window="1d"), rate=sf.rate("bought", prior=(1, 3)))
    demand = sf.Features("demand", item, views, sold_3d=sf.count(window="3d", where="bought"))
    moment = sf.Derived("moment", keen="habit.rate * 2", hour=sf.Category("hour(now)"))
    groups: list[Any] = [goods, views, habit, demand, moment]
    inputs: list[Any] = [habit.views_1d, demand, moment, goods, views.page]
    context: list[Any] = [views.page]
    if stats is not None:
        table = sf.Table("stats", stats[0], item.key(), valid_from=stats[1], **stats[2])
        groups, inputs = [*groups, table], [*inputs, table]
    if purchases:
        only = sf.Query("select * from log where bought = 1", log=sf.Parquet("log.parquet"))
        bills = sf.Events("bills", only, person.key(), item.key(), time=sf.Time("asked_at", unit="s"))
        purse = sf.Features("purse", person, bills, bills_1d=sf.count(window="1d"))
        groups, inputs = [*groups, bills, purse], [*inputs, purse]
    if receipts:
        paid = sf.Table("receipts", sf.Parquet("receipts.parquet"), asked.key(), item.key(), paid=sf.Flag())
        groups, inputs, context = [*groups, paid], [*inputs, paid], [*context, views.request]
    if bought_in_context:
        inputs, context = [*inputs, views.bought], [*context, views.bought]
    bought = sf.Label("bought", "bought", within=within)
    trees = sf.Trees("trees", inputs=inputs, heads=[sf.Binary(bought)])
    return sf.System(
        "shop",
        sf.Requirements(goal="People find what they buy"),
        sf.Framing(query=person, item=item, examples=views, context=context, labels=[bought]),
        sf.Data(*groups),
        sf.Models(trees),
        sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), metrics=["auc(bought)"]),
        sf.Deployment(predict=trees, value="bought"),
    )


def looked_at(system: sf.System, data: Path, work: Path) -> Leaks:
    """Ingest the shop's data and look for leaks."""
    work.mkdir()
    ingest(system, data, work / "ingested", now_us=2 * 10**15)
    with duckdb.connect() as con:
        return find_leaks(con, system, Ingested.of(system, work / "ingested"), data, work)
