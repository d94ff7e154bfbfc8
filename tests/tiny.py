"""Builds the smallest real models: the true architectures with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def picture_base(folder: Path) -> Path:
    """A Stable Diffusion pipeline folder: f = 8, 4 latent channels, v-prediction, 32-pixel pictures."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    from core.singlefile import write_clip_tokenizer

    write_clip_tokenizer(folder / "tokenizer", merges=1000, length=24)
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=16,
        attention_head_dim=2,
        norm_num_groups=4,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=32,
    )
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=24,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    scheduler = DDIMScheduler(
        prediction_type="v_prediction",
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        set_alpha_to_one=False,
    )
    StableDiffusionPipeline(
        vae, text_encoder, tokenizer, unet, scheduler, None, None, requires_safety_checker=False
    ).save_pretrained(folder)
    (folder / "studio.json").write_text(
        '{"square": [32, 32], "portrait": [32, 56], "steps": 2, "guidance": 2.0}', encoding="utf-8"
    )
    return folder


def ip_adapter(pipeline: Any, folder: Path, plus: bool = False) -> Path:
    """An IP-Adapter for a pipeline with strong random weights, and its picture encoder beside it.

    plus: of the kind that looks at the encoder's places, else of the plain one. Gives the adapter's file.
    """
    import torch
    from diffusers.models.embeddings import ImageProjection, IPAdapterPlusImageProjection
    from safetensors.torch import save_file
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(0)
    encoder = CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=24, projection_dim=20, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=2, image_size=32, patch_size=8,
        )
    )  # fmt: skip
    encoder.save_pretrained(folder / "image_encoder")
    context, tensors = pipeline.unet.config.cross_attention_dim, dict[str, Any]()
    if plus:
        layer: Any = IPAdapterPlusImageProjection(24, context, 64, heads=1, num_queries=3)
        for name, value in layer.state_dict().items():
            tensors[f"image_proj.{_plus_name(name)}"] = value
        for depth in range(4):  # as many as diffusers takes all of them to have
            both = [tensors.pop(f"image_proj.layers.{depth}.0.to_{part}.weight") for part in "kv"]
            tensors[f"image_proj.layers.{depth}.0.to_kv.weight"] = torch.cat(both)
    else:
        layer = ImageProjection(image_embed_dim=20, cross_attention_dim=context, num_image_text_embeds=4)
        for name, value in layer.state_dict().items():
            tensors[f"image_proj.{name.replace('image_embeds', 'proj')}"] = value
    crosses = [name for name in pipeline.unet.attn_processors if ".attn2." in name]
    for at, name in enumerate(crosses):
        width = pipeline.unet.get_submodule(name.removesuffix(".processor")).to_k.weight.shape[0]
        for part in ("to_k", "to_v"):
            tensors[f"ip_adapter.{2 * at + 1}.{part}_ip.weight"] = torch.randn(width, context)
    path = folder / f"ip-adapter{'-plus' if plus else ''}.safetensors"
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)
    return path


def _plus_name(name: str) -> str:
    """A key of diffusers' resampler as the adapters' own files have it."""
    for ours, theirs in (
        (".ln0.", ".0.norm1."),
        (".ln1.", ".0.norm2."),
        (".attn.to_out.0.", ".0.to_out."),
        (".attn.", ".0."),
        (".ff.0.", ".1.0."),
        (".ff.1.net.0.proj.", ".1.1."),
        (".ff.1.net.2.", ".1.3."),
    ):
        name = name.replace(ours, theirs)
    return name


def language_model(folder: Path) -> Path:
    """A Llama folder with a tokenizer trained on a few sentences and a chat template."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from tests.tokens import chat_tokenizer

    texts = [
        "The river wakes before the town.",
        "A boat waits under the old bridge.",
        "user system assistant",
    ]
    tokenizer = chat_tokenizer(texts, 400)
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            tie_word_embeddings=True,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def gguf_file(model: Path, target: Path) -> Path:
    """The Llama folder `model` as a .gguf file in fp32, as llama.cpp's own converter writes it."""
    import gguf
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    llama: Any = AutoModelForCausalLM.from_pretrained(model)
    config, file = llama.config, gguf.GGUFWriter(target, "llama")
    heads, shared = config.num_attention_heads, config.num_key_value_heads
    file.add_block_count(config.num_hidden_layers)
    file.add_context_length(config.max_position_embeddings)
    file.add_embedding_length(config.hidden_size)
    file.add_feed_forward_length(config.intermediate_size)
    file.add_head_count(heads)
    file.add_head_count_kv(shared)
    file.add_layer_norm_rms_eps(config.rms_norm_eps)
    file.add_rope_dimension_count(config.hidden_size // heads)
    file.add_vocab_size(len(tokenizer))
    _add_tokenizer(file, tokenizer)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, tensor in llama.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        for layer, count in (("q_proj", heads), ("k_proj", shared)):
            if f".{layer}." in name:  # a head's two halves take turns
                tensor = tensor.unflatten(0, (count, 2, -1)).transpose(1, 2).flatten(0, 2)
        file.add_tensor(names.get_name(name, try_suffixes=(".weight",)), tensor.contiguous().numpy())
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
    return target


def _add_tokenizer(file: Any, tokenizer: Any) -> None:
    import json

    known = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    special = set(tokenizer.all_special_tokens)
    words = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    file.add_tokenizer_model("gpt2")
    file.add_tokenizer_pre("gpt-2")
    file.add_token_list(words)
    file.add_token_types([3 if word in special else 1 for word in words])
    file.add_token_merges([" ".join(pair) for pair in known["merges"]])
    file.add_bos_token_id(tokenizer.bos_token_id)
    file.add_eos_token_id(tokenizer.eos_token_id)
    file.add_pad_token_id(tokenizer.pad_token_id)
    file.add_add_bos_token(False)
    file.add_chat_template(tokenizer.chat_template)
