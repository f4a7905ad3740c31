"""Images from autoencoders: grids of samples, codes followed through generations, an animation.

Codes come from one seed and are the same in every generation, so that only the model changes.
"""

import io
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ouroboros_jax.atomic import replacing
from ouroboros_jax.figures.bands import evenly
from ouroboros_jax.figures.evolution import chosen_generations
from ouroboros_jax.figures.study import Study, as_study
from ouroboros_jax.figures.style import QUIET, canvas, styled, title
from ouroboros_jax.results import Run

MOST_PANELS = 8  # generations side by side
FOLLOWED = 10  # codes
MOST_COLUMNS = 16  # columns for the codes that are followed
RECONSTRUCTED = 10  # real images
SEED = 0
MARGIN = 1  # pixels between images
FRAME_PIXELS = 480  # the animation's width, about


class Animation(NamedTuple):
    """Frames as RGB bytes [H, W, 3], shown for `duration` ms each, `loop` times (0: forever)."""

    frames: list[np.ndarray]
    duration: int
    loop: int

    def save(self, folder: Path, name: str) -> list[Path]:
        """Write `name`.gif, whole or not at all."""
        from PIL import Image

        folder.mkdir(parents=True, exist_ok=True)
        path, buffer = folder / f"{name}.gif", io.BytesIO()
        first, *rest = (Image.fromarray(frame) for frame in self.frames)
        repeats = {} if self.loop == 1 else {"loop": max(0, self.loop - 1)}
        first.save(
            buffer, "GIF", save_all=True, append_images=rest, duration=self.duration, **repeats
        )
        with replacing(path, shared=True) as temporary:
            temporary.write_bytes(buffer.getvalue())
        return [path]


