"""A small design that is really released and served in tests: items of shops, and who bought them."""

import sixfold as sf

requirements = sf.Requirements(goal="People find what they need", p99_ms=50)
person, item, shop = sf.Entity("person"), sf.Entity("item"), sf.Entity("shop")
items = sf.Table(
    "items",
    sf.Csv("items.csv"),
    item.key("item_id"),
    shop=shop.key("shop_id"),
    price=sf.Number(),
    listed=sf.Flag(),
)
persons = sf.Table("persons", sf.Csv("persons.csv"), person.key("person_id"), city=sf.Category())
visits = sf.Events(
    "visits",
    sf.Csv("visits.csv"),
    person.key("person_id"),
    item.key("item_id"),
    time=sf.Time("at", unit="s"),
    keep="30d",
    page=sf.Category(),
    bought=sf.Flag(),
)
habit = sf.Features(
    "habit",
    person,
    visits,
    visits_7d=sf.count(window="7d"),
    bought=sf.last("item", n=5, where="bought"),
)
demand = sf.Features("demand", item, visits, visits_1d=sf.count(window="1d"))
trade = sf.Features("trade", shop, visits, rate_1d=sf.rate("bought", window="1d", prior=(1, 3)))
moment = sf.Derived("moment", hour=sf.Category("hour(now)"))
bought = sf.Label("bought", "bought", within="1h")
tower = sf.TwoTower("tower", query=[habit, persons.city], item=[item, items.shop, demand], positives=bought)
ranker = sf.Network(
    "ranker", inputs=[habit, demand, trade, moment, items.price, visits.page], heads=[sf.Binary(bought)]
)
busy = sf.Rule("busy", "demand.visits_1d")
near = sf.Rule("near", "habit.visits_7d + items.price")
system = sf.System(
    "shop",
    requirements,
    sf.Framing(
        query=person, item=item, examples=visits, context=[visits.page], available="items.listed", labels=[bought]
    ),
    sf.Data(items, persons, visits, habit, demand, trade, moment),
    sf.Models(tower, ranker, busy, near),
    sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), metrics=["auc(bought)"], gates=[]),
    sf.Deployment(
        candidates=[tower.top(10), busy.top(5), near.top(5)],
        filters=["not contains(habit.bought, item)"],
        predict=ranker,
        value="bought + items.price / 1000",
        rerank=[sf.AtMost(3, items.shop)],
    ),
)
