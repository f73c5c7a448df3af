"""Events: what could this member attend next, near enough and soon?"""
import sixfold as sf
requirements = sf.Requirements(goal="Members find meetings that they go to", users=200_000, items=5_000, peak_rps=200, p99_ms=40, freshness_s=5)

member, event, group, organiser, topic, interest, word, slot = (
    sf.Entity(name) for name in ("member", "event", "group", "organiser", "topic", "interest", "word", "slot"))
friend = member.alias("friend")
answers, people = sf.Csv("rsvps.csv"), sf.Csv("members.csv")
rsvps = sf.Events("rsvps", answers, member.key("member_id"), event.key("event_id"), time=sf.Time("mtime", unit="ms"), keep="10y", going=sf.Flag("response"))
events = sf.Table("events", sf.Query("""          -- nobody wrote down when an event was announced: its first RSVP stands in for that; only the generated world has capacities
        select e.id, e.group_id, e.time, min(r.created) as opened, any_value(coalesce(e.capacity, 100000)) as capacity, any_value(e.name) as name,
               any_value(list_distinct(string_split_regex(lower(e.name), '[^a-z]+'))) as words,
               any_value(nullif(v.lat, 0)) as lat, any_value(nullif(v.lon, 0)) as lon, strftime(make_timestamp((e.time + e.utc_offset) * 1000), '%w %p') as slot
        from (select * from (select null::double as capacity where false) union all by name select * from events) e
        join rsvps r on r.event_id = e.id left join venues v on v.id = e.venue_id group by e.id, e.group_id, e.time, e.utc_offset""",
        events=sf.Csv("events.csv"), rsvps=answers, venues=sf.Csv("venues.csv")), event.key("id"), valid_from="opened", opened=sf.Time(unit="ms"),
    group=group.key("group_id"), slot=slot.key(), words=word.keys("words"), starts=sf.Time("time", unit="ms"), lat=sf.Number(), lon=sf.Number(), capacity=sf.Number())
groups = sf.Table("groups", sf.Query('select g.id, g.created, g."organiserMemberId" as host, list(t.id) as topics from groups g left join topics t on t."groupId" = g.id group by all',
        groups=sf.Csv("groups.csv"), topics=sf.Csv("groups_topics.csv")), group.key("id"), valid_from="created", created=sf.Time(unit="ms"),
    organiser=organiser.key("host"), topics=topic.keys("topics"))
members = sf.Table("members", sf.Query("""
        select id, joined, max(topics) over (partition by id) as topics, list("groupId") over (partition by id order by joined, "groupId") as groups from members""",
        members=people), member.key("id"), valid_from="joined", joined=sf.Time(unit="ms"), interests=interest.keys("topics", split=";"), groups=sf.Categories())
memberships = sf.Table("memberships", people, member.key("id"), group.key("groupId"), valid_from="joined", joined=sf.Time(unit="ms"))
friendships = sf.Table("friendships", sf.Csv("friendships.csv", optional=True), member.key("member_id"), friend.key("friend_id"), valid_from="since", since=sf.Time(unit="ms"))

home    = sf.Features("home", member, rsvps, answers=sf.count(), yes_90d=sf.count(window="90d", where="going"), went=sf.last("events.group", n=20, where="going"),
                      answered=sf.last("event", n=200), lat=sf.mean("events.lat", window="1y", where="going"), lon=sf.mean("events.lon", window="1y", where="going"))
turnout = sf.Features("turnout", event, rsvps, yes=sf.count(where="going"), lately=sf.decayed(half_life="3d", where="going"))
record  = sf.Features("record", organiser, rsvps, yes_180d=sf.count(window="180d", where="going"), yes_rate=sf.rate("going", window="365d", prior=(3, 4)))
own     = sf.Features("own", (member, group), rsvps, yes_180d=sf.count(window="180d", where="going"), quiet_s=sf.since_last(where="going"))
habit   = sf.Features("habit", (member, slot), rsvps, yes=sf.count(where="going"))
fame    = sf.Features("fame", word, rsvps, yes=sf.count(where="going"))
match   = sf.Features("match", (interest, word), rsvps, yes=sf.count(where="going"))                          # who likes what goes to titles like these
circle  = sf.Features("circle", memberships, rsvps, combine="mean", yes_30d=sf.count(window="30d", where="going"),    # one hop: how busy my groups are, and where
                      lat=sf.mean("events.lat"), lon=sf.mean("events.lon"))
friends = sf.Features("friends", (friendships, event), rsvps, going=sf.count(where="going"))                  # one hop: which friends said yes
reach   = sf.Derived("reach", km="haversine_km(coalesce(home.lat, circle.lat), coalesce(home.lon, circle.lon), events.lat, events.lon)", days_left="(events.starts - now) / 86400",
    hour=sf.Category("hour(events.starts)"), mine="contains(members.groups, events.group)", hosts="groups.organiser = member", topics="overlap(members.interests, groups.topics)",
    usual="habit.yes / (1 + home.answers)", fits="match.yes / (1 + fame.yes)", full="turnout.yes / events.capacity")
data = sf.Data(rsvps, events, groups, members, memberships, friendships, home, turnout, record, own, habit, fame, match, circle, friends, reach, timezone="America/Denver")

yes = sf.Label("yes", "going")
framing = sf.Framing(query=member, item=event, examples=rsvps, labels=[yes], available="events.opened < now and now < events.starts", negatives=20, lists=60_000)   # the log tells only who came

signals   = [home.answers, home.yes_90d, turnout, record, own, habit, circle.yes_30d, friends, reach, events.slot]
two_tower = sf.TwoTower("two_tower", query=[members.interests, members.groups, home.went, sf.Place(home.lat, home.lon)],
    item=[events.group, groups.topics, events.words, sf.Place(events.lat, events.lon)], positives=yes)
trees     = sf.Trees("trees", inputs=signals, heads=[sf.Order(yes)], rounds=200, num_leaves=15, learning_rate=0.1)     # LambdaMART
network   = sf.Network("network", inputs=[*signals, groups.topics, members.interests], body=[sf.Cross(2), sf.Mlp(64)], heads=[sf.Order(yes)])
rules = soonest, nearest, most_yes, with_friends, own_groups = [sf.Rule("soonest", "now - events.starts"), sf.Rule("nearest", "-reach.km"), sf.Rule("most_yes", "turnout.yes"),
    sf.Rule("with_friends", "friends.going"), sf.Rule("own_groups", "case when reach.mine then 1000 else 0 end - reach.days_left")]
models = sf.Models(two_tower, trees, network, sf.ItemNeighbours("neighbours", positives=yes), *rules)

evaluation = sf.Evaluation(split=sf.ByTime(validation=0.1, test=0.2), lists=2_000, metrics=["ndcg@10", "mrr", "hit@5"],
    slices={"new_members": "home.answers = 0", "new_events": "turnout.yes < 2"},
    gates=[*(f"ndcg@10 beats {rule.name}.ndcg@10" for rule in rules), *(f"ndcg@10[{new}] >= soonest.ndcg@10[{new}]" for new in ("new_members", "new_events"))])
deployment = sf.Deployment(candidates=[own_groups.top(40), two_tower.top(40), with_friends.top(20), nearest.top(20), soonest.top(20), most_yes.top(20)],
    filters=["coalesce(reach.km, 0) < 300", "turnout.yes < events.capacity", "not contains(home.answered, event)"],
    predict=trees, value="yes", rerank=[sf.AtMost(3, events.group)], retrain=sf.Retrain("1d"))
system = sf.System("events", requirements, framing, data, models, evaluation, deployment)
