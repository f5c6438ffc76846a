"""A hint where one asks for what nothing makes."""

from itertools import product

from genreflow.plan.checks import not_one_of


def known_targets():
    """Return names that one may ask for: of rules, and of files up to dataset and system."""
    values = {
        "dataset": CONFIG.datasets,
        "system": [*SYSTEMS, *PROBE_SYSTEMS],
        "probe": PROBES,
        "partition": {partition for _, partition in SYSTEMS_OF},
    }
    names = {each.name for each in workflow.rules if not each.has_wildcards()}
    for each in workflow.rules:
        for file in each.output:
            pattern = re.sub(r"\{(\w+),[^}]*\}", r"{\1}", file)
            wildcards = sorted(set(re.findall(r"\{(\w+)\}", pattern)))
            if values.keys() >= set(wildcards):
                choices = product(*(values[wildcard] for wildcard in wildcards))
                names |= {
                    pattern.format(**dict(zip(wildcards, chosen, strict=True)))
                    for chosen in choices
                }
    return names


def name_the_target_meant(record):
    """Put a hint in the place of Snakemake's message about a target that nothing makes."""
    missing = re.search(r"^No rule to produce (\S+) \(if", str(record.msg), re.MULTILINE)
    if missing and getattr(record, "exception", None) == "MissingRuleException":
        names = known_targets()
        found = f"there is nothing that makes `{missing[1]}`."
        named = {each.name for each in workflow.rules if not each.output}
        shown = [*sorted(named), "a file under results/"]
        error = not_one_of(found, missing[1], names, where="the command line", shown=shown)
        if re.search(f"classifiers/(.*/)?{PROBE}", missing[1]):
            error = UserError(
                found,
                where="the command line",
                hint="a probe knows the clips of its embeddings alone; `stats` makes a classifier.",
            )
        record.msg = f"Error: {error}"
    return True


# Which targets were asked for is not known before all rules are.
logger.addFilter(name_the_target_meant)
