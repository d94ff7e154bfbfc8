"""Everything that works: pictures, texts, LoRAs and videos. Knows nothing about the window."""

import os

# The studio tells nobody anything, and neither may a library: onnxruntime gives each machine a number and
# reports to its maker, gradio and huggingface_hub count their uses.
for _switch, _off in {
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
}.items():
    os.environ[_switch] = _off
