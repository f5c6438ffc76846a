"""Statistics of clips, and what learns from a vector a clip, against numpy and scikit-learn."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from genreflow.baselines.folds import learn_fold
from genreflow.baselines.learning import (
    PENALTIES,
    STRENGTHS,
    WIDTHS,
    Learner,
    decisions,
    inner_folds,
    inverse_temperature,
    learn,
)
from genreflow.baselines.statistics import clip_statistics
from genreflow.baselines.svm import svm_from_tensors, svm_tensors
from genreflow.errors import UserError
from genreflow.files.assignments import Assignment
from genreflow.files.clips import Clip
from genreflow.files.vectors import Vectors
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

LABELS = ("a", "b", "c")


def clouds(clips: int = 60, values: int = 8, *, classes: int = 3, seed: int = 0) -> tuple[
    NDArray[np.float64], NDArray[np.int64], list[str]
]:  # fmt: skip
    """Return overlapping classes, values of very different sizes, and groups of four clips."""
    rng = np.random.default_rng(seed)
    labels = np.arange(clips) % classes
    centres = rng.normal(size=(classes, values))
    vectors = centres[labels] + 1.2 * rng.normal(size=(clips, values))
    return vectors * 10.0 ** np.arange(values), labels, [f"g{i // 4}" for i in range(clips)]


def test_statistics_are_those_of_each_band_and_of_its_differences() -> None:
    mel = np.random.default_rng(0).normal(-40, 10, (5, 60)).astype(np.float32)
    found = clip_statistics(mel)
    assert (found.shape, found.dtype) == ((20,), np.float64)
    for band, row in enumerate(mel.astype(np.float64).tolist()):
        steps = [after - before for before, after in pairwise(row)]
        expected = []
        for values in (row, steps):
            mean = sum(values) / len(values)
            expected += [mean, (sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5]
        np.testing.assert_allclose(found[band::5], expected, rtol=1e-12, atol=1e-12)


def test_statistics_of_a_ramp_follow_by_hand() -> None:
    # 0 dB to 9 dB in steps of 1: a mean of 4.5, a variance of 8.25, and steps that are all alike.
    np.testing.assert_allclose(clip_statistics(np.arange(10.0)[None]), [4.5, 8.25**0.5, 1, 0])


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("learner", ["svm", "logistic"])
def test_grid_and_model_are_those_of_scikit_learn(learner: Learner, classes: int) -> None:
    vectors, labels, groups = clouds(classes=classes)
    found = learn(learner, vectors, labels, groups, seed=3, threads=2)
    folds = inner_folds(labels, groups, seed=3)
    if learner == "svm":
        grid = {"svc__C": list(PENALTIES), "svc__gamma": [w / 8 for w in WIDTHS]}
        pipeline = make_pipeline(StandardScaler(), SVC(kernel="rbf", break_ties=True))
    else:
        grid = {"logisticregression__C": list(STRENGTHS)}
        pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    search = GridSearchCV(pipeline, grid, cv=folds, scoring="accuracy").fit(vectors, labels)
    best = {name.rpartition("__")[2]: value for name, value in search.best_params_.items()}
    assert found.chosen == pytest.approx(best)
    assert found.accuracy == pytest.approx(search.best_score_)
    new = clouds(classes=classes, seed=1)[0]
    probabilities = found.probabilities(new, classes=classes)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), search.predict(new))
    if learner == "logistic":
        np.testing.assert_allclose(probabilities, search.predict_proba(new), atol=1e-12)
    else:
        calibrated = CalibratedClassifierCV(
            search.best_estimator_, method="temperature", cv=folds, ensemble=False
        ).fit(vectors, labels)
        np.testing.assert_allclose(probabilities, calibrated.predict_proba(new), atol=1e-4)


def test_the_grid_is_not_decided_by_its_edges_alone() -> None:
    # Else the test above would see no difference between settings.
    vectors, labels, groups = clouds()
    found = learn("svm", vectors, labels, groups, seed=3, threads=1)
    assert 0.4 < found.accuracy < 0.95
    assert learn("logistic", vectors, labels, groups, seed=3, threads=1).chosen["C"] != STRENGTHS[0]


def test_threads_change_no_bit() -> None:
    vectors, labels, groups = clouds()
    one, two = (learn("svm", vectors, labels, groups, seed=0, threads=n) for n in (1, 2))
    assert (one.chosen, one.accuracy, one.scale) == (two.chosen, two.accuracy, two.scale)
    np.testing.assert_array_equal(
        one.probabilities(vectors, classes=3), two.probabilities(vectors, classes=3)
    )


def test_folds_keep_groups_apart_and_classes_together() -> None:
    _, labels, groups = clouds()
    folds = inner_folds(labels, groups, seed=0)
    assert len(folds) == 5
    assert sorted(np.concatenate([others for _, others in folds])) == list(range(60))
    for known, others in folds:
        assert not {groups[i] for i in known} & {groups[i] for i in others}
        assert {*labels[known]} == {*labels[others]} == {0, 1, 2}
    assert any(
        not np.array_equal(a, b)
        for (_, a), (_, b) in zip(folds, inner_folds(labels, groups, seed=1), strict=True)
    )


def test_a_class_of_one_group_takes_its_fold_away() -> None:
    labels = np.array([0] * 4 + [1] * 8 + [2] * 8)
    groups = ["only"] * 4 + [f"b{i // 2}" for i in range(8)] + [f"c{i // 2}" for i in range(8)]
    folds = inner_folds(labels, groups, seed=0)
    assert len(folds) == 1
    (known, others) = folds[0]
    assert {0, 1, 2} == {*labels[known]}
    assert 0 not in labels[others]


@pytest.mark.parametrize("groups", [["a", "a", "b", "b"], ["a", "b", "c", "d"]])
def test_without_folds_there_are_scikit_learn_s_defaults(groups: list[str]) -> None:
    labels = np.array([0, 0, 1, 1]) if groups[0] == groups[1] else np.array([0, 1, 2, 3])
    vectors = np.random.default_rng(0).normal(size=(4, 5))
    assert inner_folds(labels, groups, seed=0) == []
    found = learn("svm", vectors, labels, groups, seed=0, threads=1)
    assert found.chosen == {"C": 1.0, "gamma": 1 / 5}
    assert (np.isnan(found.accuracy), found.scale) == (True, 1.0)
    assert found.probabilities(vectors, classes=4).shape == (4, 4)


def test_a_class_that_is_not_learned_has_no_probability() -> None:
    vectors, labels, groups = clouds()
    found = learn("svm", vectors, labels + (labels > 0), groups, seed=0, threads=1)
    probabilities = found.probabilities(vectors, classes=4)
    np.testing.assert_array_equal(probabilities[:, 1], 0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


@pytest.mark.parametrize("classes", [2, 3])
def test_svm_runs_as_plain_arrays(classes: int) -> None:
    vectors, labels, groups = clouds(classes=classes)
    # A class in between has no clips to learn from.
    found = learn("svm", vectors, labels + (labels > 0), groups, seed=0, threads=1)
    svm = svm_from_tensors(svm_tensors(found))
    for vector in clouds(classes=classes, seed=1)[0]:
        np.testing.assert_allclose(
            svm.probabilities(vector, classes=classes + 1),
            found.probabilities(vector[None], classes=classes + 1)[0],
            rtol=1e-9,
            atol=1e-15,
        )


def test_temperature_has_the_least_cross_entropy() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(200, 3))
    classes = (values + rng.gumbel(scale=2.0, size=(200, 3))).argmax(axis=1)

    def loss(factor: float) -> float:
        powers = np.exp(factor * values)
        return float(log_loss(classes, powers / powers.sum(axis=1, keepdims=True)))

    found = inverse_temperature(values, classes)
    # Gumbel noise of scale 2 draws classes by a softmax of half the values.
    assert found == pytest.approx(0.5, abs=0.15)
    assert loss(found) <= min(loss(found * 0.99), loss(found * 1.01))


def test_decision_values_of_two_classes_are_two_columns() -> None:
    vectors, labels, _ = clouds(classes=2)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(vectors, labels)
    found = decisions(model, vectors)
    np.testing.assert_array_equal(found.argmax(axis=1), model.predict(vectors))
    np.testing.assert_allclose(found[:, 1] - found[:, 0], model.decision_function(vectors))


def fold(labels: dict[str, str], roles: dict[str, str]) -> list[Assignment]:
    return [Assignment(0, track, label, roles[track]) for track, label in labels.items()]


def test_a_fold_learns_from_training_and_validation_clips_alone() -> None:
    vectors, classes, _ = clouds(40)
    names = [f"t{i:02d}" for i in range(40)]
    labels = {name: LABELS[c] for name, c in zip(names, classes, strict=True)}
    roles = {name: ("train", "train", "valid", "test")[i // 3 % 4] for i, name in enumerate(names)}
    clips = [Clip(name, "", labels[name], group=f"g{i // 6}") for i, name in enumerate(names)]
    rows = dict(zip(names, vectors, strict=True))

    def learned(rows: dict[str, NDArray[np.float64]], clips: list[Clip]) -> NDArray[np.float64]:
        found = learn_fold(
            "svm", fold(labels, roles), Vectors(rows, []), clips,
            labels=LABELS, seed=0, threads=1,
        )  # fmt: skip
        return found.probabilities(vectors, classes=3)

    first = learned(rows, clips)
    other = {n: -r if roles[n] == "test" else r for n, r in rows.items()}
    np.testing.assert_array_equal(learned(other, clips), first)
    for role in ("train", "valid"):
        other = {n: -r if roles[n] == role else r for n, r in rows.items()}
        assert not np.array_equal(learned(other, clips), first)


def test_unknown_groups_are_groups_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}
    monkeypatch.setattr(
        "genreflow.baselines.folds.learn",
        lambda *given, **named: seen.update(groups=given[3], seed=named["seed"]),
    )
    labels = dict.fromkeys("abcd", "x") | {"e": "y"}
    roles = dict.fromkeys("abc", "train") | dict.fromkeys("de", "valid")
    clips = [Clip(n, "", labels[n], group="g" if n in "ab" else "") for n in "abcde"]
    rows = dict.fromkeys("abcde", np.zeros(2))
    learn_fold(
        "svm", fold(labels, roles), Vectors(rows, []), clips, labels=("x", "y"), seed=0, threads=1
    )
    groups = seen["groups"]
    assert isinstance(groups, list)
    assert groups[0] == groups[1]
    assert len(set(groups)) == 4


def test_one_label_alone_is_refused() -> None:
    labels, roles = {"a": "x", "b": "x", "c": "y"}, {"a": "train", "b": "valid", "c": "test"}
    with pytest.raises(UserError, match="only clips of 'x' are left to learn from"):
        learn_fold(
            "svm",
            fold(labels, roles),
            Vectors(dict.fromkeys("abc", np.zeros(2)), []),
            [Clip(n, "", labels[n]) for n in "abc"],
            labels=("x", "y"),
            seed=0,
            threads=1,
        )


@pytest.mark.parametrize("learner", ["svm", "logistic"])
def test_shuffled_labels_give_chance_and_planted_ones_all(learner: Learner) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 3
    groups = [f"g{i // 6}" for i in range(300)]
    noise, planted = rng.normal(size=(2, 300, 20))
    planted[:, :3] += 6 * np.eye(3)[labels]
    known, new = np.arange(200), np.arange(200, 300)
    rights = []
    for vectors in (noise, planted):
        found = learn(learner, vectors[known], labels[known], groups[:200], seed=0, threads=1)
        predicted = found.probabilities(vectors[new], classes=3).argmax(axis=1)
        rights.append(int((predicted == labels[new]).sum()))
    # Of 100 guesses among three, 48 or more are right once in a thousand.
    assert 18 < rights[0] < 48
    assert rights[1] >= 99
