"""A design of one stage with caps, budgets and prices: run, served, told what happened, run again."""

import csv
import json
import random

import pytest

from sixfold import cli
from sixfold.pipeline.audit import audit
from tests.serving.shop_server import Server

pytestmark = pytest.mark.filterwarnings("default")  # of the libraries that train and record

START_S = 1_767_225_600
DESIGN = """
import sixfold as sf

person, page, ad, owner = sf.Entity("person"), sf.Entity("page"), sf.Entity("ad"), sf.Entity("owner")
shows = sf.Events("shows", sf.Csv("shows.csv"), person.key(), ad.key(), page.key(), time=sf.Time("at", unit="s"), id="show",
    keep="30d", clicked=sf.Flag())
ads = sf.Table("ads", sf.Csv("ads.csv"), ad.key(), owner=owner.key(), page=sf.Category(), bid=sf.Number(), budget=sf.Number())
charges = sf.Events("charges", [], owner.key(), time=sf.Time("at", unit="s"), price=sf.Number())
pull = sf.Features("pull", ad, shows, ctr_1d=sf.rate("clicked", window="1d", prior=(1, 9)))
cap = sf.Features("cap", (person, owner), sf.answers, shown_1d=sf.count(window="1d"), top=sf.count(where="position = 0"))
spend = sf.Features("spend", owner, charges, today=sf.sum("price", window="today"))
clicked = sf.Label("clicked", "clicked", within="10m")
trees = sf.Trees("trees", inputs=[pull, ads.page], heads=[sf.Binary(clicked, calibrate="isotonic")], rounds=20, num_leaves=5)
system = sf.System("market", sf.Requirements(goal="Ads are paid for", p99_ms=100),
    sf.Framing(query=person, item=ad, examples=shows, context=[shows.page], available="ads.bid >= 0", labels=[clicked]),
    sf.Data(shows, ads, charges, pull, cap, spend, timezone="Asia/Kolkata"), sf.Models(trees),
    sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), metrics=["auc(clicked)", "log_loss(clicked)"]),
    sf.Deployment(filters=["ads.page = shows.page", "cap.shown_1d < 2", "spend.today < ads.budget"], predict=trees,
        value="clicked * ads.bid", rerank=[sf.Pace(spent=spend.today, budget=ads.budget), sf.SecondPrice(ads.bid, reserve=0.001)]))
"""


def write(folder):
    rng = random.Random(1)
    with open(folder / "shows.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["person", "ad", "page", "at", "show", "clicked"])
        for i in range(6000):
            which = rng.randrange(12)
            at = START_S + i * 5 * 86_400 // 6000
            rows.writerow(
                [
                    f"p{rng.randrange(40)}",
                    f"a{which}",
                    f"page{which % 2}",
                    at,
                    i,
                    int(rng.random() < 0.03 + 0.02 * which),
                ]
            )
    with open(folder / "ads.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["ad", "owner", "page", "bid", "budget"])
        for i in range(12):  # owners have two ads; the last ad of page 0 bids nothing
            rows.writerow([f"a{i}", f"o{i // 4}", f"page{i % 2}", 0 if i == 10 else 1 + i % 3, 100])
    (folder / "market.py").write_text(DESIGN)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("market")
    write(folder)
    assert run(folder) == 0
    return folder


def run(folder):
    try:
        cli.main(["run", str(folder / "market.py"), "--workdir", str(folder / "work"), "--json"])
    except SystemExit as stopped:
        return stopped.code
    return 0


def ask(server, person, page="page0", **more):
    status, said = server.post("/v1/recommend", {"person": person, "context": {"page": page}, **more})
    assert status == 200, said
    return said["items"]


def test_an_auction_with_caps_and_budgets(folder):
    server = Server(folder / "work", clock="2026-01-06T12:00:00Z")
    try:
        first = ask(server, "p1")
        assert {one["key"] for one in first} == {"a0", "a2", "a4", "a6", "a8"}, "those of the page that bid something"
        scores = [one["score"] for one in first]
        assert scores == sorted(scores, reverse=True)
        bids = {f"a{i}": 1 + i % 3 for i in range(12)}
        for one, following in zip(first, [*first[1:], {"score": 0.001}]):
            assert one["price"] == pytest.approx(bids[one["key"]] * following["score"] / one["score"])
        # Two ads of an owner were shown, as often as is allowed.
        assert {one["key"] for one in ask(server, "p1")} == {"a8"}
        assert ask(server, "p1") == []
        assert len(ask(server, "p2")) == 5, "a cap is a person's own"
        # Nobody known: no cap, and the ads of one owner or of none.
        assert [one["key"] for one in ask(server, None, only={"owner": ["o2"]})] == ["a8"]
        assert ask(server, None, only={"ads.owner": ["none"]}) == []
        # A budget that is spent: its ads are gone at once, and set no price any more.
        charge = {"owner": "o0", "at": "2026-01-06T12:00:01Z", "price": 150}
        assert server.post("/v1/events/charges", [charge])[1]["accepted"] == 1
        assert {one["key"] for one in ask(server, "p3")} == {"a4", "a6", "a8"}
        # An ad that appears after training.
        new = {"ad": "new", "owner": "o9", "page": "page0", "bid": 50, "budget": 1000}
        assert server.post("/v1/events/ads", [new])[1]["accepted"] == 1
        assert ask(server, "p4", items=["new", "a4"])[0]["key"] == "new"
        # The day after in Kolkata, the budget is there again.
        assert {one["key"] for one in ask(server, "p5", now="2026-01-06T19:00:00Z")} >= {"a0", "a2"}
        status, said = server.post("/v1/predict", {"rows": [{"person": "p1", "ad": "a8", "page": "page0"}] * 3})
        assert status == 200
        assert all(0 < one["clicked"] < 1 for one in said["rows"])
        status, said = server.post("/v1/recommend", {"person": "p", "only": {"bid": [1]}})
        assert status == 400
        assert "only must be an object with" in said["detail"]
    finally:
        server.stop()


def test_what_was_shown_is_data_of_the_next_run_and_served_values_are_those_of_batch(folder, capsys):
    assert run(folder) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert next(counts["read"] for source, counts in said["rows"].items() if source.startswith("answers")) > 10
    from sixfold.design import load

    found = audit(load(folder / "market.py"), folder / "work", since_us=None, sample=None)
    assert found.worst() == 0.0
    assert {"cap.shown_1d", "spend.today"} <= {one.name for one in found.features}
