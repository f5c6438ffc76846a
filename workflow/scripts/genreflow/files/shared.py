"""What is behind a variant of a dataset: ``results/{dataset}/shared.csv``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Behind:
    """Jobs of a kind that a variant needs.

    Attributes
    ----------
    rule
        Their rule.
    jobs
        How many they are.
    dataset
        The dataset that has their files: the variant, or one with the same recipe before it.
    file, benchmark
        What they write, and Snakemake's measurements of them, with ``*`` for shard, seed and fold.
    studies
        The studies that compare predictions behind which they are, with spaces between.
    """

    rule: str
    jobs: int
    dataset: str
    file: str
    benchmark: str
    studies: str
