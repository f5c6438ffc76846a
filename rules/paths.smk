"""Where everything lies: a pattern for each kind of file, and lists of them."""


def feature_file(feature):
    """Return the pattern of a feature's shards."""
    return f"results/{{dataset}}/features/{feature}/{{shard}}.h5"


def cache(feature, *, name=""):
    """Return `feature_file` as an output, removed after its last use where it is to go.

    Parameters
    ----------
    name
        That of the cache, where the feature's holds a wildcard.
    """
    file = feature_file(feature)
    return temp(file) if (name or FEATURES[feature].cache) in CONFIG.dropped else file


def urgency(feature):
    """Return the priority of what is made from a feature: the further on, the sooner one goes.

    Otherwise half of all shards have a cache that is to go at a time; so, few more than there are
    cores.
    """
    steps = 0
    while feature:
        feature, steps = FEATURES[feature].parent, steps + 1
    return steps if CONFIG.dropped else 0


def fold_file(kind, name):
    """Return the pattern of a file that there is for every partition, seed and fold."""
    return f"results/{{dataset}}/{kind}/{{partition}}/seed{{seed}}/fold{{fold}}/{name}"


def partition_file():
    """Return the pattern of the files of partitions."""
    return "results/{dataset}/partitions/{partition}.csv"


def of_job(kind, rule, variant=""):
    """Return the pattern of a job's log or benchmark."""
    ending = {"logs": "log", "benchmarks": "tsv"}[kind]
    return f"results/{kind}/{rule}{variant and '/'}{variant}.{ending}"


def in_report(file, category):
    """Return a table or a figure as an output that Snakemake's own report shows.

    Its caption is workflow/report/tables/{name}.rst or workflow/report/figures/{name}.rst, with the
    name of the table's file or of the figures' folder.
    """
    path = Path(file)
    kind, name = "tables", path.stem.partition("_{")[0]
    if path.suffix == ".png":
        kind, name = "figures", path.parent.name
    wildcards = {wildcard: f"{{{wildcard}}}" for wildcard in re.findall(r"\{(\w+)\}", file)}
    return report(
        file,
        caption=f"../workflow/report/{kind}/{name}.rst",
        category=category,
        subcategory=kind.capitalize(),
        labels={"content": name.replace("_", " "), **wildcards},
    )


def all_shards(pattern, wildcards):
    """Return a file for every shard of a dataset."""
    return [
        with_wildcards(pattern, wildcards, shard=shard) for shard in SHARDS[wildcards["dataset"]]
    ]


def shards_of(feature):
    """Return an input function: all shards of a feature."""
    return lambda wildcards: all_shards(feature_file(feature), wildcards)


def cached_features(dataset):
    """Return every feature cache of a dataset that stays.

    None that `keep` may name, since one that went in another run would be made again, and everything
    behind it.
    """
    return [
        file
        for feature in FEATURES
        if not FEATURES[feature].droppable and FEATURES[feature].cache not in CONFIG.drop
        for file in all_shards(feature_file(feature), {"dataset": dataset})
    ]


def with_wildcards(pattern, wildcards, **others):
    """Return what to read by its pattern, with the wildcards' values for what is not given.

    It is the file of the dataset that has it (`shared`).
    """
    return shared(pattern.format(**{**wildcards, **others}))


def made(pattern):
    """Return an input function: what to read by its pattern."""
    return lambda wildcards: with_wildcards(pattern, wildcards)
