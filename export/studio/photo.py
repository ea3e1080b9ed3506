"""The tab that looks at a photo, and changes attributes of who is in it."""

import uuid

import gradio as gr

from export.studio import attributes, controls, downloads, subject
from export.studio.errors import FORGOTTEN, in_words
from export.studio.loading import Shared

STEPS = """
### Three steps

1. Give it a photo of a few people or of one, from a file or the camera, or take a picture that the model draws.
2. It finds the faces, looks at one, and shows what stands out in it.
3. Move a slider. The face changes, and so does the whole photo around it.
"""


def read_photo(models: Shared, taken, progress) -> subject.Photo:
    """The photo that a visitor gave, with the faces in it.

    Args:
        taken: path of a file, or uint8 [H, W, 3] of a camera.
        progress: function of a share and a text.

    Raises:
        photos.PictureError: the file is no picture that can be used.
    """
    progress(0.1, desc="Reading the photo")
    pixels = subject.read(taken) if isinstance(taken, str) else taken
    wait(models, progress)
    progress(0.3, desc="Looking for faces" if models.faces else "Cutting out the middle")
    return subject.make_photo(pixels, models.faces)


def draw_photo(models: Shared, seed: int) -> subject.Photo:
    """A picture that the model draws, in place of a photo."""
    drawn = models.client.generate(attributes.first_request(models.client.schema), seed=seed)
    return subject.whole_square(downloads.enlarged(drawn[0]), "The model drew this one.")


def wait(models: Shared, progress):
    """Waits until the models are loaded, and says so."""
    if models.loading.is_alive():
        progress(0.2, desc="The models are still being loaded; the first photo waits for them")
        models.loading.join()


def kept(seen: subject.Subject | None) -> subject.Subject:
    """What a tab is about.

    Raises:
        ValueError: the server no longer has it.
    """
    if seen is None:
        raise ValueError(FORGOTTEN)
    return seen


def build(models: Shared, shared: gr.State):
    """The tab; `shared` is what the other tabs see, a Subject or None."""
    schema = models.client.schema
    first = list(attributes.first_request(schema))
    looked = gr.State("")
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            file = gr.File(label="Your photo", file_types=["image"], height=120, elem_id="photo_file")
            drawn = gr.Button("Use a drawn picture", size="md", elem_id="photo_drawn")
            with gr.Accordion("Camera", open=False):
                camera = gr.Image(sources=["webcam"], type="numpy", label="Camera", buttons=[])
            note = gr.Markdown("A photo stays on the machine that this page comes from, and is forgotten within two "
                               f"hours. One of more than {subject.LARGEST_SIDE:,} pixels a side is made smaller.",
                               elem_id="photo_note")
            whole = controls.picture("What is looked at", visible=False, buttons=[], elem_id="photo_marked")
            face = gr.Radio([], label="Which face", visible=False, elem_id="photo_face")
            chosen_face = gr.Number(precision=0, visible=False)
            chart = gr.HTML(elem_id="photo_chart")
        with gr.Column(scale=3, min_width=300) as steps:
            gr.Markdown(STEPS)
        with gr.Column(scale=3, min_width=300, visible=False) as results:
            with gr.Row():
                before = controls.picture("Before", buttons=[], min_width=140, elem_id="photo_before")
                after = controls.picture("After", buttons=["download"], min_width=140, elem_id="photo_after")
            chosen = controls.chooser(schema, "Change", first)
            sliders = gr.Column(elem_id="photo_sliders")
            correlated = gr.Checkbox(True, label="Other attributes go along",
                                     info="As they do in the training pictures: with age, hair turns grey.")
            change = controls.button("Change", elem_id="photo_change")
            result = controls.picture("The whole photo, changed (a JPEG without date and place)", type="filepath",
                                      elem_id="photo_result")

    def shown(photo, place, progress):
        """All outputs, once a part of the photo has been looked at."""
        progress(0.5, desc="Finding what is behind it")
        seen = subject.look(models.client, photo, place)
        small = downloads.enlarged(seen.small)
        count = len(photo.regions)
        names = [(f"Face {number + 1}", number) for number in range(count)]
        return [seen, uuid.uuid4().hex, controls.sentence(photo.note),
                gr.Image(subject.marked(photo, place), visible=True),
                gr.Radio(names, value=place, visible=count > 1), gr.Column(visible=False), gr.Column(visible=True),
                small, small, downloads.jpeg(photo.pixels, "photo.jpg"), attributes.chart(schema, seen.found.vector)]

    @in_words
    def open_photo(progress=gr.Progress(), taken=None):
        if taken is None:  # the camera's picture was taken away
            return [gr.skip()] * len(outputs)
        return shown(read_photo(models, taken, progress), 0, progress)

    @in_words
    def open_drawn(progress=gr.Progress()):
        wait(models, progress)
        return shown(draw_photo(models, controls.another_seed()), 0, progress)

    @in_words
    def choose_face(progress=gr.Progress(), seen=None, place=0):
        return shown(kept(seen).photo, int(place), progress)

    @in_words
    def answer(progress=gr.Progress(), *values):
        seen, correlated, names, *amounts = values
        progress(0.3, desc="Changing")
        small, photo = subject.edit(models.client, kept(seen), dict(zip(names, amounts, strict=True)), correlated)
        return downloads.enlarged(small), downloads.jpeg(photo, "photo_changed.jpg")

    outputs = [shared, looked, note, whole, face, steps, results, before, after, result, chart]
    common = {"outputs": outputs, "concurrency_id": controls.PHOTOS, "api_visibility": "private"}
    file.upload(open_photo, file, show_progress_on=[file], **common)
    drawn.click(open_drawn, show_progress_on=[file], **common)
    camera.input(open_photo, camera, show_progress_on=[file], **common)
    # By way of the browser: the choice itself is held against those that the server has forgotten with the photo.
    face.input(None, face, chosen_face, js="value => value", api_visibility="private").then(
        choose_face, [shared, chosen_face], show_progress_on=[whole], **common)

    with sliders:
        @gr.render([shared, chosen], triggers=[looked.change, chosen.change])
        def show_sliders(seen, names):
            if seen is None:
                return
            as_found = dict(zip(schema.names, attributes.deviations(schema, seen.found.vector).tolist(), strict=True))
            token = round(float(seen.found.energy), 3)
            amounts = [controls.amount(schema, name, round(as_found[name], 1), ("photo", name, token))
                       for name in names]
            gr.on([change.click, correlated.input, *map(controls.changed, amounts)], answer,
                  [shared, correlated, gr.State(names), *amounts], [after, result], trigger_mode="always_last",
                  show_progress_on=[after], concurrency_id=controls.PHOTOS, api_visibility="private")
