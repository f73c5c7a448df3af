"""Files of many shapes: a design that holds together, or one clear sentence."""

import json
import random
from datetime import datetime, timedelta

import pytest
from film_data import write
from running import sixfold

from sixfold.design import load

START_S, DAY0 = 1_767_000_000, datetime(2025, 1, 1)


def iso(i, *, minutes=7):
    return (DAY0 + timedelta(minutes=minutes * i)).isoformat(sep=" ")


@pytest.fixture
def rng():
    return random.Random(1)


@pytest.fixture
def propose(tmp_path):
    """Run the command over a folder of files; gives the system, the design's text and what was printed."""

    def run(*patterns):
        made = sixfold("new", tmp_path / "shop", "--from", *(patterns or [tmp_path / "data"]))
        assert made.status == 0, made.err
        text = (tmp_path / "shop" / "design.py").read_text()
        assert max(map(len, text.splitlines())) < 160
        assert sixfold("check", tmp_path / "shop" / "design.py").status == 0
        return load(tmp_path / "shop" / "design.py"), text, made.out

    return run


@pytest.fixture
def refused(tmp_path):
    def run(*patterns):
        made = sixfold("new", tmp_path / "shop", "--from", *patterns)
        assert made.status == 1
        assert not (tmp_path / "shop").exists()
        assert not list(tmp_path.glob(".shop*")), "nothing is left behind"
        return made.err

    return run


def test_check_ins_without_outcomes_have_what_was_not_picked_drawn_and_distances(tmp_path, propose, rng):
    rows = [[f"u{rng.randrange(90)}", f"p{int(rng.paretovariate(1)) % 60}", iso(i)] for i in range(3000)]
    write(tmp_path / "data" / "checkins.csv", ["user", "place", "at"], rows)
    places = [[f"p{i}", f"Cafe {i} of the town", 38 + i / 100, -9 + i / 100, "abc"[i % 3]] for i in range(60)]
    write(tmp_path / "data" / "places.csv", ["id", "name", "lat", "lng", "kind"], places)
    system, text, said = propose()
    assert (system.query, system.item, list(system.labels)) == ("user", "place", ["chosen"])
    assert "haversine_km(home.lat, home.lon, places.lat, places.lng)" in text
    assert "no column says what came of a row" in said
    assert (system.negatives, system.evaluation.lists) == (20, 2000)
    assert "heads=[sf.Order(chosen)]" in text
    assert "which zone?" in said
    assert not system.filters, "people go to a place again"


def test_two_logs_are_one_to_learn_from_and_one_for_features(tmp_path, propose, rng):
    for name, count in (("views", 3000), ("purchases", 400)):
        rows = [[rng.randrange(90), 1000 + rng.randrange(80), iso(rng.randrange(9000)) + "Z"] for _ in range(count)]
        write(tmp_path / "data" / f"{name}.csv", ["customer_id", "product_id", "created_at"], rows)
    products = [[1000 + i, f"A fine product {i}", i / 7, "abcd"[i % 4], "2024-12-01T00:00:00+01:00"] for i in range(80)]
    write(tmp_path / "data" / "products.csv", ["product_id", "name", "price", "kind", "created_at"], products)
    system, text, _ = propose()
    assert set(system.streams) == {"views", "purchases"}
    assert system.examples.name == "views"
    assert system.available.text == "products.created_at <= now"
    assert 'newest = sf.Rule("newest", "products.created_at")' in text


def test_a_kind_of_event_that_is_wanted_is_the_label(tmp_path, propose, rng):
    kinds = rng.choices(["view", "addtocart", "transaction"], [90, 7, 3], k=3000)
    rows = [[(START_S - i * 60) * 1000, rng.randrange(90), kinds[i], rng.randrange(80)] for i in range(3000)]
    write(tmp_path / "data" / "events.csv", ["timestamp", "visitorid", "event", "itemid"], rows)
    system, _, _ = propose()
    assert (system.query, system.item) == ("visitor", "item")
    assert system.labels["transaction"].value.text == "event = 'transaction'"
    assert system.streams[system.examples.name].time.unit == "ms"


