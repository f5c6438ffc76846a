"""What the rules for clips and partitions take from planning."""


def retrieved(names):
    """Return files among the downloads by their names."""
    return [kept_here(f"{CONFIG.downloads}/{name}") for name in names]


def collection_facts(wildcards, name, none):
    """Return what is known of a published collection, or another value for one's own music."""
    collection = PLANNED[wildcards.dataset].collection
    return getattr(collection, name) if collection else none


def planned_manifest(wildcards):
    """Return what is known of a dataset's clips."""
    planned = PLANNED[wildcards.dataset]
    value = {"source": planned.source, "clips": planned.digest}
    if family := collection_facts(wildcards, "family", ""):
        # Its clips are not in the digest: they are known only when its lists are read.
        value["collection"] = code_digest(f"genreflow.collections.{family}", SCRIPTS)
    return value


def rendered_audio(wildcards):
    """Return the folder of a shard's synthesised clips, if they are."""
    clips_of = CLIPS_OF[wildcards.dataset]
    if CONFIG.datasets[clips_of].source != "synthetic":
        return []
    return f"results/{clips_of}/audio/{wildcards.shard}"
