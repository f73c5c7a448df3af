"""A small design that tests vary: shops and what is bought in them."""

from typing import Any

import sixfold as sf

REQUIREMENTS = sf.Requirements(goal="People find what they need", p99_ms=50)


def parts() -> dict[str, Any]:
    """The parts of the small design by name; a test replaces some of them."""
    person, item, shop = sf.Entity("person"), sf.Entity("item"), sf.Entity("shop")
    items = sf.Table("items", sf.Csv("items.csv"), item.key("item_id"), shop=shop.key("shop_id"), price=sf.Number())
    visits = sf.Events(
        "visits",
        sf.Csv("visits.csv"),
        person.key("person_id"),
        item.key("item_id"),
        time=sf.Time("at", unit="s"),
        known="time + dwell",
        keep="30d",
        page=sf.Category(),
        bought=sf.Flag(),
        dwell=sf.Number(),
    )
    habit = sf.Features("habit", person, visits, visits_7d=sf.count(window="7d"), history=sf.last("item", n=5))
    trade = sf.Features("trade", shop, visits, rate_1d=sf.rate("bought", window="1d", prior=(1, 3)))
    moment = sf.Derived("moment", cheap="items.price < 10", hour=sf.Category("hour(now)"))
    bought = sf.Label("bought", "bought", within="1h")
    return {
        "person": person,
        "item": item,
        "shop": shop,
        "items": items,
        "visits": visits,
        "habit": habit,
        "trade": trade,
        "moment": moment,
        "bought": bought,
        "context": [visits.page],
        "inputs": [habit, trade, moment, items, visits.page],
        "metrics": ["auc(bought)", "recall@10"],
        "gates": ["recall@10 beats busy.recall@10"],
        "filters": ["not contains(habit.history, item)"],
        "value": "bought * items.price",
        "available": "items.price > 0",
        "slices": {"new": "habit.visits_7d = 0"},
    }


def system(**replaced: Any) -> sf.System:
    """The small design, with some parts replaced."""
    p = {**parts(), **replaced}
    data = sf.Data(p["items"], p["visits"], p["habit"], p["trade"], p["moment"], timezone="Europe/Paris")
    framing = sf.Framing(
        query=p["person"],
        item=p["item"],
        examples=p["visits"],
        context=p["context"],
        available=p["available"],
        labels=[p["bought"]],
    )
    sides = p.get("sides", {"query": [p["habit"].history], "item": [p["item"]]})
    tower = sf.TwoTower("tower", positives=p["bought"], **sides)
    ranker = sf.Network("ranker", inputs=p["inputs"], heads=[sf.Binary(p["bought"])])
    busy = sf.Rule("busy", "trade.rate_1d")
    evaluation = sf.Evaluation(
        split=sf.ByTime(validation="1d", test="1d"),
        metrics=p["metrics"],
        gates=p["gates"],
        slices=p["slices"],
    )
    deployment = sf.Deployment(
        candidates=[tower.top(10), busy.top(5)],
        filters=p["filters"],
        predict=ranker,
        value=p["value"],
        rerank=[sf.AtMost(1, p["items"].shop)],
    )
    models = sf.Models(tower, ranker, busy, *p.get("baselines", []))
    return sf.System("shop", REQUIREMENTS, framing, data, models, evaluation, deployment)
