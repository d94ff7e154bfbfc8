"""The process in which llama.cpp runs: reads one line of JSON, prints its address, ends when its input does.

Imports nothing of the studio, so that it holds the model's memory and no more. Its input is a pipe from the
studio: when that is killed, in whichever way, the pipe ends and so does this.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    """Serves the model; prints nothing where it can't be loaded."""
    import xllamacpp

    asked = json.loads(sys.stdin.readline())
    how = xllamacpp.CommonParams()
    how.model.path, how.n_ctx, how.n_parallel = asked["model"], asked["context"], 1
    how.cpuparams.n_threads = how.cpuparams_batch.n_threads = asked["threads"]
    how.warmup, how.verbosity, how.cache_ram_mib = False, -1, 0
    how.api_keys, how.use_jinja = [asked["key"]], True
    if asked["template"]:
        how.chat_template = asked["template"]
    how.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, 1.0) for path in asked["loras"]]
    try:
        server = xllamacpp.Server(how)
    except RuntimeError:
        os._exit(1)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    os._exit(0)  # its threads would go on


if __name__ == "__main__":
    main()
