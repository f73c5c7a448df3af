"""Check-ins: where will this user go next? A design of one's own, for the data that `checkins_world.py` makes."""

import sixfold as sf

user, place, kind, slot = sf.Entity("user"), sf.Entity("place"), sf.Entity("kind"), sf.Entity("slot")
friend = user.alias("friend")
checkins = sf.Events(
    "checkins",
    sf.Query("select *, (hour(make_timestamp(time)) // 6)::varchar as slot from f", f=sf.Parquet("checkins.parquet")),
    user.key(),
    place.key(),
    time=sf.Time(unit="us"),
    slot=sf.Category(),
)
places = sf.Table(
    "places", sf.JsonLines("places.jsonl"), place.key(), kind=kind.key("category"), lat=sf.Number(), lon=sf.Number()
)
friendships = sf.Table(
    "friendships",
    sf.Query(
        'select "user" as a, friend as b from f union all select friend, "user" from f', f=sf.Parquet("friends.parquet")
    ),
    user.key("a"),
    friend.key("b"),
)
taste = sf.Features(
    "taste",
    user,
    checkins,
    n=sf.count(),
    been=sf.last("place", n=50),
    lat=sf.last("places.lat"),
    lon=sf.last("places.lon"),
)
crowd = sf.Features("crowd", place, checkins, n_7d=sf.count(window="7d"), n=sf.count())
own = sf.Features("own", (user, place), checkins, n=sf.count(), quiet_s=sf.since_last())
likes = sf.Features("likes", (user, kind), checkins, n=sf.count())
hours = sf.Features(
    "hours",
    kind,
    checkins,
    night=sf.count(where="slot = '0'"),
    morning=sf.count(where="slot = '1'"),
    day=sf.count(where="slot = '2'"),
    evening=sf.count(where="slot = '3'"),
)
lately = sf.Features("lately", (friendships, place), checkins, n_3d=sf.count(window="3d"))
go = sf.Derived(
    "go",
    km="haversine_km(taste.lat, taste.lon, places.lat, places.lon)",
    hour="hour(now)",
    share="likes.n / (1 + taste.n)",
)
data = sf.Data(checkins, places, friendships, taste, crowd, own, likes, hours, lately, go)
there = sf.Label("there", "true")
framing = sf.Framing(query=user, item=place, examples=checkins, labels=[there], negatives=20, lists=4_000)
signals = [taste.n, crowd, own, likes, hours, lately, go, places.kind]
trees = sf.Trees("trees", inputs=signals, heads=[sf.Order(there)], rounds=60, num_leaves=15, learning_rate=0.1)
towers = sf.TwoTower(
    "towers",
    query=[taste.been, sf.Place(taste.lat, taste.lon)],
    item=[place, places.kind, sf.Place(places.lat, places.lon)],
    positives=there,
    training=sf.Training(epochs=1),
)
rules = popular, near, again = sf.Rule("popular", "crowd.n_7d"), sf.Rule("near", "-go.km"), sf.Rule("again", "own.n")
models = sf.Models(trees, towers, *rules, sf.ItemNeighbours("neighbours", positives=there))
evaluation = sf.Evaluation(
    split=sf.ByTime(validation=0.1, test=0.2),
    lists=200,
    metrics=["ndcg@10", "hit@10"],
    slices={"new_users": "taste.n = 0", "friendly": "lately.n_3d > 0"},
    gates=[f"ndcg@10 beats {rule.name}.ndcg@10" for rule in rules],
)
deployment = sf.Deployment(
    candidates=[towers.top(100), near.top(100), popular.top(50), again.top(50)], predict=trees, value="there"
)
system = sf.System(
    "checkins",
    sf.Requirements(goal="People find where to go next", p99_ms=50),
    framing,
    data,
    models,
    evaluation,
    deployment,
)
