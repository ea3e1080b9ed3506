"""What a user should know about a folder of pictures before training on it: a text and a contact sheet."""

import collections

import numpy as np

from attr2image_tf import pixels
from attr2image_tf.data.dataset import SPLITS
from attr2image_tf.data.folder.builder import FolderSource
from attr2image_tf.data.folder.check import CheckedFolder, summary
from attr2image_tf.data.folder.chunks import make_small
from attr2image_tf.data.folder.table import Table
from attr2image_tf.data.source_files import problems_text


def report(found: CheckedFolder, table: Table, source: FolderSource) -> str:
    """Counts, sizes, problems, attributes and splits as text."""
    problems = "\n".join(f"not used: {line}" for line in summary(found.problems))
    parts = [_pictures(found, source), problems, _attributes(found, table, source), _splits(table, source)]
    return "\n\n".join(part for part in parts if part)


def all_problems(found: CheckedFolder) -> str:
    """Every name that `report` gives three examples of."""
    return problems_text(found.problems)


def contact_sheet(found: CheckedFolder, *, image_size: int, fit: str, progress=lambda items, *_: items) -> np.ndarray:
    """Pictures as they will be trained on, evenly spaced; below each, where there are masks, its foreground on grey.

    Args:
        image_size: height and width of a picture in pixels.
        fit: one of FITS (`chunks.make_small`).
        progress: as in `check_folder`.

    Returns:
        uint8 [H', W', 3]; pictures that do not decode are left out.
    """
    rows, columns = 4, 12
    places = np.unique(np.linspace(0, len(found.pictures) - 1, min(rows * columns, len(found.pictures))).astype(int))
    small = []
    for place in progress(places, len(places), "Contact sheet"):
        picture = found.pictures[place]
        try:
            small.append(make_small(picture.path, picture.mask, image_size, fit))
        except ValueError:
            continue  # The scaling of all pictures names it.
    table = []
    for start in range(0, len(small), columns):
        row = small[start:start + columns]
        table.append([image for image, _ in row])
        if row[0][1] is not None:
            shares = [mask / 255.0 for _, mask in row]
            table.append([(image * share + 127.5 * (1.0 - share)).round().astype(np.uint8)
                          for (image, _), share in zip(row, shares, strict=True)])
    return pixels.grid(table)


def _pictures(found, source):
    pictures = found.pictures
    formats = collections.Counter(picture.format for picture in pictures)
    sides = np.array([picture.size for picture in pictures])
    size = source.chunks.image_size
    lines = [f"{len(pictures):,} pictures can be used: "
             f"{', '.join(f'{count:,} {kind}' for kind, count in formats.most_common())}; "
             f"{'each with a mask' if source.has_masks else 'no masks (for --model=cvae and vae)'}",
             "width {} to {} pixels (median {:.0f}), height {} to {} (median {:.0f})".format(
                 *(number for side in sides.T for number in (side.min(), side.max(), np.median(side))))]
    if small := int((sides.min(1) < size).sum()):
        lines.append(f"{small:,} are smaller than {size} pixels and will be blurred")
    return "\n".join(lines)


def _attributes(found, table, source):
    values = table.values[[picture.row for picture in found.pictures]]
    width = max(len(name) for name in table.names)
    lines = [f"{'attribute':{width}}  {'minimum':>9} {'mean':>9} {'maximum':>9} {'missing':>8}"]
    constant, filled = [], []
    for place, (name, column) in enumerate(zip(table.names, values.T, strict=True)):
        known = column[np.isfinite(column)]
        missing = len(column) - len(known)
        if len(known):
            lines.append(f"{name:{width}}  {known.min():9.4g} {known.mean():9.4g} {known.max():9.4g} {missing:8,}")
            constant += [name] * bool(source.schema.constant[place])
        filled += [name] * bool(missing)
    if filled:
        lines.append("Missing values are filled with the mean of the training split.")
    if constant:
        lines.append(f"Constant, so nothing can be learned of them: {', '.join(constant)}.")
    return "\n".join(lines)


def _splits(table, source):
    counts = ", ".join(f"{len(source.splits[split]):,} {split}" for split in SPLITS)
    if not table.groups:
        return f"splits: {counts}"
    groups = ", ".join(f"{len({source.groups[name] for name in source.splits[split]}):,} {split}" for split in SPLITS)
    return f"splits: {counts}; groups: {groups}, none in two splits"
