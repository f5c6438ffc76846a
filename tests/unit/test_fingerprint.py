"""Fingerprints: which copies are found, what is never a pair, and an independent comparison."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from itertools import combinations, pairwise
from pathlib import Path

import compute_fingerprint as compute_script
import find_duplicates as find_script
import numpy as np
import pytest
import soundfile
from genreflow.features import fingerprint
from genreflow.features.audio import decode, resample
from genreflow.features.fingerprint import (
    SHORTEST_SECONDS,
    THRESHOLD,
    Duplicate,
    Fingerprint,
    align,
    compute_fingerprint,
    find_duplicates,
    fingerprint_shape,
    step_frames,
)
from genreflow.features.registry import FEATURES
from genreflow.features.stft import compute_stft
from genreflow.features.synthesis import clip_table, synthesise_clip
from genreflow.files.records import read_records, write_records
from genreflow.files.store import FeatureWriter, read_arrays
from genreflow.jobs.job import Job
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

RATE, N_FFT, HOP = 22050, 1024, 512
STEP = step_frames(sample_rate=RATE, hop=HOP)
FRAME_SECONDS = STEP * HOP / RATE
Samples = NDArray[np.float32]


def printed(samples: Samples, *, rate: int = RATE, n_fft: int = N_FFT) -> Fingerprint:
    hop = n_fft // 2
    return compute_fingerprint(
        compute_stft(samples, n_fft=n_fft, hop=hop), sample_rate=rate, hop=hop
    )


def find(prints: dict[str, Fingerprint], threads: int = 1) -> list[Duplicate]:
    return find_duplicates(
        np.stack(list(prints.values())), list(prints), frame_seconds=FRAME_SECONDS, threads=threads
    )


# Copies of a clip.  Samples have the shape (n, channels).


def amplified(samples: Samples, decibels: float) -> Samples:
    """Return samples as 16 bits hold them: what exceeds full scale is clipped."""
    scaled = np.rint(samples * 10 ** (decibels / 20) * 32768)
    return (np.clip(scaled, -32768, 32767) / 32768).astype(np.float32)


def shifted(samples: Samples, rate: int, seconds: float) -> Samples:
    """Return a copy that starts later in the recording, or earlier, zero padded."""
    number = round(abs(seconds) * rate)
    zeros = np.zeros((number, samples.shape[1]), np.float32)
    parts = [samples[number:], zeros] if seconds > 0 else [zeros, samples[:-number]]
    return np.concatenate(parts)


def as_mp3(samples: Samples, rate: int) -> Samples:
    """Return samples after MP3 at 64 kbit/s."""
    largest, smallest = (320, 32) if rate >= 32000 else (160, 8)
    buffer = io.BytesIO()
    soundfile.write(
        buffer, np.clip(samples, -1, 1), rate, format="MP3", subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT", compression_level=(largest - 64) / (largest - smallest),
    )  # fmt: skip
    bitrate = buffer.tell() * 8 / (len(samples) / rate)
    assert bitrate == pytest.approx(64000, rel=0.02)
    buffer.seek(0)
    return soundfile.read(buffer, dtype="float32", always_2d=True)[0]


COPIES: dict[str, Callable[[Samples, int], Samples]] = {
    "mp3": as_mp3,
    "louder": lambda samples, rate: amplified(samples, 6),
    "quieter": lambda samples, rate: amplified(samples, -6),
    "later": lambda samples, rate: shifted(samples, rate, 0.5),
    "earlier": lambda samples, rate: shifted(samples, rate, -0.5),
    "louder earlier mp3": lambda samples, rate: as_mp3(
        amplified(shifted(samples, rate, -0.5), 6), rate
    ),
    "quieter later mp3": lambda samples, rate: as_mp3(
        amplified(shifted(samples, rate, 0.5), -6), rate
    ),
}
OFFSETS = {"later": -0.5, "earlier": 0.5}


def check_copies(clips: dict[str, tuple[Samples, int]]) -> None:
    """Every copy must be found with its clip, and no two different clips, both with a margin."""
    prints, source = {}, {}
    for name, (samples, rate) in clips.items():
        copies = {f"{name} {kind}": copy(samples, rate) for kind, copy in COPIES.items()}
        for version, values in ({name: samples} | copies).items():
            mono = values.mean(axis=1, dtype=np.float32)
            prints[version] = printed(resample(mono, rate, RATE, resampler="soxr_hq"))
            source[version] = name
    found = {(pair.track_id, pair.other): pair for pair in find(prints)}
    for name in clips:
        for kind in COPIES:
            pair = found[name, f"{name} {kind}"]
            expected = next((OFFSETS[word] for word in kind.split() if word in OFFSETS), 0.0)
            assert pair.offset_s == pytest.approx(expected, abs=FRAME_SECONDS), (name, kind)
            assert pair.similarity > THRESHOLD + 0.1, (name, kind)
    assert [pair for pair in found if source[pair[0]] != source[pair[1]]] == []
    for one, other in combinations(clips, 2):
        assert align(prints[one], prints[other])[0] < THRESHOLD - 0.1, (one, other)


def real_clip(emotify: Path, name: str, *, seconds: float) -> tuple[Samples, int]:
    decoded = decode(emotify / f"{name.replace('.', '/')}.mp3", seconds=seconds)
    return decoded.samples[: round(seconds * decoded.sample_rate)], decoded.sample_rate


def test_copies_of_real_clips_are_found_and_no_other_pair(emotify: Path) -> None:
    # The first of each genre, and those that the copies change most.
    names = [
        "classical.002", "electronic.001", "pop.001", "rock.002", "electronic.006",
        "electronic.022", "electronic.033", "electronic.046", "electronic.100", "electronic.017",
        "classical.064", "rock.038",
    ]  # fmt: skip
    check_copies({name: real_clip(emotify, name, seconds=10) for name in names})


def test_one_recording_twice_is_a_pair_and_two_remixes_are_none(emotify: Path) -> None:
    # The first two are excerpts of one recording: their waveforms correlate by 0.96 at this
    # offset, from beginning to end.  The other two are one song at two speeds.
    prints = {}
    for name in ("classical.054", "classical.080", "electronic.028", "electronic.030"):
        samples, rate = real_clip(emotify, name, seconds=29)
        mono = samples.mean(axis=1, dtype=np.float32)
        prints[name] = printed(resample(mono, rate, RATE, resampler="soxr_hq"))
    (pair,) = find(prints)
    assert (pair.track_id, pair.other) == ("classical.054", "classical.080")
    assert pair.offset_s == pytest.approx(2.048, abs=FRAME_SECONDS)


@pytest.mark.long
def test_every_copy_of_every_real_clip_is_found_and_no_false_pair(emotify: Path) -> None:
    """All 200 clips and their copies: recall at least 99 % a kind, and none of 19 900 pairs."""
    with (emotify / "manifest.csv").open(newline="", encoding="utf-8") as handle:
        names = [row["track_id"] for row in csv.DictReader(handle)]
    prints, found = {}, dict.fromkeys(COPIES, 0)
    for name in names:
        samples, rate = real_clip(emotify, name, seconds=30)
        versions = {name: samples} | {kind: copy(samples, rate) for kind, copy in COPIES.items()}
        own = {
            version: printed(
                resample(values.mean(axis=1, dtype=np.float32), rate, RATE, resampler="soxr_hq")
            )
            for version, values in versions.items()
        }
        prints[name] = own[name]
        for kind in COPIES:
            found[kind] += align(own[name], own[kind])[0] >= THRESHOLD
    assert len(names) == 200
    assert min(found.values()) >= 198, found
    # The only pair is one recording: see above.
    assert [(pair.track_id, pair.other) for pair in find(prints)] == [
        ("classical.054", "classical.080")
    ]


def synthesised(number: int) -> dict[str, tuple[Samples, int]]:
    table = clip_table(seeds=(0,), artists=8)[:number]
    return {
        clip.track_id: (synthesise_clip(clip, sample_rate=RATE, seconds=10)[:, None], RATE)
        for clip in table
    }


def test_copies_of_synthesised_clips_are_found_and_no_other_pair() -> None:
    check_copies(synthesised(8))


def test_synthesised_clips_of_one_rhythm_are_no_pairs() -> None:
    # The most alike of all: they differ in tempo, in the pitches of their tones, and in noise.
    table = clip_table(seeds=(0, 1, 2), artists=8)
    prints = [
        printed(synthesise_clip(clip, sample_rate=RATE, seconds=10))
        for clip in table
        if clip.rhythm == "clustered" and clip.balance == "tonal"
    ]
    assert len(prints) == 48
    likeness = [align(one, other)[0] for one, other in combinations(prints, 2)]
    assert max(likeness) < THRESHOLD - 0.1


@pytest.fixture(scope="module")
def music() -> Samples:
    """Return ten seconds of one synthesised clip."""
    ((samples, _),) = synthesised(1).values()
    return samples[:, 0]


def padded(samples: Samples, seconds: float = 20) -> Samples:
    return np.pad(samples, (0, round(seconds * RATE) - samples.size))


@pytest.mark.filterwarnings("error")
def test_clips_without_a_change_have_no_fingerprint(
    make_signal: Callable[..., Samples], music: Samples
) -> None:
    click = np.zeros(10 * RATE, np.float32)
    click[5 * RATE : 5 * RATE + 200] = music[:200] * 5
    nothing = {
        "silent": np.zeros(10 * RATE, np.float32),
        "constant": np.full(10 * RATE, 0.5, np.float32),
        "steady": make_signal("sine", seconds=10),
        "below 16 bits": music * 1e-5,
        "one click": click,
        "short": padded(music[: 2 * RATE]),
    }
    prints = {name: printed(samples) for name, samples in nothing.items()}
    assert {name for name, values in prints.items() if values.any()} == set()
    for name, values in prints.items():
        if values.shape == prints["silent"].shape:
            assert find({name: values, "copy": values}) == []


def test_noise_of_rounding_is_no_change(music: Samples) -> None:
    # One frame for 10 s, and noise 60 dB below it.
    frame = compute_stft(music, n_fft=N_FFT, hop=HOP)[:, 100:101]
    noise = np.random.default_rng(2).normal(1, 1e-3, (frame.size, 431))
    steady = (frame * noise).astype(np.float32)
    assert not compute_fingerprint(steady, sample_rate=RATE, hop=HOP).any()


def test_shift_by_half_a_frame_of_the_fingerprint_changes_little() -> None:
    shift = STEP * HOP // 2
    likeness = []
    for samples, _ in synthesised(16).values():
        later = np.pad(samples[shift:, 0], (0, shift))
        likeness.append(align(printed(samples[:, 0]), printed(later))[0])
    assert np.mean(likeness) > 0.82


def test_rare_event_does_not_overflow() -> None:
    magnitude = np.random.default_rng(6).rayleigh(1, (513, 1292)).astype(np.float32)
    magnitude[35:40, 600:602] *= 300  # in the sixth band
    values = compute_fingerprint(magnitude, sample_rate=RATE, hop=HOP)
    event = values[5, (600 - 6) // STEP - 1 : (600 - 6) // STEP + 2]
    assert event.max() == 127
    assert event.min() > 0


@pytest.mark.parametrize(("level", "heard"), [(-80, True), (-95, False)])
def test_what_16_bits_hold_is_heard(
    make_signal: Callable[..., Samples], level: float, heard: bool
) -> None:
    noise = make_signal("noise", seconds=10)
    quiet = noise * (10 ** (level / 20) / noise.std())
    assert printed(quiet.astype(np.float32)).any() == heard


def test_noise_far_below_the_music_does_not_matter(music: Samples) -> None:
    # As in bands that a coder leaves empty.
    random = np.random.default_rng(4)
    magnitude = compute_stft(music, n_fft=N_FFT, hop=HOP)
    magnitude[60:] = 0
    noisy = [
        magnitude + random.rayleigh(3e-4 * magnitude.max(), magnitude.shape).astype(np.float32)
        for _ in range(2)
    ]
    one, other = (compute_fingerprint(part, sample_rate=RATE, hop=HOP) for part in noisy)
    assert align(one, other)[0] > 0.98


def test_clip_of_the_shortest_length_has_a_fingerprint(music: Samples) -> None:
    assert printed(padded(music[: round((SHORTEST_SECONDS + 0.6) * RATE)])).any()


def test_padding_is_no_likeness(music: Samples) -> None:
    short = {"a": padded(music[: 4 * RATE]), "b": padded(music[5 * RATE : 9 * RATE])}
    short["c"] = 0.3 * short["a"]
    prints = {name: printed(samples) for name, samples in short.items()}
    start = round(4 / FRAME_SECONDS) + 2
    assert not prints["a"][:, start:].any()
    assert prints["a"][:, : start - 10].any(axis=0).all()
    assert [(pair.track_id, pair.other) for pair in find(prints)] == [("a", "c")]


def test_silence_within_a_clip_does_not_reach_its_surroundings(music: Samples) -> None:
    # Levels are relative to those of the audible frames around them alone.
    cut = music.copy()
    cut[4 * RATE : 6 * RATE] = 0
    whole, holed = printed(music), printed(cut)
    gap = slice(round(3.9 / FRAME_SECONDS), round(5.9 / FRAME_SECONDS))
    assert not holed[:, gap.start + 3 : gap.stop - 3].any()
    similarity, lag = align(whole, holed)
    assert lag == 0
    # 80 % of the clip are left.
    assert similarity == pytest.approx(np.sqrt(0.8), abs=0.04)


def test_level_and_a_fixed_equalisation_do_not_matter(music: Samples) -> None:
    magnitude = compute_stft(music, n_fft=N_FFT, hop=HOP)
    tilt = np.geomspace(0.5, 2, magnitude.shape[0], dtype=np.float32)[:, None]
    own = compute_fingerprint(magnitude, sample_rate=RATE, hop=HOP)
    # A power of two, which rounds nothing.
    assert np.array_equal(compute_fingerprint(magnitude / 8, sample_rate=RATE, hop=HOP), own)
    coloured = compute_fingerprint(magnitude * tilt, sample_rate=RATE, hop=HOP)
    assert align(own, coloured)[0] > 0.97


@pytest.mark.parametrize(
    ("rate", "n_fft"), [(22050, 512), (22050, 2048), (22050, 128), (8000, 512), (44100, 2048)]
)
def test_other_settings_of_the_stft_find_the_same(rate: int, n_fft: int) -> None:
    table = clip_table(seeds=(1,), artists=4)[:4]
    prints = {}
    for clip in table:
        samples = synthesise_clip(clip, sample_rate=rate, seconds=8)
        prints[clip.track_id] = printed(samples, rate=rate, n_fft=n_fft)
        later = shifted(amplified(samples[:, None], -6), rate, 0.5)[:, 0]
        prints[f"{clip.track_id} later"] = printed(later, rate=rate, n_fft=n_fft)
    hop = n_fft // 2
    assert prints[table[0].track_id].shape == fingerprint_shape(
        1 + 8 * rate // hop, sample_rate=rate, hop=hop
    )
    seconds = step_frames(sample_rate=rate, hop=hop) * hop / rate
    assert seconds == pytest.approx(0.07, rel=0.4)
    found = find_duplicates(
        np.stack(list(prints.values())), list(prints), frame_seconds=seconds, threads=1
    )
    assert [(pair.track_id, pair.other) for pair in found] == sorted(
        (clip.track_id, f"{clip.track_id} later") for clip in table
    )
    assert all(pair.offset_s == pytest.approx(-0.5, abs=seconds) for pair in found)


# The comparison, on fingerprints that are random numbers.


def random_prints(number: int, frames: int = 41) -> dict[str, Fingerprint]:
    """Return fingerprints of similarities from 0.2 to 0.8 with the one before, some shifted."""
    random = np.random.default_rng(5)
    noise = random.normal(0, 16, (number, 16, frames))
    mixed = [noise[0]]
    for row in range(1, number):
        share = 0.2 + 0.6 * row / number
        previous = np.roll(mixed[-1], random.integers(-3, 4), axis=1)
        mixed.append(share * previous + np.sqrt(1 - share**2) * noise[row])
    names = [f"{i * 7919 % 1000:03d}" for i in range(number)]
    return {
        name: np.clip(np.rint(values), -127, 127).astype(np.int8)
        for name, values in zip(names, mixed, strict=True)
    }


def test_alignment_is_that_of_plain_loops() -> None:
    prints = list(random_prints(6, frames=23).values()) + list(random_prints(3, frames=23).values())
    for one, other in pairwise(prints):
        sums = {}
        for lag in range(-11, 12):
            sums[lag] = 0
            for band in range(one.shape[0]):
                for frame in range(23):
                    if 0 <= frame + lag < 23:
                        sums[lag] += int(one[band, frame]) * int(other[band, frame + lag])
        norm = sum(int(v) ** 2 for v in one.ravel()) * sum(int(v) ** 2 for v in other.ravel())
        similarity, lag = align(one, other)
        assert similarity == max(sums.values()) / np.sqrt(norm)
        assert sums[lag] == max(sums.values())


def pulses(*frames: int) -> Fingerprint:
    values = np.zeros((16, 40), np.int8)
    values[:, list(frames)] = 1
    return values


def test_equal_sums_give_the_smallest_shift() -> None:
    assert align(pulses(10, 14), pulses(11)) == (pytest.approx(np.sqrt(0.5)), 1)
    assert align(pulses(10, 14), pulses(13)) == (pytest.approx(np.sqrt(0.5)), -1)


@pytest.mark.parametrize(("lag", "similarity"), [(20, 1), (-20, 1), (21, 0), (-21, 0)])
def test_shifts_go_up_to_half_a_clip(lag: int, similarity: float) -> None:
    first = 0 if lag > 0 else 39
    assert align(pulses(first), pulses(first + lag))[0] == similarity


def test_every_pair_is_compared_whatever_the_order_and_the_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fingerprint, "BLOCK", 16)
    prints = random_prints(50)
    expected = []
    for one, other in combinations(sorted(prints), 2):
        similarity, lag = align(prints[one], prints[other])
        if similarity >= THRESHOLD:
            pair = (one, other, round(similarity, 4), round(lag * FRAME_SECONDS, 3))
            expected.append(Duplicate(*pair))
    found = find(prints)
    assert found == expected
    # Pairs within a block and between blocks, near the threshold and far above.
    assert 15 < len(expected) < 35
    assert min(pair.similarity for pair in expected) < THRESHOLD + 0.05
    assert {pair.offset_s < 0 for pair in expected} == {True, False}
    backwards = dict(reversed(prints.items()))
    with threadpool_limits(2):
        assert find(backwards, threads=3) == found


def test_clips_at_the_threshold_are_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    prints = dict(list(random_prints(50).items())[30:32])
    similarity, _ = align(*prints.values())
    monkeypatch.setattr(fingerprint, "THRESHOLD", similarity)
    assert len(find(prints)) == 1
    monkeypatch.setattr(fingerprint, "THRESHOLD", similarity + 1e-9)
    assert find(prints) == []


def test_pairs_are_written_and_read_back(tmp_path: Path) -> None:
    pairs = [Duplicate("a", "Dvořák, b", 0.8125, -0.488), Duplicate("c", "d", 1.0, 0.0)]
    write_records(pairs, Duplicate, tmp_path / "pairs.csv")
    text = (tmp_path / "pairs.csv").read_text(encoding="utf-8")
    assert text.splitlines()[0] == "track_id,other,similarity,offset_s"
    assert read_records(tmp_path / "pairs.csv", Duplicate) == pairs


def write_shards(folder: Path, shards: list[dict[str, Samples]]) -> list[Path]:
    """Run compute_fingerprint on shards of clips."""
    outputs = []
    for index, clips in enumerate(shards):
        stft, output = folder / f"stft{index}.h5", folder / f"{index}.h5"
        with FeatureWriter(
            stft, FEATURES["stft"].layout((513, 1 + 10 * RATE // HOP)),
            parameters={"stft": {"n_fft": N_FFT, "hop": HOP}}, sample_rate=RATE, hop=HOP,
        ) as writer:  # fmt: skip
            for track_id, samples in clips.items():
                writer.append(track_id, compute_stft(samples, n_fft=N_FFT, hop=HOP))
        compute_script.main(Job(["--stft", str(stft), "--fingerprints", str(output)]))
        outputs.append(output)
    return outputs


def test_shards_and_their_order_do_not_matter(tmp_path: Path, music: Samples) -> None:
    clips = {name: samples[:, 0] for name, (samples, _) in synthesised(3).items()}
    clips |= {"copy": 0.5 * music, "silent": np.zeros_like(music)}
    names = list(clips)
    results = []
    for index, parts in enumerate([[names], [names[3:], [], names[:3]]]):
        folder = tmp_path / str(index)
        folder.mkdir()
        paths = write_shards(folder, [{name: clips[name] for name in part} for part in parts])
        output = folder / "duplicates.csv"
        arguments = ["--fingerprints", *map(str, paths), "--duplicates", str(output)]
        find_script.main(Job([*arguments, "--threads", "2"]))
        results.append(output.read_bytes())
    assert results[0] == results[1]
    (pair,) = read_records(tmp_path / "0" / "duplicates.csv", Duplicate)
    assert (pair.track_id, pair.other, pair.offset_s) == ("copy", names[0], 0)


def test_fingerprint_file_names_its_parameters(tmp_path: Path, music: Samples) -> None:
    (path,) = write_shards(tmp_path, [{"a": music}])
    arrays, attributes = read_arrays(path)
    assert arrays["data"].dtype == np.int8
    assert np.array_equal(arrays["data"][0], printed(music))
    assert arrays["track_id"].tolist() == ["a"]
    assert attributes["frame_seconds"] == FRAME_SECONDS
    assert '"fingerprint": {"bands": 16' in attributes["parameters"]
    assert '"stft": {"hop": 512' in attributes["parameters"]
