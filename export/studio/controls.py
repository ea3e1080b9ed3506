"""Parts of the page that several tabs have: which attributes, their amounts, a seed, variety."""

import html
import secrets

import gradio as gr

from attr2image_tf.data.schema import AttributeSchema
from export.studio import attributes

# What goes one after the other, since a request takes all processors. Who draws does not wait for photos, which take
# longer.
DRAWING, PHOTOS = "drawing", "photos"


def button(label: str, **options) -> gr.Button:
    """A button that does the main thing of its tab."""
    return gr.Button(label, variant="primary", **options)


def chooser(schema: AttributeSchema, label: str, value: list[str]) -> gr.Dropdown:
    """Which attributes are shown: a list to search, by group and name."""
    return gr.Dropdown(attributes.choices(schema), value=value, multiselect=True, label=label,
                       info="Type to search; each gets a slider or a switch.")


def amount(schema: AttributeSchema, name: str, value: float, key) -> gr.Slider | gr.Radio:
    """The slider of an attribute, over the range that training has seen, and as far as its first value lies; a switch
    where it has two values."""
    least, most = attributes.seen(schema, name)
    if schema.binary[schema.index(name)]:
        offered = [("no", least), ("yes", most)]
        if value not in (least, most):
            offered.insert(0, ("as it is" if value else "average", value))
        return gr.Radio(offered, value=value, key=key, interactive=True, label=name.replace("_", " "))
    return gr.Slider(min(least, value), max(most, value), value, step=attributes.STEP, key=key, interactive=True,
                     label=name.replace("_", " "), info=f"0 is the average; training has {least:+g} to {most:+g}.")


def changed(control: gr.Slider | gr.Radio):
    """The event of an `amount` that has been chosen."""
    return control.input if isinstance(control, gr.Radio) else control.release


def variety() -> gr.Slider:
    """The temperature."""
    return gr.Slider(0.0, 1.5, 1.0, step=0.05, label="Variety (temperature)",
                     info="Below 1: more typical and more alike.")


def seed(label: str = "Seed", value: int = 0) -> gr.Number:
    """Where the noise begins."""
    return gr.Number(value, precision=0, minimum=0, maximum=2**31 - 1, label=label,
                     info="The same seed draws the same pictures.")


def gallery(label: str, columns: int, **options) -> gr.Gallery:
    """Pictures in rows, each to be enlarged and downloaded."""
    return gr.Gallery(label=label, columns=columns, object_fit="contain", format="png", height="auto",
                      buttons=["download", "fullscreen"], interactive=False, elem_classes="pictures", **options)


def picture(label: str, **options) -> gr.Image:
    """A picture to look at, to enlarge, and to download as PNG."""
    defaults = {"format": "png", "buttons": ["download", "fullscreen"]}
    return gr.Image(label=label, alt_text=label, interactive=False, **defaults | options)


def another_seed() -> int:
    """A seed at random."""
    return secrets.randbelow(2**31)


def sentence(text: str) -> str:
    """A text as Markdown that shows it as it is."""
    return f"<p>{html.escape(text)}</p>"