def grid(images: np.ndarray, columns: int, margin: int = MARGIN) -> np.ndarray:
    """Images [N, H, W, C] row by row on one white sheet [..., ..., C]."""
    num, height, width, channels = images.shape
    rows = -(-num // columns)
    sheet = np.ones((rows * columns, height + margin, width + margin, channels), np.float32)
    sheet[:num, :height, :width] = images
    sheet = sheet.reshape(rows, columns, height + margin, width + margin, channels)
    sheet = sheet.transpose(0, 2, 1, 3, 4).reshape(rows * (height + margin), -1, channels)
    return sheet[: sheet.shape[0] - margin, : sheet.shape[1] - margin]


def as_float(images: np.ndarray) -> np.ndarray:
    """Images in [0, 1]."""
    return np.float32(images) / 255 if images.dtype == np.uint8 else np.float32(images)


def drawn(study: Study, generation: int, chain: int, num: int) -> np.ndarray:
    """Images [num, H, W, C] of one generation, from the codes of `SEED`."""
    points = study.run.sample(generation=generation, chain=chain, num_samples=num, seed=SEED)
    return as_float(points["image"])


def real_images(study: Study, chain: int, num: int) -> np.ndarray:
    """The first held-out real images [num, H, W, C]."""
    group = study.cells[_cell_of(study, chain)].group
    return as_float(study.run.program(group).real.test["image"][:num])


def _cell_of(study: Study, chain: int) -> int:
    return next(i for i, cell in enumerate(study.cells) if chain in cell.chains)


def show(ax: Axes, image: np.ndarray, colormap: str) -> None:
    """One sheet of images, without ticks or frame."""
    shown = image[..., 0] if image.shape[-1] == 1 else image
    ax.imshow(shown, cmap=colormap, vmin=0, vmax=1, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _chosen(study: Study) -> list[int]:
    return chosen_generations(study, most=MOST_PANELS)


def _detail(study: Study, chain: int) -> str:
    return study.detail(held=f"chain {chain}", cell=_cell_of(study, chain))


@styled
def sample_grids(run: Run | Study, *, chain: int = 0) -> Figure:
    """A grid of generated images for each of some generations, real ones first."""
    study = as_study(run)
    generations, colormap = _chosen(study), study.run.config.figures.colormap
    num = int(study.run.config.figures.images)
    side = max(1, round(num**0.5))
    sheets = [("held-out real images", real_images(study, chain, num))]
    sheets += [(f"generation {g:,}", drawn(study, g, chain, num)) for g in generations]
    columns = min(4, len(sheets)) if len(sheets) != 6 else 3
    rows = -(-len(sheets) // columns)
    figure, axes = canvas(2.35 * columns, 2.55 * rows + 0.75, rows=rows, columns=columns)
    for ax in axes.ravel()[len(sheets) :]:
        ax.set_axis_off()
    for ax, (name, images) in zip(axes.ravel(), sheets, strict=False):
        show(ax, grid(images, side), colormap)
        ax.set_title(name)
    title(figure, "What each generation draws", _detail(study, chain))
    return figure


@styled
def followed_codes(run: Run | Study, *, chain: int = 0) -> Figure:
    """The same codes decoded by one generation after another, a row for each code."""
    study = as_study(run)
    generations, colormap = study.stored, study.run.config.figures.colormap
    generations = [generations[i] for i in evenly(len(generations), MOST_COLUMNS)]
    columns = [drawn(study, g, chain, FOLLOWED) for g in generations]
    figure, axes = canvas(0.9 + 0.52 * len(columns), 0.52 * FOLLOWED + 1.0, columns=len(columns))
    for ax, generation, images in zip(axes[0], generations, columns, strict=True):
        show(ax, grid(images, 1), colormap)
        ax.set_title(f"{generation:,}", loc="center", fontsize=8, color=QUIET)
    figure.supxlabel("generation; a row is one code", fontsize=8.5)
    title(figure, "The same codes through the generations", _detail(study, chain))
    return figure


@styled
def reconstructions(run: Run | Study, *, chain: int = 0) -> Figure:
    """Real held-out images, and each generation's reconstructions from their codes (means)."""
    study = as_study(run)
    generations, colormap = study.stored, study.run.config.figures.colormap
    if len(generations) > 12:
        generations = _chosen(study)
    real = real_images(study, chain, RECONSTRUCTED)
    point = study.cells[_cell_of(study, chain)].point
    rows = [("real", real)]
    for generation in generations:
        params = study.run.params(generation=generation, chain=chain)
        rows.append((f"{generation:,}", _reconstructed(point, params, real)))
    figure, axes = canvas(0.8 + 0.52 * RECONSTRUCTED, 0.56 * len(rows) + 1.0, rows=len(rows))
    for ax, (name, images) in zip(axes[:, 0], rows, strict=True):
        show(ax, grid(images, RECONSTRUCTED), colormap)
        ax.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8, color=QUIET)
    figure.supylabel("generation", fontsize=8.5)
    title(
        figure,
        "Held-out real images, and what each generation makes of them",
        _detail(study, chain),
    )
    return figure


def _reconstructed(point: dict[str, Any], params: Any, images: np.ndarray) -> np.ndarray:
    """Decoder means of the means of the codes of images [N, H, W, C]."""
    import jax

    from ouroboros_jax.learners.vae_model import NETWORK, network_of

    network = network_of(**{name: point[f"learner.{name}"] for name in NETWORK})
    codes, _ = network.encode(params["vae"], images)
    return np.asarray(jax.nn.sigmoid(network.decode(params["vae"], codes, images.shape[1:])))


def animation(run: Run | Study, *, chain: int = 0) -> Animation:
    """Real images, then a frame of generated ones for every generation."""
    study = as_study(run)
    told = study.run.config.figures
    num = int(told.images)
    side = max(1, round(num**0.5))
    sheets = [("real", real_images(study, chain, num))]
    sheets += [(f"generation {g:,}", drawn(study, g, chain, num)) for g in study.stored]
    name = study.run.manifest["data"]["name"]
    frames = [
        _frame(grid(images, side), f"{text}  ({name})" if text == "real" else text, told.colormap)
        for text, images in sheets
    ]
    return Animation(frames, int(told.frame_ms), int(told.loop))


def _frame(sheet: np.ndarray, text: str, colormap: str) -> np.ndarray:
    """A sheet of images, enlarged, in colour, with a line of text above it."""
    from PIL import Image, ImageDraw

    scale = max(1, FRAME_PIXELS // sheet.shape[1])
    sheet = sheet.repeat(scale, 0).repeat(scale, 1)
    if sheet.shape[-1] == 1:
        sheet = matplotlib.colormaps[colormap](sheet[..., 0])[..., :3]
    picture = Image.new("RGB", (sheet.shape[1], sheet.shape[0] + 24), "white")
    picture.paste(Image.fromarray(np.round(255 * sheet).astype(np.uint8)), (0, 24))
    ImageDraw.Draw(picture).text((4, 6), text, fill="black")
    return np.asarray(picture)
