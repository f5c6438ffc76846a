"""What one asks for by a name instead of a path."""


rule features:
    """Make every feature cache of the configured datasets that stays, and quarantine.csv."""
    input:
        # The others are made on the way there.  None that `keep` may name is asked for, since one
        # that went in another run would be made again, and everything behind it.
        [
            f"results/{dataset}/features/{feature}/{shard}.h5"
            for dataset in CONFIG.datasets
            for feature in FEATURES
            if not FEATURES[feature].droppable and FEATURES[feature].cache not in CONFIG.drop
            for shard in SHARDS[dataset]
        ],
        expand("results/{dataset}/quarantine.csv", dataset=CONFIG.datasets),
        expand("results/{dataset}/within_limit.csv", dataset=CONFIG.datasets),
    localrule: True


rule classified:
    """Classify every collection that `classify` of the configuration names."""
    input:
        [f"results/{dataset}/classified/{name}.csv" for dataset, name in CLASSIFIED],
    localrule: True


rule tables:
    """Make results/tables.csv."""
    input:
        "results/tables.csv",
    localrule: True


rule report:
    """Make the figures and results/report.html."""
    input:
        "results/report.html",
    localrule: True
