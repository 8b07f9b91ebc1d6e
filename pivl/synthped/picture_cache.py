"""Pictures rendered once: by every core of the machine, then kept in the user's cache folder with a checksum."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from pivl.data.cache.folder import cache_folder, check_room
from pivl.errors import UserError
from pivl.synthped.rendering.picture import World, render_pictures
from pivl.system.files import sha256_of, write_atomically, write_text
from pivl.system.json_files import read_json
from pivl.system.parallel import cores, spread

JOB = 480  # pictures of PIXELS per job: enough to spread its fixed cost, few enough for progress and for all cores
PIXELS = 128 * 64
DECIDE_PIXELS = (
    "person",
    "rendering",
)  # whose source is part of a cached file's name: an edited renderer never meets
# the pictures of an older one

Report = Callable[[int, int], object]  # called with the pictures done and the total


@dataclass(frozen=True)
class ShotList:
    """N pictures to be taken: person and camera (places in the World, int64 [N]) and the seed of each (int64 [N])."""

    person: np.ndarray
    camera: np.ndarray
    seed: np.ndarray

    def __len__(self) -> int:
        return len(self.seed)

    def join(self, after: "ShotList") -> "ShotList":
        """These pictures, then those of `after`."""
        pairs = zip(vars(self).values(), vars(after).values(), strict=True)
        return ShotList(*(np.concatenate(pair) for pair in pairs))

    def first(self, count: int) -> "ShotList":
        """The first `count` of these pictures."""
        return ShotList(self.person[:count], self.camera[:count], self.seed[:count])

    def digest(self) -> str:
        """Hash of all three arrays."""
        return sha256(np.stack([self.person, self.camera, self.seed]).astype("<i8").tobytes()).hexdigest()


@dataclass(frozen=True)
class CachedPictures:
    """N pictures taken: image uint8 [N, 3, H, W] (RGB) and part_map uint8 [N, H, W] (LIP)."""

    image: np.ndarray
    part_map: np.ndarray


def load_pictures(
    name: str, facts: dict[str, Any], shots: ShotList, build_world: Callable[[], World], report: Report | None
) -> CachedPictures:
    """Returns the pictures of `shots`, from the cache if they are there and whole; else rendered, and cached as `name`.

    facts: everything (JSON) that decides the world, and the pictures' "size" (height, width); build_world is called only
    to render. A damaged file is rendered again after one line on stderr.
    Raises UserError when the cache folder cannot be written or has no space.
    """
    facts = {**facts, "shots": shots.digest(), "renderer": renderer_digest()}
    digest = sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    height, width = facts["size"]
    path = cache_folder() / f"{name}-{height}x{width}-{digest[:12]}.npz"
    if (album := _read(path)) is not None:
        return album
    check_room(path.parent, len(shots) * height * width * 4)
    album = render(build_world(), shots, (height, width), report)
    write_atomically(path, lambda file: np.savez(file, image=album.image, part_map=album.part_map))
    write_text(path.with_suffix(".json"), json.dumps({**facts, "sha256": sha256_of(path)}, indent=1) + "\n")
    return album


def renderer_digest() -> str:
    """Returns a hash of the source of the folders that decide pixels."""
    content = sha256()
    for folder in DECIDE_PIXELS:
        for path in sorted((Path(__file__).parent / folder).rglob("*.py")):
            content.update(path.read_bytes())
    return content.hexdigest()


def render(
    world: World, shots: ShotList, size: tuple[int, int], report: Report | None = None
) -> CachedPictures:
    """Take all pictures, in jobs by one process per core; the result does not depend on how they are shared out.

    Processes are spawned: a script that gets here must do so under `if __name__ == "__main__"`.
    """
    order = np.argsort(shots.camera, kind="stable")  # a job sees few cameras, and draws few streets
    step = max(1, JOB * PIXELS // max(PIXELS, size[0] * size[1]))
    jobs = np.split(order, range(step, len(order), step)) if len(order) else []
    album = CachedPictures(
        np.empty((len(shots), 3, *size), np.uint8), np.empty((len(shots), *size), np.uint8)
    )
    done = 0
    tasks = [(world, shots.person[job], shots.camera[job], shots.seed[job], size) for job in jobs]
    for place, (image, part_map) in spread(render_pictures, tasks, min(cores(), len(jobs))):
        album.image[jobs[place]], album.part_map[jobs[place]] = image.transpose(0, 3, 1, 2), part_map
        done += len(jobs[place])
        if report:
            report(done, len(shots))
    return album


def _read(path: Path) -> CachedPictures | None:
    """Returns the album at `path` if it is there and its checksum holds; a line on stderr if it is there and does not."""
    facts = path.with_suffix(".json")
    if not path.exists():
        return None
    try:
        if read_json(facts)["sha256"] == sha256_of(path):
            with np.load(path) as arrays:
                return CachedPictures(arrays["image"], arrays["part_map"])
    except (UserError, OSError, ValueError, KeyError, TypeError):
        pass  # no checksum, or one that cannot be read: the line below says it
    print(
        f"pivl-bench: {path} is cut or damaged (its checksum does not hold); rendering it again",
        file=sys.stderr,
    )
    return None
