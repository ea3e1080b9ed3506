"""The page to try exported models: `python -m export.studio`.

It uses models only through `attr2image_tf.client`, and needs Gradio (pip install ".[studio]").

    attributes.py                       groups of names, ranges, the chart
    subject.py files.py                 photos and what was found in them; pictures as files
    draw.py photo.py fill.py walk.py    one tab each: its functions and its layout
    controls.py errors.py loading.py    what tabs share
    page.py starting.py                 the tabs together and how they are served; what comes before
"""

import os

# Gradio, and the library by which it fetches files, read these when they are imported: nothing is sent to anyone.
os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
