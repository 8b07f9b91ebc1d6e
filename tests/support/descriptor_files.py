"""Descriptors of a small test set in every form in which other code leaves them, made as that code makes them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.io import savemat

QUERIES = [(2, 1), (2, 3), (7, 1), (7, 2), (15, 4), (15, 1)]  # person, camera
GALLERY = [(2, 2), (2, 1), (7, 3), (7, 2), (15, 5), (15, 1), (0, 1), (-1, 2), (0, 3), (-1, 3)]
PLACES = [place for place, (person, _) in enumerate(GALLERY) if person != -1]  # without junk


def name(number: int, person: int, camera: int) -> str:
    """The picture's name, as Market-1501 has it."""
    return f"{'-1' if person < 0 else f'{person:04d}'}_c{camera}s1_{number:06d}_00"


NAMES = [name(number, *one) for number, one in enumerate([*QUERIES, *GALLERY], 1)]


def features(seed: int = 0, noise: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Features [6, 8] and [10, 8]: of one person near each other."""
    draw = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(17, 8))
    both = np.array([centres[person] for person, _ in [*QUERIES, *GALLERY]])
    both = (both + noise * draw.normal(size=both.shape)).astype(np.float32)
    return both[:6], both[6:]


def labels(pictures: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """People and cameras."""
    return tuple(np.array(pictures).T)


def named(seed: int = 0) -> dict[str, np.ndarray]:
    """Under the names that most scripts of re-identification use."""
    query, gallery = features(seed)
    return {
        "query_f": query, "query_label": labels(QUERIES)[0], "query_cam": labels(QUERIES)[1],
        "gallery_f": gallery, "gallery_label": labels(GALLERY)[0], "gallery_cam": labels(GALLERY)[1],
    }  # fmt: skip


def write_npz(folder: Path, seed: int = 0) -> Path:
    np.savez(folder / "feats.npz", **named(seed))
    return folder / "feats.npz"


def write_mat(folder: Path, seed: int = 0) -> Path:
    """As scipy and MATLAB write rows: [1, N]."""
    savemat(folder / "pytorch_result.mat", named(seed))
    return folder / "pytorch_result.mat"


def write_people(path: Path) -> None:
    """Our csv file: two training pictures, then queries and gallery."""
    rows = [("a.jpg", "ann", 1, "train"), ("b.jpg", "ann", 2, "train")]
    splits = ["query"] * len(QUERIES) + ["gallery"] * len(GALLERY)
    people = [*QUERIES, *GALLERY]
    rows += [(f"{n}.jpg", *one, split) for n, one, split in zip(NAMES, people, splits, strict=True)]
    pd.DataFrame(rows, columns=["path", "person", "camera", "split"]).to_csv(path, index=False)


def write_oml(path: Path) -> None:
    """OML's csv file, with its sequence in the place of a camera."""
    rows = [
        {
            "label": person, "path": f"{NAMES[place]}.jpg", "split": "validation",
            "is_query": place < len(QUERIES), "is_gallery": place >= len(QUERIES), "sequence": f"c{camera}",
        }
        for place, (person, camera) in enumerate([*QUERIES, *GALLERY])
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(path, index=False)


def write_npy(folder: Path, seed: int = 0) -> Path:
    """Of the test rows of our csv file."""
    np.save(folder / "feats.npy", np.concatenate(features(seed)))
    write_people(folder / "feats.csv")
    return folder / "feats.npy"


def write_pt(folder: Path, seed: int = 0) -> Path:
    """As OML keeps embeddings: a tensor in the order of its csv file."""
    torch.save(torch.from_numpy(np.concatenate(features(seed))), folder / "embeddings.pt")
    write_oml(folder / "df.csv")
    return folder / "embeddings.pt"


def write_parquet(folder: Path, seed: int = 0) -> Path:
    """A list column, as pandas writes one."""
    splits = ["query"] * len(QUERIES) + ["gallery"] * len(GALLERY)
    rows = [
        {
            "path": f"{NAMES[place]}.jpg",
            "person": person,
            "camera": camera,
            "split": splits[place],
            "feature": values,
        }
        for place, ((person, camera), values) in enumerate(
            zip([*QUERIES, *GALLERY], np.concatenate(features(seed)), strict=True)
        )
    ]
    pd.DataFrame(rows).to_parquet(folder / "feats.parquet", index=False)
    return folder / "feats.parquet"


def write_folder(folder: Path, seed: int = 0) -> Path:
    """As fast-reid's demo, once per set: a file [1, D] for each picture, under its name."""
    for place, values in enumerate(np.concatenate(features(seed))):
        of = folder / "demo" / ("query" if place < len(QUERIES) else "bounding_box_test")
        of.mkdir(parents=True, exist_ok=True)
        np.save(of / f"{NAMES[place]}.npy", values[None])
    return folder / "demo"


WRITERS: dict[str, Callable[..., Path]] = {
    "npz": write_npz, "mat": write_mat, "npy": write_npy, "pt": write_pt, "parquet": write_parquet,
    "folder": write_folder,
}  # fmt: skip


PERSON, CAMERA = np.repeat(np.arange(6), 2), np.tile(np.arange(2), 6)  # of the queries of runs that are drawn


def write_drawn(path: Path, seed: int = 0, person: np.ndarray = PERSON, camera: np.ndarray = CAMERA) -> Path:
    """Descriptors of the drawn runs' queries, which are their gallery too, under names of other code."""
    feature = np.random.default_rng(seed).normal(size=(len(person), 4))
    arrays = {"f": feature, "label": 10 * person + 7, "cam": camera + 1}
    np.savez(
        path, **{f"{kind}_{name}": value for kind in ("query", "gallery") for name, value in arrays.items()}
    )
    return path
