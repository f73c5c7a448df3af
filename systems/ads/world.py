"""Sample data for the ads system in the real log's schema, from a world whose click probabilities are known.

    python systems/ads/world.py FOLDER [--viewers N] [--ads N] [--impressions N] [--days N] [--seed N]

Campaigns belong to a page, bid for clicks and have a daily budget; an ad is a campaign's creative for a product.
Whether a viewer clicks follows from both, by `Truth.chances`, which answers for any viewer, ad and time and not only
for what was logged: much of it are crosses (age by category, gender by age by category, place by category, hour by
category) whose single parts say nothing. Campaigns drift from hour to hour, new ones start every day, and a campaign
whose budget is spent is not shown any more that day. Clicks come late: most within a minute, some after hours.
"""
# U = viewers, A = ads, C = campaigns, P = products, G = pages, K = categories, N = rows
# Times named `_h` are hours since the log's first midnight.

import argparse
import sys
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from sixfold.errors import InvalidField

__all__ = ["Truth", "World", "generate"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

FIRST = np.datetime64("2017-07-02T00:00:00", "s")
CATEGORIES, PAGES, AGES, CITIES = 24, 40, 7, 5
WITHIN_S = 1800
"""A click that comes later than this does not count."""
PAYS = 0.7
"""Share of the bid that a click costs in the log."""
A_CAMPAIGN = 40
"""Ads of a campaign."""
SPARE = 1.2
"""So many impressions are drawn for one that is kept: a spent budget takes some away."""
HOUR_SHARE = np.array([20, 12, 8, 8, 15, 35, 55, 70, 75, 72, 70, 68, 66, 66, 65, 66, 70, 76, 82, 88, 90, 80, 60, 36])


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """How large a world to draw. The defaults are those of the demo without a real log."""

    viewers: int = 200_000
    """At least 10."""
    ads: int = 20_000
    """At least 100; a campaign has 40."""
    impressions: int = 1_000_000
    """Rows of the log, at least 1,000; fewer come where budgets leave fewer."""
    days: int = 4
    """Days of the log, from 2017-07-02 on, at least 1."""
    seed: int = 0
    """The same seed gives the same bytes. Not negative."""

    def __post_init__(self) -> None:
        for field, least in (("viewers", 10), ("ads", 100), ("impressions", 1_000), ("days", 1), ("seed", 0)):
            if (value := getattr(self, field)) < least:
                raise InvalidField(where="world.py", part="World", field=field, rule=f"at least {least}", value=value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """All that a click depends on."""

    gender_U: Ints
    """0: not told."""
    age_U: Ints
    depth_U: Ints
    city_U: Ints
    """0: not told."""
    lean_U: Floats
    """How readily a viewer clicks; no column tells."""
    campaign_A: Ints
    product_A: Ints
    ad_A: Floats
    page_C: Ints
    start_h_C: Floats
    bid_C: Floats
    budget_C: Floats
    """Of a day."""
    pull_C: Floats
    """How much a campaign is shown."""
    appeal_C: Floats
    drift_CH: Floats
    """What an hour adds to a campaign's appeal."""
    category_P: Ints
    product_P: Floats
    age_KA: Floats
    both_KGA: Floats
    """Gender by age by category."""
    city_KC: Floats
    depth_GD: Floats
    hour_K2: Floats
    """Hour by category: how far the best hour lifts, and which it is."""
    slow_K: Floats
    """Share of a category's clicks that are slow."""
    base: float

    def chances(self, viewer: ArrayLike, ad: ArrayLike, time_h: ArrayLike) -> Floats:
        """The probability of a click that comes within 30 minutes, for viewers (N,), ads (N,) and times (N,)."""
        category_N = self.category_P[self.product_A[np.asarray(ad)]]
        chance_N: Floats = self.ever(viewer, ad, time_h) * (1 - self.slow_K[category_N] * np.exp(-WITHIN_S / SLOW_S))
        return chance_N

    def ever(self, viewer: ArrayLike, ad: ArrayLike, time_h: ArrayLike) -> Floats:
        """The probability of a click whenever it comes, as `chances`."""
        viewer_N, ad_N, time_N = np.asarray(viewer), np.asarray(ad), np.asarray(time_h, np.float64)
        campaign_N, product_N = self.campaign_A[ad_N], self.product_A[ad_N]
        category_N, age_N, gender_N = self.category_P[product_N], self.age_U[viewer_N], self.gender_U[viewer_N]
        last = self.drift_CH.shape[1] - 1
        logit_N = self.base + self.lean_U[viewer_N] + self.ad_A[ad_N]
        logit_N += self.appeal_C[campaign_N] + self.drift_CH[campaign_N, np.clip(time_N.astype(np.int64), 0, last)]
        logit_N += self.product_P[product_N] + self.age_KA[category_N, age_N]
        logit_N += self.both_KGA[category_N, gender_N, age_N] + self.city_KC[category_N, self.city_U[viewer_N]]
        logit_N += self.depth_GD[self.page_C[campaign_N], self.depth_U[viewer_N]]
        lift_N, best_N = self.hour_K2[category_N].T
        logit_N += lift_N * np.cos((np.floor(time_N) - best_N) * (2 * np.pi / 24))
        return np.asarray(1 / (1 + np.exp(-logit_N)))

    def save(self, folder: Path) -> None:
        """Write `truth.npz`."""
        np.savez(folder / "truth.npz", **{field.name: getattr(self, field.name) for field in fields(self)})

    @staticmethod
    def load(folder: Path) -> "Truth":
        """What `save` wrote."""
        with np.load(folder / "truth.npz") as saved:
            arrays: dict[str, Any] = {**saved, "base": float(saved["base"])}
            return Truth(**arrays)

    def keys(self) -> NDArray[Any]:
        """The ads' keys, shape (A,), as the design joins them."""
        names = zip(self.campaign_A + FIRST_CAMPAIGN, self.product_A, self.category_P[self.product_A])
        return np.array([f"{campaign}|{_product(product)}|{category}" for campaign, product, category in names])


SLOW_S, QUICK_S = 5400.0, 40.0
FIRST_CAMPAIGN, FIRST_PAGE = 10_000, 1_000


def generate(world: World, folder: Path) -> None:
    """Write a world into `folder`, made if it is not there: `impressions.csv`, and the truth beside it.

    `impressions.csv` has the real log's columns, and `clicked_at`, `bid`, `daily_budget`. `truth.parquet` has for each
    `session_id` the probability of a click within 30 minutes; `truth.npz` is for `Truth.load`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(world.seed)
    truth = _draw_truth(world, rng)
    truth.save(folder)
    drawn = round(world.impressions * SPARE)
    time_N = _times(world, drawn, rng)
    ad_N = _shown(truth, time_N, world.days, rng)
    viewer_N = _viewers(world, drawn, rng)
    ever_N = truth.ever(viewer_N, ad_N, time_N)
    clicked_N = rng.random(drawn) < ever_N
    within = _within_budget(truth, time_N, ad_N, clicked_N)
    kept = np.sort(rng.permutation(within)[: world.impressions])
    time_N, ad_N, viewer_N, clicked_N, ever_N = (one[kept] for one in (time_N, ad_N, viewer_N, clicked_N, ever_N))
    category_N = truth.category_P[truth.product_A[ad_N]]
    delay_N = np.where(rng.random(len(kept)) < truth.slow_K[category_N], SLOW_S, QUICK_S) * rng.exponential(
        1, len(kept)
    )
    table = _table(truth, time_N, ad_N, viewer_N, clicked_N, np.maximum(delay_N, 1).astype(np.int64))
    pc.write_csv(table, folder / "impressions.csv", pc.WriteOptions(quoting_style="none"))
    within_N = ever_N * (1 - truth.slow_K[category_N] * np.exp(-WITHIN_S / SLOW_S))
    pq.write_table(pa.table({"session_id": table["session_id"], "click": within_N}), folder / "truth.parquet")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="Write sample data for the ads system into a folder.")
    parser.add_argument("folder", type=Path)
    for field in fields(World):
        parser.add_argument(f"--{field.name}", type=int, default=field.default, metavar="N", help="default %(default)s")
    chosen = vars(parser.parse_args(arguments))
    generate(World(**{field.name: chosen[field.name] for field in fields(World)}), chosen["folder"])


def _draw_truth(world: World, rng: np.random.Generator) -> Truth:
    viewers, ads, hours = world.viewers, world.ads, 24 * world.days
    campaigns, products = ads // A_CAMPAIGN, max(A_CAMPAIGN, ads // 400)
    campaign_A = np.arange(ads) % campaigns
    # A campaign's products follow each other, so that no two of its ads are one.
    product_A = (rng.integers(0, products, campaigns)[campaign_A] + np.arange(ads) // campaigns) % products
    pull_C = rng.lognormal(0, 0.9, campaigns)
    page_C = rng.integers(0, PAGES, campaigns)
    start_h_C = np.where(rng.random(campaigns) < 0.75, 0.0, rng.uniform(0, hours, campaigns))
    start_h_C[np.unique(page_C, return_index=True)[1]] = 0.0  # no page is ever empty
    bid_C = rng.lognormal(0, 0.5, campaigns).round(3)
    a_day = world.impressions / world.days * pull_C / pull_C.sum() * 0.07 * PAYS * bid_C
    return Truth(
        gender_U=rng.choice(3, viewers, p=[0.04, 0.84, 0.12]),
        age_U=rng.choice(AGES, viewers, p=[0.01, 0.2, 0.35, 0.24, 0.12, 0.06, 0.02]),
        depth_U=rng.choice([1, 2, 3], viewers, p=[0.1, 0.2, 0.7]),
        city_U=rng.choice(CITIES, viewers, p=[0.27, 0.05, 0.34, 0.2, 0.14]),
        lean_U=rng.normal(0, 0.1, viewers),
        campaign_A=campaign_A,
        product_A=product_A,
        ad_A=rng.normal(0, 0.06, ads),
        page_C=page_C,
        start_h_C=start_h_C,
        bid_C=bid_C,
        budget_C=np.maximum(0.05, a_day * rng.lognormal(0.8, 0.6, campaigns)).round(2),
        pull_C=pull_C,
        appeal_C=rng.normal(0, 0.35, campaigns),
        drift_CH=np.cumsum(rng.normal(0, 0.02, (campaigns, hours)), axis=1),
        category_P=rng.integers(0, CATEGORIES, products),
        product_P=rng.normal(0, 0.25, products),
        age_KA=rng.normal(0, 0.35, (CATEGORIES, AGES)),
        both_KGA=rng.normal(0, 0.3, (CATEGORIES, 3, AGES)),
        city_KC=rng.normal(0, 0.2, (CATEGORIES, CITIES)),
        depth_GD=rng.normal(0, 0.25, (PAGES, 4)),
        hour_K2=np.stack([rng.uniform(0, 0.3, CATEGORIES), rng.integers(0, 24, CATEGORIES)], 1),
        slow_K=rng.uniform(0.05, 0.2, CATEGORIES),
        base=-2.85,
    )


def _times(world: World, rows: int, rng: np.random.Generator) -> Floats:
    """When something is shown, ascending, shape (N,): busy evenings, quiet nights."""
    share = np.tile(HOUR_SHARE, world.days) / HOUR_SHARE.sum() / world.days
    hour_N = np.repeat(np.arange(24 * world.days), rng.multinomial(rows, share))
    return np.sort(hour_N + rng.random(rows))


def _viewers(world: World, rows: int, rng: np.random.Generator) -> Ints:
    """Who sees it, shape (N,): a few see much, most see little."""
    weight = np.cumsum(rng.lognormal(0, 1.0, world.viewers))
    return np.asarray(np.searchsorted(weight, rng.random(rows) * weight[-1], side="right"), np.int64)


def _shown(truth: Truth, time_N: Floats, days: int, rng: np.random.Generator) -> Ints:
    """Which ad, shape (N,): of the campaigns that have started, by their pull; then one of the campaign's ads."""
    ads, campaigns = len(truth.campaign_A), len(truth.page_C)
    campaign_N = np.empty(len(time_N), np.int64)
    edges = np.searchsorted(time_N, np.arange(24 * days + 1))
    for hour, (first, end) in enumerate(pairwise(edges)):
        weight = np.cumsum(np.where(truth.start_h_C <= hour, truth.pull_C, 0))
        campaign_N[first:end] = np.searchsorted(weight, rng.random(end - first) * weight[-1], side="right")
    return campaign_N + campaigns * rng.integers(0, ads // campaigns, len(time_N))


def _within_budget(truth: Truth, time_N: Floats, ad_N: Ints, clicked_N: Flags) -> Ints:
    """The rows that are shown: those before which the campaign had not spent its budget of the day."""
    campaign_N, day_N = truth.campaign_A[ad_N], (time_N // 24).astype(np.int64)
    group_N = day_N * len(truth.page_C) + campaign_N
    order_N = np.argsort(group_N, kind="stable")
    cost_N = (clicked_N * truth.bid_C[campaign_N] * PAYS)[order_N]
    before_N = np.cumsum(cost_N) - cost_N
    first_N = np.concatenate([[True], np.diff(group_N[order_N]) > 0])
    spent_N = before_N - np.repeat(before_N[first_N], np.diff(np.append(np.flatnonzero(first_N), len(order_N))))
    shown_N = np.empty(len(order_N), bool)
    shown_N[order_N] = spent_N < truth.budget_C[campaign_N[order_N]]
    return np.flatnonzero(shown_N)


def _table(truth: Truth, time_N: Floats, ad_N: Ints, viewer_N: Ints, clicked_N: Flags, delay_N: Ints) -> pa.Table:
    """The log: the real one's columns, when a click came, bids and budgets."""
    campaign_N, product_N = truth.campaign_A[ad_N], truth.product_A[ad_N]
    second_N = (time_N * 3600).astype(np.int64)
    at_N = FIRST + second_N
    products = pa.array([_product(p) for p in range(len(truth.product_P))])
    category_N = truth.category_P[product_N]
    genders = pa.array([None, "Male", "Female"])
    return pa.table(
        {
            "session_id": np.arange(len(ad_N)),
            "DateTime": at_N,
            "user_id": viewer_N,
            "product": products.take(pa.array(product_N)),
            "campaign_id": campaign_N + FIRST_CAMPAIGN,
            "webpage_id": truth.page_C[campaign_N] + FIRST_PAGE,
            "product_category_1": category_N,
            "product_category_2": pa.array(category_N * 3 + product_N % 3, mask=product_N % 4 > 0),
            "user_group_id": truth.age_U[viewer_N] + 7 * (truth.gender_U[viewer_N] == 2),
            "gender": genders.take(pa.array(truth.gender_U[viewer_N])),
            "age_level": truth.age_U[viewer_N],
            "user_depth": truth.depth_U[viewer_N],
            "city_development_index": pa.array(truth.city_U[viewer_N], mask=truth.city_U[viewer_N] == 0),
            "var_1": viewer_N % 7 // 4,
            "is_click": clicked_N.astype(np.int64),
            "clicked_at": pa.array(at_N + delay_N, mask=~clicked_N),
            "bid": truth.bid_C[campaign_N],
            "daily_budget": truth.budget_C[campaign_N],
        }
    )


def _product(number: int) -> str:
    return f"P{number}"


if __name__ == "__main__":
    main(sys.argv[1:])
