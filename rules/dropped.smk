"""What is said before a run in which caches are removed: how much that saves, what it costs later.

In:  the graph of the run, and the params of its rules with another value of each key.
"""

from genreflow.plan.dropping import (
    Cost,
    clip_bytes,
    describe_dropping,
    jobs_again,
    setting_keys,
    with_another,
)
from snakemake_interface_logger_plugins.common import LogEvent

#: Wildcards whose value changes nothing of which keys a job depends on.
ALIKE = {"shard", "seed", "fold"}


#: Said where trainings would find nothing left to read.
FEATURES_ALONE = (
    "The target `features` keeps none of these. Trainings in a later run have them made again, so ask "
    "for both in one: -- features results/tables.csv\n"
)
#: Said once a run; a dry run counts its jobs at its end too.
SAID = []


def feature_of_cache(file):
    """Return the feature that a file is a cache of; None for other files."""
    folder = Path(file).parent
    return folder.name if folder.parent.name == "features" and folder.name in FEATURES else None


def jobs_by_key(jobs):
    """Return the jobs whose own params change with a key, for each key."""
    global CONFIG
    alike = {}
    for job in jobs:
        wildcards = {name: value for name, value in job.wildcards.items() if name not in ALIKE}
        # A workflow that uses this one as a module has rules of its own.
        if callable(job.rule.params.get("config")):
            alike.setdefault((job.rule.name, *wildcards.items()), []).append(job)
    config, settings, found = CONFIG, dict(SETTINGS), {}
    try:
        for key in setting_keys():
            CONFIG = with_another(config, key)
            SETTINGS.update({name: with_another(own, key) for name, own in settings.items()})
            found[key] = [
                job
                for group in alike.values()
                if group[0].rule.params.config(group[0].wildcards) != group[0].params.config
                for job in group
            ]
    finally:
        CONFIG = config
        SETTINGS.update(settings)
    return found


def describe_removed():
    """Return which caches this run removes and at what price; an empty text where it does not."""
    dag = workflow.dag
    jobs = list(dag.jobs)
    makers = {file: job for job in jobs for file in job.output if feature_of_cache(file)}
    gone = {file for file, job in makers.items() if file in job.temp_output}
    touched = {file for job in dag.needrun_jobs() for file in (*job.input, *job.output)}
    if workflow.storage_settings.notemp or not gone & touched:
        return ""
    makers_of_gone = {job: {makers[f] for f in gone.intersection(job.input)} for job in jobs}

    def again(first, makers=makers_of_gone):
        return len(
            jobs_again(
                first,
                follow=lambda job: dag.depending.get(job, ()),
                makers_of_gone=makers.__getitem__,
            )
        )

    sizes = {}
    total = 0
    for name, feature in sorted(
        {(job.wildcards.dataset, feature_of_cache(f)) for f, job in makers.items()}
    ):
        size = PLANNED[name].number * clip_bytes(feature, SETTINGS[name])
        total += size
        if (cache := FEATURES[feature].cache) in CONFIG.dropped:
            sizes[cache] = sizes.get(cache, 0) + size
    changes = jobs_by_key(jobs)
    # One of each dataset will do: shards are about alike.
    shards = {job.wildcards.dataset: job for job in jobs if job.rule.name.endswith("write_shard")}
    changes["a clip whose file is replaced"] = list(shards.values())
    all_there = dict.fromkeys(jobs, ())
    counts = {}
    for first in set(map(frozenset, changes.values())):
        counts[first] = again(first), again(first, all_there)
    return describe_dropping(
        {name: sizes[name] for name in CONFIG.dropped if name in sizes},
        total=total,
        again={
            name: again({makers[f] for f in gone if FEATURES[feature_of_cache(f)].cache == name})
            for name in sizes
        },
        jobs=len(jobs),
        costs=[Cost(change, *counts[frozenset(first)]) for change, first in changes.items()],
    )


def features_alone():
    """Return whether features are asked for by their target, and nothing that is trained on them."""
    rules = {job.rule.name for job in workflow.dag.jobs}
    return (
        bool(CONFIG.drop)
        and any(name.endswith("features") for name in rules)
        and not any("fold" in job.wildcards.keys() for job in workflow.dag.jobs)
    )


def say_what_is_removed(record):
    """Say it before Snakemake counts the jobs of a run, dry or not."""
    if getattr(record, "event", None) == LogEvent.RUN_INFO and not SAID:
        SAID.append(True)
        if words := describe_removed():
            logger.info(f"{words}\n{FEATURES_ALONE if features_alone() else ''}")
    return True


# The graph of a run is known only once all rules and targets are.
logger.addFilter(say_what_is_removed)
