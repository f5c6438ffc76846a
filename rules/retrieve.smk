"""Published collections: downloaded or taken from an archive, unpacked, and their lists read.

Only where a dataset has such a source.  What is downloaded is no output of a rule, so that nothing
but a user ever deletes it; a file that is there with the right checksum is not downloaded again.

Out: {downloads}/{collection}.csv: path,size_bytes,modified_ns of each file of the collection, which
     is unpacked beside it; {downloads}/{family}_annotations.csv: track_id,label,group,split,subset.
"""


rule retrieve_collection:
    """Download a published collection, unless there is a copy, and unpack it."""
    output:
        listing=kept_here(f"{CONFIG.downloads}/{{collection}}.csv"),
    log:
        of_job("logs", "retrieve_collection", "{collection}"),
    benchmark:
        of_job("benchmarks", "retrieve_collection", "{collection}")
    wildcard_constraints:
        collection="|".join(COLLECTIONS),
    # Nodes of a cluster often have no network.
    localrule: True
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=2880),
    params:
        # Known by its checksum, so no code counts.
        config=lambda w: canonical({"wildcards": {"collection": w.collection}}),
    shell:
        command("retrieve_collection", "output.listing") + ' --untracked "$GENREFLOW_COPIES"'


rule retrieve_annotations:
    """Download the lists of a published collection, unless there is a copy, and read them."""
    output:
        annotations=kept_here(f"{CONFIG.downloads}/{{family}}_annotations.csv"),
    log:
        of_job("logs", "retrieve_annotations", "{family}"),
    benchmark:
        of_job("benchmarks", "retrieve_annotations", "{family}")
    wildcard_constraints:
        family="|".join({collection.family for collection in COLLECTIONS.values()}),
    localrule: True
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        **growing(mem_mb=1000, runtime=120),
    params:
        config=lambda w: depends(f"genreflow.collections.{w.family}", wildcards=("family",))(w),
    shell:
        command("retrieve_annotations", "output.annotations") + ' --untracked "$GENREFLOW_COPIES"'
