"""A small design without items that is really released and served in tests: posts, and what is done about them."""

import sixfold as sf

post, author = sf.Entity("post"), sf.Entity("author")
posts = sf.Events(
    "posts",
    sf.Csv("posts.csv"),
    post.key(),
    author.key(optional=True),
    time=sf.Time("at", unit="s"),
    text=sf.Text(),
    rude=sf.Flag(),
)
record = sf.Features("record", author, posts, posts_7d=sf.count(window="7d"))
rude = sf.Label("rude", "rude")
judge = sf.Network(
    "judge",
    inputs=[posts.text, record],
    text=sf.HashedText(size=8, filters=8, buckets=2**9),
    body=[sf.Mlp(8)],
    heads=[sf.Binary(rude)],
    training=sf.Training(epochs=1, batch_size=64),
)
system = sf.System(
    "posts",
    sf.Requirements(goal="Nobody is hurt"),
    sf.Framing(query=post, examples=posts, context=[posts.text, posts.author], labels=[rude]),
    sf.Data(posts, record),
    sf.Models(judge),
    sf.Evaluation(split=sf.ByTime(validation=0.2, test=0.2), metrics=["auc(rude)"], gates=[]),
    sf.Deployment(
        predict=judge,
        policy=[sf.Action("hide", on="rude", precision=0.9), sf.Action("review", on="rude", per_day=100, explore=0.2)],
    ),
)
