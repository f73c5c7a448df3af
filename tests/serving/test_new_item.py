"""A server proposes an item that was posted a moment ago, by its title and its place: the towers never saw its key."""

import pytest
from shop_release import DESIGN, release
from shop_server import START_S, Server, visit

PLACES = {"here": (46.2, 6.1), "there": (-17.7, 179.999), "pole": (89.999, 0.0)}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("placed")
    design = DESIGN.read_text()
    for old, new in (
        ("    listed=sf.Flag(),\n", "    listed=sf.Flag(), title=sf.Text(), lat=sf.Number(), lon=sf.Number(),\n"),
        ('where="bought"),\n', 'where="bought"), lat=sf.last("items.lat"), lon=sf.last("items.lon"),\n'),
        ("query=[habit, persons.city]", "query=[habit.bought, persons.city, sf.Place(habit.lat, habit.lon)]"),
        ("item=[item, items.shop, demand]", "item=[item, items.title, sf.Place(items.lat, items.lon)]"),
        ("tower.top(10), busy.top(5), near.top(5)", "tower.top(1)"),
        ("inputs=[habit, demand", "inputs=[habit.visits_7d, demand"),
    ):
        assert old in design
        design = design.replace(old, new)
    (folder / "design.py").write_text(design)
    release(folder, design=folder / "design.py")
    running = Server(folder)
    yield running
    assert running.stop() == 0


def posted(server, key, place, **more):
    lat, lon = place
    row = {"item_id": key, "shop_id": key, "price": 0.1, "listed": True, "title": f"Title of {key}", **more}
    assert server.post("/v1/events/items", [{**row, "lat": lat, "lon": lon}])[1]["accepted"] == 1


def test_each_is_proposed_what_was_just_posted_near_by(server):
    for at in range(20):
        posted(server, f"far{at}", (10.0 + at, 50.0 + at), price=at)
    posted(server, "nowhere", (None, 6.1))
    for name, place in PLACES.items():
        posted(server, f"old {name}", place)
    visits = [visit(f"person {name}", f"old {name}", START_S + 60) for name in PLACES]
    assert server.post("/v1/events/visits", visits)[1]["accepted"] == len(PLACES)
    for name, place in PLACES.items():
        posted(server, f"old {name}", place, listed=False)  # who was there is at home there, and it is not offered
    for name, (lat, lon) in PLACES.items():
        posted(server, f"new {name}", (lat - 0.0005, -lon if name == "there" else lon))
    for name in PLACES:
        for _ in range(200):  # until the catalogue was made anew in the background
            items = server.post("/v1/recommend", {"person": f"person {name}", "k": 1})[1]["items"]
            if [item["key"] for item in items] == [f"new {name}"]:
                break
        assert [(item["key"], item["source"]) for item in items] == [(f"new {name}", "tower")]
