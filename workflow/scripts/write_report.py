"""Write the report: one HTML file with all tables and figures in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from genreflow import __version__
from genreflow.files.assignments import read_assignments
from genreflow.files.atomic import write_whole
from genreflow.files.audio_report import read_reports
from genreflow.files.clips import Clip, read_clips
from genreflow.files.records import read_rows
from genreflow.jobs.job import Job, log
from genreflow.results.costs import costs_by_rule
from genreflow.results.excerpts import MOST_EXCERPTS, excerpt
from genreflow.results.mistakes import Answer, answers_of, find_mistakes
from genreflow.results.report import (
    MOST_CLIPS,
    DatasetSection,
    ExperimentSection,
    Image,
    MistakeSection,
    StudySection,
    package_versions,
    render_report,
    role_counts,
)
from genreflow.results.scores import (
    majority_share,
    read_comparisons,
    read_differences,
    read_genre_scores,
    read_partition_rows,
    read_scores,
)

TSNE = (
    "Segments of the test clips of the first fold and seed, one marker each, by the features that "
    "the forest gets: as they are, not standardised. Distances between clouds mean little."
)
EXPERTS = (
    "Dark is a recall of 100 %, and twice the weight that each would have if all counted the same. "
    "The best expert of a genre and the one with the most weight are bold. Below each number is "
    "its 95 % interval (Wilson’s for recalls, bootstrap over clips for weights), or the deviation "
    "over the seeds."
)

CURVES = "A line a fold and seed; the circle is the epoch whose weights were kept."
CLIPS = {
    "hpss": "The power spectrogram and its harmonic and percussive parts (Yi 2019, figure 1).",
    "mel": "The mel spectrograms of these, each of them the input of an expert.",
    "modulation": "The spectrum of each mel band over the clip, the input of an expert.",
    "mfcc": "Mel-frequency cepstral coefficients and their derivatives; the first, which is the "
    "level, is off the scale.",
    "cepstrogram": "The real cepstrum of each frame; its first value, the level, is off the scale.",
    "cepstral_modulation": "The spectrum of each quefrency over windows, before it is "
    "normalised: what the networks of TF learn from.",
}


def main(job: Job) -> None:
    """Gather the tables and figures of every experiment."""
    datasets = []
    clips, wrong_clips = iter(job.paths("clips")), iter(job.paths("wrong_clips"))
    quarantined: dict[str, set[str]] = {}
    for dataset, source in zip(job.planned["datasets"], job.paths("audio_reports"), strict=True):
        reports = read_reports([source])
        lost = [report for report in reports if report.status == "quarantined"]
        quarantined[dataset["name"]] = {report.track_id for report in lost}
        statuses = dict(Counter(report.status for report in reports).most_common())
        drawn = [_clips(next(clips), feature, dataset["name"]) for feature in dataset["pictures"]]
        datasets.append(
            DatasetSection(**dataset | {"pictures": drawn}, statuses=statuses, quarantined=lost)
        )
    matrices, curves, maps = (iter(job.paths(name)) for name in ("matrices", "curves", "tsne"))
    weighted, predicted = (iter(job.paths(name)) for name in ("experts", "predictions"))
    # The same number for each partition.
    excerpts = MOST_EXCERPTS // max(1, len(job.planned["experiments"]))
    experiments = []
    files = (job.paths(name) for name in ("partitions", "manifests", "accuracy"))
    for experiment, partition, manifest, accuracy in zip(
        job.planned["experiments"], *files, strict=True
    ):
        dataset, name = experiment["dataset"], experiment["partition"]
        where = f"{dataset}, {name}"
        pictures = {
            "curves": _curves(next(curves), where) if experiment["curves"] else None,
            "tsne": _tsne(next(maps), where) if experiment["tsne"] else None,
            "experts": _experts(next(weighted), where) if experiment["experts"] else None,
            "wrong_clips": [
                Image(next(wrong_clips), f"Segments of clips that {system} got wrong on {where}.")
                for system in experiment["wrong_clips"]
            ],
        }
        assignments = read_assignments(partition)
        answers = {
            system: answers_of(read_rows(next(predicted))) for system in experiment["systems"]
        }
        experiments.append(
            ExperimentSection(
                **experiment | pictures,
                folds=len({clip.fold for clip in assignments}),
                roles=role_counts([c for c in assignments if c.fold == 0], quarantined[dataset]),
                majority=majority_share(
                    [clip.label for clip in assignments if clip.role == "test"]
                ),
                scores=read_scores(job.path("tables"), dataset, name),
                mistakes=_mistakes(
                    answers,
                    read_clips(manifest),
                    excerpts=excerpts if job.planned["audio"] else 0,
                ),
                comparisons=read_comparisons(job.path("comparisons"), dataset, name),
                audit=read_partition_rows(job.path("leak_audit"), dataset, name),
                agreements=[
                    score
                    for score in read_genre_scores(job.path("experts_by_genre"), dataset, name)
                    if score.metric == "rank_correlation"
                ],
                accuracy=Image(
                    accuracy,
                    f"Accuracy of each system on {where} with its 95 % interval, and the share of "
                    "the largest class; the values are in the table above.",
                ),
                matrices=[
                    Image(next(matrices), f"Figure-of-merit matrix of {system} on {where}.")
                    for system in experiment["systems"]
                ],
            )
        )
    studies = [
        StudySection(
            **study,
            differences=read_differences(job.path("studies"), study["name"]),
            figure=Image(figure, f"What each setting of the study {study['name']} changes."),
        )
        for study, figure in zip(job.planned["studies"], job.paths("study_figures"), strict=True)
    ]
    report = job.path("report")
    html = render_report(
        datasets,
        experiments,
        studies,
        versions=package_versions(__version__),
        costs=costs_by_rule(report.parent / "benchmarks", job.planned["measured"]),
        citations=job.planned["citations"],
    )
    write_whole(report, html.encode())
    log.info("%d experiments, %.1f MB", len(experiments), len(html) / 1e6)


def _mistakes(
    answers: Mapping[str, Mapping[str, Answer]], clips: Sequence[Clip], *, excerpts: int
) -> MistakeSection:
    """Return the clips that were got wrong, the first of them with their sound."""
    wrong = find_mistakes(answers)
    known = {clip.track_id: clip for clip in clips}
    heard = [known[clip.track_id] for clip in wrong[:excerpts]]
    return MistakeSection(
        tested=len(next(iter(answers.values()))),
        missed=len(wrong),
        missed_by_all=sum(clip.wrong == len(answers) for clip in wrong),
        clips=wrong[:MOST_CLIPS],
        groups={c.track_id: known[c.track_id].group for c in wrong[:MOST_CLIPS]},
        excerpts={c.track_id: sound for c in heard if (sound := excerpt(Path(c.path)))},
    )


def _curves(path: Path, where: str) -> Image:
    return Image(
        path, f"Training and validation loss by epoch of every network of {where}.", CURVES
    )


def _clips(path: Path, name: str, dataset: str) -> Image:
    alt = f"{name.replace('_', ' ').capitalize()} of one clip of each label of {dataset}."
    return Image(path, alt, CLIPS.get(name, ""))


def _tsne(path: Path, where: str) -> Image:
    return Image(path, f"t-SNE maps of the test segments of {where}, coloured by genre.", TSNE)


def _experts(path: Path, where: str) -> Image:
    alt = f"Recall of each expert in each genre of {where}, and the mean weights of the mixtures."
    return Image(path, alt, EXPERTS)