def test_texts_to_classify_without_a_time_are_split_at_random_and_it_says_so(tmp_path, propose, rng):
    rows = [
        [rng.choice(["ham", "spam"]), " ".join(rng.choices(["win", "free", "hello", "dear"], k=9))] for _ in range(600)
    ]
    write(tmp_path / "data" / "sms.csv", ["label", "text"], rows)
    system, _, said = propose()
    assert system.item is None
    assert set(system.label_groups) == {"label"}
    assert system.context == ("sms.text",)
    assert "made-up second" in said


def test_numbers_to_predict_get_a_gate_that_the_middle_would_not_pass(tmp_path, propose, rng):
    rows = [[i, rng.randrange(1, 8), rng.randrange(30, 200), 1000 + rng.randrange(9000)] for i in range(600)]
    write(tmp_path / "data" / "houses.csv", ["Id", "rooms", "area m²", "price"], rows)
    system, _, _ = propose()
    assert (system.item, list(system.labels)) == (None, ["price"])
    assert system.gates[0].text.startswith("mae(price) <= ")


def test_judged_rows_are_no_picks_although_they_have_two_keys(tmp_path, propose, rng):
    rows = [
        [i, rng.randrange(90), rng.randrange(50), rng.random(), iso(i), int(rng.random() < 0.1)] for i in range(2000)
    ]
    write(
        tmp_path / "data" / "tx.csv", ["transaction_id", "card_id", "merchant_id", "amount", "when", "is_fraud"], rows
    )
    system, _, _ = propose()
    assert (system.query, system.item, list(system.labels)) == ("card", None, ["fraud"])
    assert "tx.amount" in system.context


def test_semicolons_commas_umlauts_and_dates_of_another_country(tmp_path, propose, rng):
    rows = []
    for i in range(3000):
        when, price = DAY0 + timedelta(minutes=9 * i), f"{rng.random() * 99:.2f}".replace(".", ",")
        key = [rng.randrange(90), 10**5 + rng.randrange(80)]
        rows.append([*key, when.strftime("%d.%m.%Y %H:%M"), price, rng.choice(["ja", "nein"]), i % 9])
    header = ["Kunde Nr", "Artikel-ID", "Datum", "Größe (cm)", "gekauft", "offset"]
    write(tmp_path / "data" / "käufe.csv", header, rows, delimiter=";")
    system, text, _ = propose()
    assert (system.query, system.item, list(system.labels)) == ("kunde", "artikel", ["gekauft"])
    assert "strptime" in text
    checked = sixfold("check", tmp_path / "shop" / "design.py", "--data", "--workdir", tmp_path / "work", "--json")
    assert checked.json["rows"]["query over ../data/käufe.csv"] == {"read": 3000, "duplicates": 0, "refused": 0}
    kinds = {field.raw: field.kind.base for field in system.examples.fields}
    assert (kinds["Größe (cm)"], kinds["gekauft"]) == ("number", "flag")


def test_names_that_python_sql_and_designs_keep_for_themselves(tmp_path, propose, rng):
    header = ["select", "from", "order", "now", "known", "valid_from", "source", "name", "class", "user id", "item id"]
    rows = [[*rng.choices("ab", k=9), rng.randrange(60), rng.randrange(60), START_S - i, i % 2] for i in range(2000)]
    write(tmp_path / "data" / "log.csv", [*header, "time", "offset"], rows)
    system, _, _ = propose()
    raws = {field.raw for field in system.examples.fields}
    assert raws == {*header[:9], "offset"}


