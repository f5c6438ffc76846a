"""Where the published collections are published, and the checksums to know their files by.

Apart from the modules that read them, since an address more can't change a result.
"""

from __future__ import annotations

from typing import Final

from genreflow.collections.download import Remote

GTZAN_ARCHIVE: Final = Remote(
    name="genres.tar.gz",
    addresses=(
        "http://opihi.cs.uvic.ca/sound/genres.tar.gz",
        "https://huggingface.co/datasets/marsyas/gtzan/resolve/main/data/genres.tar.gz",
        "https://web.archive.org/web/20220328223413id_/http://opihi.cs.uvic.ca/sound/genres.tar.gz",
        "https://archive.org/download/gtzan_genre/genres.tar.gz",
    ),
    checksum="sha256:24347e0223d2ba798e0a558c4c172d9d4a19c00bb7963fe055d183dadb4ef2c6",
    size_bytes=1_225_571_541,
)
#: The fault-filtered lists of Kereliuk et al. by their role.
FAULT_FILTERED: Final = {
    role: Remote(
        name=f"{role}_filtered.txt",
        addresses=(
            "https://raw.githubusercontent.com/coreyker/dnn-mgr/"
            f"bdad579ea6cb37b665ea6019fe1026a6ce20cbc7/gtzan/{role}_filtered.txt",
            f"https://raw.githubusercontent.com/boblsturm/GTZAN/main/{role}_filtered.txt",
        ),
        checksum=f"sha256:{sha256}",
        text=True,
    )
    for role, sha256 in (
        ("train", "2b04966cef1486f1a7767b74271533fa23e220388db804a1937835e1fc4fa3fa"),
        ("valid", "f8fbee7c52397a0e0f3a91dc54fedecb2e27f5bdc9a9daeab8cb10d077e26956"),
        ("test", "09cafa6a89ce0a27f30ed250d56ecb4d03c22fffb5a693f96c7ae655ee02ac72"),
    )
}
GTZAN_ARTISTS: Final = Remote(
    name="index.txt",
    addresses=(
        "https://raw.githubusercontent.com/boblsturm/GTZAN/fedc781/index.txt",
        "https://raw.githubusercontent.com/boblsturm/GTZAN/main/index.txt",
        "https://raw.githubusercontent.com/boblsturm/GTZAN/master/index.txt",
    ),
    checksum="sha256:52b42c6a5a309caae4a4ac1b5ca24ac9959508033735a0237e57b198ec77987e",
    other_names=("sturm_index.txt",),
    text=True,
)


def _fma(name: str, sha1: str, size_bytes: int | None = None) -> Remote:
    address = f"https://os.unil.cloud.switch.ch/fma/{name}.zip"
    return Remote(f"{name}.zip", (address,), f"sha1:{sha1}", size_bytes)


#: The archives of FMA by their subset; the publisher gives no size in bytes of two of them.
FMA_ARCHIVES: Final = {
    "fma_small": _fma("fma_small", "ade154f733639d52e35e32f5593efe5be76c6d70", 7_679_594_875),
    "fma_medium": _fma("fma_medium", "c67b69ea232021025fca9231fc1c7c1a063ab50b"),
    "fma_large": _fma("fma_large", "497109f4dd721066b5ce5e5f250ec604dc78939e", 100_306_112_191),
    "fma_full": _fma("fma_full", "0f0ace23fbe9ba30ecb7e95f763e435ea802b8ab"),
}
FMA_METADATA: Final = _fma("fma_metadata", "f0df49ffe5f2a6008d7dc83c6915b31835dfe733", 358_412_441)
