"""Harm: which posts do harm, of which kind, and what to do about each?"""
import sixfold as sf
requirements = sf.Requirements(goal="Less harm seen, few benign posts removed", users=1_000_000, peak_rps=2_000, p99_ms=50, freshness_s=5)

VERDICTS = ("normal", "offensive", "hatespeech")
GROUPS = ("African", "Women", "Other", "Islam", "Jewish", "Homosexual", "Arab", "Refugee", "Caucasian", "Men", "Asian")
post, author, reviewer, reader = sf.Entity("post"), sf.Entity("author"), sf.Entity("reviewer"), sf.Entity("reader")
log = sf.Query("""    -- the generated posts say who wrote them, when, and what came of them; the real ones have text, votes and targets alone
    select row_number() over () as post_id, * replace (coalesce(asked_at, 1577836800000000 + 1000000 * row_number() over ()) as asked_at)
    from (select * from (select null::bigint as asked_at, null::varchar as author_id, null::bigint as joined_at, null::bigint[] as voted_at,
                                null::varchar[] as reviewers, null::bigint[] as viewed_at, null::bigint[] as reported_at, null::bigint as appealed_at,
                                null::boolean as upheld where false)
          union all by name select * from file)""", file=sf.Parquet("posts.parquet"))
on_post, when = (post.key("post_id"), author.key("author_id", optional=True)), sf.Time("time", unit="us")
posts = sf.Events("posts", sf.Query(f"select * replace ([one for one in targets if one in {GROUPS}] as targets), asked_at as time from log", log=log),
    *on_post, time=when, keep="90d", text=sf.Text(), targets=sf.Categories(values=GROUPS), part=sf.Category("split"))
opinions = sf.Events("opinions", sf.Query("""    -- three annotators, ten minutes later; reviewers' decisions are posted to the same stream
    select post_id, author_id, unnest(labels) as verdict, coalesce(unnest(reviewers), cast(generate_subscripts(labels, 1) as varchar)) as reviewer_id,
           coalesce(unnest(voted_at), asked_at + 600000000) as time from log""", log=log),
    *on_post, reviewer.key("reviewer_id"), time=when, keep="90d", verdict=sf.Category(values=VERDICTS))
views = sf.Events("views", sf.Query("select post_id, unnest(viewed_at) as time, generate_subscripts(viewed_at, 1) as reader_id from log", log=log),
    post.key("post_id"), reader.key("reader_id"), time=when, keep="30d")
reports = sf.Events("reports", sf.Query("select post_id, author_id, unnest(reported_at) as time, generate_subscripts(reported_at, 1) as reader_id from log",
    log=log), *on_post, reader.key("reader_id"), time=when, keep="90d")
appeals = sf.Events("appeals", sf.Query("select post_id, author_id, appealed_at as time, upheld from log where appealed_at is not null", log=log),
    *on_post, time=when, keep="90d", upheld=sf.Flag())
authors = sf.Table("authors", sf.Query("select author_id, min(joined_at) as joined from log where author_id is not null group by all", log=log),
    author.key("author_id"), valid_from="joined", joined=sf.Time(unit="us"))

standing = sf.Features("standing", author, opinions, votes_30d=sf.count(window="30d"), hateful_30d=sf.rate("verdict = 'hatespeech'", window="30d", prior=(1, 20)),
                       harmful_30d=sf.rate("verdict <> 'normal'", window="30d", prior=(1, 8)))
accused  = sf.Features("accused", author, reports, reports_30d=sf.count(window="30d"))
regret   = sf.Features("regret", author, appeals, upheld_90d=sf.rate("upheld", window="90d", prior=(1, 10)))
traffic  = sf.Features("traffic", post, views, views=sf.count(), views_1h=sf.count(window="1h"))
alarm    = sf.Features("alarm", post, reports, reports=sf.count(), reports_1h=sf.count(window="1h"))
account  = sf.Derived("account", age_days="(now - authors.joined) / 86400")
data = sf.Data(posts, opinions, views, reports, appeals, authors, standing, accused, regret, traffic, alarm, account)

verdict = sf.Label("verdict", sf.last("verdict", n=20), over=opinions)      # of each class its share of the votes
severity = sf.Label("severity", sf.mean("case when verdict = 'hatespeech' then 1 when verdict = 'offensive' then 0.5 else 0 end"), over=opinions)
target  = sf.Label("target", "targets")
upheld  = sf.Label("upheld", sf.max("upheld"), over=appeals)
framing = sf.Framing(query=post, examples=posts, context=[posts.text, posts.author], labels=[verdict, severity, target, upheld])   # no item: one answer a post

signals = [posts.text, standing, accused, regret, traffic, alarm, account]
heads = [sf.OneOf(verdict, calibrate="isotonic"), sf.Binary(severity, weight=0.3), sf.AnyOf(target, calibrate="isotonic")]
trained = sf.Training(epochs=5, batch_size=64, learning_rate=0.002)
detector = sf.Network("detector", inputs=signals, heads=heads, body=[sf.Mlp(128), sf.Experts(2, 64)], text=sf.HashedText(size=128, augment=0.3), training=trained)
undefended = sf.Network("undefended", inputs=signals, heads=heads, body=[sf.Mlp(128), sf.Experts(2, 64)], text=sf.HashedText(size=128, normalise=False),
    training=trained)                                                                                                   # against disguises
plain, balanced, focal = (sf.Network(loss, inputs=[posts.text], heads=[sf.OneOf(verdict, loss=loss), sf.AnyOf(target, loss=loss)], body=sf.Linear(),
    training=sf.Training(epochs=8, batch_size=64, learning_rate=0.01)) for loss in ("plain", "balanced", "focal"))     # words and n-grams alone
models = sf.Models(detector, undefended, plain, balanced, focal)

evaluation = sf.Evaluation(split=sf.ByColumn(posts.part, train="train", validation="val", test="test"),
    metrics=["accuracy(verdict)", "macro_f1(verdict)", "auc(verdict)", "auc(1 - verdict.normal)", "average_precision(target)", "xauc(severity)",
        "prevalence(1 - verdict.normal)", "prevalence(upheld)"],
    slices={"unreported": "alarm.reports = 0", **{group.lower(): f"contains(posts.targets, '{group}')" for group in GROUPS}},
    gates=["auc(1 - verdict.normal) >= plain.auc(1 - verdict.normal)", "average_precision(target) >= plain.average_precision(target) - 0.01"])
deployment = sf.Deployment(predict=detector, retrain=sf.Retrain("1d"), policy=[
    sf.Action("remove", on="verdict.hatespeech", precision=0.85),
    sf.Action("review", on="1 - verdict.normal", per_day=2_000, order="severity * (1 + traffic.views_1h)", explore=0.1),
    sf.Action("demote", on="1 - verdict.normal", recall=0.8)])
system = sf.System("harm", requirements, framing, data, models, evaluation, deployment)
