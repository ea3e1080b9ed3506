"""The page: its tabs together, its looks, and how it is served."""

import html

import fastapi
import gradio as gr

from export.studio import draw, fill, photo, walk
from export.studio.errors import FORGOTTEN
from export.studio.loading import Shared

CSS = """
.pictures .grid-wrap { height: auto; max-height: none; min-height: 0; overflow: visible; }
.block:not(#fill_editor) > label.float { position: static; width: fit-content; margin-bottom: 4px; }
.block:not(#fill_editor) .image-container > .icon-button-wrapper.top-panel { top: -34px; }
@media (max-width: 600px) { .pictures .grid-container { grid-template-columns: repeat(2, 1fr) !important; } }
table.chart { width: 100%; border-collapse: collapse; border: none !important; }
table.chart caption { text-align: left; padding-bottom: 0.5rem; opacity: 0.8; }
table.chart :is(tr, th, td) { border: none !important; }
table.chart th { text-align: left; font-weight: normal; padding: 2px 8px 2px 0; width: 45%; }
table.chart td { padding: 2px 0; }
table.chart .bar { position: relative; background: linear-gradient(#8888, #8888) center / 1px 100% no-repeat; }
table.chart .bar span { position: absolute; top: 15%; height: 70%; border-radius: 2px; }
table.chart .more { background: #2a7fb8; }
table.chart .less { background: #c4622d; }
table.chart .amount { text-align: right; width: 3.5em; font-variant-numeric: tabular-nums; }
"""
# Seconds. Pictures on disk are removed when they are older than the second, looked for as often as the first says.
KEEPING = (600, 3600)
# Visitors whose requests wait at the same time; the next one is told to come back.
QUEUE = 32
# The states of so many visitors are kept; each may hold a photo.
SESSIONS = 100


def build(models: Shared, title: str) -> gr.Blocks:
    """The page for some models; `title` is their name, shown to visitors."""
    count, size = len(models.client.schema), models.client.image_size
    with gr.Blocks(title="Attribute2Image", analytics_enabled=False, delete_cache=KEEPING) as page:
        gr.HTML("<h1>Attribute2Image</h1><p>Draw pictures from attributes, see the attributes of a photo, change "
                f"them, and fill in hidden parts.</p><p>Model: {html.escape(title)}, {size} x {size} pixels, {count} "
                "attributes.</p>")
        shared = gr.State()
        with gr.Tabs():
            with gr.Tab("Draw", id="draw"):
                draw.build(models, page)
            with gr.Tab("Your photo", id="photo"):
                photo.build(models, shared)
            with gr.Tab("Fill in", id="fill"):
                fill.build(models, page, shared)
            with gr.Tab("Walk", id="walk"):
                walk.build(models, page, shared)
    return page


def launch(page: gr.Blocks, *, host: str = "127.0.0.1", port: int | None = None, megabytes: int = 20,
           auth: list[tuple[str, str]] | None = None, share: bool = False, root_path: str | None = None) -> str:
    """Serves the page in a thread; returns its address.

    Args:
        page: from `build`.
        host: address to listen on.
        port: None for the first free one from 7860.
        megabytes: the largest upload.
        auth: pairs of a user and a password; None for a page that is open to all.
        share: whether Gradio's servers publish the page.
        root_path: prefix that a proxy puts before the page's paths, such as "/studio", or its whole address.

    Raises:
        ValueError: nothing can be served at this host and port.
    """
    page.queue(max_size=QUEUE, default_concurrency_limit=1, api_open=False)
    system = gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    # Whose colons would be taken for that before a port.
    listening = f"[{host}]" if ":" in host and not host.startswith("[") else host
    try:
        page.launch(server_name=listening, server_port=port, auth=auth, share=share, root_path=root_path,
                    max_file_size=f"{megabytes}mb", theme=system, css=CSS, footer_links=[], run_history=False,
                    enable_monitoring=False, state_session_capacity=SESSIONS, ssr_mode=False, pwa=False,
                    mcp_server=False, show_error=False, quiet=True, prevent_thread_lock=True,
                    app_kwargs={"exception_handlers": {KeyError: _say_that_it_is_forgotten}})
    except OSError as error:
        # Its own message speaks of Gradio's settings.
        raise ValueError(f"port={port or '7860 to 7959'} of host={host!r} is taken or not this machine's; "
                         "choose others.") from error
    return page.share_url or page.local_url


def _say_that_it_is_forgotten(request: fastapi.Request, error: KeyError) -> fastapi.responses.JSONResponse:
    """What a tab reads whose sliders the server made and no longer knows: after a new start, or many visitors."""
    if not request.url.path.endswith("/queue/join"):
        raise error
    return fastapi.responses.JSONResponse({"detail": FORGOTTEN}, status_code=410)
