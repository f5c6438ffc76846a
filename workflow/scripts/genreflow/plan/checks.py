"""Values of the configuration that contradict each other."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator
from typing import Any

from genreflow.errors import UserError
from genreflow.features.registry import clip_shape
from genreflow.partitions.names import FAULT_FILTERED, OFFICIAL
from genreflow.plan.schema import Config, Experiment, Settings, Variant
from genreflow.systems import EXPERTS, PROBE, is_probe, required_networks

#: What has a folder of its own among the results, or is called like theirs.
RESERVED = ("benchmarks", "figures", "logs", "results", "tables", "workflow")
#: From a path of keys to words for where it stands.
Place = Callable[..., str]


def settings_errors(settings: Settings, where: str) -> list[UserError]:
    """Return what is wrong with values that contradict each other, naming both."""
    try:
        return _contradictions(settings, where)
    except OverflowError as error:
        found = f"the numbers are too large to reckon with: {error}."
        return [UserError(found, where=where)]


def _contradictions(settings: Settings, where: str) -> list[UserError]:
    errors = []
    stft, audio, mel = settings.stft, settings.audio, settings.mel
    kernel, delta_width = settings.hpss.kernel, settings.mfcc.delta_width
    window, experts = settings.cepstral_modulation.window_frames, settings.mixer.experts

    def refuse(found: str, hint: str) -> None:
        errors.append(UserError(found, where=where, hint=hint))

    if stft.n_fft % 2 or (stft.n_fft // 2) % stft.hop:
        refuse(
            f"stft.n_fft / 2 = {stft.n_fft / 2:g} is not a multiple of stft.hop = {stft.hop}.",
            "one STFT serves both papers only when centred and uncentred frames coincide.",
        )
    if mel.fmax > audio.sample_rate / 2:
        refuse(
            f"mel.fmax = {mel.fmax:g} is above half of audio.sample_rate = {audio.sample_rate}.",
            f"use at most {audio.sample_rate / 2:g}.",
        )
    if mel.fmin >= mel.fmax:
        refuse(f"mel.fmin = {mel.fmin:g} is not below mel.fmax = {mel.fmax:g}.", "exchange them?")
    if settings.mfcc.n_mfcc > mel.n_mels:
        refuse(
            f"mfcc.n_mfcc = {settings.mfcc.n_mfcc} exceeds mel.n_mels = {mel.n_mels}.",
            "a DCT of the bands gives at most as many coefficients.",
        )
    for key, value in (("hpss.kernel", kernel), ("mfcc.delta_width", delta_width)):
        if value % 2 == 0:
            refuse(
                f"{key} = {value} is even.", "the filter is centred on a frame: use an odd length."
            )
    for feature, key, value in (
        ("stft", "mfcc.delta_width", delta_width),
        ("cepstrogram", "cepstral_modulation.window_frames", window),
    ):
        _, frames = clip_shape(feature, settings)
        if value > frames:
            refuse(
                f"{key} = {value} exceeds the {frames} frames of audio.clip_seconds = "
                f"{audio.clip_seconds:g}.",
                "use longer clips or a shorter window.",
            )
    if window % 2:
        refuse(
            f"cepstral_modulation.window_frames = {window} is odd.",
            "the modulation spectrum ends at T / 2: use an even window.",
        )
    if len(set(settings.seeds)) != len(settings.seeds):
        refuse(f"seeds = {settings.seeds} repeats a seed.", "each seed is one run.")
    if len(set(experts)) != len(experts):
        refuse(f"mixer.experts = {experts} repeats an expert.", "each expert has one weight.")
    return errors


def name_errors(config: Config, place: Place) -> Iterator[UserError]:
    """Yield which names of datasets, or of the folder of downloads, files can't have."""
    if set(config.downloads) & set("{}"):
        yield UserError(
            f"`downloads` is {config.downloads!r}, which Snakemake would fill in.",
            where=place("downloads"),
            expected="a folder without braces in its path",
        )
    for name in config.datasets:
        if name in RESERVED:
            yield UserError(
                f"a dataset is called `{name}`, as one of the workflow's own folders.",
                where=place("datasets", name),
                expected=f"another name than {', '.join(RESERVED)}",
                hint=f"for example `my_{name}`; change it in `experiments` too.",
            )


def variant_errors(config: Config, place: Place) -> Iterator[UserError]:
    """Yield what is wrong with datasets that are like another one."""
    for name, dataset in config.datasets.items():
        if not isinstance(dataset, Variant):
            continue
        where, seen, other = place("datasets", name), [name], dataset.like
        while isinstance(found := config.datasets.get(other), Variant) and other not in seen:
            seen.append(other)
            other = found.like
        if other in seen:
            yield UserError(f"dataset `{name}` is like itself: {', '.join(seen)}.", where=where)
        elif dataset.like not in config.datasets:
            found_name = f"dataset `{name}` is like `{dataset.like}`, which is not there."
            yield not_one_of(found_name, dataset.like, config.datasets, where=where)
        audio = dataset.settings.get("audio")
        if isinstance(audio, dict) and "max_quarantined" in audio:
            yield UserError(
                f"`audio.max_quarantined` is given for `{name}`, which has the clips of `{other}`.",
                where=place("datasets", name, "settings", "audio", "max_quarantined"),
                hint=f"give it for `{other}`.",
            )


