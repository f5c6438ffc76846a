"""Synthesised music with a planted truth, for the demo and for end-to-end tests.

Eight classes cross three binary factors, so that each kind of feature has a known expected result:

* timbre, ``dull`` or ``bright``: how steeply the partials of the tones fall off;
* rhythm, ``even`` or ``clustered``: the timing of the eight onsets of each bar, nothing else;
* balance, ``tonal`` or ``percussive``: the level of the tones against that of the noise bursts
  that sound at the same onsets.

Artists (an equalisation curve, a room, a decay time, a level) cross the classes: each has one clip
of every class. A classifier that learns artists gains nothing on a group-disjoint partition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

TIMBRES: Final = ("dull", "bright")
RHYTHMS: Final = ("even", "clustered")
BALANCES: Final = ("tonal", "percussive")
_CLASSES: Final = tuple(product(TIMBRES, RHYTHMS, BALANCES))

ONSETS_PER_BAR: Final = 8

# Onsets in sixteenths of a bar of four beats.
_PATTERNS: Final = {"even": (0, 2, 4, 6, 8, 10, 12, 14), "clustered": (0, 1, 2, 3, 8, 9, 10, 11)}
_TEMPO_BPM: Final = (95.0, 125.0)

# Within a cluster onsets are at least 120 ms apart (a sixteenth at 125 bpm). A sound with its
# room lasts 70 ms, and a frame of 1024 samples at 22 050 Hz 46 ms, so that no frame ever holds
# two sounds: one frame of a rhythm twin can't be told from one frame of the other.
_TONE_SECONDS: Final = 0.060
_ROOM_SECONDS: Final = 0.010

# Partial k has the amplitude k ** -slope.
_SLOPES: Final = {"dull": 1.7, "bright": 1.15}
_MAX_PARTIALS: Final = 24
_PITCH_HZ: Final = (196.0, 392.0)

# Amplitudes of tones and noise bursts; their squares sum to 1, so that the balance shows little in
# the level (the bursts decay faster, hence 1 to 2 dB).
_BALANCE_GAINS: Final = {"tonal": (0.97, 0.24), "percussive": (0.75, 0.66)}
_BURST_DECAY_SECONDS: Final = 0.010

# A quiet drone with the timbre of the tones, so that no frame is without timbre, and a light noise,
# so that none is silent.
_LEVEL: Final = 0.12
_DRONE_GAIN: Final = 0.10
_BACKGROUND_GAIN: Final = 0.004

# The first word of every seed, so that no artist shares a random stream with a clip.
_ARTIST_STREAM: Final = 1
_CLIP_STREAM: Final = 2

# By artist, modulo 4: half train, a quarter valid, a quarter test.
_SPLITS: Final = ("train", "train", "valid", "test")


@dataclass(frozen=True)
class PlantedClip:
    """One clip of the planted truth: what it is, before it is rendered."""

    track_id: str
    label: str
    group: str
    split: str
    timbre: str
    rhythm: str
    balance: str
    seed: int
    artist: int


@dataclass(frozen=True)
class _Artist:
    """What colours all clips of one artist alike."""

    equaliser_db: NDArray[np.float64]  # weights of cosines over log frequency
    room: NDArray[np.float64]  # impulse response
    decay_seconds: float
    level: float


def class_label(*, timbre: str, rhythm: str, balance: str) -> str:
    """Name the class of one combination of factors, such as ``dull_even_tonal``."""
    return f"{timbre}_{rhythm}_{balance}"


def clip_table(*, seeds: Sequence[int], artists: int) -> list[PlantedClip]:
    """List the clips of the planted truth: one of each class for every artist.

    Cheap, because it also runs when the workflow is parsed: nothing is rendered.

    Parameters
    ----------
    seeds
        Generator seeds, distinct and not negative. Each has its own artists.
    artists
        Artists per seed, a multiple of 4: half are train, a quarter valid, a quarter test.

    Returns
    -------
    list of PlantedClip
        ``len(seeds) * artists * 8`` clips, by seed, artist and class.

    Raises
    ------
    ValueError
        If `artists` is not a positive multiple of 4, or a seed is negative or repeated.
    """
    if artists < 1 or artists % len(_SPLITS):
        raise ValueError(
            f"artists = {artists}, expected a positive multiple of {len(_SPLITS)}: "
            "half of them are train, a quarter valid, a quarter test"
        )
    if len(set(seeds)) != len(seeds) or any(seed < 0 for seed in seeds):
        raise ValueError(f"seeds = {list(seeds)}, expected distinct integers >= 0")
    table = []
    for seed, artist, (timbre, rhythm, balance) in product(seeds, range(artists), _CLASSES):
        group = f"s{seed}-a{artist:02d}"
        label = class_label(timbre=timbre, rhythm=rhythm, balance=balance)
        table.append(
            PlantedClip(
                track_id=f"{group}-{label}",
                label=label,
                group=group,
                split=_SPLITS[artist % len(_SPLITS)],
                timbre=timbre,
                rhythm=rhythm,
                balance=balance,
                seed=seed,
                artist=artist,
            )
        )
    return table


def synthesise_clip(clip: PlantedClip, *, sample_rate: int, seconds: float) -> NDArray[np.float32]:
    """Render one clip of the planted truth.

    Deterministic: the random stream depends on the seed, the artist and the class of the clip
    alone, so that clips can be rendered in any order and in any subset.

    Parameters
    ----------
    clip
        A row of `clip_table`.
    sample_rate
        In Hz, at least 8000.
    seconds
        Length of the clip.

    Returns
    -------
    ndarray of float32, shape (round(sample_rate * seconds),)
        Samples in [-1, 1].

    Raises
    ------
    ValueError
        If the sample rate is below 8000 Hz or the clip has no sample.
    """
    n_samples = round(sample_rate * seconds)
    if sample_rate < 8000 or n_samples < 1:
        raise ValueError(
            f"sample_rate = {sample_rate}, seconds = {seconds}: expected a sample rate of at "
            "least 8000 Hz and a clip of at least one sample"
        )
    rng = _clip_generator(clip)
    artist = _draw_artist(clip, sample_rate=sample_rate)
    tone_gain, burst_gain = _BALANCE_GAINS[clip.balance]

    n_sound = round(_TONE_SECONDS * sample_rate)
    pluck = _envelope(artist.decay_seconds, n_samples=n_sound, sample_rate=sample_rate)
    click = _envelope(_BURST_DECAY_SECONDS, n_samples=n_sound, sample_rate=sample_rate)
    mix = np.zeros(n_samples + 2 * n_sound)
    for onset in _draw_onsets(clip, rng, seconds=seconds):
        # One sound of margin on the left: the first onset may lie before the clip.
        start = n_sound + round(onset * sample_rate)
        tone = _draw_tone(rng, clip.timbre, n_samples=n_sound, sample_rate=sample_rate)
        burst = rng.standard_normal(n_sound)
        mix[start : start + n_sound] += tone_gain * tone * pluck + burst_gain * burst * click
    drone = _draw_tone(rng, clip.timbre, n_samples=mix.size, sample_rate=sample_rate)
    mix += tone_gain * _DRONE_GAIN * drone
    mix += _BACKGROUND_GAIN * rng.standard_normal(mix.size)

    coloured = _colour(mix, artist, sample_rate=sample_rate)[n_sound : n_sound + n_samples]
    return np.clip(_LEVEL * coloured, -1.0, 1.0).astype(np.float32)


def onset_times(clip: PlantedClip, *, seconds: float) -> NDArray[np.float64]:
    """Tell when the sounds of a clip begin, in seconds from its start, ascending.

    The first may begin up to one sound before the clip, so that its end is heard.
    """
    return _draw_onsets(clip, _clip_generator(clip), seconds=seconds)


def _clip_generator(clip: PlantedClip) -> np.random.Generator:
    index = _CLASSES.index((clip.timbre, clip.rhythm, clip.balance))
    return np.random.default_rng([_CLIP_STREAM, clip.seed, clip.artist, index])


def _draw_artist(clip: PlantedClip, *, sample_rate: int) -> _Artist:
    rng = np.random.default_rng([_ARTIST_STREAM, clip.seed, clip.artist])
    equaliser_db = rng.uniform(-2.5, 2.5, size=3)
    decay_seconds = rng.uniform(0.014, 0.020)
    level = 10.0 ** (rng.uniform(-1.5, 1.5) / 20.0)
    # A few early reflections only: a longer room would join the sounds of a cluster.
    room = np.zeros(round(_ROOM_SECONDS * sample_rate))
    room[0] = 1.0
    delays = rng.uniform(0.2, 1.0, size=4)
    gains = rng.uniform(0.05, 0.2, size=4) * rng.choice([-1.0, 1.0], size=4)
    np.add.at(room, (delays * (room.size - 1)).astype(int), gains)
    return _Artist(equaliser_db=equaliser_db, room=room, decay_seconds=decay_seconds, level=level)


def _draw_onsets(
    clip: PlantedClip, rng: np.random.Generator, *, seconds: float
) -> NDArray[np.float64]:
    """Draw tempo and phase of the bar; must come first in the clip's random stream."""
    bar_seconds = 4 * 60.0 / rng.uniform(*_TEMPO_BPM)
    phase = rng.uniform()
    bars = np.arange(int(seconds / bar_seconds) + 3) - phase - 1.0
    pattern = np.asarray(_PATTERNS[clip.rhythm]) / 16.0
    times = ((bars[:, np.newaxis] + pattern) * bar_seconds).ravel()
    return times[(times >= -_TONE_SECONDS) & (times < seconds)]


