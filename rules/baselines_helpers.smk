"""Which embeddings the probes of the configuration read."""

from genreflow.plan.probes import plan_probe

with clear_messages():
    #: The state of each probe's embeddings, by its name.
    PROBES = {name: plan_probe(name, probe.vectors) for name, probe in CONFIG.probes.items()}
PROBE_SYSTEMS = [PROBE + name for name in PROBES]


def embeddings_of(wildcards):
    """Return a probe's embeddings; of a folder its files' state counts, not its own time."""
    path = kept_here(CONFIG.probes[wildcards.probe].vectors)
    return ancient(path) if PROBES[wildcards.probe] else path
