"""A model by OpenVINO: exported once from the open_clip model in use, checked against it, and run without torch.

export.py and write_tokenizer.py import torch and open_clip, in a process of their own; the others need neither. Start
with runtime.py, and with folder.py for what lies on the disk.
"""

import sys

# openvino and nncf report their use over the network by this package, where a file in the home folder allows it. Here
# nothing may say anywhere what is run: without the package they say nothing.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # None is how an import is made to find nothing
