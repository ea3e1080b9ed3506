"""The tab that fills in what is brushed over."""

from collections.abc import Iterator

import gradio as gr
import numpy as np
from PIL import Image

from attr2image_tf import photos
from attr2image_tf.client.checks import as_whole
from export.studio import attributes, controls, downloads, photo, subject
from export.studio.errors import in_words
from export.studio.loading import Shared

MOST_ANSWERS = 6
# Of what is brushed over; the photo itself is filled in at its own size.
CANVAS_SIDE = 640


def brushed(editor: dict | None, size: tuple[int, int]) -> np.ndarray:
    """What the brush has touched, bool of a size, from the editor's value.

    Args:
        editor: with "layers", of which each is uint8 [h, w, 4], clear where it is untouched.
        size: height and width of the photo.

    Raises:
        ValueError: nothing is.
    """
    hidden = np.zeros(size, bool)
    for layer in (editor or {}).get("layers", []):
        touched = Image.fromarray(np.uint8(255) * (layer[..., 3] > 0))
        hidden |= np.asarray(touched.resize(size[::-1], Image.Resampling.NEAREST)) > 0
    if not hidden.any():
        raise ValueError("Nothing is brushed over yet: paint over the part to fill in.")
    return hidden


def region_of(taken: subject.Photo, hidden: np.ndarray, size: int) -> photos.Region:
    """The part of a photo of which most is hidden."""
    return max(taken.regions, key=lambda region: region.touched(hidden, size).sum())


def fill(client, taken: subject.Photo, hidden: np.ndarray, answers: int,
         seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Answers one after the other, the likeliest first: the small picture and the whole photo, both uint8.

    Args:
        hidden: bool [H, W].
        answers: how many.
        seed: of all but the first.

    Raises:
        ValueError: all that the model sees is hidden, or nothing of it; a seed that is none.
    """
    seed = as_whole("seed", seed, 0)
    region = region_of(taken, hidden, client.image_size)
    touched = region.touched(hidden, client.image_size)
    if touched.all() or not touched.any():
        raise ValueError("Everything the model sees is brushed over: leave some of it." if touched.any() else
                         "Nothing the model sees is brushed over: brush over a part of a face, or of the middle.")
    small = region.cut(taken.pixels, client.image_size, hidden)
    found = client.infer(small, hidden=touched)
    amounts = attributes.deviations(client.schema, found.vector)
    given = dict(zip(client.schema.names, amounts.tolist(), strict=True))
    for number in range(answers):
        filled = client.complete(small, touched, seed=(seed + number) % 2**31 if number else None, attributes=given)
        yield filled, region.put_back(taken.pixels, small, filled, hidden, taken.others(region))


def build(models: Shared, page: gr.Blocks, shared: gr.State):
    """The tab, part of `page`; `shared` is the Subject of the tab with photos, or None."""
    taken = gr.State()
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            with gr.Row():
                file = gr.File(label="Your photo", file_types=["image"], height=120, min_width=140,
                               elem_id="fill_file")
                with gr.Column(min_width=140):
                    same = gr.Button("Use “Your photo”", size="md", elem_id="fill_same")
                    drawn = gr.Button("Use a drawn picture", size="md", elem_id="fill_drawn")
            note = gr.Markdown("Take a photo, then brush over what is to be filled in.", elem_id="fill_note")
            editor = gr.ImageEditor(label="Brush over a part", type="numpy", sources=[], transforms=[], layers=False,
                                    brush=gr.Brush(colors=["#ffb000"], color_mode="fixed", default_size=24),
                                    eraser=gr.Eraser(default_size=24), format="png", buttons=[], height=420,
                                    elem_id="fill_editor")
        with gr.Column(scale=3, min_width=300):
            answers = gr.Slider(1, MOST_ANSWERS, 3, step=1, label="Answers", info="The first is the likeliest.")
            seed = controls.seed()
            start = controls.button("Fill in", elem_id="fill_in")
            gallery = controls.gallery("Answers", 3, elem_id="fill_answers", visible=False)
            whole = controls.gallery("In the whole photo (JPEG files without date and place)", 3, visible=False,
                                     elem_id="fill_whole")

    def on_canvas(photo):
        canvas = Image.fromarray(photo.pixels)
        canvas.thumbnail((CANVAS_SIDE, CANVAS_SIDE))
        return photo, controls.sentence(photo.note), np.asarray(canvas), gr.Gallery([], visible=False), gr.Gallery(
            [], visible=False)

    @in_words
    def open_photo(progress=gr.Progress(), path=None):
        return on_canvas(photo.read_photo(models, path, progress))

    @in_words
    def open_drawn():
        return on_canvas(photo.draw_photo(models, controls.another_seed()))

    @in_words
    def take_same(seen):
        if seen is None:
            raise ValueError("There is no photo in “Your photo” yet.")
        return on_canvas(seen.photo)

    @in_words
    def answer(progress=gr.Progress(), taken=None, editor=None, answers=1, seed=0):
        if taken is None:
            raise ValueError("There is no photo yet: choose one, then brush over the part to fill in.")
        hidden = brushed(editor, taken.pixels.shape[:2])
        progress(0.1, desc="Finding what is behind the rest")
        photo.wait(models, progress)
        small, large = [], []
        for filled, changed in fill(models.client, taken, hidden, answers, seed):
            number = len(small) + 1
            title = "likeliest" if number == 1 else f"another, {number - 1}"
            small.append((downloads.enlarged(filled), title))
            large.append((downloads.jpeg(changed, f"photo_filled_{number}.jpg"), title))
            progress(number / answers, desc=f"{number} of {answers}")
            yield gr.Gallery(small, visible=True), gr.Gallery(large, visible=True)

    common = {"outputs": [taken, note, editor, gallery, whole], "api_visibility": "private"}
    file.upload(open_photo, file, concurrency_id=controls.PHOTOS, show_progress_on=[file], **common)
    drawn.click(open_drawn, concurrency_id=controls.PHOTOS, show_progress_on=[file], **common)
    page.load(open_drawn, concurrency_id=controls.PHOTOS, **common)
    same.click(take_same, shared, **common)
    start.click(answer, [taken, editor, answers, seed], [gallery, whole], concurrency_id=controls.PHOTOS,
                show_progress_on=[answers], api_visibility="private")
