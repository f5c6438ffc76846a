"""What one asks for by a name instead of a path."""


rule features:
    """Make every feature cache of the configured datasets that stays, and quarantine.csv."""
    input:
        # The others are made on the way there.
        lambda _: [path for dataset in CONFIG.datasets for path in cached_features(dataset)],
        lambda _: [
            shared(f"results/{dataset}/{name}.csv")
            for dataset in CONFIG.datasets
            for name in ("quarantine", "within_limit")
        ],
        lists_of(CONFIG.datasets),
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
        STUDIES,
    localrule: True


rule report:
    """Make the figures and results/report.html."""
    input:
        "results/report.html",
    localrule: True
