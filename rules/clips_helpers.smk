"""Which features of clips are drawn, what they are made of, and of which systems' clips."""

#: The caches that are drawn, a figure each; `stft` is one with its parts, in that of `hpss`.
DRAWN_FEATURES = [cache for cache in CACHES if cache not in ("audio", "stft")]
CLIP_FIGURES = [
    f"results/figures/clips/{dataset}_{feature}.png"
    for dataset in CONFIG.datasets
    if dataset in REPORTED_DATASETS
    for feature in DRAWN_FEATURES
]
WRONG_CLIP_FIGURES = [
    f"results/figures/wrong_clips/{dataset}_{partition}_{system}.png"
    for dataset, partition, system in REPORTED
    if system in JEONG_SYSTEMS
]


def features_drawn(cache):
    """Return the features of a cache, after what they are parts of, if they have one parent."""
    found = [name for name, feature in FEATURES.items() if feature.cache == cache]
    parents = {FEATURES[name].parent for name in found}
    return [*(parents if len(parents) < len(found) else ()), *found]


def drawn_settings(settings, wildcards):
    """Return the settings that shape a drawn feature: its own and those of all before it."""
    sections = {"audio"}
    for name in features_drawn(wildcards.feature):
        while name:
            sections.add(FEATURES[name].section)
            name = FEATURES[name].parent
    parameters = feature_parameters(settings)
    return {section: parameters[section] for section in sorted(sections)}


def rendered_clips(wildcards):
    """Return the folders of a dataset's synthesised clips, if they are."""
    shards = SHARDS[wildcards.dataset]
    found = [rendered_audio(Wildcards(wildcards, shard=shard)) for shard in shards]
    return [folder for folder in found if folder]


def segment_times(settings):
    """Return the seconds between segments and those of each."""
    windows = settings.cepstral_modulation
    frame = settings.stft.hop / settings.audio.sample_rate
    return {
        "shift_seconds": windows.shift_frames * frame,
        "segment_seconds": windows.window_frames * frame,
    }