def test_columns_that_are_there_twice_and_files_that_share_names(tmp_path, propose, rng):
    rows = [
        [rng.randrange(50), rng.randrange(50), rng.random(), rng.random(), START_S - i * 50, i % 2] for i in range(1500)
    ]
    write(tmp_path / "data" / "log.csv", ["user_id", "item_id", "value", "VALUE", "ts", "liked"], rows)
    items = [[i, START_S - 10**7 - i, f"a long text about it {i}", i % 2] for i in range(50)]
    write(tmp_path / "data" / "item_id.csv", ["item_id", "ts", "text", "liked"], items)
    system, _, _ = propose()
    assert (system.query, system.item, system.examples.name) == ("user", "item", "log")


def test_three_hundred_columns(tmp_path, propose, rng):
    rows = [
        [i, *[round(rng.random(), 3) if j % 3 else rng.choice("ab") for j in range(298)], i % 2] for i in range(600)
    ]
    write(tmp_path / "data" / "wide.csv", ["id", *[f"x{i}" for i in range(298)], "target"], rows)
    system, _, _ = propose()
    assert (len(system.context), list(system.labels)) == (298, ["target"])


def test_empty_columns_and_huge_numbers_are_left_out_or_read_as_they_can_be(tmp_path, propose, rng):
    rows = [[rng.randrange(50), rng.randrange(50), "", START_S - i * 50, 10**30 + i, i % 2] for i in range(1000)]
    write(tmp_path / "data" / "log.csv", ["user_id", "item_id", "nothing", "ts", "big", "liked"], rows)
    _, text, _ = propose()
    assert "nothing" in text.split("Left out")[1].splitlines()[0]


def test_json_lines_with_lists_zones_and_objects_within(tmp_path, propose, rng):
    rows = [
        {
            "by": {"id": i},
            "listener_id": i % 40,
            "track_id": f"t{rng.randrange(90)}",
            "tags": ["a", "b"],
            "loud": i % 3 == 0,
            "at": f"2025-03-{1 + i % 28:02d}T10:{i % 60:02d}:00+02:00",
        }
        for i in range(2000)
    ]
    (tmp_path / "plays.jsonl").write_text("\n".join(map(json.dumps, rows)))
    system, text, said = propose(tmp_path / "*.jsonl")
    assert (system.query, system.item, list(system.labels)) == ("listener", "track", ["loud"])
    assert "which zone?" not in said
    assert "by" in text.split("hold what no column can: ")[1].splitlines()[0]


def test_a_log_in_parts_is_one_stream(tmp_path, propose, rng):
    for part in range(3):
        rows = [[rng.randrange(80), rng.randrange(90), START_S + part * 10**6 + i * 500, i % 2] for i in range(900)]
        write(tmp_path / "data" / f"log-2025-0{part + 1}.csv", ["user_id", "video_id", "time_s", "is_click"], rows)
    system, text, _ = propose()
    assert list(system.streams) == ["log"]
    assert 'sf.Csv("../data/log-2025-01.csv", "../data/log-2025-02.csv", "../data/log-2025-03.csv")' in text


def test_what_holds_nothing_or_cannot_be_read_is_told_in_one_sentence(tmp_path, refused):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "head.csv").write_text("a,b\n")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1nonsense")
    (tmp_path / "latin.csv").write_bytes("user_id,name\n1,Größe\n".encode("latin-1") * 9)
    (tmp_path / "one.csv").write_text("a\n1\n2\n3\n")
    (tmp_path / "sheet.xlsx").write_bytes(b"PK")
    (tmp_path / "nothing").mkdir()
    assert "no row in it" in refused(tmp_path / "empty.csv", tmp_path / "head.csv")
    assert "bad.parquet cannot be read: " in refused(tmp_path / "bad.parquet")
    assert "it is not in UTF-8 (byte 17)" in refused(tmp_path / "latin.csv")
    assert "there is nothing to predict. Columns: a." in refused(tmp_path / "one.csv")
    assert "its name must end in one of" in refused(tmp_path / "sheet.xlsx")
    assert "holds no CSV" in refused(tmp_path / "nothing")
    assert "nothing is called" in refused(tmp_path / "*.tsv")
