"""The tab that draws pictures from attributes."""

import gradio as gr

from attr2image_tf import pixels
from export.studio import attributes, controls, downloads
from export.studio.errors import in_words
from export.studio.loading import Shared

MOST_PICTURES = 16
# Layers are for the eye: of more pictures a sheet would be too small to see anything.
SHEET_COLUMNS = 8
_LAYERS = {"images": "picture", "foregrounds": "foreground", "gates": "gate", "backgrounds": "background"}


def draw(client, request: dict[str, float], *, count: int, seed: int, varied: bool, correlated: bool,
         temperature: float):
    """What the tab shows of a request.

    Args:
        request: standard deviations by name.
        count, seed, varied, correlated, temperature: as `Client.generate_layers` takes them.

    Returns:
        The pictures enlarged, a list of uint8 [S, S, 3]; a sheet of their layers uint8 [H, W, 3], or None where the
        model has none; the path of a ZIP with all of it as it is.
    """
    layers = client.generate_layers(request, count=count, seed=seed, varied=varied, correlated=correlated,
                                    temperature=temperature)
    rows = [list(layers[name][:SHEET_COLUMNS]) for name in _LAYERS if name in layers]
    sheet = pixels.grid(rows, row_labels=[_LAYERS[name] for name in layers]) if len(rows) > 1 else None
    about = {"attributes": request, "seed": seed, "varied": varied, "correlated": correlated,
             "temperature": temperature}
    archive = downloads.archive({f"{place + 1:02}_{_LAYERS[name]}": picture for name, pictures in layers.items()
                             for place, picture in enumerate(pictures)}, about, "drawn.zip")
    return [downloads.enlarged(picture) for picture in layers["images"]], sheet, archive


def build(models: Shared, page: gr.Blocks):
    """The tab."""
    schema = models.client.schema
    first = attributes.first_request(schema)
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            chosen = controls.chooser(schema, "Attributes", list(first))
            sliders = gr.Column()
            correlated = gr.Checkbox(True, label="Other attributes go along", info="As they do in the training "
                                     "pictures: seniors also have grey hair. If not, these alone change.")
            varied = gr.Checkbox(True, label="Each picture differs in the others",
                                 info="If not, they are as expected: one kind of picture, drawn several times.")
            with gr.Accordion("More", open=False):
                count = gr.Slider(1, MOST_PICTURES, 8, step=1, label="Pictures")
                temperature = controls.variety()
                seed = controls.seed()
        with gr.Column(scale=3, min_width=300):
            with gr.Row():
                start = controls.button("Draw", elem_id="draw")
                other = gr.Button("Draw others", elem_id="draw_others")
            gallery = controls.gallery("Pictures", 4, elem_id="drawn")
            with gr.Accordion("How each is put together", open=True, visible=models.layered):
                gr.Markdown("A picture is its foreground, and its background where the gate is white.")
                sheet = controls.picture("Layers", elem_id="layers")
            archive = gr.DownloadButton("Download all (ZIP)")

    @in_words
    def answer(progress=gr.Progress(), *values):
        count, seed, varied, correlated, temperature, names, *amounts = values
        progress(0.3, desc="Drawing")
        return draw(models.client, dict(zip(names, amounts, strict=True)), count=count, seed=seed, varied=varied,
                    correlated=correlated, temperature=temperature)

    @in_words
    def answer_first():
        return draw(models.client, first, count=8, seed=0, varied=True, correlated=True, temperature=1.0)

    settings = [count, seed, varied, correlated, temperature]
    outputs = [gallery, sheet, archive]
    with sliders:
        @gr.render(chosen)
        def show_sliders(names):
            amounts = [controls.amount(schema, name, first.get(name, 0.0), ("draw", name)) for name in names]
            drawn = gr.State(names)
            common = {"fn": answer, "inputs": [*settings, drawn, *amounts], "outputs": outputs,
                      "concurrency_id": controls.DRAWING, "api_visibility": "private"}
            gr.on([start.click, seed.submit, count.release, temperature.release, varied.input, correlated.input,
                   *map(controls.changed, amounts)], trigger_mode="always_last", **common)
            other.click(controls.another_seed, outputs=seed, api_visibility="private").then(**common)

    page.load(answer_first, outputs=outputs, concurrency_id=controls.DRAWING, api_visibility="private")
