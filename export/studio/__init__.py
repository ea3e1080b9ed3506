"""The page to try exported models on: `python -m export.studio`.

It knows models by `attr2image_tf.client` alone, and needs Gradio (pip install ".[studio]").

    attributes.py                       names in groups, ranges, the chart
    subject.py files.py                 photos and what was found in them; pictures as files
    draw.py photo.py fill.py walk.py    a tab each: its functions, and how it looks
    controls.py errors.py loading.py    what tabs share
    page.py starting.py                 the tabs together and how they are served; what comes before
"""

import os

# Gradio, and the library by which it fetches files, read these when they are imported: nothing is sent to anyone.
os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
