"""Tokens a second of engines that run a 1.5 B language model in four to eight bits: prompt and generation.

    python -m tests.bench.writer llama=FILE.gguf openvino=FILE.gguf ctranslate2=DIR onnx=DIR transformers=DIR
                                 [--threads 1 2] [--rounds 3]

Each run is a process of its own, as engines spin against each other; the engines take turns, a round after
another, and each figure is the median of the rounds. A busy machine spoils wall time: the figures a second of
processor time are kept beside it (of one thread they are what a quiet core does). Engines that the studio
doesn't use are installed by hand: openvino-genai, ctranslate2, onnxruntime-genai.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

PROMPT = "You are a scriptwriter. " + " ".join(
    f"Scene {number} shows a bee that dances around the yellow flowers in the morning light."
    for number in range(16)
)
NEW = 48
Go = Callable[[str, int], tuple[int, float, int, float]]  # (text, new) → tokens and seconds: prompt, new ones


def llama(path: str, threads: int) -> Go:
    """llama.cpp by xllamacpp's wheels."""
    import xllamacpp

    how = xllamacpp.CommonParams()
    how.model.path, how.n_ctx, how.n_parallel = path, 4096, 1
    how.cpuparams.n_threads = how.cpuparams_batch.n_threads = threads
    how.warmup, how.verbosity, how.cache_ram_mib, how.cache_prompt = False, -1, 0, False
    server = xllamacpp.Server(how)

    def go(text: str, new: int) -> tuple[int, float, int, float]:
        asked = {"prompt": text, "n_predict": new, "temperature": 0.0, "ignore_eos": True}
        took = server.handle_completions(asked)["timings"]
        return took["prompt_n"], took["prompt_ms"] / 1e3, took["predicted_n"], took["predicted_ms"] / 1e3

    return go


def openvino(path: str, threads: int) -> Go:
    """OpenVINO GenAI, reading the GGUF file."""
    import openvino_genai

    pipe = openvino_genai.LLMPipeline(path, "CPU", {"INFERENCE_NUM_THREADS": threads})

    def go(text: str, new: int) -> tuple[int, float, int, float]:
        how = openvino_genai.GenerationConfig()
        how.max_new_tokens, how.ignore_eos, how.apply_chat_template = new, True, False
        took = pipe.generate([text], how).perf_metrics
        first, whole = took.get_ttft().mean / 1e3, took.get_generate_duration().mean / 1e3
        return took.get_num_input_tokens(), first, took.get_num_generated_tokens() - 1, whole - first

    return go


def ctranslate2(path: str, threads: int) -> Go:
    """CTranslate2 in int8: a folder of ct2-transformers-converter with the model's tokenizer.json in it."""
    import ctranslate2
    from tokenizers import Tokenizer

    tokens = Tokenizer.from_file(f"{path}/tokenizer.json")
    model = ctranslate2.Generator(path, compute_type="int8", intra_threads=threads)

    def go(text: str, new: int) -> tuple[int, float, int, float]:
        ids = tokens.encode(text).tokens
        times = [time.monotonic()]
        for _ in model.generate_tokens(ids, max_length=new, sampling_topk=1, end_token=[]):
            times.append(time.monotonic())
        return len(ids), times[1] - times[0], len(times) - 2, times[-1] - times[1]

    return go


def onnx(path: str, threads: int) -> Go:
    """onnxruntime-genai: a folder of its model builder, int4."""
    import onnxruntime_genai

    config = onnxruntime_genai.Config(path)
    config.overlay(json.dumps({"model": {"decoder": {"session_options": {"intra_op_num_threads": threads}}}}))
    model = onnxruntime_genai.Model(config)
    tokens = onnxruntime_genai.Tokenizer(model)

    def go(text: str, new: int) -> tuple[int, float, int, float]:
        ids = tokens.encode(text)
        how = onnxruntime_genai.GeneratorParams(model)
        how.set_search_options(max_length=len(ids) + new, min_length=len(ids) + new)
        times = [time.monotonic()]
        writer = onnxruntime_genai.Generator(model, how)
        writer.append_tokens(ids)
        for _ in range(new):
            writer.generate_next_token()
            times.append(time.monotonic())
        return len(ids), times[1] - times[0], new - 1, times[-1] - times[1]

    return go


def transformers(path: str, threads: int) -> Go:
    """What the studio's Writer does on any folder, in the machine's own number format."""
    import torch

    from core.texts.sampling import Sampling
    from core.texts.writer import Writer

    torch.set_num_threads(threads)
    writer = Writer(path)
    ids = writer.tokenizer

    def go(text: str, new: int) -> tuple[int, float, int, float]:
        prompt, times = ids.encode(text), [time.monotonic()]
        for _ in writer.sampling([prompt], 1, 0, Sampling(new, 0.0, 1.0)):
            times.append(time.monotonic())
        return len(prompt), times[1] - times[0], len(times) - 2, times[-1] - times[1]

    return go


ENGINES = {one.__name__: one for one in (llama, openvino, ctranslate2, onnx, transformers)}


def measured(engine: str, path: str, threads: int) -> dict[str, float]:
    """One engine's figures in this process."""
    from core import device

    began = time.monotonic()
    go = ENGINES[engine](path, threads)
    loaded = time.monotonic() - began
    go("Bees", 2)
    before = time.process_time()
    count, seconds, _, _ = go(PROMPT, 2)
    between = time.process_time()
    _, _, new, writing = go("Bees dance because", NEW)
    after = time.process_time()
    return {
        "load s": loaded,
        "prompt/s": count / seconds,
        "prompt/CPU s": count / (between - before),
        "new/s": new / writing,
        "new/CPU s": new / (after - between),
        "GB": device.peak_memory_bytes() / 1e9,
    }


def main() -> None:
    """Measures the engines that were named, in turns."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("engines", nargs="+", metavar="ENGINE=PATH")
    options.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    arms = [(*arm.split("=", 1), threads) for threads in chosen.threads for arm in chosen.engines]
    if chosen.one:
        print(json.dumps(measured(*arms[0])))
        return
    found: dict[tuple[str, int], list[dict[str, float]]] = {}
    for _ in range(chosen.rounds):
        for engine, path, threads in arms:
            command = [sys.executable, "-m", "tests.bench.writer", f"{engine}={path}", "--one"]
            run = subprocess.run([*command, "--threads", str(threads)], stdout=subprocess.PIPE, check=True)
            found.setdefault((engine, threads), []).append(json.loads(run.stdout.splitlines()[-1]))
    for (engine, threads), rounds in found.items():
        middle = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
        figures = " | ".join(f"{name} {figure:.2f}" for name, figure in middle.items())
        print(f"{engine}, {threads} thread(s): {figures}", flush=True)


if __name__ == "__main__":
    main()
