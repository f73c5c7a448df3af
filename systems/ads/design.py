"""Ads: how likely is a click, what is showing this ad worth, and what does the advertiser pay?"""
import sixfold as sf
requirements = sf.Requirements(goal="Advertisers reach people who care, at the auction's price", users=5_000_000, items=100_000, peak_rps=20_000, p99_ms=20, freshness_s=10)

viewer, page, ad, campaign = sf.Entity("viewer"), sf.Entity("page"), sf.Entity("ad"), sf.Entity("campaign")
log = sf.Query("""    -- the generated log says when a click came, and has bids and budgets; the real one has neither
    select * from (select null::timestamp as clicked_at, null::double as bid, null::double as daily_budget where false)
    union all by name select * from csv""", csv=sf.Csv("impressions.csv"))
ad_key = ad.key("campaign_id", "product", "product_category_1")
impressions = sf.Events("impressions", log, viewer.key("user_id"), page.key("webpage_id"), ad_key, campaign.key("campaign_id"),
    id="session_id", time=sf.Time("DateTime"), known="greatest(time + 1800, clicked_at)", keep="30d", clicked=sf.Flag("is_click"), clicked_at=sf.Time())
ads = sf.Table("ads", sf.Query("""
        select campaign_id, product, product_category_1, any_value(product_category_2) as product_category_2, any_value(webpage_id) as webpage_id,
               min(DateTime) as since, coalesce(any_value(bid), 1) as bid, coalesce(any_value(daily_budget), 500) as daily_budget from log group by all""",
    log=log), ad_key, valid_from="since", campaign=campaign.key("campaign_id"), since=sf.Time(), page=sf.Category("webpage_id"), product=sf.Category(),
    category=sf.Category("product_category_1"), subcategory=sf.Category("product_category_2"), bid=sf.Number(), daily_budget=sf.Number())
people = sf.Table("people", sf.Query("""
        select user_id, min(DateTime) as since, any_value(gender) as gender, any_value(age_level) as age, any_value(user_depth) as depth,
               any_value(city_development_index) as city from log group by user_id""", log=log), viewer.key("user_id"), valid_from="since",
    since=sf.Time(), gender=sf.Category(), age=sf.Category(), depth=sf.Category(), city=sf.Category())
charges = sf.Events("charges", [], campaign.key("campaign_id"), time=sf.Time("time_ms", unit="ms"), price=sf.Number())    # over HTTP only

person = sf.Features("person", viewer, impressions, shown_1d=sf.count(window="1d"), ctr_3d=sf.rate("clicked", window="3d", prior=(1, 14)))
offer  = sf.Features("offer", campaign, impressions, shown_1h=sf.count(window="1h"), ctr_1d=sf.rate("clicked", window="1d", prior=(5, 70)))
pull   = sf.Features("pull", ad, impressions, shown_1h=sf.count(window="1h"), ctr_1d=sf.rate("clicked", window="1d", prior=(1, 14)))
fit    = sf.Features("fit", (page, ad), impressions, ctr_3d=sf.rate("clicked", window="3d", prior=(5, 70)))
cap    = sf.Features("cap", (viewer, campaign), sf.answers, shown_1d=sf.count(window="1d"))      # what this server showed, counted at once
spend  = sf.Features("spend", campaign, charges, today=sf.sum("price", window="today"))
moment = sf.Derived("moment", hour=sf.Category("hour(now)"))
data = sf.Data(impressions, ads, people, charges, person, offer, pull, fit, cap, spend, moment, timezone="Asia/Kolkata", checks=["gap_h(impressions) <= 12"])

click = sf.Label("click", "clicked", within="30m", time="clicked_at")
framing = sf.Framing(query=viewer, item=ad, examples=impressions, context=[impressions.page], available="ads.bid > 0", labels=[click])

signals = [person, offer, pull, fit, moment, people, ads.campaign, ads.product, ads.category, ads.subcategory, impressions.page]
heads   = [sf.Binary(click, calibrate="beta")]
lr, fm, deepfm, dcn = (sf.Network(name, inputs=signals, heads=heads, body=body, min_count=20, training=sf.Training(epochs=4, learning_rate=0.005, patience=1))
    for name, body in {"lr": sf.Linear(crosses=2), "fm": sf.Fm(), "deepfm": sf.DeepFm(), "dcn": sf.Cross(3)}.items())
trees    = sf.Trees("trees", inputs=signals, heads=heads, rounds=200, learning_rate=0.1)
trees_lr = sf.Network("trees_lr", inputs=[trees.leaves], heads=heads, body=sf.Linear())
models = sf.Models(lr, fm, deepfm, dcn, trees, trees_lr)

evaluation = sf.Evaluation(split=sf.ByTime(validation="1d", test="1d"), slices={"new_ads": "pull.shown_1h = 0"},
    metrics=["log_loss(click)", "normalized_entropy(click)", "auc(click)", "grouped_auc(click)", "calibration_error(click)"],
    gates=["log_loss(click) <= trees.log_loss(click) + 0.0005", "calibration_error(click) <= 0.02", "log_loss(click) <= champion.log_loss(click) + 0.0005"])
deployment = sf.Deployment(         # no candidates: every available ad, or those that the request names
    filters=["ads.page = impressions.page", "cap.shown_1d < 12", "spend.today < ads.daily_budget"], predict=dcn, value="click * ads.bid",
    rerank=[sf.AtMost(3, ads.campaign), sf.Pace(spent=spend.today, budget=ads.daily_budget), sf.SecondPrice(ads.bid, reserve=0.001)], retrain=sf.Retrain("1h", warm=True))
system = sf.System("ads", requirements, framing, data, models, evaluation, deployment)
