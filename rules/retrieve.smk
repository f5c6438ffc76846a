"""Published collections: downloaded or taken from an archive, unpacked, and their lists read.

Only where a dataset has such a source.  What is downloaded is no output of a rule, so that nothing
but a user ever deletes it; a file that is there with the right checksum is not downloaded again.

Out: {downloads}/{collection}.csv: path,size_bytes,modified_ns of each file of the collection, which
     is unpacked beside it; {downloads}/{family}_annotations.csv: track_id,label,group,split,subset.
"""


# On the machine that runs Snakemake: nodes of a cluster often have no network.
localrules:
    retrieve_collection,
    retrieve_annotations,


rule retrieve_collection:
    output:
        listing=f"{CONFIG.downloads}/{{collection}}.csv",
    log:
        "results/logs/retrieve_collection/{collection}.log",
    benchmark:
        "results/benchmarks/retrieve_collection/{collection}.tsv"
    wildcard_constraints:
        collection="|".join(COLLECTIONS),
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(2880),
    params:
        config=lambda w: canonical({"collection": w.collection}),
    shell:
        command("retrieve_collection")
        + "--untracked {COPIES:q} --listing {output.listing:q}"


rule retrieve_annotations:
    output:
        annotations=f"{CONFIG.downloads}/{{family}}_annotations.csv",
    log:
        "results/logs/retrieve_annotations/{family}.log",
    benchmark:
        "results/benchmarks/retrieve_annotations/{family}.tsv"
    wildcard_constraints:
        family="|".join({collection.family for collection in COLLECTIONS.values()}),
    conda:
        "../envs/features.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(120),
    params:
        config=lambda w: canonical(
            {"family": w.family, "code": code_digest(f"genreflow.collections.{w.family}", SCRIPTS)}
        ),
    shell:
        command("retrieve_annotations")
        + "--untracked {COPIES:q} --annotations {output.annotations:q}"
