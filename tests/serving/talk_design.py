"""A small design that judges posts and is really released and served in tests: what waits for reviewers is a queue."""

import sixfold as sf

post, author, reader = sf.Entity("post"), sf.Entity("author"), sf.Entity("reader")
on_post, when = (post.key("post_id"), author.key("author_id", optional=True)), sf.Time("at", unit="s")
posts = sf.Events("posts", [], *on_post, time=when, text=sf.Text())
votes = sf.Events(
    "votes",
    [],
    *on_post,
    reader.key("reader_id"),
    time=when,
    mood=sf.Category(values=("kind", "rude", "vile")),
    sure=sf.Flag(),
    note=sf.Category(),
)
views = sf.Events("views", [], post.key("post_id"), time=when)
record = sf.Features("record", author, votes, vile_7d=sf.count(window="7d", where="mood = 'vile'"))
traffic = sf.Features("traffic", post, views, views_1h=sf.count(window="1h"))
mood = sf.Label("mood", sf.last("mood", n=9), over=votes)
judge = sf.Network(
    "judge",
    inputs=[posts.text, record],
    text=sf.HashedText(size=8, filters=8, buckets=2**10),
    body=[sf.Mlp(16)],
    heads=[sf.OneOf(mood)],
    training=sf.Training(epochs=6, batch_size=32, learning_rate=0.02),
    min_count=1,
)
system = sf.System(
    "talk",
    sf.Requirements(goal="Nobody is hurt"),
    sf.Framing(query=post, examples=posts, context=[posts.text, posts.author], labels=[mood]),
    sf.Data(posts, votes, views, record, traffic),
    sf.Models(judge),
    sf.Evaluation(split=sf.ByTime(validation=0.2, test=0.2), metrics=["accuracy(mood)"], gates=[]),
    sf.Deployment(
        predict=judge,
        policy=[
            sf.Action("remove", on="mood.vile", precision=0.9),
            sf.Action(
                "review",
                on="1 - mood.kind",
                per_day=20,
                explore=0.2,
                order="(1 - mood.kind) * (1 + traffic.views_1h)",
            ),
        ],
    ),
)
