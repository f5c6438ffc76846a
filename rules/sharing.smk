"""Which files of a variant of a dataset are another dataset's.

A file's recipe is what its rule depends on, settings and code, and all that the rule reads.
What has the same recipe as an earlier dataset's of the same clips is that dataset's file, so nothing
is made twice: `with_wildcards` and `made`, by which rules name what they read, say whose it is.
"""

from functools import cache as remembered


class Wildcards(dict):
    """The values of a rule's wildcards, as functions of rules get them."""

    __getattr__ = dict.__getitem__


#: The datasets whose files a dataset may share, the earliest first.
EARLIER = {
    name: related[: related.index(name)]
    for name in SETTINGS
    for related in [WITH_STUDIES.related(name)]
}
#: Where the values stand on which no choice of a dataset depends, with one for all.
STAND_INS = (
    (re.compile(r"\d{3}-of-(\d{3})"), r"000-of-\1"),
    (re.compile(r"(?<=/seed)\d+(?=/)"), "0"),
    (re.compile(r"(?<=/fold)\d+(?=/)"), "0"),
)


@remembered
def shared(path):
    """Return a file of a dataset, or the one that an earlier dataset has in its place."""
    dataset, name = parts_of(path)
    if not EARLIER.get(dataset):
        return path
    return f"results/{owner(dataset, stand_in(name))}/{name}"


def lists_of(datasets):
    """Return the list of what is shared of each variant among some datasets."""
    return [f"results/{name}/shared.csv" for name in datasets if EARLIER[name]]


def parts_of(path):
    """Return the dataset that a file is of and its name there; empty texts of any other file."""
    folder, _, rest = path.partition("/")
    dataset, _, name = rest.partition("/")
    return (dataset, name) if folder == "results" and dataset in SETTINGS else ("", "")


def stand_in(name):
    """Return a file's name with the first shard, seed and fold."""
    for pattern, replacement in STAND_INS:
        name = pattern.sub(replacement, name)
    return name


@remembered
def owner(dataset, name):
    """Return the dataset that has the files of a kind, by the name of one, in place of another."""
    own = recipe(dataset, name)
    return next((other for other in EARLIER[dataset] if recipe(other, name) == own), dataset)


@remembered
def recipe(dataset, name):
    """Return a file's rule, what it depends on, and what it reads."""
    maker, wildcards = maker_of(f"results/{dataset}/{name}")
    # A dataset's name stands there for messages alone.
    params = maker.params.config(wildcards).replace(f'"dataset":"{dataset}"', "")
    return maker.name, params, tuple(files_read(maker, wildcards))


def maker_of(path):
    """Return the rule that makes a file, and the values of its wildcards."""
    dataset, name = parts_of(path)
    # One rule makes a kind of file of a dataset and of all its variants.
    maker = rule_of(f"results/{CLIPS_OF[dataset]}/{name}" if dataset else path)
    return maker, Wildcards(maker.get_wildcards(located(path)))


@remembered
def rule_of(path):
    """Return the rule that makes a file."""
    return next(each for each in workflow.rules if each.is_producer(located(path)))


def files_read(maker, wildcards):
    """Yield the inputs of a rule."""
    for item in maker.input:
        found = item(wildcards) if callable(item) else named(item).format(**wildcards)
        yield from [found] if isinstance(found, str) else found
