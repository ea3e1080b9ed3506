"""The tab that walks an attribute from end to end."""

import gradio as gr
import numpy as np

from attr2image_tf import pixels
from export.studio import attributes, controls, downloads, subject
from export.studio.errors import in_words
from export.studio.loading import Shared

MOST_PICTURES = 12
# Frames of the animation from one picture of the strip to the next.
BETWEEN = 4


def amounts_of(schema, name: str, steps: int) -> list[float]:
    """What a walk takes, from the least that training has seen to the most: (steps - 1) * BETWEEN + 1 amounts."""
    return np.linspace(*attributes.seen(schema, name), (steps - 1) * BETWEEN + 1).tolist()


def walk_drawn(client, name: str, amounts: list[float], *, seed: int, correlated: bool,
               temperature: float) -> list[np.ndarray]:
    """A drawn picture at each amount, uint8 [size, size, 3]."""
    return list(client.progression(name, amounts, seed=seed, correlated=correlated, temperature=temperature))


def walk_photo(client, seen: subject.Subject, name: str, amounts: list[float], *,
               correlated: bool) -> list[np.ndarray]:
    """What the model saw of a photo at each amount, uint8 [size, size, 3]."""
    return [client.edit(seen.small, {name: amount}, found=seen.found, correlated=correlated) for amount in amounts]


def build(models: Shared, page: gr.Blocks, shared: gr.State):
    """The tab, part of `page`; `shared` is the Subject of the tab with photos, or None."""
    client, schema = models.client, models.client.schema
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            name = gr.Dropdown(attributes.choices(schema), value=next(iter(attributes.first_request(schema))),
                               label="Attribute", info="Type to search.", elem_id="walk_name")
            source = gr.Radio(["A drawn picture", "The photo of “Your photo”"], value="A drawn picture",
                              type="index", label="Of what", elem_id="walk_source")
            correlated = gr.Checkbox(True, label="Other attributes go along", info="As they do in the training "
                                     "pictures. If not, this one alone changes.")
            with gr.Accordion("More", open=False):
                steps = gr.Slider(3, MOST_PICTURES, 7, step=1, label="Pictures of the strip")
                temperature = controls.variety()
                seed = controls.seed("Seed of a drawn picture")
        with gr.Column(scale=3, min_width=300):
            with gr.Row():
                start = controls.button("Walk", elem_id="walk")
                other = gr.Button("Walk another drawn one", elem_id="walk_other")
            strip = controls.picture("From least to most", elem_id="walk_strip")
            animated = controls.picture("There and back", type="filepath", buttons=["download"],
                                        elem_id="walk_animated")

    @in_words
    def answer(progress=gr.Progress(), name=None, source=0, steps=3, seed=0, correlated=True, temperature=1.0,
               seen=None):
        if name is None:
            raise ValueError("There is no attribute yet: choose one.")
        amounts = amounts_of(schema, name, steps)
        progress(0.3, desc="Walking")
        if source == 0:
            frames = walk_drawn(client, name, amounts, seed=seed, correlated=correlated, temperature=temperature)
        elif seen is None:
            raise ValueError("There is no photo in “Your photo” yet.")
        else:
            frames = walk_photo(client, seen, name, amounts, correlated=correlated)
        labels = [f"{amount:+.1f}" for amount in amounts[::BETWEEN]]
        return (pixels.grid([frames[::BETWEEN]], column_labels=labels, scale=max(1, 128 // client.image_size)),
                downloads.animation([downloads.enlarged(frame) for frame in frames], "walk.webp"))

    common = {"fn": answer, "inputs": [name, source, steps, seed, correlated, temperature, shared],
              "outputs": [strip, animated], "concurrency_id": controls.DRAWING, "api_visibility": "private"}
    gr.on([start.click, name.input, correlated.input, source.input, steps.release, temperature.release, seed.submit],
          trigger_mode="always_last", **common)
    other.click(controls.another_seed, outputs=seed, api_visibility="private").then(**common)
    page.load(**common)