def cache_errors(config: Config, place: Place) -> Iterator[UserError]:
    """Yield which caches are to stay and to go."""
    for cache in dict.fromkeys(config.drop):
        if cache in config.keep:
            others = ", ".join(name for name in config.keep if name != cache)
            yield UserError(
                f"`{cache}` is in `keep` and in `drop`.",
                where=place("drop"),
                hint=f"`keep: [{others}]` lets it go; without it in `drop`, it stays.",
            )


def experiment_errors(config: Config, place: Place) -> Iterator[UserError]:
    """Yield what is wrong with experiments and studies: what is not there, clips too short.

    Parameters
    ----------
    place
        From a path of keys to words for where it stands.
    """
    blocks: dict[str, list[Any]] = {"experiments": config.experiments, "studies": config.studies}
    for block, experiments in blocks.items():
        for index, experiment in enumerate(experiments):
            where = place(block, index)
            if experiment.dataset not in config.datasets:
                found = f"dataset `{experiment.dataset}` is not among the datasets."
                yield not_one_of(found, experiment.dataset, config.datasets, where=where)
                continue
            yield from _probe_errors(config, experiment, block, index, place)
            yield from _list_errors(config, experiment, where)
            where = f"{where}, dataset `{experiment.dataset}`"
            yield from size_errors(config.settings(experiment.dataset), experiment, where)


def _probe_errors(
    config: Config, experiment: Experiment, block: str, index: int, place: Place
) -> Iterator[UserError]:
    """Yield the systems that are probes which the configuration does not have."""
    probes = [PROBE + name for name in config.probes]
    for number, system in enumerate(experiment.systems):
        if is_probe(system) and system not in probes:
            yield not_one_of(
                f"`{block}.{index}.systems.{number}` is {system!r}.",
                system,
                probes or [f"{PROBE}NAME for each NAME in `probes`"],
                where=place(block, index, "systems", number),
            )


def _list_errors(config: Config, experiment: Experiment, where: str) -> Iterator[UserError]:
    """Yield whether a partition is a published list that the dataset does not have."""
    dataset, partition = config.source(experiment.dataset), experiment.partition
    lists, is_fma = getattr(dataset, "lists", None), dataset.source.startswith("fma")
    for published, there, expected in (
        (FAULT_FILTERED, lists, "`source: gtzan`, without `lists: null`"),
        (OFFICIAL, is_fma, "`source: fma_small`, or another subset of FMA"),
    ):
        if partition.startswith(published) and not there:
            yield UserError(
                f"partition `{partition}` of dataset `{experiment.dataset}` has no lists.",
                where=where,
                expected=expected,
                hint="lists of your own go into a manifest's column `split`: `partition: split`.",
            )


def size_errors(settings: Settings, experiment: Experiment, where: str) -> Iterator[UserError]:
    """Yield the experts of an experiment whose inputs no pools take to a 1 x 1 map."""
    for expert in required_networks(experiment.systems, settings.mixer.experts):
        if expert in EXPERTS and settings.expert_pools(expert) is None:
            rows, columns = settings.expert_shape(expert)
            yield UserError(
                f"audio.clip_seconds = {settings.audio.clip_seconds:g} with mel.n_mels = "
                f"{settings.mel.n_mels} gives the {expert} expert a {rows} x {columns} input, "
                "which no five pools take to a 1 x 1 map.",
                where=where,
                hint="use longer clips or more bands, or leave the experts out of `systems`.",
            )


def classification_errors(config: Config, place: Place) -> Iterator[UserError]:
    """Yield what is wrong with the collections to classify, as far as the configuration tells."""
    seen: set[tuple[str, str]] = set()
    for index, wanted in enumerate(config.classify):
        where = place("classify", index)
        if wanted.dataset not in config.datasets:
            found = f"dataset `{wanted.dataset}` is not among the datasets."
            yield not_one_of(found, wanted.dataset, config.datasets, where=where)
        if (wanted.dataset, wanted.file) in seen:
            yield UserError(
                f"dataset `{wanted.dataset}` has two results of the name `{wanted.file}`.",
                where=where,
                hint="give one of them another `name`.",
            )
        seen.add((wanted.dataset, wanted.file))


def not_one_of(
    found: str,
    given: str,
    choices: Collection[str],
    *,
    where: str,
    cutoff: float = 0.6,
    shown: Collection[str] = (),
) -> UserError:
    """Return an error that names the choices, and the one that was probably meant.

    ``shown`` are the choices that it names, where there are too many for all.
    """
    close = difflib.get_close_matches(given, choices, n=1, cutoff=cutoff)
    return UserError(
        found,
        where=where,
        expected="one of " + ", ".join(shown or choices),
        hint=f"did you mean `{close[0]}`?" if close else "",
    )
