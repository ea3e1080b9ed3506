"""The page to try exported models on: `python -m export.studio`.

It knows models by `attr2image_tf.client` alone, and needs Gradio (pip install ".[studio]").

    attributes.py   names in groups, ranges, the chart
    subject.py      a photo: its faces, what was found behind one of them
    walk.py draw.py fill.py photo.py      a tab each: its functions, and how it looks
    page.py         the tabs together, and how they are served
"""

import os

# Gradio, and the library by which it fetches files, read these when they are imported: nothing is sent to anyone.
os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
