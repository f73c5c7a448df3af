"""Sample data for the events system in the real folder's files, from a world whose choices have a known utility.

    python systems/events/world.py FOLDER [--members N] [--events N] [--cities N] [--days N] [--lists N] [--seed N]

Members live around a city's centre, like some topics, weekdays and hours, belong to groups and have friends. Groups
hold events. At times of their own members look at what is open then in their city (announced, neither begun nor full,
at most 30 km away, not yet answered) and say yes to one event with a probability proportional to exp(utility):

    utility = 4.5 own group + 4.7 liking of the topic (0, or about 1) + 4.0 ln(1 + friends who said yes)
              - 0.15 km from home - 0.14 days left + 0.6 liking of the weekday (1 for two of them, else -0.6)
              + 0.8 liking of daytime or evening (1 or -1) + 0.7 organiser's quality (standard normal)
              + 0.5 ln(1 + yes) - 1.5 (yes / capacity)^2

Own groups, friendships, yes and what is open are those of the last full hour, so that everything that weighs had
happened before. One look in 14 gives a no to an event of an own group instead. Some who said yes change to no later,
and give their seat back; some had said no to the event at first. Nine events in ten begin with their organiser's yes.

The full size is `--members 200000 --events 50000 --cities 10`: some 5,000 events are open at a time.
"""

import argparse
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyarrow.csv as pc
import pyarrow.parquet as pq
from events_world.course import Course, counted_answers
from events_world.files import answers_table, friendships_table, lists_table, meetings_tables, members_table
from events_world.scale import HOUR_MS, START_MS, World
from events_world.start import first_answers, groups_of, looks_of, organisers_of, unanswered
from events_world.truth import Truth

__all__ = ["HOUR_MS", "START_MS", "Truth", "World", "generate"]


def generate(world: World, folder: Path) -> None:
    """Write a world into `folder`, made if it is not there: the real folder's six files, friendships, and the truth.

    `events.csv` has a `capacity` more than the real one; `friendships.csv` (`member_id, friend_id, since`) has both
    directions. `truth.npz` is for `Truth.load`. `truth.parquet` has for each of some looks that gave a yes in the last
    fifth what was open then, as lists of one order: `event_id`, `utility` and, for rules to go by, `km`, `days_left`,
    `own`, `friends`, `yes`; and `chosen`, `rsvp_id`, `member_id`, `time` (ms).
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(world.seed)
    groups = groups_of(world, rng)
    drawn = unanswered(world, groups, rng)
    organiser_G = organisers_of(drawn, groups, rng)
    play = Course(drawn, looks_of(world, drawn, rng), world)
    play.run(first_answers(drawn, organiser_G, rng))
    log = play.log()
    truth = replace(drawn, **counted_answers(log))
    truth.save(folder)
    tables = {
        "rsvps": answers_table(log, rng),
        "friendships": friendships_table(truth),
        "members": members_table(truth, rng),
    }
    tables |= meetings_tables(world, truth, groups, organiser_G, rng)
    for name, table in tables.items():
        pc.write_csv(table, folder / f"{name}.csv", pc.WriteOptions(quoting_style="none"))
    pq.write_table(lists_table(play.lists, log), folder / "truth.parquet")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="Write sample data for the events system into a folder.")
    parser.add_argument("folder", type=Path)
    for field in fields(World):
        parser.add_argument(f"--{field.name}", type=int, default=field.default, metavar="N", help="default %(default)s")
    chosen = vars(parser.parse_args(arguments))
    generate(World(**{field.name: chosen[field.name] for field in fields(World)}), chosen["folder"])


if __name__ == "__main__":
    main(sys.argv[1:])
