"""Numerics of genreflow: two papers on music genre classification, as pure functions.

The package knows nothing of Snakemake.  Modules that are imported while the workflow is
parsed (``config``, ``manifest``, ``partitions``, ``pooling``, ``synthesis``) load no heavy
library at import.
"""

__version__ = "0.1.0"