def _draw_tone(
    rng: np.random.Generator, timbre: str, *, n_samples: int, sample_rate: int
) -> NDArray[np.float64]:
    """Render a steady tone of unit root mean square, shape (n_samples,), at a random pitch."""
    # Uniform in log frequency.
    pitch = float(np.exp(rng.uniform(*np.log(_PITCH_HZ))))
    partials = np.arange(1, min(_MAX_PARTIALS, int(0.45 * sample_rate / pitch)) + 1)
    amplitudes = partials ** -_SLOPES[timbre]
    amplitudes *= np.sqrt(2.0 / np.sum(amplitudes**2))
    phases = rng.uniform(0.0, 2.0 * np.pi, size=partials.size)
    turn = np.exp(2j * np.pi * pitch / sample_rate * np.arange(n_samples))
    # Horner's scheme over the powers of `turn`: one complex product a partial, no sine.
    weights = amplitudes * np.exp(1j * phases)
    total = np.zeros(n_samples, dtype=np.complex128)
    for weight in weights[::-1]:
        total += weight
        total *= turn
    return total.imag


def _envelope(decay_seconds: float, *, n_samples: int, sample_rate: int) -> NDArray[np.float64]:
    """Shape a plucked sound: a 2 ms attack, an exponential decay that ends at exactly zero."""
    time = np.arange(n_samples) / sample_rate
    fade = 0.5 + 0.5 * np.cos(np.pi * np.arange(n_samples) / n_samples)
    return np.minimum(time / 0.002, 1.0) * np.exp(-time / decay_seconds) * fade


def _colour(
    signal: NDArray[np.float64], artist: _Artist, *, sample_rate: int
) -> NDArray[np.float64]:
    """Apply the artist's room, equalisation curve and level, shape (n,) to (n,)."""
    # Long enough that nothing wraps around, and a power of two, which is fast at any length.
    n_fft = 1 << (signal.size + artist.room.size - 1).bit_length()
    # Position on a log-frequency axis from 100 Hz (0) to 10 kHz (1), held beyond both ends.
    frequency = np.maximum(np.fft.rfftfreq(n_fft, d=1.0 / sample_rate), 1.0)
    position = np.clip(np.log10(frequency / 100.0) / 2.0, 0.0, 1.0)
    order = np.arange(1, artist.equaliser_db.size + 1)
    curve_db = np.cos(np.pi * position[:, np.newaxis] * order) @ artist.equaliser_db
    response = 10.0 ** (curve_db / 20.0) * np.fft.rfft(artist.room, n_fft)
    filtered = np.fft.irfft(np.fft.rfft(signal, n_fft) * response, n_fft)
    coloured: NDArray[np.float64] = artist.level * filtered[: signal.size]
    return coloured
