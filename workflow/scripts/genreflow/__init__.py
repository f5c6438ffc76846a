"""genreflow: two papers on music genre classification, a folder a subject.

The package knows nothing of Snakemake.  What is imported while the workflow is parsed (``plan``,
``collections``, ``partitions`` and the registries) loads no heavy library at import.
"""

__version__ = "0.1.0"
